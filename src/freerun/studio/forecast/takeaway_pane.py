"""The pane of the downloads, and of the command and the code that repeat the forecast."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from freerun.files.writing import JSON
from freerun.studio.elements import add_code, add_text
from freerun.studio.forecast.downloads import FILES
from freerun.studio.forecast.result_pane import ResultPane

BUTTONS = {
    "csv": ("Forecast as CSV", "table_chart"),
    "all.csv": ("All series as CSV", "table_chart"),
    "png": ("Picture as PNG", "image"),
    "freerun": ("Model file", "memory"),
    "html": ("Report", "description"),
    "data.csv": ("Table with the inputs to come", "table_chart"),
}
"""Label and icon of each download, by suffix."""


class TakeAwayPane(ResultPane):
    """What is taken away from the selected series."""

    title = "Take it away"

    def draw(self, view: JSON, channel: str) -> None:
        """See `ResultPane.draw`."""
        del channel
        folder = self.desk.store.place_of(self.desk.selected or 0, self.desk.place)
        record = self.desk.record()
        with ui.row().classes("gap-2"):
            for suffix, (words, icon) in BUTTONS.items():
                if (folder / FILES[suffix]).exists():
                    ui.button(words, icon=icon, on_click=partial(self._take, suffix, view)).props("outline")
        if record is not None and record.state == "running":
            add_text("p", "The picture and the report are being written.").classes("hint")
        add_text("h3", "On the command line")
        add_code(view["again"]["command"], "bash")
        add_text("h3", "In Python")
        add_code(view["again"]["code"], "python")

    def _take(self, suffix: str, view: JSON) -> None:
        ui.download(f"/forecasts/{self.desk.selected}/{self.desk.place}.{suffix}", f"{view['again']['stem']}.{suffix}")
