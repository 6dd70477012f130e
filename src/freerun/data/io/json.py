"""Reads JSON: lines of objects, a list of objects, or an object of columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from freerun.data.io.csv import decode
from freerun.data.io.source import Source
from freerun.data.table import Table
from freerun.errors import SeriesFileError

ADVICE = "write one object for each row (DataFrame.to_json(orient='records')), or one list for each column"
"""Advice for messages."""


def read(source: Source) -> Table:
    """Read the table of a JSON file; names that an object does not have are missing values.

    Raises:
        SeriesFileError: the file is not JSON, or not a table.
    """
    text = decode(source)
    try:
        found = json.loads(text, object_pairs_hook=_make_object)
    except _DuplicateNameError as error:
        raise SeriesFileError(f"{source.name}: {error}") from error
    except RecursionError as error:
        raise SeriesFileError(f"{source.name}: not a table in JSON ({error})") from error
    except ValueError:
        numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        return _from_records(
            source.name, [_parse_line(source.name, *one) for one in numbered], [number for number, _ in numbered]
        )
    return to_table(found, source.name)


class _DuplicateNameError(Exception):
    """An object has a name twice, of which Python's reader would keep the last value."""


def _make_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its names and values, each name once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        shown = ", ".join(f"{name!r}: {str(value)[:20]}" for name, value in pairs[:4])
        raise _DuplicateNameError(f"an object has the name {twice!r} twice ({shown}); give each name once")
    return found


def to_table(found: Any, name: str) -> Table:
    """Convert what JSON holds to a table.

    Args:
        found: a list of objects, one for each row; an object with a list for each column;
            or a list of numbers.
        name: name of the source, for messages.

    Raises:
        SeriesFileError: it is not a table.
    """
    if isinstance(found, dict) and any(isinstance(cells, list) for cells in found.values()):
        return _from_columns(name, found)
    records = found if isinstance(found, list) else [found]
    return _from_records(name, records, list(range(1, len(records) + 1)))


def _parse_line(name: str, number: int, line: str) -> Any:
    try:
        return json.loads(line, object_pairs_hook=_make_object)
    except _DuplicateNameError as error:
        raise SeriesFileError(f"{name}, line {number}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise SeriesFileError(f"{name}, line {number}: not JSON ({error})") from error


def _from_columns(name: str, found: dict[str, list[object]]) -> Table:
    """Make a table from an object with a list for each column."""
    lengths = {len(cells) if isinstance(cells, list) else -1 for cells in found.values()}
    if len(lengths) > 1:
        raise SeriesFileError(f"{name}: the columns {', '.join(found)} are not lists of equal length; {ADVICE}")
    _refuse_nested(name, found.values())
    return Table(found, source=name, lines=list(range(1, lengths.pop() + 1)))


def _from_records(name: str, records: Sequence[Any], lines: Sequence[int]) -> Table:
    """Make a table from one object for each row, or from numbers, which become one channel."""
    if not records:
        raise SeriesFileError(f"{name}: the file holds no rows")
    if any(record is not None for record in records) and all(
        record is None or isinstance(record, int | float) for record in records
    ):
        return Table({"x": list(records)}, named=False, source=name, lines=lines)
    for line, record in zip(lines, records, strict=True):
        if not isinstance(record, dict):
            raise SeriesFileError(
                f"{name}, line {line}: {str(record)[:40]!r} is not an object; write one object with names for each row"
            )
    names = dict.fromkeys(key for record in records for key in record)
    if not names:
        raise SeriesFileError(f"{name}: the objects have no names")
    columns = {key: [record.get(key) for record in records] for key in names}
    _refuse_nested(name, columns.values())
    return Table(columns, source=name, lines=lines)


def _refuse_nested(name: str, columns: Iterable[Iterable[object]]) -> None:
    for cells in columns:
        for cell in cells:
            if isinstance(cell, dict | list):
                raise SeriesFileError(f"{name}: {str(cell)[:40]!r} is not a number; {ADVICE}")
