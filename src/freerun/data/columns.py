"""Helpers for the cells of a column, which are a list or a pandas Series."""

from __future__ import annotations

from collections.abc import Sequence

from freerun.data.numerals import Numerals, is_missing

Cells = Sequence[object]
"""The cells of a column: a list of strings and other objects, or a pandas Series."""


def holds_objects(cells: Cells) -> bool:
    """Whether cells are strings or other objects, which are converted one by one."""
    if isinstance(cells, list):
        return True
    from pandas.api.types import is_numeric_dtype

    return not is_numeric_dtype(cells.dtype)  # pyright: ignore[reportAttributeAccessIssue] - a pandas Series


def holds_times(cells: Cells) -> bool:
    """Whether cells are a pandas Series of dates, periods or durations,
    with or without a time zone."""
    if isinstance(cells, list):
        return False
    return getattr(cells.dtype, "kind", "O") in "mM" or "period" in str(cells.dtype)  # pyright: ignore[reportAttributeAccessIssue] - the same


def holds_durations(cells: Cells) -> bool:
    """Whether cells are a pandas Series of durations (`timedelta64`)."""
    return not isinstance(cells, list) and getattr(cells.dtype, "kind", "O") == "m"  # pyright: ignore[reportAttributeAccessIssue] - the same


def first_value(cells: Cells) -> object:
    """Return the first cell that is not missing; None if all are missing."""
    return next((cell for cell in cells if not is_missing(cell)), None)


def parse_integer(cell: object) -> int | None:
    """Convert a cell to a whole number; None if it is not one."""
    number = Numerals().number(cell)
    return int(number) if number is not None and number % 1 == 0 else None
