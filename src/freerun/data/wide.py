"""Tables that lie the other way round: a series in each row, a time in each column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from freerun.data.columns import whole_number
from freerun.data.dates import looks_like_date
from freerun.data.monthnames import month_of

if TYPE_CHECKING:
    from freerun.data.table import Table

DATED = 3
"""Columns named by dates from which on a table has a series in each row."""

MONTHS = list(range(1, 13))

CALENDAR_YEARS = range(1800, 2200)
"""Numbers that are years where they follow each other."""


def refuse_wide(table: Table) -> None:
    """Refuse columns that are named by dates, or are the months of the year in each row.

    Raises:
        SeriesError: they are such.
    """
    names = list(table.columns)
    if any(sum(map(looks_like_date, names[i : i + DATED])) == DATED for i in (0, 1)):
        table.fault(
            "the columns are named by dates, as where each row is a series; turn the table round, so that each row is "
            "a time"
        )
    months = [month_of(name.strip(". ")) for name in names[1:13]]
    unnamed = not table.named and len(names) == 1 + len(MONTHS) and len(table) > 1
    if months == MONTHS or (unnamed and are_years(list(table.columns[names[0]]))):
        table.fault("each row is a year and each column a month; write one row for each month, with its date")


def are_years(cells: Sequence[Any]) -> bool:
    """Whether cells are years that follow each other."""
    years = [whole_number(cell) or 0 for cell in cells]
    return len(years) > 1 and years[0] in CALENDAR_YEARS and all(later == year + 1 for year, later in pairwise(years))
