"""p-values: how rare a statistic is among those of errors on held-out steps,
and how several p-values are combined.

A p-value of n calibrating statistics is the share of these that are as large, the new one among
them: (1 + k) / (n + 1) (conformal p-values; Vovk et al., 2005). It is valid for exchangeable
errors, and never below 1 / (n + 1). Smaller ones come from a generalized Pareto distribution,
fitted to the largest statistics, as in SPOT (Siffer et al., 2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FEWEST_IN_TAIL = 5
"""Fewest statistics that a tail is fitted to."""

PRIOR_SHAPE, PRIOR_WEIGHT = 0.5, 10.0
"""Prior of the shape of a tail, and its weight in statistics,
as in Pareto smoothing (Vehtari et al., 2024)."""

OUTLYING, HEAVY, MOST_OUTLYING = 0.01, 0.15, 0.05
"""An error is outlying if it is larger than a bound, which the largest of n draws from a tail of
shape `HEAVY` exceeds with this probability. If more than this share of the errors are outlying,
none is taken to be. Student's t with 7 degrees of freedom has such a tail."""

LIGHTEST = -0.1
"""Least shape of a tail. A lighter one ends soon,
and errors a little larger than any so far would be impossible."""

TINY = 1e-15
"""Smallest p-value; smaller ones cannot be distinguished."""

LARGEST = 0.99
"""p-values above this are combined as this one, so that one of them does not hide a small one
(truncated Cauchy combination; Fang et al., 2023)."""


@dataclass(frozen=True)
class Calibrated:
    """The distribution of a statistic on held-out steps.

    Attributes:
        known: n values of the statistic, ascending.
        begin: where the tail begins; infinite if there are too few values to fit one.
        scale: of the generalized Pareto distribution of what exceeds `begin`.
        shape: of the same, at least `LIGHTEST`. A positive shape is a heavy tail.
    """

    known: np.ndarray
    begin: float
    scale: float
    shape: float

    @classmethod
    def by(cls, values: np.ndarray) -> Calibrated:
        """Fit the tail to values of the statistic, shape (n,); NaN is a missing one.

        Outlying values are left out: a training series may have anomalies itself, and
        similar ones would not be found. The tail has the min(n / 5, 3 sqrt(n))
        largest of the others (Vehtari et al., 2024).
        """
        known = _without_outlying(np.sort(values[np.isfinite(values)]))
        count = int(min(len(known) / 5, 3 * math.sqrt(len(known))))
        if count >= FEWEST_IN_TAIL:
            begin = float(known[-count - 1])
            excesses = known[-count:] - begin
            if _quarter(excesses) > 0:
                scale, shape = fit_pareto(excesses)
                return cls(known, begin, scale, max(LIGHTEST, shape))
        return cls(known, math.inf, 1.0, 0.0)

    @property
    def smallest(self) -> float:
        """The smallest p-value that a value can have."""
        return 1 / (len(self.known) + 1) if self.begin == math.inf else TINY

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The p-values of new values of the statistic, of the same shape;
        NaN where a value is missing."""
        count = len(self.known)
        if not count:
            return np.full(values.shape, np.nan)
        larger = count - np.searchsorted(self.known, values, side="left")
        p = (1 + larger) / (count + 1)
        if self.begin < math.inf:
            above = values > self.begin
            excess = np.where(above, values, self.begin) - self.begin
            share = (1 + count - np.searchsorted(self.known, self.begin, side="right")) / (count + 1)
            p = np.where(above, share * self._survival(excess / self.scale), p)
        return np.where(np.isnan(values), np.nan, np.maximum(p, TINY))

    def _survival(self, excess: np.ndarray) -> np.ndarray:
        """The probability that an excess, in units of the scale, is larger."""
        if self.shape == 0:
            return np.exp(-excess)
        return np.maximum(1 + self.shape * excess, 0.0) ** (-1 / self.shape)


def _without_outlying(ascending: np.ndarray) -> np.ndarray:
    """Leave out values that are outlying, by a generalized
    Pareto distribution of those above the median.

    Its scale is such that a fifth of all values exceed the quantile 0.8,
    which outlying ones hardly move.
    """
    if len(ascending) < FEWEST_IN_TAIL:
        return ascending
    middle, high = np.quantile(ascending, (0.5, 0.8))
    scale = HEAVY * (high - middle) / (0.4**-HEAVY - 1)
    largest = middle + scale / HEAVY * ((0.5 * len(ascending) / OUTLYING) ** HEAVY - 1)
    kept = ascending[ascending <= largest]
    return kept if len(kept) >= (1 - MOST_OUTLYING) * len(ascending) else ascending


def fit_pareto(excesses: np.ndarray) -> tuple[float, float]:
    """Fit a generalized Pareto distribution, whose survival function is (1 + shape * x / scale)^(-1
    / shape).

    The estimator is a posterior mean (Zhang and Stephens, 2009), which needs no search and
    exists for few values. Its shape is drawn to `PRIOR_SHAPE`, by as much as
    `PRIOR_WEIGHT` values would (Vehtari et al., 2024).

    Args:
        excesses: n values, ascending; those above the lower quartile are above 0.

    Returns:
        Scale and shape.
    """
    count = len(excesses)
    grid = 30 + int(math.sqrt(count))
    rates = 1 / excesses[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * _quarter(excesses))
    shapes = np.log1p(-rates[:, None] * excesses).mean(axis=1)
    likelihood = count * (np.log(-rates / shapes) - shapes - 1)
    weights = np.exp(likelihood - likelihood.max())
    rate = float(rates @ weights / weights.sum())
    shape = float(np.log1p(-rate * excesses).mean())
    return -shape / rate, (count * shape + PRIOR_WEIGHT * PRIOR_SHAPE) / (count + PRIOR_WEIGHT)


def _quarter(ascending: np.ndarray) -> float:
    """The lower quartile of ascending values, as Zhang and Stephens (2009) take it."""
    return float(ascending[max(0, int(len(ascending) / 4 + 0.5) - 1)])


def combined(p: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Combine p-values by the Cauchy combination (Liu and Xie, 2020).

    The mean of cot(pi p) has a standard Cauchy distribution if the p-values are independent. Its
    upper tail is nearly the same under any dependence, so that small combined p-values are valid.

    Args:
        p: p-values above 0; NaN is a missing one.
        axis: the axes to combine.

    Returns:
        The p-values without these axes; NaN where all are missing.
    """
    known = np.isfinite(p)
    cotangents = 1 / np.tan(np.pi * np.where(known, np.minimum(p, LARGEST), 0.5))
    counts = known.sum(axis=axis)
    mean = np.where(known, cotangents, 0.0).sum(axis=axis) / np.maximum(counts, 1)
    return np.where(counts > 0, np.arctan2(1.0, mean) / np.pi, np.nan)
