"""`Records`: what was started on the page. Each record has a row in an SQLite database,
and a folder of its files.

A page shows only what is stored here. A training or a forecast therefore continues when the page is
closed, and can be shown again.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from freerun.errors import FreerunError, OutputError
from freerun.files.writing import JSON, JSONValue, replacing


@dataclass(frozen=True)
class Record:
    """What all records have.

    Attributes:
        id: number of the record.
        name: name in lists.
        created: time of creation, in seconds since 1970.
        state: `waiting`, `running`, `done`, `stopped` by the user, `failed`,
            or `killed` from outside.
        message: why it failed or was killed.
    """

    id: int
    name: str
    created: float
    state: str
    message: str


Kept = TypeVar("Kept", bound=Record)


class RecordGoneError(FreerunError):
    """Raised when a record does not exist any more,
    for instance because another page has deleted it."""


class Records(ABC, Generic[Kept]):
    """The records of one kind in a folder.

    Args:
        folder: created if missing.

    Raises:
        OutputError: it cannot be created or written.
    """

    kind: ClassVar[str]
    """Name of the table and of the folder, in the plural."""

    columns: ClassVar[Mapping[str, str]]
    """Columns of JSON or numbers beside those of every record: SQL type by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        columns = {"id": "INTEGER PRIMARY KEY AUTOINCREMENT", "name": "TEXT NOT NULL", "created": "REAL NOT NULL"}
        columns |= {**self.columns, "state": "TEXT NOT NULL", "message": "TEXT NOT NULL DEFAULT ''"}
        schema = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        try:
            (folder / self.kind).mkdir(parents=True, exist_ok=True)
            with self._connect() as connection:
                connection.execute(f"CREATE TABLE IF NOT EXISTS {self.kind} ({schema})")
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{folder}: cannot be used for {self.kind} ({error}); choose another folder") from error

    @abstractmethod
    def _of_row(self, row: sqlite3.Row) -> Kept:
        """Convert a row of the database."""

    def all(self, first: int = 0, most: int | None = None) -> list[Kept]:
        """Return records, newest first.

        Args:
            first: number of newest records to skip.
            most: most records to return; None means all.
        """
        return self._select("ORDER BY id DESC LIMIT ? OFFSET ?", -1 if most is None else most, first)

    def running(self) -> list[Kept]:
        """Return the records whose process is running, newest first."""
        return self._select("WHERE state = 'running' ORDER BY id DESC")

    def get_many(self, numbers: Collection[int]) -> list[Kept]:
        """Return the records of these numbers that exist, newest first."""
        return self._select(f"WHERE id IN ({', '.join('?' * len(numbers))}) ORDER BY id DESC", *numbers)

    def count(self) -> int:
        """Count all records."""
        with self._connect() as connection:
            return connection.execute(f"SELECT COUNT(*) FROM {self.kind}").fetchone()[0]

    def get(self, number: int) -> Kept:
        """Return a record.

        Raises:
            RecordGoneError: it does not exist.
        """
        found = self.find(number)
        if found is None:
            raise RecordGoneError(f"{self.kind.removesuffix('s')} {number} is gone; it was deleted")
        return found

    def find(self, number: int | None) -> Kept | None:
        """Return a record; None if there is no number, or the record was deleted."""
        return None if number is None else next(iter(self.get_many([number])), None)

    def mark(self, number: int, state: str, message: str = "", **columns: JSONValue) -> None:
        """Record the state of a record, and columns of JSON."""
        values = {"state": state, "message": message} | {name: json.dumps(value) for name, value in columns.items()}
        with self._connect() as connection:
            given = ", ".join(f"{name} = ?" for name in values)
            connection.execute(f"UPDATE {self.kind} SET {given} WHERE id = ?", (*values.values(), number))

    def rename(self, number: int, name: str) -> None:
        """Give a record another name."""
        with self._connect() as connection:
            connection.execute(f"UPDATE {self.kind} SET name = ? WHERE id = ?", (name, number))

    def delete(self, number: int) -> None:
        """Delete a record and all its files."""
        with self._connect() as connection:
            connection.execute(f"DELETE FROM {self.kind} WHERE id = ?", (number,))
        shutil.rmtree(self.folder_of(number), ignore_errors=True)

    def folder_of(self, number: int) -> Path:
        """Return the folder of a record."""
        return self.folder / self.kind / str(number)

    def _insert(self, name: str, fill: Callable[[Path], None], **columns: JSONValue) -> Kept:
        """Store a new record in the state `waiting`.

        Args:
            name: name in lists.
            fill: writes the files of the record to the folder that it is given.
            **columns: the other columns.

        Raises:
            OutputError: it cannot be written; then nothing is stored.
        """
        row = {"name": name, "created": time.time(), "state": "waiting", **columns}
        with self._connect() as connection:
            places = ", ".join("?" * len(row))
            statement = f"INSERT INTO {self.kind} ({', '.join(row)}) VALUES ({places})"
            number = connection.execute(statement, tuple(row.values())).lastrowid
            assert number is not None
            try:
                self.folder_of(number).mkdir(parents=True)
                fill(self.folder_of(number))
            except (OSError, FreerunError) as error:
                shutil.rmtree(self.folder_of(number), ignore_errors=True)
                raise OutputError(f"{name!r} cannot be stored in {self.folder} ({error})") from error
        return self.get(number)

    def _select(self, where: str, *values: int) -> list[Kept]:
        with self._connect() as connection:
            return [self._of_row(row) for row in connection.execute(f"SELECT * FROM {self.kind} {where}", values)]

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """Context of a connection, which commits on success and rolls back on an exception."""
        with closing(sqlite3.connect(self.folder / "runs.sqlite", timeout=10)) as connection, connection:
            connection.row_factory = sqlite3.Row
            yield connection


def fields_of(row: sqlite3.Row) -> JSON:
    """Return the attributes that all records have, from a row of the database."""
    return {name: row[name] for name in ("id", "name", "created", "state", "message")}


def write_note(folder: Path, name: str, content: JSONValue) -> None:
    """Write a JSON file to the folder of a record;
    an existing file is replaced only when the new one is complete.

    Args:
        folder: folder of the record.
        name: name of the file, without its suffix.
        content: what JSON holds.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(content))


def read_note(folder: Path, name: str) -> JSONValue:
    """Read what `write_note` wrote; None if there is no such file yet.

    The result is cached and shared between callers, so it must not be modified.
    """
    path = folder / f"{name}.json"
    try:
        status = path.stat()
        return _parse(path, status.st_ino, status.st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=16)
def _parse(path: Path, inode: int, changed: int) -> JSONValue:
    """Parse a file, once per version: pages ask twice a second. Only 16 results are cached,
    since they are large."""
    del inode, changed
    return json.loads(path.read_text())
