"""`Store`: runs of networks in a folder, each with its series, its model and its scores."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, field
from pathlib import Path

from freerun.data.rows import ReadOptions
from freerun.data.series import Series
from freerun.files.writing import JSON
from freerun.studio.records import Record, Records, fields_of


@dataclass(frozen=True)
class Source:
    """Where the series of a run comes from.

    Attributes:
        name: name of a built-in system, or of an uploaded file.
        options: parameters of the system; None for a file.
        reading: options by which the file was read; see `freerun.data.rows.ReadOptions`.
    """

    name: str
    options: JSON | None = None
    reading: JSON = field(default_factory=dict)

    @property
    def read_options(self) -> ReadOptions:
        """How the file was read."""
        given = dict(self.reading)
        return ReadOptions(tuple(given.pop("columns", ())), **given)


@dataclass(frozen=True)
class Run(Record):
    """One run, as stored in the database.

    Attributes:
        source: where the series comes from.
        split: first step after the training part.
        settings: parameters that differ from their defaults.
        scores: scores by measure, and `seconds`.
    """

    source: Source
    split: int
    settings: JSON = field(default_factory=dict)
    scores: JSON = field(default_factory=dict)


class Store(Records[Run]):
    """The runs of a folder; see `Records`."""

    kind = "runs"
    columns = {  # noqa: RUF012 - declared as a ClassVar by the base
        "source": "TEXT NOT NULL",
        "split": "INTEGER NOT NULL",
        "settings": "TEXT NOT NULL",
        "scores": "TEXT NOT NULL DEFAULT '{}'",
    }

    def add(self, name: str, series: Series, source: Source, split: int, settings: JSON) -> Run:
        """Store a new run and its series, in the state `waiting`.

        Raises:
            OutputError: it cannot be written; then nothing is stored.
        """
        described = json.dumps(asdict(source))
        return self._insert(
            name,
            lambda folder: series.write(folder / "series.npz"),
            source=described,
            split=split,
            settings=json.dumps(settings),
        )

    def series_of(self, number: int) -> Path:
        """Return the path of the series of a run."""
        return self.folder_of(number) / "series.npz"

    def model_of(self, number: int) -> Path:
        """Return the path of the model of a run; it exists once training has reached weights."""
        return self.folder_of(number) / "model.freerun"

    def _of_row(self, row: sqlite3.Row) -> Run:
        settings, scores = json.loads(row["settings"]), json.loads(row["scores"])
        return Run(
            **fields_of(row),
            source=Source(**json.loads(row["source"])),
            split=row["split"],
            settings=settings,
            scores=scores,
        )
