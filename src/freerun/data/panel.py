"""Several series that are learned together, from what users have them in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from freerun.data.dates import looks_like_date
from freerun.data.interchange import as_pandas
from freerun.data.rows import ReadOptions
from freerun.data.series import Series
from freerun.data.table import NAMED, UNIQUE_ID, Table
from freerun.data.timecolumn import TIME_COLUMNS
from freerun.data.timeline import plain_index
from freerun.errors import SeriesError

NUMBERS, DATES = 1, 2
"""How surely labels of an index are times."""


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
    inputs = [inputs] if isinstance(inputs, str) else inputs
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
        raise SeriesError(
            f"the external inputs are named {_listed(known)}, and the series {_listed(parts)}; give them under the "
            "names of the series"
        )
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
    if isinstance(data, Mapping) and as_pandas(data) is None:
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
    levels, names = frame.index.levels, frame.index.names
    if len(levels) > 2:
        raise SeriesError(
            f"the index has {len(levels)} levels ({', '.join(map(str, names))}); give two, the name of the series and "
            "the time"
        )
    dated = [_may_be_times(level) for level in levels]
    named = [str(name).lower() in TIME_COLUMNS for name in names]
    both = dated == [DATES, DATES] or (named == [True, True] and dated[0] == dated[1])
    if both and named[0] == named[1]:
        raise SeriesError(
            f"both levels of the index ({', '.join(map(str, names))}) hold times; give the name of the series and the "
            "time"
        )
    first = dated[0] > dated[1] or (dated[0] == dated[1] and named == [True, False])
    series, time = (1, 0) if first else (0, 1)
    if frame.index.codes[series].min() < 0:
        row = int((frame.index.codes[series] < 0).argmax())
        raise SeriesError(f"row {row} of the index names no series; fill it in")
    groups = frame.groupby(level=series, sort=False)
    return {name: part.droplevel(1 - time) for name, part in groups}


def _may_be_times(level: Any) -> int:
    """How surely the labels of a level are times: not at all, as any numbers, or as dates."""
    level = plain_index(level)
    if not len(level):
        return 0
    first = level[0].to_timestamp() if hasattr(level[0], "to_timestamp") else level[0]
    if looks_like_date(first) or isinstance(first, timedelta):
        return DATES
    return NUMBERS if isinstance(first, Real) and not isinstance(first, bool | np.bool_) else 0


def _listed(names: Iterable[Any]) -> str:
    """A few of the names."""
    shown = list(map(str, names))
    return ", ".join(shown[:NAMED]) + (", ..." if len(shown) > NAMED else "")


def _is_series(part: Any) -> bool:
    return isinstance(part, Series | Table | np.ndarray) or hasattr(part, "__array__") or as_pandas(part) is not None


def _named(name: Any, data: Any, inputs: Any) -> Series:
    """One of them; its name is in the message when it cannot be used."""
    try:
        return Series.of(data, inputs=inputs)
    except SeriesError as error:
        raise SeriesError(f"series {name} of the panel: {error}") from error
