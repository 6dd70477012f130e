"""Supervised data: what a network reads, and the values that follow as its targets."""

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

STEPS_AT_ONCE = 10_000
"""Steps of a series whose hidden states are in memory at a time, if no gradient is computed."""


class SupervisedData(eqx.Module):
    """Inputs and targets of one series, or of S series stacked along a leading axis.

    Series in a stack that are shorter than the longest are padded at their end.

    Attributes:
        inputs: shape (T, N), steps 0 to T - 1 of a series, standardised,
            missing values interpolated.
        targets: shape (T, D), steps 1 to T of the series, zero where a value is missing.
        weight: shape (T, D), 1 where an error counts, 0 in the washout,
            in the padding and for missing values.
        observed: shape (T, D), 1 where an input is observed, 0 where it is missing;
            None if no value is missing.
        length: number of steps of each series without padding.
        start: the state before the first step; None is the zero state.
    """

    inputs: Float[Array, "*S T N"]
    targets: Float[Array, "*S T D"]
    weight: Float[Array, "*S T D"]
    observed: Float[Array, "*S T D"] | None
    length: Int[Array, "*S"]
    start: State | None = None

    @classmethod
    def of(cls, panel: Sequence[np.ndarray], channels: int, washout: int) -> SupervisedData:
        """Make the data of standardised series.

        Args:
            panel: arrays of shape (steps, N), NaN where a value is missing; see `Scaling.apply`.
            channels: D, the first columns of each array.
            washout: number of first predictions of each series whose errors do not count.

        Returns:
            The data; stacked if there are several series.
        """
        gaps = any(np.isnan(values[:, :channels]).any() for values in panel)
        steps = max(map(len, panel)) - 1
        members = [_padded(values, channels, washout, steps, gaps) for values in panel]
        return members[0] if len(members) == 1 else jax.tree.map(lambda *arrays: jnp.stack(arrays), *members)

    @property
    def stacked(self) -> bool:
        """Whether there is a leading axis of several series."""
        return self.inputs.ndim == 3

    @property
    def steps(self) -> int:
        """The number of steps with padding, T."""
        return self.inputs.shape[-2]

    @property
    def channels(self) -> int:
        """The number of channels, D."""
        return self.targets.shape[-1]

    def unstacked(self) -> list[SupervisedData]:
        """The data of each series."""
        if not self.stacked:
            return [self]
        count = len(self.inputs)
        return [jax.tree.map(lambda array, i=i: array[i], self) for i in range(count)]

    def states(self, network: Network, spacing: int) -> State:
        """Compute the states in which windows may start.

        Args:
            network: reads the series from the zero state.
            spacing: number of steps between two states.

        Returns:
            The states before the steps 0, `spacing`, 2 `spacing`, ... of each series, stacked.
        """

        def along(one: SupervisedData) -> State:
            inputs = one.completed(network).inputs
            count = one.steps // spacing
            pieces = inputs[: count * spacing].reshape(count, spacing, -1)
            zero = jax.tree.map(jnp.asarray, network.rest())
            _, before = jax.lax.scan(
                lambda state, piece: (jax_runs.read_on(network, piece, state)[2], state), zero, pieces
            )
            return before

        return jax.vmap(along)(self) if self.stacked else along(self)

    def windows(
        self, key: PRNGKeyArray, count: int, length: int, washout: int, states: State | None = None, spacing: int = 1
    ) -> SupervisedData:
        """Draw random windows of equal length.

        Args:
            key: decides the series and the first step of each window.
            count: number of windows.
            length: number of steps of each window.
            washout: number of first errors of each window that do not count.
            states: the states in which windows start, see `states`; None is the zero state.
            spacing: windows start at multiples of this number of steps.

        Returns:
            The windows, stacked.
        """
        of_series, of_start = jax.random.split(key)
        series = jax.random.randint(of_series, (count,), 0, len(self.inputs) if self.stacked else 1)
        steps = self.length[series] if self.stacked else self.length
        places = jax.random.randint(of_start, (count,), 0, (steps - length) // spacing + 1)
        at = spacing * places[:, None] + jnp.arange(length)
        where = (series[:, None], at) if self.stacked else (at,)
        inputs, targets, weight, observed = jax.tree.map(
            lambda array: array[where], (self.inputs, self.targets, self.weight, self.observed)
        )
        counts = (jnp.arange(length) >= washout)[:, None]
        starts = (series, places) if self.stacked else (places,)
        start = jax.tree.map(lambda entry: entry[starts], states)
        return SupervisedData(inputs, targets, jnp.where(counts, weight, 0.0), observed, jnp.full(count, length), start)

    def completed(self, network: Network) -> SupervisedData:
        """Replace every missing input by the network's own output.

        Args:
            network: the network that reads the data.

        Returns:
            The same data, of which no input is missing.
        """
        if self.observed is None:
            return self
        if self.stacked:
            return jax.vmap(lambda one: one.completed(network))(self)
        inputs = jax_runs.completed(network, self.inputs, self.observed, self.start)
        return SupervisedData(inputs, self.targets, self.weight, None, self.length, self.start)

    def squared_errors(self, network: Network) -> Float[Array, " D"]:
        """Compute the mean squared one-step error of each channel, in standardised units,
        shape (D,)."""
        sums = jax.vmap(lambda one: one._sums(network)) if self.stacked else (lambda one: one._sums(network))
        squares, counts = jax.tree.map(lambda a: a.reshape(-1, self.channels).sum(axis=0), sums(self))
        return squares / counts

    def _sums(self, network: Network) -> tuple[Array, Array]:
        """The sum of squared errors and the number of errors that count, both of shape (D,)."""

        def add(at: tuple[State, Array], piece: tuple[Array, Array, Array]) -> tuple[State, Array]:
            inputs, targets, weight = piece
            hidden, window, state = jax_runs.read_on(network, inputs, at[0])
            residuals = (jax_runs.output(network, hidden, window) - targets) * weight
            return state, at[1] + (residuals**2).sum(axis=0)

        whole = self.completed(network)
        start = network.rest(), jnp.zeros_like(network.bias)
        pieces = (whole.inputs, whole.targets, whole.weight)
        return in_pieces(add, start, pieces, STEPS_AT_ONCE)[1], self.weight.sum(axis=0)


def _padded(values: np.ndarray, channels: int, washout: int, steps: int, gaps: bool) -> SupervisedData:
    """The data of one series, padded to `steps` steps."""
    length = len(values) - 1
    inputs, targets = np.zeros((steps, values.shape[1])), np.zeros((steps, channels))
    inputs[:length], targets[:length] = interpolated(values)[:-1], np.nan_to_num(values[1:, :channels])
    weight, observed = np.zeros((2, steps, channels))
    weight[washout:length] = np.isfinite(values[1 + washout :, :channels])
    observed[:length] = np.isfinite(values[:-1, :channels])
    wide = jnp.zeros(()).dtype
    return SupervisedData(
        jnp.asarray(inputs, wide),
        jnp.asarray(targets, wide),
        jnp.asarray(weight, wide),
        jnp.asarray(observed, wide) if gaps else None,
        jnp.asarray(length),
    )
