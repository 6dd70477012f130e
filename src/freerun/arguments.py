"""Arguments of users, checked where they come in: whole numbers, levels of intervals, choices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from freerun.errors import SettingError

LARGEST = 2**31 - 1
"""The largest whole number that counts something: more steps than this fit into no memory."""


def whole_number(name: str, value: Any, least: int = 1, most: int = LARGEST) -> int:
    """A whole number that an argument has to be.

    Raises:
        SettingError: it is none, below `least` or above `most`.
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


def positive(name: str, value: Any) -> float:
    """A positive, finite number that an argument has to be.

    Raises:
        SettingError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < float("inf"):
        raise SettingError(f"{name}={value!r}: give a number above 0")
    return float(value)


def percentages(name: str, levels: Any) -> tuple[float, ...]:
    """Levels of intervals in percent: one, or several.

    Raises:
        SettingError: one is no number between 1 and 100, or given twice.
    """
    if getattr(levels, "shape", None) == ():
        levels = levels.item()
    several = levels if isinstance(levels, Iterable) and not isinstance(levels, str | bytes) else (levels,)
    found = []
    for level in several:
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
        raise SettingError(f"{name}={', '.join(f'{level:g}' for level in found)}: each level can be given once")
    return tuple(found)


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """A word that an argument has to be.

    Raises:
        SettingError: it is none of them.
    """
    if not isinstance(value, str) or value not in choices:
        raise SettingError(f"{name}={value!r}: give one of {', '.join(choices)}")
    return str(value)
