"""The pane of the endless free run, which scrolls and can be perturbed by a kick."""

from __future__ import annotations

from collections import deque

from nicegui import ui

from freerun.studio.charts import NETWORK, RUNS, Curve, chart
from freerun.studio.elements import add_chart, redraw
from freerun.studio.learn.desk import Desk
from freerun.studio.learn.runner import Runner

CHART_STEPS = 600
"""Most steps in the chart."""

STEPS = 12
"""Steps per update. At the interval below, these are 60 a second."""

INTERVAL = 0.2
"""Seconds between two updates."""


class FreePane:
    """Controls and chart of the endless free run, on one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._runner: Runner | None = None
        self._curves: list[deque[list[float]]] = []
        self._kicks: deque[int] = deque(maxlen=20)
        self._step = 0
        with ui.row().classes("w-full items-center gap-4"):
            self._start = ui.button("Let it run", icon="play_arrow", on_click=self._begin)
            self._halt = ui.button("Halt", icon="pause", on_click=self.end).props("outline")
            self._kick = ui.button("Kick", icon="bolt", on_click=self._add_kick).props("outline")
            ui.label("strength").classes("hint")
            self._strength = ui.slider(min=0.01, max=2.0, step=0.01, value=0.3).classes("w-40")
            self._strength.props('label aria-label="Strength of the kick in standard deviations"')
            self._about = ui.label(
                "A kick adds noise to value and hidden state. Does the run return to the attractor?"
            ).classes("hint")
        self._chart = add_chart(chart([], "", "", empty="press Let it run"), "Endless free run").classes("h-80")
        self._timer = ui.timer(INTERVAL, self._advance, active=False)
        ui.context.client.on_disconnect(self.end)
        self._enable()

    def end(self) -> None:
        """Stop the run and its process."""
        self._timer.deactivate()
        if self._runner is not None:
            self._runner.end()
            self._runner = None
        self._enable()

    async def _begin(self) -> None:
        run = self._desk.run()
        self.end()
        if run is None or not self._desk.store.model_of(run.id).exists():
            self._about.set_text("Train a network first, or select a run that has one.")
            return
        self._about.set_text(f"{run.name} runs free.")
        self._curves, self._step = [], 0
        self._kicks.clear()
        self._runner = Runner(self._desk.store.model_of(run.id))
        await self._runner.begin()
        self._timer.activate()
        self._enable()

    def _enable(self) -> None:
        self._halt.set_enabled(self._runner is not None)
        self._kick.set_enabled(self._runner is not None)

    async def _add_kick(self) -> None:
        if self._runner is not None:
            await self._runner.kick(float(self._strength.value or 0.0))
            self._kicks.append(self._step)

    async def _advance(self) -> None:
        runner = self._runner
        if runner is None or runner.busy:
            return
        values = await runner.go(STEPS)
        if runner is not self._runner:
            return
        if values is None:
            self._about.set_text("The run ended: its process was killed, or the values diverged.")
            self.end()
            return
        self._curves = self._curves or [deque(maxlen=CHART_STEPS) for _ in values]
        for curve, column in zip(self._curves, values, strict=True):
            curve.extend([self._step + i, value] for i, value in enumerate(column))
        self._step += STEPS
        first = self._curves[0][0][0]
        names = [f"channel {i}" for i in range(len(values))] if len(values) > 1 else ["free run"]
        colors = (NETWORK, *RUNS[1:])
        curves = [Curve(n, list(c), color) for n, c, color in zip(names, self._curves, colors, strict=False)]
        options = chart(curves, "step", "", marks=[(at, "kick") for at in self._kicks if at > first])
        options["xAxis"] |= {"min": first, "max": max(self._step, CHART_STEPS)}
        redraw(self._chart, options)
