"""Converts paths, DataFrames, tables of other libraries, arrays and lists to `Rows`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from freerun.data.arrays import as_matrix
from freerun.data.interchange import as_array, as_pandas, is_table
from freerun.data.io import read_rows, select_columns
from freerun.data.rows import ReadOptions, Rows
from freerun.data.table import Table
from freerun.errors import SeriesError

if TYPE_CHECKING:
    import pandas as pd


def to_rows(data: object, options: ReadOptions) -> Rows:
    """Convert any supported input to rows.

    Args:
        data: see `Series.of`.
        options: how to read the data.

    Raises:
        SeriesError: the data hold no rows of numbers; see `Table.rows`.
    """
    if isinstance(data, str | Path):
        return read_rows(data, options)
    if isinstance(data, Table):
        return data.rows(options)
    if isinstance(data, Rows):
        return select_columns(data, options)
    table = as_pandas(data)
    if table is not None:
        return _rows_of_pandas(table, options)
    if isinstance(data, Mapping):
        raise SeriesError("a dict is not a table; give a DataFrame (pd.DataFrame(data))")
    return select_columns(Rows.of_matrix(as_matrix(as_array(data))), options)


def _rows_of_pandas(data: pd.DataFrame | pd.Series, options: ReadOptions) -> Rows:
    """Convert a pandas DataFrame or Series to rows;
    the name of a Series becomes the name of the channel."""
    if is_table(data):
        return Table.of_frame(data).rows(options)
    rows = Table.of_frame(data.to_frame("x" if data.name is None else data.name)).rows(options)
    return replace(rows, channels=()) if data.name is None else rows
