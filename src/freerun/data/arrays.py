"""Arrays of values: from whatever holds numbers, missing values in them, and their range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from freerun.errors import SeriesError
from freerun.settings import Missing

NEAR = 3.0
"""Standard deviations beyond the range of a series up to which a free run still resembles it."""


def as_matrix(data: Any) -> np.ndarray:
    """Numbers as an array of shape (steps, channels); masked values are missing.

    Raises:
        SeriesError: text, times, complex numbers, another number of dimensions, or nothing at all.
    """
    try:
        given = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SeriesError(
            "the values are no array of numbers: their rows have different lengths, or they are of no kind that NumPy "
            "knows; give (steps,) or (steps, channels), and several series as a list of arrays"
        ) from error
    if given.dtype.names is not None:
        raise SeriesError("the array has named fields; give a DataFrame (pd.DataFrame(array))")
    if given.dtype.kind == "c":
        raise SeriesError("the values are complex; give their real and imaginary parts as two channels")
    if given.dtype.kind in "mM":
        raise SeriesError("the values are times or spans of time; give numbers")
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SeriesError(
            "the values are not all numbers; give an array of numbers, or texts such as 1,5 as a pandas Series"
        ) from error
    if np.ma.isMaskedArray(data):
        values = np.where(np.ma.getmaskarray(data), np.nan, values)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or 0 in values.shape:
        raise SeriesError(
            f"values have shape {values.shape}; give (steps,) or (steps, channels) with at least one of each"
        )
    return values


def owned(array: np.ndarray) -> np.ndarray:
    """The array itself if nobody can write to it, else a copy of it, which is then read alone."""
    part: Any = array
    while isinstance(part, np.ndarray):
        if part.flags.writeable:
            array = array.copy()
            array.flags.writeable = False
            return array
        part = part.base
    return array if part is None else owned(array.copy())


def default_channels(count: int, letter: str = "x") -> tuple[str, ...]:
    """The names of channels that have none."""
    return (letter,) if count == 1 else tuple(f"{letter}{i}" for i in range(count))


def treat_missing(values: np.ndarray, missing: Missing) -> np.ndarray:
    """Refuse missing and infinite values, interpolate them linearly per channel, or leave the missing ones as NaN.

    Raises:
        SeriesError: values are missing (`error`), or a channel has no finite value to interpolate from.
    """
    if np.isfinite(values).all() or missing == "mask":
        return values
    if missing == "error":
        names = default_channels(values.shape[1])
        refuse_at(
            ~np.isfinite(values), names, "missing or infinite values", "mask them (--missing mask), or interpolate"
        )
    empty = ~np.isfinite(values).any(axis=0)
    if empty.any():
        raise SeriesError(f"channel {int(empty.argmax())} has no finite value to interpolate from")
    return interpolated(np.asarray(values, np.float64))


def interpolated(values: np.ndarray) -> np.ndarray:
    """Missing values of each column replaced by linear interpolation over steps."""
    if np.isfinite(values).all():
        return values
    filled, steps = values.copy(), np.arange(len(values))
    for column in filled.T:
        known = np.isfinite(column)
        if known.any():
            column[:] = np.interp(steps, steps[known], column[known])
    return filled


def stays_near(runs: np.ndarray, values: np.ndarray) -> bool:
    """Whether runs stay within 3 standard deviations of the range of a series, channel by channel.

    Args:
        runs: shape (..., D); NaN is not near.
        values: shape (T, D), the series; NaN where a value is missing, which is left out.
    """
    margin = NEAR * np.nanstd(values, axis=0)
    near = (runs >= np.nanmin(values, axis=0) - margin) & (runs <= np.nanmax(values, axis=0) + margin)
    return bool(near.all())


def refuse_at(wrong: np.ndarray, names: Sequence[str], fault: str, remedy: str) -> None:
    """Refuse values, of which `wrong`, shape (T, D), tells where they are at fault, by step and channel."""
    rows, columns = np.nonzero(wrong)
    if len(rows):
        places = ", ".join(
            f"step {r} of {names[c]!r}" for r, c in zip(rows[:3].tolist(), columns[:3].tolist(), strict=True)
        )
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        raise SeriesError(f"{fault} at {places}{more}; {remedy}")
