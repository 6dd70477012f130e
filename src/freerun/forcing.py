"""Teacher forcing: what a network reads while it is trained, from the data alone to its own output alone.

Each forcing turns a network and data into errors and the weights with which they count. Any of them goes with any
optimiser, since all are plain differentiable functions of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, PRNGKeyArray

from freerun.dynamics import expansion_along
from freerun.errors import SettingError
from freerun.network import jax_runs
from freerun.network.network import Network, State
from freerun.network.recurrence import cut
from freerun.network.updates import Array
from freerun.pairs import Pairs
from freerun.plan import TrainPlan
from freerun.sensitivity import Chain

SHORTEST_LINK = 16
"""Fewest steps of a piece of a run whose Jacobian is put together from pieces."""

Errors = tuple[Float[Array, "*N D"], Float[Array, "*N D"]]
"""Output minus target, and the weight with which each counts."""


@runtime_checkable
class Forcing(Protocol):
    """What all forcings share."""

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        """The errors of `network` on the pairs of one series, or of several stacked, completed, under this forcing."""
        ...

    def pieces(self, pairs: Pairs, network: Network, key: PRNGKeyArray) -> Chain:
        """The same errors as a chain of pieces, where no value is missing; more may come after them."""
        ...


class Full(eqx.Module):
    """The network reads the data: the errors of one-step prediction."""

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        del key
        if not pairs.stacked:
            return jax_runs.predict(network, pairs.inputs, pairs.start) - pairs.targets, pairs.weight
        start = None if pairs.start is None else State(pairs.start.cells, pairs.start.past.swapaxes(0, 1))
        outputs = jax_runs.predict(network, pairs.inputs.swapaxes(0, 1), start).swapaxes(0, 1)
        return outputs - pairs.targets, pairs.weight

    def pieces(self, pairs: Pairs, network: Network, key: PRNGKeyArray) -> Chain:
        del key
        length = 1 if network.memoryless else _link(network)
        inputs, targets = cut(pairs.inputs, length), cut(pairs.targets, length)
        before, _ = jax_runs.moments(network, pairs.inputs, jnp.arange(len(inputs)) * length)

        def step(network: Network, kept: Any, known: tuple[Array, Array, Array]) -> tuple[Any, Array]:
            inputs, targets, past = known
            hidden, window, after = jax_runs.read_on(network, inputs, _state(network, kept, past))
            return _kept(network, after), jax_runs.output(network, hidden, window) - targets

        return Chain(lambda network: _kept(network, network.rest()), step, (inputs, targets, before.past))


class Mixed(eqx.Module):
    """The network reads strength * data + (1 - strength) * its own output, step by step.

    One strength for all steps is generalized teacher forcing (Doya, 1992; Hess et al., 2023), ones among zeros are
    sparse forcing (Mikhaeil et al., 2022). The data pass outside the gradient by nature.

    Attributes:
        strength: shape (T,), between 0 and 1.
    """

    strength: Float[Array, " T"]

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        if pairs.stacked:
            return jax.vmap(lambda one: self.errors(network, one, key))(pairs)
        return jax_runs.run_forced(network, pairs.inputs, self.strength, pairs.start) - pairs.targets, pairs.weight

    def pieces(self, pairs: Pairs, network: Network, key: PRNGKeyArray) -> Chain:
        del key
        first, length = pairs.inputs[0, : pairs.channels], _link(network)

        def step(network: Network, at: tuple[State, Array], known: tuple[Array, Array, Array]) -> tuple[Any, Array]:
            (state, output), (inputs, targets, strength) = at, known
            outputs, after = jax_runs.forced_on(network, state, output, inputs, strength)
            return after, outputs - targets

        known = tuple(cut(array, length) for array in (pairs.inputs, pairs.targets, self.strength[:, None]))
        return Chain(lambda network: (jax.tree.map(jnp.asarray, network.rest()), first), step, known)


class Scheduled(eqx.Module):
    """Scheduled sampling (Bengio et al., 2015): at each step the data with probability `strength`, else own output."""

    strength: Float[Array, " T"]

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        return self._drawn(key).errors(network, pairs, key)

    def pieces(self, pairs: Pairs, network: Network, key: PRNGKeyArray) -> Chain:
        return self._drawn(key).pieces(pairs, network, key)

    def _drawn(self, key: PRNGKeyArray) -> Mixed:
        return Mixed(jax.random.bernoulli(key, self.strength).astype(self.strength.dtype))


class Segments(eqx.Module):
    """Free runs of a fixed length from states of the teacher-forced pass, the gradient through that pass included.

    Attributes:
        starts: shape (S,), the steps after which the network is let loose.
        length: steps of each run.
    """

    starts: Int[Array, " S"]
    length: int = eqx.field(static=True)

    @classmethod
    def over(cls, steps: int, washout: int, length: int) -> Segments:
        """Runs of `length` steps from every max(5, length / 5)-th step on, as many as fit."""
        return cls(jnp.arange(washout, steps - length + 1, cls.apart(length)), length)

    @staticmethod
    def apart(length: int) -> int:
        """Steps between the starts of two runs."""
        return max(5, length // 5)

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        if pairs.stacked:
            return jax.vmap(lambda one: self.errors(network, one, key))(pairs)
        at = self.starts[:, None] + jnp.arange(self.length)
        known = pairs.inputs[at][..., pairs.channels :]
        runs = free_runs(network, pairs.inputs, self.starts, self.length, known, pairs.start)
        return runs - pairs.targets[at], pairs.weight[at]

    def pieces(self, pairs: Pairs, network: Network, key: PRNGKeyArray) -> Chain:
        del key
        channels, at = pairs.channels, self.starts[:, None] + jnp.arange(self.length)
        between = pairs.inputs[self.starts[:, None] + jnp.arange(self.apart(self.length))]
        before, _ = jax_runs.moments(network, pairs.inputs, self.starts)

        def step(network: Network, kept: Any, known: tuple[Array, Array, Array, Array]) -> tuple[Any, Array]:
            between, past, ahead, targets = known
            state = _state(network, kept, past)
            run = jax_runs.run_free(network, state, between[0, :channels], self.length, ahead)
            return _kept(network, jax_runs.read_on(network, between, state)[2]), run - targets

        def first(network: Network) -> Any:
            states, _ = jax_runs.moments(network, pairs.inputs, self.starts[:1])
            return _kept(network, jax.tree.map(lambda entry: entry[0], states))

        return Chain(first, step, (between, before.past, pairs.inputs[at][..., channels:], pairs.targets[at]))


def free_runs(
    network: Network,
    inputs: Float[Array, "T N"],
    starts: Int[Array, " S"],
    length: int,
    known: Float[Array, "S L E"],
    state: State | None = None,
) -> Float[Array, "S L D"]:
    """Free runs, let loose after reading the steps `starts` of data, the external inputs of the steps to come known.

    The data are read from `state`, or from rest.
    """

    def run(state: State, value: Array, known: Array) -> Array:
        return jax_runs.run_free(network, state, value, length, known)

    return jax.vmap(run)(*jax_runs.moments(network, inputs, starts, state), known)


def _link(network: Network) -> int:
    """Steps of a piece: as many as make the errors of a piece and the state between pieces cost about the same."""
    return max(SHORTEST_LINK, 3 * network.readout.shape[0] // 4)


def _kept(network: Network, state: State) -> tuple[Any, ...]:
    """What of a state depends on the weights where data are read."""
    return () if network.memoryless else jax.tree.map(jnp.asarray, state.cells)


def _state(network: Network, kept: tuple[Any, ...], past: Array) -> State:
    """The state with what was kept of it."""
    return State(kept or network.rest().cells, past)


Stage = Callable[[Network], Forcing]
"""A part of training: given the networks so far, stacked, what they read from here on."""

ADAPTIVE_STAGES = 8
"""Stages of adaptive forcing, after a stage of full forcing."""


def require_fitting(plan: TrainPlan, steps: int) -> None:
    """Refuse a schedule that does not fit in `steps` steps of a series or a window.

    Raises:
        SettingError: it does not.
    """
    room = steps - plan.uncounted
    if plan.refuse_long and max(plan.lengths) > room:
        raise SettingError(
            f"segment_lengths: a free run of {max(plan.lengths)} steps does not fit in the {room} steps that are "
            f"left after a washout of {plan.uncounted}; choose shorter ones"
        )
    if plan.forcing == "sparse" and plan.interval > steps:
        raise SettingError(f"forcing_interval={plan.interval}: longer than the {steps} steps to train on")


def stages(plan: TrainPlan, pairs: Pairs) -> list[Stage]:
    """The stages of training on pairs of that length.

    Raises:
        SettingError: a schedule that does not fit the series, or the window.
    """
    steps, dtype = pairs.steps, pairs.inputs.dtype

    def constant(forcing: Forcing) -> Stage:
        return lambda _: forcing

    require_fitting(plan, steps)
    if plan.forcing == "full":
        return [constant(Full())]
    if plan.forcing == "segments":
        fitting = [length for length in plan.lengths if length <= steps - plan.uncounted]
        return [constant(Full()), *(constant(Segments.over(steps, plan.uncounted, length)) for length in fitting)]
    if plan.forcing == "sparse":
        return [constant(Full()), constant(Mixed((jnp.arange(steps) % plan.interval == 0).astype(dtype)))]
    if plan.strengths == "adaptive":

        def adapted(networks: Network) -> Forcing:
            kappa = jax.vmap(expansion_along, in_axes=(0, None))(networks, pairs.each()[0].inputs[:2000]).max()
            return Mixed(jnp.full(steps, jnp.maximum(0.0, 1.0 - 1.0 / kappa), dtype))

        return [constant(Full()), *[adapted] * ADAPTIVE_STAGES]
    kind = Scheduled if plan.forcing == "scheduled" else Mixed
    return [constant(kind(jnp.full(steps, strength, dtype))) for strength in plan.strengths]
