"""`Forecasts` that were asked for, in a folder; and `ForecastJobs`,
the processes that make them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from freerun.files.writing import JSON
from freerun.reporting.outlook import LEVELS
from freerun.studio.jobs import Jobs
from freerun.studio.reading import Reading
from freerun.studio.records import Record, Records, fields_of

Coming = Literal["file", "last", "season"]
"""Where future external inputs come from: the file, the last values, or the last season."""


@dataclass(frozen=True)
class Request:
    """What a user asks.

    Attributes:
        file: name of the file.
        reading: how it is read.
        series: names of the series to forecast; one empty name where there is only one series.
        horizon: number of steps; None means a season, or a tenth of the series.
        levels: levels of the prediction intervals, in percent.
        season: seasonal period in steps; None means that it is found, 0 that there is none.
        coming: where future external inputs come from that the file does not have.
    """

    file: str
    reading: Reading = field(default_factory=Reading)
    series: tuple[str, ...] = ("",)
    horizon: int | None = None
    levels: tuple[float, ...] = LEVELS
    season: int | None = None
    coming: Coming = "file"

    @classmethod
    def of_json(cls, given: JSON) -> Request:
        """Read what `to_json` made."""
        fields: dict[str, Any] = dict(given)
        fields |= {name: tuple(given[name]) for name in ("series", "levels")}
        fields["reading"] = Reading.of_json(given["reading"])
        return cls(**fields)

    def to_json(self) -> JSON:
        """Convert to values of JSON."""
        return asdict(self)

    @property
    def settings(self) -> JSON:
        """Settings of the network that differ from their defaults."""
        return {} if self.season is None else {"season": self.season}


@dataclass(frozen=True)
class ForecastRecord(Record):
    """One forecast that was asked for.

    Attributes:
        request: what the user asked for.
    """

    request: Request


class Forecasts(Records[ForecastRecord]):
    """The forecasts of a folder; see `Records`."""

    kind = "forecasts"
    columns = {"request": "TEXT NOT NULL"}  # noqa: RUF012 - declared as a ClassVar by the base

    def add(self, request: Request, table: Path) -> ForecastRecord:
        """Store a new request with its file, in the state `waiting`.

        Raises:
            OutputError: it cannot be written; then nothing is stored.
        """
        suffixes = "".join(table.suffixes)
        described = json.dumps(request.to_json())
        name = named(request.file, request.series)
        return self._insert(name, lambda folder: _copy(table, folder / f"table{suffixes}"), request=described)

    def table_of(self, number: int) -> Path:
        """Return the path of the file of a forecast."""
        return table_in(self.folder_of(number))

    def place_of(self, number: int, place: int) -> Path:
        """Return the folder of one series of a forecast, by its place in the request."""
        return self.folder_of(number) / str(place)

    def _of_row(self, row: sqlite3.Row) -> ForecastRecord:
        return ForecastRecord(**fields_of(row), request=Request.of_json(json.loads(row["request"])))


def table_in(folder: Path) -> Path:
    """The file in the folder of a forecast."""
    return next(path for path in folder.iterdir() if path.name.startswith("table."))


def named(file: str, series: Sequence[str]) -> str:
    """A name for series of a file: `air.csv`, or `sales.csv: north, south and 3 more`."""
    if series == ("",):
        return file
    more = f" and {len(series) - 2} more" if len(series) > 2 else ""
    return f"{file}: {', '.join(series[:2])}{more}"


def _copy(table: Path, target: Path) -> None:
    shutil.copyfile(table, target)


class ForecastJobs(Jobs):
    """The processes that make forecasts; see `Jobs`.

    Args:
        store: the forecasts.
    """

    def __init__(self, store: Forecasts) -> None:
        super().__init__(store, "freerun.studio.forecast.worker", "ask for the forecast again")
