"""Which column is the time, which are the channels,
and what is said where the table leaves it open."""

import contextlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

from freerun import Series
from freerun.data.table import Table
from freerun.errors import SeriesError, SeriesFileError, SeriesWarning

DAYS = pd.date_range("2024-01-29", periods=5)
HOURS = pd.date_range("2024-01-31", periods=30, freq="h")
MONTHS: Any = pd.date_range("2023-11-01", periods=15, freq="MS")


@pytest.fixture
def read(tmp_path):
    def read_text(text: str, **options: Any) -> Series:
        path = tmp_path / "s.csv"
        path.write_text(text, encoding="utf-8")
        return Series.read(path, **options)

    return read_text


def csv(frame: Any, **options: Any) -> str:
    return frame.to_csv(index=False, **options)


def assert_series(series: Series, times: Any, channels: tuple[str, ...]) -> None:
    """The times, and values that count from 0."""
    np.testing.assert_array_equal(series.times, times.to_numpy())
    assert series.channels == channels
    np.testing.assert_array_equal(series.values[:, -1], np.arange(len(times)))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_column_of_dates_is_the_time_wherever_it_is(read, place):
    frame = pd.DataFrame({"a": 7, "x": range(5)})
    frame.insert(place, "when", DAYS.strftime("%Y-%m-%d"))
    assert_series(read(csv(frame)), DAYS, ("a", "x"))
    assert_series(Series.of(frame), DAYS, ("a", "x"))


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index", "rownames"])
def test_numbers_of_rows_are_neither_time_nor_channel(read, name):
    frame = pd.DataFrame({name: range(1, 6), "date": DAYS.strftime("%Y-%m-%d"), "x": range(5)})
    assert_series(read(csv(frame)), DAYS, ("x",))
    assert read(csv(frame[[name, "x"]])).channels == ("x",)


def test_a_time_behind_numbers_of_rows_is_found_by_its_name(read):
    """As in the data sets of R."""
    series = read('"rownames","time","value"\n1,1949,112\n2,1949.5,118\n3,1950,132\n')
    assert series.channels == ("value",)
    assert series.times.tolist() == [1949, 1949.5, 1950]


@pytest.mark.parametrize(
    "name", ["time", "Time", "t", "Zeit [s]", "time (s)", "Jahr", "t/s", "année", "fecha", "epoch", "step"]
)
def test_a_first_column_of_numbers_with_the_name_of_a_time(read, name):
    series = read(f"{name};x\n2010;1\n2011;2\n2012;4\n")
    assert series.channels == ("x",)
    assert series.times.tolist() == [2010, 2011, 2012]


def test_times_in_numbers_have_the_decimal_sign_of_the_table(read):
    assert read("time;x\n0,5;1,5\n1,0;2,5\n1,5;3,5\n").times.tolist() == [0.5, 1.0, 1.5]
    assert read("time;x\n1,000;1,234\n1,001;1,235\n1,002;1,236\n").times.tolist() == [1.0, 1.001, 1.002]
    assert read("time;x\n1,000;1\n1,001;2\n1,002;3\n", decimal=".").times.tolist() == [1000, 1001, 1002]


@pytest.mark.parametrize(
    ("written", "times"),
    [("%Y%m%d", DAYS), ("%Y%m", MONTHS), ("%Y%m%d%H", HOURS), ("%Y%m%d%H%M", HOURS), ("%Y%m%d%H%M%S", HOURS)],
)
@pytest.mark.parametrize("place", [0, 1])
def test_whole_numbers_that_are_dates_are_the_time_wherever_they_are(read, written, times, place):
    frame = pd.DataFrame({"STATION": 260, "x": range(len(times))})
    frame.insert(place, "stamp", times.strftime(written))
    assert_series(read(csv(frame)), times, ("STATION", "x"))
    frame["stamp"] = frame["stamp"].astype(np.int64)
    assert_series(Series.of(frame), times, ("STATION", "x"))


def test_other_whole_numbers_are_channels(read):
    assert read("station,x\n200101,1\n200101,2\n").channels == ("station", "x")
    assert read("count,x\n201513,1\n201514,2\n").channels == ("count", "x")


@pytest.mark.parametrize(
    "names",
    [
        ("year", "month", "day", "hour", "minute"),
        ("YYYY", "MM", "DD", "HH", "mn"),
        ("Jahr", "Monat", "Tag", "Stunde", "Minute"),
        ("año", "mes", "día", "hora", "min"),
    ],
)
@pytest.mark.parametrize(("parts", "freq"), [(2, "MS"), (3, "D"), (4, "h"), (5, "10min")])
def test_parts_of_dates_in_columns_of_their_own(read, names, parts, freq):
    times: Any = pd.date_range("2023-12-01 00:00", periods=40, freq=freq)
    columns = [times.year, times.month, times.day, times.hour, times.minute]
    frame = pd.DataFrame(dict(zip(names[:parts], columns[:parts], strict=True))).assign(x=range(40))
    assert_series(read(csv(frame)), times, ("x",))
    assert_series(Series.of(frame), times, ("x",))


def test_years_with_quarters_and_with_names_of_months(read):
    quarters: Any = pd.date_range("2023-01-01", periods=6, freq="QS")
    frame = pd.DataFrame({"year": quarters.year, "quarter": quarters.quarter, "x": range(6)})
    assert_series(read(csv(frame)), quarters, ("x",))
    frame = pd.DataFrame({"month": MONTHS.strftime("%b"), "year": MONTHS.year, "x": range(15)})
    assert_series(read(csv(frame)), MONTHS, ("x",))


@pytest.mark.parametrize(
    ("frequency", "year", "part", "names"),
    [
        ("W-MON", "%G", "%V", ("year", "week")),
        ("W-MON", "%G", "W%V", ("iso_year", "iso_week")),
        ("W-MON", "%G", "KW %V", ("Jahr", "KW")),
        ("D", "%Y", "%j", ("year", "doy")),
        ("D", "%Y", "%j", ("Year", "day")),
        ("MS", "%Y", "M%m", ("year", "month")),
    ],
)
def test_years_with_weeks_and_with_days_of_the_year(read, frequency, year, part, names):
    """Weeks are those of ISO 8601, as the C library counts them; some years have 53."""
    times: Any = pd.date_range("2014-12-01", "2027-02-01", freq=frequency)
    frame = pd.DataFrame({names[1]: times.strftime(part), names[0]: times.strftime(year), "x": range(len(times))})
    assert_series(read(csv(frame)), times, ("x",))
    assert_series(Series.of(frame, time=names[0]), times, ("x",))
    assert_series(Series.of(frame, columns=["x"]), times, ("x",))


def test_years_with_half_years(read):
    frame = pd.DataFrame({"year": [2020, 2020, 2021, 2021], "half": ["H1", "H2"] * 2, "x": range(4)})
    assert_series(read(csv(frame)), pd.date_range("2020-01-01", periods=4, freq="6MS"), ("x",))


def test_a_day_of_each_year_is_a_value():
    """As the day of the year on which a cherry tree blossoms."""
    frame = pd.DataFrame({"year": range(2000, 2020), "doy": [90, 95] * 10, "warmth": range(20)})
    assert Series.of(frame).channels == ("doy", "warmth")


def test_weeks_without_a_year_are_refused_where_they_repeat(read):
    with pytest.raises(SeriesFileError, match="column 'week' has no year, so its numbers repeat"):
        read("week,x\n52,1\n1,2\n2,2\n52,3\n")
    assert read("week,x\n1,1\n2,2\n3,2\n").channels == ("x",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("year,week,x\n2021,53,1\n2021,1,1\n", "line 2, column 'week': '53' is not a week of its year .ISO 8601"),
        ("year,week,x\n2021,0,1\n2021,1,1\n", "line 2, column 'week': '0' is not a valid week"),
        ("year,doy,x\n2021,365,1\n2021,366,1\n", "line 3, column 'doy': '366' is not a day of its year"),
        ("year,month,day,x\n2024,2,30,1\n2024,3,2,1\n", "line 2, column 'day': '30' is not a day of its month"),
        ("year,month,x\n2024,12,1\n2024,13,1\n", "line 3, column 'month': '13' is not a valid month"),
        ("year,month,day,hour,x\n2024,1,1,25,1\n", "line 2, column 'hour': '25' is not a valid hour"),
    ],
)
def test_a_day_that_does_not_exist_is_not_moved_to_the_next(read, text, message):
    with pytest.raises(SeriesFileError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("name", "written"),
    [("time", "%H:%M"), ("Uhrzeit", "%H:%M:%S"), ("clock", "%I:%M %p"), ("hour", "%H"), ("HH", "%H")],
)
@pytest.mark.parametrize("day", ["%Y-%m-%d", "%d.%m.%Y", "%Y%m%d"])
def test_the_time_of_day_may_have_its_own_column(read, name, written, day):
    frame = pd.DataFrame({"date": HOURS.strftime(day), name: HOURS.strftime(written), "x": range(30)})
    assert_series(read(csv(frame)), HOURS, ("x",))
    assert_series(read(csv(frame[[name, "date", "x"]])), HOURS, ("x",))


def test_hours_that_end_at_24_are_the_ends_of_hours(read):
    ends = pd.date_range("2024-01-01 01:00", periods=48, freq="h")
    begin = ends - pd.Timedelta("1h")
    frame = pd.DataFrame({"YYYYMMDD": begin.strftime("%Y%m%d"), "HH": begin.hour + 1, "x": range(48)})
    assert_series(read(csv(frame)), ends, ("x",))


def test_another_time_of_day_beside_days_is_not_part_of_the_time(read):
    text = "date,sunrise,x\n2024-01-01,08:10,1\n2024-01-02,08:09,2\n2024-01-03,08:07,3\n"
    with pytest.raises(SeriesFileError, match="line 2, column 'sunrise': '08:10' is not a number"):
        read(text)
    series = read(text, columns=["x"])
    assert [str(time)[:10] for time in series.times] == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert not (series.times != series.times.astype("datetime64[D]")).any()


TWO = "id,created,updated,x\n7,2024-01-01,2025-01-01,1\n8,2024-01-02,2025-02-01,2\n9,2024-01-03,2025-03-01,3\n"


def test_of_two_columns_of_dates_one_has_to_be_named(read):
    with pytest.raises(
        SeriesFileError, match=r"columns created, updated hold dates; name the column of the times .*--time"
    ):
        read(TWO)
    series = read(TWO, time="updated", columns=["x"])
    assert [str(time)[:10] for time in series.times] == ["2025-01-01", "2025-02-01", "2025-03-01"]


def test_a_first_column_of_dates_is_the_time_though_there_is_another(read):
    series = read("start,end,x\n2024-01-01,2024-01-08,1\n2024-01-08,2024-01-15,2\n", columns=["x"])
    assert str(series.times[0])[:10] == "2024-01-01"


def test_a_column_chosen_as_a_channel_is_not_the_time(read):
    assert read("year,x\n2010,1\n2011,2\n", columns=["year"]).channels == ("year",)


def test_where_all_columns_are_the_time_the_message_says_so(read):
    with pytest.raises(SeriesFileError, match="the only columns, 'date', 'time', are the time"):
        read("date,time\n2024-01-01,00:00\n2024-01-01,01:00\n")


LONG = pd.DataFrame({"date": [*DAYS, *DAYS], "shop": [1] * 5 + [2] * 5, "x": [*range(5), *range(10, 15)]})


@pytest.mark.parametrize("names", [{1: 1, 2: 2}, {1: "A", 2: "B"}])
@pytest.mark.parametrize("rows", ["below", "alternating"])
@pytest.mark.parametrize("columns", [[], ["x"]])
def test_several_series_below_each_other_are_never_one(read, names, rows, columns):
    frame = LONG.assign(shop=LONG["shop"].map(names))
    frame = frame if rows == "below" else frame.sort_values("date", kind="stable")
    with pytest.raises(SeriesFileError, match=rf"2 series in long format.*--id shop=({names[1]}|{names[2]})"):
        read(csv(frame), columns=columns)
    assert_series(read(csv(frame), id=f"shop={names[1]}"), DAYS, ("x",))
    panel = Series.panel(frame, "shop")
    assert [series.values[0, 0] for series in panel.values()] == [0, 10]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"id": "shop"}, r"2 series in long format, named by column 'shop': 1, 2; select one of them"),
        ({"id": "shop=3"}, r"column 'shop' has no series '3'; there are: 1, 2"),
        ({"id": "store=1"}, r"no column 'store'; there are: date, shop, x"),
        ({"columns": ["y"]}, r"no column 'y'; there are: date, shop, x"),
        ({"time": "when"}, r"no column 'when'; there are: date, shop, x"),
    ],
)
def test_unknown_names_are_refused_with_the_names_there_are(read, options, message):
    with pytest.raises(SeriesFileError, match=message):
        read(csv(LONG), **options)


@pytest.mark.parametrize(
    "names", [pd.date_range("2024-01-01", periods=4), pd.period_range("2024-01", periods=4, freq="M")]
)
def test_times_in_the_header_are_refused_with_what_to_do(read, names):
    frame = pd.DataFrame(np.ones((2, 4)), columns=names.astype(str)).assign(item=["a", "b"])
    for order in (frame, frame[["item", *names.astype(str)]]):
        with pytest.raises(SeriesFileError, match=r"the columns are named by dates, .*; transpose the table"):
            read(csv(order))
        with pytest.raises(SeriesError, match="the columns are named by dates"):
            Series.of(order)


@pytest.mark.parametrize("header", [True, False])
def test_a_year_in_each_row_and_a_month_in_each_column_is_refused(read, header):
    names = ["Year", *pd.date_range("2024-01-01", periods=12, freq="MS").strftime("%b")]
    frame = pd.DataFrame(np.arange(36).reshape(3, 12))
    frame.insert(0, "Year", [2021, 2022, 2023])
    with pytest.raises(SeriesFileError, match="each row is a year and each column a month; write one row for each"):
        read(csv(frame.set_axis(names, axis=1), header=header))


def test_newest_first_shuffled_and_missing_days_are_put_right_and_said(read):
    frame = pd.DataFrame({"date": DAYS, "x": range(5)})
    with pytest.warns(
        SeriesWarning,
        match=r"s\.csv: the rows are sorted from newest to oldest; they are reversed, and begin at 2024-01-29",
    ):
        assert_series(read(csv(frame[::-1])), DAYS, ("x",))
    with pytest.warns(SeriesWarning, match=r"the rows are not sorted by time; they are sorted on reading"):
        assert_series(read(csv(frame.sample(frac=1, random_state=1))), DAYS, ("x",))
    with pytest.warns(SeriesWarning, match=r"1 of 5 steps \(D\) have no row, the first of them 2024-01-31"):
        assert np.isnan(read(csv(frame.drop(2))).values[:, 0]).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("change", ["2024-03-31", "2024-10-27"])
@pytest.mark.parametrize("written", ["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M"])
def test_local_hours_of_a_named_zone_over_both_changes_of_clocks(read, change, written):
    hours = pd.date_range(pd.Timestamp(change) - pd.Timedelta("1D"), periods=72, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"time": hours.strftime(written), "x": range(72)})
    series = read(csv(frame), zone="Europe/Berlin")
    assert_series(series, hours.tz_convert("UTC").tz_localize(None), ("x",))
    assert series.index[0] == hours[0]


def test_local_hours_without_a_zone_are_refused_where_one_comes_twice(read):
    hours = pd.date_range("2024-10-26", periods=72, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"time": hours.strftime("%Y-%m-%d %H:%M"), "x": range(72)})
    with pytest.raises(SeriesFileError, match=r"2024-10-27T02:00 occurs twice.*--zone Europe/Berlin"):
        read(csv(frame))


def test_offsets_over_a_change_of_clocks_are_universal_time(read):
    hours = pd.date_range("2024-10-26", periods=72, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"time": [hour.isoformat() for hour in hours], "x": range(72)})
    assert_series(read(csv(frame)), hours.tz_convert("UTC").tz_localize(None), ("x",))


def test_a_zone_that_does_not_exist_or_has_no_dates_to_apply_to(read):
    with pytest.raises(SeriesError, match="zone='Europe/Nowhere'"):
        read("date,x\n2024-01-01,1\n2024-01-02,2\n", zone="Europe/Nowhere")
    with pytest.raises(SeriesError, match="zone='Europe/Berlin': the times are numbers"):
        read("t,x\n1,1\n2,2\n", zone="Europe/Berlin")


@pytest.mark.parametrize(("freq", "shift"), [("MS", 14), ("MS", 29), ("ME", 0)])
def test_days_of_months_from_the_fifteenth_to_the_last_stay_such(read, freq, shift):
    times: Any = pd.date_range("2022-01-01", periods=30, freq=freq)
    if shift:
        times = pd.DatetimeIndex([time + pd.Timedelta(min(shift, time.days_in_month - 1), "D") for time in times])
    series = read(csv(pd.DataFrame({"date": times[:24], "x": range(24)})))
    assert_series(series, times[:24], ("x",))
    np.testing.assert_array_equal(series.following_times(6), times[24:].to_numpy())


@pytest.mark.parametrize("cell", ["#3", "", "nan", "inf", "soon", "2024-01-01"])
def test_a_cell_that_is_not_a_time_among_numbers_is_named(read, cell):
    with pytest.raises(SeriesFileError, match=f"line 4, column 't': '{cell}' is not a time"):
        read(f"t,x\n1,5\n2,6\n{cell},7\n4,8\n")


@pytest.mark.parametrize("down", [False, True])
def test_a_first_column_of_one_year_after_the_other_is_the_time_whatever_its_name(tmp_path, down):
    rows = [f"{1990 + i},{i % 5}.5\n" for i in range(12)]
    (tmp_path / "s.csv").write_text("x,y\n" + "".join(rows[::-1] if down else rows))
    with pytest.warns(SeriesWarning, match="newest to oldest") if down else contextlib.nullcontext():
        series = Series.read(tmp_path / "s.csv")
    assert (series.channels, series.times[0], series.times[-1]) == (("y",), 1990, 2001)
    assert series.values[:3, 0].tolist() == [0.5, 1.5, 2.5]


def test_long_format_is_found_by_the_column_that_makes_times_unique():
    days = pd.date_range("2024-01-01", periods=4)
    long = pd.DataFrame({"day": [*days, *days], "shop": list("aaaabbbb"), "sold": range(8)})
    assert Table.of_frame(long).id_column() == "shop"
    assert Table.of_frame(long.rename(columns={"shop": "unique_id"})).id_column() == "unique_id"
    assert Table.of_frame(long.head(4)).id_column() is None
    assert Table.of_frame(long.drop(columns="shop")).id_column() is None
