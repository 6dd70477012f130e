"""`Table`: named columns of cells, and their conversion to `Rows`.

Every file with a table, and every DataFrame,
is converted to a `Table` before it becomes a `Series`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from freerun.data.columns import Cells, holds_durations, holds_objects, holds_times
from freerun.data.numerals import OTHER, Decimals, Numerals, find_unit, is_missing, parse_booleans
from freerun.data.rows import ReadOptions, Rows
from freerun.data.timecolumn import FoundTimes, find_times
from freerun.data.timeline import Calendar, is_count, to_index, to_utc
from freerun.data.wide import refuse_wide
from freerun.errors import SeriesError, SeriesFileError

if TYPE_CHECKING:
    import pandas as pd

UNIQUE_ID = "unique_id"
"""Default column with the name of the series of each row."""

MOST_NAMES = 20
"""Largest number of names that a message lists."""


@dataclass(frozen=True)
class Table:
    """Columns of cells by name.

    Attributes:
        columns: cells of each column, by name.
        named: whether the names came with the data; otherwise they are generated.
        index: index of a DataFrame; None if it is 0, 1, 2, ... or absent.
        source: path of the file, for messages; empty for a table in memory.
        lines: line number of each row in the file; None without a file of lines.
        decimal: decimal sign to assume if no cell determines it; None for no assumption.
    """

    columns: Mapping[str, Cells]
    named: bool = True
    index: pd.Index | None = None
    source: str = ""
    lines: Sequence[int] | None = None
    decimal: Decimals | None = None

    @classmethod
    def of_frame(cls, frame: pd.DataFrame, source: str = "") -> Table:
        """Make a table from a DataFrame.

        Args:
            frame: a DataFrame with at least one row and column.
            source: path of the file, for messages; empty for a table in memory.

        Raises:
            SeriesError: there are no rows, names are duplicated,
                or the column names have several levels.
        """
        index = frame.index if frame.index.nlevels > 1 or not is_count(frame.index) else None
        table = cls({}, True, index, source)
        if frame.columns.nlevels > 1:
            table.fault(f"the columns have {frame.columns.nlevels} levels of names; give one name to each column")
        names = list(map(str, frame.columns))
        table.refuse_twice(names)
        if frame.empty:
            table.fault("the table holds no rows" if names else "the table has no columns")
        return replace(table, columns={name: frame.iloc[:, i] for i, name in enumerate(names)})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def rows(self, options: ReadOptions) -> Rows:
        """Convert the selected channels and the times to rows.

        Args:
            options: the columns to read, and how to read them.

        Raises:
            SeriesError: a column does not exist or is not numeric, the table holds several series,
                or the column of times is ambiguous. A `SeriesFileError` with file, line and column
                if the table comes from a file.
        """
        if options.id is None and UNIQUE_ID in self.columns and UNIQUE_ID not in options.columns:
            options = replace(options, id=UNIQUE_ID)
        if options.id is not None:
            return self._select_series(options)
        self.require_columns((*options.columns, *((options.time,) if options.time else ())))
        if not options.columns:
            refuse_wide(self)
        numerals = self.detect_numerals(options)
        times = find_times(self, options.time, options.columns, numerals)
        chosen = options.columns or tuple(name for name in self.columns if name not in times.columns)
        if not chosen:
            names = ", ".join(map(repr, times.columns))
            only = f"columns, {names}, are" if len(self.columns) > 1 else f"column, {names}, is"
            self.fault(f"the only {only} the time; there is no channel")
        found = self._long_format(times, options.columns) if times.timed else None
        if found is not None:
            name, first, count = found
            self.fault(
                f"the table seems to hold {count} series in long format: times are unique only for each value of "
                f"column {name!r}; name that column (--id {name}, or --id {name}={first} for one series; id={name!r} "
                "in Python)"
            )
        values = self._to_matrix(chosen, options, numerals)
        if not times.timed:
            counted = np.arange(len(self), dtype=float)
            return Rows(values, chosen if self.named else (), counted, labelled=self.index is None and not self.source)
        calendar = times.calendar
        moments = times.times
        if options.zone is not None:
            moments, calendar = self._set_zone(moments, calendar, options.zone)
        return Rows(values, chosen if self.named else (), moments, calendar, timed=True, labelled=True)

    def groups(self, column: str) -> dict[str, Table]:
        """Split the table by a column with names of series.

        Args:
            column: column with the name of the series of each row.

        Returns:
            A table without that column for each name, in the order of first rows.

        Raises:
            SeriesError: the column does not exist, has missing cells, or is the only one.
        """
        self.require_columns([column])
        cells = list(self.columns[column])
        for row, cell in enumerate(cells):
            if is_missing(cell):
                self.refuse(column, row, "is not a name of a series; fill it in")
        rows: dict[str, list[int]] = {}
        for row, cell in enumerate(cells):
            rows.setdefault(str(cell), []).append(row)
        rest = {name: cells for name, cells in self.columns.items() if name != column}
        if not rest:
            self.fault(f"there is no column besides {column!r}, which names the series")
        return {name: replace(self, columns=rest).take(places) for name, places in rows.items()}

    def fault(self, text: str) -> NoReturn:
        """Raise an error about the table.

        Args:
            text: the message; the path of the file is put before it.

        Raises:
            SeriesFileError: if the table comes from a file.
            SeriesError: otherwise.
        """
        if self.source:
            raise SeriesFileError(f"{self.source}: {text}")
        raise SeriesError(text)

    def refuse(self, column: str, row: int, fault: str) -> NoReturn:
        """Raise an error about a cell, with its line or row, its column and its content.

        Args:
            column: name of the column.
            row: number of the row, from 0.
            fault: description of the fault, which follows the content of the cell.

        Raises:
            SeriesFileError: if the table comes from a file.
            SeriesError: otherwise.
        """
        cell = str(list(self.columns[column])[row])[:40]
        if self.lines is not None:
            raise SeriesFileError(f"{self.source}, line {self.lines[row]}, column {column!r}: {cell!r} {fault}")
        self.fault(f"row {row}, column {column!r}: {cell!r} {fault}")

    def refuse_twice(self, names: Sequence[str]) -> None:
        """Raise an error if names are duplicated.

        Raises:
            SeriesError: two names are equal.
        """
        seen: set[str] = set()
        for name in names:
            if name in seen:
                self.fault(f"two columns are named {name!r}; give each a name of its own")
            seen.add(name)

    def without(self, *names: str) -> Table:
        """Return a table without these columns."""
        return replace(self, columns={name: cells for name, cells in self.columns.items() if name not in names})

    def select(self, *names: str) -> Table:
        """Return a table of these columns.

        Raises:
            SeriesError: a column does not exist.
        """
        self.require_columns(names)
        return replace(self, columns={name: self.columns[name] for name in names})

    def between(self, start: int, stop: int) -> Table:
        """Return a table of rows `start` to `stop` (excluded)."""
        columns = {
            name: cells[start:stop] if isinstance(cells, list) else cells.iloc[start:stop]  # pyright: ignore[reportAttributeAccessIssue] - a pandas Series
            for name, cells in self.columns.items()
        }
        lines = None if self.lines is None else self.lines[start:stop]
        index = None if self.index is None else self.index[start:stop]
        return replace(self, columns=columns, lines=lines, index=index)

    def take(self, rows: Sequence[int] | np.ndarray) -> Table:
        """Return a table of the given rows."""
        columns = {
            name: [cells[row] for row in rows] if isinstance(cells, list) else cells.iloc[np.asarray(rows)]  # pyright: ignore[reportAttributeAccessIssue] - a pandas Series
            for name, cells in self.columns.items()
        }
        lines = None if self.lines is None else [self.lines[row] for row in rows]
        index = None if self.index is None else self.index[list(rows)]
        return replace(self, columns=columns, lines=lines, index=index)

    def _select_series(self, options: ReadOptions) -> Rows:
        """Convert the series that `options.id` selects to rows."""
        asked = options.id or ""
        column, equals, wanted = (asked, "", "") if asked in self.columns else asked.partition("=")
        groups = self.groups(column)
        names = ", ".join(list(groups)[:MOST_NAMES]) + (", ..." if len(groups) > MOST_NAMES else "")
        if equals and wanted not in groups:
            self.fault(f"column {column!r} has no series {wanted!r}; there are: {names}")
        if not equals and len(groups) > 1:
            self.fault(
                f"the table holds {len(groups)} series in long format, named by column {column!r}: {names}; select one "
                f"of them (--id {column}={next(iter(groups))}), or train on all of them (--id {column} of `freerun "
                "fit`, Series.panel in Python)"
            )
        return groups[wanted if equals else next(iter(groups))].rows(replace(options, id=None))

    def require_columns(self, wanted: Sequence[str]) -> None:
        """Check that columns exist.

        Raises:
            SeriesError: a column does not exist.
        """
        for name in wanted:
            if name not in self.columns:
                shown = ", ".join(list(self.columns)[:MOST_NAMES])
                more = f", ... ({len(self.columns)} in all)" if len(self.columns) > MOST_NAMES else ""
                self.fault(f"no column {name!r}; there are: {shown}{more}")

    def id_column(self, time: str | None = None) -> str | None:
        """Find the column with the name of the series of each row,
        if the table holds several in long format.

        Args:
            time: column of the times; None means that it is detected.

        Returns:
            `unique_id` if there is such a column. Otherwise, the first column that makes times
            unique; None if times are unique by themselves, or cannot be read.
        """
        if UNIQUE_ID in self.columns:
            return UNIQUE_ID
        try:
            times = find_times(self, time, (), self.detect_numerals(ReadOptions(time=time)))
        except SeriesError:
            return None
        found = self._long_format(times, ()) if times.timed else None
        return None if found is None else found[0]

    def _long_format(self, times: FoundTimes, channels: Sequence[str]) -> tuple[str, str, int] | None:
        """Find a column for each of whose values times are unique, as in long format,
        where they are not by themselves.

        Args:
            times: the times.
            channels: columns that are selected as channels, which name no series.

        Returns:
            The name of the column, its first cell, and the number of its values;
            None if there is none.
        """
        unique, places = np.unique(times.times, return_inverse=True)
        if len(unique) == len(times.times):
            return None
        for name in [name for name in self.columns if name not in (*times.columns, *channels)]:
            cells = [str(cell) for cell in self.columns[name]]
            groups = set(cells)
            if 1 < len(groups) <= len(cells) // 2 and len(set(zip(cells, places.tolist(), strict=True))) == len(cells):
                return name, cells[0], len(groups)
        return None

    def detect_numerals(self, options: ReadOptions) -> Numerals:
        """Detect how numbers are written, from the selected columns
        and a possible numeric column of times."""
        if options.decimal is not None:
            return Numerals(options.decimal)
        first = options.time or next(iter(self.columns))
        names = [*options.columns, first] if options.columns else list(self.columns)
        cells = [self.columns[name] for name in dict.fromkeys(names)]
        return Numerals.of(
            [list(column) for column in cells if holds_objects(column) and not holds_times(column)], self.decimal
        )

    def _to_matrix(self, chosen: tuple[str, ...], options: ReadOptions, numerals: Numerals) -> np.ndarray:
        """Convert the selected columns to numbers, shape (T, D); NaN where a value is missing."""
        if numerals.doubtful is not None:
            self.fault(
                f"{numerals.doubtful!r} is ambiguous: its sign may be a decimal or a thousands separator; name the "
                "decimal sign (decimal='.' or ',', --decimal)"
            )
        values = np.column_stack([self.to_numbers(name, numerals) for name in chosen])
        wrong = np.isinf(values) if options.missing == "mask" else ~np.isfinite(values)
        if options.missing != "interpolate" and wrong.any():
            row, column = map(int, np.argwhere(wrong)[0])
            self.refuse(
                chosen[column],
                row,
                "is missing or infinite; fill it with missing='interpolate' (--missing interpolate)",
            )
        return values

    def to_numbers(self, name: str, numerals: Numerals) -> np.ndarray:
        """Convert a column to numbers, shape (T,); NaN where a value is missing."""
        cells = self.columns[name]
        if not holds_objects(cells):
            kind: Any = cells.dtype  # pyright: ignore[reportAttributeAccessIssue] - a pandas Series
            if getattr(kind, "kind", "f") == "c":
                self.fault(f"column {name!r} holds complex numbers; give their real and imaginary parts as two columns")
            return np.asarray(cells.to_numpy(np.float64, na_value=np.nan))  # pyright: ignore[reportAttributeAccessIssue] - the same
        if holds_times(cells):
            kind = "durations" if holds_durations(cells) else "dates"
            self.fault(f"column {name!r} holds {kind}; give numbers, or name it as the time (time={name!r}, --time)")
        cells = list(cells)
        found = parse_booleans(cells)
        if found is not None:
            return found
        numbers = [numerals.number(cell) for cell in cells]
        if None in numbers:
            self._refuse_text(name, cells, numbers, numerals)
        self._refuse_mixed_units(name, cells, numbers)
        return np.array(numbers, np.float64)

    def _refuse_text(self, name: str, cells: Cells, numbers: Sequence[float | None], numerals: Numerals) -> NoReturn:
        """Raise an error for the first cell that is not a number,
        with advice that depends on the other cells."""
        row = numbers.index(None)
        advice = "choose the columns to read by name (--column), or the column that names several series (--id)"
        if Numerals(OTHER[numerals.decimal]).number(cells[row]) is not None:
            advice = f"other cells have {numerals.decimal!r} as decimal sign; use one sign for all numbers"
        elif 2 * sum(number is not None for number in numbers) > len(numbers):
            advice = "leave a cell empty where its value is missing, and write numbers without letters"
        elif any(map(str.isdigit, str(cells[row]))):
            advice = "write numbers without letters and signs, or choose the columns to read by name (--column)"
        self.refuse(name, row, f"is not a number; {advice}")

    def _refuse_mixed_units(self, name: str, cells: Cells, numbers: Sequence[float | None]) -> None:
        """Raise an error if the numbers of a column have different units,
        such as percent and a currency."""
        units = [find_unit(cell) for cell in cells]
        if not any(units):
            return
        first = next(unit for unit in units if unit)
        for row, (unit, number) in enumerate(zip(units, numbers, strict=True)):
            bare = not unit and first == "%" and number is not None and abs(number) > 0
            if (unit and unit != first) or bare:
                self.refuse(name, row, f"has another unit than the numbers with {first!r} in this column")

    def _set_zone(self, times: np.ndarray, calendar: Calendar, zone: str) -> tuple[np.ndarray, Calendar]:
        """Convert times to UTC and the calendar to the time zone that the user named."""
        if times.dtype.kind != "M":
            self.fault(f"zone={zone!r}: the times are numbers and have no time zone; leave it out")
        if calendar.zone is None:
            times = to_utc(times, zone)
        calendar = Calendar(zone=zone)
        to_index(times[:1], calendar)
        return times, calendar
