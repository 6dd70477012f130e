"""The pane of the residuals: errors one step ahead over time,
their autocorrelation and their distribution."""

from __future__ import annotations

from nicegui import ui

from freerun.files.writing import JSON
from freerun.studio.elements import add_chart, add_text
from freerun.studio.forecast.pictures import correlation_chart, distribution_chart, errors_chart
from freerun.studio.forecast.result_pane import ResultPane


class ErrorsPane(ResultPane):
    """The errors one step ahead in the selected series."""

    title = "Errors one step ahead"

    def draw(self, view: JSON, channel: str) -> None:
        """See `ResultPane.draw`."""
        for words in view["by_channel"][channel]["residuals"]["sentences"]:
            add_text("p", words)
        add_chart(errors_chart(view, channel), "Errors of one-step predictions over time").classes("h-48")
        with ui.element("div").classes("pair"):
            add_chart(correlation_chart(view, channel), "Autocorrelation of the errors").classes("h-48")
            add_chart(distribution_chart(view, channel), "Distribution of the errors").classes("h-48")
