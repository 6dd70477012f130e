"""`States`: what one readout for many series reads of each of them, in units that all series share.

A channel is taken to the logarithm where all of its values are positive. Its seasonal terms are
subtracted, and it is divided by its mean absolute change. A network of exponential smoothers then
reads it, as in `freerun.network.smoothing`. The readout reads the last changes, how far the level
of the smoothers is from the value, their slope, and a few statistics of the past.

Shapes: T steps, F features, G smoothers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from freerun.data.arrays import interpolated
from freerun.network import numpy_runs, smoothing
from freerun.network.cells import CYCLES, SmoothingCell
from freerun.network.network import Network
from freerun.network.seasonal import seasonal_terms
from freerun.network.shape import Shape
from freerun.network.smoothing import Gains, SmootherErrors

FEWEST_LAGS, MOST_LAGS = 8, 49
"""Fewest and most changes that are features: those of two of the shortest seasons and one more."""

LARGEST_CHANGE = 6.0
"""Largest change, slope or distance from the level that is read, in mean absolute changes."""

PRIOR_STEPS = 3
"""Steps without a change that count as seen before the first,
so that statistics of a few steps are small."""

PRIOR_SQUARES = 8.0
"""Sum of squared changes that counts as seen before the first step."""

STATISTICS = ("level minus value", "slope", "mean change", "autocorrelation", "drift", "log steps")
"""The features beside the last changes."""

ROUNDING = 1e-9
"""Least mean absolute change, as a share of the largest value."""


@dataclass(frozen=True)
class States:
    """The states of a network of smoothers along one channel of one series.

    Attributes:
        features: what the readout reads after each step, shape (T, F).
        level: level of the smoothers after each step, shape (T,), in mean absolute changes.
        values: the channel without its season, shape (T,), in mean absolute changes;
            NaN where a value is missing.
        scale: the mean absolute change, in the units of the channel or of its logarithm.
        terms: the seasonal terms, the first for step 0, shape (m,),
            in the units of the channel or of its logarithm.
        log: whether the logarithm was taken.
        names: the names of the features.
    """

    features: np.ndarray
    level: np.ndarray
    values: np.ndarray
    scale: float
    terms: np.ndarray
    log: bool
    names: tuple[str, ...]

    def undo(self, ahead: np.ndarray) -> np.ndarray:
        """Convert the values of the next steps back to the units of the channel.

        Args:
            ahead: without their season, shape (steps, ...), in mean absolute changes.

        Returns:
            Shape (steps, ...).
        """
        steps = (len(self.values) + np.arange(len(ahead))) % len(self.terms)
        season = self.terms[steps].reshape(-1, *[1] * (ahead.ndim - 1))
        found = ahead * self.scale + season
        return np.exp(found) if self.log else found


def states_of(values: np.ndarray, periods: Sequence[int], static: Mapping[str, float]) -> States:
    """Let a network of smoothers read one channel of a series.

    Args:
        values: shape (T,); NaN where a value is missing. At least one is not.
        periods: the steps of each season, ascending.
        static: numbers that do not change along the series, by their names;
            they are further features.
    """
    log = bool((np.nan_to_num(values, nan=1.0) > 0).all())
    values = np.log(values) if log else np.asarray(values, np.float64)
    terms = _seasonal_terms(values, periods)
    rest = values - terms[np.arange(len(values)) % len(terms)]
    filled = interpolated(rest[:, None])[:, 0]
    least = max(ROUNDING * np.abs(filled).max(), np.finfo(float).tiny)
    scale = max(float(np.abs(np.diff(filled)).mean()) if len(filled) > 1 else 0.0, least)
    level, slope = _smooth(filled / scale, np.isfinite(rest))
    features = _features(filled / scale, level, slope, lags_of(periods))
    constant = np.broadcast_to(np.array(list(static.values()), np.float64), (len(values), len(static)))
    names = (*(f"change {lag}" for lag in range(lags_of(periods))), *STATISTICS, *static)
    return States(np.concatenate([features, constant], axis=1), level, rest / scale, scale, terms, log, names)


def _seasonal_terms(values: np.ndarray, periods: Sequence[int]) -> np.ndarray:
    """The seasonal terms of the last seasons, the first for step 0, shape (m,)."""
    first = max(0, len(values) - CYCLES * max(periods, default=1)) if periods else 0
    terms = seasonal_terms(values[first:, None], periods)[:, 0]
    return np.roll(terms, first % len(terms))


def lags_of(periods: Sequence[int]) -> int:
    """Return the number of last changes that are features."""
    return min(MOST_LAGS, max(FEWEST_LAGS, 2 * min(periods, default=1) + 1))


@cache
def _network() -> Network:
    """Return the network that reads all series: smoothers of one channel, without a season,
    whose slopes are damped."""
    grid = smoothing.gains(0, slopes=True)
    damped = grid.damping < 1
    grid = Gains(grid.level[damped], grid.trend[damped], grid.damping[damped], grid.season[damped])
    return smoothing.network_of(Shape(1, len(grid), "smoothing"), grid, "float64")


def _smooth(values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute level and slope after each step, weighted by the likelihood
    of the smoothers along the whole series.

    Args:
        values: none of them missing, shape (T,).
        known: whether an error counts, shape (T,).

    Returns:
        Each of shape (T,). The slope is that of the next step.
    """
    network = _network()
    (cell,) = network.cells
    assert isinstance(cell, SmoothingCell)
    inputs = values[:, None]
    first = cell.start(inputs)[0]
    forecast, level, slope, _ = map(np.asarray, numpy_runs.read(network, inputs).carries[0])
    errors = (inputs - np.concatenate([first[None], forecast[:-1]]))[known]
    losses = (np.abs(errors) ** smoothing.TAIL).sum(axis=0)
    (weights,) = SmootherErrors(losses, np.full(cell.hidden, float(len(errors)))).weights(network)
    return level @ weights, np.asarray(cell.damping) * slope @ weights


def _features(values: np.ndarray, level: np.ndarray, slope: np.ndarray, lags: int) -> np.ndarray:
    """Compute the last changes and the statistics after each step, shape (T, lags + 6)."""
    steps = np.arange(len(values))
    changes = _clip(np.diff(values, prepend=values[:1]))
    before = np.concatenate([[0.0], changes[:-1]])
    last = np.stack([np.concatenate([np.zeros(lag), changes])[: len(values)] for lag in range(lags)], axis=1)
    total, squares = np.cumsum(changes), np.cumsum(changes**2) + PRIOR_SQUARES
    statistics = [
        _clip(level - values),
        _clip(slope),
        total / (steps + PRIOR_STEPS),
        np.cumsum(changes * before) / squares,
        total / np.sqrt((steps + PRIOR_STEPS) * squares),
        np.log(steps + 1.0),
    ]
    return np.concatenate([last, np.stack(statistics, axis=1)], axis=1)


def _clip(changes: np.ndarray) -> np.ndarray:
    return np.clip(changes, -LARGEST_CHANGE, LARGEST_CHANGE)
