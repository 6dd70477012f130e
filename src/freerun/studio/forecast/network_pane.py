"""The pane of the network: what it is, what it reads, why it was chosen,
and the season that was found."""

from __future__ import annotations

from nicegui import ui

from freerun.files.writing import JSON
from freerun.reporting.findings import MEANINGS
from freerun.studio.elements import add_chart, add_facts, remove_options
from freerun.studio.forecast.pictures import season_chart
from freerun.studio.forecast.result_pane import ResultPane


class NetworkPane(ResultPane):
    """What was read and chosen for the selected series."""

    title = "What was read and chosen"

    def draw(self, view: JSON, channel: str) -> None:
        """See `ResultPane.draw`."""
        add_facts(view["facts"])
        if view["by_channel"][channel]["cycles"]:
            name = f"The cycles of {view['season']} steps over each other"
            add_chart(season_chart(view, channel), name).classes("h-64")
        with ui.expansion("The series that was read").classes("w-full"):
            add_facts([(name, remove_options(words)) for name, words in view["read"]])
        with ui.expansion("What the words mean").classes("w-full"):
            add_facts(MEANINGS)
