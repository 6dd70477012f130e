"""Teacher forcing: what a network reads while it is trained, from the data alone to its own output alone.

Each forcing turns a network and data into errors and the weights with which they count. Any of them goes with any
optimiser, since all are plain differentiable functions of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from freerun.cells import Array as Weights
from freerun.dynamics import expansion_along
from freerun.errors import SettingError
from freerun.network import Network, State
from freerun.recurrence import in_pieces
from freerun.settings import Settings

PIECE = 10_000
"""Steps of a long series whose hidden states are in memory at a time, where no gradient is taken."""


class Pairs(eqx.Module):
    """Inputs with the values that follow them.

    Attributes:
        inputs: shape (T, D), steps 0 to T - 1 of a series, standardised.
        targets: shape (T, D), steps 1 to T.
        weight: shape (T,), 1 where the error of a step counts, 0 in the washout.
    """

    inputs: Float[Array, "T D"]
    targets: Float[Array, "T D"]
    weight: Float[Array, " T"]

    @classmethod
    def of(cls, values: Float[Array, "steps D"], washout: int) -> Pairs:
        """The pairs of a standardised series; the errors of its first `washout` predictions do not count."""
        steps = len(values) - 1
        return cls(values[:-1], values[1:], (jnp.arange(steps) >= washout).astype(values.dtype))

    def without(self, first: int, stop: int) -> Pairs:
        """The same without the errors of the steps from `first` to `stop` - 1 of the series."""
        target = jnp.arange(len(self.weight)) + 1
        return Pairs(self.inputs, self.targets, jnp.where((target >= first) & (target < stop), 0.0, self.weight))

    def windows(self, starts: Int[Array, " B"], length: int, washout: int) -> Pairs:
        """Pieces of equal length, stacked along a leading axis; the first `washout` errors of each do not count."""
        at = starts[:, None] + jnp.arange(length)
        weight = jnp.broadcast_to((jnp.arange(length) >= washout).astype(self.weight.dtype), at.shape)
        return Pairs(self.inputs[at], self.targets[at], weight)

    def squared_errors(self, network: Network) -> Float[Array, " D"]:
        """Mean squared error of the one-step predictions per channel, in standardised units, shape (D,)."""

        def add(at: tuple[State, Array], piece: Pairs) -> tuple[State, Array]:
            hidden, windows, state = network.read_on(piece.inputs, at[0])
            residuals = (network.output(hidden, windows) - piece.targets) * piece.weight[:, None]
            return state, at[1] + (residuals**2).sum(axis=0)

        start = network.rest(), jnp.zeros_like(network.bias)
        return in_pieces(add, start, self, PIECE)[1] / self.weight.sum()


Errors = tuple[Float[Weights, "*N D"], Float[Array, " *N"]]
"""Output minus target, and the weight with which each counts."""


@runtime_checkable
class Forcing(Protocol):
    """What all forcings share."""

    @property
    def random(self) -> bool:
        """Whether it draws by chance, and so needs a key."""
        ...

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        """The errors of `network` on `pairs` under this forcing."""
        ...


class Full(eqx.Module):
    """The network reads the data: the errors of one-step prediction."""

    random: bool = eqx.field(static=True, default=False)

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        del key
        return network.predict(pairs.inputs) - pairs.targets, pairs.weight


class Mixed(eqx.Module):
    """The network reads strength * data + (1 - strength) * its own output, step by step.

    One strength for all steps is generalized teacher forcing (Doya, 1992; Hess et al., 2023), ones among zeros are
    sparse forcing (Mikhaeil et al., 2022). The data pass outside the gradient by nature.

    Attributes:
        strength: shape (T,), between 0 and 1.
    """

    strength: Float[Array, " T"]
    random: bool = eqx.field(static=True, default=False)

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        del key
        return network.run_forced(pairs.inputs, self.strength) - pairs.targets, pairs.weight


class Scheduled(eqx.Module):
    """Scheduled sampling (Bengio et al., 2015): at each step the data with probability `strength`, else own output."""

    strength: Float[Array, " T"]
    random: bool = eqx.field(static=True, default=True)

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        chosen = jax.random.bernoulli(key, self.strength).astype(pairs.inputs.dtype)
        return network.run_forced(pairs.inputs, chosen) - pairs.targets, pairs.weight


class Segments(eqx.Module):
    """Free runs of a fixed length from states of the teacher-forced pass, the gradient through that pass included.

    Attributes:
        starts: shape (S,), the steps after which the network is let loose.
        length: steps of each run.
    """

    starts: Int[Array, " S"]
    length: int = eqx.field(static=True)
    random: bool = eqx.field(static=True, default=False)

    @classmethod
    def over(cls, steps: int, washout: int, length: int) -> Segments:
        """Runs of `length` steps from every max(5, length / 5)-th step on, as many as fit."""
        return cls(jnp.arange(washout, steps - length + 1, max(5, length // 5)), length)

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        del key
        states, outputs = network.moments(pairs.inputs, self.starts)
        runs = jax.vmap(lambda state, value: network.run_free(state, value, self.length))(states, outputs)
        targets = pairs.targets[self.starts[:, None] + jnp.arange(self.length)]
        return runs - targets, jnp.ones(runs.shape[:2], runs.dtype)


Stage = Callable[[Network], Forcing]
"""A part of training: given the networks so far, stacked, what they read from here on."""

STRENGTHS = (1.0, 0.5, 0.25, 0.1, 0.05)
"""Default strengths of generalized forcing and scheduled sampling, one stage each."""

SEGMENTS = (5, 20, 50, 100)
"""Default lengths of free-run segments, one stage each, after a stage of full forcing."""

INTERVAL = 10
"""Default interval of sparse forcing."""

ADAPTIVE_STAGES = 8
"""Stages of adaptive forcing, after a stage of full forcing."""


def stages(settings: Settings, pairs: Pairs, washout: int) -> list[Stage]:
    """The stages that the settings ask for, on pairs of that length.

    Raises:
        SettingError: a schedule that does not fit the series, or the window.
    """
    steps, dtype = len(pairs.inputs), pairs.inputs.dtype

    def constant(forcing: Forcing) -> Stage:
        return lambda _: forcing

    if settings.forced == "full":
        return [constant(Full())]
    if settings.forced == "segments":
        lengths = SEGMENTS if settings.segment_lengths is None else settings.segment_lengths
        room = steps - washout
        if settings.segment_lengths is not None and max(lengths) > room:
            raise SettingError(
                f"segment_lengths: a free run of {max(lengths)} steps does not fit in the {room} steps that are left "
                f"after a washout of {washout}; choose shorter ones"
            )
        return [constant(Full())] + [
            constant(Segments.over(steps, washout, length)) for length in lengths if length <= room
        ]
    if settings.forced == "sparse":
        interval = settings.forcing_interval or INTERVAL
        if interval > steps:
            raise SettingError(f"forcing_interval={interval}: longer than the {steps} steps to train on")
        return [constant(Full()), constant(Mixed((jnp.arange(steps) % interval == 0).astype(dtype)))]
    if settings.forcing_strength == "adaptive":

        def adapted(networks: Network) -> Forcing:
            kappa = jax.vmap(expansion_along, in_axes=(0, None))(networks, pairs.inputs[:2000]).max()
            return Mixed(jnp.full(steps, jnp.maximum(0.0, 1.0 - 1.0 / kappa), dtype))

        return [constant(Full()), *[adapted] * ADAPTIVE_STAGES]
    strengths = STRENGTHS if settings.forcing_strength is None else settings.forcing_strength
    kind = Scheduled if settings.forced == "scheduled" else Mixed
    return [
        constant(kind(jnp.full(steps, strength, dtype)))
        for strength in (strengths if isinstance(strengths, tuple) else (strengths,))
    ]
