"""The second pane: what was understood of the table, and the controls that correct it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

from nicegui import ui

from freerun.data.rows import ReadOptions
from freerun.errors import FreerunError
from freerun.forecasting.words import to_sentence
from freerun.studio.charts import RUNS, TRUTH, Curve, chart_over_time
from freerun.studio.elements import add_chart, add_facts, add_table, add_text, redraw, remove_options, show_error
from freerun.studio.forecast.desk import Desk
from freerun.studio.forecast.questions import find_question
from freerun.studio.reading import Reading, Understanding

FOUND = ""
"""Value of a control that leaves the answer to the reader of the file."""

NONE = "\0"
"""Value of the control of names of series: there is only one series."""

IRREGULAR = "irregular"
"""Value of the control of the steps: their lengths differ, and the network reads them."""

MISSING = {
    "mask": "left open: the network reads its own output",
    "interpolate": "filled along straight lines",
    "error": "refused",
}
"""Treatments of missing values, in words."""

STEPS = {
    FOUND: "equal, as in the table",
    IRREGULAR: "unequal, as in the table",
    "rows": "each row is a step, times are ignored",
    "h": "means of hours",
    "D": "means of days",
    "W": "means of weeks",
    "MS": "means of months",
    "QS": "means of quarters",
    "YS": "means of years",
}
"""Usual steps, in words; other pandas frequencies and numbers can be written."""

DECIMALS = {FOUND: "found by itself", ".": "point: 1234.5", ",": "comma: 1234,5"}
"""Decimal signs in words."""

DRAWN = 4
"""Most curves in the chart."""


class ReadingPane:
    """What was understood, and its corrections, on one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._filling = desk, False
        with ui.card().classes("pane").props("role=region aria-labelledby=reading-title") as self._card:
            add_text("h2", "2. What was understood").props("id=reading-title")
            self._status = ui.label().classes("hint").props("role=status")
            self._fault = ui.column().classes("fault w-full gap-2").props("role=alert")
            self._fault.set_visibility(False)
        with self._card, ui.element("div").classes("w-full column") as self._body:
            self._picture = add_chart({}, "The series as it was read").classes("h-40")
            self._facts = ui.column().classes("w-full gap-2")
            with ui.expansion("The first rows").classes("w-full") as self._first:
                self._head = ui.column().classes("w-full")
            with ui.expansion("Read it differently").classes("w-full") as self._corrections:
                self._controls = self._add_controls()
        desk.when_read.append(self._refresh)
        self._refresh()

    def _add_controls(self) -> dict[str, Any]:
        """Add a control for each option of reading, named as the option of the command line."""
        controls: dict[str, Any] = {
            "shown": ui.select([], label="Series that is shown", with_input=True),
            "time": ui.select({FOUND: ""}, label="Times are in"),
            "id": ui.select({FOUND: ""}, label="Names of the series are in"),
            "column": ui.select([], label="To forecast", multiple=True).props("use-chips"),
            "input": ui.select([], label="External inputs: known ahead, not forecast", multiple=True).props(
                "use-chips"
            ),
            "resample": ui.select(dict(STEPS), label="Step length", with_input=True, new_value_mode="add-unique"),
            "missing": ui.select(MISSING, label="Missing values are", value="mask"),
            "decimal": ui.select(DECIMALS, label="Decimal sign", value=FOUND),
            "zone": ui.input("Time zone of local times", placeholder="Europe/Berlin"),
        }
        for name, entry in controls.items():
            entry.classes("w-full").props("dense")
            if name == "zone":
                entry.on("change", self._change)
            else:
                entry.on_value_change(self._change)
        return controls

    def _change(self) -> Awaitable[None] | None:
        if self._filling or self._desk.table is None:
            return None
        entries = {name: entry.value for name, entry in self._controls.items()}
        try:
            reading = reading_of(entries, self._desk.found)
        except FreerunError as error:
            show_error(error)
            return None
        return self._desk.read(reading, str(entries["shown"] or ""))

    def _refresh(self) -> None:
        found = self._desk.found
        self._card.set_visibility(self._desk.table is not None)
        self._body.set_visibility(found is not None)
        if self._desk.busy:
            self._status.set_text(f"Reading {self._desk.name} ...")
        elif found is not None:
            self._status.set_text(describe_file(self._desk.name, found))
            self._show_fault(found)
            self._fill_controls(found)
            self._show_facts(found)

    def _show_fault(self, found: Understanding) -> None:
        """Say why the table cannot be read. Ask what would help,
        and mark the control that answers."""
        control, question = find_question(found.error) if found.error else (None, "")
        for name, entry in self._controls.items():
            entry.classes(**{"add" if name == control else "remove": "asked"})
        self._fault.clear()
        self._fault.set_visibility(bool(found.error))
        if not found.error:
            return
        self._corrections.set_value(control is not None)
        self._first.set_value(bool(found.head))
        with self._fault:
            add_text("p", to_sentence(remove_options(found.error))).classes("wrong")
            add_text("p", question).classes("question")

    def _fill_controls(self, found: Understanding) -> None:
        """Set the controls to how the table was read."""
        reading = Reading.of_json(found.reading)
        options, names = reading.options, list(found.columns)
        rest = [name for name in names if name not in found.times and name != options.id]
        numbers = [name for name in rest if found.columns[name] == "number"] or rest
        targets = [name for name in options.columns or found.channels if name not in reading.inputs]
        asked = self._desk.reading.options
        times = ", ".join(found.times) or "none"
        by_itself = "none" if options.id is None else options.id
        self._filling = True
        self._set("shown", found.ids, found.shown or None, len(found.ids) > 1)
        self._set(
            "time", {FOUND: f"found by itself: {times}"} | dict(zip(names, names, strict=True)), asked.time or FOUND
        )
        ids = {FOUND: f"found by itself: {by_itself}", NONE: "there is one series"} | dict(
            zip(names, names, strict=True)
        )
        self._set("id", ids, NONE if reading.single else asked.id or FOUND)
        self._set("column", numbers, [name for name in targets if name in numbers])
        self._set("input", numbers, list(reading.inputs))
        step = IRREGULAR if options.irregular else options.resample or FOUND
        self._set("resample", STEPS | {step: STEPS.get(step, step)}, step)
        self._controls["missing"].set_value(options.missing)
        self._controls["decimal"].set_value(options.decimal or FOUND)
        self._controls["zone"].set_value(options.zone or "")
        self._filling = False

    def _set(self, name: str, options: Any, value: Any, shown: bool = True) -> None:
        self._controls[name].set_options(options, value=value)
        self._controls[name].set_visibility(shown)

    def _show_facts(self, found: Understanding) -> None:
        """Show curves, facts, notes and the first rows."""
        self._facts.clear()
        self._head.clear()
        self._picture.set_visibility(not found.error)
        with self._facts:
            if not found.error:
                add_facts([*found.facts, *(("note", remove_options(note)) for note in notes_of(found))])
        colors = (TRUTH, *RUNS)
        curves = [
            Curve(name, points, color)
            for (name, points), color in zip(list(found.curves.items())[:DRAWN], colors, strict=False)
        ]
        redraw(self._picture, chart_over_time(curves, found.axis))
        with self._head:
            if found.columns:
                kinds = [f"{name} ({kind})" for name, kind in found.columns.items()]
                add_table("The first rows of the table", kinds, found.head)
            else:
                for line in found.head:
                    add_text("pre", line[0]).classes("line")


def reading_of(entries: dict[str, Any], found: Understanding | None) -> Reading:
    """Make a reading of the entries of the controls. What the reader finds without help stays open.

    Args:
        entries: values of the controls, by name.
        found: what was found last.

    Raises:
        SettingError: a value is invalid.
    """
    inputs = tuple(entries["input"] or ())
    targets = tuple(name for name in entries["column"] or () if name not in inputs)
    every = set(found.channels) | set(Reading.of_json(found.reading).inputs) if found is not None else set()
    columns = () if not targets or ({*targets, *inputs} == every and not names_columns(found)) else (*targets, *inputs)
    irregular = entries["resample"] == IRREGULAR
    options = ReadOptions.checked(
        columns,
        None if irregular else entries["resample"] or None,
        irregular=irregular,
        time=entries["time"] or None,
        id=None if entries["id"] in (FOUND, NONE) else entries["id"],
        missing=entries["missing"],
        zone=str(entries["zone"] or "").strip() or None,
        decimal=entries["decimal"] or None,
    )
    return Reading(options, inputs, single=entries["id"] == NONE)


def names_columns(found: Understanding | None) -> bool:
    """Whether the columns that are read were chosen by name."""
    return found is not None and bool(found.reading["options"]["columns"])


def describe_file(name: str, found: Understanding) -> str:
    """Say in one sentence what a file holds."""
    if found.error:
        return f"{name} cannot be read as a series."
    if found.count > 1:
        column = found.reading["options"]["id"]
        return f"{name} holds {found.count} series, named by the column {column}. Below is {found.shown}."
    return f"{name} was read."


def notes_of(found: Understanding) -> Iterable[str]:
    """Yield the notes of the reader, and one on columns that were not read."""
    yield from found.notes
    if found.left_out:
        yield f"columns of text are left out: {', '.join(found.left_out)}"
