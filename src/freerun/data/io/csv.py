"""CSV and other text files: encoding, separator, comments, and the rows of cells."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from freerun.data.io.grid import Numbered, table_of
from freerun.data.io.source import Source
from freerun.data.table import Table
from freerun.data.timeline import shown
from freerun.errors import SeriesFileError

if TYPE_CHECKING:
    from freerun.data.series import Series

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, and what a file that begins with one is."""

SEPARATORS = "\t;,|"
"""Between columns, the surest sign first: where there is one of the others, a comma may be a decimal comma."""

COMMENT = "#"
"""Lines before the table that begin so are left out, such as the header that NumPy writes."""

LOOKED_AT = 100
"""Rows by which the separator is told."""


def read(source: Source) -> Table:
    """The table in a text file.

    Raises:
        SeriesFileError: not text, ragged, or without rows; the message names the line.
    """
    rows, separator = _rows(source.name, text_of(source))
    return table_of(rows, source.name, "." if separator == "," else None)


def text_of(source: Source) -> str:
    """The text of a file: by its byte order mark, else UTF-8, else Windows-1252, as spreadsheets write it.

    Raises:
        SeriesFileError: it is no text.
    """
    raw = source.read()
    marked = [encoding for mark, encoding in MARKS if raw.startswith(mark)]
    for encoding in marked or ("utf-8", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeError:
            continue
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise SeriesFileError(
                f"{source.name}, line {line}: there is a NUL character, so it is no text; save it as CSV in UTF-8"
            )
        return text
    raise SeriesFileError(
        f"{source.name}: not {marked[0].upper() if marked else 'text in UTF-8'}; save it as CSV in UTF-8"
    )


def text(series: Series) -> str:
    """The series as CSV: a time column, then the channels, every digit kept."""
    numeric = series.times.dtype.kind != "M"
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["time", *series.channels])
    times = [f"{time:.15g}" for time in series.times.tolist()] if numeric else time_labels(series)
    for time, row in zip(times, series.values.tolist(), strict=True):
        writer.writerow([time, *("" if value != value else repr(value) for value in row)])  # noqa: PLR0124 - NaN
    return written.getvalue()


def time_labels(series: Series) -> list[str]:
    """The dates of each step as text, without the zeros at their ends; with the offset from UTC where zones count."""
    if series.calendar.zone is not None:
        return [stamp.isoformat() for stamp in series.index]
    return [shown(stamp) for stamp in series.times]


def write(series: Series, path: Path) -> None:
    """Write a series as CSV."""
    path.write_text(text(series), encoding="utf-8")


def _rows(name: str, content: str) -> tuple[list[Numbered], str | None]:
    """The rows that are not empty, without comments before them, with the line they end on; and their separator."""
    lines = io.StringIO(content, newline="")
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
        return [(i, cells) for i, cells in numbered if cells], None
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        rows = ((skipped + reader.line_num, [cell.strip() for cell in row]) for row in reader)
        return [(line, row) for line, row in rows if any(row)], separator
    except csv.Error as error:
        raise SeriesFileError(f"{name}, line {skipped + reader.line_num}: {error}") from error


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
