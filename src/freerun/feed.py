"""What training reads next: all of the training data at each update, or a part of a series that memory cannot hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from freerun.data.scaling import Scaling
from freerun.data.stored import StoredSeries
from freerun.pairs import Pairs
from freerun.settings import Settings

STRETCHES, STRETCH = 8, 2**16
"""How many stretches of how many steps are in memory at a time for windows to be drawn from."""

PART = 500_000
"""Steps of a part by which a readout is solved."""


@runtime_checkable
class Feed(Protocol):
    """Where the pairs that are trained on come from."""

    @property
    def parts(self) -> int:
        """By how many updates all of the data have been seen; 1 where every update sees all, or some by chance."""
        ...

    def __call__(self, stage: int, done: int) -> Pairs:
        """The pairs for what comes after so many updates of the stage of that number."""
        ...


@dataclass(frozen=True)
class Whole:
    """The same pairs for all updates."""

    pairs: Pairs
    parts: int = 1

    def __call__(self, stage: int, done: int) -> Pairs:
        """See `Feed`."""
        del stage, done
        return self.pairs


@dataclass(frozen=True)
class Stored:
    """A stored series in the units of a network.

    Attributes:
        series: the series.
        scaling: to the units of the network.
        steps: how many of its first steps are trained on.
    """

    series: StoredSeries
    scaling: Scaling
    steps: int

    def pairs(self, places: list[tuple[int, int]], washout: int) -> Pairs:
        """The pairs of the steps from each first to each last (excluded)."""
        panel = [self.scaling.apply(self.series.between(*place)) for place in places]
        return Pairs.of(panel, len(self.series.channels), washout)


@dataclass(frozen=True)
class Stretches:
    """Stretches of a stored series from random places, for windows to be drawn from."""

    stored: Stored
    seed: int
    parts: int = 1

    def __call__(self, stage: int, done: int) -> Pairs:
        """See `Feed`."""
        if self.stored.steps <= STRETCH:
            return self.stored.pairs([(0, self.stored.steps)], 0)
        random = np.random.default_rng([self.seed, stage, done])
        starts = random.integers(0, self.stored.steps - STRETCH + 1, STRETCHES)
        return self.stored.pairs([(start, start + STRETCH) for start in sorted(starts.tolist())], 0)


def parts_of(steps: int, washout: int) -> list[tuple[int, int]]:
    """First and last step (excluded) of the parts of a series by which a readout is solved, one after the other.

    Each begins with the washout that its first error needs.
    """
    count = max(1, math.ceil((steps - 1) / PART))
    return [(max(0, part * PART - washout), min((part + 1) * PART + 1, steps)) for part in range(count)]


def feed_of(stored: StoredSeries, scaling: Scaling, settings: Settings, held_out: int) -> Feed:
    """The feed of a stored series without its last steps, for windows."""
    return Stretches(Stored(stored, scaling, len(stored) - held_out), settings.seed)
