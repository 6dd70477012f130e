"""Tables and arrays of other libraries, without importing them: polars, Arrow, xarray, torch and their like."""

from __future__ import annotations

from typing import Any

import numpy as np

from freerun.errors import SeriesError

PANDAS = "pandas"


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
        return data if hasattr(data, "iloc") else _of_values(data)
    if isinstance(data, np.ndarray):
        return None
    try:
        if hasattr(data, "to_dataframe") and hasattr(data, "dims"):
            return data.to_pandas() if hasattr(data, "ndim") else data.to_dataframe()
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
        return np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:
        try:
            return np.from_dlpack(data)
        except (TypeError, ValueError, RuntimeError, BufferError) as failure:
            raise SeriesError(
                f"the {type(data).__name__} cannot be read as an array ({error}); give it as a NumPy array"
            ) from failure


def _of_stream(data: Any) -> Any:
    import pyarrow as pa

    if hasattr(data, "column_names") or hasattr(data, "columns"):
        return pa.table(data).to_pandas()
    values = pa.chunked_array(data).to_pandas()
    return values.rename(getattr(data, "name", None) or None)


def _of_values(data: Any) -> Any:
    """An index or an array of pandas as a Series that counts from 0."""
    import pandas as pd

    return pd.Series(data, index=range(len(data)))
