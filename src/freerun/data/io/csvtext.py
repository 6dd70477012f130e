"""The cells of a CSV file as text: encoding, separator, header, decimal comma; and as numbers and times."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from freerun.data.series import default_channels
from freerun.errors import SeriesFileError

MISSING_CELLS = {"", "na", "n/a", "nan", "null", "none", "-"}

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, and what a file that begins with one is."""

SEPARATORS = "\t;,"
"""Between columns, the surest sign first: where there is one of the others, a comma may be a decimal comma."""

COMMENT = "#"
"""Lines before the table that begin so are left out, such as the header that NumPy writes."""

LOOKED_AT = 100
"""Rows by which it is decided whether numbers have a decimal comma."""

LONGEST_DATE = 100
"""Most characters of a cell that may be a date."""

LIKE_A_DATE = re.compile(r"\d{4}[-/]\d|\d[-/.]\d{1,2}[-/.]\d|\d{4}q\d|[a-z]{3}", re.IGNORECASE)
"""What a date has in it. pandas would take 1,5 for a date as well, and 12:30 for today."""

DAY_AND_MONTH = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(?=\d)")
"""What a date begins with that names day and month before the year, in either order."""

MONTHS = 12

NO_DATES = {"now", "today"}
"""Words that pandas takes for a date, another one each time."""


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file by column name, and the line in the file that each row ends on.

    Attributes:
        path: of the file.
        cells: by column.
        lines: of the rows.
        comma: whether numbers have a decimal comma.
    """

    path: Path
    cells: dict[str, list[str]]
    lines: list[int]
    comma: bool

    @classmethod
    def read(cls, path: Path) -> Table:
        """The table in a file; a first line in which any cell is no number is its header.

        Raises:
            SeriesFileError: not text, ragged, or without rows; the message names the line.
        """
        numbered = _rows(path, _text(path))
        if not numbered:
            raise SeriesFileError(f"{path}: the file holds no rows")
        width = len(numbered[0][1])
        for line, row in numbered:
            if len(row) != width:
                raise SeriesFileError(f"{path}, line {line}: {len(row)} columns where the first line has {width}")
        comma = _has_decimal_comma([row for _, row in numbered[:LOOKED_AT]])
        header = numbered[0][1]
        if all(_number(cell, comma) is not None for cell in header):
            header = list(default_channels(width))
        else:
            numbered = numbered[1:]
        if not numbered:
            raise SeriesFileError(f"{path}: there is a header but no row of values below it")
        twice = [name for name, count in Counter(header).items() if count > 1]
        if twice:
            raise SeriesFileError(f"{path}: two columns are named {twice[0]!r}")
        lines, rows = zip(*numbered, strict=True)
        return cls(path, dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)), list(lines), comma)

    def numbers(self, column: str) -> np.ndarray:
        """The column as numbers, NaN where a cell says that its value is missing.

        Raises:
            SeriesFileError: a cell is no number.
        """
        numbers = [_number(cell, self.comma) for cell in self.cells[column]]
        if None in numbers:
            self.refuse(column, numbers.index(None), "is not a number; choose the columns to read by name (--column)")
        return np.array(numbers)

    def times(self, column: str) -> np.ndarray:
        """The column as times: numbers, or `datetime64` if any cell is a date.

        Raises:
            SeriesFileError: a cell is no time, or has day and month in another order than the others.
        """
        cells = self.cells[column]
        times: list[Any] = [_number(cell, self.comma) for cell in cells]
        fault = "is not a time"
        if None in times:
            day_first = _day_first(cells)
            times = [_date(cell, day_first) for cell in cells]
            fault += ", where the day comes before the month" if day_first else ""
        for row, time in enumerate(times):
            if time is None or time != time:  # noqa: PLR0124 - neither NaN nor NaT equals itself
                self.refuse(column, row, fault)
        return np.array(times)

    def zoned(self, column: str) -> bool:
        """Whether the times carry an offset from UTC, to which they are converted."""
        first = self.cells[column][0]
        if _number(first, self.comma) is not None:
            return False
        import pandas as pd

        return pd.Timestamp(first).tz is not None

    def begins_with_date(self, column: str) -> bool:
        """Whether the first cell of a column is a date."""
        first = self.cells[column][0]
        return _number(first, self.comma) is None and _date(first, _day_first([first])) is not None

    def refuse(self, column: str, row: int, fault: str) -> NoReturn:
        """Say what is wrong with a cell, and where it is."""
        cell = self.cells[column][row][:40]
        raise SeriesFileError(f"{self.path}, line {self.lines[row]}, column {column!r}: {cell!r} {fault}")


def _text(path: Path) -> str:
    """The text of a file: by its byte order mark, else UTF-8, else Windows-1252, as spreadsheets write it."""
    raw = path.read_bytes()
    marked = [encoding for mark, encoding in MARKS if raw.startswith(mark)]
    for encoding in marked or ("utf-8", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeError:
            continue
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise SeriesFileError(
                f"{path}, line {line}: there is a NUL character, so it is no text; save it as CSV in UTF-8"
            )
        return text
    raise SeriesFileError(f"{path}: not {marked[0].upper() if marked else 'text in UTF-8'}; save it as CSV in UTF-8")


def _rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, without the comments before them, each with the number of the line it ends on."""
    lines = io.StringIO(text, newline="")
    skipped, place = 0, 0
    for line in lines:
        if line.strip() and not line.lstrip().startswith(COMMENT):
            break
        skipped, place = skipped + 1, lines.tell()
    lines.seek(place)
    separator = _separator([line for line in islice(lines, LOOKED_AT) if line.strip()][:2])
    lines.seek(place)
    if separator is None:
        numbered = [(skipped + i, line.split()) for i, line in enumerate(lines, 1)]
        return [(i, cells) for i, cells in numbered if cells]
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        rows = ((skipped + reader.line_num, [cell.strip() for cell in row]) for row in reader)
        return [(line, row) for line, row in rows if any(row)]
    except csv.Error as error:
        raise SeriesFileError(f"{path}, line {skipped + reader.line_num}: {error}") from error


def _separator(lines: Sequence[str]) -> str | None:
    """What stands between columns in the first lines; None for white space."""

    def widths(separator: str) -> set[int]:
        try:
            return {len(next(csv.reader([line], delimiter=separator))) for line in lines}
        except csv.Error:
            return {1}

    several = {separator: widths(separator) for separator in SEPARATORS}
    for separator, found in several.items():
        if len(found) == 1 and found != {1}:
            return separator
    if len(lines) > 1 and len(spaced := {len(line.split()) for line in lines}) == 1 and spaced != {1}:
        return None
    return max(SEPARATORS[::-1], key=lambda separator: max(several[separator], default=1))


def _has_decimal_comma(rows: Sequence[Sequence[str]]) -> bool:
    """Whether numbers have a decimal comma and none has a decimal point."""
    cells = [cell for row in rows for cell in row]
    return any("," in cell and _number(cell, comma=True) is not None for cell in cells) and not any(
        "." in cell and _number(cell, comma=False) is not None for cell in cells
    )


def _number(cell: str, comma: bool) -> float | None:
    """The number in a cell, NaN for the usual signs of a missing one, None for text."""
    if cell.lower() in MISSING_CELLS:
        return np.nan
    if "_" in cell or (comma and "." in cell):
        return None
    try:
        return float(cell.replace(",", ".") if comma else cell)
    except ValueError:
        return None


def _date(cell: str, day_first: bool) -> np.datetime64 | None:
    """The time that a cell tells; None for anything else, and where day and month are in the other order."""
    if len(cell) > LONGEST_DATE or not LIKE_A_DATE.search(cell) or cell.lower() in NO_DATES:
        return None
    if begin := DAY_AND_MONTH.match(cell):
        day, month = (begin[1], begin[3]) if day_first else (begin[3], begin[1])
        if int(month) > MONTHS:
            return None
        cell = f"{month}/{day}/{cell[begin.end() :]}"
    import pandas as pd

    try:
        return pd.Timestamp(cell).to_datetime64()
    except (ValueError, OverflowError, TypeError):
        return None


def _day_first(cells: Sequence[str]) -> bool:
    """Whether dates name the day before the month.

    With dots between them they do. Else one cell that can be read in one way alone decides, and where there is none,
    that the times are more even so.
    """
    begins = [begin for cell in cells if (begin := DAY_AND_MONTH.match(cell))]
    if any(begin[2] == "." or int(begin[1]) > MONTHS for begin in begins):
        return True
    if not begins or any(int(begin[3]) > MONTHS for begin in begins):
        return False
    return _unevenness([_date(cell, True) for cell in cells]) < _unevenness([_date(cell, False) for cell in cells])


def _unevenness(times: Sequence[np.datetime64 | None]) -> float:
    """The longest step over the shortest; infinite where times do not ascend."""
    known = np.array([time for time in times if time is not None], "datetime64[ns]")
    steps = np.diff(known) / np.timedelta64(1, "ns")
    return float(steps.max() / steps.min()) if len(steps) and steps.min() > 0 else np.inf
