"""Rows of cells, as CSV files and spreadsheets have them: is there a header, and which cells belong to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

from freerun.data.arrays import default_channels
from freerun.data.clocks import CLOCK
from freerun.data.dates import looks_like_date
from freerun.data.numerals import TRUTH, Decimals, Numerals
from freerun.data.table import Table
from freerun.data.wide import are_years
from freerun.errors import SeriesFileError

Numbered = tuple[int, list[Any]]
"""The number of a line, and its cells."""

SAMPLED = 100
"""Rows that tell whether a column of whole numbers has a header."""

SHOWN = 40
"""Most characters of a row that a message shows."""

LONGEST_TITLE = 30
"""Most rows above a header."""

MARKED = re.compile(r"[<>~=]+\s*[-+]?\d[\d.,]*|[-+]?\d[\d.,]*\s*[^\w\s.,-]+")
"""A number with a mark on it, which is no name of a column."""

READINGS = (Numerals("."), Numerals(","))


def table_of(rows: list[Numbered], source: str, decimal: Decimals | None = None) -> Table:
    """The table in rows of cells.

    Args:
        rows: that are not empty, the header first if there is one.
        source: the path of the file.
        decimal: the decimal sign where no cell decides.

    Raises:
        SeriesFileError: no rows, rows of other lengths, names that occur twice, or a header that may be a row.
    """
    if not rows:
        raise SeriesFileError(f"{source}: the file holds no rows")
    rows = _without_trailing(_without_title(rows))
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            shown = ", ".join(map(str, row))[:SHOWN]
            raise SeriesFileError(
                f"{source}, line {line}: {len(row)} columns where the first line has {width}; leave out lines that are "
                f"no rows of the table ({shown!r})"
            )
    names, rows = _header(rows, source)
    table = Table({}, names is not None, None, source, [line for line, _ in rows], decimal)
    header = list(default_channels(width)) if names is None else names
    if not rows:
        table.fault("there is a header but no row of values below it")
    table.refuse_twice(header)
    columns = dict(zip(header, map(list, zip(*(row for _, row in rows), strict=True)), strict=True))
    return Table(columns, names is not None, None, source, table.lines, decimal)


def with_names(rows: list[Numbered], comments: Sequence[Numbered]) -> list[Numbered]:
    """The rows below the last comment that has a name for each column, if they have no header of their own."""
    if not rows or len(rows[0][1]) < 2 or any(_kind(cell) == "text" for cell in rows[0][1]):
        return rows
    for line, names in reversed(comments):
        if len(set(names)) == len(rows[0][1]) == len(names) and all(_kind(name) == "text" for name in names):
            return [(line, [name.strip() for name in names]), *rows]
    return rows


def _without_title(rows: list[Numbered]) -> list[Numbered]:
    """The rows without shorter ones of text above a header, which name no columns."""
    widths = [_width(row) for _, row in rows]
    widest = max(widths)
    for place, (_, row) in enumerate(rows[: LONGEST_TITLE + 1]):
        if widths[0] == widest or any(_kind(cell) != "text" for cell in row if cell != ""):
            break
        if widths[place] == widest:
            return rows[place:]
    return rows


def _width(row: Sequence[Any]) -> int:
    """The number of cells without empty ones at the end."""
    width = len(row)
    while width and row[width - 1] == "":
        width -= 1
    return width


def _without_trailing(rows: list[Numbered]) -> list[Numbered]:
    """The rows without empty last columns that come of separators at the ends of lines.

    A header with one cell less than all other rows lacks the name of a first column of row names, as R writes it.
    """
    widths = {len(row) for _, row in rows[1:]}
    head = len(rows[0][1])
    if widths and max(widths | {head}) > 1 and widths <= {head, head + 1}:
        longer = [row for _, row in rows if len(row) == max(widths)]
        if all(row[-1] == "" for row in longer) and (head == max(widths) or len(widths) == 1):
            return _without_trailing([(line, row[: max(widths) - 1]) for line, row in rows])
        if widths == {head + 1} and not any(_is_number(cell) for cell in rows[0][1]):
            return [(rows[0][0], ["", *rows[0][1]]), *rows[1:]]
    return rows


def _header(rows: list[Numbered], source: str) -> tuple[list[str] | None, list[Numbered]]:
    """The names in the first row, None where that is no header, and the rows below."""
    line, first = rows[0]
    below = [row for _, row in islice(rows, 1, SAMPLED)]
    counts = _counts(first) and first[0] != "" and _goes_on_counting(below)
    odd = [cell for cell in first if isinstance(cell, str) and MARKED.fullmatch(cell) and not _is_number(cell)]
    if counts or are_years(first) or (odd and below and all(map(_is_number, below[0]))):
        shown = odd[0] if odd else ", ".join(map(str, first))[:SHOWN]
        raise SeriesFileError(
            f"{source}, line {line}: {shown} may be a header or the first row of values; write the names of the "
            "columns in the first line"
        )
    if _counts(first) or any(_kind(cell) == "text" for cell in first):
        return [str(cell) for cell in first], rows[1:]
    if _names_columns([_kind(cell) for cell in first], rows):
        return [str(cell) for cell in first], rows[1:]
    return None, rows


def _names_columns(kinds: Sequence[str], rows: list[Numbered]) -> bool:
    """Whether a first row of dates and numbers names the columns: dates alone, or a date above numbers."""
    if "number" in kinds and "date" not in kinds:
        return False
    below = [_kind(cell) for cell in rows[1][1]] if len(rows) > 1 else []
    return ("number" not in kinds and below != kinds) or any(
        kind == "date" and other == "number" for kind, other in zip(kinds, below, strict=False)
    )


def _counts(cells: Sequence[Any]) -> bool:
    """Whether a row is 0, 1, 2, ..., perhaps after an empty cell, as pandas names columns."""
    counted = cells[1:] if cells[0] == "" else cells
    return bool(counted) and [str(cell) for cell in counted] == [str(number) for number in range(len(counted))]


def _goes_on_counting(below: Sequence[Sequence[Any]]) -> bool:
    """Whether rows below 0, 1, ... go on from it: a first column 1, 2, 3, ..., or one column of whole numbers."""
    firsts = [str(row[0]) for row in below]
    if below and len(below[0]) == 1:
        return all(first.lstrip("-").isdigit() for first in firsts)
    return firsts == [str(number) for number in range(1, len(firsts) + 1)]


def _kind(cell: Any) -> str:
    if _is_number(cell) or (isinstance(cell, str) and cell.strip().lower() in TRUTH):
        return "number"
    if looks_like_date(cell):
        return "date"
    return "clock" if isinstance(cell, str) and CLOCK.fullmatch(cell) else "text"


def _is_number(cell: Any) -> bool:
    return any(reading.number(cell) is not None for reading in READINGS)
