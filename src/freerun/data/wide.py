"""Recognises tables in wide format, with one series in each row and one time in each column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from freerun.data.columns import parse_integer
from freerun.data.dates import looks_like_date
from freerun.data.monthnames import parse_month

if TYPE_CHECKING:
    from freerun.data.table import Table

DATED = 3
"""Number of consecutive column names that are dates in a table of wide format."""

MONTHS = list(range(1, 13))
"""Numbers of the months of a year."""

CALENDAR_YEARS = range(1800, 2200)
"""Whole numbers that may be years."""


def refuse_wide(table: Table) -> None:
    """Raise an error if a table is in wide format.

    Raises:
        SeriesError: the columns are named by dates, or each row is a year and each column a month.
    """
    names = list(table.columns)
    if any(sum(map(looks_like_date, names[i : i + DATED])) == DATED for i in (0, 1)):
        table.fault(
            "the columns are named by dates, as in wide format, where each row is a series; transpose the table, so "
            "that each row is a time"
        )
    months = [parse_month(name.strip(". ")) for name in names[1:13]]
    unnamed = not table.named and len(names) == 1 + len(MONTHS) and len(table) > 1
    if months == MONTHS or (unnamed and are_years(list(table.columns[names[0]]))):
        table.fault("each row is a year and each column a month; write one row for each month, with its date")


def are_years(cells: Sequence[object]) -> bool:
    """Whether cells are consecutive ascending years."""
    years = [parse_integer(cell) or 0 for cell in cells]
    return len(years) > 1 and years[0] in CALENDAR_YEARS and all(later == year + 1 for year, later in pairwise(years))
