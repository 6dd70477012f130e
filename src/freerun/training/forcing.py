"""Teacher forcing: what a network reads in training, from only the data to only its own output.

A forcing computes errors, and the weight of each error, from a network and data. It is a
differentiable function of the network, so every forcing works with every optimiser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, PRNGKeyArray, PyTree

from freerun.dynamics import expansion_along
from freerun.errors import SettingError
from freerun.network import jax_runs
from freerun.network.network import Network, State
from freerun.network.recurrence import cut
from freerun.network.updates import Array, Carry
from freerun.plan import TrainPlan
from freerun.training.sensitivity import Chain
from freerun.training.supervised import SupervisedData

SHORTEST_PIECE = 16
"""Minimum length, in steps, of the pieces from which the Jacobian of a run is computed."""

ADAPTIVE_STAGES = 8
"""Number of stages of adaptive forcing, which follow one stage of full forcing."""

ADAPTED_ON = 2000
"""Number of first steps, of the first series,
from which the strength of adaptive forcing is estimated."""

Errors = tuple[Float[Array, "*N D"], Float[Array, "*N D"]]
"""Output minus target, and the weight of each error in the mean."""

CellStates = tuple[Carry, ...]
"""The states of the cells of a network. It is the part of a `State` that
depends on the weights if data are read."""


@runtime_checkable
class Forcing(Protocol):
    """The interface of all forcings."""

    def errors(self, network: Network, data: SupervisedData, key: PRNGKeyArray) -> Errors:
        """Compute the errors of a network.

        Args:
            network: the network.
            data: of one series, or stacked, without missing inputs; see `SupervisedData.completed`.
            key: for forcings that draw at random.

        Returns:
            The errors and their weights.
        """
        ...

    def pieces(self, data: SupervisedData, network: Network, key: PRNGKeyArray) -> Chain[PyTree, PyTree]:
        """Split the same errors into a chain of pieces, for data without missing values.

        The last piece may hold more errors than `errors` returns, after those.
        """
        ...


class Full(eqx.Module):
    """Full teacher forcing: the network reads the data,
    and the errors are those of one-step prediction."""

    def errors(self, network: Network, data: SupervisedData, key: PRNGKeyArray) -> Errors:
        del key
        if not data.stacked:
            return jax_runs.predict(network, data.inputs, data.start) - data.targets, data.weight
        start = None if data.start is None else State(data.start.cells, data.start.past.swapaxes(0, 1))
        outputs = jax_runs.predict(network, data.inputs.swapaxes(0, 1), start).swapaxes(0, 1)
        return outputs - data.targets, data.weight

    def pieces(
        self, data: SupervisedData, network: Network, key: PRNGKeyArray
    ) -> Chain[CellStates, tuple[Array, Array, Array]]:
        del key
        length = 1 if network.memoryless else _piece_length(network)
        inputs, targets = cut(data.inputs, length), cut(data.targets, length)
        before, _ = jax_runs.run_starts(network, data.inputs, jnp.arange(len(inputs)) * length)

        def step(network: Network, cells: CellStates, piece: tuple[Array, Array, Array]) -> tuple[CellStates, Array]:
            inputs, targets, past = piece
            hidden, window, after = jax_runs.read_on(network, inputs, _with_cells(network, cells, past))
            return _cell_states(network, after), jax_runs.output(network, hidden, window) - targets

        return Chain(lambda network: _cell_states(network, network.rest()), step, (inputs, targets, before.past))


class Mixed(eqx.Module):
    """At each step the network reads strength * data + (1 - strength) * its own output.

    A constant strength is generalized teacher forcing (Doya, 1992; Hess et al., 2023). A strength
    of 1 at some steps and 0 at the others is sparse teacher forcing (Mikhaeil et al., 2022). No
    gradient flows through the data.

    Attributes:
        strength: of each step, shape (T,), between 0 and 1.
    """

    strength: Float[Array, " T"]

    def errors(self, network: Network, data: SupervisedData, key: PRNGKeyArray) -> Errors:
        if data.stacked:
            return jax.vmap(lambda one: self.errors(network, one, key))(data)
        return jax_runs.run_forced(network, data.inputs, self.strength, data.start) - data.targets, data.weight

    def pieces(
        self, data: SupervisedData, network: Network, key: PRNGKeyArray
    ) -> Chain[tuple[State, Array], tuple[Array, Array, Array]]:
        del key
        first, length = data.inputs[0, : data.channels], _piece_length(network)

        def step(
            network: Network, before: tuple[State, Array], piece: tuple[Array, Array, Array]
        ) -> tuple[tuple[State, Array], Array]:
            (state, output), (inputs, targets, strength) = before, piece
            outputs, after = jax_runs.forced_on(network, state, output, inputs, strength)
            return after, outputs - targets

        pieces = cut(data.inputs, length), cut(data.targets, length), cut(self.strength[:, None], length)
        return Chain(lambda network: (jax.tree.map(jnp.asarray, network.rest()), first), step, pieces)


class Scheduled(eqx.Module):
    """Scheduled sampling (Bengio et al., 2015).

    At each step the network reads the data with probability `strength`, else its own output.

    Attributes:
        strength: of each step, shape (T,), between 0 and 1.
    """

    strength: Float[Array, " T"]

    def errors(self, network: Network, data: SupervisedData, key: PRNGKeyArray) -> Errors:
        return self._drawn(key).errors(network, data, key)

    def pieces(
        self, data: SupervisedData, network: Network, key: PRNGKeyArray
    ) -> Chain[tuple[State, Array], tuple[Array, Array, Array]]:
        return self._drawn(key).pieces(data, network, key)

    def _drawn(self, key: PRNGKeyArray) -> Mixed:
        return Mixed(jax.random.bernoulli(key, self.strength).astype(self.strength.dtype))


class Segments(eqx.Module):
    """Free runs of a fixed length, which start from states of the teacher-forced pass.

    The gradient also flows through the teacher-forced pass.

    Attributes:
        starts: shape (S,), the steps after which the free runs start.
        length: number of steps of each run.
    """

    starts: Int[Array, " S"]
    length: int = eqx.field(static=True)

    @classmethod
    def over(cls, steps: int, washout: int, length: int) -> Segments:
        """Place as many runs of `length` steps as fit after the washout.

        Args:
            steps: number of steps of the series, T.
            washout: steps before the first run.
            length: number of steps of each run.
        """
        return cls(jnp.arange(washout, steps - length + 1, cls.spacing(length)), length)

    @staticmethod
    def spacing(length: int) -> int:
        """Number of steps between the starts of two runs: max(5, length / 5)."""
        return max(5, length // 5)

    def errors(self, network: Network, data: SupervisedData, key: PRNGKeyArray) -> Errors:
        if data.stacked:
            return jax.vmap(lambda one: self.errors(network, one, key))(data)
        at = self.starts[:, None] + jnp.arange(self.length)
        future_inputs = data.inputs[at][..., data.channels :]
        runs = free_runs(network, data.inputs, self.starts, self.length, future_inputs, data.start)
        return runs - data.targets[at], data.weight[at]

    def pieces(
        self, data: SupervisedData, network: Network, key: PRNGKeyArray
    ) -> Chain[CellStates, tuple[Array, Array, Array, Array]]:
        del key
        channels, at = data.channels, self.starts[:, None] + jnp.arange(self.length)
        between = data.inputs[self.starts[:, None] + jnp.arange(self.spacing(self.length))]
        before, _ = jax_runs.run_starts(network, data.inputs, self.starts)

        def step(
            network: Network, cells: CellStates, piece: tuple[Array, Array, Array, Array]
        ) -> tuple[CellStates, Array]:
            between, past, future_inputs, targets = piece
            state = _with_cells(network, cells, past)
            run = jax_runs.run_free(network, state, between[0, :channels], self.length, future_inputs)
            return _cell_states(network, jax_runs.read_on(network, between, state)[2]), run - targets

        def first(network: Network) -> CellStates:
            states, _ = jax_runs.run_starts(network, data.inputs, self.starts[:1])
            return _cell_states(network, jax.tree.map(lambda entry: entry[0], states))

        return Chain(first, step, (between, before.past, data.inputs[at][..., channels:], data.targets[at]))


def free_runs(
    network: Network,
    inputs: Float[Array, "T N"],
    starts: Int[Array, " S"],
    length: int,
    future_inputs: Float[Array, "S L E"],
    state: State | None = None,
) -> Float[Array, "S L D"]:
    """Run a network free from several steps of a series.

    Args:
        network: the network.
        inputs: a series, standardised, missing values interpolated.
        starts: the steps of `inputs` after which the runs start.
        length: L, the number of steps of each run.
        future_inputs: the external inputs during the runs; E may be 0.
        state: the state before the first step of `inputs`; None is the zero state.

    Returns:
        The outputs of each run.
    """

    def run(state: State, value: Array, future_inputs: Array) -> Array:
        return jax_runs.run_free(network, state, value, length, future_inputs)

    return jax.vmap(run)(*jax_runs.run_starts(network, inputs, starts, state), future_inputs)


def _piece_length(network: Network) -> int:
    """The number of steps of a piece for which its errors and its final state cost about the
    same."""
    return max(SHORTEST_PIECE, 3 * network.readout.shape[0] // 4)


def _cell_states(network: Network, state: State) -> CellStates:
    """The states of the cells; empty for a memoryless network."""
    return () if network.memoryless else jax.tree.map(jnp.asarray, state.cells)


def _with_cells(network: Network, cells: CellStates, past: Array) -> State:
    """The state with these states of the cells and these past inputs."""
    return State(cells or network.rest().cells, past)


MakeForcing = Callable[[Network], Forcing]
"""Makes the forcing of a stage of training, given the stacked
networks at the beginning of the stage."""


def require_fitting(plan: TrainPlan, steps: int) -> None:
    """Refuse a forcing that does not fit in a series or a window.

    Args:
        plan: the plan of training.
        steps: number of steps of the series or the window.

    Raises:
        SettingError: the forcing does not fit.
    """
    available = steps - plan.uncounted
    if plan.refuse_long and max(plan.lengths) > available:
        raise SettingError(
            f"segment_lengths: a free run of {max(plan.lengths)} steps does not fit in the {available} steps that are "
            f"left after a washout of {plan.uncounted}; choose shorter ones"
        )
    if plan.forcing == "sparse" and plan.interval > steps:
        raise SettingError(f"forcing_interval={plan.interval}: longer than the {steps} steps to train on")


def forcing_schedule(plan: TrainPlan, data: SupervisedData) -> list[MakeForcing]:
    """Make the forcing of each stage of training.

    Args:
        plan: the plan of training.
        data: data of the length on which errors are computed: that of the series, or of a window.

    Returns:
        One function for each stage.

    Raises:
        SettingError: the forcing does not fit the series, or the window.
    """
    steps, dtype = data.steps, data.inputs.dtype

    def constant(forcing: Forcing) -> MakeForcing:
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
            kappa = jax.vmap(expansion_along, in_axes=(0, None))(
                networks, data.unstacked()[0].inputs[:ADAPTED_ON]
            ).max()
            return Mixed(jnp.full(steps, jnp.maximum(0.0, 1.0 - 1.0 / kappa), dtype))

        return [constant(Full()), *[adapted] * ADAPTIVE_STAGES]
    kind = Scheduled if plan.forcing == "scheduled" else Mixed
    return [constant(kind(jnp.full(steps, strength, dtype))) for strength in plan.strengths]
