"""What is on the table of one open page: the series in view and the run in view. Panes share it."""

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
        store, jobs: the runs, and what trains them; shared by all pages.
        source: where the series comes from.
        series: the series in view.
        split: the first step that is not trained on.
        selected: number of the run in view.
        listeners: called when another run comes into view, or what there is to see of it has changed.
    """

    store: Store
    jobs: Jobs
    source: Source | None = None
    series: Series | None = None
    split: int = 0
    selected: int | None = None
    listeners: list[Callable[[], None]] = field(default_factory=list)

    def run(self) -> Run | None:
        """The run in view, if there is one and it still exists."""
        if self.selected is None:
            return None
        try:
            return self.store.run(self.selected)
        except RunGoneError:
            self.selected = None
            return None

    def select(self, number: int | None) -> None:
        """Bring a run into view."""
        self.selected = number
        self.changed()

    def changed(self) -> None:
        """Let all panes look again."""
        for listener in self.listeners:
            listener()


def without_options(text: str) -> str:
    """What a message says to people on a page, where options of the command line and of Python are of no use."""
    return re.sub(r" \((?:\w+=[^()]*, )?--[^()]*\)", "", text)


def complain(error: Exception) -> None:
    """Show an error to the user, who closes it; options of the command line are of no use here."""
    text = without_options(str(error))
    ui.notify(text, type="negative", position="top", multi_line=True, timeout=0, close_button="Close")


def redraw(picture: ui.echart, options: dict[str, Any]) -> None:
    """Let a picture show something else."""
    picture.options.clear()
    picture.options.update(options)
    picture.update()
