"""Several series that are learned together, from what users have them in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from freerun.data.dates import looks_like_date
from freerun.data.interchange import as_pandas
from freerun.data.rows import ReadOptions
from freerun.data.series import Series
from freerun.data.table import UNIQUE_ID, Table
from freerun.errors import SeriesError


def panel_of(data: Any, inputs: Any = None) -> tuple[Series, ...]:
    """One series or several.

    Args:
        data: what `Series.of` takes; or a list, tuple or dict of such; or a table, or a file with one, that has a
            column `unique_id`; or a DataFrame whose index has two levels, the name of the series and the time.
        inputs: external inputs, in the same form: for several series, as many, in the same order or under the same
            names. A list of column names goes for all of them.

    Raises:
        SeriesError: see `Series.of`; or not as many external inputs as series.
    """
    parts = _parts(data)
    if parts is None:
        return (Series.of(data, inputs=inputs),)
    if not parts:
        raise SeriesError("there is no series in the panel; give one or more")
    if inputs is None or (isinstance(inputs, list | tuple) and all(isinstance(name, str) for name in inputs)):
        return tuple(_named(name, part, inputs) for name, part in parts.items())
    known = _parts(inputs)
    if known is None or len(known) != len(parts):
        raise SeriesError(
            f"{'one set' if known is None else len(known)} of external inputs for {len(parts)} series; give one for "
            "each"
        )
    if isinstance(data, list | tuple):
        return tuple(
            _named(name, part, given) for (name, part), given in zip(parts.items(), known.values(), strict=True)
        )
    if set(known) != set(parts):
        raise SeriesError(f"the external inputs are named {', '.join(map(str, known))}, the series otherwise")
    return tuple(_named(name, part, known[name]) for name, part in parts.items())


def fingerprint(panel: Sequence[Series]) -> str:
    """A number, in hexadecimal digits, that other series do not have."""
    content = hashlib.sha256()
    for series in panel:
        content.update(repr((series.channels, series.input_names, series.shape, series.times.dtype.str)).encode())
        for array in (series.values, series.inputs, series.times):
            content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def _parts(data: Any) -> dict[Any, Any] | None:
    """The series of a panel by name; None for one series."""
    if isinstance(data, Mapping):
        for name, part in data.items():
            if not _is_series(part):
                raise SeriesError(
                    f"{name!r} of the dict is a {type(part).__name__}, so that it may be the column of a table or "
                    "one of several series; give a DataFrame for a table, or arrays (np.array) for several series"
                )
        return dict(data)
    if isinstance(data, list | tuple):
        return dict(enumerate(data)) if data and all(_is_series(part) for part in data) else None
    if isinstance(data, str | Path):
        return Series.all_from_options(data, ReadOptions())
    frame = None if isinstance(data, Series) else as_pandas(data)
    if frame is None:
        return None
    if frame.index.nlevels > 1:
        return _by_level(frame)
    return _long_format(frame)


def _long_format(frame: Any) -> dict[Any, Any] | None:
    there = frame.ndim == 2 and UNIQUE_ID in frame.columns
    return Table.of_frame(frame).groups(UNIQUE_ID) if there else None


def _by_level(frame: Any) -> dict[Any, Any]:
    """The series of a DataFrame whose index has two levels, of which the dates are the time."""
    levels = frame.index.levels
    if len(levels) > 2:
        raise SeriesError(
            f"the index has {len(levels)} levels ({', '.join(map(str, frame.index.names))}); give two, the name of the "
            "series and the time"
        )
    dated = [bool(len(level)) and looks_like_date(_moment(level[0])) for level in levels]
    series, time = (1, 0) if dated == [True, False] else (0, 1)
    if dated == [True, True]:
        raise SeriesError("both levels of the index hold dates; give the name of the series and the time")
    groups = frame.groupby(level=series, sort=False)
    return {name: part.droplevel(1 - time) for name, part in groups}


def _moment(label: Any) -> Any:
    return label.to_timestamp() if hasattr(label, "to_timestamp") else label


def _is_series(part: Any) -> bool:
    return isinstance(part, Series | Table | np.ndarray) or hasattr(part, "__array__") or as_pandas(part) is not None


def _named(name: Any, data: Any, inputs: Any) -> Series:
    """One of them; its name is in the message when it cannot be used."""
    try:
        return Series.of(data, inputs=inputs)
    except SeriesError as error:
        raise SeriesError(f"series {name} of the panel: {error}") from error
