"""Dates as people write them: in any usual order, with short years, as whole numbers, as quarters and weeks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from freerun.data.numerals import is_missing

LONGEST = 100
"""Most characters of a cell that may be a date."""

MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

MONTHS = 12

YEARS = range(1500, 2200)
"""Years that a whole number such as 201501 or 20150131 may begin with."""

UNIT = "us"
"""Resolution of the times that are read, microseconds."""

ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")
NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d\d)(?!\d)(.*)")
NAMED = re.compile(r"(\d{1,2})[-/. ]([a-z]{3,9})\.?[-/. ,]{1,2}(\d{4}|\d\d)(?!\d)(.*)", re.IGNORECASE)
MONTH_AND_YEAR = re.compile(r"([a-z]{3,9})\.?[-/ ,']{1,2}(\d{4}|\d\d)", re.IGNORECASE)
YEAR_AND_MONTH = re.compile(r"(\d{4})[-/ ]?([a-z]{3,9})\.?", re.IGNORECASE)
PART_OF_YEAR = re.compile(r"(\d{4})[-/ ]?([QMHSW])(\d{1,2})", re.IGNORECASE)
PART_FIRST = re.compile(r"([QH])([1-4])[-/ ]?(\d{4})", re.IGNORECASE)
WITHOUT_YEAR = re.compile(r"[a-z]{3,9}\.?|\d{1,2}[-/. ][a-z]{3,9}\.?|[a-z]{3,9}[ ]\d{1,2}", re.IGNORECASE)
LIKE_A_DATE = re.compile(
    r"\d{4}[-/.]\d|\d[-/.]\d{1,2}[-/.]\d|\d{4}[-/ ]?[qmhsw]\d|[qh][1-4][-/ ]?\d{4}|[a-z]{3}", re.IGNORECASE
)
"""What a date has in it. pandas would take 1,5 for a date as well, and 12:30 for today."""

CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?")
"""A time of the day alone."""

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
    periods are their first days.
    """
    if any(is_missing(cell) for cell in cells):
        return NotADate(next(row for row, cell in enumerate(cells) if is_missing(cell)), "is not a time")
    texts = [_text(cell) for cell in cells]
    whole = _of_one_form(cells, texts)
    if whole is not None:
        return whole
    written = _numeric(texts) if NUMERIC.fullmatch(texts[0]) else [_written(text) for text in texts]
    _settle_centuries(written)
    found = [_moment(one) for one in written]
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
    if not isinstance(cell, str) or cell.isdigit() or is_missing(cell) or not LIKE_A_DATE.search(cell):
        return False
    return isinstance(dates_of([cell]), Dates)


def compact_dates(cells: Sequence[Any]) -> np.ndarray | None:
    """The dates of whole numbers that are all years and months (201501), or all days (20150131); None for others."""
    texts = [_text(cell).removesuffix(".0") for cell in cells]
    for digits in (6, 8):
        if all(len(text) == digits and text.isascii() and text.isdigit() and int(text[:4]) in YEARS for text in texts):
            try:
                days = [f"{text[:4]}-{text[4:6]}-{text[6:] or '01'}" for text in texts]
                return np.array(days, "datetime64[D]").astype(f"datetime64[{UNIT}]")
            except ValueError:
                return None
    return None


def with_clock(days: np.ndarray, cells: Sequence[Any]) -> np.ndarray | None:
    """Days and the times of day in another column, as one; None if they are not such."""
    if (days != days.astype("datetime64[D]")).any() or not all(
        isinstance(cell, str) and CLOCK.fullmatch(cell.strip()) for cell in cells
    ):
        return None
    seconds = []
    for cell in cells:
        hours, minutes, *rest = cell.strip().split(":")
        seconds.append(3600 * int(hours) + 60 * int(minutes) + (float(rest[0]) if rest else 0.0))
    return days + (np.array(seconds) * 1e6).round().astype(f"timedelta64[{UNIT}]")


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


def _written(text: str) -> _Written | str | None:
    """What a cell says: year, month and day, or a text that pandas knows; None for anything else."""
    if len(text) > LONGEST or not any(map(str.isdigit, text)) or WITHOUT_YEAR.fullmatch(text) or CLOCK.fullmatch(text):
        return None
    if found := NAMED.fullmatch(text):
        month = _month(found[2])
        return _Written(int(found[3]), month, int(found[1]), found[4], len(found[3]) == 2) if month else None
    if found := MONTH_AND_YEAR.fullmatch(text):
        month = _month(found[1])
        return _Written(int(found[2]), month, 1, "", len(found[2]) == 2) if month else None
    if (found := YEAR_AND_MONTH.fullmatch(text)) and (month := _month(found[2])):
        return _Written(int(found[1]), month, 1, "", False)
    if found := PART_FIRST.fullmatch(text):
        text = f"{found[3]}{found[1]}{found[2]}"
    if found := PART_OF_YEAR.fullmatch(text):
        return _part_of_year(int(found[1]), found[2].upper(), int(found[3]))
    return text if LIKE_A_DATE.search(text) else None


def _part_of_year(year: int, part: str, number: int) -> _Written | None:
    if part == "W":
        try:
            monday = date.fromisocalendar(year, number, 1)
        except ValueError:
            return None
        return _Written(monday.year, monday.month, monday.day, "", False)
    count, months = PARTS[part]
    return _Written(year, 1 + months * (number - 1), 1, "", False) if 1 <= number <= count else None


def _month(name: str) -> int | None:
    short = name[:3].lower()
    return MONTH_NAMES.index(short) + 1 if short in MONTH_NAMES else None


ORDERS: dict[str, Callable[[int, int, int], tuple[int, int, int]]] = {
    "day": lambda first, second, third: (third, second, first),
    "month": lambda first, second, third: (third, first, second),
    "year": lambda first, second, third: (first, second, third),
}
"""Year, month and day of the three numbers of a date, by what comes first."""


def _numeric(texts: Sequence[str]) -> list[_Written | None]:
    """Dates of three numbers, in the order that all of them allow.

    With dots between them the day comes first. Else a number above 12 decides, and where there is none, that the times
    are more even so. A year of two digits may come first, too.
    """
    found = [NUMERIC.fullmatch(text) for text in texts]
    known = [one for one in found if one is not None]
    short = all(len(one[4]) == 2 for one in known)

    def read(order: str) -> list[_Written | None]:
        numbers = [one and ORDERS[order](int(one[1]), int(one[3]), int(one[4])) for one in found]
        return [
            _Written(*three, one[5], len(one[4]) == 2) if one and three and three[1] <= MONTHS else None
            for one, three in zip(found, numbers, strict=True)
        ]

    if any(one[2] == "." for one in known):
        return read("day")
    orders = [order for order in ORDERS if order != "year" or short]
    readings = {order: read(order) for order in orders}
    fits = [order for order, dates in readings.items() if None not in dates]
    if not fits:
        first_above = any(int(one[1]) > MONTHS for one in known)
        return readings["day" if first_above else "month"]
    fits.sort(key=("month", "day", "year").index)
    return readings[min(fits, key=lambda order: _unevenness(readings[order]))]


def _unevenness(written: Sequence[_Written | None]) -> float:
    """The longest step over the shortest, either way; infinite where a time occurs twice or the direction changes."""
    written = list(written)
    _settle_centuries(written)
    moments = [_moment(one) for one in written]
    if None in moments:
        return np.inf
    steps = np.diff(np.array([one[0] for one in moments if one is not None], f"datetime64[{UNIT}]").astype(np.int64))
    if len(steps) and (steps < 0).all():
        steps = -steps
    return float(steps.max() / steps.min()) if len(steps) and steps.min() > 0 else np.inf


def _settle_centuries(written: list[Any]) -> None:
    """Years of two digits in full, in place.

    From row to row they go on in the direction in which most of them go, over the turn of a century. The century is the
    latest in which the first time does not lie in the future.
    """
    rows = [(row, one) for row, one in enumerate(written) if isinstance(one, _Written) and one.short]
    if not rows:
        return
    years = [one.year for _, one in rows]
    steps = [(later - earlier + 50) % 100 - 50 for earlier, later in pairwise(years)]
    if all(step >= 0 for step in steps) or all(step <= 0 for step in steps):
        unwrapped = np.cumsum([years[0], *steps])
    else:
        unwrapped = np.array([year + (100 if year <= datetime.now().year % 100 else 0) for year in years])
    earliest, now = int(unwrapped.min()), datetime.now().year
    unwrapped = unwrapped + (now - earliest) // 100 * 100
    for (row, one), year in zip(rows, unwrapped.tolist(), strict=True):
        written[row] = one._replace(year=year)


def _moment(written: _Written | str | None) -> tuple[np.datetime64, bool] | None:
    """The time that a date tells, in UTC if it tells an offset, and whether it does."""
    if written is None:
        return None
    import pandas as pd

    if isinstance(written, str):
        text = written
    else:
        if not written.rest.strip():
            try:
                return np.datetime64(date(written.year, written.month, written.day), UNIT), False
            except ValueError:
                return None
        text = f"{written.year:04d}-{written.month:02d}-{written.day:02d}{written.rest}"
    try:
        stamp = pd.Timestamp(text)
        return stamp.to_datetime64().astype(f"datetime64[{UNIT}]"), stamp.tz is not None
    except (ValueError, OverflowError, TypeError):
        return None


def _fault(text: str, written: Sequence[_Written | str | None]) -> str:
    if WITHOUT_YEAR.fullmatch(text) and _month(text.lstrip("0123456789-/. ")) is not None:
        return "names no year; write the year, too (2015-01)"
    if CLOCK.fullmatch(text):
        return "is a time of day without a date"
    found = NUMERIC.fullmatch(text)
    if found and any(isinstance(one, _Written) for one in written):
        before, after = ("day", "month") if int(found[3]) > MONTHS else ("month", "day")
        return f"is not a time, where the {before} comes before the {after}"
    return "is not a time"
