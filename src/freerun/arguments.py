"""Arguments of users, checked where they come in: whole numbers, levels of intervals, choices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from freerun.errors import SettingError


def whole_number(name: str, value: Any, least: int | None = 1) -> int:
    """A whole number that an argument has to be.

    Raises:
        SettingError: it is none, or below `least`, if there is a least one.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        near = f": {value:.0f}" if isinstance(value, Real) and not isinstance(value, bool) and value == value else ""  # noqa: PLR0124 - NaN
        raise SettingError(f"{name}={value!r}: give a whole number{near}")
    if least is not None and value < least:
        raise SettingError(f"{name}={value}: must be at least {least}")
    return int(value)


def percentages(name: str, levels: Any) -> tuple[float, ...]:
    """Levels of intervals in percent: one, or several.

    Raises:
        SettingError: one is no number between 1 and 100, or given twice.
    """
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
    if value not in choices:
        raise SettingError(f"{name}={value!r}: give one of {', '.join(choices)}")
    return str(value)
