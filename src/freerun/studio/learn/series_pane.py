"""The first pane: choose or upload a series,
and choose the split between training and test part."""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace
from typing import Any

from nicegui import ui

from freerun import systems
from freerun.data.series import Series
from freerun.errors import FreerunError
from freerun.studio.charts import MARK, SECOND, TRUTH, Curve, chart, to_points
from freerun.studio.elements import add_chart, redraw, remove_options, show_error
from freerun.studio.intake import read_upload
from freerun.studio.learn.desk import Desk
from freerun.studio.learn.store import Source
from freerun.studio.reading import Reading
from freerun.studio.uploads import DropField, removed_at_the_end, suffix_of

SYSTEMS = {
    "mackey-glass": "Mackey-Glass",
    "multiple-sines": "Multiple sines",
    "lorenz": "Lorenz",
}
"""The built-in systems, by the names of `freerun data`."""

MOST_POINTS = 3000
"""Most points of a curve in the chart; of a longer series, steps are left out evenly."""

COLORS = (TRUTH, MARK, SECOND, "#CC79A7")
"""Colors of channels; only the first four are drawn."""

MOST_GENERATED = 100_000
"""Most steps of a generated series."""

_DRAG = """
const chart = getElement(%d).chart, zr = chart.getZr();
let held = false;
const tell = e => emitEvent('split-%d', Math.round(chart.convertFromPixel({xAxisIndex: 0}, e.offsetX)));
zr.on('mousedown', e => { if (chart.containPixel('grid', [e.offsetX, e.offsetY])) { held = true; tell(e); } });
zr.on('mousemove', e => { if (held) tell(e); });
zr.on('mouseup', () => { held = false; });
zr.on('globalout', () => { held = false; });
"""


class SeriesPane:
    """Choice of the series, its chart and the split, on one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._file: Series | None = None
        self._notes: list[str] = []
        self._curves: list[Curve] = []
        with ui.card().classes("pane").props("role=region aria-label=Series"):
            ui.label("Series").classes("pane-title")
            with ui.row().classes("w-full items-end no-wrap gap-2"):
                self._system = ui.select(SYSTEMS, value="mackey-glass", label="System").classes("grow")
                self._steps = ui.number("Steps", value=2000, min=50, max=MOST_GENERATED, step=100).classes("w-24")
                self._seed = ui.number("Seed", value=0, min=0, step=1).classes("w-16")
            for entry in (self._system, self._steps, self._seed):
                entry.on_value_change(self._take_system)
            self._drop = DropField(self._take_file)
            self._channels = ui.select([], multiple=True, label="Channels", on_change=self._choose).props("use-chips")
            self._channels.classes("w-full").set_visibility(False)
            self._chart = add_chart({}, "The series and the split").classes("h-48")
            self._split = ui.slider(min=20, max=2000, value=1500, on_change=self._move)
            self._split.props('aria-label="First step that is not trained on"')
            self._about = ui.label().classes("hint")
        ui.on(f"split-{self._chart.id}", lambda e: self._split.set_value(self._clip_split(e.args)))
        ui.timer(0.3, lambda: ui.run_javascript(_DRAG % (self._chart.id, self._chart.id)), once=True)
        self._take_system()

    def _take_system(self) -> None:
        if self._system.value is None:
            return
        self._notes = []
        name, steps = str(self._system.value), int(self._steps.value or 0)
        seed = None if self._seed.value is None else int(self._seed.value)
        if not 50 <= steps <= MOST_GENERATED:
            self._about.set_text(f"Steps: choose 50 to {MOST_GENERATED}.")
            return
        options: dict[str, Any] = {"steps": steps} | ({} if name == "lorenz" or seed is None else {"seed": seed})
        self._seed.set_enabled(name != "lorenz")
        try:
            self._show(systems.make(name, **options), Source(name, options), split=int(0.75 * steps))
        except (FreerunError, ValueError) as error:
            show_error(error)
            return
        self._channels.set_visibility(False)

    async def _take_file(self, name: str, content: bytes) -> None:
        """Read and show an uploaded file, or show why it cannot be read."""
        folder = self._desk.store.folder / "uploads"
        try:
            upload = folder / f"{uuid.uuid4().hex}{suffix_of(name)}"
            target = upload.with_suffix(".series.npz")
            with removed_at_the_end(upload, target):
                folder.mkdir(exist_ok=True)
                upload.write_bytes(content)
                found = await read_upload(upload, Reading(), series=target)
                if found.error:
                    raise FreerunError(f"{name}: {found.error}")
                series = Series.read(target)
        except (OSError, FreerunError) as error:
            show_error(error)
            return
        self._file = series
        self._notes = found.notes
        if found.count > 1:
            self._notes = [f"it holds {found.count} series, of which {found.shown!r} is shown", *self._notes]
        self._system.set_value(None)
        options = Reading.of_json(found.reading).options_for(found.shown)
        self._show(series, Source(name, reading=asdict(options)), split=int(0.75 * len(series)))
        self._channels.set_options(list(series.channels), value=list(series.channels))
        self._channels.set_visibility(len(series.channels) > 1)

    def _choose(self) -> None:
        chosen = self._channels.value or []
        if self._file is not None and chosen and self._desk.source is not None and self._desk.source.options is None:
            source = self._desk.source
            reading = source.reading | ({"columns": chosen} if len(chosen) < len(self._file.channels) else {})
            self._show(self._file.channel(*chosen), replace(source, reading=reading), self._desk.split)

    def _show(self, series: Series, source: Source, split: int) -> None:
        self._desk.series, self._desk.source = series, source
        every = -(-len(series) // MOST_POINTS)
        self._curves = [
            Curve(name, to_points(column[::every], every=every), color)
            for name, column, color in zip(series.channels, series.values.T, COLORS, strict=False)
        ]
        self._split.props["max"] = len(series)  # as a number, since Quasar misplaces the thumb for text
        self._split.update()
        self._desk.split = self._clip_split(split)
        if self._split.value == self._desk.split:
            self._draw()
        self._split.set_value(self._desk.split)

    def _clip_split(self, step: float) -> int:
        assert self._desk.series is not None
        return int(min(max(20, step), len(self._desk.series)))

    def _move(self) -> None:
        if self._desk.series is not None:
            self._desk.split = self._clip_split(self._split.value or 0)
            self._draw()

    def _draw(self) -> None:
        series, split = self._desk.series, self._desk.split
        if series is None:
            return
        redraw(self._chart, chart(self._curves, "step", "", marks=[(split, "split")]))
        rest = len(series) - split
        compared = f"compares with the {rest} after it" if rest else "leaves no steps to compare with"
        channels = f"{len(series.channels)} channel{'s' * (len(series.channels) > 1)}"
        self._about.set_text(
            f"{len(series)} steps, {channels}: trains on {split}, {compared}. Drag the line to move the split."
            + "".join(f" Note: {remove_options(note)}." for note in self._notes)
        )
