"""`Store`: runs in a folder, with one SQLite database, and for each run a folder of its series, model and JSON files.

A page shows only what is stored here. So a run continues, and can be shown again, whatever happens to the page.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from freerun.data.series import Series
from freerun.errors import FreerunError, OutputError
from freerun.files.writing import JSON, JSONValue, replacing

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    source TEXT NOT NULL,
    split INTEGER NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '',
    scores TEXT NOT NULL DEFAULT '{}'
)
"""


@dataclass(frozen=True)
class Source:
    """Where the series of a run comes from.

    Attributes:
        name: name of a built-in system, or of an uploaded file.
        options: parameters of the system; None for a file.
    """

    name: str
    options: JSON | None = None


@dataclass(frozen=True)
class Run:
    """One run, as stored in the database.

    Attributes:
        id: number of the run.
        name: name in tables.
        created: time of creation, in seconds since 1970.
        source: where the series comes from.
        split: first step after the training part.
        settings: parameters that differ from their defaults.
        state: `waiting`, `running`, `done`, `stopped` by the user, `failed`, or `killed` from outside.
        message: why it failed or was killed.
        scores: scores by measure, and `seconds`.
    """

    id: int
    name: str
    created: float
    source: Source
    split: int
    settings: JSON = field(default_factory=dict)
    state: str = "waiting"
    message: str = ""
    scores: JSON = field(default_factory=dict)


class RunGoneError(FreerunError):
    """Raised when a run does not exist any more, for instance because another page has deleted it."""


class Store:
    """The runs of a folder.

    Args:
        folder: created if missing.

    Raises:
        OutputError: it cannot be created or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            (folder / "runs").mkdir(parents=True, exist_ok=True)
            with self._connect() as connection:
                connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{folder}: cannot be used for runs ({error}); choose another folder") from error

    def add(self, name: str, series: Series, source: Source, split: int, settings: JSON) -> Run:
        """Store a new run and its series, in the state `waiting`.

        Raises:
            OutputError: it cannot be written; then nothing is stored.
        """
        described = json.dumps({"name": source.name, "options": source.options})
        values = (name, time.time(), described, split, json.dumps(settings), "waiting")
        with self._connect() as connection:
            statement = "INSERT INTO runs (name, created, source, split, settings, state) VALUES (?, ?, ?, ?, ?, ?)"
            number = connection.execute(statement, values).lastrowid
            assert number is not None
            try:
                self.folder_of(number).mkdir(parents=True)
                series.write(self.series_of(number))
            except (OSError, FreerunError) as error:
                shutil.rmtree(self.folder_of(number), ignore_errors=True)
                raise OutputError(f"the run cannot be stored in {self.folder} ({error})") from error
        return self.run(number)

    def runs(self, first: int = 0, most: int | None = None) -> list[Run]:
        """Return runs, newest first.

        Args:
            first: number of newest runs to skip.
            most: most runs to return; None means all.
        """
        return self._select("ORDER BY id DESC LIMIT ? OFFSET ?", -1 if most is None else most, first)

    def running(self) -> list[Run]:
        """Return the runs that are being trained, newest first."""
        return self._select("WHERE state = 'running' ORDER BY id DESC")

    def those(self, numbers: Collection[int]) -> list[Run]:
        """Return those of the numbered runs that exist, newest first."""
        return self._select(f"WHERE id IN ({', '.join('?' * len(numbers))}) ORDER BY id DESC", *numbers)

    def count(self) -> int:
        """Count all runs."""
        with self._connect() as connection:
            return connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0]

    def run(self, number: int) -> Run:
        """Return a run.

        Raises:
            RunGoneError: it does not exist.
        """
        found = self.those([number])
        if not found:
            raise RunGoneError(f"run {number} is gone; it was deleted")
        return found[0]

    def mark(self, number: int, state: str, message: str = "", scores: JSON | None = None) -> None:
        """Record the state of a run, and its scores unless they are None."""
        with self._connect() as connection:
            connection.execute("UPDATE runs SET state = ?, message = ? WHERE id = ?", (state, message, number))
            if scores is not None:
                connection.execute("UPDATE runs SET scores = ? WHERE id = ?", (json.dumps(scores), number))

    def rename(self, number: int, name: str) -> None:
        """Give a run another name."""
        with self._connect() as connection:
            connection.execute("UPDATE runs SET name = ? WHERE id = ?", (name, number))

    def delete(self, number: int) -> None:
        """Delete a run and all its files."""
        with self._connect() as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (number,))
        shutil.rmtree(self.folder_of(number), ignore_errors=True)

    def folder_of(self, number: int) -> Path:
        """Return the folder of a run."""
        return self.folder / "runs" / str(number)

    def series_of(self, number: int) -> Path:
        """Return the path of the series of a run."""
        return self.folder_of(number) / "series.npz"

    def model_of(self, number: int) -> Path:
        """Return the path of the model of a run; it exists once training has reached weights."""
        return self.folder_of(number) / "model.freerun"

    def _select(self, where: str, *values: int) -> list[Run]:
        with self._connect() as connection:
            return [_to_run(row) for row in connection.execute(f"SELECT * FROM runs {where}", values)]

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """Context of a connection, which commits on success and rolls back on an exception."""
        with closing(sqlite3.connect(self.folder / "runs.sqlite", timeout=10)) as connection, connection:
            connection.row_factory = sqlite3.Row
            yield connection


def write_note(folder: Path, name: str, what: JSONValue) -> None:
    """Write a JSON file to the folder of a run; an existing file is replaced only when the new one is complete.

    Args:
        folder: folder of the run.
        name: name of the file, without its suffix.
        what: contents.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(what))


def read_note(folder: Path, name: str) -> JSONValue:
    """Read what `write_note` wrote; None if there is nothing yet.

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
    """Parse a file, once per version: pages ask twice a second. Only 16 results are cached, since they are large."""
    del inode, changed
    return json.loads(path.read_text())


def _to_run(row: sqlite3.Row) -> Run:
    """Convert a row of the database."""
    fields = {name: row[name] for name in ("id", "name", "created", "split", "state", "message")}
    source = Source(**json.loads(row["source"]))
    return Run(**fields, source=source, settings=json.loads(row["settings"]), scores=json.loads(row["scores"]))
