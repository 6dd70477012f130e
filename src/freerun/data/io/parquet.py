"""Reads and writes Parquet files with pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freerun.data.io.source import Source
from freerun.data.table import Table
from freerun.errors import SeriesFileError

if TYPE_CHECKING:
    import pandas as pd

    from freerun.data.series import Series


def read(source: Source) -> Table:
    """Read the table of a Parquet file.

    Raises:
        SeriesFileError: the file is damaged or expands too much.
    """
    stored = open_file(source)
    source.refuse_expansion(stored.metadata.num_rows * stored.metadata.num_columns * 8)
    with _as_series_errors(source.name):
        frame = stored.read().to_pandas()
    return Table.of_frame(frame, source.name)


def open_file(source: Source) -> Any:
    """Open a Parquet file as a `pyarrow.parquet.ParquetFile`.

    Raises:
        SeriesFileError: the file is damaged.
    """
    from pyarrow.parquet import ParquetFile

    with _as_series_errors(source.name):
        return ParquetFile(source.opened())


def read_group(name: str, stored: Any, number: int) -> pd.DataFrame:
    """Read a row group of a Parquet file.

    Args:
        name: name of the file, for messages.
        stored: the open `ParquetFile`.
        number: number of the row group, from 0.

    Raises:
        SeriesFileError: the file is damaged.
    """
    with _as_series_errors(name):
        return stored.read_row_group(number).to_pandas()


def write(series: Series, path: Path) -> None:
    """Write a series as Parquet, with the times as index."""
    series.to_pandas().to_parquet(path)


@contextmanager
def _as_series_errors(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # readers raise errors of many types for damaged files
        first = str(error).partition("\n")[0] or type(error).__name__
        raise SeriesFileError(f"{name}: not a readable Parquet file ({first})") from error
