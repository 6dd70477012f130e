"""Simple forecasts that a network has to beat: pure functions on arrays.

Each takes values of shape (T, D), a horizon and the season (1 for none), and returns a forecast of shape (horizon, D).
Missing values are interpolated first. Definitions as in Hyndman and Athanasopoulos, Forecasting (2021), 5.2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from freerun.data.arrays import interpolated

MOST_LAGS = 25
"""Most lags of the autoregression beyond the season."""

Baseline = Callable[[np.ndarray, int, int], np.ndarray]


def last_value(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """The last value, again and again."""
    del season
    return np.repeat(interpolated(values)[-1:], horizon, axis=0)


def drift(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """The line through the first and the last value, continued."""
    del season
    known = interpolated(values)
    slope = (known[-1] - known[0]) / max(1, len(known) - 1)
    return known[-1] + slope * np.arange(1, horizon + 1)[:, None]


def seasonal_naive(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """The value one season before, again and again."""
    known = interpolated(values)
    return known[len(known) - season + np.arange(horizon) % season]


def autoregression(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """Linear autoregression with an intercept by least squares, each channel by itself.

    The order, up to 25 lags, or a season and one if that is more, is the one of least AIC (Akaike, 1974) over the
    same steps; the forecast iterates it.
    """
    known = interpolated(values)
    return np.column_stack([_autoregression(column, horizon, season) for column in known.T])


def _autoregression(x: np.ndarray, horizon: int, season: int) -> np.ndarray:
    most = min(max(MOST_LAGS, season + 1), (len(x) - 2) // 3)
    lagged = np.column_stack([x[most - lag : len(x) - lag] for lag in range(1, most + 1)]) if most else x[:, :0]
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
"""By the names under which tables show them."""
