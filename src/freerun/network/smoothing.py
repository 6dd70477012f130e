"""Networks of exponential smoothers: their gains, and their solved readout.

One network holds a grid of smoothers, which differ in their gains. The readout weights each
smoother by its likelihood along the training series. Averaging over the grid takes the place of a
search for the best gains: it costs one pass over the series, has no local minima, and forecasts
better than the best point of the grid.

The network reads its own output in a free run, so that all smoothers follow the weighted forecast.

Shapes: T steps; N numbers read in a step, D of them channels; H = G * D smoothers,
the G of a channel side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from freerun.network.cells import SmoothingCell
from freerun.network.network import Network, assemble
from freerun.network.shape import Shape

if TYPE_CHECKING:
    from freerun.network.updates import Array

LEVELS = (0.05, 0.15, 0.3, 0.5, 0.7, 0.95)
"""Gains of the level."""

TRENDS = (0.0, 0.1, 0.5, 1.0)
"""Gains of the slope, as shares of the gain of the level. Without the largest,
errors on M1 and M3 grow by 1 %."""

DAMPINGS = (0.8, 0.9, 1.0)
"""Factors of the slope in each step."""

SEASONS = (0.05, 0.2, 0.5, 1.0)
"""Gains of the seasonal terms, as shares of what the level leaves of an error. The largest follow a
season that changes from year to year, as that of the airline passengers (Box and Jenkins, 1976)
does. On M1 and M3 they change nothing beyond chance."""

TAIL = 1.5
"""Exponent of errors in the likelihood: between 2, for Gaussian errors, and 1, for those of
Laplace, which have heavy tails. With 2, errors on the series of M3 are 0.3 % larger."""

STEADY = 3.0
"""Rate of the prior of `TRENDS`, an exponential distribution. Without it, errors on yearly series
of M3 grow by 1.5 %, and those on yearly series of M1 shrink by as much."""

LIMIT, COMMON = 6.0, 0.95
"""Largest error that a smoother reads as it is, in medians of its absolute errors along the series:
six are four standard deviations of Gaussian errors. An error below the quantile `COMMON` of these
errors is no outlier either. There are no limits where more than half of all changes are equal, as
on series of rare demand and of prices that are set, and where there are hardly any errors."""

MOST_ERRORS = 2000
"""Last steps whose errors give the limits."""

UNCERTAIN = 1e-6
"""Least error of a smoother, in units of the network: below it all are equally good."""


@dataclass(frozen=True)
class Gains:
    """The gains of G smoothers, each of shape (G,); see `freerun.network.cells.SmoothingCell`."""

    level: np.ndarray
    trend: np.ndarray
    damping: np.ndarray
    season: np.ndarray

    def __len__(self) -> int:
        return len(self.level)


@cache
def gains(period: int, slopes: bool) -> Gains:
    """The grid of gains.

    A slope that is followed too fast beside a season takes the one for the other: the smoother
    never forgets how it began, and a long free run grows without bounds. Such gains are left out.

    Args:
        period: the steps of the longest season; 0 for no season.
        slopes: whether smoothers have slopes; those of a detrended series have none.
    """
    trends = tuple(product(TRENDS, DAMPINGS)) if slopes else ((0.0, 0.0),)
    seasons = SEASONS if period else (0.0,)
    grid = np.array([(a, a * b, phi, (1 - a) * g) for a in LEVELS for b, phi in trends for g in seasons]).T
    if period:
        grid = grid[:, ~_grow(Gains(*grid), period)]
    return Gains(*grid)


def _grow(grid: Gains, period: int) -> np.ndarray:
    """Whether the errors of smoothers that follow one forecast grow, shape (G,).

    They do where the polynomial theta(B) of their moving average form, with B the backshift
    operator, has a zero inside of the unit circle (Hyndman et al., 2008, section 10.2). Level and
    seasonal terms share a mean, which no error moves, and neither does one move a slope of gain
    zero: these zeros, at B = 1, are left out. Whether all others lie outside is told by reflection
    coefficients, which are then all below 1 (Schur, 1917; Cohn, 1922; the step-down recursion of
    linear prediction).

    Args:
        grid: gains.
        period: the steps of the longest season.
    """
    damping = np.where(grid.trend > 0, grid.damping, 0.0)[:, None]
    followed = np.zeros((len(grid), period + 2))
    followed[:, 0] = 1.0
    followed[:, 1 : period + 1] = grid.level[:, None]
    followed[:, period] += grid.season - 1.0
    theta = followed.copy()
    theta[:, 1:] -= damping * followed[:, :-1]
    theta[:, 1 : period + 1] += damping * grid.trend[:, None]
    grow = np.zeros(len(grid), bool)
    with np.errstate(all="ignore"):  # of those that grow
        while theta.shape[1] > 1:
            theta = theta / theta[:, :1]
            reflection = theta[:, -1:]
            grow |= ~(np.abs(reflection[:, 0]) < 1)
            theta = (theta - reflection * theta[:, ::-1])[:, :-1]
    return grow


def network_of(shape: Shape, grid: Gains, dtype: str) -> Network:
    """A network of smoothers, all of the same weight.
    Each reads one channel and none of the external inputs.

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
        elif name == "limit":
            weights = np.full(size, np.finfo(dtype).max)
        else:
            weights = np.tile(getattr(grid, name), channels) if hasattr(grid, name) else np.zeros(size)
        return np.asarray(weights, dtype)

    return assemble(shape, take)


def solve(network: Network, inputs: Array) -> Network:
    """Weight the smoothers of each channel by their likelihood along a series.

    Args:
        network: a network of `network_of`.
        inputs: what it reads, standardized, shape (T, N); NaN where a value is missing.

    Returns:
        The network with limits of its errors, and with these weights as its readout.
    """
    network = limited(network, inputs)
    return SmootherErrors.along(network, inputs).solved(network)


def limited(network: Network, inputs: Array) -> Network:
    """Limit the errors that smoothers read, by the size of their errors along a series;
    see `LIMIT`.

    Args:
        network: a network of `network_of`, without limits.
        inputs: as for `solve`.
    """
    cell = _smoothers_of(network)
    along = zip(*deque(_errors_along(network, inputs), maxlen=MOST_ERRORS), strict=True)
    errors, present = map(np.array, along)
    limit = largest_usual(np.where(present, np.abs(errors), np.nan)) * (1 + UNCERTAIN)  # above an error, not at it
    none = np.finfo(cell.limit.dtype).max
    evenly = _changes_evenly(inputs[-MOST_ERRORS:]) @ np.asarray(cell.input) > 0
    limit = np.where(evenly | (limit < UNCERTAIN), none, np.minimum(limit, none)).astype(cell.limit.dtype)
    return replace(network, cells=(replace(cell, limit=limit),))


def largest_usual(sizes: np.ndarray) -> np.ndarray:
    """The size up to which absolute errors are no outliers, along the first axis; see `LIMIT`.

    Args:
        sizes: shape (N, ...); NaN where an error is missing.

    Returns:
        Shape (...); infinite where no error is known, or nearly all are zero.
    """
    known = np.isfinite(sizes)
    ordered, count = np.sort(np.where(known, sizes, np.inf), axis=0), known.sum(axis=0)

    def quantile(level: float) -> np.ndarray:
        place = np.maximum(np.ceil(level * count).astype(int) - 1, 0)
        return np.take_along_axis(ordered, place[None], axis=0)[0]

    limit = np.maximum(LIMIT * quantile(0.5), quantile(COMMON))
    return np.where(limit > 0, limit, np.inf)


def _changes_evenly(inputs: Array) -> np.ndarray:
    """Whether more than half of the changes of each input are equal, shape (N,)."""
    changes = [np.diff(column[np.isfinite(column)]) for column in inputs.T]
    return np.array([np.median(np.abs(one - np.median(one))) <= UNCERTAIN if len(one) else True for one in changes])


def _errors_along(network: Network, inputs: Array) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Step by step, the error of each smoother and whether there is one, shape (H,) each;
    see `solve`.

    Over a missing value the error is zero, since each smoother follows its own forecast.
    """
    cell, channels = _smoothers_of(network), len(network.bias)
    carry = cell.start(inputs, cell.bias.dtype)
    drive = np.nan_to_num(inputs) @ cell.input + cell.bias
    present = ~np.isnan(inputs[:, :channels]) @ np.asarray(cell.input[:channels], bool)
    with np.errstate(over="ignore", invalid="ignore"):
        for value, there in zip(drive, present, strict=True):
            error = (value - carry[0]) * there
            yield error, there
            carry = cell.step(carry, carry[0] + error)


@dataclass(frozen=True)
class SmootherErrors:
    """Sums of the errors of each smoother of a network, from which its weight follows.

    Errors have the density of a generalized normal distribution,
    proportional to exp(-|e / scale|^p), with p = `TAIL`.

    Attributes:
        losses: weighted sums of |error|^p, shape (H,).
        known: sums of the weights, shape (H,).
    """

    losses: np.ndarray
    known: np.ndarray

    @classmethod
    def along(cls, network: Network, inputs: Array) -> SmootherErrors:
        """Sum the errors along a series; see `solve`."""
        losses, known = (np.zeros(_smoothers_of(network).hidden) for _ in range(2))
        for error, there in _errors_along(network, inputs):
            losses += np.abs(error) ** TAIL
            known += there
        return cls(losses, known)

    @property
    def steps(self) -> float:
        """Number of steps that the errors stand for."""
        return float(self.known.mean())

    def discounted(self, factor: float) -> SmootherErrors:
        """Multiply the weights of all errors by a factor."""
        return SmootherErrors(factor * self.losses, factor * self.known)

    def joined(self, network: Network, forecasts: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> SmootherErrors:
        """Add the errors of further forecasts.

        Args:
            network: the network.
            forecasts: of each smoother, shape (n, H).
            truth: the values that they forecast, standardized, shape (n, D);
                NaN where one is missing.
            weights: of the errors, shape (n,).
        """
        reads = np.asarray(_smoothers_of(network).input[: truth.shape[1]], np.float64)
        present = weights[:, None] * (np.isfinite(truth) @ reads)
        losses = present * np.abs(np.nan_to_num(truth) @ reads - forecasts) ** TAIL
        return SmootherErrors(self.losses + losses.sum(axis=0), self.known + present.sum(axis=0))

    def solved(self, network: Network) -> Network:
        """Return the network with a readout of weights by these errors."""
        weights = self.weights(network)
        channels = len(weights)
        readout = np.zeros((channels, weights.shape[1], channels))
        readout[np.arange(channels), :, np.arange(channels)] = weights
        return network.with_readout(readout.reshape(-1, channels).astype(network.readout.dtype), network.bias, None)

    def weights(self, network: Network) -> np.ndarray:
        """The posterior probabilities of the smoothers of each channel (model averaging;
        Hoeting et al., 1999).

        The likelihood of T errors whose scale is estimated is proportional to (mean |error|^p)^(-T
        / p). The prior is flat, but for the gain of the slope as a share of that of the level,
        whose prior is exp(-`STEADY` * share).

        Args:
            network: the network.

        Returns:
            Shape (D, G); the weights of the G smoothers of a channel have the sum 1.
        """
        cell, tiny = _smoothers_of(network), np.finfo(float).tiny
        mean = np.maximum(self.losses / np.maximum(self.known, tiny), UNCERTAIN**TAIL)
        likelihood = np.nan_to_num(-self.known / TAIL * np.log(mean), nan=-np.inf)
        logarithm = (likelihood - STEADY * cell.trend / cell.level).reshape(len(network.bias), -1)
        weights = np.exp(logarithm - logarithm.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)


def _smoothers_of(network: Network) -> SmoothingCell:
    (cell,) = network.cells
    assert isinstance(cell, SmoothingCell)
    return cell
