"""`LongTable`: the series of a table in long format,
in memory or in Parquet files that are read in parts.

A table in memory is sorted by series. Parquet files are read twice: first the column
with the names of the series, to count rows, then all columns that are needed. If the
rows of a series lie in several places of a large file, they are gathered in
temporary files, each of which fits into memory.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.data.columns import holds_objects, holds_times
from freerun.data.interchange import as_pandas, is_table
from freerun.data.io import read_table
from freerun.data.io.source import STDIN, Source
from freerun.data.numerals import is_missing
from freerun.data.rows import ReadOptions
from freerun.data.table import Table
from freerun.data.timecolumn import find_times
from freerun.data.timeline import to_index
from freerun.errors import OutputError, SeriesError, SeriesFileError
from freerun.many.columns import Columns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

HEAD = 20_000
"""First rows, by which the columns are chosen."""

BATCH = 2**16
"""Rows of a Parquet file that are read at a time."""

IN_MEMORY = 4_000_000
"""Most rows of a file with scattered series that are sorted in memory at a time."""

NUMBERED_INDEX = "__index_level_"
"""Beginning of the names that pandas gives to an unnamed index in a Parquet file."""


class LongTable(ABC):
    """The series of a table in long format.

    Attributes:
        head: the first rows, with all columns.
        names: names of the series in the order of their first rows; set by `count`.
        rows: number of rows of each, shape (series,); set by `count`.
        unnamed: number of rows without the name of a series; set by `count`.
    """

    head: Table
    names: Sequence[object]
    rows: np.ndarray
    unnamed: int = 0

    @abstractmethod
    def count(self, columns: Columns, options: ReadOptions) -> None:
        """Find the series and count their rows.

        Args:
            columns: the columns to read.
            options: how to read them.

        Raises:
            SeriesError: numbers are ambiguous, or a file is damaged.
        """

    @abstractmethod
    def tables(self, counts: Sequence[int], scratch: Path | None) -> Iterator[Table]:
        """Yield consecutive parts of the table, sorted by series, without the names of the series.

        Args:
            counts: number of rows of each part.
            scratch: folder for temporary files; None takes that of the system.
        """


def open_table(data: Any) -> LongTable:
    """Open a table in long format.

    Args:
        data: a DataFrame of pandas, polars, Arrow or another library; or the path of a file,
            or of a folder of Parquet files.

    Raises:
        SeriesError: the data are no table, or cannot be read.
    """
    if isinstance(data, str | Path):
        path = Path(data)
        if path.is_dir():
            files = sorted(path.glob("**/*.parquet"))
            if not files:
                raise SeriesFileError(f"{path}: the folder has no Parquet file (*.parquet)")
            return _ParquetTable(files)
        if str(data) != STDIN and path.is_file() and path.suffix.lower() == ".parquet":
            return _ParquetTable([path])
        found = read_table(data)
        if not isinstance(found, Table):
            raise SeriesFileError(f"{data}: a NumPy array has no columns; give a table that names its series")
        return _MemoryTable(found)
    frame = as_pandas(data)
    if isinstance(data, Table):
        return _MemoryTable(data)
    if not is_table(frame):
        raise SeriesError(
            f"many series are given as a table or a path, not as a {type(data).__name__}; give a DataFrame with a "
            "column that names the series"
        )
    return _MemoryTable(Table.of_frame(_without_index(frame)))


def _without_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn an index with a name, dates or several levels into columns; drop any other."""
    import pandas as pd

    dated = isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex)
    keep = frame.index.nlevels > 1 or frame.index.name is not None or dated
    return frame.reset_index(drop=not keep)


class _MemoryTable(LongTable):
    """A table in memory."""

    def __init__(self, table: Table) -> None:
        self._table, self._order = table, np.empty(0, int)
        self.head = table.between(0, HEAD)

    def count(self, columns: Columns, options: ReadOptions) -> None:
        """See `LongTable.count`."""
        import pandas as pd

        cells = self._table.columns[columns.id]
        codes, found = pd.factorize(np.array(cells, object) if isinstance(cells, list) else cells)
        names = list(found)
        nameless = np.array([is_missing(name) for name in names], bool)
        codes = np.where((codes >= 0) & ~np.append(nameless, True)[codes], codes, -1)
        kept = np.flatnonzero(codes >= 0)
        order = kept[np.argsort(codes[kept], kind="stable")]
        self.unnamed = len(codes) - len(kept)
        counted = np.bincount(codes[kept], minlength=len(names))
        self.names = [name for name, gone in zip(names, nameless, strict=True) if not gone]
        self.rows = counted[~nameless]
        needed = _parse_texts(self._table.select(*columns.read), columns, options)
        # rows that are in order already are not copied
        self._table = needed if len(order) == len(codes) and (np.diff(order) > 0).all() else needed.take(order)

    def tables(self, counts: Sequence[int], scratch: Path | None) -> Iterator[Table]:
        """See `LongTable.tables`."""
        del scratch
        start = 0
        for count in counts:
            yield self._table.between(start, start + count)
            start += count


def _parse_texts(table: Table, columns: Columns, options: ReadOptions) -> Table:
    """Parse columns of text as a whole. All cells of a column together tell its format.

    A column that cannot be parsed as a whole stays as it is;
    the series with the fault is found later.

    Raises:
        SeriesError: numbers are ambiguous.
    """
    import pandas as pd

    texts = {
        name: list(cells) for name, cells in table.columns.items() if holds_objects(cells) and not holds_times(cells)
    }
    if not texts:
        return table
    parsed: dict[str, Any] = {**table.columns, **texts}
    table = replace(table, columns=parsed)
    given = columns.read_options(options)
    numerals = table.detect_numerals(given)
    numbers: dict[str, Any] = {}
    for name in texts:
        with suppress(SeriesError):
            if name not in columns.times:
                numbers[name] = pd.Series(table.to_numbers(name, numerals))
            elif len(columns.times) == 1:
                found = find_times(table.select(name), name, (), numerals)
                numbers[name] = pd.Series(to_index(found.times, found.calendar))
    return replace(table, columns=parsed | numbers)


class _ParquetTable(LongTable):
    """A table in Parquet files, which is read in parts."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._codes: dict[Any, int] = {}
        self._columns: Columns | None = None
        self._scattered = False
        schema = self._file(self._paths[0]).schema_arrow
        names = [
            field.name
            for field in schema
            if not field.name.startswith(NUMBERED_INDEX) or "timestamp" in str(field.type)
        ]
        first = next(self._batches(names, HEAD), None)
        if first is None:
            raise SeriesFileError(f"{self._paths[0]}: the table holds no rows")
        self.head = Table.of_frame(_to_frame(first), str(self._paths[0]))

    def count(self, columns: Columns, options: ReadOptions) -> None:
        """See `LongTable.count`."""
        del options
        self._columns = columns
        counts: list[np.ndarray] = []
        runs, last = 0, -1
        for batch in self._batches([columns.id], BATCH):
            codes = self._encode(batch.column(0))
            self.unnamed += int((codes < 0).sum())
            codes = codes[codes >= 0]
            if not len(codes):
                continue
            counts.append(np.bincount(codes))
            runs += int(codes[0] != last) + int((np.diff(codes) != 0).sum())
            last = int(codes[-1])
        self.names = list(self._codes)
        self.rows = np.zeros(len(self.names), int)
        for counted in counts:
            self.rows[: len(counted)] += counted
        self._scattered = runs > len(self.names)

    def tables(self, counts: Sequence[int], scratch: Path | None) -> Iterator[Table]:
        """See `LongTable.tables`."""
        import pyarrow as pa

        assert self._columns is not None
        parts = self._sort_rows(scratch) if self._scattered else (rows for rows, _ in self._read_rows())
        waiting: list[pa.Table] = []
        there = 0
        for count in counts:
            while there < count:
                waiting.append(next(parts))
                there += len(waiting[-1])
            rows = pa.concat_tables(waiting)
            there -= count
            waiting = [rows.slice(count)] if there else []
            yield Table.of_frame(_to_frame(rows.slice(0, count))).select(*self._columns.read)

    def _read_rows(self) -> Iterator[tuple[pa.Table, np.ndarray]]:
        """Yield the needed columns of the rows that have the name of a series,
        and the number of the series of each."""
        import pyarrow as pa

        assert self._columns is not None
        for batch in self._batches([self._columns.id, *self._columns.read], BATCH):
            codes = self._encode(batch.column(self._columns.id))
            rows = pa.table(batch).select(list(self._columns.read)).replace_schema_metadata(None)
            known = codes >= 0
            if known.any():
                yield (rows, codes) if known.all() else (rows.filter(pa.array(known)), codes[known])

    def _sort_rows(self, scratch: Path | None) -> Iterator[pa.Table]:
        """Yield the rows sorted by series, from files that hold the rows of some series each."""
        import pyarrow as pa

        ends = np.cumsum(self.rows)
        bucket = (ends - self.rows) // IN_MEMORY
        if bucket[-1] == 0:
            tables, codes = zip(*self._read_rows(), strict=True)
            yield pa.concat_tables(tables).take(pa.array(np.argsort(np.concatenate(codes), kind="stable")))
            return
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".sorting-") as folder:
            yield from self._sorted_buckets(Path(folder), bucket)

    def _sorted_buckets(self, folder: Path, bucket: np.ndarray) -> Iterator[pa.Table]:
        """Write the rows of each bucket to a file of its own, then yield them sorted by series.

        Args:
            folder: a folder for the files.
            bucket: the bucket of each series, ascending, shape (series,).
        """
        import pyarrow as pa

        streams: dict[int, Any] = {}
        try:
            for rows, codes in self._read_rows():
                marked = rows.append_column(CODE, pa.array(codes))
                places = bucket[codes]
                for number in np.unique(places).tolist():
                    if number not in streams:
                        streams[number] = pa.ipc.new_stream(str(folder / str(number)), marked.schema)
                    streams[number].write_table(marked.filter(pa.array(places == number)))
            for stream in streams.values():
                stream.close()
        except OSError as error:
            raise OutputError(
                f"{folder}: the rows of scattered series cannot be gathered there ({error}); sort the file by series, "
                "or make room"
            ) from error
        for number in sorted(streams):
            with pa.memory_map(str(folder / str(number))) as source:
                rows = pa.ipc.open_stream(source).read_all()
                order = np.argsort(rows.column(CODE).to_numpy(), kind="stable")
                yield rows.drop_columns([CODE]).take(pa.array(order))
            (folder / str(number)).unlink()

    def _encode(self, column: Any) -> np.ndarray:
        """Return the number of the series of each row, -1 where its name is missing.
        New names get the next numbers."""
        coded = column.dictionary_encode()
        indices = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        used, first = np.unique(indices, return_index=True)
        used = used[np.argsort(first)]
        used = used[used >= 0]
        numbers = np.full(len(coded.dictionary) + 1, -1)
        for place, name in zip(used.tolist(), coded.dictionary.take(used).to_pylist(), strict=True):
            if not is_missing(name):
                numbers[place] = self._codes.setdefault(name, len(self._codes))
        return numbers[indices]

    def _batches(self, names: Sequence[str], rows: int) -> Iterator[Any]:
        for path in self._paths:
            file = self._file(path)
            missing = [name for name in names if name not in file.schema_arrow.names]
            if missing:
                raise SeriesFileError(
                    f"{path}: no column {missing[0]!r}; there are: {', '.join(file.schema_arrow.names)}"
                )
            try:
                yield from file.iter_batches(rows, columns=list(names), use_threads=False)
            except (OSError, ValueError) as error:
                raise SeriesFileError(f"{path}: not a readable Parquet file ({error})") from error

    @staticmethod
    def _file(path: Path) -> Any:
        from freerun.data.io import parquet

        return parquet.open_file(Source.of(path))


CODE = "\N{NUMBER SIGN}freerun"
"""Column with the number of the series, in temporary files."""


def _to_frame(rows: Any) -> pd.DataFrame:
    import pyarrow as pa

    return pa.table(rows).to_pandas(ignore_metadata=True, date_as_object=False)
