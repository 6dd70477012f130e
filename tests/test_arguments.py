"""Arguments of users: what is no whole number,
no level of intervals or no choice is refused by name."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun import Series
from freerun.arguments import percentages, positive, whole_number
from freerun.data.rows import ReadOptions
from freerun.errors import SeriesError, SettingError

QUICK: Any = {"hidden": 10, "cell": "memoryless", "optimizer": "ridge", "delays": 2, "input_scale": 0.3, "l2": 1e-4}
QUICK["difference"] = 0


@pytest.fixture(scope="module")
def rnn() -> freerun.RNN:
    return freerun.RNN(**QUICK).fit(10 + np.sin(np.arange(120) / 3))


@pytest.mark.parametrize("given", [3, np.int64(3), np.int8(3)])
def test_whole_numbers_of_any_library_are_understood(given):
    number = whole_number("horizon", given)
    assert number == 3
    assert type(number) is int


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3.0, "horizon=3.0: give a whole number: 3"),
        ("3", "horizon='3': give a whole number"),
        (True, "horizon=True: give a whole number"),
        (None, "horizon=None: give a whole number"),
        (float("nan"), "horizon=nan: give a whole number"),
        (np.array([3]), "give a whole number"),
        (pd.Timestamp("2024-01-01"), "give a whole number"),
        (0, "horizon=0: must be at least 1"),
        (-1, "horizon=-1: must be at least 1"),
        (10**20, "horizon=100000000000000000000: must be at most 2147483647"),
    ],
)
def test_an_invalid_horizon_is_refused_by_name(rnn, given, message):
    with pytest.raises(SettingError, match=message):
        rnn.forecast(given)


@pytest.mark.parametrize("given", [2.0, "2", None, 0])
def test_every_count_of_steps_is_checked_where_it_comes_in(rnn, given):
    y = np.sin(np.arange(120) / 3)
    calls = [
        lambda: rnn.generate(given),
        lambda: rnn.sample(given),
        lambda: rnn.sample(3, paths=given),
        lambda: rnn.backtest(y, given),
        lambda: rnn.backtest(y, 3, folds=given),
        lambda: rnn.error_growth(y, 60, given),
        lambda: rnn.export("x", given),
    ]
    for call in calls:
        with pytest.raises(SettingError, match=r"give a whole number|must be at least 1"):
            call()


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (80, (80.0,)),
        (99.9, (99.9,)),
        ((80, 95), (80.0, 95.0)),
        ([95, 80], (95.0, 80.0)),
        (np.array([80, 95]), (80.0, 95.0)),
        (np.array(80), (80.0,)),
        (pd.Series([80]), (80.0,)),
        ((), ()),
    ],
)
def test_levels_are_one_percentage_or_several(levels, expected):
    assert percentages("levels", levels) == expected


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (0.8, "levels=0.8: levels of intervals are in percent; did you mean 80?"),
        ((80, 0.95), "did you mean 95?"),
        (0, "percentages from 1 to below 100"),
        (100, "percentages from 1 to below 100"),
        (-5, "percentages from 1 to below 100"),
        (float("nan"), "percentages from 1 to below 100"),
        ("80", "levels='80': give percentages"),
        (["80"], "levels='80': give percentages"),
        (True, "levels=True: give percentages"),
        (None, "levels=None: give percentages"),
        ((80, 80), "levels=80, 80: give each level once"),
        (np.array([[80, 95]]), "give percentages"),
    ],
)
def test_levels_that_are_not_percentages_are_refused(levels, message):
    with pytest.raises(SettingError, match=message):
        percentages("levels", levels)


@pytest.mark.parametrize("given", ["foo", None, 1, ["mean"], np.array(["mean", "best"])])
def test_an_unknown_ensemble_is_refused_with_the_choices(rnn, given):
    with pytest.raises(SettingError, match="give one of best, mean, median, trimmed"):
        rnn.generate(3, ensemble=given)


@pytest.mark.parametrize("dt", [0, -1, float("nan"), float("inf"), "x", True])
def test_a_step_that_is_not_a_positive_number_is_refused(dt):
    with pytest.raises(SettingError, match="give a number above 0"):
        positive("dt", dt)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "foo"}, "missing='foo': give one of mask, interpolate, error"),
        ({"missing": None}, "missing=None: give one of mask"),
        ({"decimal": ";"}, "decimal=';': give one of"),
        ({"zone": 3}, "zone=3: give a string"),
        ({"time": 0}, "time=0: give a string"),
    ],
)
def test_options_of_reading_are_checked_for_every_source(options, message):
    with pytest.raises(SettingError, match=message):
        ReadOptions(**options)


def test_a_zone_of_times_that_are_numbers_is_refused():
    with pytest.raises(SeriesError, match="zone='UTC': the times are numbers and have no time zone"):
        Series.of(np.arange(5.0), zone="UTC")


def test_columns_are_chosen_from_a_series_as_from_a_table():
    series = Series.of(pd.DataFrame({"a": [1.0, 2, 3], "b": [4.0, 5, 6]}))
    chosen = Series.of(series, columns=["b"])
    assert chosen.channels == ("b",)
    np.testing.assert_array_equal(chosen.values[:, 0], [4, 5, 6])
    with pytest.raises(SeriesError, match="no column 'c'; there are: a, b"):
        Series.of(series, columns=["c"])


def test_reading_a_series_again_keeps_its_external_inputs():
    driven = Series.of([1.0, np.nan, 3.0], inputs=[1.0, 2.0, 3.0, 4.0])
    again = Series.of(driven, missing="interpolate")
    np.testing.assert_array_equal(again.values[:, 0], [1, 2, 3])
    np.testing.assert_array_equal(again.inputs, driven.inputs)
    with pytest.raises(SeriesError, match="a series with external inputs cannot be resampled"):
        Series.of(driven, resample="2")


@pytest.mark.parametrize(
    ("truth", "message"),
    [([5.0] * 30, "is constant"), ([np.nan] * 30, "has no value at all"), ([1.0], "the series has 1 steps")],
)
def test_a_series_that_cannot_be_scored_is_refused(rnn, truth, message):
    with pytest.raises(SeriesError, match=message):
        rnn.score(truth)
