"""From whatever a user gives to `Rows`: paths, DataFrames and tables of other libraries, arrays, lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from freerun.data.arrays import as_matrix
from freerun.data.interchange import as_array, as_pandas
from freerun.data.io import chosen, read_rows
from freerun.data.rows import ReadOptions, Rows
from freerun.data.table import Table
from freerun.errors import SeriesError


def rows_of(data: Any, options: ReadOptions) -> Rows:
    """The rows that a user has, whatever holds them.

    Raises:
        SeriesError: it holds no rows of numbers; see `Table.rows`.
    """
    if isinstance(data, str | Path):
        return read_rows(data, options)
    if isinstance(data, Table):
        return data.rows(options)
    if isinstance(data, Rows):
        return chosen(data, options)
    table = as_pandas(data)
    if table is not None:
        return _of_pandas(table, options)
    if isinstance(data, Mapping):
        raise SeriesError("a dict is no table; give a DataFrame (pd.DataFrame(data))")
    return chosen(Rows.of_matrix(as_matrix(as_array(data))), options)


def _of_pandas(data: Any, options: ReadOptions) -> Rows:
    """The rows of a DataFrame, or of a Series, whose name is that of the channel."""
    if data.ndim == 2:
        return Table.of_frame(data).rows(options)
    rows = Table.of_frame(data.to_frame("x" if data.name is None else data.name)).rows(options)
    return replace(rows, channels=()) if data.name is None else rows
