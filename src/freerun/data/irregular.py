"""Irregular times: the length of each step is an external input,
which a network reads as it reads the values.

The length of step t is the time from row t - 1 to row t. To predict row t, a network reads it
beside the values, so that nothing is resampled. It is known in advance: a free run goes on with the
median step, or at times that are given.

A long pause among short steps is bridged by rows without values, a median step apart, over which a
network runs on its own output, as it does over gaps of regular series.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from freerun.data.timeline import Time, shown
from freerun.errors import SeriesError

TIME_STEP = "time_step"
"""Name of the external input that holds the lengths of steps, in the unit of the times;
in seconds for dates."""

PAUSE = 10.0
"""A step longer than this many median steps is a pause."""

RARE = 0.05
"""Largest share of steps that are pauses; if more are as long,
that is how the series is sampled."""

MOST_BRIDGED = 100_000
"""Most rows without values in a pause."""

WITHOUT_TIMES = (
    "irregular times without times: the rows have none, so that the lengths of their steps are not known; give a table "
    "with a column or an index of times (time=..., --time), or leave irregular out"
)
"""The message where rows have no times."""


class Bridged(NamedTuple):
    """Ascending times with pauses bridged.

    Attributes:
        times: shape (T,), the time of each row.
        rows: shape (T,), the number of the row that was given; -1 for those added.
        dt: the median step before.
    """

    times: np.ndarray
    rows: np.ndarray
    dt: Time


def median_step(times: np.ndarray) -> Time:
    """The median of the differences of ascending times; 1 (a day) for a single time.

    Raises:
        SeriesError: the times do not ascend.
    """
    gaps = np.diff(times)
    wrong = np.flatnonzero(~(gaps > np.zeros((), gaps.dtype)))
    if len(wrong):
        row = int(wrong[0])
        raise SeriesError(
            f"the time {shown(times[row + 1])} at step {row + 1} does not follow {shown(times[row])}; times must ascend"
        )
    dated = gaps.dtype.kind == "m"
    if not len(gaps):
        return np.timedelta64(1, "D") if dated else 1.0
    if dated:
        return np.timedelta64(int(np.median(gaps.astype(np.int64))), np.datetime_data(gaps.dtype)[0])
    return float(np.median(gaps))


def bridge(times: np.ndarray) -> Bridged:
    """Add rows to ascending times, shape (R,), where there are pauses.

    Raises:
        SeriesError: times do not ascend, or a pause is too long to be bridged.
    """
    dt = median_step(times)
    gaps = np.diff(times) / dt
    pauses = np.flatnonzero(gaps > PAUSE)
    if not len(pauses) or len(pauses) > RARE * len(gaps):
        return Bridged(times, np.arange(len(times)), dt)
    longest = int(gaps.argmax())
    if gaps[longest] > MOST_BRIDGED:
        raise SeriesError(
            f"between {shown(times[longest])} and {shown(times[longest + 1])} there is no row for {gaps[longest]:.3g} "
            "median steps; give the parts as several series"
        )
    pieces, rows, first = [], [], 0
    for pause in pauses.tolist():
        count = round(float(gaps[pause])) - 1
        added = times[pause] + (times[pause + 1] - times[pause]) * np.arange(1, count + 1) / (count + 1)
        pieces += [times[first : pause + 1], added.astype(times.dtype)]
        rows += [np.arange(first, pause + 1), np.full(count, -1)]
        first = pause + 1
    pieces.append(times[first:])
    rows.append(np.arange(first, len(times)))
    return Bridged(np.concatenate(pieces), np.concatenate(rows), dt)


def lengths(times: np.ndarray, dt: Time) -> np.ndarray:
    """Lengths of the steps that lead to each of T times, shape (T,); that of the first is `dt`."""
    gaps = np.concatenate([[np.asarray(dt)], np.diff(times)])
    return gaps / np.timedelta64(1, "s") if times.dtype.kind == "M" else gaps.astype(float)


def with_lengths(
    inputs: np.ndarray, names: tuple[str, ...], times: np.ndarray, dt: Time
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Make the lengths of steps the last external input.

    Args:
        inputs: external inputs of T steps and of F future steps, shape (T + F, E),
            with the lengths or without.
        names: E names.
        times: shape (T,).
        dt: the median step, which future steps have where the inputs hold no lengths.
    """
    usual = lengths(times[:1], dt)[0]
    if TIME_STEP not in names:
        inputs = np.concatenate([inputs, np.full((len(inputs), 1), usual)], axis=1)
        names = (*names, TIME_STEP)
    inputs = inputs.copy()
    inputs[: len(times), -1] = lengths(times, dt)
    return inputs, names


def continue_irregular(last: Time, steps: np.ndarray) -> np.ndarray:
    """The times after `last` by the lengths of steps, shape (steps,)."""
    if isinstance(last, np.datetime64):
        unit = np.datetime_data(last.dtype)[0]
        each = np.rint(steps * (np.timedelta64(1, "s") / np.timedelta64(1, unit))).astype(np.int64)
        return last + np.cumsum(each).astype(f"timedelta64[{unit}]")
    return last + np.cumsum(steps)


def divide(times: np.ndarray, last: Time, longest: float) -> tuple[np.ndarray, np.ndarray]:
    """Divide the steps to given times into equal parts that are no longer than a network has
    learned.

    Args:
        times: shape (N,), ascending, after `last`.
        last: the time before.
        longest: the longest step, in the unit of `lengths`.

    Returns:
        All times, shape (M,), M >= N; and the places of those that were given, shape (N,).
    """
    before = np.concatenate([np.asarray(last, times.dtype)[None], times[:-1]])
    whole = lengths(np.concatenate([before[:1], times]), times[0] - before[0])[1:]
    parts = np.maximum(1, np.ceil(whole / longest * (1 - 1e-9)).astype(int))
    every = [
        np.concatenate([(b + (t - b) * np.arange(1, n) / n).astype(times.dtype), [t]])
        for b, t, n in zip(before, times, parts, strict=True)
    ]
    return np.concatenate(every), np.cumsum(parts) - 1
