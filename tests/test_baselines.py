"""The simple forecasts that a network has to beat, against values by hand and by SciPy."""

import numpy as np
import pytest
from scipy import stats

from freerun.forecasting.baselines import BASELINES, autoregression, drift, last_value, seasonal_naive

NAN = np.nan
TWO = np.array([[1.0, 10.0], [3.0, 20.0], [2.0, 60.0], [4.0, 40.0]])


def column(*numbers):
    return np.array(numbers, dtype=float)[:, None]


def test_the_last_value_is_repeated():
    np.testing.assert_array_equal(last_value(TWO, 3), [[4.0, 40.0]] * 3)


def test_drift_goes_on_by_the_mean_step_of_the_series():
    """(4 - 1) / 3 and (40 - 10) / 3 a step."""
    np.testing.assert_allclose(drift(TWO, 3), [[5.0, 50.0], [6.0, 60.0], [7.0, 70.0]])


def test_drift_of_a_single_value_is_flat():
    np.testing.assert_array_equal(drift(column(4), 2), column(4, 4))


def test_seasonal_naive_repeats_the_last_season():
    values = column(0, 9, 9, 1, 2, 3)
    np.testing.assert_array_equal(seasonal_naive(values, 7, 3), column(1, 2, 3, 1, 2, 3, 1))
    np.testing.assert_array_equal(seasonal_naive(values, 2, 3), column(1, 2))
    np.testing.assert_array_equal(seasonal_naive(TWO, 3, 2), [[2.0, 60.0], [4.0, 40.0], [2.0, 60.0]])


def test_seasonal_naive_without_a_season_is_the_last_value():
    np.testing.assert_array_equal(seasonal_naive(TWO, 3), last_value(TWO, 3))


def test_missing_values_are_interpolated_first():
    np.testing.assert_allclose(seasonal_naive(column(9, 1, NAN, 3), 3, 3), column(1, 2, 3))
    np.testing.assert_allclose(drift(column(0, NAN, NAN, 3), 1), column(4))


def test_an_autoregression_of_one_lag_is_the_regression_on_the_value_before():
    """Seven values are too few for a second lag."""
    values = column(0.3, 1.9, 0.7, 1.2, 2.2, 0.4, 1.6)
    slope, intercept = np.polyfit(values[:-1, 0], values[1:, 0], 1)
    expected = [1.6]
    for _ in range(4):
        expected.append(intercept + slope * expected[-1])
    np.testing.assert_allclose(autoregression(values, 4)[:, 0], expected[1:], rtol=1e-10)


def test_an_autoregression_continues_a_sine_of_any_offset():
    steps = np.arange(230)
    sine = 5 + np.sin(0.37 * steps + 1)
    np.testing.assert_allclose(autoregression(sine[:200, None], 30)[:, 0], sine[200:], atol=1e-6)


def test_an_autoregression_reaches_back_over_a_season_longer_than_its_25_lags():
    """Independent numbers that come back after 40 steps: nothing before that tells them."""
    pattern = np.random.default_rng(0).normal(size=40)
    values = np.tile(pattern, 6)[:, None]
    np.testing.assert_allclose(autoregression(values, 40, 40)[:, 0], pattern, atol=1e-6)
    assert np.abs(autoregression(values, 40)[:, 0] - pattern).mean() > 0.3


def test_the_order_of_an_autoregression_has_the_least_information_criterion():
    """By the Gaussian likelihood at its maximum,
    for each order over the steps that all of them can tell."""
    draw = np.random.default_rng(3)
    x = np.zeros(65)
    for t in range(3, 65):
        x[t] = 2 + 0.5 * x[t - 1] - 0.6 * x[t - 3] + draw.normal()
    most = 21  # a third of all steps, and below 25
    criteria, forecasts = [], []
    for order in range(1, most + 1):
        rows = np.array([[1.0, *x[t - order : t][::-1]] for t in range(most, 65)])
        weights = np.linalg.solve(rows.T @ rows, rows.T @ x[most:])
        errors = x[most:] - rows @ weights
        likelihood = stats.norm.logpdf(errors, scale=np.sqrt(np.mean(errors**2))).sum()
        criteria.append(2 * order - 2 * likelihood)
        forecasts.append(weights @ [1.0, *x[-order:][::-1]])
    best = int(np.argmin(criteria))
    assert 0 < best < most - 1
    assert autoregression(x[:, None], 1)[0, 0] == pytest.approx(forecasts[best], rel=1e-8)


def test_channels_are_forecast_by_themselves():
    both = np.random.default_rng(1).normal(size=(50, 2)).cumsum(axis=0)
    for forecast in BASELINES.values():
        alone = np.column_stack([forecast(both[:, [i]], 6, 4)[:, 0] for i in (0, 1)])
        np.testing.assert_allclose(forecast(both, 6, 4), alone, rtol=1e-12)
