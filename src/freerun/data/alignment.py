"""Matches series and external inputs: columns by name, and rows by time.

Data without names or times, such as plain arrays, are matched by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freerun.data.rows import Rows
from freerun.data.steps import OFF_GRID, has_same_steps
from freerun.data.table import MOST_NAMES
from freerun.data.timeline import Calendar, Time, normalize_times, shown
from freerun.errors import SeriesError, warn

if TYPE_CHECKING:
    from freerun.data.series import Series

SAME = 1e-9
"""Largest difference of equal times that are generated, in steps."""

REVISED = 0.9
"""Smallest share of known steps with unchanged values that shows that a series was revised."""

COUNT = "no times"
"""Kind of times that are generated, for messages."""

NUMERIC_TIMES = "numbers as times"
"""Kind of numeric times that came with the data, for messages."""

OVERLAP = 5
"""Smallest number of different steps in an overlap of old and new steps;
fewer may be equal by chance."""


def match_names(wanted: Sequence[str], names: Sequence[str], what: str) -> list[int]:
    """Find the positions of the wanted names in `names`,
    which must hold the same names in any order.

    Args:
        wanted: names that are needed.
        names: names of the data.
        what: description of the names for messages, `channels` or `external inputs`.

    Returns:
        The position in `names` of each wanted name.

    Raises:
        SeriesError: a name is missing, unknown or duplicated.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in places:
            raise SeriesError(f"two {what} are named {name!r}; give each a name of its own")
        places[name] = place
    missing = [name for name in wanted if name not in places]
    extra = [] if len(names) == len(wanted) else sorted(set(names) - set(wanted))
    if missing or extra:
        fault = f"{missing[0]!r} is missing" if missing else f"{extra[0]!r} is not needed"
        raise SeriesError(
            f"the {what} are {_join_names(names)}, and those that are needed are {_join_names(wanted)}: {fault}; give "
            "these, in any order, choosing them by name (--column, --input)"
        )
    return [places[name] for name in wanted]


def _join_names(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}" if names else "none"


def align_inputs(series: Series, rows: Rows) -> np.ndarray:
    """Select the external inputs of the steps of a series and of F future steps.

    Args:
        series: T steps.
        rows: external inputs. Rows with times are matched by time, others by position.

    Returns:
        Shape (T + F, E).

    Raises:
        SeriesError: a step has no row, a row lies between two steps,
            or the times have different kinds.
    """
    if not _found_by_time(series, rows):
        return rows.values
    times, values = _sort_by_time(rows, series)
    at = np.searchsorted(times, series.times - _tolerance(series))
    found = _are_at(times, at, series.times, series)
    if not found.all():
        missing = series.times[~found]
        raise SeriesError(
            f"the external inputs have no row for {len(missing)} of the {len(series)} steps of the series, the first "
            f"of them {series.calendar.shown(missing[0])}; fill them in, or give a part of the series that has inputs"
        )
    between = np.setdiff1d(np.arange(at[0], at[-1] + 1), at)
    if len(between) and not series.irregular:
        raise SeriesError(
            f"the external inputs have a row for {series.calendar.shown(times[between[0]])}, between two steps of the "
            f"series ({series.calendar.step or shown(series.dt)}); resample them to the same steps "
            "(resample)"
        )
    return np.concatenate([values[at], _require_consecutive(series, times[at[-1] + 1 :], values[at[-1] + 1 :])])


def align_future_inputs(series: Series, rows: Rows, steps: int | None) -> np.ndarray:
    """Select the external inputs of the F future steps after a series, from the next one on.

    Args:
        series: the series that precedes the future steps.
        rows: external inputs; rows with times may begin earlier.
        steps: number of future steps that are needed; None if unknown.

    Returns:
        Shape (F, E).

    Raises:
        SeriesError: the next step has no row, or a row does not belong to a future step.
    """
    if not _found_by_time(series, rows, ahead=True):
        if steps is not None and len(rows.values) > steps:
            raise SeriesError(
                f"the external inputs have {len(rows.values)} rows without times, but there are {steps} future steps; "
                "give one row for each future step and no other rows, or rows with an index of times"
            )
        return rows.values
    times, values = _sort_by_time(rows, series)
    first = _first_after(series, times)
    if first == len(times):
        raise SeriesError(
            f"the external inputs end at {series.calendar.shown(times[-1])}, but the next step is "
            f"{series.calendar.shown(series.following_times(1)[0])}; give a row for each future step"
        )
    last = None if steps is None else first + steps
    return _require_consecutive(series, times[first:last], values[first:last])


def future_times(series: Series, rows: Rows, steps: int, wanted: object = None) -> np.ndarray:
    """Find the times of the next steps of a series of irregular times,
    for which there are external inputs.

    Args:
        series: the series.
        rows: external inputs.
        steps: number of future steps for which they have rows.
        wanted: the times at which the series goes on; None takes those of the rows,
            if they have times.

    Returns:
        Shape (steps,).

    Raises:
        SeriesError: the rows have other times than those at which the series goes on.
    """
    asked = series.following_times(steps) if wanted is None else following(series, wanted)
    if not rows.timed or not _found_by_time(series, rows):
        return asked
    times, _ = _sort_by_time(rows, series)
    there = times[_first_after(series, times) :][:steps]
    if wanted is not None and not (len(there) == len(asked) and (np.abs(there - asked) <= _tolerance(series)).all()):
        raise SeriesError(
            "the external inputs have rows for other times than those at which the series goes on, the first of which "
            f"is {series.calendar.shown(asked[0])}; give one row for each of these times"
        )
    return there


def following(series: Series, times: object) -> np.ndarray:
    """Check times at which a series of irregular times goes on.

    Returns:
        The times, shape (N,), in the unit of the series.

    Raises:
        SeriesError: they are of another kind, do not ascend, or do not follow the series.
    """
    ahead, calendar = normalize_times(times, Calendar())
    if not ahead.size:
        return series.times[:0]
    rows = Rows(np.empty((len(ahead), 0)), (), ahead, calendar, timed=True, labelled=True)
    have, needed = _describe_times(rows), _describe_times(series)
    if ahead.ndim != 1 or have != needed:
        raise SeriesError(f"the times of the next steps are {have}, but {needed} are needed; give times of that kind")
    ahead = ahead.astype(np.result_type(ahead, series.times))
    before = np.concatenate([series.times[-1:].astype(ahead.dtype), ahead[:-1]])
    wrong = np.flatnonzero(~(ahead > before))
    if len(wrong):
        raise SeriesError(
            f"the time {calendar.shown(ahead[wrong[0]])} does not follow {calendar.shown(before[wrong[0]])}, the time "
            "before it; give ascending times after the end of the series"
        )
    return ahead


def _first_after(series: Series, times: np.ndarray) -> int:
    """The place of the first of ascending times that follows a series."""
    return int(np.searchsorted(times, series.times[-1] + _tolerance(series), "right"))


def require_same_steps(series: Series, other: Series) -> None:
    """Raise an error if two series with times have different kinds of times or different time
    steps.

    Raises:
        SeriesError: the kinds or the time steps differ.
    """
    if not (series.timed and other.timed):
        return
    have, needed = _describe_times(series), _describe_times(other)
    if have != needed:
        raise SeriesError(f"the series has {have}, but {needed} are needed; give times of that kind")
    if series.irregular:
        return
    periods = {s.calendar.frequency for s in (series, other) if s.calendar.periods}
    if len(periods) > 1 or not has_same_steps(series.times, other.times, other.dt, other.calendar):
        raise SeriesError(
            f"the series has steps of {series.calendar.step or shown(series.dt)}, the first at "
            f"{series.calendar.shown(series.times[0])}, but steps of {other.calendar.step or shown(other.dt)} are "
            f"needed, such as {other.calendar.shown(other.times[-1])}; resample it to these steps (resample)"
        )


def require_same_clock(series: Series, other: Series) -> None:
    """Raise an error if the times of two series have no common origin,
    which a trend over time requires.

    Args:
        series: the series whose trend is to be removed.
        other: the training series, from which the trend was estimated.

    Raises:
        SeriesError: the kinds of times differ.
    """
    have, needed = _describe_times(series), _describe_times(other)
    if have == needed == COUNT and not _starts_with(series, other):
        warn(
            "the network was trained with detrend, and neither series has times; the given series is assumed to begin "
            "at the first step of the training series"
        )
    if have == needed or (needed == COUNT and have == NUMERIC_TIMES):
        return
    raise SeriesError(
        f"the series has {have}, but the trend (detrend) was fitted to {needed}; give times of that kind, or fit "
        "without detrend"
    )


def _starts_with(series: Series, other: Series) -> bool:
    """Whether a series without times has the values of another one at the same step numbers."""
    first = round(float(other.times[0] / other.dt))
    known = series.values[first : first + len(other)]
    return bool(len(known) and _equal_rows(known, other.values[: len(known)]).all())


def can_compare_times(series: Series, before: Series) -> bool:
    """Whether times determine which steps of a series follow another one;
    numeric times can follow generated ones."""
    return series.timed and (before.timed or _describe_times(series) == NUMERIC_TIMES)


def is_same_time(series: Series, time: Time, other: Time) -> bool:
    """Whether two times are equal within the tolerance of a series."""
    return bool(abs(time - other) <= _tolerance(series))


def follows(series: Series, before: Series) -> bool:
    """Whether the first step of a series is, by its time, the one after the last step of another,
    of regular steps."""
    if before.irregular:
        return False
    return can_compare_times(series, before) and is_same_time(before, series.times[0], before.following_times(1)[0])


def count_steps_read(series: Series, before: Series) -> int:
    """Count the first steps of a series that are not after the last step of `before`,
    which was read already.

    They are counted by time if the times can be compared, and by value otherwise. `before` may hold
    only the last of the steps that were read; its generated times then give the number of earlier
    ones. A `SeriesWarning` reports steps whose values have changed.

    Raises:
        SeriesError: the series begins with the steps that were read, but a few values have changed.
    """
    if can_compare_times(series, before):
        _warn_of_changes(series, before)
        return int(np.searchsorted(series.times, before.times[-1] + _tolerance(before), "right"))
    first = _find_part(before, series) if before.timed else round(float(before.times[0] / before.dt))
    part = series.values[first : first + len(before)]
    if len(part) < len(before) or len(before) < 2:
        _warn_of_overlap(series, before)
        return 0
    same = _equal_rows(part, before.values)
    if same.mean() >= REVISED and not same.all():
        raise SeriesError(
            f"{int(same.sum())} of the first {first + len(before)} steps were read before, but step "
            f"{first + int(same.argmin())} has changed; give only the steps that follow, or an index of times"
        )
    if not same.all():
        _warn_of_overlap(series, before)
    return first + len(before) if same.all() else 0


def _find_part(part: Series, series: Series) -> int:
    """Find the step of a series at which the values of `part` begin;
    0 if it does not contain them."""
    ends = np.flatnonzero(_equal_rows(series.values[len(part) - 1 :], part.values[-1:]))
    return next((int(at) for at in ends if _equal_rows(series.values[at : at + len(part)], part.values).all()), 0)


def _equal_rows(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which rows are equal, shape (T,); missing values are equal."""
    return ((values == others) | (np.isnan(values) & np.isnan(others))).all(axis=1)


def _warn_of_overlap(series: Series, before: Series) -> None:
    """Warn if the first new steps without times have the values of
    the last steps that were read before."""
    for count in range(min(len(series), len(before)), OVERLAP - 1, -1):
        rows = series.values[:count]
        if _equal_rows(rows, before.values[-count:]).all() and len(np.unique(rows, axis=0)) >= OVERLAP:
            warn(
                f"the first {count} new steps have the values of the last {count} steps that were read before; without "
                "times, they are read as new steps: give an index of times if they are the same steps"
            )
            return


def _warn_of_changes(series: Series, before: Series) -> None:
    """Warn if steps that were read before have other values now."""
    both, here, there = np.intersect1d(series.times, before.times, return_indices=True)
    same = np.isclose(series.values[here], before.values[there], rtol=1e-6, atol=0, equal_nan=True).all(axis=1)
    if not same.all():
        warn(
            f"{int((~same).sum())} steps that were read before have other values now, the first of them "
            f"{series.calendar.shown(both[~same][0])}; the old values are kept"
        )


def _describe_times(times: Series | Rows) -> str:
    """Describe the kind of times, for messages."""
    if not times.timed:
        return COUNT
    if times.calendar.spans:
        return "durations"
    if times.times.dtype.kind != "M":
        return NUMERIC_TIMES
    return "dates without a time zone" if times.calendar.zone is None else "dates in a time zone"


def _found_by_time(series: Series, rows: Rows, ahead: bool = False) -> bool:
    """Whether rows are matched by time; otherwise they are matched by position.

    Args:
        series: the series to which the rows belong.
        rows: external inputs.
        ahead: whether only rows of future steps are needed.

    Raises:
        SeriesError: rows and series have different kinds of times.
    """
    have, theirs = _describe_times(series), _describe_times(rows)
    numbers = have in (COUNT, NUMERIC_TIMES)
    if not rows.labelled or (theirs == COUNT and not numbers):
        return False
    if theirs == COUNT:
        return series.timed or (ahead and len(rows.values) > series.times[-1])
    if have != theirs and not (numbers and theirs == NUMERIC_TIMES):
        raise SeriesError(
            f"the series has {have} and the external inputs have {theirs}; give times of one kind, or the inputs as an "
            "array (inputs.to_numpy()) with one row for each step"
        )
    return True


def _require_consecutive(series: Series, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return rows of future steps.

    Raises:
        SeriesError: the rows are not at the consecutive steps after the series.
    """
    if not len(times) or series.irregular:
        return values
    expected = series.following_times(len(times))
    off = np.flatnonzero(np.abs(times - expected) > _tolerance(series))
    if len(off):
        row = int(off[0])
        raise SeriesError(
            f"the external inputs have a row for {series.calendar.shown(times[row])}, but the next step is "
            f"{series.calendar.shown(expected[row])}; give one row for each step of the series and each future step"
        )
    return values


def _tolerance(series: Series) -> np.timedelta64 | float:
    """Return the largest difference of times of the same step."""
    if series.times.dtype.kind == "M":
        return series.dt * 0 if series.calendar.frequency or series.irregular else series.dt * OFF_GRID
    return series.dt * (SAME if not series.timed or series.irregular else OFF_GRID)


def _are_at(times: np.ndarray, at: np.ndarray, wanted: np.ndarray, series: Series) -> np.ndarray:
    """Which of the wanted times, shape (T,), are at the positions `at` of ascending times."""
    inside = np.minimum(at, len(times) - 1)
    return (at < len(times)) & (np.abs(times[inside] - wanted) <= _tolerance(series))


def _sort_by_time(rows: Rows, series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Sort rows by time and return times and values.

    Raises:
        SeriesError: times are duplicated.
    """
    order = np.argsort(rows.times, kind="stable")
    times = rows.times[order]
    twice = np.flatnonzero(times[1:] == times[:-1])
    if len(twice):
        time = series.calendar.shown(times[twice[0]])
        raise SeriesError(f"the external inputs have two rows for {time}; keep one row for each time")
    return times, rows.values[order]
