"""`Series`: what it takes, what it refuses, how it splits and continues."""

import numpy as np
import pandas as pd
import pytest

from freerun import Series
from freerun.errors import SeriesError


def test_one_dimensional_data_are_one_channel():
    series = Series.of([1, 2, 4])
    assert series.shape == (3, 1)
    assert series.channels == ("x",)
    assert series.values.dtype == np.float64
    assert series.dt == 1.0
    np.testing.assert_array_equal(series.times, [0, 1, 2])


def test_pandas_columns_become_channels_and_the_index_becomes_times():
    index = pd.date_range("2020-01-31", periods=4, freq="ME")
    series = Series.of(pd.DataFrame({"a": [1, 2, 3, 4], "b": [4.0, 3, 2, 1]}, index=index))
    assert series.channels == ("a", "b")
    np.testing.assert_array_equal(series.times, index.to_numpy())
    expected = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [4.0, 3, 2, 1]}, index=index.rename("time"))
    pd.testing.assert_frame_equal(series.to_pandas(), expected, check_freq=False)


def test_a_pandas_series_keeps_its_name():
    assert Series.of(pd.Series([1.0, 2.0], name="flow")).channels == ("flow",)


def test_time_zones_become_utc():
    index = pd.date_range("2020-06-01", periods=3, freq="h", tz="Europe/Berlin")
    assert str(Series.of(pd.Series([1.0, 2, 3], index=index)).times[0]).startswith("2020-05-31T22:00")


def test_split_keeps_times_and_channels():
    first, rest = Series(np.arange(10.0), ("a",), dt=0.5).split(7)
    assert (len(first), len(rest)) == (7, 3)
    np.testing.assert_allclose(rest.times, [3.5, 4.0, 4.5])
    assert rest.channels == ("a",)
    assert rest.dt == 0.5


@pytest.mark.parametrize("step", [0, 10, 11, -1])
def test_a_split_outside_the_series_is_refused(step):
    with pytest.raises(SeriesError, match=rf"cannot split at step {step}: the series has 10 steps; choose 1 to 9"):
        Series.of(np.arange(10.0)).split(step)


def test_following_times_of_numbers_go_on_at_dt():
    series = Series(np.zeros(3), times=np.array([1700.0, 1701.0, 1702.0]))
    np.testing.assert_array_equal(series.following_times(2), [1703.0, 1704.0])


@pytest.mark.parametrize(
    ("freq", "expected"), [("MS", ["2021-01-01", "2021-02-01"]), ("D", ["2020-01-13", "2020-01-14"])]
)
def test_following_times_of_dates_keep_the_calendar(freq, expected):
    series = Series.of(pd.Series(np.arange(12.0), index=pd.date_range("2020-01-01", periods=12, freq=freq)))
    np.testing.assert_array_equal(series.following_times(2), np.array(expected, "datetime64[ns]"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.inf, 3.0], r"infinite at step 1 of 'x'; fill them with missing='interpolate'"),
        ([np.inf] * 9, "step 0 of 'x', step 1 of 'x', step 2 of 'x' and 6 more"),
        ([], r"values have shape \(0, 1\)"),
        (np.zeros((2, 2, 2)), r"values have shape \(2, 2, 2\)"),
        (["a", "b"], "the values are not all numbers"),
        ([[1.0], [1.0, 2.0]], "rows have different lengths"),
        ([1.0, 2.0 + 1.0j], "the values are complex"),
        (pd.Series([1.0j, 2.0], name="z"), "column 'z' holds complex numbers"),
        (np.array(["2020-01-01", "2020-01-02"], "datetime64[D]"), "the values are dates or durations"),
    ],
)
def test_unusable_values_are_refused(values, message):
    with pytest.raises(SeriesError, match=message):
        Series.of(values)


def test_missing_values_are_interpolated_on_request():
    series = Series.of([[1.0, 0.0], [np.nan, np.inf], [3.0, 4.0]], missing="interpolate")
    np.testing.assert_allclose(series.values, [[1, 0], [2, 2], [3, 4]])


def test_a_channel_without_any_value_cannot_be_interpolated():
    with pytest.raises(SeriesError, match="channel 1 has no finite value"):
        Series.of([[1.0, np.nan], [2.0, np.nan]], missing="interpolate")


def test_unknown_channels_are_named():
    with pytest.raises(SeriesError, match="no channel 'c'; there are: a, b"):
        Series(np.zeros((2, 2)), ("a", "b")).channel("c")


def test_text_columns_of_a_frame_are_named():
    with pytest.raises(SeriesError, match="row 0, column 'city': 'Bonn' is not a number; choose the columns"):
        Series.of(pd.DataFrame({"x": [1.0, 2.0], "city": ["Bonn", "Ulm"]}))


def test_wrong_lengths_of_names_and_times_are_refused():
    with pytest.raises(SeriesError, match="3 channel names for 1 channels"):
        Series(np.zeros(4), ("a", "b", "c"))
    with pytest.raises(SeriesError, match=r"times have shape \(3,\), but the series has 4 steps"):
        Series(np.zeros(4), times=np.arange(3))


def test_a_series_owns_its_values():
    """What is done to an array, or to a frame, after it was read changes nothing."""
    values = np.arange(10.0)
    frame = pd.DataFrame({"a": np.arange(10.0)})
    of_array, of_frame = Series.of(values), Series.of(frame)
    values *= 2
    frame.iloc[0, 0] = 99
    np.testing.assert_array_equal(of_array.values[:, 0], np.arange(10.0))
    np.testing.assert_array_equal(of_frame.values[:, 0], np.arange(10.0))
    with pytest.raises(ValueError, match="read-only"):
        of_array.values[0] = 1
    assert np.shares_memory(of_array.values, of_array.between(2).values)
