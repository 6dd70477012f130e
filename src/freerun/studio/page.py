"""The server: its two pages, and the routes of uploads and downloads."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nicegui import app, ui
from starlette.middleware import Middleware

from freerun.access import displayed_host, host_names, is_loopback
from freerun.studio.elements import add_text
from freerun.studio.forecast.downloads import download as download_forecast
from freerun.studio.forecast.page import fill as fill_forecast
from freerun.studio.forecast.store import ForecastJobs, Forecasts
from freerun.studio.guard import Guard
from freerun.studio.intake import MOST_BYTES
from freerun.studio.learn.page import fill as fill_learn
from freerun.studio.learn.store import Store
from freerun.studio.learn.takeaway_pane import download as download_run
from freerun.studio.learn.trainings import TrainingJobs
from freerun.studio.uploads import ROUTE, receive

PAGES = {
    "/": ("What comes next?", "a forecast of your series, and how far to trust it"),
    "/learn": ("Watch it learn", "train a network, watch it learn, let it run"),
}
"""Name and description of each page, by address."""

CHECK_INTERVAL = 0.5
"""Seconds between two checks for processes that have ended."""

STYLE = Path(__file__).with_name("style.css")


def serve(folder: Path, host: str, port: int, token: str | None, show: bool, note: Callable[[str], None]) -> None:
    """Serve the studio until Ctrl-C.

    Args:
        folder: folder of runs and forecasts.
        host: address to listen on.
        port: port to listen on.
        token: token that a browser must send. With None, the loopback address needs none,
            and any other address gets a random one.
        show: whether to open a browser.
        note: called with a line that names the address.

    Raises:
        OutputError: the folder cannot be used.
    """
    runs, forecasts = Store(folder), Forecasts(folder)
    trainings, forecasters = TrainingJobs(runs), ForecastJobs(forecasts)
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(16)
    app.user_middleware.insert(0, Middleware(Guard, token=token, hosts=host_names(host), most=MOST_BYTES + 2**16))

    app.add_route("/runs/{number:int}.{suffix:str}", partial(download_run, runs))
    app.add_route("/forecasts/{number:int}/{place:int}.{suffix:str}", partial(download_forecast, forecasts))
    app.add_route(f"{ROUTE}/{{page:str}}", receive, methods=["POST"])

    @ui.page("/", title="What comes next? freerun studio")
    def forecast() -> None:
        _build("/", lambda: fill_forecast(forecasts, forecasters))

    @ui.page("/learn", title="Watch it learn: freerun studio")
    def learn() -> None:
        _build("/learn", lambda: fill_learn(runs, trainings))

    app.timer(CHECK_INTERVAL, lambda: [jobs.record_endings() for jobs in (trainings, forecasters)])
    app.on_startup(gc.freeze)  # loaded modules stay, so garbage collection can skip them
    query = "" if token is None else f"?token={token}"
    note(f"studio at http://{displayed_host(host)}:{port}/{query}, runs and forecasts in {folder}; Ctrl-C ends it")
    ui.run(
        host=host,
        port=port,
        title="freerun studio",
        dark=None,
        reload=False,
        show=show and token is None,
        show_welcome_message=False,
        language="en-US",
        reconnect_timeout=10.0,
    )


def _build(address: str, fill: Callable[[], None]) -> None:
    """Build a page: links to all pages, and below them its panes."""
    ui.add_css(STYLE.read_text())
    for element in (ui.button, ui.tab, ui.toggle):
        element.default_props("no-caps")
    ui.colors(primary="#14598a", negative="#b3261e")
    with ui.header().classes("bar"):
        add_text("a", "Skip to the content").classes("skip").props("href=#main")
        add_text("h1", "freerun studio").classes("title")
        with ui.element("nav").props('aria-label="Pages"').classes("page-links"):
            for target, (name, _) in PAGES.items():
                link = ui.link(name, target).classes("page-link")
                if target == address:
                    link.props("aria-current=page")
        ui.label(PAGES[address][1]).classes("subtitle")
    with ui.element("div").props("id=main tabindex=-1").classes("w-full"):
        fill()
