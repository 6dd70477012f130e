"""Converts rows of cells from CSV files and spreadsheets to a `Table`, and detects the header."""

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
"""The number of a line and its cells."""

SAMPLED = 100
"""Number of rows from which the header of a column of whole numbers is detected."""

MOST_QUOTED = 40
"""Largest number of characters of a row in a message."""

LONGEST_TITLE = 30
"""Largest number of title rows above a header."""

MARKED = re.compile(r"[<>~=]+\s*[-+]?\d[\d.,]*|[-+]?\d[\d.,]*\s*[^\w\s.,-]+")
"""A number with a mark such as `<` or `*`, which is not the name of a column."""

READINGS = (Numerals("."), Numerals(","))
"""Numerals of both decimal signs."""


def to_table(rows: list[Numbered], source: str, decimal: Decimals | None = None) -> Table:
    """Convert rows of cells to a table.

    Args:
        rows: non-empty rows, with the header first if there is one.
        source: path of the file, for messages.
        decimal: decimal sign to assume if no cell determines it; None for no assumption.

    Raises:
        SeriesFileError: there are no rows, rows have different lengths, names are duplicated,
            or the first row may be a header or values.
    """
    if not rows:
        raise SeriesFileError(f"{source}: the file holds no rows")
    rows = _drop_trailing(_drop_title(rows))
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            shown = ", ".join(map(str, row))[:MOST_QUOTED]
            raise SeriesFileError(
                f"{source}, line {line}: {len(row)} columns, but the first line has {width}; remove lines that are not "
                f"rows of the table ({shown!r})"
            )
    names, rows = _split_header(rows, source)
    table = Table({}, names is not None, None, source, [line for line, _ in rows], decimal)
    header = list(default_channels(width)) if names is None else names
    if not rows:
        table.fault("there is a header but no row of values below it")
    table.refuse_twice(header)
    columns = dict(zip(header, map(list, zip(*(row for _, row in rows), strict=True)), strict=True))
    return Table(columns, names is not None, None, source, table.lines, decimal)


def add_commented_names(rows: list[Numbered], comments: Sequence[Numbered]) -> list[Numbered]:
    """Put the last comment that names each column before rows without a header.

    Args:
        rows: rows of the table.
        comments: split comment lines above the table.
    """
    if not rows or len(rows[0][1]) < 2 or any(_classify(cell) == "text" for cell in rows[0][1]):
        return rows
    for line, names in reversed(comments):
        if len(set(names)) == len(rows[0][1]) == len(names) and all(_classify(name) == "text" for name in names):
            return [(line, [name.strip() for name in names]), *rows]
    return rows


def _drop_title(rows: list[Numbered]) -> list[Numbered]:
    """Remove title rows: rows of text above the header that have fewer cells."""
    widths = [_used_width(row) for _, row in rows]
    widest = max(widths)
    for place, (_, row) in enumerate(rows[: LONGEST_TITLE + 1]):
        if widths[0] == widest or any(_classify(cell) != "text" for cell in row if cell != ""):
            break
        if widths[place] == widest:
            return rows[place:]
    return rows


def _used_width(row: Sequence[object]) -> int:
    """Count the cells of a row without trailing empty ones."""
    width = len(row)
    while width and row[width - 1] == "":
        width -= 1
    return width


def _drop_trailing(rows: list[Numbered]) -> list[Numbered]:
    """Remove empty last columns, which result from separators at the ends of lines.

    If the header has one cell less than all other rows,
    an empty name is added for the first column, which R writes without a name.
    """
    widths = {len(row) for _, row in rows[1:]}
    head = len(rows[0][1])
    if widths and max(widths | {head}) > 1 and widths <= {head, head + 1}:
        longer = [row for _, row in rows if len(row) == max(widths)]
        if all(row[-1] == "" for row in longer) and (head == max(widths) or len(widths) == 1):
            return _drop_trailing([(line, row[: max(widths) - 1]) for line, row in rows])
        if widths == {head + 1} and not any(_is_number(cell) for cell in rows[0][1]):
            return [(rows[0][0], ["", *rows[0][1]]), *rows[1:]]
    return rows


def _split_header(rows: list[Numbered], source: str) -> tuple[list[str] | None, list[Numbered]]:
    """Split rows into the names of the header, None if there is no header, and the rows of values.

    Raises:
        SeriesFileError: the first row may be a header or values.
    """
    line, first = rows[0]
    below = [row for _, row in islice(rows, 1, SAMPLED)]
    counts = _is_count(first) and first[0] != "" and _may_continue_count(below)
    odd = [cell for cell in first if isinstance(cell, str) and MARKED.fullmatch(cell) and not _is_number(cell)]
    if counts or are_years(first) or (odd and below and all(map(_is_number, below[0]))):
        shown = odd[0] if odd else ", ".join(map(str, first))[:MOST_QUOTED]
        raise SeriesFileError(
            f"{source}, line {line}: {shown} may be a header or the first row of values; write the names of the "
            "columns in the first line"
        )
    if _is_count(first) or any(_classify(cell) == "text" for cell in first):
        return [str(cell) for cell in first], rows[1:]
    if _is_header_of_dates([_classify(cell) for cell in first], rows):
        return [str(cell) for cell in first], rows[1:]
    return None, rows


def _is_header_of_dates(kinds: Sequence[str], rows: list[Numbered]) -> bool:
    """Whether a first row of dates and numbers is a header: it has only dates,
    or has a date above a number."""
    if "number" in kinds and "date" not in kinds:
        return False
    below = [_classify(cell) for cell in rows[1][1]] if len(rows) > 1 else []
    return ("number" not in kinds and below != kinds) or any(
        kind == "date" and other == "number" for kind, other in zip(kinds, below, strict=False)
    )


def _is_count(cells: Sequence[object]) -> bool:
    """Whether a row is 0, 1, 2, ..., possibly after an empty cell,
    like the default column names of pandas."""
    counted = cells[1:] if cells[0] == "" else cells
    return bool(counted) and [str(cell) for cell in counted] == [str(number) for number in range(len(counted))]


def _may_continue_count(below: Sequence[Sequence[object]]) -> bool:
    """Whether rows may continue a first row of whole numbers, which is then not a header.

    They may if their first column is 1, 2, 3, ..., or if their only column has whole numbers.
    """
    firsts = [str(row[0]) for row in below]
    if below and len(below[0]) == 1:
        return all(first.lstrip("-").isdigit() for first in firsts)
    return firsts == [str(number) for number in range(1, len(firsts) + 1)]


def _classify(cell: object) -> str:
    """Classify a cell as number, date, clock or text."""
    if _is_number(cell) or (isinstance(cell, str) and cell.strip().lower() in TRUTH):
        return "number"
    if looks_like_date(cell):
        return "date"
    return "clock" if isinstance(cell, str) and CLOCK.fullmatch(cell) else "text"


def _is_number(cell: object) -> bool:
    return any(reading.number(cell) is not None for reading in READINGS)
