"""Which column of a table holds the times, and what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.data.columns import first_value, holds_objects, whole_number
from freerun.data.dates import CLOCK, Dates, compact_dates, dates_of, looks_like_date, with_clock
from freerun.data.numerals import Numerals
from freerun.data.timeline import Calendar, from_index, is_numbered
from freerun.errors import SeriesError

if TYPE_CHECKING:
    import pandas as pd

    from freerun.data.table import Table

TIME_COLUMNS = {"time", "t", "date", "datetime", "timestamp", "ds", "year", "month", "day", "step", "index"}
"""A first column with one of these names (in any case) holds the times, unless it is chosen as a channel."""

ROW_NUMBERS = {"", "unnamed: 0", "index", "rownames", "row.names", "row"}
"""Names of a first column that may count the rows."""

DATE_PARTS = ("year", "month", "day", "hour")
"""Columns that together are a date, the first two at least."""


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


def times_of(table: Table, time: str | None, channels: Sequence[str]) -> FoundTimes:
    """The times of a table.

    They are in the column that is named; else in the index; else in a column of dates, in columns of years and months,
    or in a first column with a name of `TIME_COLUMNS`, or of whole numbers that are dates.

    Args:
        table: where they are looked for.
        time: the column that is named.
        channels: columns that are chosen as channels and so are no times.
    """
    if time is not None:
        return _of_column(table, time)
    free = [name for name in table.columns if name not in channels]
    first = next(iter(table.columns))
    numbered = (first,) if first in free and len(table.columns) > 1 and _counts_rows(table, first) else ()
    dated = [name for name in free if name not in numbered and looks_like_date(first_value(table.columns[name]))]
    if table.index is not None and not (dated and is_numbered(table.index)):
        return _of_index(table, table.index)
    if len(table.columns) == 1:
        return FoundTimes()
    if not dated:
        return _of_parts(table, free) or (_of_first(table, first, numbered) if first in free else FoundTimes())
    if len(dated) > 1 and first not in dated:
        table.fault(f"columns {', '.join(dated)} hold dates; name the one that is the time (time=, --time)")
    found = _of_column(table, first if first in dated else dated[0])
    return replace(found, columns=(*found.columns, *numbered))


def _of_index(table: Table, index: pd.Index) -> FoundTimes:
    try:
        return FoundTimes((), *from_index(index), timed=True)
    except SeriesError as error:
        table.fault(str(error))


def _of_first(table: Table, first: str, numbered: tuple[str, ...]) -> FoundTimes:
    """The times in a first column that no date tells, if it has any."""
    if numbered and not _tells_steps(table, first):
        return FoundTimes(columns=numbered)
    cells = table.columns[first]
    if first.lower() in TIME_COLUMNS | ROW_NUMBERS:
        return _of_column(table, first)
    months = whole_number(first_value(cells)) is not None and compact_dates(list(cells)) is not None
    return _of_column(table, first) if months else FoundTimes()


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


def _of_column(table: Table, name: str) -> FoundTimes:
    """The times in a column, with the time of day in another one where there is such."""
    cells = table.columns[name]
    if not holds_objects(cells):
        frame: Any = cells
        if frame.isna().any():
            table.refuse(name, int(frame.isna().argmax()), "is not a time")
        import pandas as pd

        times, calendar = from_index(pd.Index(frame))
        return FoundTimes((name,), times if len(times) else frame.to_numpy(), calendar, timed=True)
    cells = list(cells)
    numbers = [Numerals().number(cell) for cell in cells]
    if None not in numbers and not any(number != number for number in numbers):  # noqa: PLR0124 - NaN
        months = compact_dates(cells)
        return FoundTimes((name,), np.array(numbers, np.float64) if months is None else months, timed=True)
    found = dates_of(cells)
    if not isinstance(found, Dates):
        table.refuse(name, found.row, found.fault)
    columns, times = (name,), found.times
    for other in table.columns:
        first = None if other == name else first_value(table.columns[other])
        if isinstance(first, str) and CLOCK.fullmatch(first.strip()):
            joined = with_clock(times, list(table.columns[other]))
            columns, times = ((name, other), joined) if joined is not None else (columns, times)
    return FoundTimes(columns, times, Calendar(zone="UTC" if found.zoned else None), timed=True)


def _of_parts(table: Table, free: Sequence[str]) -> FoundTimes | None:
    """The times of a year, a month, and perhaps a day and an hour in columns of their own."""
    by_name = {name.lower(): name for name in free}
    parts = [by_name[part] for part in DATE_PARTS if part in by_name]
    if [name.lower() for name in parts[:2]] != ["year", "month"] or len(parts) == len(free):
        return None
    numbers = [[whole_number(cell) for cell in table.columns[name]] for name in parts]
    if any(None in column for column in numbers):
        return None
    year, month, *rest = (np.array(column, np.int64) for column in numbers)
    if ((month < 1) | (month > 12)).any():
        return None
    times = ((year - 1970) * 12 + month - 1).astype("datetime64[M]").astype("datetime64[us]")
    for name, column in zip(parts[2:], rest, strict=True):
        day = name.lower() == "day"
        times = times + ((column - 1) if day else column).astype("timedelta64[D]" if day else "timedelta64[h]")
    return FoundTimes(tuple(parts), times, timed=True)
