"""Which parts of the training series are left out of a fit, each in its turn, for free runs over them to judge it."""

from __future__ import annotations

from collections.abc import Sequence

from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.settings import Settings

SHARE, MOST_HELD_OUT = 0.25, 5_000
"""Share of the training series that is held out where free runs choose unless the settings say, and its most steps."""

FOLDS = 2
"""Stretches of that length that are held out in turn."""

MOST_FITTED = 20_000
"""Most steps that are fitted to where a part is held out."""


def held_out(settings: Settings, steps: int, choosing: bool) -> int:
    """How many steps at the end of a training series of so many steps are held out; 0 where there is no use for it."""
    share = settings.holdout if settings.holdout is not None else SHARE if choosing else 0.0
    return min(int(share * steps), MOST_HELD_OUT)


def require_held_out(settings: Settings, steps: int) -> int:
    """The same where there is something to choose.

    Raises:
        SettingError: nothing is to be held out.
        SeriesError: the series is too short to hold anything out.
    """
    if settings.holdout == 0:
        raise SettingError(
            "holdout=0 leaves free runs nothing to choose by; leave it out, or keep all restarts (members=restarts)"
        )
    count = held_out(settings, steps, choosing=True)
    if count < 3 or steps - count < 10:
        raise SeriesError(
            f"the training series has {steps} steps, too few to choose settings by free runs on its end; "
            "give 20 steps or more, or say hidden, cell, delays, input_scale and l2 yourself"
        )
    return count


def folds_of(training: Sequence[Series], count: int, washout: int = 0) -> int:
    """How many stretches of `count` steps are held out in turn."""
    room = min(map(len, training)) > (FOLDS + 1) * count + washout
    return FOLDS if room else 1


def recent(training: Sequence[Series], count: int) -> list[Series]:
    """What is fitted to where `count` steps are held out at a time: the last steps of each series."""
    return [series.between(max(0, len(series) - MOST_FITTED - count)) for series in training]
