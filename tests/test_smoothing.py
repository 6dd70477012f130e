"""Exponential smoothing as a network: its recursion, its start, its weights,
and what it forecasts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun.data.profile import Profile
from freerun.errors import SeriesError, SeriesWarning, SettingError
from freerun.network import numpy_runs, smoothing
from freerun.network.cells import SmoothingCell
from freerun.network.network import Network
from freerun.network.seasonal import seasonal_terms
from freerun.network.shape import Shape
from freerun.selection.choosing import clearly, cross_fitted_error
from freerun.settings import Settings

MONTHS = np.array([9.0, 8.0, 10.0, 11.0, 12.0, 15.0, 17.0, 16.0, 13.0, 11.0, 10.0, 12.0])


def network_with(level: float, trend: float, damping: float, season: float, periods: tuple[int, ...] = ()) -> Network:
    """A single smoother of a single channel."""
    grid = smoothing.Gains(*(np.array([gain]) for gain in (level, trend, damping, season)))
    return smoothing.network_of(Shape(1, 1, "smoothing", periods=periods), grid, "float64")


def monthly(values: np.ndarray, start: str = "2010-01-01") -> pd.Series:
    return pd.Series(values, index=pd.date_range(start, periods=len(values), freq="MS"), name="sales")


def grown(years: int, growth: float = 0.0) -> np.ndarray:
    """A season on a line."""
    steps = np.arange(12 * years)
    return MONTHS[steps % 12] + growth * steps


# The recursion.


def test_a_level_alone_is_the_exponentially_weighted_mean_of_pandas():
    values = np.random.default_rng(0).normal(size=60)
    network = network_with(0.3, 0.0, 0.0, 0.0)
    begun = numpy_runs.start_of(network, values[:, None])
    first = float(begun.cells[0][1][0])
    expected = pd.Series(np.r_[first, values]).ewm(alpha=0.3, adjust=False).mean()[1:]
    np.testing.assert_allclose(numpy_runs.predict(network, values[:, None])[:, 0], expected)


def test_all_gains_together_follow_the_equations_of_holt_and_winters():
    """In their component form (Hyndman and Athanasopoulos, 2021, section 8.3),
    not in that of error correction."""
    alpha, beta, phi, gamma, m = 0.4, 0.2, 0.9, 0.15, 4
    random = np.random.default_rng(1)
    values = np.tile([3.0, -1.0, 0.5, -2.5], 10) + 0.1 * np.arange(40) + random.normal(size=40)
    network = network_with(alpha, alpha * beta, phi, gamma, (m,))
    (carry,) = numpy_runs.start_of(network, values[:, None]).cells
    _, level, slope, _, *ring = (float(entry[0]) for entry in carry)
    predicted = []
    for t, value in enumerate(values):
        old_level, season = level, ring[t % m]
        level = alpha * (value - season) + (1 - alpha) * (old_level + phi * slope)
        expected = old_level + phi * slope
        slope = beta * (level - old_level) + (1 - beta) * phi * slope
        ring[t % m] = gamma / (1 - alpha) * (value - level) + (1 - gamma / (1 - alpha)) * season
        assert level == pytest.approx(expected + alpha * (value - season - expected))
        predicted.append(level + phi * slope + ring[(t + 1) % m])
    np.testing.assert_allclose(numpy_runs.predict(network, values[:, None])[:, 0], predicted)


def test_a_damped_slope_adds_up_to_a_geometric_sum():
    network = network_with(0.5, 0.1, 0.8, 0.0)
    values = np.arange(50.0)[:, None]
    state = numpy_runs.state_after(network, values)
    _, level, slope, _ = (float(entry[0]) for entry in state.cells[0])
    run = numpy_runs.run(network, numpy_runs.beside(state), np.array([[level + 0.8 * slope]]), 6).values[0, 0, :, 0]
    _, level, slope = level, level + 0.8 * slope, 0.8 * slope
    np.testing.assert_allclose(run, level + slope * np.cumsum(0.8 ** np.arange(1, 7)))


# The grid.


@pytest.mark.parametrize("period", [0, 4, 7, 12, 24, 52])
def test_no_smoother_of_the_grid_drifts_away_from_the_forecast_that_it_follows(period):
    """By the eigenvalues of the matrix by which the error of the state goes on (Hyndman et al.,
    2008, section 10.2)."""
    grid = smoothing.gains(period, slopes=True)
    for level, trend, damping, season in zip(grid.level, grid.trend, grid.damping, grid.season, strict=True):
        transition, gain, forecast = np.zeros((2 + period, 2 + period)), np.zeros(2 + period), np.zeros(2 + period)
        transition[0, :2], transition[1, 1] = (1, damping), damping
        gain[:2], forecast[:2] = (level, trend), (1, damping)
        if period:
            transition[2:, 2:] = np.roll(np.eye(period), 1, axis=1)
            gain[-1], forecast[2] = season, 1
        assert np.abs(np.linalg.eigvals(transition - np.outer(gain, forecast))).max() < 1 + 1e-6


@pytest.mark.parametrize("frequency", ["D", "MS", "h"])
def test_long_forecasts_of_short_series_with_a_season_stay_near_it(frequency):
    values = 100 + 10 * np.sin(np.arange(60) / 4) + np.random.default_rng(0).normal(0, 3, 60)
    series = pd.Series(values, index=pd.date_range("2024-01-01", periods=60, freq=frequency), name="load")
    ahead = freerun.RNN(cell="smoothing", log=True).fit(series).generate(3000).values
    assert ahead.min() > 20
    assert ahead.max() < 200


@pytest.mark.parametrize("period", [4, 7, 12, 24])
def test_forecasts_of_a_hundred_thousand_steps_with_a_season_stay_near_the_series(period):
    random, steps = np.random.default_rng(period), np.arange(10 * period)
    values = 100 + 10 * np.sin(2 * np.pi * steps / period) + random.normal(0, 3, len(steps)).cumsum() / 5
    ahead = freerun.RNN(cell="smoothing", log=True, season=period).fit(values).generate(99_999).values
    np.testing.assert_allclose(ahead, 100, atol=60)


# The start.


def test_smoothers_begin_on_the_line_and_in_the_season_that_the_series_has():
    values = grown(10, 0.25)
    grid = smoothing.gains(12, slopes=True)
    grid = smoothing.Gains(*(gain[grid.damping == 1] for gain in (grid.level, grid.trend, grid.damping, grid.season)))
    network = smoothing.network_of(Shape(1, len(grid), "smoothing", periods=(12,)), grid, "float64")
    sloping = grid.trend > 0
    predicted = numpy_runs.read(network, values[:, None]).carries[0][0]
    errors = predicted[:-1] - values[1:, None]
    assert np.abs(errors[:, sloping]).max() < 0.4
    assert np.abs(errors[60:, sloping & (grid.level > 0.2)]).max() < 0.05


def test_seasonal_terms_are_those_of_least_squares_without_noise():
    values = grown(5, 0.1)[:55]
    design = np.zeros((55, 13))
    design[np.arange(55), np.arange(55) % 12] = 1
    design[:, 12] = np.arange(55)
    terms = np.linalg.lstsq(design, values, rcond=None)[0][:12]
    found = seasonal_terms(values[:, None], (12,))[:, 0]
    np.testing.assert_allclose(found, terms - terms.mean(), atol=1e-9)


def test_seasonal_terms_of_noise_are_shrunk_and_those_of_a_season_are_kept():
    random = np.random.default_rng(2)
    noise = random.normal(size=(60, 200))
    kept = (seasonal_terms(noise, (12,)) ** 2).sum(axis=0)
    raw = 12 / 5
    assert np.mean(kept) < 0.15 * raw
    season = seasonal_terms(grown(5)[:, None] + 0.3 * noise, (12,))
    assert np.sqrt(((season - (MONTHS - MONTHS.mean())[:, None]) ** 2).mean()) < 0.3 / np.sqrt(5) * 1.05


def test_a_week_of_hours_is_the_day_and_what_the_week_adds():
    hours = np.arange(24 * 7 * 3)
    values = np.sin(2 * np.pi * hours / 24) - 2.0 * (hours // 24 % 7 >= 5)
    terms = seasonal_terms(values[:, None], (24, 168))[:, 0]
    week = values[:168]
    np.testing.assert_allclose(terms, week - week.mean(), atol=0.02)


def test_missing_values_do_not_count_in_seasonal_terms():
    values = grown(6, 0.2)
    gappy = values.copy()
    gappy[[3, 17, 18, 40]] = np.nan
    whole, parts = (seasonal_terms(v[:, None], (12,)) for v in (values, gappy))
    np.testing.assert_allclose(parts, whole, atol=1e-9)


# The weights.


def test_weights_are_the_likelihoods_of_the_smoothers():
    """By a loop over smoothers and steps, with the density of scipy's generalized normal
    distribution at the scale that is likeliest."""
    from scipy.stats import gennorm

    values = np.cumsum(np.random.default_rng(3).normal(size=40))[:, None]
    grid = smoothing.gains(0, slopes=True)
    network = smoothing.network_of(Shape(1, len(grid), "smoothing"), grid, "float64")
    likelihood = []
    for level, trend, damping in zip(grid.level, grid.trend, grid.damping, strict=True):
        one = network_with(level, trend, damping, 0.0)
        before = float(numpy_runs.start_of(one, values).cells[0][0][0])
        errors = np.r_[before, numpy_runs.predict(one, values)[:-1, 0]] - values[:, 0]
        p = smoothing.TAIL
        scale = (p * np.mean(np.abs(errors) ** p)) ** (1 / p)
        likelihood.append(np.exp(gennorm.logpdf(errors, p, scale=scale).sum() - smoothing.STEADY * trend / level))
    solved = smoothing.SmootherErrors.along(network, values).solved(network)
    np.testing.assert_allclose(solved.readout[:, 0], np.array(likelihood) / np.sum(likelihood), rtol=1e-9)
    assert solved.readout.sum() == pytest.approx(1.0)


# Outliers.


def test_errors_beyond_the_limit_are_read_up_to_it_and_twice_as_far_each_further_time():
    """By a loop over the level alone."""
    values = np.r_[np.random.default_rng(0).normal(size=30), 40.0, 0.3, -50.0, -50.0, -50.0, -50.0, -50.0, 60.0, 60.0]
    network = network_with(0.6, 0.0, 0.0, 0.0)
    network = replace(network, cells=(replace(network.cells[0], limit=np.array([4.0])),))
    level = float(numpy_runs.start_of(network, values[:, None]).cells[0][1][0])
    most, side, levels = 4.0, 0.0, []
    for value in values:
        error = value - level
        most = most if error * side > 0 else 4.0
        level += 0.6 * min(max(error, -most), most)
        beyond = abs(error) > most
        most, side = (2 * most, error) if beyond else (4.0, 0.0)
        levels.append(level)
    np.testing.assert_allclose(numpy_runs.predict(network, values[:, None])[:, 0], levels)


def test_limits_are_six_medians_of_the_errors_but_let_one_in_twenty_pass():
    rng = np.random.default_rng(0)
    grid = smoothing.Gains(*(np.array([gain]) for gain in (0.3, 0.0, 0.0, 0.0)))
    network = smoothing.network_of(Shape(1, 1, "smoothing"), grid, "float64")
    for values in (rng.normal(size=200), rng.standard_t(1.5, size=200)):
        before = float(numpy_runs.start_of(network, values[:, None]).cells[0][0][0])
        errors = np.abs(np.r_[before, numpy_runs.predict(network, values[:, None])[:-1, 0]] - values)
        (cell,) = smoothing.limited(network, values[:, None]).cells
        assert isinstance(cell, SmoothingCell)
        expected = max(6 * np.median(np.sort(errors)[:199]), np.quantile(errors, 0.95, method="inverted_cdf"))
        assert cell.limit[0] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("step", "settings"), [(40, {}), (40, {"log": True}), (79, {"log": True})])
def test_an_outlier_hardly_moves_the_forecast(step, settings):
    values = 50 + np.random.default_rng(0).normal(size=80)
    wrong = values.copy()
    wrong[step] = 1e4
    with pytest.warns(SeriesWarning, match=f"step {step} of 'x': 10000"):
        forecast, usual = (freerun.RNN(**settings).fit(one).forecast(12, (80,)) for one in (wrong, values))
    assert np.abs(forecast["x"] - usual["x"]).max() < 3
    assert (forecast["x_high_80"] - forecast["x_low_80"]).max() < 30


def test_a_level_that_shifts_is_followed_within_some_steps():
    rng = np.random.default_rng(0)
    values = np.where(np.arange(80) < 68, 10.0, 1000.0) + rng.normal(size=80)
    assert freerun.RNN(cell="smoothing").fit(values).forecast(1)["x"].iloc[0] == pytest.approx(1000, abs=60)


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_demand_that_is_rare_is_no_outlier(share):
    demand = np.where(np.random.default_rng(0).random(300) < share, 8.0, 0.0)
    assert freerun.RNN(cell="smoothing").fit(demand).forecast(12)["x"].mean() == pytest.approx(8 * share, rel=0.4)


def test_a_random_walk_is_followed_and_noise_is_averaged():
    def level(values: np.ndarray) -> float:
        member = freerun.RNN(cell="smoothing", detrend=True).fit(values).model_.best
        cell = member.network.cells[0]
        assert isinstance(cell, SmoothingCell)
        return float(cell.level @ member.network.readout[:, 0])

    random = np.random.default_rng(4)
    assert level(np.cumsum(random.normal(size=300))) > 0.8
    assert level(random.normal(size=300)) < 0.1


# Forecasts.


def test_a_season_on_a_line_goes_on():
    values = grown(8, 0.3)
    table = freerun.RNN(cell="smoothing", detrend=True).fit(monthly(values[:72])).forecast(24)
    np.testing.assert_allclose(table["sales"], values[72:], rtol=0.01)
    np.testing.assert_allclose(freerun.RNN().fit(monthly(values[:72])).forecast(24)["sales"], values[72:], rtol=0.01)


def test_growth_by_a_constant_factor_goes_on_in_the_logarithm():
    values = 100 * 1.03 ** np.arange(60)
    table = freerun.RNN(cell="smoothing", log=True, season=0).fit(values).forecast(12)
    np.testing.assert_allclose(table["x"], 100 * 1.03 ** np.arange(60, 72), rtol=0.03)


def test_a_short_series_on_which_a_smoother_fails_gets_a_forecast():
    """Of M1, yearly."""
    values = [4351.0, 10303, 14335, 23996, 57704, 74653, 100917, 112146, 138439, 146502, 179935, 229789]
    assert freerun.RNN().fit(values).forecast(6, 80).notna().all(axis=None)


@pytest.mark.parametrize("steps", [3, 4, 5, 8, 12, 19])
def test_a_few_values_get_a_forecast_with_intervals(steps):
    values = 50 + np.arange(steps) % 3 + np.random.default_rng(steps).normal(size=steps)
    table = freerun.RNN().fit(values).forecast(4, levels=(80, 95))
    assert ((table["x"] > 45) & (table["x"] < 57)).all()
    assert (table["x_low_95"] < table["x_low_80"]).all()
    assert (table["x_high_80"] < table["x_high_95"]).all()


@pytest.mark.parametrize("values", [[1.0, 2.0, np.nan, np.nan, 4.0], [1.0, 2.0, 4.0, np.nan, np.nan]])
def test_a_few_values_with_gaps_get_intervals_that_are_no_point(values):
    frame = freerun.RNN().fit(np.array(values)).forecast(3, (80,))
    assert (frame["x_high_80"] - frame["x_low_80"] > 0.1).all()


@pytest.mark.parametrize("first", ["zeros", "missing"])
def test_a_series_that_begins_with_nothing_gets_a_forecast(first):
    demand = np.random.default_rng(0).poisson(3.0, 40).astype(float)
    demand[: 25 if first == "zeros" else 20] = 0.0 if first == "zeros" else np.nan
    frame = freerun.RNN().fit(demand).forecast(6, (80,))
    assert frame["x"].between(1.0, 5.0).all()
    assert frame["x_high_80"].between(3.0, 12.0).all()


def test_channels_are_forecast_as_each_alone():
    random = np.random.default_rng(5)
    both = np.column_stack([grown(6) + random.normal(size=72), 30 + np.cumsum(random.normal(size=72))])
    together = freerun.RNN(cell="smoothing", season=12).fit(both).forecast(6)
    for channel, name in enumerate(together.columns):
        alone = freerun.RNN(cell="smoothing", season=12).fit(both[:, channel]).forecast(6)
        np.testing.assert_allclose(together[name], alone["x"])


def test_missing_values_are_passed_over():
    values = grown(8)
    values[[20, 21, 50]] = np.nan
    table = freerun.RNN(cell="smoothing").fit(monthly(values)).forecast(12)
    np.testing.assert_allclose(table["sales"], MONTHS, rtol=0.02)


def test_a_continued_series_read_whole_forecasts_as_after_training():
    series = monthly(grown(8, 0.1) + np.random.default_rng(6).normal(size=96))
    rnn = freerun.RNN(cell="smoothing").fit(series)
    np.testing.assert_allclose(rnn.forecast(12, after=series), rnn.forecast(12))


def test_new_steps_move_the_level():
    series = monthly(grown(8))
    rnn = freerun.RNN(cell="smoothing").fit(series[:84])
    rnn.update(series[84:] + 5)
    assert (rnn.forecast(12)["sales"] > MONTHS).all()


def test_a_saved_model_forecasts_the_same(tmp_path):
    rnn = freerun.RNN(cell="smoothing").fit(monthly(grown(6) + np.random.default_rng(7).normal(size=72)))
    rnn.save(tmp_path / "sales.freerun")
    pd.testing.assert_frame_equal(
        freerun.load(tmp_path / "sales.freerun").forecast(12, (80, 95)), rnn.forecast(12, (80, 95))
    )


# Choosing.


def test_a_noisy_season_is_smoothed_and_a_clean_attractor_gets_a_network():
    random = np.random.default_rng(8)
    noisy = freerun.RNN().fit(monthly(grown(8) + np.cumsum(random.normal(size=96)))).model_
    assert [member.settings.cell for member in noisy.members] == ["smoothing", "smoothing"]
    clean = freerun.RNN().fit(freerun.systems.mackey_glass(500)).model_
    assert "smoothing" not in {member.settings.cell for member in clean.members}


def test_a_trend_that_explodes_on_a_cycle_is_left_out():
    steps = np.arange(90)
    cycle = np.exp(6 + 2 * np.sin(2 * np.pi * steps / 9.6)) * np.exp(0.3 * np.random.default_rng(12).normal(size=90))
    rnn = freerun.RNN(cell="smoothing", season=0).fit(cycle)
    assert not any(member.settings.log for member in rnn.model_.members)
    assert (rnn.forecast(12)["x"] < 2 * cycle.max()).all()


def test_the_season_that_is_given_is_used():
    values = np.tile([1.0, 5.0, 2.0], 12) + 0.01 * np.random.default_rng(9).normal(size=36)
    told = freerun.RNN(season=3, cell="smoothing").fit(values)
    assert told.model_.best.settings.seasons == (3,)
    np.testing.assert_allclose(told.forecast(3)["x"], [1.0, 5.0, 2.0], atol=0.1)
    flat = freerun.RNN(season=0, cell="smoothing").fit(values)
    assert flat.model_.best.settings.seasons == ()
    assert np.ptp(flat.forecast(3)["x"]) < 1


def test_cross_fitting_takes_the_luck_out_of_the_best_of_many():
    """The best of many candidates that are all as bad looks good; cross-fitted,
    it is as bad as they are."""
    errors = 1 + 0.3 * np.random.default_rng(10).normal(size=(500, 8))
    assert errors.mean(axis=1).min() < 0.75
    assert cross_fitted_error(errors, folds=2) == pytest.approx(1.0, abs=0.15)
    errors[7] = 0.2
    assert cross_fitted_error(errors, folds=2) == pytest.approx(0.2)
    assert cross_fitted_error(errors, folds=1) == pytest.approx(0.2)


def test_networks_need_less_merit_on_longer_series():
    def share(steps: int, index: pd.Index | None = None, sound: bool = True) -> float:
        series = freerun.Series.of(pd.Series(np.arange(float(steps)), index=index))
        return clearly(Profile.of((series,), Settings.checked()), sound)

    shares = [share(steps) for steps in (12, 20, 100, 1000, 100_000)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5
    assert shares[-1] > 0.98
    assert share(100, pd.date_range("2000-01-01", periods=100, freq="MS")) < shares[2]
    assert share(100, sound=False) > shares[2]


# Results that cannot be negative.


def test_counts_have_no_negative_forecasts_and_bounds():
    values = np.random.default_rng(11).poisson(0.4, 80).astype(float)
    table = freerun.RNN().fit(values).forecast(10, levels=95)
    assert (table >= 0).all(axis=None)
    assert (table["x_low_95"] == 0).all()
    falling = np.r_[np.arange(40.0, 0, -1), 0.0]
    assert (freerun.RNN(nonnegative=True).fit(falling).forecast(20) >= 0).all(axis=None)
    assert (freerun.RNN(nonnegative=False).fit(falling - 0.5).forecast(20)["x"] < 0).any()


def test_counts_beside_a_temperature_have_no_negative_forecasts_and_bounds():
    random = np.random.default_rng(11)
    frame = pd.DataFrame({"sold": random.poisson(0.4, 80), "warmth": random.normal(0, 5, 80)})
    for rnn in (freerun.RNN(), freerun.RNN(hidden=5, cell="leaky", l2=1e-4)):
        table = rnn.fit(frame).forecast(10, levels=95)
        assert (table[["sold", "sold_low_95"]] >= 0).all(axis=None)
        assert (table["warmth_low_95"] < 0).all()


def test_nonnegative_results_of_negative_values_are_refused():
    with pytest.raises(SeriesError, match="the value -2 at step 1 of 'x' is negative; leave nonnegative out"):
        freerun.RNN(nonnegative=True).fit([3.0, -2.0, 4.0, 5.0, 3.0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"season": 1}, "season=1: seasons are ascending numbers of steps from 2 on"),
        ({"season": (24, 12)}, "seasons are ascending numbers"),
        ({"season": 1000, "cell": "smoothing"}, "smoothers follow a season of at most 400 steps"),
        ({"cell": "smoothing", "hidden": 5}, "hidden has no effect with cell='smoothing'"),
        ({"cell": "smoothing", "optimizer": "adam"}, "smoothers are weighted by likelihood"),
    ],
)
def test_settings_that_smoothers_do_not_have_are_refused(settings, message):
    with pytest.raises(SettingError, match=message.replace("(", r"\(")):
        freerun.RNN(**settings).fit(np.arange(30.0))


def test_smoothers_are_not_asked_for_what_they_cannot_do():
    series = np.arange(30.0) + np.random.default_rng(13).normal(size=30)
    with pytest.raises(SettingError, match="forecasts one series, and 2 are given"):
        freerun.RNN(cell="smoothing").fit([series, series + 1])
    with pytest.raises(SettingError, match="reads no external inputs"):
        freerun.RNN(cell="smoothing").fit(series, inputs=np.arange(30.0)[:, None])


def test_of_several_seasons_those_that_divide_the_longest_are_followed():
    days = np.arange(7 * 4 * 5)
    values = 50 + 5.0 * (days % 7 < 2) + 10 * np.sin(2 * np.pi * days / 28)
    rnn = freerun.RNN(cell="smoothing", season=(7, 28)).fit(values)
    assert rnn.model_.best.settings.seasons == (7, 28)
    other = freerun.RNN(cell="smoothing", season=(7, 30)).fit(values)
    assert other.model_.best.settings.seasons == (30,)


def test_a_network_of_smoothers_knows_its_place():
    """External inputs are not read, and each channel has its own smoothers."""
    grid = smoothing.gains(0, slopes=False)
    network = smoothing.network_of(Shape(2, 2 * len(grid), "smoothing", inputs=1), grid, "float64")
    cell = network.cells[0]
    assert isinstance(cell, SmoothingCell)
    assert not cell.input[2].any()
    assert (cell.input[:2].sum(axis=0) == 1).all()
    np.testing.assert_allclose(network.readout.sum(axis=0), 1.0)
    assert replace(network, lags=(0,)).depth == 0


def test_intervals_of_random_walks_cover_and_widen_by_the_root_of_the_horizon():
    inside, growth = [], []
    for seed in range(12):
        walk = np.random.default_rng(seed).normal(size=336).cumsum()
        forecast = freerun.RNN(cell="smoothing", season=0, detrend=True).fit(walk[:320]).forecast(16, levels=80)
        low, high = forecast["x_low_80"].to_numpy(), forecast["x_high_80"].to_numpy()
        inside.append((walk[320:] >= low) & (walk[320:] <= high))
        growth.append((high - low)[15] / (high - low)[0])
    assert 0.65 < np.mean(inside) < 0.95
    assert 2.5 < np.median(growth) < 6


def test_intervals_are_as_wide_as_the_series_is_erratic_at_its_end():
    random = np.random.default_rng(9)
    calm, wild = random.normal(size=60), 10 * random.normal(size=60)

    def width(values: np.ndarray) -> float:
        forecast = freerun.RNN(cell="smoothing", season=0, detrend=True).fit(values).forecast(1, levels=80)
        return float(forecast["x_high_80"].iloc[0] - forecast["x_low_80"].iloc[0])

    truth = 2 * 1.2816
    assert width(100 + np.r_[wild, calm]) == pytest.approx(truth, rel=0.5)
    assert width(100 + np.r_[calm, wild]) == pytest.approx(10 * truth, rel=0.5)


def test_errors_inside_a_series_begin_at_the_second_step_without_a_washout():
    """The first step has no forecast, since nothing is before it."""
    values = np.sin(np.arange(60) / 3) + np.random.default_rng(0).normal(0, 0.1, 60)
    growths = [freerun.RNN(cell="smoothing", washout=washout).fit(values).model_.growth for washout in (0, 1)]
    assert growths[0] is not None
    assert growths[1] is not None
    np.testing.assert_array_equal(growths[0].scale, growths[1].scale)
