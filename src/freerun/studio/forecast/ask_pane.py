"""The third pane: controls of a forecast, the button that starts it, and its progress."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from freerun.arguments import percentages
from freerun.errors import FreerunError, SettingError
from freerun.files.writing import JSON
from freerun.forecasting.words import counted
from freerun.reporting.outlook import LEVELS
from freerun.studio.elements import add_text, show_error
from freerun.studio.forecast.desk import Desk
from freerun.studio.forecast.store import ForecastRecord, Request
from freerun.studio.reading import Reading, Understanding
from freerun.studio.records import read_note

CHOSEN = 8
"""Most series that are chosen at first. Of a table with more, the first one is."""

COMING = {
    "file": "as in the table",
    "last": "stay at their last value",
    "season": "repeat their last season",
}
"""Where future external inputs come from, in words."""


class AskPane:
    """Controls of the forecast and its progress, on one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        with ui.card().classes("pane").props("role=region aria-labelledby=ask-title") as self._card:
            add_text("h2", "3. What to forecast").props("id=ask-title")
            with ui.element("div").classes("w-full column") as self._controls:
                self._series = ui.select([], label="Series", multiple=True, with_input=True).props("use-chips dense")
                self._series.classes("w-full")
                with ui.row().classes("w-full no-wrap gap-3"):
                    self._horizon = ui.number("Steps", min=1, step=1).classes("grow").props("dense stack-label")
                    self._levels = ui.input("Intervals, in percent", value=_format_levels(LEVELS)).classes("grow")
                    self._season = ui.number("Season, in steps", min=0, step=1, placeholder="found").classes("grow")
                for entry in (self._levels, self._season):
                    entry.props("dense stack-label")
                self._coming = ui.select(COMING, value="file", label="External inputs after the table").props("dense")
                self._coming.classes("w-full")
                self._known = ui.label().classes("hint")
            with ui.row().classes("w-full items-center gap-2"):
                self._button = ui.button("Forecast", icon="trending_up", on_click=self._start)
                self._cancel = ui.button("Cancel", icon="close", on_click=self._stop).props("outline")
            self._state = ui.label().classes("state").props("role=status")
            self._bar = ui.linear_progress(0, show_value=False).props('aria-label="Progress of the forecast"')
        desk.when_read.append(self._show_found)
        desk.when_selected.append(self.refresh)
        self._show_found()
        self.refresh()

    def refresh(self) -> None:
        """Show the state of the selected forecast."""
        record = self._desk.record()
        running = record is not None and record.state == "running"
        progress = None if record is None else read_note(self._desk.store.folder_of(record.id), "progress")
        self._cancel.set_enabled(running)
        self._state.set_text(describe_state(record, progress))
        self._bar.set_visibility(running)
        self._bar.set_value(share_done(progress))
        self._card.set_visibility(self._desk.table is not None or record is not None)

    def _show_found(self) -> None:
        """Show the controls that the table needs, and the values that empty ones stand for."""
        found = self._desk.found
        there = found is not None and not found.error and not self._desk.busy
        self._button.set_enabled(there)
        self._controls.set_visibility(found is not None and not found.error)
        if found is None or found.error:
            return
        if found.ids != self._series.options:
            self._series.set_options(found.ids, value=found.ids if len(found.ids) <= CHOSEN else found.ids[:1])
        self._series.set_visibility(found.count > 1)
        self._horizon.props(f'placeholder="{counted(found.horizon, found.word)}"')
        inputs = found.reading["inputs"]
        self._coming.set_visibility(bool(inputs))
        self._known.set_text(describe_known_inputs(found) if inputs else "")

    def _start(self) -> None:
        desk = self._desk
        try:
            if desk.table is None or desk.found is None or desk.found.error:
                raise SettingError("there is no series; give a table first")
            request = request_of(desk.name, desk.found, self._entries())
            record = desk.store.add(request, desk.table)
            desk.jobs.start(record.id, request.to_json())
        except FreerunError as error:
            show_error(error)
            return
        desk.select(record.id)

    def _entries(self) -> dict[str, Any]:
        names = ("series", "horizon", "levels", "season", "coming")
        return {name: getattr(self, f"_{name}").value for name in names}

    def _stop(self) -> None:
        if self._desk.selected is not None:
            self._desk.jobs.stop(self._desk.selected)
            ui.notify("Stopping ...", position="top")


def request_of(name: str, found: Understanding, entries: dict[str, Any]) -> Request:
    """Make a request of the entries of the controls.

    Args:
        name: name of the file.
        found: what was found in it.
        entries: `series`, `horizon`, `levels`, `season` and `coming`.

    Raises:
        SettingError: an entry is invalid.
    """
    series = tuple(entries["series"] or ()) if found.count > 1 else ("",)
    if not series:
        raise SettingError("no series is chosen; choose one or more of them")
    try:
        numbers = [float(part) for part in str(entries["levels"] or "").split(",") if part.strip()]
    except ValueError as error:
        raise SettingError(f"intervals {entries['levels']!r}: give percentages, separated by commas: 80, 95") from error
    steps = _whole("steps", entries["horizon"], 1)
    if found.reading["inputs"] and entries["coming"] == "file" and found.known_ahead < (steps or found.horizon):
        raise SettingError(
            f"{describe_known_inputs(found)} Forecast no more steps than that, or choose what external inputs do after "
            "the table"
        )
    return Request(
        name,
        Reading.of_json(found.reading),
        series,
        steps,
        percentages("intervals", numbers),
        _whole("season", entries["season"], 0),
        entries["coming"],
    )


def _whole(name: str, value: float | None, least: int) -> int | None:
    if value is None:
        return None
    if value < least or value != int(value):
        raise SettingError(f"{name} {value:g}: give a whole number from {least} on, or leave it empty")
    return int(value)


def _format_levels(levels: tuple[float, ...]) -> str:
    return ", ".join(f"{level:g}" for level in levels)


def describe_known_inputs(found: Understanding) -> str:
    """Say for how many steps after the table external inputs are known."""
    known = "not known" if not found.known_ahead else f"known for {counted(found.known_ahead, found.word)}"
    return f"After the last value of the series, {', '.join(found.reading['inputs'])}: {known}."


def describe_state(record: ForecastRecord | None, progress: JSON | None) -> str:
    """Describe the state of a forecast in one line."""
    if record is None:
        return ""
    if record.state == "running":
        if progress is None:
            return f"{record.name}: starting"
        of = f"{progress['series']} ({progress['place'] + 1} of {progress['of']}): " if progress["of"] > 1 else ""
        done = f" {progress['done']} of {progress['total']}" if progress["total"] > 1 else ""
        return f"{of}{progress['task']}{done}  {progress['pace']}".strip()
    if record.state == "done" and record.message:
        return f"{record.name}: done; of some series there is no forecast: {record.message}"
    return f"{record.name}: {record.state}" + (f": {record.message}" if record.message else "")


def share_done(progress: JSON | None) -> float:
    """Return the share of the work of a forecast that is done, from 0 to 1.
    All series count alike."""
    if progress is None:
        return 0.0
    return (progress["place"] + progress["done"] / max(1, progress["total"])) / progress["of"]
