"""`Desk`: the state of one open page, that is, its series and its selected run. All panes of the page share it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nicegui import ui

from freerun.data.series import Series
from freerun.studio.jobs import Jobs
from freerun.studio.store import Run, RunGoneError, Source, Store


@dataclass
class Desk:
    """The state of one page.

    Attributes:
        store: the runs; shared by all pages.
        jobs: the training processes; shared by all pages.
        source: where the series comes from.
        series: the series that is shown.
        split: first step after the training part.
        selected: number of the selected run.
        listeners: called when another run is selected, or the selected one has changed.
    """

    store: Store
    jobs: Jobs
    source: Source | None = None
    series: Series | None = None
    split: int = 0
    selected: int | None = None
    listeners: list[Callable[[], None]] = field(default_factory=list)

    def run(self) -> Run | None:
        """Return the selected run; None if there is none, or it was deleted."""
        if self.selected is None:
            return None
        try:
            return self.store.run(self.selected)
        except RunGoneError:
            self.selected = None
            return None

    def select(self, number: int | None) -> None:
        """Select a run, and redraw all panes."""
        self.selected = number
        self.changed()

    def changed(self) -> None:
        """Call all listeners, so that panes redraw."""
        for listener in self.listeners:
            listener()


def without_options(text: str) -> str:
    """Remove hints at command-line options and Python arguments from a message; they do not apply on a page."""
    return re.sub(r" \((?:\w+=[^()]*, )?--[^()]*\)", "", text)


def show_error(error: Exception) -> None:
    """Show an error on the page until the user closes it."""
    text = without_options(str(error))
    ui.notify(text, type="negative", position="top", multi_line=True, timeout=0, close_button="Close")


def redraw(picture: ui.echart, options: dict[str, Any]) -> None:
    """Replace the options of a chart."""
    picture.options.clear()
    picture.options.update(options)
    picture.update()
