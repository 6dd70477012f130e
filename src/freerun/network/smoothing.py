"""Networks of exponential smoothers: their gains, the state in which a series begins, and their solved readout.

One network holds a grid of smoothers, which differ in their gains. The readout weights each smoother by its likelihood
along the training series. Averaging over the grid takes the place of a search for the best gains: it costs one pass
over the series, has no local minima, and forecasts better than the best point of the grid.

The network reads its own output in a free run, so that all smoothers follow the weighted forecast.

Shapes: T steps; N numbers read in a step, D of them channels; H = G * D smoothers, the G of a channel side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from freerun.data.arrays import interpolated
from freerun.network.cells import SmoothingCell
from freerun.network.network import Network, Shape, assemble

if TYPE_CHECKING:
    from freerun.network.updates import Array, Carry

LEVELS = (0.05, 0.15, 0.3, 0.5, 0.7, 0.95)
"""Gains of the level."""

TRENDS = (0.0, 0.1, 0.5, 1.0)
"""Gains of the slope, as shares of the gain of the level. Without the largest, errors on M1 and M3 grow by 1 %."""

DAMPINGS = (0.8, 0.9, 1.0)
"""Factors of the slope in each step."""

SEASONS = (0.0, 0.1, 0.3)
"""Gains of the seasonal terms, as shares of what the level leaves of an error."""

CYCLES, FEWEST = 8, 32
"""A series begins in the state that its first 8 seasons suggest, or its first 32 steps if that is more. With 6 seasons
errors on M1 and M3 grow by 0.4 %, with all of the series they stay the same."""

FEWEST_CYCLES = 1.3
"""Fewest seasons of a series from which seasonal terms are estimated; shrinkage allows for how uncertain they are."""

UNCERTAIN = 1e-12
"""Least mean squared error of a smoother, in squared units of the network: below it all are equally good."""


@dataclass(frozen=True)
class Gains:
    """The gains of G smoothers, each of shape (G,); see `freerun.network.cells.SmoothingCell`."""

    level: np.ndarray
    trend: np.ndarray
    damping: np.ndarray
    season: np.ndarray

    def __len__(self) -> int:
        return len(self.level)


def gains(seasonal: bool, slopes: bool) -> Gains:
    """The grid of gains.

    Args:
        seasonal: whether smoothers have seasonal terms.
        slopes: whether smoothers have slopes; those of a detrended series have none.
    """
    trends = tuple(product(TRENDS, DAMPINGS)) if slopes else ((0.0, 0.0),)
    seasons = SEASONS if seasonal else (0.0,)
    grid = [(a, a * b, phi, (1 - a) * g) for a in LEVELS for b, phi in trends for g in seasons]
    return Gains(*np.array(grid).T)


def network_of(shape: Shape, grid: Gains, dtype: str) -> Network:
    """A network of smoothers, all of the same weight. Each reads one channel and none of the external inputs.

    Args:
        shape: its architecture, with G * D hidden units.
        grid: the gains of the smoothers of a channel.
        dtype: `float64` or `float32`.
    """
    channels, count = shape.channels, len(grid)

    def take(path: str, size: tuple[int, ...]) -> np.ndarray:
        name = path.rsplit(".", 1)[-1]
        if name == "readout":
            weights = np.kron(np.eye(channels), np.full((count, 1), 1.0 / count))
        elif name == "input":
            weights = np.zeros(size)
            weights[:channels] = np.kron(np.eye(channels), np.ones((1, count)))
        else:
            weights = np.tile(getattr(grid, name), channels) if hasattr(grid, name) else np.zeros(size)
        return np.asarray(weights, dtype)

    return assemble(shape, take)


def advance(cell: SmoothingCell, carry: Carry, drive: Array) -> Carry:
    """Run one step in NumPy.

    Args:
        cell: the smoothers.
        carry: forecast, level, slope and seasonal terms before the step, each of shape (*S, H).
        drive: the value that each smoother reads, shape (*S, H).

    Returns:
        The carry after the step.
    """
    forecast, level, slope, *ring = carry
    error = drive - forecast
    slope = cell.damping * slope
    level = level + slope
    level += cell.level * error
    slope = slope + cell.trend * error
    if ring:
        ring = [*ring[1:], ring[0] + cell.season * error]
    forecast = level + cell.damping * slope
    if ring:
        forecast += ring[0]
    return (forecast, level, slope, *ring)


def start_of(cell: SmoothingCell, inputs: Array) -> Carry:
    """The carry in which smoothers begin to read a series, found from its first steps.

    Seasonal terms are those of `seasonal_terms`. Level and slope are those that the smoothers reach when they read the
    rest backwards (backcasting; Box and Jenkins, 1976).

    Args:
        cell: the smoothers.
        inputs: what the network will read, shape (T, *S, N); NaN where a value is missing.

    Returns:
        Entries of shape (*S, H).
    """
    first = np.asarray(inputs[: max(FEWEST, CYCLES * cell.period)], np.float64)
    if not len(first):
        zero = np.zeros((*inputs.shape[1:-1], cell.hidden), cell.bias.dtype)
        return (zero,) * len(cell.rest())
    shape, longest = first.shape, max(1, cell.period)
    flat = first.reshape(len(first), -1)
    terms = seasonal_terms(flat, cell.periods)
    flat = np.nan_to_num(interpolated(flat - terms[np.arange(len(flat)) % longest]))
    rest = flat.reshape(shape) @ np.asarray(cell.input, np.float64) + cell.bias
    level, slope = rest[-1], np.zeros_like(rest[-1])
    for value in rest[-2::-1]:
        slope = cell.damping * slope
        error = value - level - slope
        level = level + slope + cell.level * error
        slope = slope + cell.trend * error
    slope = -slope
    level = level - slope  # one step before the first value
    ring = list(terms.reshape(longest, *shape[1:]) @ np.asarray(cell.input, np.float64)) if cell.period else []
    forecast = level + cell.damping * slope + (ring[0] if ring else 0.0)
    return tuple(np.asarray(entry, cell.bias.dtype) for entry in (forecast, level, slope, *ring))


def seasonal_terms(values: np.ndarray, periods: Sequence[int]) -> np.ndarray:
    """Estimate the seasonal terms of a series, the shortest season first.

    The terms of a season are the coefficients of its phases in a least-squares fit of phases and a straight line. They
    are shrunk towards zero by the factor of James and Stein (1961), 1 - (m - 3) * variance / mean square, so that a
    season that is only noise disappears. The next season is estimated from what is left.

    Args:
        values: shape (T, D); NaN where a value is missing.
        periods: the steps of each season, ascending, the longest last; m is the longest.

    Returns:
        The terms of the steps 0 to m - 1, each of mean zero, shape (m, D). Seasons of which the series has less than
        `FEWEST_CYCLES` are zero.
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


def solve(network: Network, inputs: Array) -> Network:
    """Weight the smoothers of each channel by their likelihood along a series.

    Args:
        network: a network of `network_of`.
        inputs: what it reads, standardized, shape (T, N); NaN where a value is missing.

    Returns:
        The network with these weights as its readout.
    """
    (cell,) = network.cells
    assert isinstance(cell, SmoothingCell)
    channels = len(network.bias)
    carry = start_of(cell, inputs)
    drive = np.nan_to_num(inputs) @ cell.input + cell.bias
    present = ~np.isnan(inputs[:, :channels]) @ np.asarray(cell.input[:channels], bool)
    squares = np.zeros(cell.hidden)
    with np.errstate(over="ignore", invalid="ignore"):
        for value, there in zip(drive, present, strict=True):
            error = (value - carry[0]) * there
            squares += error * error
            carry = advance(cell, carry, carry[0] + error)
    weights = weights_of(squares.reshape(channels, -1), present.sum(axis=0).reshape(channels, -1))
    readout = np.zeros((channels, weights.shape[1], channels))
    readout[np.arange(channels), :, np.arange(channels)] = weights
    return network.with_readout(readout.reshape(-1, channels).astype(network.readout.dtype), network.bias, None)


def weights_of(squares: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Weight smoothers by the likelihood of their errors.

    The weight of a smoother is proportional to (mean squared error)^(-T / 2), the likelihood of Gaussian errors whose
    variance is estimated: the posterior probabilities of the grid under a flat prior (Bayesian model averaging; Hoeting
    et al., 1999).

    Args:
        squares: sums of the squared errors of each smoother, shape (*S, G).
        known: number of these errors, shape (*S, G).

    Returns:
        Shape (*S, G); the weights of G smoothers have the sum 1.
    """
    known = np.maximum(1, known)
    likelihood = np.nan_to_num(-0.5 * known * np.log(np.maximum(squares / known, UNCERTAIN)), nan=-np.inf)
    weights = np.exp(likelihood - likelihood.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
