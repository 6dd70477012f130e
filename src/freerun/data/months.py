"""Steps of months, quarters and years: on which day of the month they lie, and how they go on."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

UNITS = {1: "M", 3: "Q", 12: "Y"}
"""The letter of a frequency, by its months."""

MONTHLY = re.compile(r"(\d*)([MQY])S(?:-[A-Z]{3})?")
"""A frequency that counts from the first of a month."""

LAST_SURE_DAY = 28
"""The last day that every month has."""


class MonthRows(NamedTuple):
    """Dates as steps of months.

    Attributes:
        places: shape (T,), of the dates among the steps, from 0 on.
        frequency: as pandas writes it.
        day: on which the steps lie in their months; 0 means that of the frequency.
    """

    places: np.ndarray
    frequency: str
    day: int


def month_rows(local: np.ndarray) -> MonthRows | None:
    """Ascending dates as steps of months; None if they do not lie on the same day of their months."""
    months = local.astype("datetime64[M]")
    days = local.astype("datetime64[D]")
    numbers = months.astype(np.int64)
    gaps = np.diff(numbers)
    clock = local - days
    if (gaps < 1).any() or (clock != clock[0]).any():
        return None
    kind = _kind(months, days)
    if kind is None:
        return None
    suffix, day = kind
    step = int(np.gcd.reduce(gaps))
    unit = max(size for size in UNITS if step % size == 0)
    count = step // unit
    month = int(numbers[0] % 12)
    anchor = "" if unit == 1 else f"-{MONTHS[month]}"
    return MonthRows(
        (numbers - numbers[0]) // step, f"{count if count > 1 else ''}{_letter(suffix, unit)}{anchor}", day
    )


def months_after(last: np.datetime64, frequency: str, day: int, steps: int) -> np.ndarray:
    """The `steps` dates after the last one that lie on that day of their months, or on the last of shorter months."""
    found = MONTHLY.fullmatch(frequency)
    assert found is not None
    width = int(found[1] or 1) * next(size for size, letter in UNITS.items() if letter == found[2])
    months = last.astype("datetime64[M]") + width * np.arange(1, steps + 1)
    clock = last - last.astype("datetime64[D]")
    return _on_day(months, day).astype(last.dtype) + clock


def _on_day(months: np.ndarray, day: int) -> np.ndarray:
    """That day of each month, or its last one."""
    first = months.astype("datetime64[D]")
    return first + np.minimum(np.timedelta64(day - 1, "D"), _last(months) - first)


def _last(months: np.ndarray) -> np.ndarray:
    """The last day of each month."""
    return (months + 1).astype("datetime64[D]") - np.timedelta64(1, "D")


def _kind(months: np.ndarray, days: np.ndarray) -> tuple[str, int] | None:
    """Whether days are the first (S) or last (E) of their months or of their working days (BS, BE), or else which."""
    first, last = months.astype("datetime64[D]"), _last(months)
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


def _letter(suffix: str, unit: int) -> str:
    business = "B" if suffix.startswith("B") else ""
    return f"{business}{UNITS[unit]}{suffix[-1]}"
