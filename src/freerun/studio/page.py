"""The page: panes for series, network and run, and tabs for all runs, attractors, the endless run and downloads."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Callable
from pathlib import Path

from nicegui import app, ui
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from freerun.access import displayed_host, host_names, is_loopback
from freerun.studio.desk import Desk
from freerun.studio.free_pane import FreePane
from freerun.studio.guard import Guard
from freerun.studio.intake import MOST_BYTES
from freerun.studio.jobs import Jobs
from freerun.studio.network_pane import NetworkPane
from freerun.studio.run_pane import RunPane
from freerun.studio.runs_pane import RunsPane
from freerun.studio.series_pane import UPLOADS, SeriesPane, receive
from freerun.studio.store import Store
from freerun.studio.system_pane import SystemPane
from freerun.studio.takeaway_pane import TakeAwayPane, download

LOOK_AFTER = 0.5
"""Seconds between two checks for training processes that have ended."""

STYLE = Path(__file__).with_name("style.css")


def serve(folder: Path, host: str, port: int, token: str | None, show: bool, say: Callable[[str], None]) -> None:
    """Serve the studio until Ctrl-C.

    Args:
        folder: folder of the runs.
        host: address to listen on.
        port: port to listen on.
        token: token that a browser must send. With None, the loopback address needs none, and any other address gets a
            random one.
        show: whether to open a browser.
        say: called with a line that names the address.

    Raises:
        OutputError: the folder cannot be used.
    """
    store = Store(folder)
    jobs = Jobs(store)
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(16)
    app.user_middleware.insert(0, Middleware(Guard, token=token, hosts=host_names(host), most=MOST_BYTES + 2**16))

    def runs(request: Request) -> Response:
        return download(store, request)

    app.add_route("/runs/{number:int}.{suffix:str}", runs)
    app.add_route(f"{UPLOADS}/{{page:str}}", receive, methods=["POST"])

    @ui.page("/")
    def page() -> None:
        _page(Desk(store, jobs))

    app.timer(LOOK_AFTER, jobs.look_after)
    app.on_startup(gc.freeze)  # loaded modules stay, so garbage collection can skip them
    query = "" if token is None else f"?token={token}"
    say(f"studio at http://{displayed_host(host)}:{port}/{query}, runs in {folder}; Ctrl-C ends it")
    ui.run(
        host=host,
        port=port,
        title="freerun studio",
        dark=None,
        reload=False,
        show=show and token is None,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )


def _page(desk: Desk) -> None:
    ui.add_css(STYLE.read_text())
    for element in (ui.button, ui.tab, ui.toggle):
        element.default_props("no-caps")
    ui.colors(primary="#1c6ea4", negative="#b3261e")
    first = desk.store.running() or desk.store.runs(most=1)
    desk.selected = first[0].id if first else None
    with ui.header().classes("bar"):
        ui.label("freerun studio").classes("title")
        ui.label("train a network, watch it learn, let it run").classes("subtitle")
    with ui.element("main").classes("panes"):
        SeriesPane(desk)
        network = NetworkPane()
        RunPane(desk, network)
    with ui.element("section").classes("below"):
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
