"""Seasonal terms of a series, shrunk by how uncertain they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEWEST_CYCLES = 1.3
"""Fewest seasons of a series from which seasonal terms are estimated;
shrinkage allows for how uncertain they are."""


def seasonal_terms(values: np.ndarray, periods: Sequence[int]) -> np.ndarray:
    """Estimate the seasonal terms of a series, the shortest season first.

    The terms of a season are the coefficients of its phases in a least-squares fit of phases and a
    straight line. They are shrunk towards zero by the factor of James and Stein (1961), 1 - (m - 3)
    * variance / mean square, so that a season that is only noise disappears. The next season is
    estimated from what is left.

    Args:
        values: shape (T, D); NaN where a value is missing.
        periods: the steps of each season, ascending, the longest last; m is the longest.

    Returns:
        The terms of the steps 0 to m - 1, each of mean zero, shape (m, D). Seasons of which the
        series has less than `FEWEST_CYCLES` are zero.
    """
    steps = np.arange(len(values))
    longest = max(periods, default=1)
    total, rest = np.zeros((longest, values.shape[1])), values
    for period in periods:
        if period < 2 or len(values) < FEWEST_CYCLES * period:
            continue
        terms = _shrunken_terms(rest, period)
        rest = rest - terms[steps % period]
        total += terms[np.arange(longest) % period]
    return total


def _shrunken_terms(values: np.ndarray, period: int) -> np.ndarray:
    """The terms of one season, shape (period, D); see `seasonal_terms`."""
    known = np.isfinite(values)
    steps = np.arange(len(values))
    phase = steps % period

    def by_phase(numbers: np.ndarray) -> np.ndarray:
        sums = np.zeros((period, values.shape[1]))
        np.add.at(sums, phase, np.where(known, numbers, 0.0))
        return sums / counts

    counts = np.maximum(1, np.stack([np.bincount(phase[column], minlength=period) for column in known.T], axis=1))
    time = np.broadcast_to(steps[:, None] - steps.mean(), values.shape)
    mean_time, mean_value = by_phase(time), by_phase(values)
    time_inside = np.where(known, time - mean_time[phase], 0.0)
    inside = np.where(known, values - mean_value[phase], 0.0)
    slope = (time_inside * inside).sum(axis=0) / np.maximum((time_inside**2).sum(axis=0), np.finfo(float).tiny)
    errors = inside - slope * time_inside
    terms = mean_value - slope * mean_time
    terms -= terms.mean(axis=0)
    variance = (errors**2).sum(axis=0) / np.maximum(1, known.sum(axis=0) - period - 1) / counts.mean(axis=0)
    squares = np.maximum((terms**2).sum(axis=0), np.finfo(float).tiny)
    return terms * np.maximum(0.0, 1.0 - max(0, period - 3) * variance / squares)
