"""The formats of files that hold series, in one registry: suffixes, reader and writer of each.

In: a path. Out: the `Rows` that a file holds, or a file. To add a format, write its module and add it to `FORMATS`.
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
from freerun.writing import replacing

if TYPE_CHECKING:
    from freerun.data.series import Series


class Format(NamedTuple):
    """A format of files.

    Attributes:
        suffixes: of its files.
        read: the table, or the rows, in a file.
        write: writes a series to a path; None for a format that is only read.
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

READ = tuple(suffix for form in FORMATS for suffix in form.suffixes)
WRITTEN = tuple(suffix for form in FORMATS if form.write is not None for suffix in form.suffixes)
"""Suffixes of files that are read, and of those that are written."""


def read_table(path: str | Path) -> Table | Rows:
    """What a file holds: a table, or the rows of an array.

    Raises:
        SeriesFileError: the file is absent, empty, damaged or of another format.
    """
    source = Source.of(path)
    reader = next((form.read for form in FORMATS if source.suffix in form.suffixes), None)
    if reader is None:
        raise SeriesFileError(
            f"{path}: unknown format {source.suffix!r}; freerun reads {', '.join(READ)}, and each of them as .gz"
        )
    try:
        return reader(source)
    except SeriesFileError:
        raise
    except SeriesError as error:
        raise SeriesFileError(f"{path}: {error}") from error


def read_rows(path: str | Path, options: ReadOptions) -> Rows:
    """The rows of the series in a file.

    Raises:
        SeriesFileError: the file cannot be read, or not as the options say; the message names file, line and column.
    """
    found = read_table(path)
    if isinstance(found, Table):
        return found.rows(options)
    try:
        return chosen(found, options)
    except SeriesError as error:
        raise SeriesFileError(f"{path}: {error}") from error


def chosen(rows: Rows, options: ReadOptions) -> Rows:
    """The rows of an array, of which only channels can be chosen, where they have names.

    Raises:
        SeriesError: other names are given.
    """
    refuse_names(options, rows.channels)
    if not options.columns:
        return rows
    places = [rows.channels.index(name) for name in options.columns]
    return replace(rows, values=rows.values[:, places], channels=options.columns)


def refuse_names(options: ReadOptions, channels: tuple[str, ...] = ()) -> None:
    """Refuse names of columns for an array that has none, or other ones.

    Raises:
        SeriesError: one is given.
    """
    wrong = [name for name in options.columns if name not in channels]
    named = [*wrong, *(name for name in (options.time, options.id) if name is not None)]
    if named:
        there = f"; there are: {', '.join(channels)}" if channels else "; leave --column, --time and --id out"
        raise SeriesError(f"an array of NumPy has no column {named[0]!r}{there}")


def write_series(series: Series, path: str | Path) -> None:
    """Write a series; CSV and Parquet keep channel names and times, npz keeps them as arrays, npy keeps values only.

    Raises:
        SeriesFileError: the suffix is none of the formats that freerun writes.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    writer = next((form.write for form in FORMATS if path.suffix.lower() in form.suffixes), None)
    if writer is None:
        raise SeriesFileError(f"{path}: unknown format {path.suffix!r}; freerun writes {', '.join(WRITTEN)}")
    with replacing(path) as beside:
        writer(series, beside)
