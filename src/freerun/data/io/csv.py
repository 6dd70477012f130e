"""CSV and other text files: encoding, separator, comments, and the rows of cells."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from freerun.data.io.grid import Numbered, table_of, with_names
from freerun.data.io.source import GZIP, Source
from freerun.data.numerals import Decimals, is_missing
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

PACKED = ((GZIP, "a gzip file (.csv.gz)"), (b"PK\x03\x04", "a zip file or a spreadsheet (.xlsx)"))
"""What files begin with that are no text, and what they are."""

SEPARATORS = "\t;,|"
"""Between columns, the surest sign first: where there is one of the others, a comma may be a decimal comma."""

EXPECTED: dict[str, Decimals] = {",": ".", ";": ","}
"""The decimal sign that goes with a separator."""

COMMENTS = ("#", "% ", "%%", "//")
"""Lines before the table that begin so are no rows, such as the header that NumPy writes."""

NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""A first line for Excel that names the separator."""

DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

LOOKED_AT = 100
"""Rows by which the separator is told."""


def read(source: Source) -> Table:
    """The table in a text file.

    Raises:
        SeriesFileError: not text, ragged, or without rows; the message names the line.
    """
    rows, separator = _rows(source.name, text_of(source))
    return table_of(rows, source.name, EXPECTED.get(separator or ""))


def text_of(source: Source) -> str:
    """The text of a file: by its byte order mark, else UTF-8, else Windows-1252, as spreadsheets write it.

    Raises:
        SeriesFileError: it is no text.
    """
    raw = source.read()
    packed = next((kind for mark, kind in PACKED if raw.startswith(mark)), None)
    if packed is not None:
        raise SeriesFileError(f"{source.name}: it is {packed}, whatever its name says; give it that suffix")
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
    skipped, place, named = 0, 0, None
    comments: list[tuple[int, str]] = []
    for line in lines:
        named = named or NAMED_SEPARATOR.fullmatch(line)
        if line.strip() and not line.lstrip().startswith(COMMENTS) and not NAMED_SEPARATOR.fullmatch(line):
            break
        skipped, place = skipped + 1, lines.tell()
        comments.append((skipped, line.strip().lstrip("#%/ ")))
    lines.seek(place)
    first = [line for line in islice(lines, LOOKED_AT) if line.strip()]
    separator = named[1] if named else _separator(first)
    lines.seek(place)
    if separator == "," and _has_decimal_commas(name, first, skipped):
        rows = [(skipped + i, [line.strip()]) for i, line in enumerate(lines, 1)]
        return [(i, row) for i, row in rows if any(row)], ";"
    if separator is None:
        lines = io.StringIO("".join(" ".join(line.split()) + "\n" for line in lines))
    reader = csv.reader(lines, delimiter=separator or " ", skipinitialspace=True, strict=True)
    try:
        rows = ((skipped + reader.line_num, [cell.strip() for cell in row]) for row in reader)
        found = [(line, row) for line, row in rows if any(row)]
        spaced = [(line, text if separator else " ".join(text.split())) for line, text in comments]
        return with_names(found, [(line, _cells(text, separator or " ")) for line, text in spaced]), separator
    except csv.Error as error:
        raise SeriesFileError(f"{name}, line {skipped + reader.line_num}: {error}") from error


def _has_decimal_commas(name: str, lines: Sequence[str], skipped: int) -> bool:
    """Whether lines below a header without commas are numbers with decimal commas, and not two columns.

    Raises:
        SeriesFileError: commas that may be decimal signs or separators.
    """
    head, *rows = (line.strip() for line in lines)
    places = [_cells(row) for row in rows]
    short = {len(row) - head.count(",") - 1 for row in places} == {1} and not head.startswith('"')
    whole = all(DECIMAL_COMMA.fullmatch(",".join(row[-2:])) for row in places)
    if not rows or not short or not whole or any(row.startswith('"') for row in rows):
        return False
    if "," not in head and [row[0] for row in places] != [str(number) for number in range(1, len(rows) + 1)]:
        return True
    raise SeriesFileError(
        f"{name}, line {skipped + 2}: {rows[0][:40]!r} may end in a number with a decimal comma, or have a column more "
        "than the header; separate columns by semicolons, or name each column in the first line"
    )


def _cells(line: str, separator: str = ",") -> list[str]:
    """The cells of a line; the line alone if it is not written as such."""
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return [line]


def _separator(lines: Sequence[str]) -> str | None:
    """What stands between columns; None for white space. Where the first lines do not tell, as titles, the last do."""
    for two in (lines[:2], lines[-2:]):
        widths = {separator: {len(_cells(line, separator)) for line in two} for separator in SEPARATORS}
        for separator, found in widths.items():
            if len(found) == 1 and found != {1}:
                return separator
        spaced = [len(_cells(" ".join(line.split()), " ")) for line in two]
        bare = bool(two) and all(len(_cells(two[0], separator)) == 1 for separator in SEPARATORS)
        like = bool(two) and (spaced[0] == spaced[-1] or (bare and spaced[0] == spaced[-1] - 1))
        if len(two) > 1 and spaced[1] > 1 and like and _is_spaced(two[1]):
            return None
    return max(SEPARATORS[::-1], key=lambda sign: max((len(_cells(line, sign)) for line in lines[:2]), default=1))


def _is_spaced(line: str) -> bool:
    """Whether a line is cells between white space and no sentence: the last of them has a digit, or is missing."""
    last = line.rsplit(maxsplit=1)[-1]
    return any(map(str.isdigit, last)) or is_missing(last.strip('"'))
