"""Finds the column of times of a table and parses it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.data.clocks import add_clock
from freerun.data.columns import Cells, first_value, holds_durations, holds_objects, holds_times, parse_integer
from freerun.data.dateparts import DATE_PARTS, read_parts
from freerun.data.dates import COMPACT, YEARS, Dates, looks_like_date, parse_compact_dates, parse_dates
from freerun.data.numerals import Numerals
from freerun.data.timeline import Calendar, from_index, is_numbered
from freerun.data.wide import are_years
from freerun.errors import SeriesError

if TYPE_CHECKING:
    import pandas as pd

    from freerun.data.table import Table

TIME_COLUMNS = {"time", "t", "date", "datetime", "timestamp", "ds", "year", "quarter", "month", "week", "day", "step"}
TIME_COLUMNS |= {"index"}
TIME_COLUMNS |= {"date_time", "epoch", "unix", "unixtime", "jahr", "monat", "tag", "datum", "zeit", "zeitpunkt"}
TIME_COLUMNS |= {"an", "année", "annee", "temps", "año", "ano", "fecha", "tiempo", "anno", "tempo", "jaar", "tijd"}
"""Names of a first column that holds the times, without the unit, in lower case;
unless it is selected as a channel."""

ROW_NUMBERS = {"", "unnamed: 0", "index", "rownames", "row.names", "row"}
"""Names of a first column that may hold row numbers, in lower case."""

CYCLES = frozenset().union(*(DATE_PARTS[part] for part in ("quarter", "month", "week", "day", "hour")))
"""Names of columns whose numbers repeat, so that they are no times without a year."""

FEWEST_YEARS = 5
"""Minimum number of consecutive years in an unnamed column of times; fewer may be measurements."""


@dataclass(frozen=True)
class FoundTimes:
    """The times of a table.

    Attributes:
        columns: columns that are not channels, because they hold times or row numbers.
        times: shape (T,), numbers or `datetime64` in UTC; empty if the table has no times.
        calendar: calendar of the times.
        timed: whether the table has times.
    """

    columns: tuple[str, ...] = ()
    times: np.ndarray = field(default_factory=lambda: np.empty(0))
    calendar: Calendar = field(default_factory=Calendar)
    timed: bool = False


def find_times(table: Table, time: str | None, channels: Sequence[str], numerals: Numerals) -> FoundTimes:
    """Find the times of a table.

    The first of these that exists is used: the column that the user names; the index; a column of
    dates; columns with parts of dates, such as year and month, or year and week; a column of whole
    numbers that are dates; a first column with a name in `TIME_COLUMNS`.

    Args:
        table: the table to search.
        time: column that the user names; None if none is named.
        channels: columns that are selected as channels, which are not times.
        numerals: how numbers are written.

    Returns:
        The times and the columns that hold them.

    Raises:
        SeriesError: several columns may be the times, or a cell is not a time.
    """
    if time is not None:
        return _read_named(table, time, numerals)
    free = [name for name in table.columns if name not in channels]
    first = next(iter(table.columns))
    numbered = (first,) if first in free and len(table.columns) > 1 and _may_be_row_numbers(table, first) else ()
    dated = [name for name in free if name not in numbered and _is_dated(table.columns[name])]
    if table.index is not None and not (dated and is_numbered(table.index)):
        return _read_index(table, table.index)
    if len(table.columns) == 1:
        return FoundTimes()
    if not dated:
        parts = read_parts(table, free)
        if parts is not None:
            return FoundTimes(*parts, timed=True)
        dated = [name for name in free if _is_compact(table.columns[name])]
    if not dated:
        return _read_first(table, first, numbered, numerals) if first in free else FoundTimes()
    if len(dated) > 1 and first not in dated:
        table.fault(f"columns {', '.join(dated)} hold dates; name the column of the times (time=, --time)")
    found = _read_column(table, first if first in dated else dated[0], numerals)
    return replace(found, columns=(*found.columns, *numbered))


def _read_named(table: Table, name: str, numerals: Numerals) -> FoundTimes:
    """Read the times of the column that the user names; of years that repeat,
    with the months or weeks beside them."""
    if name.lower() in DATE_PARTS["year"] and _repeats(table.columns[name]):
        parts = read_parts(table, [*table.columns])
        if parts is not None and name in parts.columns:
            return FoundTimes(*parts, timed=True)
    return _read_column(table, name, numerals)


def _read_index(table: Table, index: pd.Index) -> FoundTimes:
    try:
        return FoundTimes((), *from_index(index), timed=True)
    except SeriesError as error:
        table.fault(str(error))


def _read_first(table: Table, first: str, numbered: tuple[str, ...], numerals: Numerals) -> FoundTimes:
    """Read times that are not dates from the first column,
    or from the second one if the first holds row numbers."""
    second = [*table.columns][len(numbered)]
    if numbered and len(table.columns) > 2 and _strip_unit(second) in TIME_COLUMNS:
        found = _read_column(table, second, numerals)
        return replace(found, columns=(*found.columns, *numbered))
    if numbered and not _are_times(table, first):
        return FoundTimes(columns=numbered)
    if _strip_unit(first) in CYCLES and _repeats(table.columns[first]):
        table.fault(
            f"column {first!r} has no year, so its numbers repeat; name the column of the times (--time), or add a "
            "column of years"
        )
    if (
        _strip_unit(first) in TIME_COLUMNS
        or first.lower() in ROW_NUMBERS
        or _are_consecutive_years(table.columns[first])
    ):
        return _read_column(table, first, numerals)
    return FoundTimes()


def _are_consecutive_years(cells: Cells) -> bool:
    """Whether a column holds consecutive years, ascending or descending."""
    years = list(cells) if parse_integer(first_value(cells)) in YEARS else []
    return len(years) >= FEWEST_YEARS and (are_years(years) or are_years(years[::-1]))


def _repeats(cells: Cells) -> bool:
    """Whether cells are whole numbers of which some occur twice."""
    numbers = [parse_integer(cell) for cell in cells]
    return None not in numbers and len(set(numbers)) < len(numbers)


def _strip_unit(name: str) -> str:
    """Remove the unit from a name and convert it to lower case: `Zeit [s]`, `time (s)`, `t/s`."""
    return re.split(r"[\[(/]", name)[0].strip().lower()


def _is_dated(cells: Cells) -> bool:
    """Whether a column holds dates or periods, judged by its type or its first value."""
    return (holds_times(cells) and not holds_durations(cells)) or looks_like_date(first_value(cells))


def _is_compact(cells: Cells) -> bool:
    """Whether a column holds whole numbers that are dates, such as 20150131,
    and at least two different ones."""
    first = str(first_value(cells)).strip().removesuffix(".0")
    if not (first.isdigit() and len(first) in COMPACT):
        return False
    dates = parse_compact_dates(list(cells))
    return dates is not None and len(np.unique(dates)) > 1


def _may_be_row_numbers(table: Table, name: str) -> bool:
    """Whether a column may hold row numbers, as pandas and R write them before the first column."""
    if name.lower() not in ROW_NUMBERS:
        return False
    numbers = [parse_integer(cell) for cell in table.columns[name]]
    return None not in numbers and parse_compact_dates(list(table.columns[name])) is None


def _are_times(table: Table, name: str) -> bool:
    """Whether row numbers are times, because they are not 0, 1, 2, ... or 1, 2, 3, ..."""
    numbers = [parse_integer(cell) for cell in table.columns[name]]
    return numbers not in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])


def _read_column(table: Table, name: str, numerals: Numerals) -> FoundTimes:
    """Read the times of a column, and the time of day of another column if there is one."""
    cells = table.columns[name]
    if not holds_objects(cells) or holds_times(cells):
        frame: Any = cells
        if frame.isna().any():
            table.refuse(name, int(frame.isna().argmax()), "is not a time")
        import pandas as pd

        times, calendar = from_index(pd.Index(frame))
        found = FoundTimes((name,), times if len(times) else frame.to_numpy(), calendar, timed=True)
        return _add_clock(table, found) if found.times.dtype.kind == "M" else found
    cells = list(cells)
    months = parse_compact_dates(cells)
    if months is not None:
        return _add_clock(table, FoundTimes((name,), months, timed=True))
    if numerals.number(cells[0]) is not None:
        numbers = [numerals.number(cell) for cell in cells]
        if all(number is not None and math.isfinite(number) for number in numbers):
            return FoundTimes((name,), np.array(numbers, np.float64), timed=True)
    found = parse_dates(cells)
    if not isinstance(found, Dates):
        known = [number is not None and math.isfinite(number) for number in map(numerals.number, cells)]
        table.refuse(name, known.index(False) if 2 * sum(known) > len(known) else found.row, found.fault)
    calendar = Calendar(zone="UTC" if found.zoned else None)
    return _add_clock(table, FoundTimes((name,), found.times, calendar, timed=True))


def _add_clock(table: Table, found: FoundTimes) -> FoundTimes:
    """Add the time of day of the first other column that holds one to days."""
    for other in table.columns:
        if other not in found.columns:
            joined = add_clock(found.times, other, list(table.columns[other]))
            if joined is not None:
                return replace(found, columns=(*found.columns, other), times=joined)
    return found
