"""Steps of time: what pandas counts as a frequency is found,
continued and completed as pandas does."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from freerun import Series
from freerun.errors import SeriesError, SeriesWarning

BEGIN = "2019-01-31"

FREQUENCIES = ["D", "2D", "10D", "h", "3h", "15min", "s", "100ms", "W-SUN", "W-WED", "2W-MON", "MS", "ME", "2MS", "2ME"]
FREQUENCIES += ["BMS", "BME", "QS-JAN", "QS-FEB", "QE-DEC", "QE-NOV", "BQE-DEC", "YS-JAN", "YS-JUL", "YE-DEC", "YE-JUN"]
FREQUENCIES += ["6MS", "B"]

PERIODS = ["D", "h", "W-SUN", "M", "Q-DEC", "Q-JAN", "Y-DEC", "Y-MAR", "2M"]


def dates(frequency: str, count: int = 40) -> pd.DatetimeIndex:
    """Dates without a frequency of their own, as from a file."""
    return pd.DatetimeIndex(np.array(pd.date_range(BEGIN, periods=count, freq=frequency)))


def of(index: pd.Index, values: np.ndarray | None = None) -> Series:
    return Series.of(pd.Series(np.arange(len(index)) if values is None else values, index=index, dtype=float))


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_dates_go_on_as_pandas_continues_them(frequency):
    whole = dates(frequency, 60)
    series = of(whole[:40])
    assert series.following_index(20).to_numpy().tolist() == whole[40:].to_numpy().tolist()


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_steps_without_a_row_are_where_pandas_has_them(frequency):
    whole = dates(frequency)
    gone = [3, 17, 18, 33]
    with pytest.warns(SeriesWarning, match="4 of 40 steps .* have no row, the first of them"):
        series = of(whole.delete(gone))
    assert series.times.tolist() == whole.to_numpy().tolist()
    assert np.flatnonzero(np.isnan(series.values[:, 0])).tolist() == gone
    assert series.following_index(1)[0] == dates(frequency, 41)[-1]


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_rows_in_any_order_are_the_series_of_the_sorted_rows(frequency):
    whole = dates(frequency)
    order = np.random.default_rng(0).permutation(40)
    with pytest.warns(SeriesWarning, match="the rows are not sorted by time; they are sorted on reading"):
        series = of(whole[order], order.astype(float))
    np.testing.assert_array_equal(series.values[:, 0], np.arange(40))
    assert series.times.tolist() == whole.to_numpy().tolist()


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_newest_first_is_turned_round_whether_pandas_knows_the_frequency_or_not(frequency):
    known = pd.date_range(BEGIN, periods=40, freq=frequency)
    for index in (known, dates(frequency)):
        with pytest.warns(SeriesWarning, match="the rows are sorted from newest to oldest"):
            series = of(index[::-1], np.arange(40.0)[::-1])
        np.testing.assert_array_equal(series.values[:, 0], np.arange(40))
        assert series.times.tolist() == known.to_numpy().tolist()


@pytest.mark.parametrize("frequency", PERIODS)
def test_periods_go_on_and_have_holes_as_periods(frequency):
    whole = pd.period_range(BEGIN, periods=60, freq=frequency)
    assert of(whole[:40]).following_index(20).equals(whole[40:].rename("time"))
    with pytest.warns(SeriesWarning, match="2 of 40 steps"):
        series = of(whole[:40].delete([5, 6]))
    assert series.index.equals(whole[:40].rename("time"))
    assert np.flatnonzero(np.isnan(series.values[:, 0])).tolist() == [5, 6]


@pytest.mark.parametrize("frequency", ["h", "D", "MS", "W-SUN", "15min"])
def test_steps_in_a_time_zone_keep_its_clocks(frequency):
    whole = pd.date_range("2024-03-01", periods=400, freq=frequency, tz="Europe/Berlin")
    series = of(pd.DatetimeIndex(whole[:300].to_list()))
    assert series.following_index(100).tolist() == whole[300:].tolist()


@pytest.mark.parametrize("day", [2, 15, 28, 29, 30])
def test_days_of_the_month_are_kept_through_shorter_months(day):
    months = [pd.Timestamp(2019 + m // 12, m % 12 + 1, 1) for m in range(36)]
    whole = pd.DatetimeIndex([m.replace(day=int(min(day, m.days_in_month))) for m in months])
    assert of(whole[:24]).following_index(12).tolist() == whole[24:].tolist()


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(5, 45),
        pd.RangeIndex(0, 80, 2),
        pd.Index(np.arange(40) * 0.25 + 3),
        pd.Index(list(range(7, 47)), dtype=object),
        pd.Index(np.arange(7, 47), dtype="Int64"),
    ],
    ids=["from 5", "every second", "quarters", "objects", "nullable"],
)
def test_numbers_go_on_at_their_step(index):
    step = float(index[1]) - float(index[0])
    series = of(index)
    np.testing.assert_allclose(series.following_times(3), float(index[-1]) + step * np.arange(1, 4))
    with pytest.warns(SeriesWarning, match="1 of 40 steps"):
        assert np.flatnonzero(np.isnan(of(index.delete(10)).values[:, 0])).tolist() == [10]


@pytest.mark.parametrize("gone", [[], [10, 25]])
@pytest.mark.filterwarnings("ignore:2 of 40 steps")
def test_ends_of_fiscal_months_of_four_and_five_weeks_go_on_at_their_mean_step(gone):
    """A step of four weeks, which most of them have,
    would be a quarter of a year off after these 40."""
    weeks = np.cumsum([0, *[4, 5, 4] * 14])
    ends = pd.Timestamp("2020-02-01") + pd.to_timedelta(7 * weeks, "D")
    series = of(pd.DatetimeIndex(ends[:40].delete(gone)))
    assert (np.diff(series.times) > np.timedelta64(0)).all()
    ahead = series.following_index(3)
    assert (np.abs(ahead - ends[40:]) < pd.Timedelta("3D")).all()


def test_spans_of_time_go_on_as_spans():
    spans = pd.timedelta_range("5min", periods=40, freq="10min")
    assert of(spans[:30]).following_index(10).tolist() == spans[30:].tolist()


def test_a_time_that_occurs_twice_is_refused_with_its_rows():
    with pytest.raises(SeriesError, match="2019-02-04 occurs twice, in rows 4 and 40"):
        of(dates("D").append(dates("D")[4:5]))


def test_times_off_the_grid_are_refused_with_the_place():
    days = dates("D").to_series()
    days.iloc[20:] += pd.Timedelta("12h")
    with pytest.raises(SeriesError, match=r"not regular: 2019-02-20T12:00 follows 2019-02-19 \(step 19\)"):
        of(pd.DatetimeIndex(days))


def test_holes_beyond_measure_are_refused():
    with pytest.raises(SeriesError, match="there is no row, and the gap has many more steps"):
        of(dates("D").append(pd.date_range("2100-01-01", periods=40)))


def test_steps_beyond_the_calendar_are_refused():
    with pytest.raises(SeriesError, match="exceed the calendar or the memory; reduce the number of steps"):
        of(dates("D")).following_index(10_000_000)


@pytest.mark.parametrize("frequency", ["MS", "h", None])
def test_steps_beyond_the_memory_are_refused_before_they_take_it(frequency):
    series = of(pd.RangeIndex(40) if frequency is None else dates(frequency))
    tracemalloc.start()
    with pytest.raises(SeriesError, match="exceed the calendar or the memory"):
        series.following_index(2**36)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
