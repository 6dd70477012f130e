"""The cells of a column, whatever holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freerun.data.numerals import Numerals, is_missing

Cells = Sequence[Any]
"""The cells of a column: a list of texts and other objects, or a pandas Series."""


def holds_objects(cells: Cells) -> bool:
    """Whether cells are texts and other objects that have to be read one by one."""
    if isinstance(cells, list):
        return True
    from pandas.api.types import is_numeric_dtype

    return not is_numeric_dtype(cells.dtype)  # pyright: ignore[reportAttributeAccessIssue] - a pandas Series


def holds_times(cells: Cells) -> bool:
    """Whether cells are a pandas Series of dates, periods or spans, with a time zone or without."""
    if isinstance(cells, list):
        return False
    return getattr(cells.dtype, "kind", "O") in "mM" or "period" in str(cells.dtype)  # pyright: ignore[reportAttributeAccessIssue] - the same


def holds_spans(cells: Cells) -> bool:
    """Whether cells are a pandas Series of spans of time."""
    return not isinstance(cells, list) and getattr(cells.dtype, "kind", "O") == "m"  # pyright: ignore[reportAttributeAccessIssue] - the same


def first_value(cells: Cells) -> Any:
    """The first cell with a value; None without one."""
    return next((cell for cell in cells if not is_missing(cell)), None)


def whole_number(cell: Any) -> int | None:
    """A cell as a whole number; None for anything else."""
    number = Numerals().number(cell)
    return int(number) if number is not None and number % 1 == 0 else None
