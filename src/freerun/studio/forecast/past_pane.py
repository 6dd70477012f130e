"""The pane of the backtest: earlier forecasts beside simple ones, in sentences,
a chart and a table."""

from __future__ import annotations

from nicegui import ui

from freerun.files.writing import JSON
from freerun.studio.elements import add_chart, add_table, add_text, remove_options
from freerun.studio.forecast.pictures import occasions_chart
from freerun.studio.forecast.result_pane import ResultPane


class PastPane(ResultPane):
    """How the forecasts of the selected series would have done before."""

    title = "Would it have worked before?"

    def draw(self, view: JSON, channel: str) -> None:
        """See `ResultPane.draw`."""
        past = view["by_channel"][channel]["past"]
        if past is None:
            add_text("p", remove_options(view["no_backtest"]))
            return
        first, *others = past["sentences"]
        add_text("p", first).classes("lead")
        for words in others:
            add_text("p", words)
        add_chart(occasions_chart(view, channel), "Earlier forecasts over the values that came").classes("h-72")
        with ui.expansion("All scores").classes("w-full"):
            add_table("Scores of the earlier forecasts", past["table"]["head"], past["table"]["rows"])
