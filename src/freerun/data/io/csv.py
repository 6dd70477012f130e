"""Reads and writes CSV and other text files: encoding, separator, comments, and rows of cells."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from freerun.data.io.grid import Numbered, add_commented_names, to_table
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
"""Byte order marks and their encodings."""

NOT_TEXT = ((GZIP, "a gzip file (.csv.gz)"), (b"PK\x03\x04", "a zip file or a spreadsheet (.xlsx)"))
"""First bytes of files that are not text, and their formats."""

SEPARATORS = "\t;,|"
"""Column separators in order of priority: the comma may also be a decimal sign."""

EXPECTED: dict[str, Decimals] = {",": ".", ";": ","}
"""Usual decimal sign by column separator."""

COMMENTS = ("#", "% ", "%%", "//")
"""First characters of comment lines before the table."""

NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""A line before the table that names the separator for Excel."""

DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
"""A number with a decimal comma."""

SAMPLED = 100
"""Number of lines from which the separator is detected."""


def read(source: Source) -> Table:
    """Read the table of a text file.

    Raises:
        SeriesFileError: the file is not text, has no rows, or has rows of different lengths;
            the message names the line.
    """
    rows, separator = _rows(source.name, decode(source))
    return to_table(rows, source.name, EXPECTED.get(separator or ""))


def decode(source: Source) -> str:
    """Decode a text file by its byte order mark, or as UTF-8, or as Windows-1252,
    which spreadsheets write.

    Raises:
        SeriesFileError: the file is not text.
    """
    raw = source.read()
    packed = next((kind for mark, kind in NOT_TEXT if raw.startswith(mark)), None)
    if packed is not None:
        raise SeriesFileError(f"{source.name}: the content is {packed}; rename the file to that suffix")
    marked = [encoding for mark, encoding in MARKS if raw.startswith(mark)]
    for encoding in marked or ("utf-8", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeError:
            continue
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise SeriesFileError(
                f"{source.name}, line {line}: the file is not text, since it has a NUL character; save it as CSV in "
                "UTF-8"
            )
        return text
    raise SeriesFileError(
        f"{source.name}: not {marked[0].upper() if marked else 'text in UTF-8'}; save it as CSV in UTF-8"
    )


def text(series: Series) -> str:
    """Convert a series to CSV text: a column `time`, then the channels, in full precision.

    External inputs are not written.
    """
    numeric = series.times.dtype.kind != "M"
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["time", *series.channels])
    times = [f"{time:.15g}" for time in series.times.tolist()] if numeric else format_times(series)
    for time, row in zip(times, series.values.tolist(), strict=True):
        writer.writerow([time, *("" if value != value else repr(value) for value in row)])  # noqa: PLR0124 - NaN
    return written.getvalue()


def format_times(series: Series) -> list[str]:
    """Format dates as ISO 8601: with the offset from UTC if there is a time zone,
    else without trailing zeros."""
    if series.calendar.zone is not None:
        return [stamp.isoformat() for stamp in series.index]
    return [shown(stamp) for stamp in series.times]


def write(series: Series, path: Path) -> None:
    """Write a series as CSV."""
    path.write_text(text(series), encoding="utf-8")


def _rows(name: str, content: str) -> tuple[list[Numbered], str | None]:
    """Split text into rows of cells, without empty lines and without comments before the table.

    Args:
        name: name of the file, for messages.
        content: text of the file.

    Returns:
        The rows, with the number of the line on which each ends, and the separator;
        None for white space.

    Raises:
        SeriesFileError: quotes are not closed, or commas are ambiguous.
    """
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
    first = [line for line in islice(lines, SAMPLED) if line.strip()]
    separator = named[1] if named else _find_separator(first)
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
        return add_commented_names(
            found, [(line, _split_line(text, separator or " ")) for line, text in spaced]
        ), separator
    except csv.Error as error:
        raise SeriesFileError(f"{name}, line {skipped + reader.line_num}: {error}") from error


def _has_decimal_commas(name: str, lines: Sequence[str], skipped: int) -> bool:
    """Whether commas below a header are decimal signs and not column separators.

    Args:
        name: name of the file, for messages.
        lines: first lines of the table, with the header.
        skipped: number of lines before the table.

    Raises:
        SeriesFileError: the commas may be decimal signs or separators.
    """
    head, *rows = (line.strip() for line in lines)
    places = [_split_line(row) for row in rows]
    short = {len(row) - head.count(",") - 1 for row in places} == {1} and not head.startswith('"')
    whole = all(DECIMAL_COMMA.fullmatch(",".join(row[-2:])) for row in places)
    if not rows or not short or not whole or any(row.startswith('"') for row in rows):
        return False
    if "," not in head and [row[0] for row in places] != [str(number) for number in range(1, len(rows) + 1)]:
        return True
    raise SeriesFileError(
        f"{name}, line {skipped + 2}: {rows[0][:40]!r} may end in a number with a decimal comma, or have one column "
        "more than the header; separate columns by semicolons, or name each column in the first line"
    )


def _split_line(line: str, separator: str = ",") -> list[str]:
    """Split a line into cells; return the whole line as one cell if it is not valid CSV."""
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return [line]


def _find_separator(lines: Sequence[str]) -> str | None:
    """Detect the column separator; None for white space.

    The first two lines are tried first, then the last two, since the first may be titles.
    """
    for two in (lines[:2], lines[-2:]):
        widths = {separator: {len(_split_line(line, separator)) for line in two} for separator in SEPARATORS}
        for separator, found in widths.items():
            if len(found) == 1 and found != {1}:
                return separator
        spaced = [len(_split_line(" ".join(line.split()), " ")) for line in two]
        bare = bool(two) and all(len(_split_line(two[0], separator)) == 1 for separator in SEPARATORS)
        like = bool(two) and (spaced[0] == spaced[-1] or (bare and spaced[0] == spaced[-1] - 1))
        if len(two) > 1 and spaced[1] > 1 and like and _is_spaced(two[1]):
            return None
    return max(SEPARATORS[::-1], key=lambda sign: max((len(_split_line(line, sign)) for line in lines[:2]), default=1))


def _is_spaced(line: str) -> bool:
    """Whether a line may be cells separated by white space:
    the last one has a digit or is a missing value."""
    last = line.rsplit(maxsplit=1)[-1]
    return any(map(str.isdigit, last)) or is_missing(last.strip('"'))
