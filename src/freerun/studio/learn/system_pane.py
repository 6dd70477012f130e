"""The tab that compares free run and data as dynamical systems: attractor, spectra, return map,
error growth."""

from __future__ import annotations

from typing import Any

import numpy as np
from nicegui import ui

from freerun.files.writing import JSON
from freerun.metrics import LOST
from freerun.studio.charts import MARK, NETWORK, TRUTH, Curve, chart, chart_3d, to_points
from freerun.studio.elements import add_chart
from freerun.studio.learn.desk import Desk
from freerun.studio.records import read_note

VIEWS = {
    "attractor": "Attractor",
    "space": "Attractor in 3-D",
    "spectrum": "Power spectrum",
    "return_map": "Return map",
    "growth": "Growth of errors",
}
"""Titles of the views by name."""


class SystemPane:
    """Views of the selected run, on one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown: Any = self
        with ui.row().classes("w-full items-center gap-2"):
            self._view = ui.toggle(VIEWS, value="attractor", on_change=self._draw).props('aria-label="View"')
            self._about = ui.label().classes("hint")
        self._place = ui.element().classes("w-full")
        desk.listeners.append(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Redraw if another run is selected, or its state has changed."""
        run = self._desk.run()
        now = None if run is None else (run.id, run.state)
        if now != self._shown:
            self._shown = now
            self._draw()

    def _draw(self) -> None:
        run, view = self._desk.run(), str(self._view.value)
        views = None if run is None else read_note(self._desk.store.folder_of(run.id), "views")
        self._place.clear()
        self._about.set_text("" if views is None else _ABOUT[view].format(delay=views["delay"]))
        empty = chart([], "", "", empty="appears when a run has ended")
        with self._place:
            options = empty if views is None else _options(view, views)
            add_chart(options, VIEWS[view], enable_3d=view == "space").classes("h-96")


_ABOUT = {
    "attractor": "Each value against the one {delay} steps before it. A good free run visits the states of the data.",
    "space": "Each value against those {delay} and 2 x {delay} steps before it. Drag to rotate.",
    "spectrum": "The power of each frequency in data and free run.",
    "return_map": "Each maximum against the one before it.",
    "growth": "Errors of many free runs, in standard deviations. In a chaotic system they grow exponentially.",
}


def _options(view: str, views: JSON) -> JSON:
    """Make the chart options of a view."""
    both = (("data", views["truth"], TRUTH), ("free run", views["run"], NETWORK))
    before, twice = f"x at {views['delay']} steps before", f"x at {2 * views['delay']} steps before"
    if view == "space":
        return chart_3d([Curve(name, found["states"], color) for name, found, color in both], ("x", before, twice))
    if view == "attractor":
        return chart([Curve(n, np.array(w["states"])[:, :2], color, "orbit") for n, w, color in both], "x", before)
    if view == "return_map":
        curves = [Curve(name, found["return_map"], color, "scatter") for name, found, color in both]
        return chart(curves, "maximum", "next maximum")
    if view == "spectrum":
        curves = [Curve(name, _over_frequencies(found["spectrum"]), color) for name, found, color in both]
        return chart(curves, "frequency (per step)", "power", log=True)
    errors = np.array(views.get("growth", []), float)
    if not errors.size:
        return chart([], "", "", empty="needs 60 steps or more after the split")
    typical = to_points(np.exp(np.nanmean(np.log(np.maximum(errors, 1e-12)), axis=0)), 1)
    limit = [[1, LOST], [errors.shape[1], LOST]]
    curves = [Curve("error (geometric mean)", typical, NETWORK), Curve("lost the data", limit, MARK)]
    return chart(curves, "steps of the free run", "standard deviations", log=True)


def _over_frequencies(spectrum: list[float | None]) -> np.ndarray:
    """Turn a spectrum into points (frequency per step, power), without zeros,
    which a logarithmic axis cannot show."""
    power = np.array(spectrum, float)
    shown = np.flatnonzero(power > 0)
    shown = shown[shown > 0]
    return np.column_stack([shown / (2 * len(power)), power[shown]])
