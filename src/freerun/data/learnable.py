"""Whether series can be learned: their channels match, they have enough values,
no long gap and no constant channel.

`learnable` is the one check of a fit. It raises an error for what cannot be learned, and warns of
readings that look wrong. `from_first_values` is the part of it that says nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import numpy as np

from freerun.data.alignment import require_same_clock
from freerun.data.oddities import warn_of_oddities
from freerun.data.scaling import deviation_or_zero, refuse_constant
from freerun.data.series import Series, longest_gap, longest_gap_in_all
from freerun.errors import SeriesError, warn
from freerun.settings import Settings

LONGEST_GAP = 100
"""Longest run of missing values, in steps; a longer washout allows longer ones."""

FEWEST_VALUES = 3
"""Fewest values of a channel that smoothers forecast."""

SMALL = 0.01
"""Standard deviation of a series, as a share of the largest, below which a network of both
forecasts it badly: the errors of a monthly series beside one 100 times as large double, and its
intervals are 100 times as wide."""

FEWEST_KNOWN = 10
"""Fewest known values of a channel; half of its steps where that is fewer."""


def learnable(
    training: Sequence[Series], validation: Series | None, settings: Settings, smooth: bool
) -> tuple[tuple[Series, ...], Series | None]:
    """Match the channels of series and check that they can be learned together.

    Args:
        training: the series that are learned together.
        validation: the series whose one-step error is recorded.
        settings: as the user gave them.
        smooth: whether smoothers may forecast the series, which need fewer values.

    Returns:
        The series, their channels in the order of the first.
        Steps before the first value of a series are left out.

    Raises:
        SeriesError: a series cannot be learned, or not with the others; the message says why.
    """
    training, validation = _matched(training, validation)
    training = from_first_values(training, validation, settings, smooth)
    for number, series in enumerate(training):
        warn_of_oddities(series, "learned", place=f"series {number}: " if len(training) > 1 else "")
    _warn_of_constant_inputs(training)
    _warn_of_small_series(training, settings)
    return training, validation


def from_first_values(
    training: Sequence[Series], validation: Series | None, settings: Settings, smooth: bool
) -> tuple[Series, ...]:
    """Leave out the steps before the first value of each series,
    and refuse those that cannot be learned.

    Args, Raises: see `learnable`.

    Returns:
        The series, each from its first value on.
    """
    washout = settings.memory if settings.washout is None else settings.washout
    training = tuple(map(_from_first_value, training))
    for number, series in enumerate(training):
        with naming_series(number, training):
            _require_learnable(series, settings, washout, smooth)
    if validation is not None:
        require_steps("validation", validation, washout)
        if not np.isfinite(validation.values).any():
            raise SeriesError("the validation series has no value at all; leave it out")
    for series in (*training[1:], *(() if validation is None else (validation,))) if settings.detrend else ():
        require_same_clock(series, training[0])
    return training


@contextmanager
def naming_series(number: int, training: Sequence[Series]) -> Generator[None]:
    """Say in errors which one of several series they are about, counted from 0."""
    try:
        yield
    except SeriesError as error:
        if len(training) == 1:
            raise
        raise SeriesError(f"series {number} of those learned together: {error}") from error


def _require_learnable(series: Series, settings: Settings, washout: int, smooth: bool) -> None:
    """Refuse a series that cannot be learned; see `learnable`."""
    if settings.is_field:
        _refuse_gaps_in_field(series)
    elif series.shape[1] > len(series):
        raise SeriesError(
            f"the training series has {len(series)} steps of {series.shape[1]} channels; each row is a step and each "
            "column a channel: transpose it; several series are a list of arrays"
        )
    if smooth:
        _require_values(series)
    require_steps("training", series, washout)
    _require_differences(series, settings)
    longest = max(LONGEST_GAP, washout) if settings.washout is None else washout
    _refuse_long_gap(series, longest, settings.method == "ridge")
    _refuse_nearly_empty(series)
    refuse_constant(series)


def require_steps(name: str, series: Series, washout: int) -> None:
    """Refuse a series in which no error would count.

    Raises:
        SeriesError: the series is not longer than the washout and one step to predict.
    """
    if len(series) < washout + 2:
        raise SeriesError(
            f"the {name} series has {len(series)} steps; with a washout of {washout} it needs {washout + 2} or more"
        )


def _require_differences(series: Series, settings: Settings) -> None:
    """Refuse a series that has no differences of the lags that are asked for,
    whatever the washout is."""
    needed = sum(settings.differences) + 2
    if settings.differences and len(series) < needed:
        raise SeriesError(
            f"difference={settings.difference}: the training series has {len(series)} steps, and these differences "
            f"need {needed} or more; give a longer series, or smaller lags"
        )


def _matched(training: Sequence[Series], validation: Series | None) -> tuple[tuple[Series, ...], Series | None]:
    """The series that are learned together and the one that is watched,
    their channels in the order of the first.

    Raises:
        SeriesError: one has other channels, other external inputs or other steps than the first.
    """
    first, *others = training
    matched = [first]
    for number, series in enumerate(others, 1):
        matched.append(_like(first, series, f"series {number} does not go with series 0 of those learned together"))
    if validation is not None:
        validation = _like(first, validation, "the validation series does not go with the training series")
    return tuple(matched), validation


def _like(first: Series, series: Series, fault: str) -> Series:
    try:
        return series.like(first)
    except SeriesError as error:
        raise SeriesError(f"{fault}: {error}") from error


def _from_first_value(series: Series) -> Series:
    """The series from the first step on that has a value; itself if none has."""
    known = np.isfinite(series.values).any(axis=1)
    return series.between(int(known.argmax()))


def _at(series: Series, step: int) -> str:
    """The time of a step as a message names it; of series without times,
    the number of the step as the user counts."""
    time = series.calendar.shown(series.times[step])
    return time if "times" in (series.given or ()) else f"step {time}"


def _warn_of_small_series(training: Sequence[Series], settings: Settings) -> None:
    """Say which series vary little beside the others,
    for which one network has one scaling and one size of errors."""
    values = [
        np.log(np.where(series.values > 0, series.values, np.nan)) if settings.log else series.values
        for series in training
    ]
    deviations = np.array([deviation_or_zero(one) for one in values])
    for number, series in enumerate(training):
        for name, own, largest in zip(series.channels, deviations[number], deviations.max(axis=0), strict=True):
            if own < SMALL * largest:
                warn(
                    f"series {number}: channel {name!r} varies by {own:.3g}, and by {largest:.3g} in another series "
                    "that is learned with it, so that its forecasts and intervals may be far too coarse; learn "
                    "logarithms (log=True), divide each series by its size, or forecast each by itself "
                    "(freerun.forecast_many)"
                )


def _warn_of_constant_inputs(training: Sequence[Series]) -> None:
    """Say which external inputs have one value, so that a
    network cannot learn what others would do."""
    inputs = np.concatenate([series.inputs[: len(series)] for series in training])
    for name, column in zip(training[0].input_names, inputs.T, strict=True):
        if (column == column[0]).all():
            warn(
                f"the external input {name!r} is {column[0]:g} at all steps, so that nothing can be learned of other "
                "values; give series with other values of it, or leave it out"
            )


def _refuse_gaps_in_field(series: Series) -> None:
    """Refuse a field with missing values, which would be missing in
    the windows of all sites around them."""
    if not np.isfinite(series.values).all():
        step, channel = np.argwhere(~np.isfinite(series.values))[0]
        raise SeriesError(
            f"channel {series.channels[channel]!r} has no value at {_at(series, step)}, and a field is learned from "
            "complete steps; interpolate (missing='interpolate'), or leave neighbours out"
        )


def _refuse_nearly_empty(series: Series) -> None:
    """Refuse a channel with hardly any value, from which no error can be taken."""
    for name, column in zip(series.channels, series.values.T, strict=True):
        known = int(np.isfinite(column).sum())
        if 0 < known < min(FEWEST_KNOWN, len(series) // 2):
            raise SeriesError(
                f"channel {name!r} has {known} values in {len(series)} steps, too few to learn from; leave it out"
            )


def _require_values(series: Series) -> None:
    """Refuse a channel with fewer values than any forecast needs."""
    for name, column in zip(series.channels, series.values.T, strict=True):
        known = int(np.isfinite(column).sum())
        if known < FEWEST_VALUES:
            raise SeriesError(f"channel {name!r} has {known} values; a forecast needs {FEWEST_VALUES} or more")


def _refuse_long_gap(series: Series, longest: int, solved: bool) -> None:
    """Refuse a gap in a channel; where the readout is solved, which leaves such steps out,
    a gap in all channels."""
    length, start, channel = longest_gap(series)
    whose = f"channel {channel!r}"
    if solved and len(series.channels) > 1:
        length, start = longest_gap_in_all(series)
        whose = "all channels"
    if length > longest:
        raise SeriesError(
            f"{length} values in a row are missing in {whose}, from {_at(series, start)} on: longer than {longest} "
            "steps, over which the network would run on its own output; give the parts as several series, "
            "interpolate (missing='interpolate'), or say a longer washout"
        )
