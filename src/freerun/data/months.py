"""Monthly, quarterly and yearly steps: recognition and continuation."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
"""Names of months in pandas frequencies such as `QS-JAN`."""

UNITS = {1: "M", 3: "Q", 12: "Y"}
"""Letter of the pandas frequency, by its number of months."""

MONTHLY = re.compile(r"(\d*)([MQY])S(?:-[A-Z]{3})?")
"""A pandas frequency of the first days of months, quarters or years: count and letter."""


class MonthSteps(NamedTuple):
    """Dates on a grid of months, quarters or years.

    Attributes:
        places: shape (T,), the number of the step of each date, from 0.
        frequency: pandas frequency of the grid.
        day: day of the month of the steps; 0 means that of the frequency.
    """

    places: np.ndarray
    frequency: str
    day: int


def fit_months(local: np.ndarray) -> MonthSteps | None:
    """Fit a grid of months, quarters or years to dates.

    Args:
        local: shape (T,), `datetime64` in local time, ascending.

    Returns:
        The steps of the dates; None if they are not the same day of their months.
    """
    months = local.astype("datetime64[M]")
    days = local.astype("datetime64[D]")
    numbers = months.astype(np.int64)
    gaps = np.diff(numbers)
    clock = local - days
    if (gaps < 1).any() or (clock != clock[0]).any():
        return None
    kind = _find_anchor(months, days)
    if kind is None:
        return None
    suffix, day = kind
    step = int(np.gcd.reduce(gaps))
    unit = max(size for size in UNITS if step % size == 0)
    count = step // unit
    month = int(numbers[0] % 12)
    anchor = "" if unit == 1 else f"-{MONTHS[month]}"
    return MonthSteps(
        (numbers - numbers[0]) // step, f"{count if count > 1 else ''}{_name_frequency(suffix, unit)}{anchor}", day
    )


def continue_months(last: np.datetime64, frequency: str, day: int, steps: int) -> np.ndarray:
    """Compute the next dates of a grid of months; in months without the day, the last day is used.

    Args:
        last: last date of the series, in local time.
        frequency: pandas frequency that matches `MONTHLY`.
        day: day of the month.
        steps: number of dates.

    Returns:
        Shape (steps,), `datetime64` in local time.
    """
    found = MONTHLY.fullmatch(frequency)
    assert found is not None
    width = int(found[1] or 1) * next(size for size, letter in UNITS.items() if letter == found[2])
    months = last.astype("datetime64[M]") + width * np.arange(1, steps + 1)
    clock = last - last.astype("datetime64[D]")
    return _on_day(months, day).astype(last.dtype) + clock


def _on_day(months: np.ndarray, day: int) -> np.ndarray:
    """Return a day of each month, or the last day of months without that day."""
    first = months.astype("datetime64[D]")
    return first + np.minimum(np.timedelta64(day - 1, "D"), _last_days(months) - first)


def _last_days(months: np.ndarray) -> np.ndarray:
    """Return the last day of each month."""
    return (months + 1).astype("datetime64[D]") - np.timedelta64(1, "D")


def _find_anchor(months: np.ndarray, days: np.ndarray) -> tuple[str, int] | None:
    """Find which days of their months dates are.

    Returns:
        The suffix of the pandas frequency, and the day. The day is 0 for first and last days (S,
        E), and for first and last working days (BS, BE). None if the dates are different days.
    """
    first, last = months.astype("datetime64[D]"), _last_days(months)
    numbers = ((days - first) / np.timedelta64(1, "D")).astype(int) + 1
    day = int(numbers.max())
    kinds = {
        "S": first,
        "E": last,
        "BS": np.busday_offset(first, 0, "forward"),
        "BE": np.busday_offset(last, 0, "backward"),
    }
    for kind, expected in kinds.items():
        if (days == expected).all():
            return kind, 0
    return ("S", day) if (days == _on_day(months, day)).all() else None


def _name_frequency(suffix: str, unit: int) -> str:
    business = "B" if suffix.startswith("B") else ""
    return f"{business}{UNITS[unit]}{suffix[-1]}"
