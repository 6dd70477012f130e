"""Intervals hold the truth as often as they say, on series whose law is known."""

from typing import Any

import numpy as np
import pytest
import scipy.stats

import freerun
from freerun.errors import SettingError
from freerun.forecasting.intervals import half_widths

LINEAR: dict[str, Any] = {
    "hidden": 5,
    "cell": "memoryless",
    "delays": 2,
    "difference": 0,
    "optimizer": "ridge",
    "input_scale": 0.1,
    "l2": 1e-3,
}


def autoregression(seed: int, steps: int) -> np.ndarray:
    """x' = 0.7 x + normal noise."""
    shocks = np.random.default_rng(seed).normal(size=steps + 50)
    x = np.zeros(steps + 50)
    for t in range(1, len(x)):
        x[t] = 0.7 * x[t - 1] + shocks[t]
    return x[50:]


def test_intervals_cover_as_often_as_they_say():
    """Of 60 series, independent of each other; each count deviates by 4 to 5
    of a hundred (one standard deviation)."""
    inside = {80: [], 95: []}
    for seed in range(60):
        x = autoregression(seed, 254)
        table = freerun.RNN(**LINEAR).fit(x[:250]).forecast(4, (80, 95))
        for level, found in inside.items():
            found.append((table[f"x_low_{level}"] <= x[250:]) & (x[250:] <= table[f"x_high_{level}"]))
    assert np.mean(inside[80]) == pytest.approx(0.80, abs=0.09)
    assert np.mean(inside[95]) == pytest.approx(0.95, abs=0.05)


def test_widths_grow_to_those_of_the_process():
    """The half width at 80 % of an autoregression is 1.2816
    standard deviations of the forecast error.

    A quantile of 200 errors, half of which are news, has a standard deviation of 9 %.
    """
    x = autoregression(1, 2000)
    table = freerun.RNN(**LINEAR).fit(x).forecast(40, (80,))
    width = ((table["x_high_80"] - table["x_low_80"]) / 2).to_numpy()
    deviation = np.sqrt((1 - 0.49 ** np.arange(1, 41)) / (1 - 0.49))
    np.testing.assert_allclose(width, 1.2816 * deviation, rtol=0.27)
    assert np.mean(width / deviation) == pytest.approx(1.2816, rel=0.09)


def test_intervals_of_a_logarithm_are_those_of_its_series_at_every_horizon():
    """Learning log(y) and reading the bounds as logarithms is learning x = log(y),
    beyond what is calibrated, too."""
    x = autoregression(3, 150)
    plain = freerun.RNN(**LINEAR).fit(x)
    logarithmic = freerun.RNN(**LINEAR, log=True).fit(np.exp(x))
    horizon = plain.model_.errors.shape[1] + 20
    expected, found = (rnn.forecast(horizon, (80,)) for rnn in (plain, logarithmic))
    width = (expected["x_high_80"] - expected["x_low_80"]).to_numpy()
    assert width[-1] > width[0]
    np.testing.assert_allclose(np.log(found.to_numpy()), expected.to_numpy(), rtol=1e-6, atol=1e-6)


def test_intervals_of_a_random_walk_go_on_to_widen_beyond_the_calibrated_horizons():
    """As the square root of the horizon; the standard deviation of 200 paths is known to 5 %."""
    walk = np.random.default_rng(4).normal(size=400).cumsum()
    rnn = freerun.RNN(**{**LINEAR, "difference": 1, "l2": 100.0}).fit(walk)
    calibrated = rnn.model_.errors.shape[1]
    table = rnn.forecast(4 * calibrated, (80,))
    width = (table["x_high_80"] - table["x_low_80"]).to_numpy()
    assert (np.diff(width[calibrated - 1 :]) > -1e-9).all()  # bounds are rounded
    assert width[-1] / width[calibrated - 1] == pytest.approx(2.0, rel=0.15)


def test_half_widths_are_the_conformal_quantile():
    errors = np.arange(1.0, 100.0).reshape(99, 1, 1)
    assert half_widths(errors, 0.8) == pytest.approx(80)
    assert half_widths(-errors, 0.95) == pytest.approx(95)
    with_gaps = np.concatenate([errors, np.full((30, 1, 1), np.nan)])
    assert half_widths(with_gaps, 0.8) == pytest.approx(80)


def test_half_widths_of_a_single_run_are_those_of_a_t_distribution():
    errors = np.random.default_rng(0).normal(size=(1, 20, 1))
    widths = half_widths(errors, 0.8)
    assert (widths[1:] > np.abs(errors).min()).all()
    assert widths[0] > np.abs(errors[0, 0])


def test_half_widths_of_few_errors_are_those_of_a_t_distribution():
    """Of n errors with root mean square s, for a level too high for a quantile of n;
    SciPy has the distribution."""
    errors = np.array([-2.0, 1.0, 2.0, -1.0]).reshape(4, 1, 1)
    freedom = (4 + 1) / 2  # runs of one step overlap with half of their neighbours
    expected = np.sqrt(2.5) * scipy.stats.t(freedom).ppf(0.975)
    assert half_widths(errors, 0.95) == pytest.approx(expected)


def test_no_more_errors_count_as_independent_than_there_are():
    errors = np.random.default_rng(0).normal(size=(18, 30, 1))
    expected = np.sqrt((errors[:, 0] ** 2).mean()) * scipy.stats.t(18).ppf(0.975)
    assert half_widths(errors, 0.95)[0] == pytest.approx(expected)


def test_a_horizon_without_an_error_is_as_wide_as_its_neighbours():
    errors = np.random.default_rng(0).normal(size=(40, 3, 2))
    errors[:, 1, 0] = np.nan
    wide = half_widths(errors, 0.8)
    assert wide[1, 0] == pytest.approx((wide[0, 0] + wide[2, 0]) / 2)


def test_a_channel_without_errors_is_refused_intervals_by_its_name():
    values = np.stack([autoregression(0, 300), autoregression(1, 300)], axis=1)
    values[100:, 1] = np.nan
    rnn = freerun.RNN(20, cell="memoryless", delays=2, optimizer="ridge", l2=1e-3).fit(values)
    with pytest.raises(SettingError, match="channel 'x1' has no values on the parts"):
        rnn.forecast(3, (80,))
    assert np.isfinite(rnn.forecast(3).to_numpy()).all()


@pytest.mark.parametrize("before", [200, 1500])
def test_intervals_of_a_series_that_begins_with_a_constant_are_those_of_what_comes_after(before):
    """Demand of a product that comes late; SciPy has the quantiles of the Poisson distribution."""
    later = np.random.default_rng(0).poisson(3, 100)
    rnn = freerun.RNN(cell="smoothing", season=0).fit(np.r_[np.zeros(before), later])
    forecast = rnn.forecast(1, (80,)).iloc[0]
    low, high = scipy.stats.poisson(3).ppf([0.1, 0.9])
    assert forecast["x_high_80"] - forecast["x_low_80"] == pytest.approx(high - low, rel=0.4)


def test_the_first_change_of_a_series_tells_how_large_others_may_be():
    forecast = freerun.RNN(cell="smoothing", season=0).fit(np.r_[np.zeros(143), 1]).forecast(1, (80,)).iloc[0]
    assert forecast["x_low_80"] == 0
    assert forecast["x_high_80"] > 1


def test_sample_paths_spread_like_the_process():
    x = autoregression(2, 1500)
    paths = freerun.RNN(**LINEAR).fit(x).sample(20, 2000, seed=0)
    assert paths.shape == (2000, 20, 1)
    deviation = np.sqrt((1 - 0.49 ** np.arange(1, 21)) / (1 - 0.49))
    np.testing.assert_allclose(paths.std(axis=0)[:, 0], deviation, rtol=0.1)


def test_without_a_part_left_out_there_are_no_intervals():
    rnn = freerun.RNN(3, cell="simple", delays=1, optimizer="adam", epochs=2, restarts=1).fit(autoregression(0, 60))
    with pytest.raises(SettingError, match="no errors to calibrate intervals by"):
        rnn.forecast(3, (80,))
