"""Dates as people write them are read as the days they mean, or refused; never as other days."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freerun.data.clocks import add_clock, parse_clock
from freerun.data.dates import Dates, NotADate, looks_like_date, parse_compact_dates, parse_dates
from freerun.data.monthnames import parse_month


def days(cells: list[Any]) -> list[str]:
    """The dates in a column, as ISO 8601 without zeros at their ends."""
    found = parse_dates(cells)
    assert isinstance(found, Dates), found
    return [str(time).removesuffix(".000000").removesuffix(":00").removesuffix("T00:00") for time in found.times]


def fault(cells: list[Any]) -> str:
    found = parse_dates(cells)
    assert isinstance(found, NotADate), found
    return f"{found.row}: {found.fault}"


ONE_DAY = """2024-03-05|2024/03/05|2024.03.05|2024. 03. 05.|2024-3-5|20240305|05.03.2024|5.3.2024|5. 3. 2024|05.03.2024.
05.03.24|5 Mar 2024|05-Mar-2024|05-Mar-24|05Mar2024|Mar 5, 2024|March 5, 2024|Mar-05-2024|Mar 5th 2024|5th March 2024
2024 Mar 5|2024-Mar-05|Tue 5 Mar 2024|Tuesday, March 5, 2024|Tue, 05.03.2024|5. März 2024|5 mars 2024|5 mrt 2024"""


@pytest.mark.parametrize("text", ONE_DAY.replace("\n", "|").split("|"))
def test_one_day_in_many_forms(text):
    assert days([text]) == ["2024-03-05"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03", "2024-03-01"),
        ("2024/3", "2024-03-01"),
        ("03/2024", "2024-03-01"),
        ("3-2024", "2024-03-01"),
        ("202403", "2024-03-01"),
        ("2024M03", "2024-03-01"),
        ("Mar 2024", "2024-03-01"),
        ("Mar-24", "2024-03-01"),
        ("Mar'24", "2024-03-01"),
        ("Mar2024", "2024-03-01"),
        ("2024 March", "2024-03-01"),
        ("Sept. 2024", "2024-09-01"),
        ("2024Q3", "2024-07-01"),
        ("2024-Q3", "2024-07-01"),
        ("2024:Q3", "2024-07-01"),
        ("Q3 2024", "2024-07-01"),
        ("2024H2", "2024-07-01"),
        ("2024-S1", "2024-01-01"),
        ("2020-W53", "2020-12-28"),
        ("2021W01", "2021-01-04"),
    ],
)
def test_a_month_quarter_half_or_week_is_its_first_day(text, expected):
    assert days([text]) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05 14:30", "2024-03-05T14:30"),
        ("2024-03-05T14:30:15", "2024-03-05T14:30:15"),
        ("2024-03-05 14:30:15.250000000", "2024-03-05T14:30:15.250000"),
        ("2024-03-05 14:30:15,250", "2024-03-05T14:30:15.250000"),
        ("2024-03-05 14", "2024-03-05T14"),
        ("20240305T143015", "2024-03-05T14:30:15"),
        ("20240305:1430", "2024-03-05T14:30"),
        ("20240305 14:30", "2024-03-05T14:30"),
        ("2024030514", "2024-03-05T14"),
        ("202403051430", "2024-03-05T14:30"),
        ("20240305143015", "2024-03-05T14:30:15"),
        ("05.03.2024 14:30", "2024-03-05T14:30"),
        ("05.03.2024 14.30", "2024-03-05T14:30"),
        ("05.03.2024, 14:30 Uhr", "2024-03-05T14:30"),
        ("13/03/2024 2:30 PM", "2024-03-13T14:30"),
        ("03/13/2024 12:05 AM", "2024-03-13T00:05"),
        ("13/03/2024 02:30:00 p.m.", "2024-03-13T14:30"),
        ("05/Mar/2024:14:30:15", "2024-03-05T14:30:15"),
        ("Tue Mar  5 14:30:15 2024", "2024-03-05T14:30:15"),
        ("2024-03-05 24:00", "2024-03-06"),
    ],
)
def test_a_time_of_the_day_behind_a_date(text, expected):
    assert days([text])[0].removesuffix(":00") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05T14:30:00Z", "2024-03-05T14:30"),
        ("2024-03-05 14:30 UTC", "2024-03-05T14:30"),
        ("2024-03-05T14:30:00.123Z", "2024-03-05T14:30:00.123000"),
        ("2024-03-05T14:30+01:00", "2024-03-05T13:30"),
        ("2024-03-05T14:30-0530", "2024-03-05T20:00"),
        ("2024-03-05T14:30+02", "2024-03-05T12:30"),
        ("Tue, 05 Mar 2024 14:30:00 GMT", "2024-03-05T14:30"),
        (datetime(2024, 3, 5, 14, 30, tzinfo=timezone(timedelta(hours=1))), "2024-03-05T13:30"),
    ],
)
def test_an_offset_makes_it_universal_time(text, expected):
    found = parse_dates([text])
    assert isinstance(found, Dates)
    assert found.zoned
    assert days([text]) == [expected]


NO_DATES = """1.5|1,5|12:30|now|today|Mar|2024|12/2|2024-13|2024-00-05|2024-02-30|30.02.2024|2024Q5|2021-W53
2024-03-05 25:00|2024-03-05 14:60|2024-03-05 13:00 PM|Mark 2024|maybe 2024|2024-03-05 - 2024-03-11|2024-03-05/2024-03-11
05.03.2024 - 11.03.2024|2024-03-05 EST|2024-03-05 (p)|32.01.2024|0000-00-00|x 2024-03-05|5 foo 2024|12 2024"""


@pytest.mark.parametrize("text", NO_DATES.replace("\n", "|").split("|"))
def test_text_that_is_not_a_date_is_not_read_as_one(text):
    assert not looks_like_date(text)
    assert isinstance(parse_dates([text]), NotADate)


@pytest.mark.parametrize("cell", ["", None, "NA", np.datetime64("NaT"), pd.NaT])
def test_a_missing_date_is_refused_with_its_row(cell):
    assert fault(["2024-01-01", cell]) == "1: is not a time"
    assert not looks_like_date(cell)


@pytest.mark.parametrize("cell", [date(2024, 3, 5), datetime(2024, 3, 5), np.datetime64("2024-03-05")])
def test_dates_that_are_objects(cell):
    assert looks_like_date(cell)
    assert days([cell, "2024-03-06"]) == ["2024-03-05", "2024-03-06"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["01/02/2024", "02/02/2024", "03/02/2024"], "0: may be 2024-01-02 or 2024-02-01, and no row determines which"),
        (["01/01/2024", "01/02/2024", "01/03/2024"], "1: may be 2024-01-02 or 2024-02-01, and no row determines which"),
        (["1/7/2021", "1/7/2022", "1/7/2023"], "0: may be 2021-01-07 or 2021-07-01"),
        (["20/01/05", "20/01/06", "20/01/07"], "0: may be 2005-01-20 or 2020-01-05"),
        (["2008-09", "2009-10", "2010-11"], "0: may be a year and the next one, or a month"),
        (["Jan-01", "Jan-02", "Jan-03"], "1: may be a day of a month, or a month of a year"),
        (["1/2015", "2/2015", "3/2015", "4/2015", "1/2016"], "0: may be a month or a quarter"),
        (["2024-01-01", "02.01.2024", "2024-01-03"], "1: is not written like the times above it"),
        (
            ["13/01/2024", "01/14/2024"],
            "1: is not a time in the order of the other rows, with the day before the month",
        ),
        (
            ["01/13/2024", "14/01/2024"],
            "1: is not a time in the order of the other rows, with the month before the day",
        ),
        (["Jan", "Feb"], "0: has no year"),
        (["Jan 15", "Jan 16"], "0: has no year"),
        (["15-Jan", "16-Jan"], "0: has no year"),
        (["Jan15", "Feb15"], "0: has no year"),
        (["12:30", "13:30"], "0: is a time of day without a date"),
        (["2024-01-01", "soon"], "1: is not a time"),
        (
            ["2024-01-01 00:00", "2024-01-01 01:00Z"],
            "1: is not like the cells above it: either all times or none must have an offset",
        ),
    ],
)
def test_dates_of_two_meanings_or_none_are_refused_with_the_reason(cells, message):
    assert fault(cells).startswith(message)


def test_one_day_above_twelve_tells_the_order_of_all():
    assert days(["01/02/2024", "02/02/2024", "13/02/2024"]) == ["2024-02-01", "2024-02-02", "2024-02-13"]
    assert days(["02/01/2024", "02/02/2024", "02/13/2024"]) == ["2024-02-01", "2024-02-02", "2024-02-13"]


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%Y"])
@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled", "twice"])
def test_first_days_of_months_tell_the_order_by_their_steps(written, order):
    times = pd.date_range("2015-01-01", periods=30, freq="MS").to_series()
    rows = {"ascending": times, "descending": times[::-1], "shuffled": times.sample(frac=1, random_state=0)}
    cells = rows.get(order, pd.concat([times, times]))
    found = parse_dates(cells.dt.strftime(written).tolist())
    assert isinstance(found, Dates)
    np.testing.assert_array_equal(found.times, cells.to_numpy())


@pytest.mark.parametrize(
    ("begin", "end"),
    [("1965", "2020"), ("1890", "2019"), ("1950", "1989"), ("1995", "2005"), ("2001", "2023"), ("1925", "2024")],
)
def test_years_of_two_digits_go_on_over_the_turn_of_a_century(begin, end):
    times = pd.date_range(begin, f"{end}-06", freq="QS")
    assert days(times.strftime("%d.%m.%y").tolist()) == times.strftime("%Y-%m-%d").tolist()
    assert days(times.strftime("%b-%y").tolist()) == times.strftime("%Y-%m-%d").tolist()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["201511", "201512", "201601"], ["2015-11-01", "2015-12-01", "2016-01-01"]),
        (["2015.11", "2015.12", "2016.01"], ["2015-11-01", "2015-12-01", "2016-01-01"]),
        (["11.2015", "12.2015", "1.2016"], ["2015-11-01", "2015-12-01", "2016-01-01"]),
        ([20151231, 20160101], ["2015-12-31", "2016-01-01"]),
        ([20151231.0, 20160101.0], ["2015-12-31", "2016-01-01"]),
        ([2015123123, 2016010100], ["2015-12-31T23", "2016-01-01T00"]),
    ],
)
def test_whole_numbers_that_are_dates(cells, expected):
    found = parse_compact_dates(cells)
    assert found is not None
    assert [str(time)[: len(day)] for time, day in zip(found, expected, strict=True)] == expected


@pytest.mark.parametrize(
    "cells",
    [
        ["201500", "201501"],
        ["201512", "201513"],
        ["20150230"],
        ["2015", "2016"],
        ["149912"],
        ["1500000000", "1500003600"],
        ["1700000000000"],
        ["2015.00", "2015.08", "2015.17"],
        ["201501", "20150201"],
        ["-201501"],
    ],
)
def test_other_numbers_are_not_dates(cells):
    assert parse_compact_dates(cells) is None


LANGUAGES = {
    "German": "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "French": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "Spanish": "ene feb mar abr may jun jul ago sep oct nov dic",
    "Italian": "gen feb mar apr mag giu lug ago set ott nov dic",
    "Dutch": "jan. feb. mrt. apr. mei jun. jul. aug. sep. okt. nov. dec.",
    "Portuguese": "jan fev mar abr mai jun jul ago set out nov dez",
    "Swedish": "januari februari mars april maj juni juli augusti september oktober november december",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_months_in_other_languages(language):
    names = LANGUAGES[language].split()
    assert days([f"{name} 2024" for name in names]) == [f"2024-{month:02d}-01" for month in range(1, 13)]
    assert [parse_month(name.strip(".").upper()) for name in names] == list(range(1, 13))


@pytest.mark.parametrize("word", ["", "ma", "mark", "marraskuu", "decimal", "maybe", "1"])
def test_other_words_are_not_months(word):
    assert parse_month(word) is None


@pytest.mark.parametrize("text", ["x", "25", "12:60", "1:2:3:4", "13 pm", "0 am", "+01:00", "12:30 CET"])
def test_text_that_is_not_a_time_of_day_is_not_read_as_one(text):
    assert parse_clock(text) is None


def test_a_column_of_times_of_day_joins_days_that_occur_several_times():
    two = np.array(["2024-01-01", "2024-01-01"], "datetime64[us]")
    other = np.array(["2024-01-01", "2024-01-02"], "datetime64[us]")
    joined = add_clock(two, "Zeit", ["00:00", "1:30 PM"])
    assert joined is not None
    assert joined.tolist() == [datetime(2024, 1, 1), datetime(2024, 1, 1, 13, 30)]
    joined = add_clock(two, "HH", ["1", "24"])
    assert joined is not None
    assert joined.tolist() == [datetime(2024, 1, 1, 1), datetime(2024, 1, 2)]
    assert add_clock(other, "sunrise", ["08:10", "08:09"]) is None
    assert add_clock(other, "HH", ["1", "24"]) is None
    assert add_clock(two, "HH", ["1", "25"]) is None
    assert add_clock(two, "x", ["1", "2"]) is None


FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%m/%d/%y", "%d-%m-%Y"),
    *("%d %b %Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%A, %d %B %Y", "%d%b%Y", "%Y-%b-%d", "%y/%m/%d", "%d/%m/%y"),
)
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p")
STEPS = ("D", "2D", "W-TUE", "MS", "ME", "QS", "YS", "B", "10D")


@settings(deadline=None, max_examples=600, derandomize=True)
@given(
    st.sampled_from(FORMATS),
    st.sampled_from(STEPS),
    st.dates(date(1960, 1, 1), date(2020, 12, 31)),
    st.integers(1, 60),
    st.sampled_from(["ascending", "descending", "holes"]),
    st.randoms(use_true_random=False),
)
def test_dates_in_any_form_and_step_are_read_exactly_or_refused(form, step, begin, count, order, random):
    times: Any = pd.date_range(begin, periods=count, freq=step)
    times = times[times.year < 2024 + 49]
    if order == "holes":
        times = times[[random.random() < 0.8 for _ in times]]
    times = times[::-1] if order == "descending" else times
    if not len(times):
        return
    found = parse_dates(times.strftime(form).tolist())
    if isinstance(found, Dates) and (len(times) > 1 or ("/" not in form and "%y" not in form)):
        np.testing.assert_array_equal(found.times, times.to_numpy())
    assert isinstance(found, Dates) or "/" in form or "%d-%m" in form


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    st.sampled_from([form for form in FORMATS if "%Y" in form and "/" not in form and form != "%d-%m-%Y"]),
    st.sampled_from(CLOCKS),
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from([timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=7)]),
)
def test_dates_with_a_clock_are_read_exactly(form, clock, begin, step):
    width = {"": 86400, " %H:%M:%S": 1}.get(clock, 60)
    first = begin.replace(tzinfo=UTC).timestamp()
    seconds = [(first + i * step.total_seconds()) // width * width for i in range(30)]
    times = [datetime.fromtimestamp(second, UTC) for second in seconds]
    expected = np.array([time.replace(tzinfo=None) for time in times], "datetime64[us]")
    found = parse_dates([time.strftime(form + clock) for time in times])
    assert isinstance(found, Dates)
    np.testing.assert_array_equal(found.times, expected)


@settings(deadline=None, max_examples=500, derandomize=True)
@given(st.lists(st.text("0123456789-/.:, TQWJanfeb+Zpm", max_size=20), min_size=1, max_size=4))
def test_no_text_makes_the_reader_fail(cells):
    assert isinstance(parse_dates(cells), Dates | NotADate)
    parse_compact_dates(cells)


@pytest.mark.parametrize("cell", ["02/01/2000", "02-01-2000"])
def test_a_single_date_with_two_readings_is_refused(cell):
    found = parse_dates([cell])
    assert isinstance(found, NotADate)
    assert found.fault.startswith("may be 2000-01-02 or 2000-02-01")
