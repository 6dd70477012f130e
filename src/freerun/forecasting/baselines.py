"""Simple forecasts, for comparison with networks: pure functions on arrays.

Each function takes values of shape (T, D), a horizon in steps, and the season in steps
(1 for none). It returns a forecast of shape (horizon, D). Missing values are
interpolated first. The definitions are those of Hyndman and Athanasopoulos, Forecasting:
Principles and Practice (2021), section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from freerun.data.arrays import interpolated

MOST_LAGS = 25
"""Most lags of the autoregression, in steps; season + 1 if that is more."""

Baseline = Callable[[np.ndarray, int, int], np.ndarray]
"""Computes a forecast from the values, the horizon and the season."""


def last_value(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """Repeat the last value."""
    del season
    return np.repeat(interpolated(values)[-1:], horizon, axis=0)


def drift(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """Extrapolate the line through the first and the last value."""
    del season
    known = interpolated(values)
    slope = (known[-1] - known[0]) / max(1, len(known) - 1)
    return known[-1] + slope * np.arange(1, horizon + 1)[:, None]


def seasonal_naive(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """Repeat the values of the last season."""
    known = interpolated(values)
    return known[len(known) - season + np.arange(horizon) % season]


def autoregression(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """Forecast each channel by a linear autoregression with intercept, fitted by least squares.

    The order is that of the lowest AIC (Akaike, 1974), n log(variance of the residuals) + 2 *
    order, over the same n steps for all orders. Orders go up to 25, or to season + 1 if that is
    more. The forecast iterates the one-step prediction.
    """
    known = interpolated(values)
    return np.column_stack([_autoregression(column, horizon, season) for column in known.T])


def _autoregression(x: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The forecast of one channel, shape (horizon,), from its values, shape (T,)."""
    most = min(max(MOST_LAGS, season + 1), (len(x) - 2) // 3)
    lagged = np.column_stack([x[most - lag : len(x) - lag] for lag in range(1, most + 1)]) if most else x[:, None]
    target = x[most:]
    best = np.array([target.mean()])
    least = np.inf
    for order in range(1, most + 1):
        rows = np.column_stack([np.ones(len(target)), lagged[:, :order]])
        coefficients, *_ = np.linalg.lstsq(rows, target, rcond=None)
        variance = ((target - rows @ coefficients) ** 2).mean()
        criterion = len(target) * np.log(max(variance, 1e-300)) + 2 * order
        if criterion < least:
            least, best = criterion, coefficients
    run = list(x)
    order = len(best) - 1
    for _ in range(horizon):
        run.append(float(best[0] + best[1:] @ np.array(run[-1 : -order - 1 : -1])))
    return np.array(run[len(x) :])


BASELINES: dict[str, Baseline] = {
    "last value": last_value,
    "seasonal naive": seasonal_naive,
    "drift": drift,
    "linear autoregression": autoregression,
}
"""The baselines, by their names in tables."""
