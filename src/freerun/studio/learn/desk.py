"""`Desk`: the state of one open page of "Watch it learn": its series and its selected run,
which all panes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from freerun.data.series import Series
from freerun.studio.learn.store import Run, Source, Store
from freerun.studio.learn.trainings import TrainingJobs


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
    jobs: TrainingJobs
    source: Source | None = None
    series: Series | None = None
    split: int = 0
    selected: int | None = None
    listeners: list[Callable[[], None]] = field(default_factory=list)

    def run(self) -> Run | None:
        """Return the selected run; None if there is none, or it was deleted."""
        run = self.store.find(self.selected)
        if run is None:
            self.selected = None
        return run

    def select(self, number: int | None) -> None:
        """Select a run, and redraw all panes."""
        self.selected = number
        self.changed()

    def changed(self) -> None:
        """Call all listeners, so that panes redraw."""
        for listener in self.listeners:
            listener()
