"""The parts of the training series that are left out of a fit in turn,
for free runs over them to judge it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError, warn
from freerun.network.errors_in_variables import MOST_ESTIMATED
from freerun.settings import Settings

SHARE, MOST_HELD_OUT = 0.25, 5_000
"""Default share of the training series that is held out where free runs choose,
and its most steps."""

FOLDS = 2
"""Parts of that length that are held out in turn."""

FEWEST_HELD_OUT, FEWEST_FITTED = 3, 10
"""Fewest steps of a part that is held out, and of the rest."""

FEW, MOST_NAMED = 12, 5
"""Steps of a part that is held out below which divergence hardly shows,
and most series that a warning names."""

MOST_FITTED = 20_000
"""Most steps of a fit from which a part is held out."""


def held_out(settings: Settings, steps: int, choosing: bool) -> int:
    """Steps at the end of a training series of `steps` steps that are held out;
    0 where nothing is chosen."""
    share = settings.holdout if settings.holdout is not None else SHARE if choosing else 0.0
    return min(math.floor(round(share * steps, 6)), MOST_HELD_OUT)


def require_held_out(settings: Settings, lengths: Sequence[int]) -> int:
    """Steps at the end of each series that are held out where there is something to choose.

    Args:
        settings: as the user gave them.
        lengths: steps of each of the series that are learned together; the shortest decides.

    Raises:
        SettingError: nothing is to be held out.
        SeriesError: a series is too short to hold anything out.
    """
    if settings.holdout == 0:
        raise SettingError(
            "holdout=0 leaves free runs nothing to choose by; leave it out, or keep all restarts (members=restarts)"
        )
    steps = min(lengths)
    count = held_out(settings, steps, choosing=True)
    if count < FEWEST_HELD_OUT or steps - count < FEWEST_FITTED:
        share = SHARE if settings.holdout is None else settings.holdout
        needed = max(math.ceil(FEWEST_HELD_OUT / share), math.ceil(FEWEST_FITTED / (1 - share)))
        alone = len(lengths) == 1
        which = "the training series" if alone else f"series {list(lengths).index(steps)} of those learned together"
        raise SeriesError(
            f"{which} has {steps} steps, too few to choose settings by free runs on its end; "
            f"give {needed} steps or more, {'' if alone else 'leave it out, '}or say hidden, cell, delays, input_scale "
            "and l2 yourself"
        )
    return count


def warn_of_short(settings: Settings, lengths: Sequence[int]) -> None:
    """Say which series leave much shorter parts to judge networks by
    than most of those learned together would.

    Args:
        settings: as the user gave them.
        lengths: steps of each series; the shortest decides how many steps of all are held out.
    """
    least, usual = (held_out(settings, int(steps), choosing=True) for steps in (min(lengths), np.median(lengths)))
    if FEWEST_HELD_OUT <= least < FEW <= usual:
        short = [number for number, steps in enumerate(lengths) if held_out(settings, steps, choosing=True) < FEW]
        named = f"series {', '.join(map(str, short[:MOST_NAMED]))}{', ...' if len(short) > MOST_NAMED else ''}"
        warn(
            f"{named} of those learned together: the shortest has {min(lengths)} steps, so that settings are chosen, "
            f"and intervals calibrated, by free runs over {least} steps at the end of "
            f"each series, where most have {usual} or more for it; leave short series out, or forecast each by itself "
            "(freerun.forecast_many)"
        )


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
