"""Converts tables and arrays of other libraries (polars, Arrow, xarray, torch,
...) without importing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from freerun.errors import SeriesError

if TYPE_CHECKING:
    import pandas as pd

PANDAS = "pandas"
"""Name of the package whose objects need no conversion."""

TABLE_NDIM = 2
"""Number of dimensions of a table."""


def is_pandas(data: object) -> bool:
    """Whether the type of an object is defined in pandas."""
    return type(data).__module__.partition(".")[0] == PANDAS


def is_table(data: object) -> TypeGuard[pd.DataFrame]:
    """Whether an object of pandas has two dimensions."""
    return getattr(data, "ndim", 0) == TABLE_NDIM


def as_pandas(data: Any) -> pd.DataFrame | pd.Series | None:
    """Convert a table of any library to a pandas DataFrame or Series;
    None if the data are not a table.

    Tables are converted by the Arrow C stream (`__arrow_c_stream__`) or the
    dataframe interchange protocol (`__dataframe__`). Arrays of xarray are
    converted by xarray, which keeps the coordinates.

    Args:
        data: any object.

    Raises:
        SeriesError: the table cannot be converted.
    """
    if is_pandas(data):
        return _normalize_pandas(data)
    if isinstance(data, np.ndarray):
        return None
    try:
        if hasattr(data, "to_dataframe") and hasattr(data, "dims"):
            return _convert_xarray(data) if hasattr(data, "ndim") else data.to_dataframe()
        if hasattr(data, "__arrow_c_stream__"):
            return _convert_arrow(data)
        if hasattr(data, "__dataframe__"):
            from pyarrow.interchange import from_dataframe

            return from_dataframe(data).to_pandas()
    except Exception as error:  # other libraries raise errors of any type
        raise SeriesError(
            f"the {type(data).__name__} cannot be read as a table ({error}); give it as pandas"
        ) from error
    return None


def as_array(data: Any) -> Any:
    """Convert an object with DLPack support to a NumPy array; return any other object unchanged.

    Raises:
        SeriesError: the object cannot be converted.
    """
    if isinstance(data, np.ndarray) or not hasattr(data, "__dlpack__"):
        return data
    try:
        return np.asarray(data) if hasattr(data, "__array__") else np.from_dlpack(data)
    except (TypeError, ValueError, RuntimeError) as error:
        try:
            return np.from_dlpack(data)
        except (TypeError, ValueError, RuntimeError, BufferError) as failure:
            raise SeriesError(
                f"the {type(data).__name__} cannot be read as an array ({error}); give it as a NumPy array"
            ) from failure


def _normalize_pandas(data: object) -> pd.DataFrame | pd.Series | None:
    """Convert an index or extension array to a Series, and keep a DataFrame or Series;
    None for a scalar.

    Raises:
        SeriesError: the object is of another pandas type.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame | pd.Series):
        return data
    if isinstance(data, pd.Index):
        return data.to_series(index=range(len(data)))
    if isinstance(data, pd.api.extensions.ExtensionArray):
        return pd.Series(data)
    if pd.api.types.is_scalar(data) or isinstance(data, type):
        return None
    raise SeriesError(f"a pandas {type(data).__name__} is not a table; give a DataFrame or a Series")


def _convert_xarray(data: Any) -> pd.DataFrame | pd.Series | None:
    """Convert an array of xarray to pandas, with times along the rows; None for a scalar.

    Raises:
        ValueError: it has more than two dimensions.
    """
    dated = [name for name, labels in data.coords.items() if labels.ndim == 1 and labels.dtype.kind == "M"]
    for name in dated:
        (along,) = data.coords[name].dims
        if len(dated) == 1 and along not in data.indexes:
            data, along = data.swap_dims({along: name}), name
        if data.ndim == TABLE_NDIM and along == data.dims[1]:
            data = data.transpose()
    return data.to_pandas() if data.ndim else None


def _convert_arrow(data: Any) -> pd.DataFrame | pd.Series:
    """Convert an object with an Arrow C stream to a DataFrame,
    or to a Series if it is one column."""
    import pyarrow as pa

    if hasattr(data, "column_names") or hasattr(data, "columns") or isinstance(data, pa.RecordBatchReader):
        return pa.table(data).to_pandas() if not hasattr(data, "read_all") else data.read_all().to_pandas()
    values = pa.chunked_array(data).to_pandas()
    return values.rename(getattr(data, "name", None) or None)
