"""`TrainingJobs`: the processes that train the runs of a store."""

from __future__ import annotations

from pathlib import Path

from freerun.studio.jobs import Jobs
from freerun.studio.learn.store import Run, Store

WORKER = "freerun.studio.learn.worker"
"""Module that a training process runs."""


class TrainingJobs(Jobs):
    """The training processes of a store, at most one per run; see `Jobs`.

    Args:
        store: the runs.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store, WORKER, "press Resume to continue it")

    def train(self, run: Run, further: Path | None = None) -> None:
        """Start to train a run.

        Args:
            run: the run.
            further: model file whose weights training starts from;
                None starts from initial weights.

        Raises:
            OutputError: the folder of the run cannot be written, or no process can be started.
        """
        given = "" if further is None else str(further)
        self.start(run.id, {"split": run.split, "settings": run.settings, "further": given})
