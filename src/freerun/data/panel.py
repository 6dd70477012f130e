"""Several series that are learned together, from what users have them in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from freerun.data.series import Series
from freerun.errors import SeriesError


def panel_of(data: Any, inputs: Any = None) -> tuple[Series, ...]:
    """One series or several.

    Args:
        data: what `Series.of` takes; or a list, tuple or dict of such; or a DataFrame whose index has two levels, the
            series and the time.
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
    if isinstance(data, Mapping) and set(known) != set(parts):
        raise SeriesError(f"the external inputs are named {', '.join(map(str, known))}, the series otherwise")
    keys = parts if isinstance(data, Mapping) else known
    return tuple(_named(name, part, known[key]) for (name, part), key in zip(parts.items(), keys, strict=True))


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
        return dict(data)
    if isinstance(data, list | tuple) and data and all(_is_series(part) for part in data):
        return dict(enumerate(data))
    index: Any = None if isinstance(data, Series) else getattr(data, "index", None)
    if getattr(index, "nlevels", 1) != 2:
        return None
    frame: Any = data
    return {name: part.droplevel(0) for name, part in frame.groupby(level=0, sort=False)}


def _is_series(part: Any) -> bool:
    return isinstance(part, Series | np.ndarray) or type(part).__module__.partition(".")[0] == "pandas"


def _named(name: Any, data: Any, inputs: Any) -> Series:
    """One of them; its name is in the message when it cannot be used."""
    try:
        return Series.of(data, inputs=inputs)
    except SeriesError as error:
        raise SeriesError(f"series {name} of the panel: {error}") from error
