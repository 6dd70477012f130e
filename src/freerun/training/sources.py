"""Data sources: all training data at each update,
or random stretches of a series that is larger than memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from freerun.data.scaling import Scaling
from freerun.data.stored import StoredSeries
from freerun.training.supervised import SupervisedData

STRETCHES = 8
"""Number of stretches that are in memory at a time."""

STRETCH = 2**16
"""Steps of a stretch: long enough for many windows, and short enough for memory."""


@runtime_checkable
class DataSource(Protocol):
    """Provides the data that training reads."""

    def __call__(self, stage: int, done: int) -> SupervisedData:
        """Return the data for the next updates.

        Args:
            stage: number of the stage.
            done: number of updates done in this stage.
        """
        ...


@dataclass(frozen=True)
class InMemory:
    """The same data for all updates.

    Attributes:
        data: the data.
    """

    data: SupervisedData

    def __call__(self, stage: int, done: int) -> SupervisedData:
        """See `DataSource`."""
        del stage, done
        return self.data


@dataclass(frozen=True)
class Stored:
    """A stored series, and its scaling to the units of a network.

    Attributes:
        series: the series.
        scaling: from the units of the series to those of the network.
        steps: number of first steps that are trained on.
    """

    series: StoredSeries
    scaling: Scaling
    steps: int

    def data(self, places: list[tuple[int, int]], washout: int) -> SupervisedData:
        """Read parts of the series.

        Args:
            places: the first and the last step (excluded) of each part.
            washout: number of first errors of each part that do not count.

        Returns:
            The data; stacked if there are several parts.
        """
        panel = [self.scaling.apply(self.series.between(*place)) for place in places]
        return SupervisedData.of(panel, len(self.series.channels), washout)


@dataclass(frozen=True)
class Stretches:
    """Random stretches of a stored series, from which windows are drawn.

    Attributes:
        stored: the series.
        seed: seed of the random places.
    """

    stored: Stored
    seed: int

    def __call__(self, stage: int, done: int) -> SupervisedData:
        """See `DataSource`. A series no longer than one stretch is returned as a whole."""
        if self.stored.steps <= STRETCH:
            return self.stored.data([(0, self.stored.steps)], 0)
        random = np.random.default_rng([self.seed, stage, done])
        starts = random.integers(0, self.stored.steps - STRETCH + 1, STRETCHES)
        return self.stored.data([(start, start + STRETCH) for start in sorted(starts.tolist())], 0)


def data_source_of(stored: StoredSeries, scaling: Scaling, seed: int, held_out: int) -> DataSource:
    """Make a data source for training on windows of a stored series.

    Args:
        stored: the series.
        scaling: from the units of the series to those of the network.
        seed: seed of the random stretches.
        held_out: number of final steps that are not trained on.
    """
    return Stretches(Stored(stored, scaling, len(stored) - held_out), seed)
