"""The tab of all runs: a table, a chart that compares selected runs, and buttons to copy,
rename and delete."""

from __future__ import annotations

import math
import time

from nicegui import ui

from freerun.data.series import Series
from freerun.files.writing import JSON
from freerun.studio.charts import RUNS, TRUTH, Curve, chart, to_points
from freerun.studio.elements import add_chart, redraw, show_error
from freerun.studio.learn.desk import Desk
from freerun.studio.learn.network_pane import NetworkPane
from freerun.studio.learn.store import Run
from freerun.studio.records import RecordGoneError, read_note

COLUMNS = {
    "name": "run",
    "settings": "settings",
    "series": "series",
    "state": "state",
    "training": "training MSE",
    "validation": "validation MSE",
    "vpt": "VPT",
    "nrmse84": "NRMSE84",
    "d_stsp": "D_stsp",
    "d_h": "D_H",
    "seconds": "seconds",
    "created": "when",
}
"""Headers of the table by the key of the column."""

WORDS = ("name", "settings", "series", "state")
"""Columns of text, which are aligned to the left."""

ROWS_OF_PAGE = 20
"""Rows on a page of the table."""

WIDE = "white-space: normal; min-width: 12rem; max-width: 20rem"
"""CSS of columns whose text may wrap."""


class RunsPane:
    """Table of runs and their comparison, on one page."""

    def __init__(self, desk: Desk, network: NetworkPane) -> None:
        self._desk, self._network = desk, network
        self._rows: list[JSON] = []
        columns = [
            {"name": name, "field": name, "label": text, "align": "left" if name in WORDS else "right"}
            | ({"style": WIDE} if name in ("name", "settings") else {})
            for name, text in COLUMNS.items()
        ]
        with ui.row().classes("w-full items-center gap-2"):
            ui.label("Select one run to see it above, two or more to compare them.").classes("hint grow")
            self._copy = ui.button("Change one thing", icon="content_copy", on_click=self._copy_run).props("outline")
            self._rename = ui.button("Rename", icon="edit", on_click=self._ask_name).props("outline")
            self._delete = ui.button("Delete", icon="delete", on_click=self._ask_delete).props("outline")
        self._table = ui.table(rows=[], columns=columns, row_key="id", selection="multiple", on_select=self._select)
        self._table.classes("w-full").props("dense flat")
        self._pages = ui.pagination(1, 1, direction_links=True, on_change=self.refresh).classes("self-center")
        self._pages.set_visibility(False)
        for place, label in (("header", "'Select all runs'"), ("body", "'Select ' + props.row.name")):
            box = f'<q-checkbox dense v-model="props.selected" :aria-label="{label}" />'
            self._table.add_slot(f"{place}-selection", box)
        self._chart = add_chart({}, "Free runs that are compared").classes("h-64")
        desk.listeners.append(self.refresh)
        self.refresh()
        self._draw()

    def refresh(self) -> None:
        """Update the table from the store."""
        rows = [_to_row(run) for run in self._read_page()]
        if rows != self._rows:
            self._rows = rows
            known = {run.id for run in self._desk.store.get_many(self._selected)}
            self._table.rows = rows
            self._table.selected = [row for row in self._table.selected if row["id"] in known]
            self._draw()
        self._enable()

    def _read_page(self) -> list[Run]:
        """Return the runs on the current page of the table, and update the number of its pages."""
        pages = max(1, math.ceil(self._desk.store.count() / ROWS_OF_PAGE))
        if pages != self._pages.max:
            self._pages.max = pages
            self._pages.set_visibility(pages > 1)
            self._pages.set_value(min(self._pages.value or 1, pages))
        return self._desk.store.all(((self._pages.value or 1) - 1) * ROWS_OF_PAGE, ROWS_OF_PAGE)

    @property
    def _selected(self) -> list[int]:
        return [row["id"] for row in self._table.selected]

    def _select(self) -> None:
        if len(self._selected) == 1:
            self._desk.select(self._selected[0])
        self._enable()
        self._draw()

    def _enable(self) -> None:
        for button in (self._copy, self._rename):
            button.set_enabled(len(self._selected) == 1)
        self._delete.set_enabled(bool(self._selected))

    def _draw(self) -> None:
        runs = self._desk.store.get_many(self._selected)
        curves: list[Curve] = []
        for run, color in zip(runs, RUNS, strict=False):
            live = read_note(self._desk.store.folder_of(run.id), "live")
            if live is None or live.get("run") is None:
                continue
            if not curves and live.get("truth") is not None:
                curves.append(Curve("data", to_points(live["truth"][0]), TRUTH, "back"))
            curves.append(Curve(f"{run.id}: {run.name}", to_points(live["run"][0]), color))
        empty = "free runs of the selected runs"
        redraw(self._chart, chart(curves, "steps after the split", "", empty=empty))

    def _read_selected(self) -> Run | None:
        """Return the selected run; show an error if another page has deleted it."""
        try:
            return self._desk.store.get(self._selected[0])
        except RecordGoneError as error:
            show_error(error)
            self._desk.changed()
            return None

    def _copy_run(self) -> None:
        if (run := self._read_selected()) is None:
            return
        self._network.show(run.settings)
        self._desk.series = Series.read(self._desk.store.series_of(run.id))
        self._desk.source, self._desk.split = run.source, run.split
        ui.notify(f"Settings and series of {run.name!r} are copied: change one thing and press Train.", position="top")

    async def _ask_name(self) -> None:
        if (run := self._read_selected()) is None:
            return
        with ui.dialog() as dialog, ui.card():
            entry = ui.input("Name of the run", value=run.name).classes("w-80").props("maxlength=80 autofocus")
            with ui.row():
                ui.button("Rename", on_click=lambda: dialog.submit(entry.value))
                ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat")
        name = await dialog
        if name and name.strip():
            self._desk.store.rename(run.id, name.strip())
            self._desk.changed()

    async def _ask_delete(self) -> None:
        numbers = self._selected
        with ui.dialog() as dialog, ui.card():
            ui.label(
                f"Delete {len(numbers)} run{'s' * (len(numbers) > 1)} with model and series? There is no way back."
            )
            with ui.row():
                ui.button("Delete", on_click=lambda: dialog.submit(True)).props("color=negative")
                ui.button("Keep", on_click=lambda: dialog.submit(False)).props("flat")
        if await dialog:
            for number in numbers:
                self._desk.jobs.kill(number)
                self._desk.store.delete(number)
            self._desk.select(None)


def _to_row(run: Run) -> JSON:
    """Format a run as a row of the table."""
    scores = run.scores
    vpt = scores.get("vpt")
    return {
        "id": run.id,
        "name": run.name,
        "settings": ", ".join(f"{name}={value}" for name, value in run.settings.items()) or "default",
        "series": run.source.name,
        "state": run.state,
        "training": _text(scores.get("training_mse")),
        "validation": _text(scores.get("validation_mse")),
        "vpt": "" if vpt is None else f"{vpt} of {scores['of']}",
        "nrmse84": _text(scores.get("nrmse84")),
        "d_stsp": _text(scores.get("d_stsp")),
        "d_h": _text(scores.get("d_h")),
        "seconds": "" if "seconds" not in scores else f"{scores['seconds']:.1f}",
        "created": time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created)),
    }


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
