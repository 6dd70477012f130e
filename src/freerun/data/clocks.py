"""Parses times of day, after a date or in a separate column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?", re.IGNORECASE)
"""A time of day without a date."""

AFTER_DATE = re.compile(
    r"\.?[T ,:]*(?:(\d{1,2})(?:[:.h]?(\d\d)(?:[:.]?(\d\d)(?:[.,](\d+))?)?)?"
    r"\s*(?:([ap])\.?m\.?)?\s*(z|utc|gmt|[+-]\d\d(?::?\d\d)?)?(?:\s*uhr)?)?",
    re.IGNORECASE,
)
"""A time of day after a date: hour, minute, second, fraction, a or p, offset from UTC."""

HOUR = 3_600_000_000
"""One hour, in microseconds."""

SECOND = 1_000_000
"""One second, in microseconds."""

LAST_HOUR = 24
"""Largest hour of a day; 24:00 is midnight at its end."""

HOURS = {"hour", "hr", "hh", "h", "stunde", "std", "heure", "hora", "ora", "uur", "hour ending"}
"""Names of a column of hours, in lower case."""

CLOCKS = {"time", "clock", "zeit", "uhrzeit", "heure", "hora", "ora", "tijd", "hour"}
"""Names of a column of times of day, in lower case."""


class Clock(NamedTuple):
    """A time of day.

    Attributes:
        time: time since midnight, in microseconds.
        offset: offset from UTC, in microseconds.
        zoned: whether the offset is given.
    """

    time: int
    offset: int = 0
    zoned: bool = False


def parse_clock(text: str) -> Clock | None:
    """Parse the text after a date as a time of day.

    Args:
        text: the text; empty for midnight.

    Returns:
        The time of day; None if the text is not one.
    """
    found = AFTER_DATE.fullmatch(text)
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
    return Clock(time) if offset is None else Clock(time, _parse_offset(offset), True)


def _parse_offset(text: str) -> int:
    """Parse an offset from UTC, such as `Z` or `+01:00`, in microseconds."""
    if text[0] not in "+-":
        return 0
    digits = text[1:].replace(":", "")
    size = int(digits[:2]) * HOUR + int(digits[2:] or 0) * 60 * SECOND
    return -size if text[0] == "-" else size


def add_clock(days: np.ndarray, name: str, cells: Sequence[object]) -> np.ndarray | None:
    """Add the times of day, or hours, of another column to days.

    If no day occurs twice and the column has no name of `CLOCKS`, its times of day are taken as
    measurements, such as times of sunrise, unless all are equal.

    Args:
        days: shape (T,), `datetime64`.
        name: name of the other column.
        cells: T cells of the other column.

    Returns:
        Shape (T,), `datetime64`; None if the other column holds no times of day,
        or the days have a time already.
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
    clocks = [parse_clock(text) for text in texts]
    if None in clocks or not (repeated or name in CLOCKS or len(set(clocks)) == 1):
        return None
    return days + np.array([clock.time for clock in clocks if clock is not None], "timedelta64[us]")
