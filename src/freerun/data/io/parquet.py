"""Parquet files."""

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
    """The table in a Parquet file.

    Raises:
        SeriesFileError: it is damaged.
    """
    stored = opened(source)
    source.refuse_expansion(stored.metadata.num_rows * stored.metadata.num_columns * 8)
    with _readable(source.name):
        frame = stored.read().to_pandas()
    return Table.of_frame(frame, source.name)


def opened(source: Source) -> Any:
    """A Parquet file as pyarrow's `ParquetFile`.

    Raises:
        SeriesFileError: it is damaged.
    """
    from pyarrow.parquet import ParquetFile

    with _readable(source.name):
        return ParquetFile(source.opened())


def group(name: str, stored: Any, number: int) -> pd.DataFrame:
    """A row group of a Parquet file.

    Raises:
        SeriesFileError: it is damaged.
    """
    with _readable(name):
        return stored.read_row_group(number).to_pandas()


def write(series: Series, path: Path) -> None:
    """Write a series as Parquet, its times as the index."""
    series.to_pandas().to_parquet(path)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever the reader makes of a damaged file
        first = str(error).partition("\n")[0] or type(error).__name__
        raise SeriesFileError(f"{name}: not a readable Parquet file ({first})") from error
