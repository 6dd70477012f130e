"""The parts of the training series that are left out of a fit in turn,
for free runs over them to judge it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.network.errors_in_variables import MOST_ESTIMATED
from freerun.settings import Settings

SHARE, MOST_HELD_OUT = 0.25, 5_000
"""Default share of the training series that is held out where free runs choose,
and its most steps."""

FOLDS = 2
"""Parts of that length that are held out in turn."""

FEWEST_HELD_OUT, FEWEST_FITTED = 3, 10
"""Fewest steps of a part that is held out, and of the rest."""

MOST_FITTED = 20_000
"""Most steps of a fit from which a part is held out."""


def held_out(settings: Settings, steps: int, choosing: bool) -> int:
    """Steps at the end of a training series of `steps` steps that are held out;
    0 where nothing is chosen."""
    share = settings.holdout if settings.holdout is not None else SHARE if choosing else 0.0
    return min(math.floor(round(share * steps, 6)), MOST_HELD_OUT)


def require_held_out(settings: Settings, steps: int) -> int:
    """Steps that are held out where there is something to choose.

    Raises:
        SettingError: nothing is to be held out.
        SeriesError: the series is too short to hold anything out.
    """
    if settings.holdout == 0:
        raise SettingError(
            "holdout=0 leaves free runs nothing to choose by; leave it out, or keep all restarts (members=restarts)"
        )
    count = held_out(settings, steps, choosing=True)
    if count < FEWEST_HELD_OUT or steps - count < FEWEST_FITTED:
        share = SHARE if settings.holdout is None else settings.holdout
        needed = max(math.ceil(FEWEST_HELD_OUT / share), math.ceil(FEWEST_FITTED / (1 - share)))
        raise SeriesError(
            f"the training series has {steps} steps, too few to choose settings by free runs on its end; "
            f"give {needed} steps or more, or say hidden, cell, delays, input_scale and l2 yourself"
        )
    return count


def parts_left_out(shortest: int, count: int, washout: int = 0) -> list[tuple[int, int]]:
    """The parts of `count` steps that are held out in turn,
    of series the shortest of which has `shortest` steps.

    Returns:
        First and last step of each, counted from the end of a series; no part where `count` is 0.
    """
    parts = FOLDS if shortest > (FOLDS + 1) * count + washout else 1
    return [((part + 1) * count, part * count) for part in range(parts if count else 0)]


def recent(training: Sequence[Series], count: int) -> list[Series]:
    """The last steps of each series, by which networks are judged
    that hold out `count` steps at a time."""
    return [series.between(max(0, len(series) - MOST_FITTED - count)) for series in training]


def before_part(values: np.ndarray, first: int) -> np.ndarray:
    """The values before a part that is left out,
    by which networks are judged that learn states behind measurements.

    Args:
        values: shape (T, N).
        first: step with which the part begins, counted from the end of the series.

    Returns:
        At most 5000 steps.
    """
    return values[: len(values) - first][-MOST_ESTIMATED:]
