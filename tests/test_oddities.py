"""Readings that look wrong are reported; those that stand for missing values are missing."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun import Series
from freerun.data.oddities import FILL_VALUES, oddities
from freerun.errors import SeriesError, SeriesWarning


def wave(count: int = 200) -> np.ndarray:
    return 20 + 5 * np.sin(np.arange(count) / 4) + np.random.default_rng(0).normal(0, 0.3, count)


@pytest.mark.parametrize("fill", FILL_VALUES)
def test_fill_values_of_instruments_are_missing_and_reported(fill):
    values = wave()
    values[[7, 90, 91]] = fill
    with pytest.warns(SeriesWarning, match=r"3 values of 'flow' are .*, the first in row 7, .* they are missing"):
        series = Series.of(pd.DataFrame({"flow": values, "other": wave()}))
    assert np.flatnonzero(np.isnan(series.values[:, 0])).tolist() == [7, 90, 91]
    assert np.isfinite(series.values[:, 1]).all()


def test_a_fill_value_in_single_precision_is_missing_too():
    values = wave().astype(np.float32)
    values[[3, 4]] = np.float32(9.96921e36)
    with pytest.warns(SeriesWarning, match="2 values of 'x'"):
        assert np.isnan(Series.of(values).values[[3, 4]]).all()


@pytest.mark.parametrize(
    "values",
    [
        np.r_[wave(), 9999.0],
        np.r_[wave() * 1000, 9999.0, 9999.0],
        np.r_[np.linspace(-2000, 2000, 200), -999.0, -999.0],
        np.full(50, 9999.0),
    ],
    ids=["once", "within the range", "among others", "nothing else"],
)
def test_a_fill_value_that_may_be_a_measurement_is_kept(values):
    np.testing.assert_array_equal(Series.of(values).values[:, 0], values)


def test_the_users_array_is_not_written_to():
    values = wave()
    values[[7, 90]] = -9999
    with pytest.warns(SeriesWarning, match="2 values"):
        Series.of(values)
    assert values[7] == -9999


def test_a_glitch_is_reported_with_its_place_and_learned_as_it_stands():
    values = wave()
    values[40] = 9999
    dated = pd.Series(values, index=pd.date_range("2024-01-01", periods=200), name="flow")
    (report,) = oddities(Series.of(dated))
    assert report.startswith("step 40 (2024-02-10) of 'flow': 9999 but all others lie between")
    rnn = freerun.RNN(5, cell="memoryless", optimizer="ridge", delays=2, input_scale=0.3, l2=1e-2, difference=0)
    with pytest.warns(SeriesWarning, match=r"step 40 .* it is learned as it stands"):
        rnn.fit(dated)
    assert rnn.model_.recent.values[40, 0] == 9999


@pytest.mark.parametrize("learn", [False, True])
def test_a_glitch_in_an_update_is_reported_once(learn):
    values = wave()
    values[150] = 9999
    rnn = freerun.RNN(
        5, cell="memoryless", optimizer="ridge", delays=2, input_scale=0.3, l2=1e-2, difference=0, online=True
    ).fit(values[:140])
    with pytest.warns(SeriesWarning, match=r"step 150 of 'x': 9999 .* it is read as it stands"):
        rnn.update(values[140:160], learn=learn)
    rnn.update(values[160:], learn=learn)  # it was said


def test_a_sensor_that_is_stuck_is_reported():
    values = wave()
    values[50:70] = values[50]
    (report,) = oddities(Series.of(values))
    assert report.startswith("step 50 of 'x'")
    assert report.endswith("for 20 steps in a row, like a stuck sensor")


@pytest.mark.parametrize(
    "values",
    [
        wave(),
        np.repeat([1.0, 5.0, 2.0, 8.0], 50),
        np.r_[np.zeros(150), wave(50)],
        np.where(np.arange(200) % 10 == 0, 500.0, wave()),
        np.exp(np.random.default_rng(0).normal(0, 1, 200)),
        np.r_[[np.nan] * 195, [1.0, 2, 3, 4, 5]],
    ],
    ids=["a wave", "levels", "zeros, then sales", "regular peaks", "heavy tails", "hardly any values"],
)
def test_usual_features_of_series_are_not_reported_as_oddities(values):
    assert oddities(Series.of(values)) == []


def seasonal(steps: int) -> np.ndarray:
    """Twenty, a season of 12 steps, and a little noise."""
    noise = np.random.default_rng(1).normal(0, 0.3, steps)
    return 20 + 5 * np.sin(2 * np.pi * np.arange(steps) / 12) + noise


NETWORK: dict[str, Any] = {"hidden": 30, "cell": "memoryless", "optimizer": "ridge", "delays": 13, "input_scale": 0.3}


@pytest.mark.parametrize("offset", [1e9, -1e9])
def test_an_offset_of_a_billion_does_no_harm(offset):
    values = seasonal(144)
    plain = freerun.RNN(**NETWORK, l2=1e-2).fit(values[:132]).forecast(12, 80).to_numpy()
    moved = freerun.RNN(**NETWORK, l2=1e-2).fit(values[:132] + offset).forecast(12, 80).to_numpy()
    np.testing.assert_allclose(moved - offset, plain, atol=1e-4)


def test_beside_a_channel_with_gaps_the_other_is_forecast_as_well_as_alone():
    values = seasonal(144)
    gaps = np.where(np.arange(144) % 5 == 2, values + 7, np.nan)
    alone = freerun.RNN(**NETWORK, l2=1e-2).fit(values[:132]).forecast(12)["x"].to_numpy()
    both = freerun.RNN(**NETWORK, l2=1e-2).fit(np.column_stack([values, gaps])[:132]).forecast(12)["x0"].to_numpy()
    naive = np.abs(values[120:132] - values[132:]).mean()
    assert np.abs(alone - values[132:]).mean() < naive
    assert np.abs(both - values[132:]).mean() < 1.5 * naive


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.full(132, 3.0), "channel 'valve' is constant"),
        (np.where(np.arange(132) % 40 == 3, seasonal(132), np.nan), "channel 'valve' has 4 values in 132 steps"),
    ],
)
def test_a_channel_that_says_nothing_is_named(column, message):
    frame = pd.DataFrame({"flow": seasonal(132), "valve": column})
    with pytest.raises(SeriesError, match=message):
        freerun.RNN().fit(frame)
