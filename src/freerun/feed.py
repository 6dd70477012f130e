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


@dataclass(frozen=True)
class InOrder:
    """One part of a stored series after the other; each begins with the washout that its first error needs."""

    stored: Stored
    washout: int

    @property
    def parts(self) -> int:
        """See `Feed`."""
        return max(1, math.ceil((self.stored.steps - 1) / PART))

    def __call__(self, stage: int, done: int) -> Pairs:
        """See `Feed`."""
        del stage
        first = max(0, done * PART - self.washout)
        return self.stored.pairs([(first, min((done + 1) * PART + 1, self.stored.steps))], self.washout)


def feed_of(stored: StoredSeries, scaling: Scaling, settings: Settings, held_out: int) -> Feed:
    """The feed of a stored series without its last steps: for windows, or for a readout to be solved."""
    source = Stored(stored, scaling, len(stored) - held_out)
    if settings.window is None:
        return InOrder(source, settings.washout or 0)
    return Stretches(source, settings.seed)
