"""`Chunk`: consecutive series of a long table that are sent to a worker together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas.util
from pandas import Index
from pandas import Series as PandasSeries

from freerun.data.columns import Cells, holds_objects, holds_times
from freerun.data.rows import ReadOptions, Rows
from freerun.data.series import Series
from freerun.data.table import Table
from freerun.data.timeline import from_index
from freerun.errors import SeriesError
from freerun.many.columns import Clock, Columns
from freerun.many.tables import LongTable

MOST_SERIES = 50
"""Most series of a chunk. A run that is killed loses one chunk of each worker."""

FEWEST_CHUNKS = 64
"""Fewest chunks of a table with that many series, so that several workers have work."""

MOST_CHUNKS = 5000
"""Most chunks of a table of short series; chunks of larger tables have more series."""

MOST_ROWS = 50_000
"""Most rows of a chunk of several series. A longer series is a chunk by itself."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive series of a table, whose rows lie one below the other.

    Attributes:
        number: number of the chunk, from 0.
        names: names of the series.
        ends: number of the row after the last one of each series.
        table: the rows, without the column of the names.
    """

    number: int
    names: tuple[object, ...]
    ends: tuple[int, ...]
    table: Table

    def key(self, task: str) -> str:
        """Compute a hash of the content and of the task, 16 hexadecimal digits.

        Args:
            task: the key of the task.
        """
        content = hashlib.sha256(repr((task, self.number, self.names, self.ends)).encode())
        for name, cells in self.table.columns.items():
            column: Any = PandasSeries(cells, dtype=object) if isinstance(cells, list) else cells
            content.update(f"{name} {column.dtype}".encode())
            content.update(_hash_cells(column).tobytes())
        return content.hexdigest()[:16]

    def series(self, columns: Columns, options: ReadOptions) -> Iterator[tuple[object, Series | SeriesError]]:
        """Convert the rows to series.

        Args:
            columns: the columns of the table.
            options: how to read them.

        Yields:
            The name of a series, with the series or with the reason why its rows are none.
        """
        given = columns.read_options(options)
        rows = self._rows(columns, given)
        for name, (start, stop) in zip(self.names, pairwise((0, *self.ends)), strict=True):
            try:
                part = rows.between(start, stop) if rows is not None else self.table.between(start, stop).rows(given)
                yield name, _to_series(part, columns, given)
            except SeriesError as error:
                yield name, error

    def static(self, columns: Columns) -> Iterator[dict[str, float | str] | SeriesError]:
        """Read the static covariates of each series: numbers as numbers, all else as text.

        Args:
            columns: the columns of the table.

        Yields:
            The covariates by their columns, or the reason why they are none.
        """
        for start, stop in pairwise((0, *self.ends)):
            try:
                yield {name: _read_constant(name, self.table.columns[name][start:stop]) for name in columns.static}
            except SeriesError as error:
                yield error

    def _rows(self, columns: Columns, options: ReadOptions) -> Rows | None:
        """Convert the rows of all series at once.

        Returns:
            The rows. None if each series has to be read by itself: one of them has a fault,
            or times are in text or in several columns.
        """
        times = [self.table.columns[name] for name in columns.times]
        try:
            if not times:
                return self.table.rows(options)
            if len(times) > 1 or options.zone is not None or _is_text(times[0]):
                return None
            found, calendar = from_index(Index(times[0]))
            rows = self.table.without(columns.time).rows(replace(options, time=None))
            moments = found if len(found) else np.asarray(times[0])
            return replace(rows, times=moments, calendar=calendar, timed=True, labelled=True)
        except SeriesError:
            return None


def _read_constant(name: str, cells: Cells) -> float | str:
    """Return the value that all cells of a static covariate have.

    Raises:
        SeriesError: a cell is missing, or they differ.
    """
    column = PandasSeries(cells)
    found = column.unique()
    if column.isna().any() or len(found) != 1:
        fault = "is missing" if column.isna().any() else f"changes from {found[0]!s} to {found[1]!s}"
        raise SeriesError(f"the static covariate {name!r} {fault}; it must have one value for each series")
    return float(found[0]) if column.dtype.kind in "iufb" else str(found[0])


def _hash_cells(column: Any) -> np.ndarray:
    """Return a hash of each cell of a pandas Series."""
    hashes: Any = pandas.util.hash_pandas_object  # its stub is of an older version
    try:
        return np.asarray(hashes(column, index=False))
    except TypeError:  # cells such as lists
        return np.asarray(hashes(column.astype(str), index=False))


def _is_text(cells: Cells) -> bool:
    return holds_objects(cells) and not holds_times(cells)


def _to_series(rows: Rows, columns: Columns, options: ReadOptions) -> Series:
    """Convert the rows of one series.

    Raises:
        SeriesError: the rows are no series, or its times are of another kind than those of the
            table.
    """
    series = Series.of_rows(rows, options)
    clock = Clock.of(series)
    if series.timed and not clock.agrees(columns.clock):
        raise SeriesError(
            f"its times are {clock.description}, those of other series {columns.clock.description}; give them in a "
            "table of their own"
        )
    return series.with_inputs(list(columns.inputs)) if columns.inputs else series


def divide(rows: Sequence[int] | np.ndarray, cost: int = 1) -> list[tuple[int, int]]:
    """Divide series into chunks. The division depends on the table alone,
    so that a run can be resumed.

    Args:
        rows: number of rows of each series, shape (series,).
        cost: number of fits of each series.

    Returns:
        The first series of each chunk, and the one after the last.
    """
    count = len(rows)
    most = max(1, min(MOST_SERIES, -(-count // FEWEST_CHUNKS)) // cost, count // MOST_CHUNKS)
    found: list[tuple[int, int]] = []
    first = total = 0
    for number, length in enumerate(np.asarray(rows).tolist()):
        if number > first and (number - first >= most or total + length > MOST_ROWS):
            found.append((first, number))
            first, total = number, 0
        total += length
    return [*found, (first, count)] if count else []


def chunks_of(table: LongTable, bounds: Sequence[tuple[int, int]], scratch: Path | None) -> Iterator[Chunk]:
    """Yield the chunks of a table.

    Args:
        table: the table, its series counted.
        bounds: the first series of each chunk and the one after the last; see `divide`.
        scratch: folder for temporary files; None takes that of the system.
    """
    counts = [int(table.rows[first:last].sum()) for first, last in bounds]
    for number, ((first, last), part) in enumerate(zip(bounds, table.tables(counts, scratch), strict=True)):
        ends = np.cumsum(table.rows[first:last]).tolist()
        yield Chunk(number, tuple(table.names[first:last]), tuple(ends), part)
