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
            formulas = load_workbook(source.opened(), read_only=True) if _has_blanks(sheets) else None
            blank = _formula_without_value(sheets, formulas)
    except Exception as error:  # whatever the reader makes of a damaged file
        raise SeriesFileError(f"{source.name}: not a readable spreadsheet ({error})") from error
    if blank is not None:
        raise SeriesFileError(
            f"{source.name}, {blank}: a formula whose value is not in the file; open the file in a spreadsheet program "
            "and save it there"
        )
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


def _has_blanks(sheets: dict[str, list[Numbered]]) -> bool:
    return any(cell == "" for rows in sheets.values() for _, row in rows for cell in row)


def _formula_without_value(sheets: dict[str, list[Numbered]], formulas: Any) -> str | None:
    """Where a formula stands that no program has computed; None if there is none."""
    for sheet in [] if formulas is None else formulas.worksheets:
        known = dict(sheets[sheet.title])
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            values = known.get(number, [""] * len(row))
            for column, (cell, value) in enumerate(zip(row, values, strict=False), 1):
                if value == "" and isinstance(cell, str) and cell.startswith("="):
                    return f"sheet {sheet.title!r}, line {number}, cell {column}"
    return None


def _trimmed(rows: list[Numbered]) -> list[Numbered]:
    """The rows without the columns in which no row has a value."""
    width = max(len(row) for _, row in rows)
    full = [[*row, *[""] * (width - len(row))] for _, row in rows]
    kept = [i for i in range(width) if any(row[i] != "" for row in full)]
    return [(number, [row[i] for i in kept]) for (number, _), row in zip(rows, full, strict=True)]
