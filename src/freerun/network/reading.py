"""A network reads a series: where it stands after it,
and how well it predicted each step from those before.

A network that knows the noise in measurements reads what they say of the states behind them
(`assimilation`). Any other network reads the values as they are, and its own prediction where one
is missing (`numpy_runs`).

Shapes: T steps; N = D + E numbers read in a step, D channels and E external inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from freerun.data.arrays import interpolated
from freerun.network import assimilation, numpy_runs
from freerun.network.assimilation import Noise
from freerun.network.network import Network, State

FILTERED = 5000
"""Most steps of a series along which states are filtered to measure one-step errors,
since each takes 0.3 ms."""

SCORED = 100_000
"""Most values of a field, steps times sites, whose one-step errors are measured."""


class Followed(NamedTuple):
    """What a network comes to that reads several series from the zero state, each to its end.

    Attributes:
        state: before the last step of the last series.
        value: of that step, shape (D,).
        error: mean squared error of one-step predictions.
    """

    state: State
    value: np.ndarray
    error: float


def follow(
    network: Network, noise: Noise | None, panel: Sequence[np.ndarray], washout: int, unit: np.ndarray
) -> Followed:
    """Read series to their ends.

    Errors are averaged over the steps of all series, then over channels. Washouts and missing
    values do not count. Of networks that read states behind noisy measurements, it is that of the
    last 5000 steps; of a field, that of its last 100000 values.

    Args:
        network: the network.
        noise: in the measurements, if the network knows it.
        panel: standardized series, shape (T, N) each; NaN where a value is missing.
        washout: first steps of a series that do not count.
        unit: of errors, per channel, shape (D,).
    """
    channels = len(unit)
    squares, counts = np.zeros(channels), np.zeros(channels, int)
    state, value = network.rest(), np.zeros(channels)
    for values in panel:
        outputs, state, value = _read_through(network, noise, fill_inputs(values, channels))
        errors = (outputs - values[len(values) - len(outputs) :, :channels])[min(washout, len(outputs) - 1) :] * unit
        squares, counts = squares + np.nansum(errors**2, axis=0), counts + np.isfinite(errors).sum(axis=0)
    return Followed(state, value, float(np.mean(squares / np.maximum(counts, 1))))


def start_after(network: Network, noise: Noise | None, values: np.ndarray) -> tuple[State, np.ndarray]:
    """Where a free run after a series starts: the state before its last step,
    and the value of that step, shape (D,).

    Args:
        network: the network.
        noise: in the measurements, if the network knows it.
        values: standardized, shape (T, N); NaN where a value is missing,
            and complete external inputs.
    """
    if noise is not None:
        state, value = assimilation.states_before(network, noise, values, np.array([len(values) - 1]))
        return numpy_runs.alone(state), value[0].astype(np.float64)
    known = numpy_runs.filled(network, values)
    return numpy_runs.state_after(network, known[:-1]), known[-1, : network.channels].astype(np.float64)


def predict(network: Network, noise: Noise | None, values: np.ndarray) -> np.ndarray:
    """Predict the next value after each step of a series, shape (T, D); see `start_after`."""
    if noise is not None:
        return assimilation.predict(network, noise, values)
    return numpy_runs.predict(network, numpy_runs.filled(network, values))


def fill_inputs(values: np.ndarray, channels: int) -> np.ndarray:
    """Fill missing external inputs of standardized values, shape (T, N).

    After the last step, they are those of the step before.
    """
    if values.shape[1] == channels:
        return values
    return np.concatenate([values[:, :channels], interpolated(values[:, channels:])], axis=1)


def _read_through(network: Network, noise: Noise | None, values: np.ndarray) -> tuple[np.ndarray, State, np.ndarray]:
    """Predictions of the last steps whose errors are measured,
    and where a run after the series starts."""
    most = _most_scored(network, noise)
    if most is None:
        known = numpy_runs.filled(network, values)
        outputs, state = numpy_runs.follow(network, known[:-1])
        return outputs, state, known[-1, : network.channels].astype(np.float64)
    return predict(network, noise, values[max(0, len(values) - most) : -1]), *start_after(network, noise, values)


def _most_scored(network: Network, noise: Noise | None) -> int | None:
    """Most steps at the end of a series whose one-step errors are measured; None for all."""
    if noise is not None:
        return FILTERED
    return None if network.lattice is None else SCORED // network.lattice.sites + network.depth + 2
