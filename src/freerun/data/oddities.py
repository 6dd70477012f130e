"""Readings that look wrong: values that stand for missing ones, glitches, sensors that are stuck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freerun.data.arrays import default_channels
from freerun.errors import SeriesError

if TYPE_CHECKING:
    from freerun.data.series import Series

FILL_VALUES = (
    *(-999.0, -9999.0, -99999.0, -999999.0, 9999.0, 99999.0, 999999.0, -999.9, -99.99, -9999.9, 999.9, 9999.9),
    *(1e20, -1e20, 1e30, 1e34, -1e34, 1e35, 1e36, 9.969209968386869e36, -32768.0, -32767.0, -2147483648.0),
)
"""Numbers that instruments and netCDF files write for missing values."""

REPEATED = 2
"""Times that such a number occurs at least before it is taken for a missing value."""

APART = 0.1
"""Share of such a number by which all other values are away from it at least."""

DISTANT = 20.0
"""Glitches lie this many times the usual range away from their neighbours: the 10 to 90 % range of the values."""

MOST_GLITCHES = 0.02
"""Largest share of values that are glitches; more of them are how the series is."""

STUCK, STUCK_SHARE = 10, 0.25
"""Steps in a row with one value from which on a sensor is stuck, and the largest share of a series that they take: a
series that rests for longer is like that."""

NAMED = 3
"""Most places that a message names."""


def without_fill_values(values: np.ndarray, channels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The values, shape (T, D), NaN where a number stands for a missing value, and what is to be said of it.

    A number of `FILL_VALUES` stands for that if it occurs several times in its channel and lies further from all other
    values than these lie apart.
    """
    notes: list[str] = []
    names = channels or default_channels(values.shape[1])
    for column, name in enumerate(names):
        ends = _ends(values[:, column])
        for fill in FILL_VALUES:
            if not np.isclose(ends, fill, rtol=1e-6, atol=0).any():
                continue  # what lies between others is not far from all of them
            found = np.isclose(values[:, column], fill, rtol=1e-6, atol=0)
            rest = values[~found & np.isfinite(values[:, column]), column]
            if found.sum() < REPEATED or len(rest) < REPEATED:
                continue
            if min(abs(fill - rest.min()), abs(fill - rest.max())) <= max(np.ptp(rest), APART * abs(fill)):
                continue
            values = values.copy() if not notes else values
            values[found, column] = np.nan
            ends = _ends(values[:, column])
            notes.append(
                f"{int(found.sum())} values of {name!r} are {fill:g}, the first in row {int(found.argmax())}, far from "
                "all others, as instruments write it for a missing value; they are missing"
            )
    return values, notes


def _ends(column: np.ndarray) -> np.ndarray:
    """The least and the largest of the finite values; none where there are none."""
    known = column[np.isfinite(column)]
    return np.array([known.min(), known.max()]) if len(known) else known


def refuse_fill_values(inputs: np.ndarray, names: Sequence[str]) -> None:
    """Refuse external inputs with numbers that stand for missing values, since they have to be known.

    Raises:
        SeriesError: there are such.
    """
    _, notes = without_fill_values(inputs, names)
    if notes:
        raise SeriesError(f"of the external inputs, {notes[0].removesuffix('; they are missing')}; fill them in")


def oddities(series: Series) -> list[str]:
    """What looks wrong in a series, in sentences that name the channel and the steps; empty if nothing does."""
    found = []
    for name, column in zip(series.channels, series.values.T, strict=True):
        known = np.flatnonzero(np.isfinite(column))
        if len(known) < STUCK:
            continue
        values = column[known]
        glitches = known[_glitches(values)]
        if len(glitches):
            usual = np.delete(values, np.searchsorted(known, glitches))
            found.append(
                f"{_places(series, glitches)} of {name!r}: {', '.join(f'{v:g}' for v in column[glitches[:NAMED]])} "
                f"where all others lie between {usual.min():g} and {usual.max():g}"
            )
        begin, length = _longest_constant(values)
        if _is_stuck(values, length):
            found.append(
                f"{_places(series, known[begin : begin + 1])} of {name!r}: {values[begin]:g} for {length} steps in a "
                "row, as of a sensor that is stuck"
            )
    return found


def _glitches(values: np.ndarray) -> np.ndarray:
    """Which values lie far from all others and from those beside them; none where many do."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    size = max(high - low, 1e-9 * abs(middle))
    if size == 0:
        return np.empty(0, int)
    far = np.abs(values - middle) > DISTANT * size
    return np.flatnonzero(far) if far.mean() <= MOST_GLITCHES else np.empty(0, int)


def _longest_constant(values: np.ndarray) -> tuple[int, int]:
    """Where the longest run of one value begins, and how long it is."""
    edges = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    lengths = np.diff(edges)
    return int(edges[lengths.argmax()]), int(lengths.max())


def _is_stuck(values: np.ndarray, length: int) -> bool:
    """Whether a run of one value is that long by a fault: elsewhere the value changes at nearly every step."""
    repeats = int((values[1:] == values[:-1]).sum()) - (length - 1)
    return length >= STUCK and length <= STUCK_SHARE * len(values) and repeats <= 0.05 * len(values)


def _places(series: Series, steps: np.ndarray) -> str:
    """Steps by number, and by time where they have any."""

    named = [
        f"{step} ({series.calendar.shown(series.times[step])})" if series.timed else str(step)
        for step in steps[:NAMED].tolist()
    ]
    more = f" and {len(steps) - NAMED} more" if len(steps) > NAMED else ""
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(named)}{more}"
