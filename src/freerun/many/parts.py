"""`Parts`: the results of chunks, kept in memory or on disk, and joined in the end.

On disk, each chunk is a Parquet file in a folder beside the output. It is written as
a whole or not at all. Its name holds the number of the chunk and a hash of its
content and of the task. A run therefore continues where another one ended. Chunks
whose data or task have changed are computed anew.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freerun.errors import OutputError, SettingError
from freerun.files.writing import replacing, require_folder
from freerun.many.reports import Report

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SUFFIX = ".parts"
"""Suffix of the folder of the parts, after the name of the output."""

REPORT = b"freerun"
"""Key of the report of a chunk in the metadata of its file."""

GROUP_ROWS = 100_000
"""Fewest rows of a row group of the output."""

SUFFIXES = (".parquet", ".csv")
"""Suffixes of the files that tables are written to."""


class Parts(ABC):
    """The results of chunks, in the order of the chunks."""

    @abstractmethod
    def report(self, number: int, key: str) -> Report | None:
        """Return the report of a chunk that is done; None if it is not.

        Args:
            number: number of the chunk.
            key: hash of its content and of the task.
        """

    @abstractmethod
    def add(self, number: int, key: str, table: pd.DataFrame | None, report: Report) -> None:
        """Keep the result of a chunk.

        Args:
            number: number of the chunk.
            key: hash of its content and of the task.
            table: its table; None for no rows.
            report: the report on the chunk.

        Raises:
            OutputError: it cannot be written.
        """

    @abstractmethod
    def tables(self) -> Iterator[pa.Table]:
        """Yield the tables of the chunks that have rows."""


class PartsInMemory(Parts):
    """Results in memory."""

    def __init__(self) -> None:
        self._tables: dict[int, pa.Table] = {}

    def report(self, number: int, key: str) -> Report | None:
        """See `Parts.report`; nothing is done before a run."""
        del number, key

    def add(self, number: int, key: str, table: pd.DataFrame | None, report: Report) -> None:
        """See `Parts.add`."""
        del key, report
        if table is not None:
            self._tables[number] = _to_arrow(table)

    def tables(self) -> Iterator[pa.Table]:
        """See `Parts.tables`."""
        yield from (self._tables[number] for number in sorted(self._tables))


class PartsOnDisk(Parts):
    """Results in a folder beside the output.

    Args:
        output: the file that they are joined to.

    Attributes:
        folder: the folder.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, output: Path) -> None:
        require_folder(output)
        self.folder = output.with_name(output.name + SUFFIX)
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be made ({error.strerror or error}); remove it") from error
        self._earlier = {path.name for path in self.folder.glob("[0-9]*.parquet")}
        self._paths: dict[int, Path] = {}
        for left in self.folder.glob(".*"):  # of a run that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)

    def is_stale(self, number: int) -> bool:
        """Whether another run has left a result of a chunk with this number,
        and of other data or another task."""
        return any(name.startswith(f"{number:06d}-") for name in self._earlier)

    def report(self, number: int, key: str) -> Report | None:
        """See `Parts.report`."""
        from pyarrow.parquet import read_schema

        path = self._path(number, key)
        if path.name not in self._earlier:
            return None
        self._paths[number] = path
        return Report.of_json((read_schema(path).metadata or {})[REPORT].decode())

    def add(self, number: int, key: str, table: pd.DataFrame | None, report: Report) -> None:
        """See `Parts.add`."""
        import pyarrow as pa
        from pyarrow.parquet import write_table

        arrow = pa.table({}) if table is None else _to_arrow(table)
        metadata = (arrow.schema.metadata or {}) | {REPORT: report.to_json().encode()}
        path = self._path(number, key)
        self._paths[number] = path  # before it is written, since Ctrl-C may come as soon as it is
        with replacing(path) as temporary:
            write_table(arrow.replace_schema_metadata(metadata), temporary)

    def tables(self) -> Iterator[pa.Table]:
        """See `Parts.tables`."""
        from pyarrow.parquet import read_table

        for _, path in sorted(self._paths.items()):
            if not path.exists():  # Ctrl-C came first
                continue
            table = read_table(path)
            if table.num_columns:
                yield table.replace_schema_metadata(_without_report(table.schema.metadata))

    def remove(self) -> None:
        """Remove the folder, once its parts are joined."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int, key: str) -> Path:
        return self.folder / f"{number:06d}-{key}.parquet"


def require_format(path: Path) -> None:
    """Check that a table can be written to a path, before any work is done.

    Raises:
        SettingError: the suffix is unknown.
        OutputError: there is no such folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SettingError(f"{path}: tables of many series are written as {' or '.join(SUFFIXES)}; choose one of them")
    require_folder(path)


def write_tables(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write tables one below the other, as Parquet or CSV by the suffix of the path;
    nothing if there are none.

    Raises:
        OutputError: the file cannot be written.
    """
    groups = _group(tables)
    first = next(groups, None)
    if first is not None:
        with replacing(path) as temporary:
            (_write_csv if path.suffix.lower() == ".csv" else _write_parquet)(temporary, first, groups)


def _write_parquet(path: Path, first: pa.Table, groups: Iterator[pa.Table]) -> None:
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for group in groups:
            writer.write_table(group.cast(first.schema))


def _write_csv(path: Path, first: pa.Table, groups: Iterator[pa.Table]) -> None:
    first.to_pandas().to_csv(path, index=False)
    for group in groups:
        group.to_pandas().to_csv(path, mode="a", header=False, index=False)


def _group(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join tables to larger ones of at least `GROUP_ROWS` rows, but for the last."""
    import pyarrow as pa

    waiting: list[Any] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _to_arrow(table: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pandas(table, preserve_index=False)


def _without_report(metadata: dict[bytes, bytes] | None) -> dict[bytes, bytes]:
    return {key: value for key, value in (metadata or {}).items() if key != REPORT}
