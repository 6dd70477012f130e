"""Networks of exponential smoothers that forecast a series together,
and their forecasts inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from freerun.data.profile import Profile
from freerun.data.scaling import Scaling, varies
from freerun.data.series import Series
from freerun.errors import SettingError
from freerun.network import numpy_runs, smoothing
from freerun.plan import plan_of, settled
from freerun.settings import LONGEST_SEASON, Settings

FEWEST_FOR_LINE = 10
"""Steps from which on the line through a series says something of its trend."""

SOUND = 3.0
"""Largest error of a network of smoothers inside the series, as a multiple of that of the
best of them. On 1800 series of M1 and M3 the ratio is above 3 for 1 %, which lose
nothing; on a population cycle it is 6 to 27."""

MOST_AHEAD, ORIGINS = 24, 40
"""Most steps ahead, and most steps from which,
smoothers forecast inside the series to be compared."""


class Smoothers(NamedTuple):
    """The networks of smoothers that forecast a series together.

    Attributes:
        several: their settings, with nothing left to choose.
        sound: whether none was left out for its errors inside the series.
    """

    several: list[Settings]
    sound: bool


def smoothers_of(settings: Settings, training: Sequence[Series], profile: Profile) -> Smoothers:
    """Choose the networks of smoothers that forecast a series together.

    One has damped trends of the logarithm, if all values are positive. One follows the level
    around a straight line. If there is no season, which grows with the level as a rule, a third
    has damped trends in the units of the series. They err in different ways, so that their mean
    is better than each. One that is far worse inside the series is left out: a trend of the
    logarithm explodes on series that oscillate.

    Args:
        settings: as the user gave them; a logarithm or a line that was asked for is kept. Of
            several seasons, smoothers follow those that divide the longest.
        training: the series, one alone.
        profile: of the series.

    Raises:
        SettingError: there are several series, or external inputs.
    """
    if len(training) > 1:
        raise SettingError(
            f"cell='smoothing' forecasts one series, and {len(training)} are given; forecast each of them "
            "(freerun.forecast_many), or leave the cell out for one network that learns them all"
        )
    if profile.inputs and settings.cell == "smoothing":
        raise SettingError("cell='smoothing' reads no external inputs; leave them out, or leave the cell out")
    of_one = {"restarts": 1, "members": 1, "select": "auto", "measurement_noise": None}
    alone = settings.with_(cell=None, optimizer=None, **of_one)
    fitting = [season for season in profile.seasons if season <= LONGEST_SEASON]
    nested = tuple(season for season in fitting if fitting[-1] % season == 0)
    common = {"cell": "smoothing", "season": nested or 0}
    several = [settled(alone.with_(**common, **kind), profile.steps) for kind in _kinds(settings, profile)]
    if len(several) == 1:
        return Smoothers(several, sound=True)
    errors = [_error_inside(one, training[0]) for one in several]
    kept = [one for one, error in zip(several, errors, strict=True) if error <= SOUND * min(errors)]
    return Smoothers(kept or several, len(kept) == len(several))


def _kinds(settings: Settings, profile: Profile) -> list[dict[str, bool]]:
    """What is done to the series before it is smoothed, as values of `log`,
    `detrend` and `nonnegative`."""
    if settings.log or settings.detrend:
        return [{}]
    damped, around_line = {"nonnegative": True} if profile.positive else {}, {"detrend": True}
    damped_logarithm = [{"log": True}] if profile.positive else []
    if profile.steps < FEWEST_FOR_LINE:
        return damped_logarithm or [damped]
    if profile.seasons and profile.positive:
        return [*damped_logarithm, damped | around_line]
    return [*damped_logarithm, damped, damped | around_line]


def _error_inside(settings: Settings, series: Series) -> float:
    """The mean absolute error of forecasts from steps inside a series,
    by smoothers fitted to all of it."""
    steps = len(series)
    horizon = max(1, min(MOST_AHEAD, steps // 3))
    starts = np.unique(np.linspace(min(settings.washout or 0, steps - 2), steps - 2, ORIGINS).astype(int))
    following = starts[:, None] + 1 + np.arange(horizon)
    inside = np.minimum(following, steps - 1)
    runs = smoothed(settings, series, series, starts, inside)
    with np.errstate(all="ignore"):
        errors = np.abs(runs - series.values[inside])[following < steps]
    known = errors[np.isfinite(errors)]
    return float(known.mean()) if len(known) else np.inf


def smoothed(
    settings: Settings, before: Series, series: Series, starts: np.ndarray, following: np.ndarray
) -> np.ndarray:
    """Compute free runs of smoothers that are fitted to the first steps of a series.

    First steps that are constant, or missing, have the units of the whole series:
    they give none of their own.

    Args:
        settings: of the network, with nothing left to choose.
        before: the series that they are fitted to.
        series: the series that they read, which begins with `before`.
        starts: the last step before each run, shape (S,).
        following: the steps of each run, shape (S, steps).

    Returns:
        The runs in the units of the series, shape (S, steps, D).
    """
    scaling = Scaling.fitted([before if varies(before).all() else series], settings)
    fitted, values = scaling.apply(before), scaling.apply(series)
    plan = plan_of(settings, series.shape[1], series.inputs.shape[1])
    network = smoothing.solve(plan.draw(), fitted)
    start = numpy_runs.start_of(network, fitted)
    known = numpy_runs.filled(network, values, start)
    begin = numpy_runs.states_before(network, known, starts, start)
    runs = numpy_runs.run(network, *begin, following.shape[1]).values[0]
    with np.errstate(over="ignore"):
        return scaling.undo(runs, series.times[following])
