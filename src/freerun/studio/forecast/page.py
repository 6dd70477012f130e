"""The page "What comes next?": on the left the table and the controls,
on the right the forecast."""

from __future__ import annotations

from nicegui import ui

from freerun.studio.elements import add_text, remove_options
from freerun.studio.forecast.ask_pane import AskPane
from freerun.studio.forecast.chosen_pane import ChosenPane
from freerun.studio.forecast.desk import Desk
from freerun.studio.forecast.errors_pane import ErrorsPane
from freerun.studio.forecast.network_pane import NetworkPane
from freerun.studio.forecast.next_pane import NextPane
from freerun.studio.forecast.past_pane import PastPane
from freerun.studio.forecast.reading_pane import ReadingPane
from freerun.studio.forecast.store import ForecastJobs, Forecasts
from freerun.studio.forecast.table_pane import TablePane
from freerun.studio.forecast.takeaway_pane import TakeAwayPane

REFRESH = 0.5
"""Seconds between two looks at the files of the process."""


def fill(store: Forecasts, jobs: ForecastJobs) -> None:
    """Put the panes on a page; the forecast that is made, or the last one, is selected."""
    desk = Desk(store, jobs)
    first = next(iter(store.running() or store.all(most=1)), None)
    desk.selected = None if first is None else first.id
    ui.context.client.on_delete(desk.close)
    with ui.element("div").classes("ask-and-answer"):
        with ui.element("section").props('aria-label="Your question"').classes("column"):
            TablePane(desk)
            ReadingPane(desk)
            ask = AskPane(desk)
        with ui.element("section").props('aria-label="The answer"').classes("column"):
            chosen = ChosenPane(desk)
            empty = add_text("p", "").classes("empty")
            results = [pane(desk) for pane in (NextPane, PastPane, ErrorsPane, NetworkPane, TakeAwayPane)]

    def refresh() -> None:
        words = _explain_absence(desk)
        empty.set_text(words)
        empty.set_visibility(bool(words))
        for pane in (ask, chosen, *results):
            pane.refresh()

    desk.when_selected.append(refresh)
    refresh()
    ui.timer(REFRESH, refresh)
    if first is not None:
        ui.timer(0.1, lambda: desk.open(store.table_of(first.id), first.request.file, first.request.reading), once=True)


def _explain_absence(desk: Desk) -> str:
    """Say why there is no forecast to show; empty if there is one."""
    record, view = desk.record(), desk.view()
    if view is not None:
        return remove_options(f"There is no forecast of this series: {view['error']}.") if "error" in view else ""
    if record is None:
        return "Give a table, look at what was understood, and press Forecast. The answer appears here."
    if record.state in ("running", "waiting"):
        return "The answer appears here, series by series."
    return f"There is no answer: the forecast was {record.state}."
