"""The page "Watch it learn": panes for series, network and run,
and tabs for all runs and what is made of them."""

from __future__ import annotations

from nicegui import ui

from freerun.studio.learn.desk import Desk
from freerun.studio.learn.free_pane import FreePane
from freerun.studio.learn.network_pane import NetworkPane
from freerun.studio.learn.run_pane import RunPane
from freerun.studio.learn.runs_pane import RunsPane
from freerun.studio.learn.series_pane import SeriesPane
from freerun.studio.learn.store import Store
from freerun.studio.learn.system_pane import SystemPane
from freerun.studio.learn.takeaway_pane import TakeAwayPane
from freerun.studio.learn.trainings import TrainingJobs


def fill(store: Store, jobs: TrainingJobs) -> None:
    """Put the panes on a page; the run that is trained, or the last one, is selected."""
    desk = Desk(store, jobs)
    first = store.running() or store.all(most=1)
    desk.selected = first[0].id if first else None
    with ui.element("div").classes("panes"):
        SeriesPane(desk)
        network = NetworkPane()
        RunPane(desk, network)
    with ui.element("section").props('aria-label="Results"').classes("below"):
        with ui.tabs().props("align=left dense no-caps") as tabs:
            for name in ("Runs", "System", "Let it run", "Take it away"):
                ui.tab(name)
        with ui.tab_panels(tabs, value="Runs", animated=False).classes("w-full"):
            with ui.tab_panel("Runs"):
                table = RunsPane(desk, network)
            with ui.tab_panel("System"):
                system = SystemPane(desk)
            with ui.tab_panel("Let it run"):
                FreePane(desk)
            with ui.tab_panel("Take it away"):
                away = TakeAwayPane(desk)
    ui.timer(1.0, lambda: [pane.refresh() for pane in (table, system, away)])
