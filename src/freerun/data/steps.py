"""Regular steps: rows in the order of their times, the step between them, and holes where a step has no row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple, NoReturn

import numpy as np

from freerun.data.months import month_rows
from freerun.data.timeline import Calendar, following, local_times, shown
from freerun.errors import SeriesError

MONTH = range(28, 32)
"""Days that a month may have."""

OFF_GRID = 0.1
"""Times count as regular when each lies within this share of a step of an even grid."""

SINGLE = 0.5
"""Times with holes count as regular when at least this share of their gaps are of one step."""

FULLEST = 5
"""Steps that a grid has for each row at most; more of them would be holes alone."""

MOST_PLACES = 2**53
"""Steps beyond which floating-point numbers do not count."""

WEEK = 7
"""Days of a week, and fewest rows by which a calendar of working days is told from days."""

LONGEST_SPAN = 100_000
"""Days from which on a span is told in days."""

WEEKDAYS = ("THU", "FRI", "SAT", "SUN", "MON", "TUE", "WED")
"""Names of the days from 1970-01-01 on."""

BACK = range(4)
"""Hours of a Sunday in which clocks are changed."""


class Steps(NamedTuple):
    """Rows put into the order of their times, on a regular grid.

    Attributes:
        times: shape (T,), of all steps of the grid.
        rows: shape (T,), the row of each step; -1 where there is none.
        dt: time between two steps.
        calendar: with the frequency that the times show.
        notes: what was changed, in sentences for the user.
    """

    times: np.ndarray
    rows: np.ndarray
    dt: Any
    calendar: Calendar
    notes: tuple[str, ...]


def steps_of(times: np.ndarray, calendar: Calendar) -> Steps:
    """Rows in the order of their times on a regular grid: newest first is turned round, holes are steps without a row.

    Raises:
        SeriesError: a time occurs twice, or the times are not regular.
    """
    order = np.argsort(times, kind="stable")
    notes: list[str] = []
    later = times[order]
    if len(later) > 1:
        _refuse_twice(later, times, calendar)
        if (order[:-1] > order[1:]).all():
            notes.append(f"the rows come newest first; they are read from {calendar.shown(later[0])} on")
        elif (order[:-1] > order[1:]).any():
            notes.append("the rows are not in the order of their times; they are sorted")
    places, calendar, dt = _grid(later, calendar)
    count = int(places[-1]) + 1
    if count == len(later):
        return Steps(later, order, dt, calendar, tuple(notes))
    _refuse_hollow(later, count, dt, calendar)
    rows = np.full(count, -1)
    rows[places] = order
    filled = np.concatenate([later[:1], following(later[:1], dt, calendar, count - 1)])
    filled[places] = later
    dt = _median(np.diff(filled))
    first = filled[int(np.argmax(rows < 0))]
    what = "B, working days" if calendar.frequency == "B" else calendar.step or shown(dt)
    notes.append(
        f"{count - len(later)} of {count} steps ({what}) have no row, the first of them {calendar.shown(first)}; their "
        "values are missing (resample='rows', --resample rows, takes each row for a step)"
    )
    if later.dtype.kind == "M" and calendar.zone is None and _clocks_change(filled[rows < 0], dt):
        notes.append(
            "they are the hours in which clocks are set forward: name the zone of the clocks (zone='Europe/Berlin', "
            "--zone Europe/Berlin) if they are local times"
        )
    return Steps(filled, rows, dt, calendar, tuple(notes))


def spacing(times: np.ndarray, calendar: Calendar) -> tuple[Any, Calendar]:
    """The time between two steps, and the calendar with the frequency that the times show.

    Raises:
        SeriesError: times that do not ascend, occur twice, or have holes.
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
    steps = steps_of(times, calendar)
    if len(steps.times) != len(times):
        _refuse_irregular(times, steps.dt, calendar)
    return steps.dt, steps.calendar


def goes_on_like(times: np.ndarray, like: np.ndarray, dt: Any, calendar: Calendar) -> bool:
    """Whether times go on in the steps of others.

    Args:
        times: shape (T,), ascending.
        like: shape (S,), the other times.
        dt: the step of the other times.
        calendar: of the other times.
    """
    if (times.dtype.kind == "M") != (like.dtype.kind == "M"):
        return False
    if len(times) < 2:
        return True
    if calendar.frequency is None:
        ratio = (times[-1] - times[0]) / (len(times) - 1) / dt
        return bool(abs(ratio - 1) < OFF_GRID)
    return np.array_equal(times, np.concatenate([times[:1], following(times[:1], dt, calendar, len(times) - 1)]))


def _grid(times: np.ndarray, calendar: Calendar) -> tuple[np.ndarray, Calendar, Any]:
    """The places of ascending times on a regular grid, from 0 on, the calendar with its frequency, and the step."""
    dated = times.dtype.kind == "M"
    if len(times) < 2:
        return np.zeros(1, int), calendar, np.timedelta64(1, "D") if dated else 1.0
    dt = _median(np.diff(times))
    if calendar.frequency is not None:
        return _places_of(times, calendar), calendar, dt
    local = local_times(times, calendar.zone) if dated else times
    daily = dated and len(np.unique(local - local.astype("datetime64[D]"))) == 1
    found = _calendar_steps(local, calendar) if daily else None
    if found is not None:
        return *found, dt
    gaps = np.diff(local if daily else times)
    step = _median(gaps)
    places = _even(gaps / step)
    if places is None:
        _refuse_irregular(times, dt, calendar)
    exact = dated and len(times) > 2 and (gaps % step == np.timedelta64(0)).all()
    return places, replace(calendar, frequency=_frequency(local, step) if exact else None), dt


def _median(gaps: np.ndarray) -> Any:
    if gaps.dtype.kind != "m":
        return float(np.median(gaps))
    return np.timedelta64(int(np.median(gaps.astype(np.int64))), np.datetime_data(gaps.dtype)[0])


def _places_of(times: np.ndarray, calendar: Calendar) -> np.ndarray:
    """The places of times on the grid of a frequency that was given."""
    shortest = np.diff(times).min()
    _refuse_hollow(times, (times[-1] - times[0]) / shortest, shortest, calendar)
    count = int((times[-1] - times[0]) / shortest * 1.2) + 3
    grid = np.concatenate([times[:1], following(times[:1], shortest, calendar, count)])
    places = np.searchsorted(grid, times)
    if (grid[np.minimum(places, count)] != times).any():
        _refuse_irregular(times, shortest, calendar)
    return places


def _calendar_steps(local: np.ndarray, calendar: Calendar) -> tuple[np.ndarray, Calendar] | None:
    """Places and calendar of dates that go on by months or working days; None for any others."""
    months = month_rows(local)
    if months is not None and _mostly_single(months.places):
        return months.places, replace(calendar, frequency=months.frequency, day=months.day)
    days = local.astype("datetime64[D]")
    if len(days) < WEEK or not np.is_busday(days).all():
        return None
    places = np.busday_count(days[0], days)
    return (places, replace(calendar, frequency="B")) if _mostly_single(places) else None


def _mostly_single(places: np.ndarray) -> bool:
    gaps = np.diff(places)
    return bool((gaps > 0).all() and (gaps == 1).mean() >= SINGLE)


def _even(ratios: np.ndarray) -> np.ndarray | None:
    """The places of times whose gaps are these multiples of a step; None if they lie off an even grid."""
    whole = np.rint(ratios)
    places = np.concatenate([[0.0], np.cumsum(whole)])
    if (whole < 1).any() or (whole == 1).mean() < SINGLE or places[-1] > MOST_PLACES:
        return None
    lies = np.concatenate([[0.0], np.cumsum(ratios)])
    grid = places * (lies[-1] / places[-1])
    return places.astype(int) if (np.abs(lies - grid) <= OFF_GRID * lies[-1] / places[-1]).all() else None


def _frequency(times: np.ndarray, dt: np.timedelta64) -> str | None:
    """The frequency of equal steps as pandas writes it."""
    if dt == np.timedelta64(WEEK, "D"):
        return f"W-{WEEKDAYS[int(times[0].astype('datetime64[D]').astype(int)) % WEEK]}"
    return _written(dt)


def _written(dt: np.timedelta64) -> str:
    """A span of time as pandas writes it."""
    from pandas.tseries.frequencies import to_offset

    days = float(dt / np.timedelta64(1, "D"))
    if days.is_integer() or days > LONGEST_SPAN:
        return "D" if days == 1 else f"{days:.0f}D"
    return to_offset(timedelta(seconds=float(dt / np.timedelta64(1, "s")))).freqstr


def _refuse_twice(ascending: np.ndarray, times: np.ndarray, calendar: Calendar) -> None:
    """Refuse times that occur twice."""
    twice = ascending[1:][ascending[1:] == ascending[:-1]]
    if not len(twice):
        return
    first = twice[0]
    advice = "keep one row for each time, or average them (resample='D', --resample D)"
    share = len(twice) / len(times)
    if share >= 1 / 3:
        advice = (
            f"{len(twice)} rows have the time of another one, as where several series stand below each other (long "
            "format): name the column that tells them apart (--id), or " + advice
        )
    elif first.dtype.kind == "M" and calendar.zone is None and _clocks_change(twice, np.timedelta64(1, "h")):
        advice = (
            "this is the hour in which clocks are set back: name the zone of the clocks (zone='Europe/Berlin', --zone "
            "Europe/Berlin), or " + advice
        )
    rows = np.flatnonzero(times == first)[:2].tolist()
    raise SeriesError(f"the time {calendar.shown(first)} occurs twice, in rows {rows[0]} and {rows[1]}; {advice}")


def _clocks_change(times: np.ndarray, dt: np.timedelta64) -> bool:
    """Whether times lie in the hours of Sundays in which clocks are changed, in steps of an hour or less."""
    days = times.astype("datetime64[D]")
    hours = (times - days) // np.timedelta64(1, "h")
    sunday = (days - np.datetime64("1970-01-04")) / np.timedelta64(WEEK, "D") % 1 == 0
    return bool(dt <= np.timedelta64(1, "h") and sunday.all() and np.isin(hours.astype(int), BACK).all())


def _refuse_irregular(times: np.ndarray, dt: Any, calendar: Calendar) -> NoReturn:
    gaps = np.diff(times) / dt
    row, rule = int(np.argmax(np.abs(gaps - 1.0))), _rule(times, dt)
    before, after = calendar.shown(times[row]), calendar.shown(times[row + 1])
    raise SeriesError(
        f"the times are not regular: after {before} (step {row}) comes {after}, where steps are {shown(dt)} apart; "
        f"average them over steps of equal length (resample={rule!r}, --resample {rule}: steps without a value are "
        "missing), or take each row for a step (resample='rows', --resample rows)"
    )


def _refuse_hollow(times: np.ndarray, count: float, dt: Any, calendar: Calendar) -> None:
    """Refuse times whose grid of `count` steps is nearly all holes."""
    if count <= FULLEST * max(len(times), WEEK):
        return
    row = int(np.argmax(np.diff(times)))
    before, after = calendar.shown(times[row]), calendar.shown(times[row + 1])
    raise SeriesError(
        f"from {before} to {after} there is no row, for many more steps of {shown(dt)} than there are rows; give the "
        "parts as several series, or take each row for a step (resample='rows', --resample rows)"
    )


def _rule(times: np.ndarray, dt: Any) -> str:
    """What to resample to for steps of that length; steps of about a month are months."""
    if not isinstance(dt, np.timedelta64):
        return f"{float(dt):g}"
    days = dt / np.timedelta64(1, "D")
    if days in MONTH:
        return "MS"
    if days == 1 and np.is_busday(times.astype("datetime64[D]")).all():
        return "B"
    return _written(dt)
