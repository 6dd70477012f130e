"""What belongs together: columns by their names, rows by their times.

Where data have neither, as plain arrays, their order is all there is, and is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freerun.data.rows import Rows
from freerun.data.steps import OFF_GRID, goes_on_like
from freerun.data.timeline import shown
from freerun.errors import SeriesError, warn

if TYPE_CHECKING:
    from freerun.data.series import Series

SAME = 1e-9
"""Numbers are the same time if they differ by less than this share of a step."""


def places_of(wanted: Sequence[str], names: Sequence[str], what: str) -> list[int]:
    """Where each of the wanted names stands among `names`, which have to be the same ones in any order.

    Args:
        wanted: the names that are needed, in their order.
        names: those that there are.
        what: they are names of, for messages: `channels` or `external inputs`.

    Raises:
        SeriesError: one is missing, there is another one, or one occurs twice.
    """
    given, needed = ", ".join(names) or "none", ", ".join(wanted) or "none"
    for name in names:
        if list(names).count(name) > 1:
            raise SeriesError(f"two {what} are named {name!r}; give each a name of its own")
    missing = [name for name in wanted if name not in names]
    extra = [name for name in names if name not in wanted]
    if missing or extra:
        fault = f"{missing[0]!r} is missing" if missing else f"{extra[0]!r} is not among those"
        raise SeriesError(
            f"the {what} are {given}, and those that are needed are {needed}: {fault}; give these, in any order, "
            "choosing them by name (--column, --input)"
        )
    return [list(names).index(name) for name in wanted]


def inputs_beside(series: Series, rows: Rows) -> np.ndarray:
    """External inputs of each step of a series, and of the steps to come, shape (T + F, E).

    Raises:
        SeriesError: there is no row for a step, there are rows between the steps, or the times are of another kind.
    """
    if not _by_times(series, rows):
        return rows.values
    times, values = _ascending(rows)
    at = np.searchsorted(times, series.times - _tolerance(series))
    found = _are(times, at, series.times, series)
    if not found.all():
        lacking = series.times[~found]
        raise SeriesError(
            f"the external inputs have no row for {shown(lacking[0])}, and none for {len(lacking)} of the "
            f"{len(series)} steps of the series; fill them in, or give another part of the series"
        )
    between = np.setdiff1d(np.arange(at[0], at[-1] + 1), at)
    if len(between):
        raise SeriesError(
            f"the external inputs have a row for {shown(times[between[0]])}, between two steps of the series "
            f"({series.calendar.step or shown(series.dt)}); bring them to the same steps, for instance by averages "
            "(resample)"
        )
    return np.concatenate([values[at], _coming(series, times[at[-1] + 1 :], values[at[-1] + 1 :])])


def inputs_ahead(series: Series, rows: Rows, steps: int | None) -> np.ndarray:
    """External inputs of the steps to come after a series, from the next one on, shape (F, E).

    Args:
        series: what they follow.
        rows: the external inputs, which may begin earlier.
        steps: how many are needed; None means that it is not known.

    Raises:
        SeriesError: there is no row for the next step, or rows that are none of the steps to come.
    """
    if not _by_times(series, rows, ahead=True):
        if rows.labelled and steps is not None and len(rows.values) > steps:
            raise SeriesError(
                f"the external inputs have {len(rows.values)} rows that count from 0, for {steps} steps to come; give "
                "one row for each, or an index that tells which they are"
            )
        return rows.values
    times, values = _ascending(rows)
    first = int(np.searchsorted(times, series.times[-1] + _tolerance(series), "right"))
    if first == len(times):
        raise SeriesError(
            f"the external inputs end at {shown(times[-1])}, and the next step is "
            f"{shown(series.following_times(1)[0])}; give a row for each step to come"
        )
    return _coming(series, times[first:], values[first:])


def require_same_steps(series: Series, other: Series) -> None:
    """Refuse a series whose times are of another kind than those of another one, or in other steps.

    Raises:
        SeriesError: they are.
    """
    if not (series.timed and other.timed):
        return
    have, needed = _kind(series), _kind(other)
    if have != needed:
        raise SeriesError(f"the series has {have} as its times, and {needed} are needed; give the same")
    if not goes_on_like(series.times, other.times, other.dt, other.calendar):
        raise SeriesError(
            f"the series has steps of {series.calendar.step or shown(series.dt)}, the first at "
            f"{shown(series.times[0])}, and steps of {other.calendar.step or shown(other.dt)} are needed, as at "
            f"{shown(other.times[-1])}; bring it to the same steps (resample)"
        )


def steps_read_before(series: Series, before: Series) -> int:
    """How many first steps of a series are steps of `before`, which was read already, or earlier ones.

    By times where both have them; otherwise by values: of all that was read, only the last steps may be known, and a
    count tells how many came before them. Values of the same step that differ are told by a `SeriesWarning`.
    """
    if series.timed and before.timed:
        _warn_of_changes(series, before)
        return int(np.searchsorted(series.times, before.times[-1], "right"))
    first = 0 if before.timed else round(float(before.times[0] / before.dt))
    part = series.values[first : first + len(before)]
    same = part.shape == before.values.shape and len(before) > 1 and np.array_equal(part, before.values, equal_nan=True)
    return first + len(before) if same else 0


def _warn_of_changes(series: Series, before: Series) -> None:
    both, here, there = np.intersect1d(series.times, before.times, return_indices=True)
    same = np.isclose(series.values[here], before.values[there], rtol=1e-6, atol=0, equal_nan=True).all(axis=1)
    if not same.all():
        warn(
            f"{int((~same).sum())} steps that were read before have other values now, the first of them "
            f"{shown(both[~same][0])}; what was read stays as it was"
        )


def _kind(series: Series) -> str:
    """What the times of a series are, in words."""
    if series.calendar.spans:
        return "spans of time"
    if series.times.dtype.kind != "M":
        return "numbers"
    return "dates without a time zone" if series.calendar.zone is None else "dates in a time zone"


def _by_times(series: Series, rows: Rows, ahead: bool = False) -> bool:
    """Whether rows are found by their times; otherwise they are taken in their order.

    Raises:
        SeriesError: the times are of another kind than those of the series.
    """
    dated, theirs = series.times.dtype.kind == "M", rows.times.dtype.kind == "M"
    if not rows.labelled or (dated and not rows.timed):
        return False
    if not rows.timed:
        return series.timed or (ahead and len(rows.values) > series.times[-1])
    if dated != theirs:
        has = "dates" if dated else "numbers" if series.timed else "no times"
        raise SeriesError(
            f"the series has {has} and the external inputs have {'dates' if theirs else 'numbers'} as their times; "
            "give both the same, or the inputs as an array (inputs.to_numpy()), one row for each step"
        )
    if dated and (series.calendar.zone is None) != (rows.calendar.zone is None):
        raise SeriesError("of series and external inputs one has a time zone, the other has none; give both the same")
    return True


def _coming(series: Series, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The rows of the steps to come, which have to follow step by step."""
    if not len(times):
        return values
    expected = series.following_times(len(times))
    off = np.flatnonzero(np.abs(times - expected) > _tolerance(series))
    if len(off):
        row = int(off[0])
        raise SeriesError(
            f"the external inputs go on at {shown(times[row])}, where the step to come is {shown(expected[row])}; give "
            "one row for each step of the series and of the steps to come"
        )
    return values


def _tolerance(series: Series) -> np.timedelta64 | float:
    """How far apart two times may be that are the same step."""
    if series.times.dtype.kind == "M":
        return series.dt * 0 if series.calendar.frequency else series.dt * OFF_GRID
    return series.dt * (SAME if not series.timed else OFF_GRID)


def _are(times: np.ndarray, at: np.ndarray, wanted: np.ndarray, series: Series) -> np.ndarray:
    inside = np.minimum(at, len(times) - 1)
    return (at < len(times)) & (np.abs(times[inside] - wanted) <= _tolerance(series))


def _ascending(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Times and values in the order of their times.

    Raises:
        SeriesError: a time occurs twice.
    """
    order = np.argsort(rows.times, kind="stable")
    times = rows.times[order]
    twice = np.flatnonzero(times[1:] == times[:-1])
    if len(twice):
        raise SeriesError(f"the external inputs have two rows for {shown(times[twice[0]])}; keep one row for each time")
    return times, rows.values[order]
