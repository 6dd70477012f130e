"""`SharedReadout`: one linear readout for many series, solved once over all steps of all of them.

There is one readout for each step ahead. It forecasts how far a series will be from the
level that its smoothers have now, in mean absolute changes. It is solved by ridge
regression. `Moments` are the sums that this needs. They are added up chunk by chunk, so that
memory does not grow with the number of series.

Series are forecast together if they have the same frequency and the same seasons: a `Group`.

Shapes: K steps ahead; F features, and a constant 1 after them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from freerun.errors import SettingError
from freerun.many.states import States

MOST_STEPS = 100
"""Most steps ahead that have a readout of their own."""

MOST_FEATURES = 300
"""Most features, of which each category of a static covariate is one."""

REACH = 1 / 3
"""Steps ahead that have a readout of their own, as a share of the median length of the series.
Later steps stay at the distance from the level that the last of these has."""

SKIPPED = 0.1
"""Share of the steps of a series that are left out at its beginning,
where states still depend on their start."""

PENALTY = 5.0
"""The penalty of step k is `PENALTY` / (median length - k), times 1 + `FEW` / number of series;
features are standardized, and errors are means over the steps. It was chosen on M1 and half of M3,
like `REACH` and `SKIPPED`."""

FEW = 10.0
"""Number of series at which the penalty is twice that of many."""

UNUSUAL = 5.0
"""Features of a forecast are clipped to this many standard deviations from their means."""

BEYOND = 2.0
"""How far forecasts may leave the range of a series without its season,
in its standard deviations."""


@dataclass(frozen=True, order=True)
class Group:
    """The properties that series share if they are forecast together.

    Attributes:
        frequency: pandas frequency of their steps, without its anchor; empty if there is none.
        periods: the steps of each season, ascending.
        channel: the channel.
    """

    frequency: str
    periods: tuple[int, ...]
    channel: str


@dataclass
class Moments:
    """Sums over the steps of series, by which a readout is solved.

    Attributes:
        names: the names of the features.
        gram: sums of products of features for each step ahead, shape (K, F + 1, F + 1).
        cross: sums of products of features and targets, shape (K, F + 1).
        squares: sums of squared targets, shape (K,).
        lengths: number of series by their length.
    """

    names: tuple[str, ...]
    gram: np.ndarray
    cross: np.ndarray
    squares: np.ndarray
    lengths: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, several: Sequence[States], steps: int) -> Moments:
        """Add up the sums over the steps of some series.

        Args:
            several: the states of the series, at least one.
            steps: K, number of steps ahead.
        """
        names = tuple(dict.fromkeys(name for states in several for name in states.names))
        rows, targets = zip(*(regression_rows(states, names, steps) for states in several), strict=True)
        features, ahead = np.concatenate(rows), np.concatenate(targets)
        width = len(names) + 1
        found = cls(names, np.zeros((steps, width, width)), np.zeros((steps, width)), np.zeros(steps))
        for step in range(steps):
            known = np.isfinite(ahead[:, step])
            read, target = features[known], ahead[known, step]
            found.gram[step], found.cross[step] = read.T @ read, read.T @ target
            found.squares[step] = target @ target
        found.lengths.update(len(states.values) for states in several)
        return found

    @property
    def series(self) -> int:
        """The number of series."""
        return self.lengths.total()

    def plus(self, other: Moments) -> Moments:
        """Add the sums of other series. A feature that one of them does not have is zero there.

        Raises:
            SettingError: there are more than `MOST_FEATURES`.
        """
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        if len(names) > MOST_FEATURES:
            raise SettingError(
                f"static covariates have hundreds of categories, and a shared readout reads at most {MOST_FEATURES} "
                "features; give numbers, or coarser categories"
            )
        mine, others = self._with_names(names), other._with_names(names)
        gram, cross = mine.gram + others.gram, mine.cross + others.cross
        return Moments(names, gram, cross, self.squares + other.squares, self.lengths + other.lengths)

    def _with_names(self, names: tuple[str, ...]) -> Moments:
        """Return the same sums with further features, which are zero."""
        if names == self.names:
            return self
        at = np.array([*(names.index(name) for name in self.names), len(names)])
        width = len(names) + 1
        gram, cross = np.zeros((len(self.gram), width, width)), np.zeros((len(self.gram), width))
        gram[:, at[:, None], at] = self.gram
        cross[:, at] = self.cross
        return Moments(names, gram, cross, self.squares, self.lengths)


def regression_rows(states: States, names: Sequence[str], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute the rows of the regression that one series gives.

    Args:
        states: its states.
        names: the names of the features; those that it does not have are zero.
        steps: K, number of steps ahead.

    Returns:
        Features with a constant 1, shape (rows, F + 1), and targets, shape (rows, K),
        which are NaN where a value is missing or after the end.
    """
    count = len(states.values)
    first = min(max(1, int(SKIPPED * count)), max(0, count - 2))
    at = np.arange(first, count - 1)
    ahead = np.concatenate([states.values, np.full(steps, np.nan)])
    targets = ahead[at[:, None] + 1 + np.arange(steps)] - states.level[at, None]
    return np.concatenate([_select_features(states, names)[at], np.ones((len(at), 1))], axis=1), targets


def _select_features(states: States, names: Sequence[str]) -> np.ndarray:
    """Return the features in the order of names, shape (T, F). Missing ones are zero."""
    if tuple(names) == states.names:
        return states.features
    found = np.zeros((len(states.values), len(names)))
    for place, name in enumerate(names):
        if name in states.names:
            found[:, place] = states.features[:, states.names.index(name)]
    return found


@dataclass(frozen=True)
class SharedReadout:
    """One readout for many series.

    Attributes:
        names: the names of the features.
        mean: means of the features, by step ahead, shape (K, F).
        deviation: their standard deviations; 1 where a feature does not vary, shape (K, F).
        weights: weights of the standardized features, shape (K, F).
        bias: mean of the targets, shape (K,).
        error: root mean square of the errors, shape (K,), in mean absolute changes.
        series: number of series that it was solved on.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    error: np.ndarray
    series: int

    def forecast(self, states: States, horizon: int) -> np.ndarray:
        """Forecast the next steps of a series, in mean absolute changes without its season,
        shape (horizon,)."""
        read = np.clip((_select_features(states, self.names)[-1] - self.mean) / self.deviation, -UNUSUAL, UNUSUAL)
        ahead = states.level[-1] + self.bias + (read * self.weights).sum(axis=1)
        ahead = ahead[np.minimum(np.arange(horizon), len(ahead) - 1)]
        known = states.values[np.isfinite(states.values)]
        margin = BEYOND * known.std()
        return np.clip(ahead, known.min() - margin, known.max() + margin)

    def errors(self, horizon: int) -> np.ndarray:
        """The root mean square of errors, shape (horizon,).
        After step K it grows as that of a random walk does."""
        steps = np.arange(1, horizon + 1)
        own = self.error[np.minimum(steps, len(self.error)) - 1]
        return own * np.sqrt(np.maximum(1.0, steps / len(self.error)))


def solve(moments: Moments) -> SharedReadout:
    """Solve a readout by ridge regression (Hoerl and Kennard, 1970).

    Args:
        moments: of at least two steps.
    """
    middle = _median(moments.lengths)
    counts = moments.gram[:, -1, -1]
    most = int((counts > 1).sum())  # fewer rows have later steps
    steps = max(1, min(most, int(REACH * middle)))
    each = [_solve_step(moments, step, _penalty(middle, step + 1, moments.series)) for step in range(steps)]
    mean, deviation, weights, bias, error = (np.array(part) for part in zip(*each, strict=True))
    return SharedReadout(moments.names, mean, deviation, weights, bias, error, moments.series)


def _solve_step(
    moments: Moments, step: int, penalty: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Solve one step ahead. Returns means, deviations, weights, bias and error;
    see `SharedReadout`."""
    gram, cross = moments.gram[step], moments.cross[step]
    count = max(gram[-1, -1], 1.0)
    mean, target = gram[:-1, -1] / count, cross[-1] / count
    variance = np.maximum(np.diag(gram)[:-1] / count - mean**2, 0.0)
    varies = variance > 1e-12 * (mean**2 + 1.0)
    deviation = np.where(varies, np.sqrt(variance), 1.0)
    products = (gram[:-1, :-1] / count - np.outer(mean, mean)) / np.outer(deviation, deviation)
    products = np.where(np.outer(varies, varies), products, 0.0)
    wanted = np.where(varies, (cross[:-1] / count - mean * target) / deviation, 0.0)
    weights = np.linalg.solve(products + penalty * np.eye(len(products)), wanted)
    square = moments.squares[step] / count - target**2 - 2 * weights @ wanted + weights @ products @ weights
    return mean, deviation, weights, target, np.sqrt(np.maximum(square, 0.0))


def _penalty(length: float, step: int, series: int) -> float:
    """The penalty of a step ahead; see `PENALTY`."""
    return PENALTY / max(1.0, length - step) * (1 + FEW / series)


def _median(lengths: Mapping[int, int]) -> float:
    """The median of counted lengths."""
    return float(np.median(np.repeat(list(lengths), list(lengths.values()))))


def sum_groups(several: Iterable[Mapping[Group, Moments]]) -> dict[Group, Moments]:
    """Add the sums of chunks up, group by group, in the order of the chunks."""
    total: dict[Group, Moments] = {}
    for one in several:
        for group, moments in one.items():
            total[group] = total[group].plus(moments) if group in total else moments
    return total
