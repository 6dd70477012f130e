"""Parses dates: any usual order of day, month and year, two-digit years, whole numbers,
quarters and weeks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from freerun.data.clocks import CLOCK, parse_clock
from freerun.data.monthnames import parse_month
from freerun.data.numerals import is_missing

MOST_CHARACTERS = 100
"""Largest number of characters of a date."""

MONTHS = 12
"""Months of a year."""

COMPACT = (6, 8, 10, 12, 14)
"""Possible numbers of digits of a date that is a whole number."""

YEARS = range(1500, 2200)
"""Possible years of a whole number such as 201501 or 20150131."""

LATE_YEARS = range(1850, 2200)
"""Possible years of a whole number with hours; a smaller range,
which excludes seconds since 1970."""

UNIT = "us"
"""Resolution of parsed times as a NumPy unit, microseconds."""

NAME = r"[^\W\d_]{3,10}"
"""The name of a month, as a pattern."""

ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")
"""A date of ISO 8601, possibly with a time, without an offset from UTC."""

NUMERIC = re.compile(r"(\d{1,2})([-/.]) ?(\d{1,2})\2 ?(\d{4}|\d\d)(?!\d)(.*)")
"""A date of three numbers with a two-digit or four-digit year at the end."""

WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,? +", re.IGNORECASE)
"""The name of a weekday before a date."""

MONTH_FIRST = re.compile(r"(?P<month>\d{1,2})[-/](?P<year>\d{4})")
"""A month and a four-digit year, such as 9/2008."""

SHORT = re.compile(rf"(?P<month>{NAME})\.?[-/,'][ ']?(?P<year>\d\d)")
"""The name of a month and two digits, such as Sep-08."""

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
"""Dates with a four-digit year or the name of a month.
The two digits of `SHORT` may also be a day."""

PART_OF_YEAR = re.compile(r"(\d{4})[-/: ]?([QMHSW])(\d{1,2})", re.IGNORECASE)
"""A year and its quarter, month, half-year or week, such as 2015Q1."""

PART_FIRST = re.compile(r"([QH])([1-4])[-/ ]?(\d{4})", re.IGNORECASE)
"""A quarter or half-year and its year, such as Q1 2015."""

WITHOUT_YEAR = re.compile(rf"({NAME})\.?(?: ?\d{{1,2}})?|\d{{1,2}}[-/. ]?({NAME})\.?")
"""The name of a month, possibly with a day, without a year."""

TWO_YEARS = re.compile(r"\d\d(\d\d)[-/](\d\d)")
"""A year and the next year, such as 2008-09, which may also be September 2008."""

POINTED = (re.compile(r"(?P<year>\d{4})\.(?P<month>\d\d)"), re.compile(r"(?P<month>\d{1,2})\.(?P<year>\d{4})"))
"""Year and month separated by a point, such as 2015.01 and 1.2015."""

AHEAD = 50
"""Largest number of years by which a date with a two-digit year may lie in the future."""

ALIKE = 1.25
"""Factor of unevenness within which two orders of day and month are ambiguous."""

UNORDERED = 100.0
"""Factor by which the unevenness of times increases if they are neither ascending nor
descending."""

PARTS = {"Q": (4, 3), "H": (2, 6), "S": (2, 6), "M": (12, 1)}
"""Quarters, half-years (semesters) and months: their number in a year, and the months of each."""


class Dates(NamedTuple):
    """The dates of a column.

    Attributes:
        times: shape (T,), `datetime64`, in UTC if `zoned`.
        zoned: whether the cells give an offset from UTC.
    """

    times: np.ndarray
    zoned: bool


@dataclass(frozen=True)
class NotADate:
    """The first cell that cannot be parsed as a date like the others.

    Attributes:
        row: number of the row, from 0.
        fault: description of the fault, which follows the content of the cell in a message.
    """

    row: int
    fault: str


def parse_dates(cells: Sequence[object]) -> Dates | NotADate:
    """Parse the cells of a column as dates.

    A date may be ISO 8601; day, month and year in any order, with a four-digit or
    two-digit year; a date with the name of a month; a quarter, half-year or week
    (2015Q1, 2015-W05); or a whole number such as 201501 or 20150131. Periods become
    their first day. Ambiguous dates are not parsed.

    Args:
        cells: T strings, numbers, or objects such as `datetime`.

    Returns:
        The dates, or the first cell that is not a date.
    """
    if any(is_missing(cell) for cell in cells):
        return NotADate(next(row for row, cell in enumerate(cells) if is_missing(cell)), "is not a time")
    texts = [_to_text(cell) for cell in cells]
    whole = _parse_uniform(cells, texts)
    if whole is not None:
        return whole
    texts = [WEEKDAY.sub("", text, count=1) if text[:1].isalpha() else text for text in texts]
    written = _find_ambiguous(texts) or (
        _parse_numeric(texts) if NUMERIC.fullmatch(texts[0]) else list(map(_parse_written, texts))
    )
    if isinstance(written, NotADate):
        return written
    found = [_to_instant(entry) for entry in _complete_years(written)]
    if None in found:
        row = found.index(None)
        return NotADate(row, _explain(texts[row], written))
    zoned = [instant[1] for instant in found if instant is not None]
    if any(zoned) and not all(zoned):
        return NotADate(
            zoned.index(not zoned[0]),
            "is not like the cells above it: either all times or none must have an offset from UTC",
        )
    return Dates(np.array([instant[0] for instant in found if instant is not None], f"datetime64[{UNIT}]"), zoned[0])


def looks_like_date(cell: object) -> bool:
    """Whether a single cell looks like a date; whole numbers do not."""
    if isinstance(cell, date | np.datetime64):
        return not is_missing(cell)
    if not isinstance(cell, str) or not any(map(str.isdigit, cell)):
        return False
    try:
        float(cell)
    except ValueError:
        return isinstance(parse_dates([cell]), Dates)
    return False


def parse_compact_dates(cells: Sequence[object]) -> np.ndarray | None:
    """Parse numbers that are all months, or all days with or without a time.

    Months are written as 201501, 2015.01 or 1.2015. Days are written as 20150131, or with the hour
    as 2015013123, or also with minutes and seconds.

    Args:
        cells: T numbers or strings.

    Returns:
        Shape (T,), `datetime64`; None if the numbers are not dates.
    """
    texts = [_to_text(cell).removesuffix(".0") for cell in cells]
    for form in POINTED:
        if all(found := [form.fullmatch(text) for text in texts]):
            texts = [f"{entry['year']}{int(entry['month']):02d}" for entry in found if entry]
    digits = len(texts[0])
    years = YEARS if digits <= len("20150131") else LATE_YEARS
    if digits not in COMPACT or not all(
        len(text) == digits and text.isascii() and text.isdigit() and int(text[:4]) in years for text in texts
    ):
        return None
    try:
        return np.array(list(map(_to_iso, texts)), f"datetime64[{UNIT}]")
    except ValueError:
        return None


def _to_iso(text: str) -> str:
    """Convert the digits of a date, from the year to possibly the second, to ISO 8601."""
    day = f"{text[:4]}-{text[4:6]}-{text[6:8] or '01'}"
    return f"{day}T{text[8:10]}:{text[10:12] or '00'}:{text[12:14] or '00'}" if text[8:] else day


class _Written(NamedTuple):
    """The parts of a written date.

    Attributes:
        year: year, of two digits if `short`.
        month: month, 1 to 12.
        day: day of the month.
        rest: text after the date, such as a time of day.
        short: whether the year has two digits.
    """

    year: int
    month: int
    day: int
    rest: str
    short: bool


def _to_text(cell: object) -> str:
    return cell.strip() if isinstance(cell, str) else str(cell)


def _parse_uniform(cells: Sequence[object], texts: Sequence[str]) -> Dates | None:
    """Parse cells that are all date objects, all whole numbers, or all ISO 8601 without an offset;
    None otherwise."""
    dated = [cell for cell in cells if isinstance(cell, date | np.datetime64)]
    if len(dated) == len(cells):
        import pandas as pd

        stamps = [pd.Timestamp(cell) for cell in dated]
        if len({stamp.tz is None for stamp in stamps}) == 1:
            times = np.array([stamp.to_datetime64() for stamp in stamps], f"datetime64[{UNIT}]")
            return Dates(times, stamps[0].tz is not None)
    compact = parse_compact_dates(texts)
    if compact is None and all(map(ISO.fullmatch, texts)):
        try:
            compact = np.array([text.replace(" ", "T") for text in texts], f"datetime64[{UNIT}]")
        except ValueError:
            return None
    return None if compact is None else Dates(compact, False)


def _find_ambiguous(texts: Sequence[str]) -> NotADate | None:
    """Find the first date that is ambiguous or written in another form than the others;
    None if there is none."""
    numeric = [NUMERIC.fullmatch(text) is not None for text in texts]
    if any(numeric) and not all(numeric):
        return NotADate(
            numeric.index(not numeric[0]), "is not written like the times above it; write all times in one form"
        )
    years = [TWO_YEARS.fullmatch(text) for text in texts]
    if len(texts) > 1 and all(entry and (int(entry[1]) + 1) % 100 == int(entry[2]) for entry in years):
        return NotADate(0, "may be a year and the next one, or a month; write years alone (2008), months as 2008-09-01")
    if all(map(SHORT.fullmatch, texts)):
        for row, (earlier, later) in enumerate(pairwise(texts), 1):
            if earlier != later and earlier[:-2] == later[:-2]:
                return NotADate(row, "may be a day of a month, or a month of a year; write years with four digits")
    months = [entry for text in texts if (entry := MONTH_FIRST.fullmatch(text))]
    several = len(months) == len(texts) and len({entry["year"] for entry in months}) > 1
    if several and len({entry["month"] for entry in months}) > 1 and max(int(entry["month"]) for entry in months) <= 4:
        return NotADate(0, "may be a month or a quarter; write quarters as 2015Q1, months as 2015-01")
    return None


def _parse_written(text: str) -> _Written | None:
    """Parse a date with a four-digit year, the name of a month, or a part of a year;
    None for anything else."""
    if len(text) > MOST_CHARACTERS or not any(map(str.isdigit, text)):
        return None
    for form in FORMS:
        if found := form.fullmatch(text):
            parts = found.groupdict()
            month = int(parts["month"]) if parts["month"].isdigit() else parse_month(parts["month"])
            if month is not None:
                year, day = parts["year"], int(parts.get("day") or 1)
                return _Written(int(year), month, day, parts.get("rest") or "", len(year) == 2)
    if found := PART_FIRST.fullmatch(text):
        text = f"{found[3]}{found[1]}{found[2]}"
    found = PART_OF_YEAR.fullmatch(text)
    return _parse_part_of_year(int(found[1]), found[2].upper(), int(found[3])) if found else None


def _parse_part_of_year(year: int, part: str, number: int) -> _Written | None:
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
"""Functions from the three numbers of a date to year, month and day,
by the part that comes first."""


def _parse_numeric(texts: Sequence[str]) -> list[_Written | None] | NotADate:
    """Parse dates of three numbers, in the one order of day, month and year that fits all of them.

    If the numbers are separated by points, the day comes first. Otherwise a number above 12
    determines the order. If there is none, the order with the more even times is used. A two-digit
    year may also come first.
    """
    found = [entry for text in texts if (entry := NUMERIC.fullmatch(text))]
    short = all(len(entry[4]) == 2 for entry in found)

    def read(order: str) -> list[_Written | None]:
        numbers = [ORDERS[order](int(entry[1]), int(entry[3]), int(entry[4])) for entry in found]
        return [
            _Written(*three, entry[5], len(entry[4]) == 2) if three[1] <= MONTHS else None
            for entry, three in zip(found, numbers, strict=True)
        ]

    if any(entry[2] == "." for entry in found):
        return read("day")
    readings = [read(order) for order in ORDERS if order != "year" or short]
    known = [(_rate_unevenness(reading), reading) for reading in readings if None not in reading]
    fits = sorted((fit for fit in known if fit[0] < np.inf), key=lambda fit: fit[0])
    if not fits:
        sure = next((entry for entry in found if max(int(entry[1]), int(entry[3])) > MONTHS), found[0])
        return readings[int(int(sure[1]) > MONTHS)]
    for unevenness, reading in fits[1:]:
        if unevenness < ALIKE * fits[0][0]:
            for row, (entry, other) in enumerate(
                zip(_complete_years(fits[0][1]), _complete_years(reading), strict=True)
            ):
                if entry != other:
                    days = " or ".join(
                        sorted(
                            f"{day.year:04d}-{day.month:02d}-{day.day:02d}" for day in (entry, other) if day is not None
                        )
                    )
                    return NotADate(row, f"may be {days}, and no row determines which; write dates as year-month-day")
    return fits[0][1]


def _rate_unevenness(written: Sequence[_Written | None]) -> float:
    """Rate how uneven times are: the longest time step divided by the shortest.

    Unsorted times are rated `UNORDERED` times higher.
    The rating is infinite if a date does not exist.
    """
    instants = [_to_instant(entry) for entry in _complete_years(written)]
    if None in instants:
        return np.inf
    times = np.array([entry[0] for entry in instants if entry is not None], f"datetime64[{UNIT}]").astype(np.int64)
    ordered = (np.diff(times) >= 0).all() or (np.diff(times) <= 0).all()
    steps = np.diff(np.unique(times))
    return float(steps.max() / steps.min()) * (1 if ordered else UNORDERED) if len(steps) else 1.0


def _complete_years(written: Sequence[_Written | None]) -> list[_Written | None]:
    """Complete two-digit years to four digits.

    Years that ascend or descend from row to row continue across the turn of a century. The century
    is the latest in which the earliest year is not in the future, and the latest year is at most
    `AHEAD` years in the future.
    """
    full: list[_Written | None] = list(written)
    rows = [(row, entry) for row, entry in enumerate(written) if entry is not None and entry.short]
    if not rows:
        return full
    years = [entry.year for _, entry in rows]
    steps = [(later - earlier + 50) % 100 - 50 for earlier, later in pairwise(years)]
    if all(step >= 0 for step in steps) or all(step <= 0 for step in steps):
        unwrapped = np.cumsum([years[0], *steps])
    else:
        unwrapped = np.array([year + (100 if year <= datetime.now().year % 100 else 0) for year in years])
    now = datetime.now().year
    centuries = min((now - int(unwrapped.min())) // 100, (now + AHEAD - int(unwrapped.max())) // 100)
    for (row, entry), year in zip(rows, (unwrapped + centuries * 100).tolist(), strict=True):
        full[row] = entry._replace(year=year, short=False)
    return full


def _to_instant(written: _Written | None) -> tuple[np.datetime64, bool] | None:
    """Convert a written date to a time; None if it does not exist.

    Returns:
        The time, in UTC if it has an offset from UTC, and whether it has one.
    """
    clock = None if written is None else parse_clock(written.rest)
    if written is None or clock is None:
        return None
    try:
        day = np.datetime64(date(written.year, written.month, written.day), UNIT)
    except ValueError:
        return None
    return day + np.timedelta64(clock.time - clock.offset, UNIT), clock.zoned


def _explain(text: str, written: Sequence[_Written | None]) -> str:
    """Describe why a cell is not a date, for a message."""
    found = WITHOUT_YEAR.fullmatch(text)
    if found and parse_month(found[1] or found[2]) is not None:
        return "has no year; add the year (2015-01)"
    if CLOCK.fullmatch(text):
        return "is a time of day without a date"
    found = NUMERIC.fullmatch(text)
    if found and found[2] != "." and any(entry is not None for entry in written):
        before, after = ("day", "month") if int(found[3]) > MONTHS else ("month", "day")
        return f"is not a time in the order of the other rows, with the {before} before the {after}"
    return "is not a time"
