"""Checks of arguments that users give: integers, positive numbers, steps or times,
levels of intervals, choices.

Each function returns the checked value, or raises a `SettingError` that names the argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from freerun.errors import SettingError

LARGEST = 2**31 - 1
"""Largest count, the largest 32-bit integer; a series of more steps does not fit into memory."""


def whole_number(name: str, value: object, least: int = 1, most: int = LARGEST) -> int:
    """Check that an argument is an integer within bounds.

    Args:
        name: name of the argument, for the message.
        value: its value.
        least: smallest value that is allowed.
        most: largest value that is allowed.

    Raises:
        SettingError: it is no integer, or out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        near = f": {value:.0f}" if isinstance(value, Real) and not isinstance(value, bool) and value == value else ""  # noqa: PLR0124 - NaN
        raise SettingError(f"{name}={value!r}: give a whole number{near}")
    number = int(value)
    if number < least:
        raise SettingError(f"{name}={number}: must be at least {least}")
    if number > most:
        raise SettingError(f"{name}={number}: must be at most {most}")
    return number


def steps_or_times(name: str, steps: object, times: object, name_of_times: str = "times") -> int | None:
    """Check that either the number of steps or their times are given.

    Args:
        name: name of the argument that has the number, for the message.
        steps: the number, or None.
        times: the times, or None; only networks of irregular times take them.
        name_of_times: name of the argument that has the times.

    Returns:
        The number; None with times.

    Raises:
        SettingError: both or none are given, or the number is not a positive whole number.
    """
    if times is not None:
        if steps is not None:
            raise SettingError(f"{name} and {name_of_times}: give one of them, the number of steps or their times")
        return None
    if steps is None:
        raise SettingError(f"{name}=None: give a whole number of steps, or {name_of_times} after irregular times")
    return whole_number(name, steps)


def positive(name: str, value: object) -> float:
    """Check that an argument is a positive, finite number.

    Raises:
        SettingError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < float("inf"):
        raise SettingError(f"{name}={value!r}: give a number above 0")
    return float(value)


def share(name: str, value: Any) -> float:
    """Check that an argument is a number above 0 up to 1.

    Raises:
        SettingError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) <= 1:
        raise SettingError(f"{name}={value!r}: give a number above 0 up to 1")
    return float(value)


def percentages(name: str, levels: Any) -> tuple[float, ...]:
    """Check levels of prediction intervals.

    Args:
        name: name of the argument, for the message.
        levels: a level or several, in percent, from 1 to below 100.

    Raises:
        SettingError: a level is no number, out of bounds, or given twice.
    """
    if getattr(levels, "shape", None) == ():
        levels = levels.item()
    given = levels if isinstance(levels, Iterable) and not isinstance(levels, str | bytes) else (levels,)
    found = []
    for level in given:
        if isinstance(level, bool) or not isinstance(level, Real):
            raise SettingError(f"{name}={level!r}: give percentages, such as {name}=(80, 95)")
        percent = float(level)
        if 0 < percent < 1:
            raise SettingError(
                f"{name}={percent:g}: levels of intervals are in percent; did you mean {100 * percent:g}?"
            )
        if not 1 <= percent < 100:
            raise SettingError(f"{name}={percent:g}: levels of intervals are percentages from 1 to below 100: 80, 95")
        found.append(percent)
    if len(set(found)) < len(found):
        raise SettingError(f"{name}={', '.join(f'{level:g}' for level in found)}: give each level once")
    return tuple(found)


def one_of(name: str, value: object, choices: Sequence[str]) -> str:
    """Check that an argument is one of several words.

    Args:
        name: name of the argument, for the message.
        value: its value.
        choices: values that are allowed.

    Raises:
        SettingError: it is none of them.
    """
    if not isinstance(value, str) or value not in choices:
        raise SettingError(f"{name}={value!r}: give one of {', '.join(choices)}")
    return str(value)
