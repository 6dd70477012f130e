"""Arrays of values: conversion, missing values, and range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from freerun.errors import SeriesError
from freerun.settings import Missing

NEAR = 3.0
"""Largest distance of a free run from the range of a series,
in standard deviations of the channel."""


def as_matrix(data: object) -> np.ndarray:
    """Convert numbers to a float64 array.

    Args:
        data: shape (T,) or (T, D); masked values of a masked array are missing.

    Returns:
        Shape (T, D); NaN where a value is missing.

    Raises:
        SeriesError: the data are text, times or complex numbers, are empty,
            or have more than two dimensions.
    """
    try:
        given = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SeriesError(
            "the values are not an array of numbers: rows have different lengths, or NumPy cannot convert their type; "
            "give (steps,) or (steps, channels), and several series as a list of arrays"
        ) from error
    if given.dtype.names is not None:
        raise SeriesError("the array has named fields; give a DataFrame (pd.DataFrame(array))")
    if given.dtype.kind == "c":
        raise SeriesError("the values are complex; give their real and imaginary parts as two channels")
    if given.dtype.kind in "mM":
        raise SeriesError("the values are dates or durations; give numbers")
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SeriesError(
            "the values are not all numbers; give an array of numbers, or strings such as 1,5 as a pandas Series"
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


def make_read_only(array: np.ndarray) -> np.ndarray:
    """Return the array itself if it and all its bases are read-only, otherwise a read-only copy."""
    base: object = array
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            array = array.copy()
            array.flags.writeable = False
            return array
        base = base.base
    return array if base is None else make_read_only(array.copy())


def default_channels(count: int, letter: str = "x") -> tuple[str, ...]:
    """Make default names of channels: `x` for one, `x0, x1, ...` for several.

    Args:
        count: number of channels.
        letter: first letter of each name.
    """
    return (letter,) if count == 1 else tuple(f"{letter}{i}" for i in range(count))


def handle_missing(values: np.ndarray, missing: Missing) -> np.ndarray:
    """Treat missing and infinite values.

    Args:
        values: shape (T, D).
        missing: `error` raises an error, `interpolate` interpolates linearly per channel,
            `mask` changes nothing.

    Returns:
        Shape (T, D).

    Raises:
        SeriesError: values are missing or infinite (`error`),
            or a channel has no finite value (`interpolate`).
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
    """Replace missing and infinite values by linear interpolation over steps, column by column.

    Values before the first and after the last finite value are filled with that value.
    A column without finite values is unchanged.

    Args:
        values: shape (T, D).

    Returns:
        Shape (T, D).
    """
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
        runs: shape (..., D); a run with a NaN does not stay near.
        values: shape (T, D), the series; missing values (NaN) are ignored.
    """
    margin = NEAR * np.nanstd(values, axis=0)
    near = (runs >= np.nanmin(values, axis=0) - margin) & (runs <= np.nanmax(values, axis=0) + margin)
    return bool(near.all())


def refuse_at(wrong: np.ndarray, names: Sequence[str], fault: str, remedy: str) -> None:
    """Raise an error that names the step and channel of the first invalid values.

    Args:
        wrong: shape (T, D), true for invalid values.
        names: D names of channels.
        fault: description of the fault, for the message.
        remedy: advice, for the message.

    Raises:
        SeriesError: at least one value is invalid.
    """
    rows, columns = np.nonzero(wrong)
    if len(rows):
        places = ", ".join(
            f"step {r} of {names[c]!r}" for r, c in zip(rows[:3].tolist(), columns[:3].tolist(), strict=True)
        )
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        raise SeriesError(f"{fault} at {places}{more}; {remedy}")
