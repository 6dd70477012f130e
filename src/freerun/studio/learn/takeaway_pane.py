"""The tab of downloads: model, free run and pictures of a run, and the commands that repeat it."""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import Any

from nicegui import ui
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from freerun.errors import FreerunError
from freerun.files.writing import JSON
from freerun.studio.learn.desk import Desk
from freerun.studio.learn.store import Store
from freerun.studio.learn.takeaway import commands, snippet, stem
from freerun.studio.records import read_note

KINDS = {
    "freerun": ("Model file", "memory"),
    "csv": ("Free run as CSV", "table_chart"),
    "png": ("Picture as PNG", "image"),
    "svg": ("Picture as SVG", "polyline"),
}
"""Label and icon of each download, by suffix."""


class TakeAwayPane:
    """Downloads of the selected run, on one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown: Any = self
        with ui.row().classes("gap-2"):
            self._buttons = [
                ui.button(text, icon=icon, on_click=partial(self._take, suffix)).props("outline")
                for suffix, (text, icon) in KINDS.items()
            ]
        ui.label("On the command line").classes("hint")
        self._commands = ui.code("", language="bash").classes("w-full")
        ui.label("In Python").classes("hint")
        self._snippet = ui.code("", language="python").classes("w-full")
        for code in (self._commands, self._snippet):
            code.copy_button.props('aria-label="Copy"')
        desk.listeners.append(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Update buttons and commands for the selected run."""
        run = self._desk.run()
        if run != self._shown:
            self._shown = run
            there = run is not None and self._desk.store.model_of(run.id).exists()
            for button in self._buttons:
                button.set_enabled(there)
            self._commands.set_content("" if run is None else commands(run))
            self._snippet.set_content("" if run is None else snippet(run))

    def _take(self, suffix: str) -> None:
        if (run := self._desk.run()) is not None:
            ui.download(f"/runs/{run.id}.{suffix}", f"{stem(run)}.{suffix}")


def download(store: Store, request: Request) -> Response:
    """Answer the request for a download of a run; only files of that run can be requested."""
    try:
        run = store.get(int(request.path_params["number"]))
        suffix = request.path_params["suffix"]
        if suffix == "freerun":
            return FileResponse(store.model_of(run.id), media_type="application/octet-stream")
        live = read_note(store.folder_of(run.id), "live")
        if live is None or live.get("run") is None:
            return PlainTextResponse("there is no free run yet", 404)
        if suffix == "csv":
            return PlainTextResponse(_csv(live), media_type="text/csv")
        return Response(_picture(live, run.name, suffix), media_type=PICTURES[suffix])
    except (FreerunError, ValueError, KeyError, RuntimeError, OverflowError):
        return PlainTextResponse("not found", 404)


PICTURES = {"png": "image/png", "svg": "image/svg+xml"}
"""Media types of pictures by suffix."""


def _csv(live: JSON) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *live["channels"]])
    writer.writerows([i, *row] for i, row in enumerate(zip(*live["run"], strict=True)))
    return text.getvalue()


def _picture(live: JSON, title: str, suffix: str) -> bytes:
    import numpy as np

    from freerun import plots
    from freerun.data.series import Series

    run = Series(np.array(live["run"], float).T, tuple(live["channels"]))
    truth = None if live["truth"] is None else Series(np.array(live["truth"], float).T, tuple(live["channels"]))
    content = io.BytesIO()
    plots.free_run(run, truth=truth, vpt=live["vpt"], title=title).savefig(content, format=suffix)
    return content.getvalue()
