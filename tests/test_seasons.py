"""The season of a series, by the calendar or by its values."""

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun.data.seasons import autocovariance, season_of, seasons_of


@pytest.mark.parametrize(("steps", "lags"), [(1, 1), (10, 10), (97, 34), (128, 44)])
def test_autocovariances_are_the_direct_sums(steps, lags):
    values = np.random.default_rng(steps).normal(size=steps).cumsum()
    direct = [values[lag:] @ values[: steps - lag] for lag in range(lags)]
    np.testing.assert_allclose(autocovariance(values, lags), direct, rtol=1e-10, atol=1e-10 * direct[0])


def test_the_season_of_a_series_without_a_calendar_is_the_peak_of_its_autocorrelation():
    """A sawtooth of 7 steps on a trend, with noise and with missing values."""
    steps = np.arange(90)
    values = steps % 7 + 0.5 * steps + np.random.default_rng(0).normal(0, 0.5, 90)
    assert season_of(freerun.Series.of(values)) == 7
    values[[3, 20, 21, 22, 60]] = np.nan
    assert season_of(freerun.Series.of(values, missing="mask")) == 7


def test_noise_and_a_constant_have_no_season():
    assert season_of(freerun.Series.of(np.random.default_rng(0).normal(size=400))) is None
    assert season_of(freerun.Series.of(np.zeros(400))) is None


def test_a_calendar_tells_the_seasons_that_occur_three_times():
    times = pd.date_range("2024-01-01", periods=100, freq="h")
    assert seasons_of(freerun.Series.of(pd.Series(np.arange(100.0), times))) == (24,)
