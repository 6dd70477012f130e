"""`Desk`: the state of one open page of "What comes next?": its file, how it is read,
and the selected forecast."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from freerun.files.writing import JSON
from freerun.studio.forecast.store import ForecastJobs, ForecastRecord, Forecasts
from freerun.studio.intake import read_upload
from freerun.studio.reading import Reading, Understanding
from freerun.studio.records import read_note


@dataclass
class Desk:
    """The state of one page. Panes change it by its methods, and are told by their listeners.

    Attributes:
        store: the forecasts; shared by all pages.
        jobs: their processes; shared by all pages.
        table: the file on this machine; None before one was given.
        name: the name that the user gave it.
        reading: how it is read.
        shown: name of the series that is described, if there are several.
        found: what was found in it; None while it is read for the first time.
        busy: whether it is being read.
        selected: number of the selected forecast.
        place: place of the selected series in it.
        channel: the selected channel.
        when_read: called when a file is read, and when it was read.
        when_selected: called when another forecast, series or channel is selected.
    """

    store: Forecasts
    jobs: ForecastJobs
    table: Path | None = None
    name: str = ""
    reading: Reading = field(default_factory=Reading)
    shown: str = ""
    found: Understanding | None = None
    busy: bool = False
    selected: int | None = None
    place: int = 0
    channel: str = ""
    when_read: list[Callable[[], None]] = field(default_factory=list)
    when_selected: list[Callable[[], None]] = field(default_factory=list)
    _uploads: list[Path] = field(default_factory=list)
    _task: asyncio.Future[Understanding] | None = None

    async def take(self, name: str, suffix: str, content: bytes, reading: Reading | None = None) -> None:
        """Take a file and read it.

        Args:
            name: the name that the user gave it.
            suffix: its suffix, which says its format.
            content: its content.
            reading: how to read it; None finds everything by itself.

        Raises:
            OSError: it cannot be kept.
        """
        folder = self.store.folder / "uploads"
        folder.mkdir(exist_ok=True)
        table = folder / f"{uuid.uuid4().hex}{suffix}"
        table.write_bytes(content)
        self._uploads.append(table)
        await self.open(table, name, reading or Reading())

    async def open(self, table: Path, name: str, reading: Reading) -> None:
        """Read a file that is there already."""
        self.table, self.name, self.found, self.shown = table, name, None, ""
        await self.read(reading)

    async def read(self, reading: Reading, shown: str = "") -> None:
        """Read the file in another way, or describe another series of it."""
        if self.table is None:
            return
        if self._task is not None:
            self._task.cancel()
        self.reading, self.shown, self.busy = reading, shown, True
        self._notify(self.when_read)
        task = self._task = asyncio.ensure_future(read_upload(self.table, reading, shown))
        await asyncio.wait([task])
        if task is self._task and not task.cancelled():
            self.found, self.shown, self.busy = task.result(), task.result().shown, False
            self._notify(self.when_read)

    def close(self) -> None:
        """Remove the files that were given; forecasts have copies of theirs."""
        for path in self._uploads:
            path.unlink(missing_ok=True)

    def record(self) -> ForecastRecord | None:
        """Return the selected forecast; None if there is none, or it was deleted."""
        record = self.store.find(self.selected)
        if record is None:
            self.selected = None
        return record

    def view(self) -> JSON | None:
        """Return what is shown of the selected series; None while it is not there."""
        if self.selected is None:
            return None
        return read_note(self.store.place_of(self.selected, self.place), "view")

    def select(self, number: int | None, place: int = 0, channel: str = "") -> None:
        """Select a forecast, one of its series, and a channel of that."""
        self.selected, self.place, self.channel = number, place, channel
        self._notify(self.when_selected)

    def _notify(self, listeners: list[Callable[[], None]]) -> None:
        for listener in listeners:
            listener()
