"""Runs in a folder: one SQLite database, and for each run a folder with its series, its model and what it told.

Everything that a page shows comes from here, so a run goes on and reappears whatever happens to the page.
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
from typing import Any

from freerun.data.series import Series
from freerun.errors import FreerunError, OutputError
from freerun.writing import replacing

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
        name: of a built-in system, or of the file that was dropped on the page.
        options: of the system; None for a file.
    """

    name: str
    options: dict[str, Any] | None = None


@dataclass(frozen=True)
class Run:
    """One run, as the database knows it.

    Attributes:
        id: its number.
        name: for tables.
        created: seconds since 1970.
        source: where the series comes from.
        split: the first step that is not trained on.
        settings: the parameters that were given, those at their default left out.
        state: `waiting`, `running`, `done`, `stopped` by the user, `failed`, or `killed` from outside.
        message: why it failed, or what else there is to say.
        scores: by measure.
    """

    id: int
    name: str
    created: float
    source: Source
    split: int
    settings: dict[str, Any] = field(default_factory=dict)
    state: str = "waiting"
    message: str = ""
    scores: dict[str, Any] = field(default_factory=dict)


class RunGoneError(FreerunError):
    """Raised when there is no such run any more, for instance since another page has deleted it."""


class Store:
    """The runs of a folder.

    Args:
        folder: made if it is not there.

    Raises:
        OutputError: it cannot be made or written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            (folder / "runs").mkdir(parents=True, exist_ok=True)
            with self._connected() as connection:
                connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{folder}: cannot be used for runs ({error}); choose another folder") from error

    def add(self, name: str, series: Series, source: Source, split: int, settings: dict[str, Any]) -> Run:
        """Keep a new run, its series with it, waiting to be trained.

        Raises:
            OutputError: it cannot be written; nothing is left behind.
        """
        described = json.dumps({"name": source.name, "options": source.options})
        values = (name, time.time(), described, split, json.dumps(settings), "waiting")
        with self._connected() as connection:
            statement = "INSERT INTO runs (name, created, source, split, settings, state) VALUES (?, ?, ?, ?, ?, ?)"
            number = connection.execute(statement, values).lastrowid
            assert number is not None
            try:
                self.folder_of(number).mkdir(parents=True)
                series.write(self.series_of(number))
            except (OSError, FreerunError) as error:
                shutil.rmtree(self.folder_of(number), ignore_errors=True)
                raise OutputError(f"the run cannot be kept in {self.folder} ({error})") from error
        return self.run(number)

    def runs(self, first: int = 0, most: int | None = None) -> list[Run]:
        """The runs, the newest before the others: so many of them (default: all), after the `first` newest."""
        return self._found("ORDER BY id DESC LIMIT ? OFFSET ?", -1 if most is None else most, first)

    def running(self) -> list[Run]:
        """The runs that are being trained, the newest before the others."""
        return self._found("WHERE state = 'running' ORDER BY id DESC")

    def those(self, numbers: Collection[int]) -> list[Run]:
        """The runs of these numbers that are there, the newest before the others."""
        return self._found(f"WHERE id IN ({', '.join('?' * len(numbers))}) ORDER BY id DESC", *numbers)

    def count(self) -> int:
        """How many runs there are."""
        with self._connected() as connection:
            return connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0]

    def run(self, number: int) -> Run:
        """One run.

        Raises:
            RunGoneError: there is none of that number.
        """
        found = self.those([number])
        if not found:
            raise RunGoneError(f"run {number} is gone; it was deleted")
        return found[0]

    def mark(self, number: int, state: str, message: str = "", scores: dict[str, Any] | None = None) -> None:
        """Note what has become of a run."""
        with self._connected() as connection:
            connection.execute("UPDATE runs SET state = ?, message = ? WHERE id = ?", (state, message, number))
            if scores is not None:
                connection.execute("UPDATE runs SET scores = ? WHERE id = ?", (json.dumps(scores), number))

    def rename(self, number: int, name: str) -> None:
        """Give a run another name."""
        with self._connected() as connection:
            connection.execute("UPDATE runs SET name = ? WHERE id = ?", (name, number))

    def delete(self, number: int) -> None:
        """Forget a run and all its files."""
        with self._connected() as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (number,))
        shutil.rmtree(self.folder_of(number), ignore_errors=True)

    def folder_of(self, number: int) -> Path:
        """Where the files of a run are."""
        return self.folder / "runs" / str(number)

    def series_of(self, number: int) -> Path:
        """The file of its series."""
        return self.folder_of(number) / "series.npz"

    def model_of(self, number: int) -> Path:
        """The file of its model, there once training has something to keep."""
        return self.folder_of(number) / "model.freerun"

    def _found(self, where: str, *values: int) -> list[Run]:
        with self._connected() as connection:
            return [_run(row) for row in connection.execute(f"SELECT * FROM runs {where}", values)]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are kept if nothing goes wrong."""
        with closing(sqlite3.connect(self.folder / "runs.sqlite", timeout=10)) as connection, connection:
            connection.row_factory = sqlite3.Row
            yield connection


def tell(folder: Path, name: str, what: Any) -> None:
    """Leave JSON for the page in the folder of a run, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(folder / f"{name}.json") as beside:
        beside.write_text(json.dumps(what))


def told(folder: Path, name: str) -> Any:
    """What was left under that name, shared by all who ask, so not to be changed; None when there is nothing yet."""
    path = folder / f"{name}.json"
    try:
        status = path.stat()
        return _parsed(path, status.st_ino, status.st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=16)
def _parsed(path: Path, inode: int, changed: int) -> Any:
    """What is in a file that has not changed since: many pages ask, twice a second. Few are kept: they are large."""
    del inode, changed
    return json.loads(path.read_text())


def _run(row: sqlite3.Row) -> Run:
    fields = {name: row[name] for name in ("id", "name", "created", "split", "state", "message")}
    source = Source(**json.loads(row["source"]))
    return Run(**fields, source=source, settings=json.loads(row["settings"]), scores=json.loads(row["scores"]))
