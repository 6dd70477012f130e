"""Spreadsheets (xlsx), by openpyxl."""

from __future__ import annotations

import warnings
from typing import Any

from freerun.data.io.grid import Numbered, table_of
from freerun.data.io.source import Source
from freerun.data.table import Table
from freerun.errors import MissingExtraError, SeriesFileError, warn


def read(source: Source) -> Table:
    """The table in the first sheet of a spreadsheet that holds one; empty rows and columns around it are left out.

    Raises:
        SeriesFileError: it is damaged or holds no table.
        MissingExtraError: openpyxl is not installed.
    """
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise MissingExtraError(
            f"{source.name}: reading spreadsheets needs openpyxl; install freerun[excel], or save the sheet as CSV"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validations, which are not read
            book = load_workbook(source.opened(), read_only=True, data_only=True)
            sheets = {sheet.title: _rows(sheet) for sheet in book.worksheets}
    except Exception as error:  # whatever the reader makes of a damaged file
        raise SeriesFileError(f"{source.name}: not a readable spreadsheet ({error})") from error
    filled = {title: rows for title, rows in sheets.items() if rows}
    if not filled:
        raise SeriesFileError(f"{source.name}: no sheet holds any rows")
    first = next(iter(filled))
    if len(filled) > 1:
        warn(f"{source.name}: sheet {first!r} is read, and not {', '.join(map(repr, list(filled)[1:]))}")
    return table_of(_trimmed(filled[first]), source.name)


def _rows(sheet: Any) -> list[Numbered]:
    """The rows of a sheet that are not empty, with their numbers; cells without a value are empty texts."""
    rows = enumerate(sheet.iter_rows(values_only=True), 1)
    return [
        (number, ["" if cell is None else cell for cell in row])
        for number, row in rows
        if any(cell is not None and cell != "" for cell in row)
    ]


def _trimmed(rows: list[Numbered]) -> list[Numbered]:
    """The rows without the columns in which no row has a value."""
    width = max(len(row) for _, row in rows)
    full = [[*row, *[""] * (width - len(row))] for _, row in rows]
    kept = [i for i in range(width) if any(row[i] != "" for row in full)]
    return [(number, [row[i] for i in kept]) for (number, _), row in zip(rows, full, strict=True)]
