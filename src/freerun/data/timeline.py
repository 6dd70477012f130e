"""Times of a series: conversion from and to pandas, time zones, continuation, resampling,
and display."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from freerun.compute.cores import physical_memory
from freerun.data.dates import NotADate, parse_compact_dates, parse_dates
from freerun.data.months import MONTHLY, continue_months
from freerun.errors import SeriesError

if TYPE_CHECKING:
    import pandas as pd

Time = Any
"""A time or a duration: a number, or a `datetime64` or `timedelta64` of NumPy,
whose arithmetic has no common type."""

LAST_YEAR = np.datetime64("9999", "Y")
"""Last year of dates; later years have more than four digits."""

YEAR, MOST_YEARS = np.timedelta64(365, "D"), 10_000
"""A year, and most years that times are continued by."""

MOST_STEPS_PER_ROW = 1000
"""Most steps for each row that rows are averaged over; with more, hardly any step has a value."""

STEP_BYTES = 64
"""Least memory of a step that is continued, in bytes: its time,
and its values in several arrays."""


@dataclass(frozen=True)
class Calendar:
    """Properties of times that an array of numbers or `datetime64` does not hold.

    Attributes:
        frequency: pandas frequency of the steps: `D`, `MS`, `W-SUN`, ...; None if unknown.
        zone: name of the time zone of days and months; None if there is none.
        periods: whether each time stands for a period (a pandas `PeriodIndex`).
        day: day of the month of monthly, quarterly and yearly steps; 0 means that of the frequency.
        spans: whether the times are durations in seconds (a pandas `TimedeltaIndex`).
    """

    frequency: str | None = None
    zone: str | None = None
    periods: bool = False
    day: int = 0
    spans: bool = False

    @property
    def step(self) -> str | None:
        """Description of the frequency for messages; None if unknown."""
        return None if self.frequency is None else f"{self.frequency}{f' on day {self.day}' if self.day else ''}"

    def shown(self, time: Time) -> str:
        """Format a time for messages, as local time of the zone."""
        return shown(to_local(np.array([time]), self.zone)[0] if isinstance(time, np.datetime64) else time)


def from_index(index: pd.Index) -> tuple[np.ndarray, Calendar]:
    """Convert a pandas index to times.

    Strings and objects are parsed as dates. Whole numbers such as 201501 are months.

    Args:
        index: T labels.

    Returns:
        The times, shape (T,), as numbers or `datetime64` in UTC, and their calendar.
        The times have shape (0,) if the index is 0, 1, 2, ...

    Raises:
        SeriesError: the index has several levels, or its labels are not times.
    """
    import pandas as pd

    index = normalize_index(index)
    if index.nlevels > 1:
        raise SeriesError(
            f"the index has {index.nlevels} levels ({', '.join(map(str, index.names))}), but a series has one level, "
            "the times; several series have two levels, the name of the series and the time"
        )
    if index.hasnans:
        raise SeriesError(f"row {int(index.isna().argmax())} of the index has no time; drop it or fill it in")
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp().to_numpy(), Calendar(index.freqstr, None, periods=True)
    if isinstance(index, pd.TimedeltaIndex):
        return index.to_numpy() / np.timedelta64(1, "s"), Calendar(spans=True)
    if pd.api.types.is_bool_dtype(index.dtype):
        raise SeriesError("the index holds true and false, which are not times; drop it (reset_index(drop=True))")
    if isinstance(index, pd.DatetimeIndex):
        zone = None if index.tz is None else str(index.tz)
        times = index if zone is None else index.tz_convert("UTC").tz_localize(None)
        return times.to_numpy(), Calendar(_normalize_frequency(index.freqstr), zone)
    if is_count(index):
        return np.empty(0), Calendar()
    if pd.api.types.is_numeric_dtype(index.dtype) and not pd.api.types.is_complex_dtype(index.dtype):
        months = parse_compact_dates(index.tolist())
        return (index.to_numpy(), Calendar()) if months is None else (months, Calendar())
    found = parse_dates(index.tolist())
    if isinstance(found, NotADate):
        raise SeriesError(
            f"row {found.row} of the index, {str(index[found.row])[:40]!r}, {found.fault}"
            + (
                ""
                if ";" in found.fault
                else "; give the rows dates or numbers as their index, or drop it "
                "(reset_index(drop=True)) if a row is a step"
            )
        )
    return found.times, Calendar(zone="UTC" if found.zoned else None)


def _normalize_frequency(frequency: str | None) -> str | None:
    """Return a frequency as pandas writes it; None if it is negative, or pandas cannot parse it.

    Pandas cannot parse frequencies with custom holidays.
    """
    from pandas.tseries.frequencies import to_offset

    if frequency is None or frequency.startswith("-") or frequency.lstrip("0123456789") == "C":
        return None
    try:
        return to_offset(frequency).freqstr
    except ValueError:
        return None


def normalize_index(index: pd.Index) -> pd.Index:
    """Convert an index of categories, objects or Arrow types to a NumPy type of numbers or times,
    if possible."""
    import pandas as pd

    if isinstance(index, pd.MultiIndex):
        return index if index.nlevels > 1 else normalize_index(index.get_level_values(0))
    if isinstance(index, pd.CategoricalIndex):
        index = index.astype(index.categories.dtype)
    kind = str(index.dtype)
    if "timestamp" in kind and not isinstance(index, pd.DatetimeIndex):
        return pd.DatetimeIndex(index)
    if "duration" in kind:
        return pd.TimedeltaIndex(index)
    if index.dtype == object and len(index) and all(isinstance(label, Decimal) for label in index):
        return index.astype(float)
    inferred = index.infer_objects() if index.dtype == object else index
    return inferred if pd.api.types.is_numeric_dtype(inferred.dtype) else index


def normalize_times(times: object, calendar: Calendar) -> tuple[np.ndarray, Calendar]:
    """Convert times of any type to numbers or `datetime64` in UTC.

    Args:
        times: an array, list or pandas index of T times.
        calendar: calendar that the user gives; the default
            calendar is replaced by that of the times.

    Returns:
        The times, shape (T,), and their calendar.

    Raises:
        SeriesError: the labels are not times.
    """
    array = times if isinstance(times, np.ndarray) else None
    if array is not None and array.dtype.kind in "iufM":
        return array, calendar
    import pandas as pd

    index = normalize_index(times if isinstance(times, pd.Index) else pd.Index(np.asarray(times, object).ravel()))
    if isinstance(index, pd.Index) and not len(index):
        return np.empty(0), calendar
    if not isinstance(times, pd.Index):
        index = pd.Index(list(index)) if index.dtype == object else index
    found, own = from_index(index)
    return (index.to_numpy(float), calendar) if not len(found) else (found, own if calendar == Calendar() else calendar)


def is_count(index: pd.Index) -> bool:
    """Whether an index is 0, 1, 2, ..."""
    import pandas as pd

    index = normalize_index(index)
    if isinstance(index, pd.RangeIndex):
        return index.start == 0 and index.step == 1
    whole = pd.api.types.is_integer_dtype(index.dtype)
    return bool(whole and len(index) and index[0] == 0 and np.array_equal(index.to_numpy(), np.arange(len(index))))


def is_numbered(index: pd.Index) -> bool:
    """Whether an index has one level of whole numbers."""
    import pandas as pd

    return index.nlevels == 1 and pd.api.types.is_integer_dtype(normalize_index(index).dtype)


def to_index(times: np.ndarray, calendar: Calendar) -> pd.Index:
    """Convert times, shape (T,), to a pandas index with the time zone,
    periods or durations of the calendar."""
    import pandas as pd

    if calendar.spans:
        return pd.to_timedelta(times, unit="s").rename("time")
    if times.dtype.kind != "M":
        return pd.Index(times, name="time")
    index = pd.DatetimeIndex(times, name="time")
    if calendar.periods:
        return index.to_period(calendar.frequency)
    return index if calendar.zone is None else index.tz_localize("UTC").tz_convert(calendar.zone)


def drawn_times(index: pd.Index) -> np.ndarray:
    """Convert an index to times for plots, shape (T,): starts of periods, local times,
    durations in seconds."""
    import pandas as pd

    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp().to_numpy()
    if isinstance(index, pd.TimedeltaIndex):
        return index.to_numpy() / np.timedelta64(1, "s")
    return index.tz_localize(None).to_numpy() if isinstance(index, pd.DatetimeIndex) else index.to_numpy()


def to_utc(times: np.ndarray, zone: str) -> np.ndarray:
    """Convert local times of a zone to UTC.

    When clocks are set back, an hour occurs twice; the order of the rows resolves the ambiguity.

    Args:
        times: shape (T,), `datetime64`.
        zone: name of the time zone.

    Returns:
        Shape (T,), `datetime64` in UTC.

    Raises:
        SeriesError: the zone is unknown, or a time does not exist because clocks are set forward.
    """
    import pandas as pd

    try:
        local = pd.DatetimeIndex(times).tz_localize(zone, ambiguous="infer")
    except (ValueError, KeyError, OSError) as error:
        raise SeriesError(
            f"zone={zone!r}: the times are not local times of that zone ({error}); name the zone of the clocks "
            "(--zone Europe/Berlin)"
        ) from error
    return local.tz_convert("UTC").tz_localize(None).to_numpy()


def continue_times(times: np.ndarray, dt: Time, calendar: Calendar, steps: int) -> np.ndarray:
    """Compute the next times after a series, by the frequency of the calendar if it is known.

    Args:
        times: shape (T,), numbers or `datetime64` in UTC; only the last one is used.
        dt: time between two steps.
        calendar: calendar of the times.
        steps: number of steps.

    Returns:
        Shape (steps,).

    Raises:
        SeriesError: the last time is after the year 9999 or out of bounds,
            or the times do not fit into memory.
    """
    dated = times.dtype.kind == "M"
    try:
        if STEP_BYTES * steps > physical_memory() or (dated and steps * (dt / YEAR) > MOST_YEARS):
            raise MemoryError  # before anything takes it
        further = _continue_times(times, dt, calendar, steps)
        if dated and further[-1:].astype("datetime64[Y]") > LAST_YEAR:
            raise OverflowError(f"they end in the year {further[-1].astype('datetime64[Y]')}")
        return further
    except (OverflowError, ValueError, MemoryError) as error:  # pandas' out-of-bounds errors are of these
        raise SeriesError(
            f"{steps} steps of {calendar.step or shown(dt)} after {calendar.shown(times[-1])} exceed the calendar or "
            "the memory; reduce the number of steps"
        ) from error


def _continue_times(times: np.ndarray, dt: Time, calendar: Calendar, steps: int) -> np.ndarray:
    import pandas as pd

    if times.dtype.kind != "M" or calendar.frequency is None:
        return times[-1] + dt * np.arange(1, steps + 1)
    local = to_local(times[-1:], calendar.zone)[0]
    # the first days of months are continued as other days of months are,
    # which is many times faster than by pandas
    day = calendar.day or (1 if calendar.frequency.endswith("MS") and _is_first_of_month(local) else 0)
    if day and not calendar.periods and MONTHLY.fullmatch(calendar.frequency):
        local = continue_months(local, calendar.frequency, day, steps)
        return (to_utc(local, calendar.zone) if calendar.zone else local).astype(times.dtype)
    last = to_index(times[-1:], calendar)
    if isinstance(last, pd.PeriodIndex):
        return pd.period_range(last[0], periods=steps + 1, freq=calendar.frequency).to_timestamp().to_numpy()[1:]
    index = pd.date_range(last[0], periods=steps + 1, freq=calendar.frequency)
    return from_index(index)[0].astype(times.dtype)[1:]


def _is_first_of_month(time: np.datetime64) -> bool:
    return bool(time.astype("datetime64[D]") == time.astype("datetime64[M]"))


class Resampled(NamedTuple):
    """Means over steps of equal length.

    Attributes:
        values: shape (S, D); NaN where a step has no value.
        times: shape (S,), the times of the steps.
        notes: sentences for the user about steps without a row.
    """

    values: np.ndarray
    times: np.ndarray
    notes: tuple[str, ...]


def resample(values: np.ndarray, times: np.ndarray, calendar: Calendar, rule: str) -> Resampled:
    """Average values over steps of equal length; a step without values is missing.

    Args:
        values: shape (T, D).
        times: shape (T,), in any order.
        calendar: calendar of the times.
        rule: length of a step: a pandas frequency (`D`, `h`, `MS`, ...) for dates,
            a number for numeric times.

    Raises:
        SeriesError: the rule is not a frequency, or not a positive number for numeric times; or
            there are more than `MOST_STEPS_PER_ROW` steps for each row.
    """
    import pandas as pd

    order = np.argsort(times, kind="stable")
    values, times = values[order], times[order]
    if times.dtype.kind == "M":
        index = to_index(times, Calendar(zone=calendar.zone))
        try:
            _refuse_many(times[-1] - times[0], _shortest_step(rule), len(times), rule)
            parts = pd.DataFrame(values, index=index).resample(rule)
            means, rows = parts.mean(), parts.size()
        except SeriesError:
            raise
        except (ValueError, TypeError) as error:
            raise SeriesError(f"resample={rule!r}: not a frequency ({error}); give D, h, MS, 15min, ...") from error
        found = from_index(means.index)[0]
        return Resampled(means.to_numpy(), found, _note_empty(rows.to_numpy(), found, times, calendar, rule))
    try:
        width = float(rule)
    except ValueError:
        width = 0.0
    if not 0 < width < np.inf:
        raise SeriesError(f"resample={rule!r}: the times are numbers; give the length of a step as a positive number")
    _refuse_many(times[-1] - times[0], width, len(times), rule)
    step = np.rint((times - times[0]) / width).astype(int)
    means: pd.DataFrame = pd.DataFrame(values).groupby(step).mean()  # pyright: ignore[reportAssignmentType] - stubs
    frame = means.reindex(range(step[-1] + 1))
    found = times[0] + width * np.arange(len(frame))
    return Resampled(frame.to_numpy(), found, _note_empty(np.bincount(step), found, times, calendar, rule))


def _note_empty(
    rows: np.ndarray, steps: np.ndarray, times: np.ndarray, calendar: Calendar, rule: str
) -> tuple[str, ...]:
    """A sentence for the user about steps without a row, if there are any.

    Args:
        rows: shape (S,), the number of rows of each step.
        steps: shape (S,), the times of the steps.
        times: shape (T,), ascending, the times of the rows.
        calendar: calendar of the times.
        rule: length of a step, as the user named it.
    """
    empty = int((rows == 0).sum())
    if not empty:
        return ()
    said = (
        f"resample={rule!r}: {empty} of {len(rows)} steps have no row, the first of them "
        f"{calendar.shown(steps[int((rows == 0).argmax())])}; their values are missing"
    )
    if 2 * empty <= len(rows):
        return (said,)
    usual = shown(np.sort(np.diff(times))[len(times) // 2 - 1])
    return (f"{said}: the rows are {usual} apart as a rule; give steps of that length or longer",)


def _shortest_step(rule: str) -> Time:
    """The length of the steps of a pandas frequency; a day where they follow the calendar.

    Raises:
        ValueError: it is not a frequency, or its steps do not go forward.
    """
    import pandas as pd
    from pandas.tseries.frequencies import to_offset

    offset = to_offset(rule)
    if offset.n < 1:
        raise ValueError("its steps do not go forward")
    try:
        return pd.Timedelta(offset)
    except ValueError:
        return pd.Timedelta(days=1)


def _refuse_many(span: Time, width: Time, rows: int, rule: str) -> None:
    """Raise an error if nearly all steps would have no row.

    Args:
        span: time from the first row to the last one.
        width: length of a step.
        rows: number of rows.
        rule: length of a step, as the user named it.
    """
    if span / width > MOST_STEPS_PER_ROW * rows:
        raise SeriesError(
            f"resample={rule!r}: that makes {span / width:.0e} steps of {rows} rows, nearly all of them without a "
            "value; give longer steps"
        )


def shown(time: Time) -> str:
    """Format a time or a duration for messages."""
    if isinstance(time, np.datetime64):
        return _shorten(str(np.datetime_as_string(time))) if not np.isnat(time) else "NaT"
    if isinstance(time, np.timedelta64):
        import pandas as pd

        text = str(pd.Timedelta(time)).removeprefix("0 days ").removesuffix(" 00:00:00")
        return "1 day" if text == "1 days" else text
    return f"{float(time):.15g}"


def _shorten(stamp: str) -> str:
    date, _, clock = stamp.partition("T")
    clock = clock.rstrip("0").rstrip(".") if "." in clock else clock
    return (
        date if clock in ("", "00:00:00") else f"{date}T{clock.removesuffix(':00') if clock.count(':') > 1 else clock}"
    )


def to_local(times: np.ndarray, zone: str | None) -> np.ndarray:
    """Convert times in UTC, shape (T,), to local times of a zone; None changes nothing."""
    if zone is None:
        return times
    import pandas as pd

    return pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy()
