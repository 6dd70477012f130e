"""Tables and arrays of other libraries, without importing them: polars, Arrow, xarray, torch and their like."""

from __future__ import annotations

from typing import Any

import numpy as np

from freerun.errors import SeriesError

PANDAS = "pandas"

MATRIX = 2
"""Dimensions of a table."""


def is_pandas(data: Any) -> bool:
    """Whether an object is pandas' own."""
    return type(data).__module__.partition(".")[0] == PANDAS


def as_pandas(data: Any) -> Any:
    """A table of any library as a pandas DataFrame or Series; None for what is no table.

    Tables come through the Arrow stream (`__arrow_c_stream__`) or the dataframe interchange protocol
    (`__dataframe__`), labelled arrays of xarray through their own conversion, which keeps the coordinates.

    Raises:
        SeriesError: the table cannot be converted.
    """
    if is_pandas(data):
        return _of_pandas(data)
    if isinstance(data, np.ndarray):
        return None
    try:
        if hasattr(data, "to_dataframe") and hasattr(data, "dims"):
            return _of_labelled(data) if hasattr(data, "ndim") else data.to_dataframe()
        if hasattr(data, "__arrow_c_stream__"):
            return _of_stream(data)
        if hasattr(data, "__dataframe__"):
            from pyarrow.interchange import from_dataframe

            return from_dataframe(data).to_pandas()
    except Exception as error:  # whatever the other library makes of it
        raise SeriesError(
            f"the {type(data).__name__} cannot be read as a table ({error}); give it as pandas"
        ) from error
    return None


def as_array(data: Any) -> Any:
    """What NumPy can take: the object itself, or its memory by DLPack where it does not convert itself.

    Raises:
        SeriesError: it cannot be converted.
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


def _of_pandas(data: Any) -> Any:
    """A DataFrame or Series as it is, an index or array of pandas as a Series; None for a single value."""
    import pandas as pd

    if isinstance(data, pd.DataFrame | pd.Series):
        return data
    if isinstance(data, pd.Index):
        return data.to_series(index=range(len(data)))
    if isinstance(data, pd.api.extensions.ExtensionArray):
        return pd.Series(data)
    if pd.api.types.is_scalar(data) or isinstance(data, type):
        return None
    raise SeriesError(f"a {type(data).__name__} of pandas is no table; give a DataFrame or a Series")


def _of_labelled(data: Any) -> Any:
    """An array of xarray, rows along its times; None for a single number.

    Raises:
        ValueError: it has more than two dimensions.
    """
    dated = [name for name, labels in data.coords.items() if labels.ndim == 1 and labels.dtype.kind == "M"]
    for name in dated:
        (along,) = data.coords[name].dims
        if len(dated) == 1 and along not in data.indexes:
            data, along = data.swap_dims({along: name}), name
        if data.ndim == MATRIX and along == data.dims[1]:
            data = data.transpose()
    return data.to_pandas() if data.ndim else None


def _of_stream(data: Any) -> Any:
    import pyarrow as pa

    if hasattr(data, "column_names") or hasattr(data, "columns") or isinstance(data, pa.RecordBatchReader):
        return pa.table(data).to_pandas() if not hasattr(data, "read_all") else data.read_all().to_pandas()
    values = pa.chunked_array(data).to_pandas()
    return values.rename(getattr(data, "name", None) or None)
