"""What a network reads with the values that follow: the data of training."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from freerun.data.arrays import interpolated
from freerun.network import jax_runs
from freerun.network.network import Network, State
from freerun.network.recurrence import in_pieces
from freerun.network.updates import Array

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
        start: the state before the first step; None is at rest.
    """

    inputs: Float[Array, "*S T N"]
    targets: Float[Array, "*S T D"]
    weight: Float[Array, "*S T D"]
    observed: Float[Array, "*S T D"] | None
    length: Int[Array, "*S"]
    start: State | None = None

    @classmethod
    def of(cls, panel: Sequence[np.ndarray], channels: int, washout: int) -> Pairs:
        """The pairs of standardised series.

        Args:
            panel: arrays of shape (steps, N), NaN where a value is missing; see `Scaling.apply`.
            channels: D, the first columns of each.
            washout: the errors of the first `washout` predictions of each do not count.
        """
        gaps = any(np.isnan(values[:, :channels]).any() for values in panel)
        steps = max(map(len, panel)) - 1
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

    def states(self, network: Network, apart: int) -> State:
        """The states before every `apart`-th step of each series, from the first step on, stacked."""

        def along(one: Pairs) -> State:
            inputs = one.completed(network).inputs
            count = one.steps // apart
            pieces = inputs[: count * apart].reshape(count, apart, -1)
            rest = jax.tree.map(jnp.asarray, network.rest())
            return jax.lax.scan(lambda state, piece: (jax_runs.read_on(network, piece, state)[2], state), rest, pieces)[
                1
            ]

        return jax.vmap(along)(self) if self.stacked else along(self)

    def windows(
        self, key: PRNGKeyArray, count: int, length: int, washout: int, states: State | None = None, apart: int = 1
    ) -> Pairs:
        """`count` random pieces of equal length, stacked; the first `washout` errors of each do not count.

        Given the `states` before every `apart`-th step, they begin at such steps, in these states.
        """
        of_series, of_start = jax.random.split(key)
        series = jax.random.randint(of_series, (count,), 0, len(self.inputs) if self.stacked else 1)
        room = self.length[series] if self.stacked else self.length
        places = jax.random.randint(of_start, (count,), 0, (room - length) // apart + 1)
        at = apart * places[:, None] + jnp.arange(length)
        where = (series[:, None], at) if self.stacked else (at,)
        inputs, targets, weight, observed = jax.tree.map(
            lambda array: array[where], (self.inputs, self.targets, self.weight, self.observed)
        )
        counts = (jnp.arange(length) >= washout)[:, None]
        starts = (series, places) if self.stacked else (places,)
        start = jax.tree.map(lambda entry: entry[starts], states)
        return Pairs(inputs, targets, jnp.where(counts, weight, 0.0), observed, jnp.full(count, length), start)

    def completed(self, network: Network) -> Pairs:
        """The same where the network's own output stands in for every missing value that it reads."""
        if self.observed is None:
            return self
        if self.stacked:
            return jax.vmap(lambda one: one.completed(network))(self)
        inputs = jax_runs.completed(network, self.inputs, self.observed, self.start)
        return Pairs(inputs, self.targets, self.weight, None, self.length, self.start)

    def squared_errors(self, network: Network) -> Float[Array, " D"]:
        """Mean squared error of the one-step predictions per channel, in standardised units, shape (D,)."""
        sums = jax.vmap(lambda one: one._sums(network)) if self.stacked else (lambda one: one._sums(network))
        squares, counts = jax.tree.map(lambda a: a.reshape(-1, self.channels).sum(axis=0), sums(self))
        return squares / counts

    def _sums(self, network: Network) -> tuple[Array, Array]:
        """Of each channel, the sum of squared errors and the number of errors that count."""

        def add(at: tuple[State, Array], piece: tuple[Array, Array, Array]) -> tuple[State, Array]:
            inputs, targets, weight = piece
            hidden, window, state = jax_runs.read_on(network, inputs, at[0])
            residuals = (jax_runs.output(network, hidden, window) - targets) * weight
            return state, at[1] + (residuals**2).sum(axis=0)

        whole = self.completed(network)
        start = network.rest(), jnp.zeros_like(network.bias)
        pieces = (whole.inputs, whole.targets, whole.weight)
        return in_pieces(add, start, pieces, PIECE)[1], self.weight.sum(axis=0)


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
