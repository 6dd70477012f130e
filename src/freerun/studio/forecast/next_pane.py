"""The pane of the forecast: its chart with bands, how far it reaches, and its table."""

from __future__ import annotations

from nicegui import ui

from freerun.files.writing import JSON
from freerun.forecasting.words import counted
from freerun.studio.elements import add_chart, add_table, add_text, redraw, remove_options
from freerun.studio.forecast.pictures import forecast_chart
from freerun.studio.forecast.result_pane import ResultPane

RANGES = {False: "the last values", True: "the whole series"}
"""What is drawn before the forecast, in words."""


class NextPane(ResultPane):
    """The forecast of the selected series."""

    title = "What comes next"

    def draw(self, view: JSON, channel: str) -> None:
        """See `ResultPane.draw`."""
        shown, words = view["by_channel"][channel], counted(view["horizon"], view["word"])
        self.heading.set_text(f"The next {words}")
        if view["no_forecast"]:
            add_text("p", remove_options(view["no_forecast"])).classes("wrong")
        picture = add_chart(forecast_chart(view, channel, whole=False), f"The series and the forecast of {words}")
        picture.classes("h-80")
        whole = ui.toggle(RANGES, value=False).props('padding="2px 10px" aria-label="Part of the series that is drawn"')
        whole.on_value_change(lambda: redraw(picture, forecast_chart(view, channel, bool(whole.value))))
        if shown["reach"]:
            add_text("p", shown["reach"])
        if shown["table"]["rows"]:
            with ui.expansion("The forecast as a table").classes("w-full"):
                add_table("The forecast", shown["table"]["head"], shown["table"]["rows"])
