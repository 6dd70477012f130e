"""The line above the results: which forecast, which series and which channel is shown."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Any

from nicegui import ui

from freerun.studio.forecast.desk import Desk
from freerun.studio.forecast.store import ForecastRecord

LISTED = 50
"""Most forecasts to choose from, the newest ones."""


class ChosenPane:
    """Selectors of forecast, series and channel, on one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._filling = desk, False
        with ui.row().classes("chosen w-full items-center gap-3") as self._row:
            self._forecast = ui.select({}, label="Forecast", on_change=self._choose_forecast).classes("grow")
            self._series = ui.select({}, label="Series shown", on_change=self._choose_series).classes("w-44")
            self._channel = ui.select([], label="Channel", on_change=self._choose_channel).classes("w-44")
            self._delete = ui.button(icon="delete", on_click=self._ask_delete)
            self._delete.props('flat round aria-label="Delete this forecast"')
        for entry in (self._forecast, self._series, self._channel):
            entry.props("dense outlined")
        desk.when_selected.append(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Update the selectors."""
        listed = {record.id: _label(record) for record in self._desk.store.all(most=LISTED)}
        record, view = self._desk.record(), self._desk.view()
        series = {} if record is None else dict(enumerate(record.request.series))
        channels = [] if view is None else view.get("channels", [])
        self._filling = True
        _set(self._forecast, listed, None if record is None else record.id)
        _set(self._series, series, self._desk.place if series else None)
        _set(
            self._channel,
            channels,
            self._desk.channel if self._desk.channel in channels else next(iter(channels), None),
        )
        self._filling = False
        self._row.set_visibility(bool(listed))
        self._series.set_visibility(len(series) > 1)
        self._channel.set_visibility(len(channels) > 1)
        self._delete.set_enabled(record is not None)

    def _choose_forecast(self) -> Awaitable[None] | None:
        if self._filling or self._forecast.value is None:
            return None
        self._desk.select(int(self._forecast.value))
        record = self._desk.record()
        if record is None:
            return None
        return self._desk.open(self._desk.store.table_of(record.id), record.request.file, record.request.reading)

    def _choose_series(self) -> None:
        if not self._filling and self._series.value is not None:
            self._desk.select(self._desk.selected, int(self._series.value), self._desk.channel)

    def _choose_channel(self) -> None:
        if not self._filling and self._channel.value is not None:
            self._desk.select(self._desk.selected, self._desk.place, str(self._channel.value))

    async def _ask_delete(self) -> None:
        record = self._desk.record()
        if record is None:
            return
        with ui.dialog() as dialog, ui.card():
            ui.label(f"Delete the forecast of {record.name} with its model and report? There is no way back.")
            with ui.row():
                ui.button("Delete", on_click=lambda: dialog.submit(True)).props("color=negative")
                ui.button("Keep", on_click=lambda: dialog.submit(False)).props("flat")
        if await dialog:
            self._desk.jobs.kill(record.id)
            self._desk.store.delete(record.id)
            rest = self._desk.store.all(most=1)
            self._desk.select(rest[0].id if rest else None)


def _set(entry: ui.select, options: Any, value: Any) -> None:
    if entry.options != options or entry.value != value:
        entry.set_options(options, value=value)


def _label(record: ForecastRecord) -> str:
    """A forecast in a list: its name, its state if it is not done, and when it was asked for."""
    state = "" if record.state == "done" else f" ({record.state})"
    return f"{record.name}{state}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(record.created))}"
