"""Reads times whose parts are columns of their own: a year and a month, a quarter, a week or a day,
and finer parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from freerun.data.clocks import HOURS
from freerun.data.columns import parse_integer
from freerun.data.monthnames import parse_month

if TYPE_CHECKING:
    from freerun.data.table import Table

DATE_PARTS = {
    "year": {"year", "yr", "yy", "yyyy", "jahr", "année", "annee", "an", "año", "ano", "anno", "jaar"},
    "half": {"half", "half-year", "halfyear", "half_year", "semester", "halbjahr", "semestre"},
    "quarter": {"quarter", "qtr", "q", "quartal", "trimestre", "kwartaal"},
    "month": {"month", "mon", "mo", "mm", "monat", "mois", "mes", "mês", "mese", "maand"},
    "week": {"week", "wk", "kw", "woche", "kalenderwoche", "semaine", "semana", "settimana"},
    "day": {"day", "dd", "dy", "tag", "jour", "día", "dia", "giorno", "dag", "dom", "mday", "day_of_month"},
    "day of the year": {"doy", "yday", "jday", "dayofyear", "day_of_year", "day of year", "julian_day", "julian day"},
    "hour": HOURS,
    "minute": {"minute", "min", "mn"},
    "second": {"second", "sec"},
}
"""Names of columns that together are a date, by part."""

DATE_PARTS["year"] |= {"iso_year", "isoyear"}
DATE_PARTS["week"] |= {"iso_week", "isoweek", "week_number", "weeknumber", "week_no", "weekno", "week_of_year"}

LIMITS = {"year": (1, 9999), "half": (1, 2), "quarter": (1, 4), "month": (1, 12), "week": (1, 53), "day": (1, 31)}
LIMITS |= {"day of the year": (1, 366), "hour": (0, 24), "minute": (0, 59), "second": (0, 59)}
"""Smallest and largest number of each part of a date."""

MONTHS = {"month": 1, "quarter": 3, "half": 6}
"""Number of months of parts of a year."""

DIVISIONS = ("month", "week", "day of the year", "quarter", "half")
"""Parts of a year; of several, the first counts."""

UNITS = {"hour": "h", "minute": "m", "second": "s"}
"""Units of `numpy.timedelta64` by part of a time."""

LETTERS = {"month": "m", "week": "k?w", "quarter": "[qt]", "half": "[hs]"}
"""Letters before the number of a part, as patterns: M01, W05, Q1, H2."""


class TimeParts(NamedTuple):
    """Times from several columns.

    Attributes:
        columns: names of the columns.
        times: shape (T,), `datetime64`; the first day of a month, a quarter or a week.
    """

    columns: tuple[str, ...]
    times: np.ndarray


def read_parts(table: Table, free: Sequence[str]) -> TimeParts | None:
    """Read times from the parts of dates in separate columns.

    There is a year and a part of it: a month, a quarter, a half, a week of ISO 8601, or
    a day of the year. Days, hours, minutes and seconds follow without a gap. A day
    without a month is a day of the year. It divides a year only where years repeat:
    otherwise it may be what was measured in each year.

    Args:
        table: the table to search.
        free: columns that may hold times.

    Returns:
        The times; None if there are no such columns.

    Raises:
        SeriesError: a number is out of range, or there is no such week or day.
    """
    by_part = {part: name for name in reversed(free) for part, names in DATE_PARTS.items() if name.lower() in names}
    if "month" not in by_part and "day" in by_part:
        by_part.setdefault("day of the year", by_part["day"])
    division = next((part for part in DIVISIONS if part in by_part), None)
    if division is None or "year" not in by_part:
        return None
    finer = {"month": ("day", *UNITS), "day of the year": tuple(UNITS)}.get(division, ())
    finer = finer[: next((i for i, part in enumerate(finer) if part not in by_part), len(finer))]
    parts = ("year", division, *finer)
    if len(parts) == len(table.columns):
        return None
    numbers = _read_numbers(table, {part: by_part[part] for part in parts})
    if numbers is None:
        return None
    if division == "day of the year" and len(np.unique(numbers["year"])) == len(table):
        return None
    days = _to_days(table, numbers, division, by_part)
    times = days.astype("datetime64[us]")
    for part in finer:
        if part in UNITS:
            times = times + numbers[part].astype(f"timedelta64[{UNITS[part]}]")
    return TimeParts(tuple(by_part[part] for part in parts), times)


def _read_numbers(table: Table, by_part: dict[str, str]) -> dict[str, np.ndarray] | None:
    """The numbers of each part, shape (T,); None if a cell is not a number of its part.

    Raises:
        SeriesError: a number is out of range.
    """
    found: dict[str, np.ndarray] = {}
    for part, name in by_part.items():
        numbers = [_parse_part(part, cell) for cell in table.columns[name]]
        if None in numbers:
            return None
        found[part] = np.array(numbers, np.int64)
        low, high = LIMITS[part]
        wrong = (found[part] < low) | (found[part] > high)
        if wrong.any():
            table.refuse(name, int(wrong.argmax()), f"is not a valid {part}")
    return found


def _parse_part(part: str, cell: object) -> int | None:
    """Convert a part of a date to a number; a month may be a name. None if it is neither."""
    number = parse_integer(cell)
    if number is not None or not isinstance(cell, str):
        return number
    lettered = re.fullmatch(rf"{LETTERS.get(part, '')}[ -]?(\d{{1,2}})", cell.strip(), re.IGNORECASE)
    if lettered:
        return int(lettered[1])
    return parse_month(cell.strip(". ")) if part == "month" else None


def _to_days(table: Table, numbers: dict[str, np.ndarray], division: str, by_part: dict[str, str]) -> np.ndarray:
    """The day of each row, shape (T,), `datetime64`.

    Raises:
        SeriesError: there is no such week or day.
    """
    years = (numbers["year"] - 1970).astype("datetime64[Y]")
    if division == "week":
        fourth = years.astype("datetime64[D]") + 3  # the first week of ISO 8601 has the fourth of January
        monday = fourth - (fourth.astype(np.int64) + 3) % 7
        days = monday + 7 * (numbers["week"] - 1)
        wrong, whole = (days + 3).astype("datetime64[Y]") != years, "week of its year (ISO 8601)"
    elif division == "day of the year":
        days = years.astype("datetime64[D]") + (numbers[division] - 1)
        wrong, whole = days.astype("datetime64[Y]") != years, "day of its year"
    else:
        months = years.astype("datetime64[M]") + MONTHS[division] * (numbers[division] - 1)
        days = months.astype("datetime64[D]") + (numbers.get("day", 1) - np.int64(1))
        wrong, whole = days.astype("datetime64[M]") != months, "day of its month"
    if wrong.any():
        column = by_part["day" if whole == "day of its month" else division]
        table.refuse(column, int(wrong.argmax()), f"is not a {whole}")
    return days
