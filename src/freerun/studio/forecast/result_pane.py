"""`ResultPane`: what the panes of results share.
Each is drawn anew when another series or channel is selected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from nicegui import ui

from freerun.files.writing import JSON
from freerun.studio.elements import add_text
from freerun.studio.forecast.desk import Desk


class ResultPane(ABC):
    """A card on the page, which is there while its forecast is."""

    title: ClassVar[str]
    """Heading of the card."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._shown: Any = self
        name = type(self).__name__
        with ui.card().classes("pane result").props(f"role=region aria-labelledby={name}") as self._card:
            self.heading = add_text("h2", self.title).props(f"id={name}")
            self._place = ui.column().classes("w-full gap-3")
        desk.when_selected.append(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Draw if the view, the channel or the state of the forecast has changed."""
        view, record = self.desk.view(), self.desk.record()
        there = view is not None and "error" not in view
        self._card.set_visibility(there)
        now = (self.desk.selected, self.desk.place, self.desk.channel, id(view), record and record.state)
        if view is not None and there and now != self._shown:
            self._shown = now
            self._place.clear()
            with self._place:
                self.draw(view, self.desk.channel if self.desk.channel in view["channels"] else view["channels"][0])

    @abstractmethod
    def draw(self, view: JSON, channel: str) -> None:
        """Fill the card.

        Args:
            view: of the series; see `freerun.studio.forecast.view`.
            channel: the selected channel.
        """
