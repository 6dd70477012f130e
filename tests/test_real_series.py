"""Real series: gaps, external inputs, differences, panels, calendars, intervals, backtests,
export."""

import dataclasses
from typing import Any

import jax
import jax.export
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

import freerun
from freerun.errors import SeriesError, SeriesWarning, SettingError

SMALL: dict[str, Any] = {
    "hidden": 40,
    "cell": "memoryless",
    "delays": 3,
    "difference": 0,
    "optimizer": "ridge",
    "input_scale": 0.3,
    "l2": 1e-8,
}


def _dated(start: str, frequency: str) -> pd.Series:
    return pd.Series(np.sin(np.arange(60.0)), pd.date_range(start, periods=60, freq=frequency))


def test_gaps_are_masked_and_read_as_the_networks_own_output():
    """One value in twenty missing, and twelve in a row:
    the free run still follows what really came."""
    values = freerun.systems.mackey_glass(900, seed=0).values
    gappy = values[:700].copy()
    gappy[np.random.default_rng(0).random(700) < 0.05] = np.nan
    gappy[300:312] = np.nan
    rnn = freerun.RNN(**{**SMALL, "hidden": 200, "delays": 12, "input_scale": 0.5, "l2": 1e-9}).fit(gappy)
    assert np.sqrt(np.mean((rnn.generate(30).values - values[700:730]) ** 2)) < 0.1 * values.std()
    assert np.isfinite(rnn.predict(gappy).values).all()


def test_external_inputs_of_the_predicted_step_are_used():
    draw = np.random.default_rng(0)
    u = draw.normal(size=300)
    y = np.zeros(300)
    for t in range(1, 300):
        y[t] = 0.6 * y[t - 1] + 0.5 * u[t]
    rnn = freerun.RNN(**SMALL).fit(y[:250], inputs=u[:250])
    np.testing.assert_allclose(rnn.generate(20, inputs=u[250:270]).values[:, 0], y[250:270], atol=0.02)
    with pytest.raises(SeriesError, match="known for 0 steps after the series, and 5 are asked for"):
        rnn.generate(5)


def test_differences_continue_a_trend_and_a_season():
    t = np.arange(150.0)
    values = 0.5 * t + 10 * np.sin(2 * np.pi * t / 12)
    rnn = freerun.RNN(**{**SMALL, "difference": 12}).fit(values[:120])
    np.testing.assert_allclose(rnn.generate(30).values[:, 0], values[120:], atol=1e-6)
    line = freerun.RNN(**{**SMALL, "delays": 13, "l2": 1e-6}, detrend=True, log=True).fit(np.exp(values[:120] / 30))
    assert np.abs(30 * np.log(line.generate(24).values[:, 0]) - values[120:144]).max() < 0.5


def test_update_is_reading_the_whole_series():
    values = freerun.systems.mackey_glass(400, seed=0).values
    rnn = freerun.RNN(**SMALL).fit(values[:300])
    expected = rnn.generate(20, after=values[:350]).values
    np.testing.assert_allclose(rnn.update(values[300:350]).generate(20).values, expected, atol=1e-12)


def test_a_panel_of_unequal_lengths_learns_the_common_law():
    values = freerun.systems.mackey_glass(900, seed=0).values
    rnn = freerun.RNN(**{**SMALL, "hidden": 150, "delays": 12}).fit([values[:300], values[300:520], values[520:800]])
    run = rnn.generate(20, after=values[:700]).values
    np.testing.assert_allclose(run, values[700:720], atol=0.02)
    with pytest.raises(SettingError, match="trained on 3 series; give the one to continue"):
        rnn.generate(5)
    with pytest.raises(SeriesError, match=r"series 1 does not go with series 0 .* the series has 2 channels"):
        freerun.RNN(**SMALL).fit([values[:100], np.ones((100, 2))])


def test_forecasts_keep_the_index_and_intervals_nest():
    index = pd.date_range("2015-01-01", periods=96, freq="MS", tz="Europe/Berlin")
    draw = np.random.default_rng(0)
    data = pd.Series(np.sin(np.arange(96) * np.pi / 6) + 0.1 * draw.normal(size=96), index=index, name="y")
    table = freerun.RNN(**{**SMALL, "delays": 12, "l2": 1e-2}).fit(data).forecast(6, (80, 95))
    expected = pd.date_range("2023-01-01", periods=6, freq="MS", tz="Europe/Berlin")
    assert list(table.index) == list(expected)
    assert (table["y_low_95"] <= table["y_low_80"]).all()
    assert (table["y_low_80"] < table["y"]).all()
    assert (table["y_high_80"] <= table["y_high_95"]).all()


@pytest.mark.parametrize("level", [0, 100, -5])
def test_levels_outside_the_percentages(level):
    with pytest.raises(SettingError, match="percentages from 1 to below 100"):
        freerun.RNN(**SMALL).fit(np.sin(np.arange(60.0))).forecast(3, (level,))


def test_a_backtest_by_hand():
    draw = np.random.default_rng(0)
    values = draw.normal(size=150).cumsum()
    result = freerun.RNN(**{**SMALL, "l2": 1e-2}).backtest(values, 5, folds=3)
    np.testing.assert_array_equal(result.origins, [135, 140, 145])
    np.testing.assert_allclose(result.truth[1, :, 0], values[140:145])
    rnn = freerun.RNN(**{**SMALL, "l2": 1e-2}).fit(values[:140])
    np.testing.assert_allclose(result.forecasts["freerun"][1], rnn.generate(5).values, atol=1e-9)
    np.testing.assert_allclose(result.forecasts["last value"][2], np.full((5, 1), values[144]))
    assert {"freerun", "last value", "drift", "linear autoregression"} <= set(result.table().index)


@pytest.mark.parametrize("sliding", [3, 5])
def test_a_backtest_on_windows_shorter_than_the_season_has_no_seasonal_baseline(sliding):
    months = pd.date_range("2010-01-01", periods=60, freq="MS")
    values = pd.Series(10 + np.sin(np.arange(60) * np.pi / 6), months)
    result = freerun.RNN(cell="smoothing").backtest(values, 6, folds=2, sliding=sliding)
    assert set(result.table().index) == {"freerun", "last value", "drift", "linear autoregression"}


@pytest.mark.filterwarnings("error")
def test_forecasts_of_steps_without_a_value_cannot_be_scored():
    values = pd.Series(np.sin(np.arange(60.0)), pd.date_range("2010-01-01", periods=60, freq="MS"))
    values.iloc[48:] = np.nan
    with pytest.raises(SeriesError, match="no value to score forecasts by from 2014-01-01 on"):
        freerun.RNN(**SMALL).backtest(values, 6, folds=2)
    with pytest.raises(SeriesError, match="no value from step 48 on is known"):
        freerun.RNN(**SMALL).fit(values).evaluate(values, 48)


@pytest.mark.parametrize(
    ("times", "rule", "apart"),
    [(pd.date_range("2020-01-01", periods=100, freq="h"), "1min", "01:00:00"), (np.arange(5.0, 105.0), "0.1", "1")],
)
def test_steps_that_are_much_shorter_than_the_rows_are_apart_are_reported(times, rule, apart):
    data = pd.Series(np.sin(np.arange(100.0)), index=times)
    with pytest.warns(
        SeriesWarning, match=f"steps have no row.*rows are {apart} apart.*steps of that length or longer"
    ):
        freerun.Series.of(data, resample=rule)
    with pytest.raises(SeriesError, match="steps of 100 rows, nearly all of them without a value; give longer steps"):
        freerun.Series.of(data, resample={"1min": "1ms"}.get(rule, "1e-9"))


@pytest.mark.parametrize("rule", ["0D", "-1D"])
def test_steps_that_do_not_go_forward_are_refused(rule):
    data = pd.Series(np.sin(np.arange(20.0)), index=pd.date_range("2020-01-01", periods=20, freq="h"))
    with pytest.raises(SeriesError, match=f"resample='{rule}': .*do not go forward"):
        freerun.Series.of(data, resample=rule)


def test_irregular_and_repeated_times_are_refused_and_resampled_on_request():
    index = pd.DatetimeIndex(["2020-01-01 00:00", "2020-01-02 05:00", "2020-01-04 00:00", "2020-01-05 00:00"])
    data = pd.Series([1.0, 2, 4, 5], index=index)
    message = r"2020-01-04 follows 2020-01-02T05:00 .* but the time step is .*; .*resample="
    with pytest.raises(SeriesError, match=message):
        freerun.Series.of(data)
    with pytest.warns(SeriesWarning, match="'D': 1 of 5 steps have no row, the first of them 2020-01-03; their values"):
        daily = freerun.Series.of(data, resample="D")
    np.testing.assert_array_equal(daily.values[:, 0], [1, 2, np.nan, 4, 5])
    np.testing.assert_array_equal(freerun.Series.of(data, resample="rows").values[:, 0], [1, 2, 4, 5])
    with pytest.raises(SeriesError, match="occurs twice"):
        freerun.Series.of(pd.Series([1.0, 2, 3], index=index[[0, 0, 1]]))


@pytest.mark.parametrize("freq", ["15min", "h", "D", "B", "W-WED", "MS", "ME", "QS-FEB", "QE-DEC", "YS-JAN", "BME"])
def test_steps_without_a_row_are_missing(freq):
    whole = pd.date_range("2020-01-01", periods=30, freq=freq)
    with pytest.warns(SeriesWarning, match="2 of 30 steps .* have no row, the first of them"):
        series = freerun.Series.of(pd.Series(np.arange(28.0), index=whole.delete([11, 12])))
    np.testing.assert_array_equal(series.times, whole.to_numpy())
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(series.values[:, 0])), [11, 12])
    following = pd.date_range(whole[-1], periods=4, freq=freq)[1:]
    np.testing.assert_array_equal(series.following_times(3), following.to_numpy())


def test_the_exported_program_is_the_free_run(tmp_path):
    values = freerun.systems.mackey_glass(300, seed=0).values
    rnn = freerun.RNN(**SMALL).fit(values)
    rnn.export(tmp_path / "run.stablehlo", 20)
    with jax.enable_x64(True):
        program = jax.export.deserialize(bytearray((tmp_path / "run.stablehlo").read_bytes()))
        run = np.asarray(program.call(values[:222]))
    np.testing.assert_allclose(run, rnn.generate(20, after=values[:222]).values, atol=1e-10)


def test_a_noise_free_series_with_gaps_is_learned_to_rounding():
    """What reads a gap is left out of the fit, so that
    interpolated values do not spoil a tiny penalty."""
    t = np.arange(200.0)
    values = np.sin(0.3 * t) + np.sin(0.7 * t)
    gappy = values[:160].copy()
    gappy[[20, 21, 70, 110, 140]] = np.nan
    rnn = freerun.RNN(**{**SMALL, "hidden": 10, "delays": 5, "l2": 1e-12}).fit(gappy)
    np.testing.assert_allclose(rnn.generate(40).values[:, 0], values[160:], atol=1e-3)


def test_networks_that_may_be_as_good_as_the_best_forecast_together():
    values = freerun.systems.multiple_sines(120, seed=0).values
    rnn = freerun.RNN(cell="memoryless", input_scale=0.3, seed=1).fit(values)
    count = len(rnn.model_.members)
    assert 1 < count <= 5
    runs = np.stack([_alone(rnn, i).generate(6).values for i in range(count)])
    np.testing.assert_allclose(rnn.forecast(6).to_numpy(), scipy.stats.trim_mean(runs, 0.25, axis=0), atol=1e-9)


def _alone(rnn: freerun.RNN, i: int) -> freerun.RNN:
    alone = freerun.RNN()
    alone.model_ = dataclasses.replace(rnn.model_, members=rnn.model_.members[i : i + 1])
    return alone


@pytest.mark.parametrize(
    ("training", "inputs", "message"),
    [
        ([np.arange(50.0), np.ones((50, 2))], None, "series 1 does not go with series 0 .* the series has 2 channels"),
        (np.column_stack([np.sin(np.arange(60.0)), np.full(60, np.nan)]), None, "channel 'x1' has no value at all"),
        (np.where((np.arange(300) > 50) & (np.arange(300) < 160), np.nan, np.sin(np.arange(300))), None, "109 values"),
        (np.sin(np.arange(60.0)), np.ones(59), "the external inputs have 59 steps, the series has 60"),
        (np.sin(np.arange(60.0)), np.full(60, np.nan), "missing or infinite external inputs at step 0 of 'u'"),
        (
            [_dated("2020-01-01", "D"), _dated("2020-01-01", "h")],
            None,
            "the series has steps of h, .* but steps of D are needed, .* these steps .resample",
        ),
        ([np.sin(np.arange(50.0))] * 2, [np.ones(50)], "1 of external inputs for 2 series"),
        (np.append(np.sin(np.arange(60.0)), np.inf), None, "infinite"),
    ],
    ids=["channels", "empty", "gap", "inputs", "unknown", "frequencies", "panel", "infinite"],
)
def test_bad_series_are_refused_by_name(training, inputs, message):
    with pytest.raises(SeriesError, match=message):
        freerun.RNN(**SMALL).fit(training, inputs=inputs)


def test_inputs_that_end_before_the_horizon():
    u = np.random.default_rng(0).normal(size=70)
    rnn = freerun.RNN(**SMALL).fit(np.sin(np.arange(60.0)), inputs=u)
    assert len(rnn.generate(10)) == 10
    with pytest.raises(SeriesError, match="known for 10 steps after the series, and 11 are asked for"):
        rnn.forecast(11)


def test_times_that_do_not_follow_are_refused():
    rnn = freerun.RNN(**SMALL).fit(_dated("2020-01-01", "D"))
    with pytest.raises(SeriesError, match="the next step is 2020-03-01"):
        rnn.update(_dated("2020-03-05", "D"))


def test_scikit_learn_searches_and_splits():
    """What cross validation over time needs: clone, parameter grids, fit and score on arrays."""
    values = freerun.systems.multiple_sines(150, seed=0).values
    search = GridSearchCV(freerun.RNN(**SMALL), {"delays": [1, 4]}, cv=TimeSeriesSplit(3), refit=True)
    search.fit(values)
    assert search.best_params_ == {"delays": 4}
    assert search.best_estimator_.generate(3).shape == (3, 1)
    scores = cross_val_score(freerun.RNN(**SMALL), values, cv=TimeSeriesSplit(3))
    assert scores[-1] > 0.99
    pipeline = Pipeline([("scale", StandardScaler()), ("rnn", freerun.RNN(**SMALL))])
    copy: Any = clone(pipeline)
    assert copy.set_params(rnn__delays=5).fit(values).named_steps["rnn"].delays == 5


@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_scikit_learns_conventions(name):
    """Those of scikit-learn's own checks that do not fit on rows in any order."""
    getattr(estimator_checks, name)("RNN", freerun.RNN())
