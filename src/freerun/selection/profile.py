"""`Profile`: what a training series is, measured once, for policies to decide by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from freerun.data.seasons import seasons_of
from freerun.data.series import Series


@dataclass(frozen=True)
class Profile:
    """What the training series are.

    Attributes:
        steps: of the longest series.
        shortest: steps of the shortest series.
        series: how many are learned together.
        channels: D.
        inputs: E, external inputs.
        complete: whether no value is missing.
        seasons: after how many steps the first series repeats itself, ascending; empty for no season.
    """

    steps: int
    shortest: int
    series: int
    channels: int
    inputs: int
    complete: bool
    seasons: tuple[int, ...]

    @classmethod
    def of(cls, training: Sequence[Series]) -> Profile:
        """The profile of series that are learned together."""
        first = training[0]
        return cls(
            max(map(len, training)),
            min(map(len, training)),
            len(training),
            first.shape[1],
            first.inputs.shape[1],
            all(series.complete for series in training),
            seasons_of(first),
        )
