"""The times of a series: regular steps, by number or by calendar, and how they go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.errors import SeriesError

if TYPE_CHECKING:
    import pandas as pd

MONTH = range(28, 32)
"""Days that a month may have."""

OFF_GRID = 0.1
"""Times count as regular when each lies within this share of a step of an even grid."""


@dataclass(frozen=True)
class Calendar:
    """What dates mean beyond instants of time.

    Attributes:
        frequency: the step as pandas writes it: `D`, `MS`, `W-SUN`, ...; None where it is not known.
        zone: name of the time zone in which days and months are counted; None means none was given.
        periods: whether the times stand for whole periods (a pandas `PeriodIndex`).
    """

    frequency: str | None = None
    zone: str | None = None
    periods: bool = False


def from_index(index: pd.Index) -> tuple[np.ndarray, Calendar]:
    """The times that a pandas index holds: numbers, or `datetime64` in UTC; none where it is a mere count."""
    import pandas as pd

    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp().to_numpy(), Calendar(index.freqstr, None, True)
    if isinstance(index, pd.DatetimeIndex):
        zone = None if index.tz is None else str(index.tz)
        times = index if zone is None else index.tz_convert("UTC").tz_localize(None)
        return times.to_numpy(), Calendar(index.freqstr, zone)
    if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1:
        return np.empty(0), Calendar()
    if pd.api.types.is_numeric_dtype(index.dtype):
        return index.to_numpy(), Calendar()
    return np.empty(0), Calendar()


def to_index(times: np.ndarray, calendar: Calendar) -> pd.Index:
    """The times as a pandas index, as they came."""
    import pandas as pd

    if times.dtype.kind != "M":
        return pd.Index(times, name="time")
    index = pd.DatetimeIndex(times, name="time")
    if calendar.periods:
        return index.to_period(calendar.frequency)
    return index if calendar.zone is None else index.tz_localize("UTC").tz_convert(calendar.zone)


def drawn_times(index: pd.Index) -> np.ndarray:
    """Times as they are drawn: the starts of periods, local time where a zone is known."""
    import pandas as pd

    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp().to_numpy()
    return index.tz_localize(None).to_numpy() if isinstance(index, pd.DatetimeIndex) else index.to_numpy()


def spacing(times: np.ndarray, calendar: Calendar) -> tuple[Any, Calendar]:
    """The time between two steps, and the calendar with the frequency that the times show.

    Raises:
        SeriesError: times that do not ascend, occur twice, or are not regular.
    """
    dated = times.dtype.kind == "M"
    if len(times) < 2:
        return (np.timedelta64(1, "D") if dated else 1.0), calendar
    gaps = np.diff(times)
    wrong = np.flatnonzero(~(gaps > np.zeros((), gaps.dtype)))
    if len(wrong):
        row = int(wrong[0])
        fault = "occurs twice" if times[row] == times[row + 1] else f"comes after {_shown(times[row])}"
        raise SeriesError(
            f"the time {_shown(times[row + 1])} at step {row + 1} {fault}; "
            "times must ascend: sort them, and keep one row for each"
        )
    step = np.median(gaps.astype(np.int64 if dated else np.float64))
    dt = np.timedelta64(int(step), np.datetime_data(gaps.dtype)[0]) if dated else float(step)
    if dated and calendar.frequency is None:
        calendar = Calendar(_frequency(times, calendar.zone), calendar.zone)
    if calendar.frequency is None:
        _refuse_irregular(times, gaps / dt, dt)
    return dt, calendar


def following(times: np.ndarray, dt: Any, calendar: Calendar, steps: int) -> np.ndarray:
    """Continue `times` by `steps` further ones, by the calendar where its frequency is known."""
    import pandas as pd

    if times.dtype.kind == "M" and calendar.frequency is not None:
        last = to_index(times[-1:], calendar)
        if isinstance(last, pd.PeriodIndex):
            return pd.period_range(last[0], periods=steps + 1, freq=calendar.frequency).to_timestamp().to_numpy()[1:]
        index = pd.date_range(last[0], periods=steps + 1, freq=calendar.frequency)
        return from_index(index)[0].astype(times.dtype)[1:]
    return times[-1] + dt * np.arange(1, steps + 1)


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
        except ValueError as error:
            raise SeriesError(f"resample={rule!r}: not a frequency ({error}); give D, h, MS, 15min, ...") from error
        return frame.to_numpy(), from_index(frame.index)[0]
    try:
        width = float(rule)
    except ValueError:
        width = 0.0
    if not width > 0:
        raise SeriesError(f"resample={rule!r}: the times are numbers, so give the length of a step as a number")
    step = np.rint((times - times[0]) / width).astype(int)
    means: pd.DataFrame = pd.DataFrame(values).groupby(step).mean()  # pyright: ignore[reportAssignmentType] - stubs
    frame = means.reindex(range(step[-1] + 1))
    return frame.to_numpy(), times[0] + width * np.arange(len(frame))


def _frequency(times: np.ndarray, zone: str | None) -> str | None:
    """The frequency that the times show, if any."""
    import pandas as pd

    if len(times) < 3:
        return None
    frequency = pd.infer_freq(to_index(times, Calendar(zone=zone)))  # pyright: ignore[reportArgumentType] - stubs
    return None if frequency is None else str(frequency)


def _refuse_irregular(times: np.ndarray, gaps: np.ndarray, dt: Any) -> None:
    grid = np.linspace(0.0, 1.0, len(times)) * gaps.sum()
    if (np.abs(np.concatenate([[0.0], np.cumsum(gaps)]) - grid) <= OFF_GRID * gaps.sum() / len(gaps)).all():
        return
    row, rule = int(np.argmax(np.abs(gaps - 1.0))), _rule(dt)
    raise SeriesError(
        f"the times are not regular: after {_shown(times[row])} (step {row}) comes {_shown(times[row + 1])}, where "
        f"steps are {_shown(dt)} apart; resample them (resample={rule!r}, --resample {rule}: steps without a value are "
        "missing)"
    )


def _rule(dt: Any) -> str:
    """What to resample to for steps of that length; steps of about a month are months."""
    if not isinstance(dt, np.timedelta64):
        return f"{float(dt):g}"
    days = dt / np.timedelta64(1, "D")
    if days in MONTH:
        return "MS"
    if days.is_integer():
        return "D" if days == 1 else f"{days:.0f}D"
    from pandas.tseries.frequencies import to_offset

    return to_offset(timedelta(seconds=float(dt / np.timedelta64(1, "s")))).freqstr


def _shown(time: Any) -> str:
    if isinstance(time, np.datetime64):
        return str(np.datetime_as_string(time, "auto")) if not np.isnat(time) else "NaT"
    if isinstance(time, np.timedelta64):
        import pandas as pd

        text = str(pd.Timedelta(time)).removeprefix("0 days ").removesuffix(" 00:00:00")
        return "1 day" if text == "1 days" else text
    return f"{float(time):g}"
