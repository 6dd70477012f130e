"""Panels: several series that one network is trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.data.arrays import interpolated
from freerun.data.dates import looks_like_date
from freerun.data.interchange import as_pandas, is_table
from freerun.data.rows import ReadOptions
from freerun.data.series import Series
from freerun.data.table import MOST_NAMES, UNIQUE_ID, Table
from freerun.data.timecolumn import TIME_COLUMNS
from freerun.data.timeline import normalize_index
from freerun.errors import SeriesError
from freerun.known import KnownModel

if TYPE_CHECKING:
    import pandas as pd

PERHAPS = 1
"""Score of an index level of numbers, which may be times."""

Parts = Mapping[Any, Any]
"""The data of each series, by its name."""

DATES = 2
"""Score of an index level of dates or durations, which are times."""


def panel_of(data: object, inputs: object = None) -> tuple[Series, ...]:
    """Convert data to one or several series.

    Args:
        data: data of one series, see `Series.of`; or a list, tuple or dict of such data; or a table
            or file with a column `unique_id`; or a DataFrame whose index has two levels, the name
            of the series and the time.
        inputs: external inputs. For several series, a collection of the same length, with the same
            order or names. A list of column names applies to all series.

    Returns:
        The series, in the order of the data.

    Raises:
        SeriesError: a series is invalid, or the external inputs do not match the series.
    """
    parts = _split(data)
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if parts is None:
        return (Series.of(data, inputs=inputs),)
    if not parts:
        raise SeriesError("the panel is empty; give at least one series")
    if inputs is None or (isinstance(inputs, list | tuple) and all(isinstance(name, str) for name in inputs)):
        return tuple(_make_series(name, part, inputs) for name, part in parts.items())
    known = _split(inputs)
    if known is None or len(known) != len(parts):
        raise SeriesError(
            f"{'one set' if known is None else len(known)} of external inputs for {len(parts)} series; give one for "
            "each"
        )
    if isinstance(data, list | tuple):
        return tuple(
            _make_series(name, part, given) for (name, part), given in zip(parts.items(), known.values(), strict=True)
        )
    if set(known) != set(parts):
        raise SeriesError(
            f"the external inputs are named {_join_names(known)}, and the series {_join_names(parts)}; give them "
            "under the names of the series"
        )
    return tuple(_make_series(name, part, known[name]) for name, part in parts.items())


def fingerprint(panel: Sequence[Series]) -> str:
    """Compute a SHA-256 hash of the names, values, inputs and times of the series,
    in hexadecimal digits."""
    content = hashlib.sha256()
    for series in panel:
        content.update(repr((series.channels, series.input_names, series.shape, series.times.dtype.str)).encode())
        for array in (series.values, series.inputs, series.times):
            content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def fingerprints(
    training: Sequence[Series], learned: Sequence[Series], validation: Series | None, model: KnownModel | None
) -> dict[str, str | None]:
    """Hashes of all data of a fit: of the series that it learns, of those that it watches,
    and of what a model says.

    Args:
        training: the series that are learned.
        learned: the same, or of a series that is read in parts, its end and a sample of it.
        validation: the series whose one-step error is recorded.
        model: the known model, whose estimates stand for its function.
    """
    estimates = None if model is None else [model(*_complete(series)).tobytes() for series in training]
    return {
        "series": fingerprint(learned),
        "validation series": None if validation is None else fingerprint([validation]),
        "known model": None if estimates is None else hashlib.sha256(b"".join(estimates)).hexdigest(),
    }


def _complete(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """The values and the external inputs of a series, missing ones interpolated."""
    return interpolated(series.values), interpolated(series.inputs[: len(series)])


def _split(data: object) -> Parts | None:
    """Split data into the data of each series, by name; None if the data are one series."""
    if isinstance(data, Mapping) and as_pandas(data) is None:
        for name, part in data.items():
            if not _is_series(part):
                raise SeriesError(
                    f"{name!r} of the dict is a {type(part).__name__}, which may be a column of a table or one of "
                    "several series; give a DataFrame for a table, or arrays (np.array) for several series"
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
        return _split_by_level(frame)
    return _split_by_column(frame)


def _split_by_column(frame: pd.DataFrame | pd.Series) -> Parts | None:
    return Table.of_frame(frame).groups(UNIQUE_ID) if is_table(frame) and UNIQUE_ID in frame.columns else None


def _split_by_level(frame: Any) -> Parts:
    """Split a DataFrame whose index has two levels, the name of the series and the time,
    into DataFrames by name."""
    levels, names = frame.index.levels, frame.index.names
    if len(levels) > 2:
        raise SeriesError(
            f"the index has {len(levels)} levels ({', '.join(map(str, names))}); give two, the name of the series and "
            "the time"
        )
    dated = [_rate_as_times(level) for level in levels]
    named = [str(name).lower() in TIME_COLUMNS for name in names]
    both_times = dated == [DATES, DATES] or (named == [True, True] and dated[0] == dated[1])
    if both_times and named[0] == named[1]:
        raise SeriesError(
            f"both levels of the index ({', '.join(map(str, names))}) hold times; give the name of the series and the "
            "time"
        )
    first = dated[0] > dated[1] or (dated[0] == dated[1] and named == [True, False])
    series, time = (1, 0) if first else (0, 1)
    if frame.index.codes[series].min() < 0:
        row = int((frame.index.codes[series] < 0).argmax())
        raise SeriesError(f"row {row} of the index has no name of a series; fill it in")
    groups = frame.groupby(level=series, sort=False)
    return {name: part.droplevel(1 - time) for name, part in groups}


def _rate_as_times(level: Any) -> int:
    """Rate whether the labels of an index level are times: 0 for no, `PERHAPS` for perhaps,
    `DATES` for yes."""
    level = normalize_index(level)
    if not len(level):
        return 0
    first = level[0].to_timestamp() if hasattr(level[0], "to_timestamp") else level[0]
    if looks_like_date(first) or isinstance(first, timedelta):
        return DATES
    return PERHAPS if isinstance(first, Real) and not isinstance(first, bool | np.bool_) else 0


def _join_names(names: Iterable[object]) -> str:
    """Join the first names by commas, for a message."""
    shown = list(map(str, names))
    return ", ".join(shown[:MOST_NAMES]) + (", ..." if len(shown) > MOST_NAMES else "")


def _is_series(part: object) -> bool:
    if isinstance(part, np.generic):  # a number, which has `__array__`, too
        return False
    return isinstance(part, Series | Table | np.ndarray) or hasattr(part, "__array__") or as_pandas(part) is not None


def _make_series(name: object, data: object, inputs: object) -> Series:
    """Make a series of a panel; its name is in the message of an error."""
    try:
        return Series.of(data, inputs=inputs)
    except SeriesError as error:
        raise SeriesError(f"series {name} of the panel: {error}") from error
