"""Times of the day as people write them, behind a date or in a column of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?", re.IGNORECASE)
"""A time of the day alone."""

BEHIND = re.compile(
    r"\.?[T ,:]*(?:(\d{1,2})(?:[:.h]?(\d\d)(?:[:.]?(\d\d)(?:[.,](\d+))?)?)?"
    r"\s*(?:([ap])\.?m\.?)?\s*(z|utc|gmt|[+-]\d\d(?::?\d\d)?)?(?:\s*uhr)?)?",
    re.IGNORECASE,
)
"""A time of the day behind a date: hour, minute, second, fraction, a or p, offset."""

HOUR, SECOND = 3_600_000_000, 1_000_000
"""In microseconds."""

LAST_HOUR = 24
"""An hour of the day: midnight at its end."""

HOURS = {"hour", "hr", "hh", "h", "stunde", "std", "heure", "hora", "ora", "uur", "hour ending"}
"""Names of a column of hours, in lower case."""

CLOCKS = {"time", "clock", "zeit", "uhrzeit", "heure", "hora", "ora", "tijd", "hour"}
"""Names of a column of times of the day, in lower case."""


class Clock(NamedTuple):
    """A time of the day.

    Attributes:
        time: in microseconds.
        offset: from UTC, in microseconds.
        zoned: whether an offset is told.
    """

    time: int
    offset: int = 0
    zoned: bool = False


def clock_of(text: str) -> Clock | None:
    """The time of the day in what follows a date, midnight if nothing does; None for anything else."""
    found = BEHIND.fullmatch(text)
    if found is None:
        return None
    hour, minute, second, fraction, half, offset = found.groups()
    if hour is None:
        return Clock(0)
    hours, minutes, seconds = int(hour), int(minute or 0), int(second or 0)
    if half is not None:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.lower() == "p" else 0)
    micros = int(f"{fraction or '':0<6}"[:6])
    late = hours == LAST_HOUR and (minutes or seconds or micros)
    if hours > LAST_HOUR or minutes > 59 or seconds > 59 or late:
        return None
    time = hours * HOUR + (60 * minutes + seconds) * SECOND + micros
    return Clock(time) if offset is None else Clock(time, _offset(offset), True)


def _offset(text: str) -> int:
    """An offset from UTC, in microseconds."""
    if text[0] not in "+-":
        return 0
    digits = text[1:].replace(":", "")
    size = int(digits[:2]) * HOUR + int(digits[2:] or 0) * 60 * SECOND
    return -size if text[0] == "-" else size


def with_clock(days: np.ndarray, name: str, cells: Sequence[Any]) -> np.ndarray | None:
    """Days and the times of day, or hours, in another column, as one; None if they are not such.

    Where no day occurs twice, and the column is not named like a time, another time of day than always the same is a
    measurement.

    Args:
        days: shape (T,).
        name: of the other column.
        cells: of the other column.
    """
    if (days != days.astype("datetime64[D]")).any():
        return None
    name = name.strip().lower()
    repeated = len(np.unique(days)) < len(days)
    texts = [cell.strip() if isinstance(cell, str) else str(cell).removesuffix(".0") for cell in cells]
    if name in HOURS and repeated and all(text.isascii() and text.isdigit() for text in texts):
        hours = np.array([int(text) for text in texts])
        return days + hours * np.timedelta64(1, "h") if hours.max() <= LAST_HOUR else None
    if not all(map(CLOCK.fullmatch, texts)):
        return None
    clocks = [clock_of(text) for text in texts]
    if None in clocks or not (repeated or name in CLOCKS or len(set(clocks)) == 1):
        return None
    return days + np.array([clock.time for clock in clocks if clock is not None], "timedelta64[us]")
