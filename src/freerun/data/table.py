"""`Table`: named columns as they were found, and what they mean: which is the time, which are numbers.

Every file, DataFrame and other table becomes one of these before it becomes a `Series`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from freerun.data.columns import Cells, holds_objects, holds_spans, holds_times
from freerun.data.numerals import OTHER, Decimals, Numerals, is_missing, truth, unit_of
from freerun.data.rows import ReadOptions, Rows
from freerun.data.timecolumn import FoundTimes, times_of
from freerun.data.timeline import Calendar, in_zone, is_count, to_index
from freerun.data.wide import refuse_wide
from freerun.errors import SeriesError, SeriesFileError

if TYPE_CHECKING:
    import pandas as pd

UNIQUE_ID = "unique_id"
"""The column that tells the series of a table apart unless another one is named."""

NAMED = 20
"""Most columns that a message names."""


@dataclass(frozen=True)
class Table:
    """Columns by name, as they were found.

    Attributes:
        columns: cells by name.
        named: whether the names were found, too.
        index: the index of a DataFrame, if it is more than a count from 0.
        source: the path of the file, for messages; empty for a table in memory.
        lines: of the rows in the file.
        decimal: the decimal sign where no cell decides.
    """

    columns: Mapping[str, Cells]
    named: bool = True
    index: pd.Index | None = None
    source: str = ""
    lines: Sequence[int] | None = None
    decimal: Decimals | None = None

    @classmethod
    def of_frame(cls, frame: pd.DataFrame, source: str = "") -> Table:
        """The table in a DataFrame.

        Raises:
            SeriesError: no rows, names that occur twice, or names or an index of several levels.
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
        """The channels and times that are asked for.

        Raises:
            SeriesError: a column is absent or is none of numbers, several series stand below each other, or it cannot
                be told what is the time; a `SeriesFileError` with file, line and column where the table has a file.
        """
        if options.id is None and UNIQUE_ID in self.columns and UNIQUE_ID not in options.columns:
            options = replace(options, id=UNIQUE_ID)
        if options.id is not None:
            return self._one_of(options)
        self._refuse_unknown((*options.columns, *((options.time,) if options.time else ())))
        if not options.columns:
            refuse_wide(self)
        numerals = self._numerals(options)
        times = times_of(self, options.time, options.columns, numerals)
        chosen = options.columns or tuple(name for name in self.columns if name not in times.columns)
        if not chosen:
            names = ", ".join(map(repr, times.columns))
            only = f"columns, {names}, are" if len(self.columns) > 1 else f"column, {names}, is"
            self.fault(f"the only {only} the time; there is no channel")
        if times.timed:
            self._refuse_long_format(times, options)
        values = self._matrix(chosen, options, numerals)
        if not times.timed:
            counted = np.arange(len(self), dtype=float)
            return Rows(values, chosen if self.named else (), counted, labelled=self.index is None and not self.source)
        calendar = times.calendar
        moments = times.times
        if options.zone is not None:
            moments, calendar = self._in_zone(moments, calendar, options.zone)
        return Rows(values, chosen if self.named else (), moments, calendar, timed=True, labelled=True)

    def groups(self, column: str) -> dict[str, Table]:
        """The tables of the series that a column tells apart, in the order in which they come."""
        self._refuse_unknown([column])
        cells = list(self.columns[column])
        for row, cell in enumerate(cells):
            if is_missing(cell):
                self.refuse(column, row, "names no series; fill it in")
        rows: dict[str, list[int]] = {}
        for row, cell in enumerate(cells):
            rows.setdefault(str(cell), []).append(row)
        rest = {name: cells for name, cells in self.columns.items() if name != column}
        if not rest:
            self.fault(f"there is no column beside {column!r}, which names the series")
        return {name: replace(self, columns=rest)._taken(places) for name, places in rows.items()}

    def fault(self, text: str) -> NoReturn:
        """Refuse the table."""
        if self.source:
            raise SeriesFileError(f"{self.source}: {text}")
        raise SeriesError(text)

    def refuse(self, column: str, row: int, fault: str) -> NoReturn:
        """Refuse a cell, with the place where it stands."""
        cell = str(list(self.columns[column])[row])[:40]
        if self.lines is not None:
            raise SeriesFileError(f"{self.source}, line {self.lines[row]}, column {column!r}: {cell!r} {fault}")
        self.fault(f"row {row}, column {column!r}: {cell!r} {fault}")

    def refuse_twice(self, names: Sequence[str]) -> None:
        """Refuse names that occur twice."""
        seen: set[str] = set()
        for name in names:
            if name in seen:
                self.fault(f"two columns are named {name!r}; give each a name of its own")
            seen.add(name)

    def _taken(self, rows: Sequence[int]) -> Table:
        """Some of the rows."""
        columns = {
            name: [cells[row] for row in rows] if isinstance(cells, list) else cells.iloc[list(rows)]  # pyright: ignore[reportAttributeAccessIssue] - a pandas Series
            for name, cells in self.columns.items()
        }
        lines = None if self.lines is None else [self.lines[row] for row in rows]
        index = None if self.index is None else self.index[list(rows)]
        return replace(self, columns=columns, lines=lines, index=index)

    def _one_of(self, options: ReadOptions) -> Rows:
        """The rows of the one series that is asked for."""
        asked = options.id or ""
        column, equals, wanted = (asked, "", "") if asked in self.columns else asked.partition("=")
        groups = self.groups(column)
        names = ", ".join(list(groups)[:NAMED]) + (", ..." if len(groups) > NAMED else "")
        if equals and wanted not in groups:
            self.fault(f"column {column!r} names no series {wanted!r}; there are: {names}")
        if not equals and len(groups) > 1:
            self.fault(
                f"{len(groups)} series stand below each other (long format), told apart by {column!r}: {names}; name "
                f"one of them (--id {column}={next(iter(groups))}), or learn them together (--id {column} of `freerun "
                "fit`, Series.panel in Python)"
            )
        return groups[wanted if equals else next(iter(groups))].rows(replace(options, id=None))

    def _refuse_unknown(self, wanted: Sequence[str]) -> None:
        for name in wanted:
            if name not in self.columns:
                shown = ", ".join(list(self.columns)[:NAMED])
                more = f", ... ({len(self.columns)} in all)" if len(self.columns) > NAMED else ""
                self.fault(f"no column {name!r}; there are: {shown}{more}")

    def _refuse_long_format(self, times: FoundTimes, options: ReadOptions) -> None:
        """Refuse several series that stand below each other, where nothing tells them apart but a column."""
        unique, places = np.unique(times.times, return_inverse=True)
        if len(unique) == len(times.times):
            return
        others = [name for name in self.columns if name not in (*times.columns, *options.columns)]
        for name in others:
            cells = [str(cell) for cell in self.columns[name]]
            kinds = set(cells)
            if 1 < len(kinds) <= len(cells) // 2 and len(set(zip(cells, places.tolist(), strict=True))) == len(cells):
                self.fault(
                    f"{len(kinds)} series stand below each other (long format), as column {name!r} tells: times occur "
                    f"once for each of its names; name that column (--id {name}, or --id {name}={cells[0]} for one "
                    f"series; id={name!r} in Python)"
                )

    def _numerals(self, options: ReadOptions) -> Numerals:
        """How numbers are written, by the columns that are chosen and the one that may be a time in numbers."""
        if options.decimal is not None:
            return Numerals(options.decimal)
        first = options.time or next(iter(self.columns))
        names = [*options.columns, first] if options.columns else list(self.columns)
        cells = [self.columns[name] for name in dict.fromkeys(names)]
        return Numerals.of([list(column) for column in cells if holds_objects(column)], self.decimal)

    def _matrix(self, chosen: tuple[str, ...], options: ReadOptions, numerals: Numerals) -> np.ndarray:
        """The columns as numbers, shape (T, D)."""
        if numerals.doubtful is not None:
            self.fault(
                f"{numerals.doubtful!r} may be a number with decimals, or a thousand and more; name the decimal sign "
                "(decimal='.' or ',', --decimal)"
            )
        values = np.column_stack([self._numbers(name, numerals) for name in chosen])
        wrong = np.isinf(values) if options.missing == "mask" else ~np.isfinite(values)
        if options.missing != "interpolate" and wrong.any():
            row, column = map(int, np.argwhere(wrong)[0])
            self.refuse(
                chosen[column],
                row,
                "is missing or infinite; fill it with missing='interpolate' (--missing interpolate)",
            )
        return values

    def _numbers(self, name: str, numerals: Numerals) -> np.ndarray:
        """A column as numbers, NaN where a value is missing."""
        cells = self.columns[name]
        if not holds_objects(cells):
            kind: Any = cells.dtype  # pyright: ignore[reportAttributeAccessIssue] - a pandas Series
            if getattr(kind, "kind", "f") == "c":
                self.fault(f"column {name!r} holds complex numbers; give their real and imaginary parts as two columns")
            return np.asarray(cells.to_numpy(np.float64, na_value=np.nan))  # pyright: ignore[reportAttributeAccessIssue] - the same
        if holds_times(cells):
            kind = "spans of time" if holds_spans(cells) else "dates"
            self.fault(f"column {name!r} holds {kind}; give numbers, or name it as the time (time={name!r}, --time)")
        cells = list(cells)
        found = truth(cells)
        if found is not None:
            return found
        numbers = [numerals.number(cell) for cell in cells]
        if None in numbers:
            self._refuse_text(name, cells, numbers, numerals)
        self._refuse_mixed_units(name, cells, numbers)
        return np.array(numbers, np.float64)

    def _refuse_text(self, name: str, cells: Cells, numbers: Sequence[float | None], numerals: Numerals) -> NoReturn:
        """Refuse a column for its first cell that is no number, with what helps."""
        row = numbers.index(None)
        advice = "choose the columns to read by name (--column), or name the one that tells several series apart (--id)"
        if Numerals(OTHER[numerals.decimal]).number(cells[row]) is not None:
            advice = f"other cells have {numerals.decimal!r} as decimal sign; write all numbers alike"
        elif 2 * sum(number is not None for number in numbers) > len(numbers):
            advice = "leave a cell empty where its value is missing, and write numbers without letters"
        elif any(map(str.isdigit, str(cells[row]))):
            advice = "write numbers without letters and signs, or choose the columns to read by name (--column)"
        self.refuse(name, row, f"is not a number; {advice}")

    def _refuse_mixed_units(self, name: str, cells: Cells, numbers: Sequence[float | None]) -> None:
        """Refuse a column in which some numbers are percent, or of another currency than others."""
        units = [unit_of(cell) for cell in cells]
        if not any(units):
            return
        first = next(unit for unit in units if unit)
        for row, (unit, number) in enumerate(zip(units, numbers, strict=True)):
            bare = not unit and first == "%" and number is not None and abs(number) > 0
            if (unit and unit != first) or bare:
                self.refuse(name, row, f"is of another unit than the numbers with {first!r} in this column")

    def _in_zone(self, times: np.ndarray, calendar: Calendar, zone: str) -> tuple[np.ndarray, Calendar]:
        """Times of which the user named the zone."""
        if times.dtype.kind != "M":
            self.fault(f"zone={zone!r}: the times are numbers, which have no time zone; leave it out")
        if calendar.zone is None:
            times = in_zone(times, zone)
        calendar = Calendar(zone=zone)
        to_index(times[:1], calendar)
        return times, calendar
