"""The third pane: start, watch, stop and continue training."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from freerun.errors import FreerunError, SeriesError
from freerun.files.writing import JSON
from freerun.studio.charts import MARK, NETWORK, SECOND, TRUTH, Curve, chart, to_points
from freerun.studio.elements import add_chart, redraw, show_error
from freerun.studio.learn.desk import Desk
from freerun.studio.learn.network_pane import NetworkPane
from freerun.studio.learn.presets import PRESETS
from freerun.studio.learn.store import Run
from freerun.studio.records import read_note

REFRESH = 0.5
"""Seconds between two updates from the files of the training process."""


class RunPane:
    """State, losses and current free run of the selected run, on one page."""

    def __init__(self, desk: Desk, network: NetworkPane) -> None:
        self._desk, self._network = desk, network
        self._shown: JSON = {}
        with ui.card().classes("pane").props("role=region aria-label=Run"):
            with ui.row().classes("w-full items-center no-wrap gap-2"):
                ui.label("Run").classes("pane-title grow")
                self._train = ui.button("Train", icon="play_arrow", on_click=self._train_new)
                self._stop = ui.button("Stop", icon="stop", on_click=self._interrupt).props("outline")
                self._resume = ui.button("Continue", icon="redo", on_click=self._continue).props("outline")
            self._state = ui.label().classes("state").props("role=status aria-live=polite")
            self._bar = ui.linear_progress(0, show_value=False).props('aria-label="Progress of training"')
            self._losses = add_chart({}, "Losses").classes("h-40")
            self._live = add_chart({}, "Free run against what followed").classes("h-56")
        desk.listeners.append(self.refresh)
        ui.timer(REFRESH, self.refresh)

    def refresh(self) -> None:
        """Show the progress of the selected run."""
        run = self._desk.run()
        running = run is not None and run.state == "running"
        self._stop.set_enabled(running)
        killed = run is not None and run.state == "killed"
        there = run is not None and not running and self._desk.store.model_of(run.id).exists()
        self._resume.set_text("Resume" if killed else "Continue")
        self._resume.set_enabled(killed or there)
        if run is None:
            self._show("state", None, lambda: self._state.set_text("Nothing trained yet: press Train."))
            self._show("progress", None, lambda: redraw(self._losses, _chart_losses({})))
            self._show("live", None, lambda: redraw(self._live, _chart_live(None)))
            return
        folder = self._desk.store.folder_of(run.id)
        progress, live = read_note(folder, "progress") or {}, read_note(folder, "live")
        self._show("state", (run, progress.get("done")), lambda: self._state.set_text(_describe_run(run, progress)))
        share = progress["done"] / max(1, progress["total"]) if progress else 0.0
        self._bar.set_value(share if running else float(run.state == "done"))
        losses = progress.get("losses", {})
        self._show("progress", (run.id, losses), lambda: redraw(self._losses, _chart_losses(losses)))
        self._show("live", (run.id, live), lambda: redraw(self._live, _chart_live(live)))

    def _show(self, part: str, content: Any, draw: Any) -> None:
        """Call `draw` if the content of this part has changed."""
        if self._shown.get(part, self) != content:
            self._shown[part] = content
            draw()

    def _train_new(self) -> None:
        self._start(further=False)

    def _continue(self) -> None:
        run = self._desk.run()
        if run is None or run.state != "killed":
            self._start(further=True)
            return
        try:
            self._desk.jobs.resume(run.id)
        except FreerunError as error:
            show_error(error)
        self._desk.changed()

    def _start(self, further: bool) -> None:
        desk, before = self._desk, self._desk.run()
        try:
            settings = self._network.settings()
            if desk.series is None or desk.source is None:
                raise SeriesError("there is no series; choose a system, or drop a file")
            name = _name(settings)
            if further and before is not None:
                settings, name = before.settings | settings, f"{before.name}, continued"
            run = desk.store.add(name, desk.series, desk.source, desk.split, settings)
            model = desk.store.model_of(before.id) if further and before is not None else None
            desk.jobs.train(run, model)
        except FreerunError as error:
            show_error(error)
            return
        desk.select(run.id)

    def _interrupt(self) -> None:
        if self._desk.selected is not None:
            self._desk.jobs.stop(self._desk.selected)
            ui.notify("Stopping; the last weights are kept.", position="top")


def _name(settings: JSON) -> str:
    """Name a new run after its preset, or after its first three settings."""
    preset = next((name for name, given in PRESETS.items() if given == settings), None)
    words = [f"{name} {value}" for name, value in settings.items()]
    return preset or ", ".join(words[:3]) + (", ..." if len(words) > 3 else "")


def _describe_run(run: Run, progress: JSON) -> str:
    """Describe the state of a run in one line."""
    if run.state == "running":
        if not progress:
            return f"{run.name}: starting"
        return f"{run.name}: {progress['task']} {progress['done']} of {progress['total']}  {progress['pace']}"
    if run.state in ("failed", "killed"):
        return f"{run.name}: {run.message}"
    vpt, seconds = run.scores.get("vpt"), run.scores.get("seconds")
    held = "" if vpt is None else f"; the free run holds {vpt} of {run.scores['of']} steps"
    took = "" if seconds is None else f" after {seconds:.1f} s"
    return f"{run.name}: {run.state}{took}{held}"


def _chart_losses(losses: dict[str, list[Any]]) -> JSON:
    if losses.get("tried") and len(losses["done"]) < 3:
        points = [[x, y] for x, y in enumerate(losses["tried"], 1) if y]
        return chart(
            [Curve("best free-run error on the held-out part", points, NETWORK)], "candidates tried", "", log=True
        )
    names = {"training": ("training MSE", TRUTH), "validation": ("validation MSE", MARK), "free": ("free run", NETWORK)}
    curves = []
    for key, (name, color) in names.items():
        points = [[x, y] for x, y in zip(losses.get("done", []), losses.get(key, []), strict=False) if y]
        if points:
            curves.append(Curve(name, points, color))
    return chart(curves, "epoch", "", log=True, empty="losses appear while the network trains")


def _chart_live(live: JSON | None) -> JSON:
    if live is None:
        return chart([], "", "", empty="predictions and free run appear while the network trains")
    curves = []
    for name, key, color in (("data", "truth", TRUTH), ("one step", "one_step", SECOND), ("free run", "run", NETWORK)):
        if live.get(key) is not None:
            curves.append(Curve(name, to_points(live[key][0]), color, "back" if key == "truth" else "line"))
    marks = [] if live.get("vpt") is None else [(live["vpt"], f"VPT {live['vpt']}")]
    return chart(curves, "steps after the split", live["channels"][0], marks=marks)
