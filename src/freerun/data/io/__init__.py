"""File formats of series: a registry with the suffixes, the reader and the writer of each format.

To add a format, write a module and add it to `FORMATS`.

csv, excel, json, numpy, parquet  read and write one format each
source                            opens files, pipes and compressed files
grid                              converts rows of cells to a table and detects its header
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from freerun.data.io import csv, excel, json, numpy, parquet
from freerun.data.io.source import Source
from freerun.data.rows import ReadOptions, Rows
from freerun.data.table import Table
from freerun.errors import SeriesError, SeriesFileError
from freerun.files.writing import replacing

if TYPE_CHECKING:
    from freerun.data.series import Series


class Format(NamedTuple):
    """A file format.

    Attributes:
        suffixes: suffixes of its files, in lower case.
        read: reads a table, or the rows of an array.
        write: writes a series to a path; None if freerun does not write the format.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Source], Table | Rows]
    write: Callable[[Series, Path], None] | None = None


FORMATS = (
    Format((".csv", ".tsv", ".txt", ".dat"), csv.read, csv.write),
    Format((".parquet",), parquet.read, parquet.write),
    Format((".npy",), numpy.read_npy, numpy.write_npy),
    Format((".npz",), numpy.read_npz, numpy.write_npz),
    Format((".xlsx",), excel.read),
    Format((".json", ".jsonl", ".ndjson"), json.read),
)
"""All supported formats."""

READ = tuple(suffix for form in FORMATS for suffix in form.suffixes)
"""Suffixes of files that freerun reads."""

WRITTEN = tuple(suffix for form in FORMATS if form.write is not None for suffix in form.suffixes)
"""Suffixes of files that freerun writes."""


def read_table(path: str | Path) -> Table | Rows:
    """Read the table, or the rows of an array, from a file.

    Args:
        path: path of the file; `-` for standard input.

    Raises:
        SeriesFileError: the file does not exist, is empty or damaged, or has an unknown format.
    """
    source = Source.of(path)
    reader = next((form.read for form in FORMATS if source.suffix in form.suffixes), None)
    if reader is None:
        raise SeriesFileError(
            f"{path}: unknown format {source.suffix!r}; freerun reads {', '.join(READ)}, also compressed as .gz"
        )
    try:
        return reader(source)
    except SeriesFileError:
        raise
    except SeriesError as error:
        raise SeriesFileError(f"{path}: {error}") from error


def read_rows(path: str | Path, options: ReadOptions) -> Rows:
    """Read the rows of a series from a file.

    Args:
        path: path of the file; `-` for standard input.
        options: how to read the table.

    Raises:
        SeriesFileError: the file cannot be read with these options; the message names file,
            line and column.
    """
    found = read_table(path)
    if isinstance(found, Table):
        return found.rows(options)
    try:
        return select_columns(found, options)
    except SeriesError as error:
        raise SeriesFileError(f"{path}: {error}") from error


def select_columns(rows: Rows, options: ReadOptions) -> Rows:
    """Select the channels that the options name from the rows of an array.

    Raises:
        SeriesError: the options name a column that does not exist.
    """
    refuse_names(options, rows.channels)
    if not options.columns:
        return rows
    places = [rows.channels.index(name) for name in options.columns]
    return replace(rows, values=rows.values[:, places], channels=options.columns)


def refuse_names(options: ReadOptions, channels: tuple[str, ...] = ()) -> None:
    """Raise an error if options name a column that an array does not have.

    Args:
        options: options with names of columns.
        channels: names of the channels of the array; empty if it has none.

    Raises:
        SeriesError: a named column does not exist.
    """
    wrong = [name for name in options.columns if name not in channels]
    named = [*wrong, *(name for name in (options.time, options.id) if name is not None)]
    if named:
        there = f"; there are: {', '.join(channels)}" if channels else "; leave out --column, --time and --id"
        raise SeriesError(f"a NumPy array has no column {named[0]!r}{there}")


def write_series(series: Series, path: str | Path) -> None:
    """Write a series to a file. CSV, Parquet and npz store values, channel names and times;
    npy stores only values.

    Args:
        series: the series to write.
        path: path of the file, whose suffix selects the format.

    Raises:
        SeriesFileError: freerun writes no format with this suffix.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    writer = next((form.write for form in FORMATS if path.suffix.lower() in form.suffixes), None)
    if writer is None:
        raise SeriesFileError(f"{path}: unknown format {path.suffix!r}; freerun writes {', '.join(WRITTEN)}")
    with replacing(path) as beside:
        writer(series, beside)
