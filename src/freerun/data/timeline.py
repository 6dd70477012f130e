"""The times of a series: numbers, dates, periods; what a calendar makes of them, and how they go on."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.data.dates import NotADate, compact_dates, dates_of
from freerun.data.months import months_after
from freerun.errors import SeriesError

if TYPE_CHECKING:
    import pandas as pd

LAST_YEAR = np.datetime64("9999", "Y")
"""The last year that dates reach."""


@dataclass(frozen=True)
class Calendar:
    """What times mean beyond numbers or instants.

    Attributes:
        frequency: the step as pandas writes it: `D`, `MS`, `W-SUN`, ...; None where it is not known.
        zone: name of the time zone in which days and months are counted; None means none was given.
        periods: whether the times stand for whole periods (a pandas `PeriodIndex`).
        day: the day of the month on which steps of months, quarters or years lie; 0 means that of the frequency.
        spans: whether the times are spans since a beginning (a pandas `TimedeltaIndex`), in seconds.
    """

    frequency: str | None = None
    zone: str | None = None
    periods: bool = False
    day: int = 0
    spans: bool = False

    @property
    def step(self) -> str | None:
        """The frequency in words, for messages; None where it is not known."""
        return None if self.frequency is None else f"{self.frequency}{f' on day {self.day}' if self.day else ''}"

    def shown(self, time: Any) -> str:
        """A time as messages show it: as the clocks of the zone do."""
        return shown(local_times(np.array([time]), self.zone)[0] if isinstance(time, np.datetime64) else time)


def from_index(index: pd.Index) -> tuple[np.ndarray, Calendar]:
    """The times that a pandas index holds: numbers, or `datetime64` in UTC; none where it is a mere count from 0.

    Text and objects that are dates are dates; whole numbers such as 201501 are months.

    Raises:
        SeriesError: an index of several levels, or of anything that is no time.
    """
    import pandas as pd

    index = plain_index(index)
    if index.nlevels > 1:
        raise SeriesError(
            f"the index has {index.nlevels} levels ({', '.join(map(str, index.names))}), and a series has one, its "
            "times; for several series give the two levels that name the series and the time"
        )
    if index.hasnans:
        raise SeriesError(f"row {int(index.isna().argmax())} of the index has no time; drop it or fill it in")
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp().to_numpy(), Calendar(index.freqstr, None, periods=True)
    if isinstance(index, pd.TimedeltaIndex):
        return index.to_numpy() / np.timedelta64(1, "s"), Calendar(spans=True)
    if pd.api.types.is_bool_dtype(index.dtype):
        raise SeriesError("the index holds true and false, which are no times; drop it (reset_index(drop=True))")
    if isinstance(index, pd.DatetimeIndex):
        zone = None if index.tz is None else str(index.tz)
        times = index if zone is None else index.tz_convert("UTC").tz_localize(None)
        return times.to_numpy(), Calendar(_known(index.freqstr), zone)
    if is_count(index):
        return np.empty(0), Calendar()
    if pd.api.types.is_numeric_dtype(index.dtype) and not pd.api.types.is_complex_dtype(index.dtype):
        months = compact_dates(index.tolist())
        return (index.to_numpy(), Calendar()) if months is None else (months, Calendar())
    found = dates_of(index.tolist())
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


def _known(frequency: str | None) -> str | None:
    """A frequency that goes forward and that pandas can read back; calendars of one's own holidays it cannot."""
    from pandas.tseries.frequencies import to_offset

    if frequency is None or frequency.startswith("-") or frequency.lstrip("0123456789") == "C":
        return None
    try:
        return to_offset(frequency).freqstr
    except ValueError:
        return None


def plain_index(index: pd.Index) -> pd.Index:
    """An index in the plainest kind that holds it: numbers and times out of categories, objects and Arrow."""
    import pandas as pd

    if isinstance(index, pd.MultiIndex):
        return index if index.nlevels > 1 else plain_index(index.get_level_values(0))
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


def plain_times(times: Any, calendar: Calendar) -> tuple[np.ndarray, Calendar]:
    """Times as numbers or `datetime64`, whatever holds them, and their calendar.

    Raises:
        SeriesError: they are no times.
    """
    array = times if isinstance(times, np.ndarray) else None
    if array is not None and array.dtype.kind in "iufM":
        return array, calendar
    import pandas as pd

    index = plain_index(times if isinstance(times, pd.Index) else pd.Index(np.asarray(times, object).ravel()))
    if isinstance(index, pd.Index) and not len(index):
        return np.empty(0), calendar
    if not isinstance(times, pd.Index):
        index = pd.Index(list(index)) if index.dtype == object else index
    found, own = from_index(index)
    return (index.to_numpy(float), calendar) if not len(found) else (found, own if calendar == Calendar() else calendar)


def is_count(index: pd.Index) -> bool:
    """Whether an index counts the rows from 0 and tells no times."""
    import pandas as pd

    index = plain_index(index)
    if isinstance(index, pd.RangeIndex):
        return index.start == 0 and index.step == 1
    whole = pd.api.types.is_integer_dtype(index.dtype)
    return bool(whole and len(index) and index[0] == 0 and np.array_equal(index.to_numpy(), np.arange(len(index))))


def is_numbered(index: pd.Index) -> bool:
    """Whether an index holds whole numbers."""
    import pandas as pd

    return index.nlevels == 1 and pd.api.types.is_integer_dtype(plain_index(index).dtype)


def to_index(times: np.ndarray, calendar: Calendar) -> pd.Index:
    """The times as a pandas index, as they came."""
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
    """Times as they are drawn: the starts of periods, local time where a zone is known, spans as seconds."""
    import pandas as pd

    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp().to_numpy()
    if isinstance(index, pd.TimedeltaIndex):
        return index.to_numpy() / np.timedelta64(1, "s")
    return index.tz_localize(None).to_numpy() if isinstance(index, pd.DatetimeIndex) else index.to_numpy()


def in_zone(times: np.ndarray, zone: str) -> np.ndarray:
    """Local times of a zone in UTC; the hour that comes twice when clocks are set back is told by the order of rows.

    Raises:
        SeriesError: no such zone, or times that are not there when clocks are set forward.
    """
    import pandas as pd

    try:
        local = pd.DatetimeIndex(times).tz_localize(zone, ambiguous="infer")
    except (ValueError, KeyError, OSError) as error:
        raise SeriesError(
            f"zone={zone!r}: the times are no local times of that zone ({error}); name the zone of the clocks that "
            "they were read from (--zone Europe/Berlin)"
        ) from error
    return local.tz_convert("UTC").tz_localize(None).to_numpy()


def following(times: np.ndarray, dt: Any, calendar: Calendar, steps: int) -> np.ndarray:
    """Continue `times` by `steps` further ones, by the calendar where its frequency is known.

    Raises:
        SeriesError: the calendar ends before.
    """
    try:
        further = _following(times, dt, calendar, steps)
        if times.dtype.kind == "M" and further[-1:].astype("datetime64[Y]") > LAST_YEAR:
            raise OverflowError(f"they end in the year {further[-1].astype('datetime64[Y]')}")
        return further
    except (OverflowError, ValueError, MemoryError) as error:  # pandas' out-of-bounds errors are of these
        raise SeriesError(
            f"{steps} steps of {calendar.step or shown(dt)} after {calendar.shown(times[-1])} lie beyond the calendar "
            "or the memory; give fewer"
        ) from error


def _following(times: np.ndarray, dt: Any, calendar: Calendar, steps: int) -> np.ndarray:
    import pandas as pd

    if times.dtype.kind != "M" or calendar.frequency is None:
        return times[-1] + dt * np.arange(1, steps + 1)
    if calendar.day:
        local = months_after(local_times(times[-1:], calendar.zone)[0], calendar.frequency, calendar.day, steps)
        return (in_zone(local, calendar.zone) if calendar.zone else local).astype(times.dtype)
    last = to_index(times[-1:], calendar)
    if isinstance(last, pd.PeriodIndex):
        return pd.period_range(last[0], periods=steps + 1, freq=calendar.frequency).to_timestamp().to_numpy()[1:]
    index = pd.date_range(last[0], periods=steps + 1, freq=calendar.frequency)
    return from_index(index)[0].astype(times.dtype)[1:]


def resampled(values: np.ndarray, times: np.ndarray, calendar: Calendar, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """The means over steps of equal length, and their times; a step without any value is missing.

    Args:
        values: shape (T, D).
        times: shape (T,), in any order.
        calendar: of the times.
        rule: a pandas frequency (`D`, `h`, `MS`, ...) for dates, a number for numeric times.

    Raises:
        SeriesError: no such frequency.
    """
    import pandas as pd

    order = np.argsort(times, kind="stable")
    values, times = values[order], times[order]
    if times.dtype.kind == "M":
        index = to_index(times, Calendar(zone=calendar.zone))
        try:
            frame = pd.DataFrame(values, index=index).resample(rule).mean()
        except (ValueError, TypeError) as error:
            raise SeriesError(f"resample={rule!r}: not a frequency ({error}); give D, h, MS, 15min, ...") from error
        return frame.to_numpy(), from_index(frame.index)[0]
    try:
        width = float(rule)
    except ValueError:
        width = 0.0
    if not 0 < width < np.inf:
        raise SeriesError(f"resample={rule!r}: the times are numbers, so give the length of a step as a number")
    step = np.rint((times - times[0]) / width).astype(int)
    means: pd.DataFrame = pd.DataFrame(values).groupby(step).mean()  # pyright: ignore[reportAssignmentType] - stubs
    frame = means.reindex(range(step[-1] + 1))
    return frame.to_numpy(), times[0] + width * np.arange(len(frame))


def shown(time: Any) -> str:
    """A time, or a span of time, as messages show it."""
    if isinstance(time, np.datetime64):
        return _short(str(np.datetime_as_string(time))) if not np.isnat(time) else "NaT"
    if isinstance(time, np.timedelta64):
        import pandas as pd

        text = str(pd.Timedelta(time)).removeprefix("0 days ").removesuffix(" 00:00:00")
        return "1 day" if text == "1 days" else text
    return f"{float(time):.15g}"


def _short(stamp: str) -> str:
    date, _, clock = stamp.partition("T")
    clock = clock.rstrip("0").rstrip(".") if "." in clock else clock
    return (
        date if clock in ("", "00:00:00") else f"{date}T{clock.removesuffix(':00') if clock.count(':') > 1 else clock}"
    )


def local_times(times: np.ndarray, zone: str | None) -> np.ndarray:
    """UTC as the clocks of a zone show it."""
    if zone is None:
        return times
    import pandas as pd

    return pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy()
