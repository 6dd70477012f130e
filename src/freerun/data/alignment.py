"""What belongs together: columns by their names, rows by their times.

Where data have neither, as plain arrays, their order is all there is, and is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.data.rows import Rows
from freerun.data.steps import OFF_GRID, goes_on_like
from freerun.data.timeline import shown
from freerun.errors import SeriesError, warn

if TYPE_CHECKING:
    from freerun.data.series import Series

NAMED = 20
"""Most names that a message lists."""

SAME = 1e-9
"""Numbers are the same time if they differ by less than this share of a step."""

REVISED = 0.9
"""A series that begins with so large a share of the steps that were read before is those steps, some revised."""

COUNT, NUMBERS = "no times", "numbers as times"
"""Kinds of times: a mere count of the rows, and numbers that came with the data."""

OVERLAP = 5
"""So many steps, no two of them alike, that end what was read and begin what is new are more than chance."""


def places_of(wanted: Sequence[str], names: Sequence[str], what: str) -> list[int]:
    """Where each of the wanted names stands among `names`, which have to be the same ones in any order.

    Args:
        wanted: the names that are needed, in their order.
        names: those that there are.
        what: they are names of, for messages: `channels` or `external inputs`.

    Raises:
        SeriesError: one is missing, there is another one, or one occurs twice.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in places:
            raise SeriesError(f"two {what} are named {name!r}; give each a name of its own")
        places[name] = place
    missing = [name for name in wanted if name not in places]
    extra = [] if len(names) == len(wanted) else sorted(set(names) - set(wanted))
    if missing or extra:
        fault = f"{missing[0]!r} is missing" if missing else f"{extra[0]!r} is not among those"
        raise SeriesError(
            f"the {what} are {_listed(names)}, and those that are needed are {_listed(wanted)}: {fault}; give these, "
            "in any order, choosing them by name (--column, --input)"
        )
    return [places[name] for name in wanted]


def _listed(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}" if names else "none"


def inputs_beside(series: Series, rows: Rows) -> np.ndarray:
    """External inputs of each step of a series, and of the steps to come, shape (T + F, E).

    Raises:
        SeriesError: there is no row for a step, there are rows between the steps, or the times are of another kind.
    """
    if not _by_times(series, rows):
        return rows.values
    times, values = _ascending(rows, series)
    at = np.searchsorted(times, series.times - _tolerance(series))
    found = _are(times, at, series.times, series)
    if not found.all():
        lacking = series.times[~found]
        raise SeriesError(
            f"the external inputs have no row for {series.calendar.shown(lacking[0])}, and none for {len(lacking)} of "
            f"the {len(series)} steps of the series; fill them in, or give another part of the series"
        )
    between = np.setdiff1d(np.arange(at[0], at[-1] + 1), at)
    if len(between):
        raise SeriesError(
            f"the external inputs have a row for {series.calendar.shown(times[between[0]])}, between two steps of the "
            f"series ({series.calendar.step or shown(series.dt)}); bring them to the same steps, for instance by "
            "averages (resample)"
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
        if steps is not None and len(rows.values) > steps:
            raise SeriesError(
                f"the external inputs have {len(rows.values)} rows without times, for {steps} steps to come; give one "
                "row for each step to come and no others, or an index that tells which they are"
            )
        return rows.values
    times, values = _ascending(rows, series)
    first = int(np.searchsorted(times, series.times[-1] + _tolerance(series), "right"))
    if first == len(times):
        raise SeriesError(
            f"the external inputs end at {series.calendar.shown(times[-1])}, and the next step is "
            f"{series.calendar.shown(series.following_times(1)[0])}; give a row for each step to come"
        )
    last = None if steps is None else first + steps
    return _coming(series, times[first:last], values[first:last])


def require_same_steps(series: Series, other: Series) -> None:
    """Refuse a series whose times are of another kind than those of another one, or in other steps.

    Raises:
        SeriesError: they are.
    """
    if not (series.timed and other.timed):
        return
    have, needed = _kind(series), _kind(other)
    if have != needed:
        raise SeriesError(f"the series has {have}, and {needed} are needed; give the same")
    periods = {one.calendar.frequency for one in (series, other) if one.calendar.periods}
    if len(periods) > 1 or not goes_on_like(series.times, other.times, other.dt, other.calendar):
        raise SeriesError(
            f"the series has steps of {series.calendar.step or shown(series.dt)}, the first at "
            f"{series.calendar.shown(series.times[0])}, and steps of {other.calendar.step or shown(other.dt)} are "
            f"needed, as at {other.calendar.shown(other.times[-1])}; bring it to the same steps (resample)"
        )


def require_same_clock(series: Series, other: Series) -> None:
    """Refuse a series whose times do not count on from those of another one, as a trend over time has to.

    Raises:
        SeriesError: they do not.
    """
    have, needed = _kind(series), _kind(other)
    if have == needed == COUNT and not _begins_with(series, other):
        warn(
            "a trend was taken out (detrend), and neither series has times; the one given is taken to begin with "
            "the first step of the training series"
        )
    if have == needed or (needed == COUNT and have == NUMBERS):
        return
    raise SeriesError(
        f"the series has {have}, and the trend (detrend) goes by {needed}; give the same, or fit without detrend"
    )


def _begins_with(series: Series, other: Series) -> bool:
    """Whether a series without times has the known values of another one at the same counts."""
    first = round(float(other.times[0] / other.dt))
    known = series.values[first : first + len(other)]
    return bool(len(known) and _same(known, other.values[: len(known)]).all())


def tell_what_follows(series: Series, before: Series) -> bool:
    """Whether times tell which steps of a series follow another one; an index of numbers goes on with a count."""
    return series.timed and (before.timed or _kind(series) == NUMBERS)


def at_same_time(series: Series, time: Any, other: Any) -> bool:
    """Whether two times are the same step of a series."""
    return bool(abs(time - other) <= _tolerance(series))


def steps_read_before(series: Series, before: Series) -> int:
    """How many first steps of a series are steps of `before`, which was read already, or earlier ones.

    By times where these tell it; otherwise by values: of all that was read, only the last steps may be known, and a
    count tells how many came before them. Values of the same step that differ are told by a `SeriesWarning`.

    Raises:
        SeriesError: values tell that it is the same series, but some of them are others.
    """
    if tell_what_follows(series, before):
        _warn_of_changes(series, before)
        return int(np.searchsorted(series.times, before.times[-1] + _tolerance(before), "right"))
    first = _place_of(before, series) if before.timed else round(float(before.times[0] / before.dt))
    part = series.values[first : first + len(before)]
    if len(part) < len(before) or len(before) < 2:
        _warn_of_overlap(series, before)
        return 0
    same = _same(part, before.values)
    if same.mean() >= REVISED and not same.all():
        raise SeriesError(
            f"{int(same.sum())} of the first {first + len(before)} steps are those that were read before, and step "
            f"{first + int(same.argmin())} is another one; give the steps that follow and no others, or an index of "
            "times that tells which they are"
        )
    if not same.all():
        _warn_of_overlap(series, before)
    return first + len(before) if same.all() else 0


def _place_of(part: Series, series: Series) -> int:
    """The step of a series from which on it has the values of a part; 0 if there is none."""
    ends = np.flatnonzero(_same(series.values[len(part) - 1 :], part.values[-1:]))
    return next((int(at) for at in ends if _same(series.values[at : at + len(part)], part.values).all()), 0)


def _same(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which rows are the same."""
    return ((values == others) | (np.isnan(values) & np.isnan(others))).all(axis=1)


def _warn_of_overlap(series: Series, before: Series) -> None:
    """Say that new steps without times begin as those read before end."""
    for count in range(min(len(series), len(before)), OVERLAP - 1, -1):
        rows = series.values[:count]
        if _same(rows, before.values[-count:]).all() and len(np.unique(rows, axis=0)) >= OVERLAP:
            warn(
                f"the first {count} new steps have the values of the last {count} that were read before; they are read "
                "as steps that follow, since no times tell otherwise: give an index of times if they are the same"
            )
            return


def _warn_of_changes(series: Series, before: Series) -> None:
    both, here, there = np.intersect1d(series.times, before.times, return_indices=True)
    same = np.isclose(series.values[here], before.values[there], rtol=1e-6, atol=0, equal_nan=True).all(axis=1)
    if not same.all():
        warn(
            f"{int((~same).sum())} steps that were read before have other values now, the first of them "
            f"{series.calendar.shown(both[~same][0])}; what was read stays as it was"
        )


def _kind(times: Series | Rows) -> str:
    """What times are, in words."""
    if not times.timed:
        return COUNT
    if times.calendar.spans:
        return "spans of time"
    if times.times.dtype.kind != "M":
        return NUMBERS
    return "dates without a time zone" if times.calendar.zone is None else "dates in a time zone"


def _by_times(series: Series, rows: Rows, ahead: bool = False) -> bool:
    """Whether rows are found by their times; otherwise they are taken in their order.

    Raises:
        SeriesError: the times are of another kind than those of the series.
    """
    have, theirs = _kind(series), _kind(rows)
    numbers = have in (COUNT, NUMBERS)
    if not rows.labelled or (theirs == COUNT and not numbers):
        return False
    if theirs == COUNT:
        return series.timed or (ahead and len(rows.values) > series.times[-1])
    if have != theirs and not (numbers and theirs == NUMBERS):
        raise SeriesError(
            f"the series has {have} and the external inputs have {theirs}; give both the same, or the inputs as an "
            "array (inputs.to_numpy()), one row for each step"
        )
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
            f"the external inputs go on at {series.calendar.shown(times[row])}, where the step to come is "
            f"{series.calendar.shown(expected[row])}; give one row for each step of the series and of the steps to come"
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


def _ascending(rows: Rows, series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Times and values in the order of their times.

    Raises:
        SeriesError: a time occurs twice.
    """
    order = np.argsort(rows.times, kind="stable")
    times = rows.times[order]
    twice = np.flatnonzero(times[1:] == times[:-1])
    if len(twice):
        time = series.calendar.shown(times[twice[0]])
        raise SeriesError(f"the external inputs have two rows for {time}; keep one row for each time")
    return times, rows.values[order]
