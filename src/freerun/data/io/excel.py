"""Reads spreadsheets (xlsx) with openpyxl."""

from __future__ import annotations

import warnings
from typing import Any

from freerun.data.io.grid import Numbered, to_table
from freerun.data.io.source import Source
from freerun.data.table import Table
from freerun.errors import SeriesFileError, warn
from freerun.extras import require


def read(source: Source) -> Table:
    """Read the table of the first non-empty sheet of a spreadsheet, without empty rows and columns.

    Raises:
        SeriesFileError: the file is damaged or holds no table.
        MissingExtraError: openpyxl is not installed.
    """
    require("excel", f"{source.name}: reading spreadsheets", "save the sheet as CSV")
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and validations, which are not needed
            book = load_workbook(source.opened(), read_only=True, data_only=True)
            sheets = {sheet.title: _rows(sheet) for sheet in book.worksheets}
            formulas = load_workbook(source.opened(), read_only=True) if _has_blanks(sheets) else None
            blank = _find_formula_without_value(sheets, formulas)
    except Exception as error:  # openpyxl raises errors of many types for damaged files
        raise SeriesFileError(f"{source.name}: not a readable spreadsheet ({error})") from error
    if blank is not None:
        raise SeriesFileError(
            f"{source.name}, {blank}: the file has no value of this formula; open it in a spreadsheet program and "
            "save it"
        )
    filled = {title: rows for title, rows in sheets.items() if rows}
    if not filled:
        raise SeriesFileError(f"{source.name}: no sheet holds any rows")
    first = next(iter(filled))
    if len(filled) > 1:
        warn(f"{source.name}: sheet {first!r} is read, and not {', '.join(map(repr, list(filled)[1:]))}")
    return to_table(_drop_empty_columns(filled[first]), source.name)


def _rows(sheet: Any) -> list[Numbered]:
    """Return the non-empty rows of a sheet with their numbers;
    cells without a value become empty strings."""
    rows = enumerate(sheet.iter_rows(values_only=True), 1)
    return [
        (number, ["" if cell is None else cell for cell in row])
        for number, row in rows
        if any(cell is not None and cell != "" for cell in row)
    ]


def _has_blanks(sheets: dict[str, list[Numbered]]) -> bool:
    return any(cell == "" for rows in sheets.values() for _, row in rows for cell in row)


def _find_formula_without_value(sheets: dict[str, list[Numbered]], formulas: Any) -> str | None:
    """Find the sheet, line and cell of a formula without a stored value; None if there is none."""
    for sheet in [] if formulas is None else formulas.worksheets:
        known = dict(sheets[sheet.title])
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            values = known.get(number, [""] * len(row))
            for column, (cell, value) in enumerate(zip(row, values, strict=False), 1):
                if value == "" and isinstance(cell, str) and cell.startswith("="):
                    return f"sheet {sheet.title!r}, line {number}, cell {column}"
    return None


def _drop_empty_columns(rows: list[Numbered]) -> list[Numbered]:
    """Remove columns without values."""
    width = max(len(row) for _, row in rows)
    full = [[*row, *[""] * (width - len(row))] for _, row in rows]
    kept = [i for i in range(width) if any(row[i] != "" for row in full)]
    return [(number, [row[i] for i in kept]) for (number, _), row in zip(rows, full, strict=True)]
