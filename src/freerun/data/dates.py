"""Dates as people write them: in any usual order, with short years, as whole numbers, as quarters and weeks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from freerun.data.clocks import CLOCK, clock_of
from freerun.data.monthnames import month_of
from freerun.data.numerals import is_missing

LONGEST = 100
"""Most characters of a cell that may be a date."""

MONTHS = 12

COMPACT = (6, 8, 10, 12, 14)
"""Digits of dates that are whole numbers."""

YEARS = range(1500, 2200)
"""Years that a whole number such as 201501 or 20150131 may begin with."""

LATE_YEARS = range(1850, 2200)
"""The same where hours follow, so that seconds since 1970 are none."""

UNIT = "us"
"""Resolution of the times that are read, microseconds."""

NAME = r"[^\W\d_]{3,10}"
ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")
NUMERIC = re.compile(r"(\d{1,2})([-/.]) ?(\d{1,2})\2 ?(\d{4}|\d\d)(?!\d)(.*)")
WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,? +", re.IGNORECASE)
MONTH_FIRST = re.compile(r"(?P<month>\d{1,2})[-/](?P<year>\d{4})")
SHORT = re.compile(rf"(?P<month>{NAME})\.?[-/,'][ ']?(?P<year>\d\d)")
FORMS = (
    re.compile(r"(?P<year>\d{4})(?P<sign>[-/.]) ?(?P<month>\d{1,2})(?P=sign) ?(?P<day>\d{1,2})(?!\d)(?P<rest>.*)"),
    re.compile(r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)(?P<rest>[T :]\d.*)"),
    re.compile(r"(?P<year>\d{4})[-/](?P<month>\d{1,2})"),
    MONTH_FIRST,
    re.compile(
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\.?[-/ ]?(?P<month>{NAME})"
        r"\.?[-/ ,:]{0,2}(?P<year>\d{4})(?!\d)(?P<rest>.*)"
    ),
    re.compile(rf"(?P<day>\d{{1,2}})[-/ ](?P<month>{NAME})\.?[-/ ,](?P<year>\d\d)(?!\d)(?P<rest>.*)"),
    re.compile(rf"(?P<month>{NAME})\.?[- ](?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?[- ](?P<year>\d{{4}})(?!\d)(?P<rest>.*)"),
    re.compile(rf"(?P<month>{NAME}) +(?P<day>\d{{1,2}})(?P<rest> \d\d:\d\d:\d\d) (?:(?:UTC|GMT) )?(?P<year>\d{{4}})"),
    re.compile(rf"(?P<year>\d{{4}})[-/ ](?P<month>{NAME})\.?[-/ ](?P<day>\d{{1,2}})(?!\d)(?P<rest>.*)"),
    re.compile(rf"(?P<year>\d{{4}})[-/ ]?(?P<month>{NAME})\.?"),
    re.compile(rf"(?P<month>{NAME})\.?[-/ ,']{{0,2}}(?P<year>\d{{4}})"),
    SHORT,
)
"""Dates with a year of four digits, or a month by name. Of the months of `SHORT` two digits may be a day instead."""

PART_OF_YEAR = re.compile(r"(\d{4})[-/: ]?([QMHSW])(\d{1,2})", re.IGNORECASE)
PART_FIRST = re.compile(r"([QH])([1-4])[-/ ]?(\d{4})", re.IGNORECASE)
WITHOUT_YEAR = re.compile(rf"({NAME})\.?(?: ?\d{{1,2}})?|\d{{1,2}}[-/. ]?({NAME})\.?")
TWO_YEARS = re.compile(r"\d\d(\d\d)[-/](\d\d)")
"""A year and the next one, as 2008-09, which may be September, too."""

POINTED = (re.compile(r"(?P<year>\d{4})\.(?P<month>\d\d)"), re.compile(r"(?P<month>\d{1,2})\.(?P<year>\d{4})"))
"""Year and month with a point between them, as 2015.01, where all cells of a column are such."""

AHEAD = 50
"""Years that dates with two digits of the year may lie ahead."""

ALIKE, UNORDERED = 1.25, 100.0
"""Orders of day and month count as equally even within this factor; rows in no order count as so much less even."""

PARTS = {"Q": (4, 3), "H": (2, 6), "S": (2, 6), "M": (12, 1)}
"""Quarters, halves (semesters) and months of a year: how many there are, and how many months each has."""


class Dates(NamedTuple):
    """A column of dates.

    Attributes:
        times: shape (T,), `datetime64`; in UTC where the cells tell an offset from it.
        zoned: whether they do.
    """

    times: np.ndarray
    zoned: bool


@dataclass(frozen=True)
class NotADate:
    """The cell that is no date like the others.

    Attributes:
        row: of the cell.
        fault: what is wrong with it.
    """

    row: int
    fault: str


def dates_of(cells: Sequence[Any]) -> Dates | NotADate:
    """The dates that the cells of a column tell.

    Text may be ISO 8601; day, month and year in any order with four or two digits of the year; a month by name; a
    quarter, half or week of a year (2015Q1, 2015-W05); or a whole number such as 201501 or 20150131. Dates of
    periods are their first days. Dates that may be read in two ways are refused.
    """
    if any(is_missing(cell) for cell in cells):
        return NotADate(next(row for row, cell in enumerate(cells) if is_missing(cell)), "is not a time")
    texts = [_text(cell) for cell in cells]
    whole = _of_one_form(cells, texts)
    if whole is not None:
        return whole
    texts = [WEEKDAY.sub("", text, count=1) if text[:1].isalpha() else text for text in texts]
    written = _doubtful(texts) or (_numeric(texts) if NUMERIC.fullmatch(texts[0]) else list(map(_written, texts)))
    if isinstance(written, NotADate):
        return written
    found = [_moment(one) for one in _in_full(written)]
    if None in found:
        row = found.index(None)
        return NotADate(row, _fault(texts[row], written))
    zoned = [moment[1] for moment in found if moment is not None]
    if any(zoned) and not all(zoned):
        return NotADate(
            zoned.index(not zoned[0]), "is the first with another kind of time zone than the cells above it"
        )
    return Dates(np.array([moment[0] for moment in found if moment is not None], f"datetime64[{UNIT}]"), zoned[0])


def looks_like_date(cell: Any) -> bool:
    """Whether a cell is a date, as far as it alone can tell; whole numbers are not."""
    if isinstance(cell, date | np.datetime64):
        return not is_missing(cell)
    if not isinstance(cell, str) or not any(map(str.isdigit, cell)):
        return False
    try:
        float(cell)
    except ValueError:
        return isinstance(dates_of([cell]), Dates)
    return False


def compact_dates(cells: Sequence[Any]) -> np.ndarray | None:
    """The dates of numbers that are all years and months, or all days with or without a time; None for others.

    Months are such as 201501, 2015.01 and 1.2015; days such as 20150131, or 2015013123 with the hour, also with minutes
    and seconds.
    """
    texts = [_text(cell).removesuffix(".0") for cell in cells]
    for form in POINTED:
        if all(found := [form.fullmatch(text) for text in texts]):
            texts = [f"{one['year']}{int(one['month']):02d}" for one in found if one]
    digits = len(texts[0])
    years = YEARS if digits <= len("20150131") else LATE_YEARS
    if digits not in COMPACT or not all(
        len(text) == digits and text.isascii() and text.isdigit() and int(text[:4]) in years for text in texts
    ):
        return None
    try:
        return np.array(list(map(_iso, texts)), f"datetime64[{UNIT}]")
    except ValueError:
        return None


def _iso(text: str) -> str:
    """Digits of a year, a month and what follows them as ISO 8601."""
    day = f"{text[:4]}-{text[4:6]}-{text[6:8] or '01'}"
    return f"{day}T{text[8:10]}:{text[10:12] or '00'}:{text[12:14] or '00'}" if text[8:] else day


class _Written(NamedTuple):
    """A date as it is written: a year that may have two digits alone, and the rest of it."""

    year: int
    month: int
    day: int
    rest: str
    short: bool


def _text(cell: Any) -> str:
    return cell.strip() if isinstance(cell, str) else str(cell)


def _of_one_form(cells: Sequence[Any], texts: Sequence[str]) -> Dates | None:
    """Dates that are objects, whole numbers, or ISO texts without an offset, all of them; None for any others."""
    if all(isinstance(cell, date | np.datetime64) for cell in cells):
        import pandas as pd

        stamps = [pd.Timestamp(cell) for cell in cells]
        if len({stamp.tz is None for stamp in stamps}) == 1:
            times = np.array([stamp.to_datetime64() for stamp in stamps], f"datetime64[{UNIT}]")
            return Dates(times, stamps[0].tz is not None)
    compact = compact_dates(texts)
    if compact is None and all(map(ISO.fullmatch, texts)):
        try:
            compact = np.array([text.replace(" ", "T") for text in texts], f"datetime64[{UNIT}]")
        except ValueError:
            return None
    return None if compact is None else Dates(compact, False)


def _doubtful(texts: Sequence[str]) -> NotADate | None:
    """The first of dates that may mean something else, or is written unlike the others; None if all are clear."""
    numeric = [NUMERIC.fullmatch(text) is not None for text in texts]
    if any(numeric) and not all(numeric):
        return NotADate(numeric.index(not numeric[0]), "is not a time written like those above it; write all alike")
    years = [TWO_YEARS.fullmatch(text) for text in texts]
    if len(texts) > 1 and all(one and (int(one[1]) + 1) % 100 == int(one[2]) for one in years):
        return NotADate(0, "may be a year and the next one, or a month; write years alone (2008), months as 2008-09-01")
    if all(map(SHORT.fullmatch, texts)):
        for row, (earlier, later) in enumerate(pairwise(texts), 1):
            if earlier != later and earlier[:-2] == later[:-2]:
                return NotADate(row, "may be a day of a month, or a month of a year; write years with four digits")
    months = [one for text in texts if (one := MONTH_FIRST.fullmatch(text))]
    several = len(months) == len(texts) and len({one["year"] for one in months}) > 1
    if several and len({one["month"] for one in months}) > 1 and max(int(one["month"]) for one in months) <= 4:
        return NotADate(0, "may be a month or a quarter; write quarters as 2015Q1, months as 2015-01")
    return None


def _written(text: str) -> _Written | None:
    """Year, month and day that a cell says, and what follows them; None for anything else."""
    if len(text) > LONGEST or not any(map(str.isdigit, text)):
        return None
    for form in FORMS:
        if found := form.fullmatch(text):
            parts = found.groupdict()
            month = int(parts["month"]) if parts["month"].isdigit() else month_of(parts["month"])
            if month is not None:
                year, day = parts["year"], int(parts.get("day") or 1)
                return _Written(int(year), month, day, parts.get("rest") or "", len(year) == 2)
    if found := PART_FIRST.fullmatch(text):
        text = f"{found[3]}{found[1]}{found[2]}"
    found = PART_OF_YEAR.fullmatch(text)
    return _part_of_year(int(found[1]), found[2].upper(), int(found[3])) if found else None


def _part_of_year(year: int, part: str, number: int) -> _Written | None:
    if part == "W":
        try:
            monday = date.fromisocalendar(year, number, 1)
        except ValueError:
            return None
        return _Written(monday.year, monday.month, monday.day, "", False)
    count, months = PARTS[part]
    return _Written(year, 1 + months * (number - 1), 1, "", False) if 1 <= number <= count else None


ORDERS: dict[str, Callable[[int, int, int], tuple[int, int, int]]] = {
    "month": lambda first, second, third: (third, first, second),
    "day": lambda first, second, third: (third, second, first),
    "year": lambda first, second, third: (first, second, third),
}
"""Year, month and day of the three numbers of a date, by what comes first."""


def _numeric(texts: Sequence[str]) -> list[_Written | None] | NotADate:
    """Dates of three numbers, in the order that all of them allow.

    With dots between them the day comes first. Else a number above 12 decides, and where there is none, that the times
    are more even so. A year of two digits may come first, too.
    """
    found = [one for text in texts if (one := NUMERIC.fullmatch(text))]
    short = all(len(one[4]) == 2 for one in found)

    def read(order: str) -> list[_Written | None]:
        numbers = [ORDERS[order](int(one[1]), int(one[3]), int(one[4])) for one in found]
        return [
            _Written(*three, one[5], len(one[4]) == 2) if three[1] <= MONTHS else None
            for one, three in zip(found, numbers, strict=True)
        ]

    if any(one[2] == "." for one in found):
        return read("day")
    readings = [read(order) for order in ORDERS if order != "year" or short]
    known = [(_unevenness(reading), reading) for reading in readings if None not in reading]
    fits = sorted((fit for fit in known if fit[0] < np.inf), key=lambda fit: fit[0])
    if not fits:
        sure = next((one for one in found if max(int(one[1]), int(one[3])) > MONTHS), found[0])
        return readings[int(int(sure[1]) > MONTHS)]
    for unevenness, reading in fits[1:]:
        if len(texts) > 1 and unevenness < ALIKE * fits[0][0]:
            for row, (one, other) in enumerate(zip(_in_full(fits[0][1]), _in_full(reading), strict=True)):
                if one != other:
                    days = " or ".join(sorted(f"{day.year:04d}-{day.month:02d}-{day.day:02d}" for day in (one, other)))
                    return NotADate(row, f"may be {days}, and no row tells which; write dates as year-month-day")
    return fits[0][1]


def _unevenness(written: Sequence[_Written | None]) -> float:
    """The longest step over the shortest, many times that if rows are in no order; infinite if one is no day."""
    moments = [_moment(one) for one in _in_full(written)]
    if None in moments:
        return np.inf
    times = np.array([one[0] for one in moments if one is not None], f"datetime64[{UNIT}]").astype(np.int64)
    ordered = (np.diff(times) >= 0).all() or (np.diff(times) <= 0).all()
    steps = np.diff(np.unique(times))
    return float(steps.max() / steps.min()) * (1 if ordered else UNORDERED) if len(steps) else 1.0


def _in_full(written: Sequence[_Written | None]) -> list[Any]:
    """The same with years of two digits in full.

    From row to row they go on in the direction in which most of them go, over the turn of a century. The century is the
    latest in which the first time does not lie in the future, and the last one not far in it.
    """
    full: list[Any] = list(written)
    rows = [(row, one) for row, one in enumerate(written) if one is not None and one.short]
    if not rows:
        return full
    years = [one.year for _, one in rows]
    steps = [(later - earlier + 50) % 100 - 50 for earlier, later in pairwise(years)]
    if all(step >= 0 for step in steps) or all(step <= 0 for step in steps):
        unwrapped = np.cumsum([years[0], *steps])
    else:
        unwrapped = np.array([year + (100 if year <= datetime.now().year % 100 else 0) for year in years])
    now = datetime.now().year
    centuries = min((now - int(unwrapped.min())) // 100, (now + AHEAD - int(unwrapped.max())) // 100)
    for (row, one), year in zip(rows, (unwrapped + centuries * 100).tolist(), strict=True):
        full[row] = one._replace(year=year, short=False)
    return full


def _moment(written: _Written | None) -> tuple[np.datetime64, bool] | None:
    """The time that a date tells, in UTC if it tells an offset, and whether it does."""
    clock = None if written is None else clock_of(written.rest)
    if written is None or clock is None:
        return None
    try:
        day = np.datetime64(date(written.year, written.month, written.day), UNIT)
    except ValueError:
        return None
    return day + np.timedelta64(clock.time - clock.offset, UNIT), clock.zoned


def _fault(text: str, written: Sequence[_Written | None]) -> str:
    found = WITHOUT_YEAR.fullmatch(text)
    if found and month_of(found[1] or found[2]) is not None:
        return "names no year; write the year, too (2015-01)"
    if CLOCK.fullmatch(text):
        return "is a time of day without a date"
    found = NUMERIC.fullmatch(text)
    if found and found[2] != "." and any(one is not None for one in written):
        before, after = ("day", "month") if int(found[3]) > MONTHS else ("month", "day")
        return f"is not a time, where the {before} comes before the {after}"
    return "is not a time"
