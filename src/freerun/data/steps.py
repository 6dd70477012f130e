"""Steps: sorts rows by time, infers a regular time step and finds steps without a row,
or keeps irregular times."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple, NoReturn

import numpy as np

from freerun.data.irregular import PAUSE, bridge
from freerun.data.months import fit_months
from freerun.data.timeline import Calendar, Time, continue_times, shown, to_local
from freerun.errors import SeriesError

MONTH = range(28, 32)
"""Possible lengths of a month, in days."""

OFF_GRID = 0.1
"""Largest distance of regular times from an even grid, in steps."""

SINGLE = 0.5
"""Smallest share of differences of one step in regular times;
the others are longer because steps have no row."""

MOST_STEPS_PER_ROW = 5
"""Largest number of steps per row; with more, nearly all steps would have no row."""

MOST_STEPS = 2**53
"""Largest number of steps; beyond it, double precision does not represent all whole numbers."""

WEEK = 7
"""Days of a week; also the smallest number of rows from which working days are inferred."""

LONGEST_DURATION = 100_000
"""Longest duration whose parts of a day are written, in days;
`timedelta` and pandas have limits."""

WEEKDAYS = ("THU", "FRI", "SAT", "SUN", "MON", "TUE", "WED")
"""Weekdays from 1970-01-01, as in pandas frequencies such as `W-SUN`."""

CHANGE_HOURS = range(4)
"""Hours of a Sunday at which daylight saving time begins or ends."""


class Steps(NamedTuple):
    """Rows sorted by time on a regular grid of T steps.

    Attributes:
        times: shape (T,), the time of each step.
        rows: shape (T,), the number of the row of each step; -1 if it has no row.
        dt: time between two steps, in the unit of the times.
        calendar: calendar with the inferred frequency.
        notes: sentences for the user about changes.
    """

    times: np.ndarray
    rows: np.ndarray
    dt: Time
    calendar: Calendar
    notes: tuple[str, ...]


def regularize(times: np.ndarray, calendar: Calendar) -> Steps:
    """Sort rows by time and place them on a regular grid.

    Args:
        times: shape (R,), the time of each row, in any order.
        calendar: calendar of the times.

    Returns:
        The steps; some may have no row.

    Raises:
        SeriesError: times are duplicated or irregular.
    """
    order, notes = _sorted(times, calendar)
    later = times[order]
    places, calendar, dt = _fit_grid(later, calendar)
    count = int(places[-1]) + 1
    if count == len(later):
        return Steps(later, order, dt, calendar, tuple(notes))
    _refuse_sparse(later, count, dt, calendar)
    rows = np.full(count, -1)
    rows[places] = order
    filled = np.concatenate([later[:1], continue_times(later[:1], dt, calendar, count - 1)])
    filled[places] = later
    dt = dt if calendar.frequency is None else _median(np.diff(filled))
    first = filled[int(np.argmax(rows < 0))]
    what = "B, working days" if calendar.frequency == "B" else calendar.step or shown(dt)
    notes.append(
        f"{count - len(later)} of {count} steps ({what}) have no row, the first of them {calendar.shown(first)}; their "
        "values are missing (resample='rows', --resample rows, makes each row one step)"
    )
    if later.dtype.kind == "M" and calendar.zone is None and _clocks_change(filled[rows < 0], dt):
        notes.append(
            "these are hours at which daylight saving time begins: if the times are local times, name their time zone "
            "(zone='Europe/Berlin', --zone Europe/Berlin)"
        )
    return Steps(filled, rows, dt, calendar, tuple(notes))


def keep_irregular(times: np.ndarray, calendar: Calendar) -> Steps:
    """Sort rows by time and keep their times, with rows added where there are pauses;
    see `freerun.data.irregular`.

    Args:
        times: shape (R,), the time of each row, in any order.
        calendar: calendar of the times.

    Returns:
        The steps; those that bridge a pause have no row.

    Raises:
        SeriesError: times are duplicated.
    """
    order, notes = _sorted(times, calendar)
    found = bridge(times[order])
    rows = np.where(found.rows < 0, -1, order[found.rows])
    added = int((rows < 0).sum())
    if added:
        first = found.times[int(np.argmax(rows < 0)) - 1]
        notes.append(
            f"after {calendar.shown(first)} and in other pauses of more than {PAUSE:g} median steps of "
            f"{shown(found.dt)}, {added} rows without values are added; the network runs on its own output there"
        )
    return Steps(found.times, rows, found.dt, Calendar(zone=calendar.zone, spans=calendar.spans), tuple(notes))


def infer_step(times: np.ndarray, calendar: Calendar) -> tuple[Time, Calendar]:
    """Infer the time step and the frequency of ascending times.

    Args:
        times: shape (T,), numbers or `datetime64`.
        calendar: calendar of the times.

    Returns:
        The time between two steps, and the calendar with the inferred frequency.

    Raises:
        SeriesError: the times are not ascending, are duplicated, or have missing steps.
    """
    if len(times) > 1:
        wrong = np.flatnonzero(~(np.diff(times) > np.zeros((), np.diff(times).dtype)))
        if len(wrong):
            row = int(wrong[0])
            fault = "occurs twice" if times[row] == times[row + 1] else f"comes after {shown(times[row])}"
            raise SeriesError(
                f"the time {shown(times[row + 1])} at step {row + 1} {fault}; "
                "times must ascend: sort them, and keep one row for each"
            )
    steps = regularize(times, calendar)
    if len(steps.times) != len(times):
        _refuse_irregular(times, steps.dt, calendar)
    return steps.dt, steps.calendar


def has_same_steps(times: np.ndarray, like: np.ndarray, dt: Time, calendar: Calendar) -> bool:
    """Whether times have the same step and kind as other times.

    Args:
        times: shape (T,), ascending.
        like: shape (S,), the other times.
        dt: time step of the other times.
        calendar: calendar of the other times.
    """
    if (times.dtype.kind == "M") != (like.dtype.kind == "M"):
        return False
    if len(times) < 2:
        return True
    if calendar.frequency is None:
        ratio = (times[-1] - times[0]) / (len(times) - 1) / dt
        return bool(abs(ratio - 1) < OFF_GRID)
    return np.array_equal(times, np.concatenate([times[:1], continue_times(times[:1], dt, calendar, len(times) - 1)]))


def _fit_grid(times: np.ndarray, calendar: Calendar) -> tuple[np.ndarray, Calendar, Time]:
    """Fit a regular grid to ascending times.

    Returns:
        The number of the step of each time, from 0, shape (T,); the calendar with the frequency;
        and the time step.

    Raises:
        SeriesError: the times are irregular.
    """
    dated = times.dtype.kind == "M"
    if len(times) < 2:
        return np.zeros(1, int), calendar, np.timedelta64(1, "D") if dated else 1.0
    dt = _median(np.diff(times))
    if calendar.frequency is not None:
        return _place_on_frequency(times, calendar), calendar, dt
    local = to_local(times, calendar.zone) if dated else times
    daily = dated and len(np.unique(local - local.astype("datetime64[D]"))) == 1
    found = _fit_calendar(local, calendar) if daily else None
    if found is not None:
        return *found, dt
    gaps = np.diff(local if daily else times)
    step = _median(gaps)
    places = _place_evenly(gaps / step)
    if places is None:
        _refuse_irregular(times, dt, calendar)
    if dated and len(times) > 2 and (gaps % step == np.timedelta64(0)).all():
        return places, replace(calendar, frequency=_name_frequency(local, step)), dt
    mean = (times[-1] - times[0]) / places[-1]
    drifts = abs(mean / dt - 1) * places[-1] > OFF_GRID  # as where steps of 28 and of 35 days take turns
    return places, calendar, mean if drifts else dt


def _sorted(times: np.ndarray, calendar: Calendar) -> tuple[np.ndarray, list[str]]:
    """The order of rows by time, shape (R,), and sentences for the user about it.

    Raises:
        SeriesError: times are duplicated.
    """
    order = np.argsort(times, kind="stable")
    later = times[order]
    if len(later) < 2:
        return order, []
    _refuse_duplicates(later, times, calendar)
    if (order[:-1] > order[1:]).all():
        first = calendar.shown(later[0])
        return order, [f"the rows are sorted from newest to oldest; they are reversed, and begin at {first}"]
    if (order[:-1] > order[1:]).any():
        return order, ["the rows are not sorted by time; they are sorted on reading"]
    return order, []


def _median(gaps: np.ndarray) -> Time:
    if gaps.dtype.kind != "m":
        return float(np.median(gaps))
    return np.timedelta64(int(np.median(gaps.astype(np.int64))), np.datetime_data(gaps.dtype)[0])


def _place_on_frequency(times: np.ndarray, calendar: Calendar) -> np.ndarray:
    """Find the number of the step of each time on the grid of a given frequency, shape (T,)."""
    shortest = np.diff(times).min()
    _refuse_sparse(times, (times[-1] - times[0]) / shortest, shortest, calendar)
    count = int((times[-1] - times[0]) / shortest * 1.2) + 3
    grid = np.concatenate([times[:1], continue_times(times[:1], shortest, calendar, count)])
    places = np.searchsorted(grid, times)
    if (grid[np.minimum(places, count)] != times).any():
        _refuse_irregular(times, shortest, calendar)
    return places


def _fit_calendar(local: np.ndarray, calendar: Calendar) -> tuple[np.ndarray, Calendar] | None:
    """Fit a grid of months or working days to dates; return step numbers and calendar,
    or None if neither fits."""
    months = fit_months(local)
    if months is not None and _is_mostly_consecutive(months.places):
        return months.places, replace(calendar, frequency=months.frequency, day=months.day)
    days = local.astype("datetime64[D]")
    if len(days) < WEEK or not np.is_busday(days).all():
        return None
    places = np.busday_count(days[0], days)
    return (places, replace(calendar, frequency="B")) if _is_mostly_consecutive(places) else None


def _is_mostly_consecutive(places: np.ndarray) -> bool:
    gaps = np.diff(places)
    return bool((gaps > 0).all() and (gaps == 1).mean() >= SINGLE)


def _place_evenly(ratios: np.ndarray) -> np.ndarray | None:
    """Find the step numbers of times on an even grid, shape (T,); None if they are too far from it.

    Args:
        ratios: shape (T - 1,), the differences of the times, in steps.
    """
    whole = np.rint(ratios)
    places = np.concatenate([[0.0], np.cumsum(whole)])
    if (whole < 1).any() or (whole == 1).mean() < SINGLE or places[-1] > MOST_STEPS:
        return None
    lies = np.concatenate([[0.0], np.cumsum(ratios)])
    grid = places * (lies[-1] / places[-1])
    return places.astype(int) if (np.abs(lies - grid) <= OFF_GRID * lies[-1] / places[-1]).all() else None


def _name_frequency(times: np.ndarray, dt: np.timedelta64) -> str | None:
    """Return the pandas frequency of equal steps."""
    if dt == np.timedelta64(WEEK, "D"):
        return f"W-{WEEKDAYS[int(times[0].astype('datetime64[D]').astype(int)) % WEEK]}"
    return _format_offset(dt)


def _format_offset(dt: np.timedelta64) -> str:
    """Write a duration as a pandas frequency."""
    from pandas.tseries.frequencies import to_offset

    days = float(dt / np.timedelta64(1, "D"))
    if days.is_integer() or days > LONGEST_DURATION:
        return "D" if days == 1 else f"{days:.0f}D"
    return to_offset(timedelta(seconds=float(dt / np.timedelta64(1, "s")))).freqstr


def _refuse_duplicates(ascending: np.ndarray, times: np.ndarray, calendar: Calendar) -> None:
    """Raise an error if times are duplicated; the advice depends on the share of duplicates."""
    twice = ascending[1:][ascending[1:] == ascending[:-1]]
    if not len(twice):
        return
    first = twice[0]
    advice = "keep one row for each time, or average them (resample='D', --resample D)"
    share = len(twice) / len(times)
    if share >= 1 / 3:
        advice = (
            f"{len(twice)} rows have the time of another row, as in a table of several series (long format): name the "
            "column that identifies the series (--id), or " + advice
        )
    elif first.dtype.kind == "M" and calendar.zone is None and _clocks_change(twice, np.timedelta64(1, "h")):
        advice = (
            "this is the hour at which daylight saving time ends: name the time zone (zone='Europe/Berlin', --zone "
            "Europe/Berlin), or " + advice
        )
    rows = np.flatnonzero(times == first)[:2].tolist()
    raise SeriesError(f"the time {calendar.shown(first)} occurs twice, in rows {rows[0]} and {rows[1]}; {advice}")


def _clocks_change(times: np.ndarray, dt: np.timedelta64) -> bool:
    """Whether all times are hours of Sundays at which daylight saving time may change,
    and `dt` is at most an hour."""
    days = times.astype("datetime64[D]")
    hours = (times - days) // np.timedelta64(1, "h")
    sunday = (days - np.datetime64("1970-01-04")) / np.timedelta64(WEEK, "D") % 1 == 0
    return bool(dt <= np.timedelta64(1, "h") and sunday.all() and np.isin(hours.astype(int), CHANGE_HOURS).all())


def _refuse_irregular(times: np.ndarray, dt: Time, calendar: Calendar) -> NoReturn:
    gaps = np.diff(times) / dt
    row, rule = int(np.argmax(np.abs(gaps - 1.0))), _suggest_rule(times, dt)
    before, after = calendar.shown(times[row]), calendar.shown(times[row + 1])
    raise SeriesError(
        f"the times are not regular: {after} follows {before} (step {row}), but the time step is {shown(dt)}; "
        "learn them as they are (irregular=True, --irregular), average over steps of equal length "
        f"(resample={rule!r}, --resample {rule}: steps without a value are missing), or make each row one step "
        "(resample='rows', --resample rows)"
    )


def _refuse_sparse(times: np.ndarray, count: float, dt: Time, calendar: Calendar) -> None:
    """Raise an error if nearly all of the `count` steps of the grid have no row."""
    if count <= MOST_STEPS_PER_ROW * max(len(times), WEEK):
        return
    row = int(np.argmax(np.diff(times)))
    before, after = calendar.shown(times[row]), calendar.shown(times[row + 1])
    raise SeriesError(
        f"between {before} and {after} there is no row, and the gap has many more steps of {shown(dt)} than the table "
        "has rows; give the parts as several series, or make each row one step (resample='rows', --resample rows)"
    )


def _suggest_rule(times: np.ndarray, dt: Time) -> str:
    """Suggest a value of `resample` for irregular times with a median step of `dt`."""
    if not isinstance(dt, np.timedelta64):
        return f"{float(dt):g}"
    days = dt / np.timedelta64(1, "D")
    if days in MONTH:
        return "MS"
    if days == 1 and np.is_busday(times.astype("datetime64[D]")).all():
        return "B"
    return _format_offset(dt)
