"""Which column of a table holds the times, and what they are."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.data.clocks import HOURS, with_clock
from freerun.data.columns import Cells, first_value, holds_objects, holds_spans, holds_times, whole_number
from freerun.data.dates import COMPACT, YEARS, Dates, compact_dates, dates_of, looks_like_date
from freerun.data.monthnames import month_of
from freerun.data.numerals import Numerals
from freerun.data.timeline import Calendar, from_index, is_numbered
from freerun.data.wide import are_years
from freerun.errors import SeriesError

if TYPE_CHECKING:
    import pandas as pd

    from freerun.data.table import Table

TIME_COLUMNS = {"time", "t", "date", "datetime", "timestamp", "ds", "year", "month", "day", "step", "index"}
TIME_COLUMNS |= {"date_time", "epoch", "unix", "unixtime", "jahr", "monat", "tag", "datum", "zeit", "zeitpunkt"}
TIME_COLUMNS |= {"an", "année", "annee", "temps", "año", "ano", "fecha", "tiempo", "anno", "tempo", "jaar", "tijd"}
"""A first column with one of these names (in any case, a unit behind it) holds the times, unless it is a channel."""

ROW_NUMBERS = {"", "unnamed: 0", "index", "rownames", "row.names", "row"}
"""Names of a first column that may count the rows."""

DATE_PARTS = {
    "year": {"year", "yr", "yy", "yyyy", "jahr", "année", "annee", "an", "año", "ano", "anno", "jaar"},
    "quarter": {"quarter", "qtr", "q", "quartal", "trimestre", "kwartaal"},
    "month": {"month", "mon", "mo", "mm", "monat", "mois", "mes", "mês", "mese", "maand"},
    "day": {"day", "dd", "dy", "tag", "jour", "día", "dia", "giorno", "dag"},
    "hour": HOURS,
    "minute": {"minute", "min", "mn"},
    "second": {"second", "sec"},
}
"""Columns that together are a date: a year, a month or quarter, and what follows it without a gap."""

CYCLES = DATE_PARTS["quarter"] | DATE_PARTS["month"] | DATE_PARTS["day"] | DATE_PARTS["hour"]
"""Columns whose numbers come again, and tell no time without a year."""

LIMITS = {"year": (1, 9999), "quarter": (1, 4), "month": (1, 12), "day": (1, 31), "hour": (0, 24), "minute": (0, 59)}
LIMITS["second"] = (0, 59)

FEWEST_YEARS = 5
"""Rows by which one year after the other is told from measurements."""

UNITS = {"hour": "h", "minute": "m", "second": "s"}


@dataclass(frozen=True)
class FoundTimes:
    """The times of a table.

    Attributes:
        columns: that are no channels, since they tell the times or number the rows.
        times: shape (T,); empty where rows are steps.
        calendar: of the times.
        timed: whether there are times.
    """

    columns: tuple[str, ...] = ()
    times: np.ndarray = field(default_factory=lambda: np.empty(0))
    calendar: Calendar = field(default_factory=Calendar)
    timed: bool = False


def times_of(table: Table, time: str | None, channels: Sequence[str], numerals: Numerals) -> FoundTimes:
    """The times of a table.

    They are in the column that is named; else in the index; else in a column of dates, in columns of years and months,
    in a column of whole numbers that are dates, or in a first column with a name of `TIME_COLUMNS`.

    Args:
        table: where they are looked for.
        time: the column that is named.
        channels: columns that are chosen as channels and so are no times.
        numerals: how numbers are written.
    """
    if time is not None:
        return _of_column(table, time, numerals)
    free = [name for name in table.columns if name not in channels]
    first = next(iter(table.columns))
    numbered = (first,) if first in free and len(table.columns) > 1 and _counts_rows(table, first) else ()
    dated = [name for name in free if name not in numbered and _is_dated(table.columns[name])]
    if table.index is not None and not (dated and is_numbered(table.index)):
        return _of_index(table, table.index)
    if len(table.columns) == 1:
        return FoundTimes()
    if not dated:
        parts = _of_parts(table, free)
        if parts is not None:
            return parts
        dated = [name for name in free if _is_compact(table.columns[name])]
    if not dated:
        return _of_first(table, first, numbered, numerals) if first in free else FoundTimes()
    if len(dated) > 1 and first not in dated:
        table.fault(f"columns {', '.join(dated)} hold dates; name the one that is the time (time=, --time)")
    found = _of_column(table, first if first in dated else dated[0], numerals)
    return replace(found, columns=(*found.columns, *numbered))


def _of_index(table: Table, index: pd.Index) -> FoundTimes:
    try:
        return FoundTimes((), *from_index(index), timed=True)
    except SeriesError as error:
        table.fault(str(error))


def _of_first(table: Table, first: str, numbered: tuple[str, ...], numerals: Numerals) -> FoundTimes:
    """The times in a first column that no date tells, or in the one behind numbers of rows, if it has any."""
    second = [*table.columns][len(numbered)]
    if numbered and len(table.columns) > 2 and _bare(second) in TIME_COLUMNS:
        found = _of_column(table, second, numerals)
        return replace(found, columns=(*found.columns, *numbered))
    if numbered and not _tells_steps(table, first):
        return FoundTimes(columns=numbered)
    if _bare(first) in CYCLES and _comes_again(table.columns[first]):
        table.fault(
            f"column {first!r} counts without a year, so that its numbers come again; name the column of the times "
            "(--time), or add one of the years"
        )
    if _bare(first) in TIME_COLUMNS or first.lower() in ROW_NUMBERS or _counts_years(table.columns[first]):
        return _of_column(table, first, numerals)
    return FoundTimes()


def _counts_years(cells: Cells) -> bool:
    """Whether a column holds one year after the other, up or down."""
    years = list(cells) if whole_number(first_value(cells)) in YEARS else []
    return len(years) >= FEWEST_YEARS and (are_years(years) or are_years(years[::-1]))


def _comes_again(cells: Cells) -> bool:
    """Whether numbers start anew."""
    numbers = [whole_number(cell) for cell in cells]
    return None not in numbers and len(set(numbers)) < len(numbers)


def _bare(name: str) -> str:
    """A name in lower case, without the unit behind it: `Zeit [s]`, `time (s)`, `t/s`."""
    return re.split(r"[\[(/]", name)[0].strip().lower()


def _is_dated(cells: Cells) -> bool:
    """Whether a column holds dates or periods, as its type or its first value tells."""
    return (holds_times(cells) and not holds_spans(cells)) or looks_like_date(first_value(cells))


def _is_compact(cells: Cells) -> bool:
    """Whether a column holds whole numbers that are dates, several ones."""
    first = str(first_value(cells)).strip().removesuffix(".0")
    if not (first.isdigit() and len(first) in COMPACT):
        return False
    dates = compact_dates(list(cells))
    return dates is not None and len(np.unique(dates)) > 1


def _counts_rows(table: Table, name: str) -> bool:
    """Whether a column numbers the rows, as pandas and R write it in front of a table."""
    if name.lower() not in ROW_NUMBERS:
        return False
    numbers = [whole_number(cell) for cell in table.columns[name]]
    return None not in numbers and compact_dates(list(table.columns[name])) is None


def _tells_steps(table: Table, name: str) -> bool:
    """Whether numbers of rows are more than a count from 0 or 1."""
    numbers = [whole_number(cell) for cell in table.columns[name]]
    return numbers not in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])


def _of_column(table: Table, name: str, numerals: Numerals) -> FoundTimes:
    """The times in a column, with the time of day in another one where there is such."""
    cells = table.columns[name]
    if not holds_objects(cells) or holds_times(cells):
        frame: Any = cells
        if frame.isna().any():
            table.refuse(name, int(frame.isna().argmax()), "is not a time")
        import pandas as pd

        times, calendar = from_index(pd.Index(frame))
        found = FoundTimes((name,), times if len(times) else frame.to_numpy(), calendar, timed=True)
        return _with_clock(table, found) if found.times.dtype.kind == "M" else found
    cells = list(cells)
    months = compact_dates(cells)
    if months is not None:
        return _with_clock(table, FoundTimes((name,), months, timed=True))
    if numerals.number(cells[0]) is not None:
        numbers = [numerals.number(cell) for cell in cells]
        if all(number is not None and math.isfinite(number) for number in numbers):
            return FoundTimes((name,), np.array(numbers, np.float64), timed=True)
    found = dates_of(cells)
    if not isinstance(found, Dates):
        known = [number is not None and math.isfinite(number) for number in map(numerals.number, cells)]
        table.refuse(name, known.index(False) if 2 * sum(known) > len(known) else found.row, found.fault)
    calendar = Calendar(zone="UTC" if found.zoned else None)
    return _with_clock(table, FoundTimes((name,), found.times, calendar, timed=True))


def _with_clock(table: Table, found: FoundTimes) -> FoundTimes:
    """Days with the times of day in another column, if there is such."""
    for other in table.columns:
        if other not in found.columns:
            joined = with_clock(found.times, other, list(table.columns[other]))
            if joined is not None:
                return replace(found, columns=(*found.columns, other), times=joined)
    return found


def _of_parts(table: Table, free: Sequence[str]) -> FoundTimes | None:
    """The times of a year, a month or quarter, and perhaps a day, an hour and so on in columns of their own."""
    by_part = {part: name for name in reversed(free) for part, names in DATE_PARTS.items() if name.lower() in names}
    middle = "month" if "month" in by_part else "quarter"
    parts = ["year", middle, *(("day", *UNITS) if middle == "month" else ())]
    parts = parts[: next((i for i, part in enumerate(parts) if part not in by_part), len(parts))]
    if len(parts) < 2 or len(parts) == len(free):
        return None
    columns: dict[str, np.ndarray] = {}
    for part in parts:
        cells = list(table.columns[by_part[part]])
        numbers = [_part(part, cell) for cell in cells]
        if None in numbers:
            return None
        columns[part] = np.array(numbers, np.int64)
        low, high = LIMITS[part]
        wrong = (columns[part] < low) | (columns[part] > high)
        if wrong.any():
            table.refuse(by_part[part], int(wrong.argmax()), f"is no {part}")
    month = columns["month"] if middle == "month" else 3 * columns["quarter"] - 2
    months = ((columns["year"] - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (columns.get("day", 1) - np.int64(1))
    beyond = days.astype("datetime64[M]") != months
    if beyond.any():
        table.refuse(by_part["day"], int(beyond.argmax()), "is no day of its month")
    times = days.astype("datetime64[us]")
    for part in parts[3:]:
        times = times + columns[part].astype(f"timedelta64[{UNITS[part]}]")
    return FoundTimes(tuple(by_part[part] for part in parts), times, timed=True)


def _part(part: str, cell: Any) -> int | None:
    """A part of a date as a number; months may have their names."""
    number = whole_number(cell)
    return month_of(cell.strip(". ")) if number is None and part == "month" and isinstance(cell, str) else number
