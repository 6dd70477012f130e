"""What training reads next: all of the training data at each update, or a part of a series that memory cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from freerun.data.scaling import Scaling
from freerun.data.stored import StoredSeries
from freerun.pairs import Pairs

STRETCHES, STRETCH = 8, 2**16
"""How many stretches of how many steps are in memory at a time for windows to be drawn from."""


@runtime_checkable
class Feed(Protocol):
    """Where the pairs that are trained on come from."""

    def __call__(self, stage: int, done: int) -> Pairs:
        """The pairs for what comes after so many updates of the stage of that number."""
        ...


@dataclass(frozen=True)
class Whole:
    """The same pairs for all updates."""

    pairs: Pairs

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

    def __call__(self, stage: int, done: int) -> Pairs:
        """See `Feed`."""
        if self.stored.steps <= STRETCH:
            return self.stored.pairs([(0, self.stored.steps)], 0)
        random = np.random.default_rng([self.seed, stage, done])
        starts = random.integers(0, self.stored.steps - STRETCH + 1, STRETCHES)
        return self.stored.pairs([(start, start + STRETCH) for start in sorted(starts.tolist())], 0)


def feed_of(stored: StoredSeries, scaling: Scaling, seed: int, held_out: int) -> Feed:
    """The feed of a stored series without its last steps, for windows."""
    return Stretches(Stored(stored, scaling, len(stored) - held_out), seed)
