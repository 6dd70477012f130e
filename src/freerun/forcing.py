"""Teacher forcing: what a network reads while it is trained, from the data alone to its own output alone.

Each forcing turns a network and data into errors and the weights with which they count. Any of them goes with any
optimiser, since all are plain differentiable functions of the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from freerun.cells import Array
from freerun.dynamics import expansion_along
from freerun.errors import SettingError
from freerun.network import Network, State
from freerun.recurrence import in_pieces
from freerun.series import interpolated
from freerun.settings import Settings

SHORTEST = 64
"""Short series are filled up to so many steps, or twice, four times ... as many."""

DEPTHS = 16
"""Networks that share programs reach back a multiple of so many steps."""

PIECE = 10_000
"""Steps of a long series whose hidden states are in memory at a time, where no gradient is taken."""


class Pairs(eqx.Module):
    """What a network reads with the values that follow: of one series, or of several stacked along a leading axis.

    Attributes:
        inputs: shape (T, N), steps 0 to T - 1 of a series, standardised, missing values interpolated.
        targets: shape (T, D), steps 1 to T, zero where a value is missing.
        weight: shape (T, D), 1 where an error counts, 0 in the washout, for missing values, and where a series that is
            shorter than others is filled up.
        observed: shape (T, D), 1 where there was a value to read, 0 where there was none; None when all are there.
        length: T, or in a stack the steps of each series, without those that fill it up.
    """

    inputs: Float[Array, "*S T N"]
    targets: Float[Array, "*S T D"]
    weight: Float[Array, "*S T D"]
    observed: Float[Array, "*S T D"] | None
    length: Int[Array, "*S"]

    @classmethod
    def of(cls, panel: Sequence[np.ndarray], channels: int, washout: int, at_least: int = 0) -> Pairs:
        """The pairs of standardised series.

        Args:
            panel: arrays of shape (steps, N), NaN where a value is missing; see `Scaling.apply`.
            channels: D, the first columns of each.
            washout: the errors of the first `washout` predictions of each do not count.
            at_least: fill up to this many steps, so that series of different lengths share one compiled program.
        """
        gaps = any(np.isnan(values[:, :channels]).any() for values in panel)
        steps = max(at_least, *(len(values) - 1 for values in panel))
        each = [_padded(values, channels, washout, steps, gaps) for values in panel]
        return each[0] if len(each) == 1 else jax.tree.map(lambda *arrays: jnp.stack(arrays), *each)

    @property
    def stacked(self) -> bool:
        """Whether these are several series."""
        return self.inputs.ndim == 3

    @property
    def steps(self) -> int:
        """T."""
        return self.inputs.shape[-2]

    @property
    def channels(self) -> int:
        """D."""
        return self.targets.shape[-1]

    def each(self) -> list[Pairs]:
        """The pairs of each series."""
        if not self.stacked:
            return [self]
        count = len(self.inputs)
        return [jax.tree.map(lambda array, i=i: array[i], self) for i in range(count)]

    def without(self, first: int, stop: int) -> Pairs:
        """The same without the errors of the steps from `first` to `stop` - 1, counted from the end of each series.

        Args:
            first, stop: how many steps before the end: 0 < stop < first.
        """
        target = jnp.arange(self.steps) + 1
        left = (self.length[..., None] + 1 - target)[..., None]
        return eqx.tree_at(lambda p: p.weight, self, jnp.where((left <= first) & (left > stop), 0.0, self.weight))

    def windows(self, key: PRNGKeyArray, count: int, length: int, washout: int) -> Pairs:
        """`count` random pieces of equal length, stacked; the first `washout` errors of each do not count."""
        of_series, of_start = jax.random.split(key)
        series = jax.random.randint(of_series, (count,), 0, len(self.inputs) if self.stacked else 1)
        room = self.length[series] if self.stacked else self.length
        starts = jax.random.randint(of_start, (count,), 0, room - length + 1)
        at = starts[:, None] + jnp.arange(length)
        where = (series[:, None], at) if self.stacked else (at,)
        inputs, targets, weight, observed = jax.tree.map(
            lambda array: array[where], (self.inputs, self.targets, self.weight, self.observed)
        )
        counts = (jnp.arange(length) >= washout)[:, None]
        return Pairs(inputs, targets, jnp.where(counts, weight, 0.0), observed, jnp.full(count, length))

    def completed(self, network: Network) -> Pairs:
        """The same where the network's own output stands in for every missing value that it reads; one series."""
        if self.observed is None:
            return self
        return Pairs(
            network.completed(self.inputs, self.observed), self.targets, self.weight, observed=None, length=self.length
        )

    def with_whole_windows(self, depth: int) -> Pairs:
        """The same without the errors of steps that read a missing value, if at least half of the errors are left.

        Args:
            depth: steps before the current one that a step reads.
        """
        if self.observed is None:
            return self
        missing = jnp.cumsum(1.0 - self.observed.min(axis=-1), axis=-1)
        before = jnp.concatenate([jnp.zeros_like(missing[..., : depth + 1]), missing], axis=-1)[..., : self.steps]
        weight = jnp.where((missing - before > 0)[..., None], 0.0, self.weight)
        if 2 * float(weight.sum(axis=(0, -2) if self.stacked else -2).min()) < float(self.weight.sum()) / self.channels:
            return self
        return eqx.tree_at(lambda p: p.weight, self, weight)

    def squared_errors(self, network: Network) -> Float[Array, " D"]:
        """Mean squared error of the one-step predictions per channel, in standardised units, shape (D,)."""
        sums = jax.vmap(lambda one: one._sums(network)) if self.stacked else (lambda one: one._sums(network))
        squares, counts = jax.tree.map(lambda a: a.reshape(-1, self.channels).sum(axis=0), sums(self))
        return squares / counts

    def _sums(self, network: Network) -> tuple[Array, Array]:
        """Of each channel, the sum of squared errors and the number of errors that count."""

        def add(at: tuple[State, Array], piece: tuple[Array, Array, Array]) -> tuple[State, Array]:
            inputs, targets, weight = piece
            hidden, window, state = network.read_on(inputs, at[0])
            residuals = (network.output(hidden, window) - targets) * weight
            return state, at[1] + (residuals**2).sum(axis=0)

        whole = self.completed(network)
        start = network.rest(), jnp.zeros_like(network.bias)
        pieces = (whole.inputs, whole.targets, whole.weight)
        return in_pieces(add, start, pieces, PIECE)[1], self.weight.sum(axis=0)


def filled_up(steps: int) -> int:
    """The next of the few lengths that short series are given, so that they share compiled programs."""
    return SHORTEST << max(0, math.ceil(math.log2(steps / SHORTEST)))


def cut_down(steps: int) -> int:
    """The largest of the few lengths 1, 2, 3, 4, 6, 8, 12, 16, ... of free runs over short series that is not more."""
    power = 1 << (steps.bit_length() - 1)
    return power + power // 2 if steps >= power + power // 2 and power > 1 else power


def shared(network: Network) -> Network:
    """The network in a form in which those that read different windows share programs; worth it on short series."""
    return network.plain(-(-network.depth // DEPTHS) * DEPTHS)


def _padded(values: np.ndarray, channels: int, washout: int, steps: int, gaps: bool) -> Pairs:
    """The pairs of one series, filled up to `steps` of them."""
    length = len(values) - 1
    inputs, targets = np.zeros((steps, values.shape[1])), np.zeros((steps, channels))
    inputs[:length], targets[:length] = interpolated(values)[:-1], np.nan_to_num(values[1:, :channels])
    weight, observed = np.zeros((2, steps, channels))
    weight[washout:length] = np.isfinite(values[1 + washout :, :channels])
    observed[:length] = np.isfinite(values[:-1, :channels])
    wide = jnp.zeros(()).dtype
    return Pairs(
        jnp.asarray(inputs, wide),
        jnp.asarray(targets, wide),
        jnp.asarray(weight, wide),
        jnp.asarray(observed, wide) if gaps else None,
        jnp.asarray(length),
    )


Errors = tuple[Float[Array, "*N D"], Float[Array, "*N D"]]
"""Output minus target, and the weight with which each counts."""


@runtime_checkable
class Forcing(Protocol):
    """What all forcings share."""

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        """The errors of `network` on the pairs of one series, completed, under this forcing."""
        ...


class Full(eqx.Module):
    """The network reads the data: the errors of one-step prediction."""

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

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        del key
        return network.run_forced(pairs.inputs, self.strength) - pairs.targets, pairs.weight


class Scheduled(eqx.Module):
    """Scheduled sampling (Bengio et al., 2015): at each step the data with probability `strength`, else own output."""

    strength: Float[Array, " T"]

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

    @classmethod
    def over(cls, steps: int, washout: int, length: int) -> Segments:
        """Runs of `length` steps from every max(5, length / 5)-th step on, as many as fit."""
        return cls(jnp.arange(washout, steps - length + 1, max(5, length // 5)), length)

    def errors(self, network: Network, pairs: Pairs, key: PRNGKeyArray) -> Errors:
        del key
        at = self.starts[:, None] + jnp.arange(self.length)
        known = pairs.inputs[at][..., pairs.channels :]
        runs = free_runs(network, pairs.inputs, self.starts, self.length, known)
        return runs - pairs.targets[at], pairs.weight[at]


def free_runs(
    network: Network, inputs: Float[Array, "T N"], starts: Int[Array, " S"], length: int, known: Float[Array, "S L E"]
) -> Float[Array, "S L D"]:
    """Free runs, let loose after reading the steps `starts` of data, the external inputs of the steps to come known."""

    def run(state: State, value: Array, known: Array) -> Array:
        return network.run_free(state, value, length, known)

    return jax.vmap(run)(*network.moments(inputs, starts), known)


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
    steps, dtype = pairs.steps, pairs.inputs.dtype

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
            kappa = jax.vmap(expansion_along, in_axes=(0, None))(networks, pairs.each()[0].inputs[:2000]).max()
            return Mixed(jnp.full(steps, jnp.maximum(0.0, 1.0 - 1.0 / kappa), dtype))

        return [constant(Full()), *[adapted] * ADAPTIVE_STAGES]
    strengths = STRENGTHS if settings.forcing_strength is None else settings.forcing_strength
    kind = Scheduled if settings.forced == "scheduled" else Mixed
    return [
        constant(kind(jnp.full(steps, strength, dtype)))
        for strength in (strengths if isinstance(strengths, tuple) else (strengths,))
    ]
