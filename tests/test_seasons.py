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


@pytest.mark.parametrize("period", [2, 4, 5, 12, 24, 52, 168])
def test_a_wave_has_its_period_as_season(period):
    values = 3 + np.sin(2 * np.pi * np.arange(1000) / period + 0.5)
    assert seasons_of(freerun.Series.of(values)) == (period,)


def test_waves_of_24_and_of_168_steps_at_once_have_the_season_after_which_both_return():
    steps = np.arange(1000)
    values = np.sin(2 * np.pi * steps / 24) + np.sin(2 * np.pi * steps / 168)
    assert season_of(freerun.Series.of(values)) == 168


@pytest.mark.parametrize(("steps", "found"), [(89, None), (90, 30)])
def test_a_season_occurs_three_times_in_the_series(steps, found):
    """A peak every 30 steps."""
    values = np.where(np.arange(steps) % 30 == 7, 5.0, 0.0)
    assert season_of(freerun.Series.of(values)) == found


@pytest.mark.parametrize("steps", [100, 400])
def test_noise_has_no_season(steps):
    found = [season_of(freerun.Series.of(np.random.default_rng(seed).normal(size=steps))) for seed in range(50)]
    assert found.count(None) >= 49


def test_random_walks_have_no_season_as_a_rule():
    walks = [np.random.default_rng(seed).normal(size=400).cumsum() for seed in range(50)]
    assert [season_of(freerun.Series.of(walk)) for walk in walks].count(None) >= 45


def test_a_constant_and_a_line_have_no_season():
    assert season_of(freerun.Series.of(np.zeros(400))) is None
    assert season_of(freerun.Series.of(np.arange(400.0))) is None


@pytest.mark.parametrize(
    ("freq", "steps", "seasons"),
    [
        ("h", 219, (24, 168)),
        ("h", 218, (24,)),
        ("h", 32, (24,)),
        ("h", 31, ()),
        ("D", 10, (7,)),
        ("D", 9, ()),
        ("B", 7, (5,)),
        ("W-SUN", 68, (52,)),
        ("W-WED", 67, ()),
        ("MS", 16, (12,)),
        ("ME", 15, ()),
        ("QS-JAN", 6, (4,)),
    ],
)
def test_a_calendar_has_the_seasons_that_begin_to_repeat_themselves(freq, steps, seasons):
    """Whatever the values are."""
    times = pd.date_range("2024-01-01", periods=steps, freq=freq)
    assert seasons_of(freerun.Series.of(pd.Series(np.arange(float(steps)), times))) == seasons


def test_a_calendar_without_a_usual_season_leaves_it_to_the_values():
    times = pd.date_range("1900", periods=100, freq="YS")
    values = np.sin(2 * np.pi * np.arange(100) / 11)
    assert seasons_of(freerun.Series.of(pd.Series(values, times))) == (11,)


@pytest.mark.parametrize(("period", "tolerance"), [(4, 0), (5, 0), (7, 0), (52, 1), (168, 5)])
def test_a_period_is_found_under_noise(period, tolerance):
    """Not a multiple of it, and not a bump of noise at short lags."""
    t = np.arange(1000)
    for seed in range(10):
        noise = 0.3 * np.random.default_rng(seed).normal(size=1000)
        found = season_of(freerun.Series.of(np.sin(2 * np.pi * t / period) + noise))
        assert found is not None
        assert abs(found - period) <= tolerance


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda random: np.cumsum(random.normal(size=400)) + 2 * random.normal(size=400), id="random walk"),
        pytest.param(lambda random: (np.arange(1000) / 500) ** 2 + 0.1 * random.normal(size=1000), id="parabola"),
    ],
)
def test_slow_changes_with_noise_have_no_season(make):
    assert [season_of(freerun.Series.of(make(np.random.default_rng(seed)))) for seed in range(10)] == [None] * 10
