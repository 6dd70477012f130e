"""Find suspicious values: fill values, outliers, and runs of a stuck sensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freerun.data.arrays import default_channels
from freerun.errors import SeriesError, warn

if TYPE_CHECKING:
    from freerun.data.series import Series

FILL_VALUES = (
    *(-999.0, -9999.0, -99999.0, -999999.0, 9999.0, 99999.0, 999999.0, -999.9, -99.99, -9999.9, 999.9, 9999.9),
    *(1e20, -1e20, 1e30, 1e34, -1e34, 1e35, 1e36, 9.969209968386869e36, -32768.0, -32767.0, -2147483648.0),
)
"""Fill values: numbers that instruments and netCDF files write for missing values."""

_FILLS = np.array(FILL_VALUES)

REPEATED = 2
"""Minimum number of occurrences of a fill value in a channel; a single one may be a measurement."""

APART = 0.1
"""Minimum distance of a fill value from all other values, as a share of its absolute value."""

DISTANT = 20.0
"""Minimum distance of a glitch from the median,
in units of the range from the 10 % to the 90 % quantile."""

MOST_GLITCHES = 0.02
"""Largest share of glitches in a channel; a higher share is a property of the series."""

STUCK = 10
"""Minimum length of a run of a stuck sensor, in steps."""

STUCK_SHARE = 0.25
"""Largest share of a series in a run of a stuck sensor;
longer runs are a property of the series."""

MOST_PLACES = 3
"""Largest number of steps that a message lists."""


def replace_fill_values(values: np.ndarray, channels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Replace fill values by NaN.

    A number of `FILL_VALUES` is a fill value if it occurs several times in its channel, and its
    distance from all other values exceeds their range.

    Args:
        values: shape (T, D).
        channels: D names, for the notes; empty for default names.

    Returns:
        The values, shape (T, D), and a sentence for the user about each fill value.
    """
    notes: list[str] = []
    names = channels or default_channels(values.shape[1])
    for column, name in enumerate(names):
        ends = _finite_range(values[:, column])
        if not (np.abs(ends[:, None] - _FILLS) <= 1e-6 * np.abs(_FILLS)).any():
            continue  # as in nearly all channels
        for fill in FILL_VALUES:
            if not np.isclose(ends, fill, rtol=1e-6, atol=0).any():
                continue  # a value between others is not far from all of them
            found = np.isclose(values[:, column], fill, rtol=1e-6, atol=0)
            rest = values[~found & np.isfinite(values[:, column]), column]
            if found.sum() < REPEATED or len(rest) < REPEATED:
                continue
            if min(abs(fill - rest.min()), abs(fill - rest.max())) <= max(np.ptp(rest), APART * abs(fill)):
                continue
            values = values.copy() if not notes else values
            values[found, column] = np.nan
            ends = _finite_range(values[:, column])
            notes.append(
                f"{int(found.sum())} values of {name!r} are {fill:g}, the first in row {int(found.argmax())}, far from "
                "all others, like the fill values of instruments; they are missing"
            )
    return values, notes


def _finite_range(column: np.ndarray) -> np.ndarray:
    """Return the smallest and the largest finite value, shape (2,);
    shape (0,) if there are none."""
    known = column[np.isfinite(column)]
    return np.array([known.min(), known.max()]) if len(known) else known


def refuse_fill_values(inputs: np.ndarray, names: Sequence[str]) -> None:
    """Raise an error if external inputs contain fill values;
    external inputs must be known at all steps.

    Args:
        inputs: shape (T + F, E).
        names: E names.

    Raises:
        SeriesError: there is a fill value.
    """
    _, notes = replace_fill_values(inputs, names)
    if notes:
        raise SeriesError(f"external inputs: {notes[0].removesuffix('; they are missing')}; fill them in")


def oddities(series: Series, first: int = 0) -> list[str]:
    """Find outliers and runs of a stuck sensor.

    Args:
        series: the series.
        first: step from which on they are looked for; those before were found when they were read.

    Returns:
        A sentence with channel and steps for each finding; empty if there are none.
    """
    found = []
    for name, column in zip(series.channels, series.values.T, strict=True):
        known = np.flatnonzero(np.isfinite(column))
        if len(known) < STUCK:
            continue
        values = column[known]
        glitches = known[_find_glitches(values)]
        if len(glitches) and glitches[-1] >= first:
            usual = np.delete(values, np.searchsorted(known, glitches))
            glitches = glitches[glitches >= first]
            found.append(
                f"{_name_steps(series, glitches)} of {name!r}: "
                f"{', '.join(f'{value:g}' for value in column[glitches[:MOST_PLACES]])}"
                f" but all others lie between {usual.min():g} and {usual.max():g}"
            )
        begin, length = _find_longest_constant(values)
        if _is_stuck(values, length) and known[begin + STUCK - 1] >= first:
            found.append(
                f"{_name_steps(series, known[begin : begin + 1])} of {name!r}: {values[begin]:g} for {length} steps "
                "in a row, like a stuck sensor"
            )
    return found


def warn_of_oddities(series: Series, verb: str, first: int = 0, place: str = "") -> None:
    """Warn of readings that look wrong. They are used as they are.

    Args:
        series: the series.
        verb: what is done with the readings, such as `learned`.
        first: step from which on readings are checked.
        place: what a message begins with, such as `series 2: `; empty for one series.
    """
    for oddity in oddities(series, first):
        warn(f"{place}{oddity}; it is {verb} as it stands: leave the value empty (NaN) if it is wrong")


def _find_glitches(values: np.ndarray) -> np.ndarray:
    """Return the indices of outliers; empty if more than `MOST_GLITCHES` of
    the values are that far from the median."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    size = max(high - low, 1e-9 * abs(middle))
    if size == 0:
        return np.empty(0, int)
    far = np.abs(values - middle) > DISTANT * size
    return np.flatnonzero(far) if far.mean() <= MOST_GLITCHES else np.empty(0, int)


def _find_longest_constant(values: np.ndarray) -> tuple[int, int]:
    """Return the start and the length of the longest run of equal values."""
    edges = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    lengths = np.diff(edges)
    return int(edges[lengths.argmax()]), int(lengths.max())


def _is_stuck(values: np.ndarray, length: int) -> bool:
    """Whether a run of equal values is a fault: it is long,
    but elsewhere the value changes at nearly every step."""
    repeats = int((values[1:] == values[:-1]).sum()) - (length - 1)
    return length >= STUCK and length <= STUCK_SHARE * len(values) and repeats <= 0.05 * len(values)


def _name_steps(series: Series, steps: np.ndarray) -> str:
    """List steps by number, and by time if the series has times, for a message."""
    named = [
        f"{step} ({series.calendar.shown(series.times[step])})"
        if series.timed
        else f"{series.times[step] / series.dt:.0f}"
        for step in steps[:MOST_PLACES].tolist()
    ]
    more = f" and {len(steps) - MOST_PLACES} more" if len(steps) > MOST_PLACES else ""
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(named)}{more}"
