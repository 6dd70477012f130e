"""Read a file as a user asks (`Reading`), and describe what was found in it (`Understanding`)."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from freerun.data.columns import holds_durations, holds_objects, holds_times
from freerun.data.dates import looks_like_date
from freerun.data.io import read_table
from freerun.data.numerals import Numerals, is_missing
from freerun.data.rows import ReadOptions, Rows
from freerun.data.seasons import seasons_of
from freerun.data.series import Series, refuse_empty
from freerun.data.table import Table
from freerun.data.timecolumn import find_times
from freerun.errors import FreerunError, SeriesError, SeriesWarning
from freerun.files.writing import JSON
from freerun.reporting.findings import Facts, facts_of_series, step_name
from freerun.reporting.outlook import default_horizon

HEAD = 5
"""Rows of the file that are shown as they are."""

JUDGED = 200
"""Rows at the beginning that decide whether a column holds numbers, dates or text."""

MOST_NAMES = 2000
"""Most names of series that are sent to the page."""

MOST_POINTS = 1500
"""Most points of a curve; of a longer series, steps are left out evenly."""

LONGEST_CELL = 60
"""Most characters of a cell, or of a line, that are shown."""


@dataclass(frozen=True)
class Reading:
    """How a user asks for a file to be read.

    Attributes:
        options: columns, times, missing values and resampling. An `id` names a column alone,
            never one of the series.
        inputs: columns that are external inputs.
        single: whether all rows belong to one series, even if a column looks like names of several.
    """

    options: ReadOptions = field(default_factory=ReadOptions)
    inputs: tuple[str, ...] = ()
    single: bool = False

    @classmethod
    def of_json(cls, given: JSON) -> Reading:
        """Read what `to_json` made."""
        options = dict(given["options"])
        options["columns"] = tuple(options["columns"])
        return cls(ReadOptions(**options), tuple(given["inputs"]), given["single"])

    def to_json(self) -> JSON:
        """Convert to values of JSON."""
        return asdict(self)

    def options_for(self, series: str) -> ReadOptions:
        """Return the options that read one of the series. An empty name stands for the only one."""
        return replace(self.options, id=f"{self.options.id}={series}") if self.options.id and series else self.options


@dataclass(frozen=True)
class Understanding:
    """What was found in a file, in values that JSON holds.

    Attributes:
        rows: number of rows.
        columns: `number`, `date` or `text` for each column, judged by its first cells.
        head: the first rows as they are, one cell for each column; of a file that is no table,
            its first lines.
        reading: how the file was read. It includes the columns
            that were found without being asked for.
        times: columns of the times.
        left_out: columns of text that are not read.
        ids: names of the series of a table in long format, at most `MOST_NAMES`;
            empty for one series.
        count: number of series.
        shown: name of the series that is described below; empty for one series.
        channels: channels of the series.
        facts: about the series; see `freerun.reporting.findings`.
        notes: warnings while the file was read.
        curves: points (time, value) by channel and input; see `axis_values`.
        axis: name of the axis of times; empty for dates, which need none.
        word: the word for a step.
        steps: number of steps.
        horizon: default number of steps to forecast.
        known_ahead: number of future steps whose external inputs are known.
        error: why the file cannot be read; empty if it can.
    """

    rows: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    head: list[list[str]] = field(default_factory=list)
    reading: JSON = field(default_factory=lambda: Reading().to_json())
    times: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    count: int = 1
    shown: str = ""
    channels: list[str] = field(default_factory=list)
    facts: Facts = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    curves: dict[str, list[list[float | None]]] = field(default_factory=dict)
    axis: str = "step"
    word: str = "step"
    steps: int = 0
    horizon: int = 1
    known_ahead: int = 0
    error: str = ""


def understand(path: Path, reading: Reading, shown: str = "") -> tuple[Understanding, Series | None]:
    """Read a file, and describe what was found. Nothing is raised for a file that cannot be read.

    Args:
        path: the file.
        reading: how to read it.
        shown: name of the series to describe; empty for the first one.

    Returns:
        What was found, and the series that is described; None if it cannot be read.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SeriesWarning)
        found, series = _understand(path, reading, shown)
    return replace(found, notes=[_without_path(warning.message, path) for warning in caught]), series


def _understand(path: Path, reading: Reading, shown: str) -> tuple[Understanding, Series | None]:
    """Read a file, and describe what was found, without the notes."""
    try:
        found = read_table(path)
    except FreerunError as error:
        return Understanding(head=_first_lines(path), error=_without_path(error, path)), None
    seen = _describe_table(found)
    try:
        if isinstance(found, Table):
            seen, reading, shown = _find_columns(found, seen, reading, shown)
        series = read_series(found, reading, shown)
        refuse_empty(series)
    except FreerunError as error:
        return replace(seen, reading=reading.to_json(), error=_without_path(error, path)), None
    return _describe_series(seen, reading, shown, series), series


def read_series(found: Table | Rows | Path, reading: Reading, series: str) -> Series:
    """Read one series.

    Args:
        found: the table, the rows of an array, or the file.
        reading: how to read it.
        series: name of the series; empty where there is only one.

    Raises:
        SeriesError: it cannot be read.
    """
    return Series.from_options(found, reading.options_for(series), reading.inputs)


def _describe_table(found: Table | Rows) -> Understanding:
    """Describe the columns and the first rows of a table, before it is read as a series."""
    if isinstance(found, Rows):
        names = found.channels or tuple(f"x{i}" for i in range(found.values.shape[1]))
        head = [[f"{cell:g}" for cell in row] for row in found.values[:HEAD]]
        return Understanding(len(found.values), dict.fromkeys(names, "number"), head)
    part = found.between(0, JUDGED)
    kinds = {name: _kind_of(part, name) for name in found.columns}
    cells = [["" if is_missing(c) else str(c)[:LONGEST_CELL] for c in list(part.columns[n])[:HEAD]] for n in kinds]
    return Understanding(len(found), kinds, [list(row) for row in zip(*cells, strict=True)])


def _kind_of(table: Table, name: str) -> str:
    """Return what most cells of a column are: `number`, `date` or `text`."""
    cells = table.columns[name]
    if holds_times(cells) and not holds_durations(cells):
        return "date"
    if not holds_objects(cells):
        return "number"
    given = [cell for cell in cells if not is_missing(cell)]
    numerals = Numerals.of([given], table.decimal)
    numbers = sum(numerals.number(cell) is not None for cell in given)
    if 2 * numbers >= len(given):
        return "number"
    return "date" if 2 * sum(map(looks_like_date, given)) > len(given) else "text"


def _find_columns(
    table: Table, seen: Understanding, reading: Reading, shown: str
) -> tuple[Understanding, Reading, str]:
    """Find the column with the names of series, and the columns to read,
    unless the reading gives them."""
    options = reading.options
    if options.id is None and not reading.single:
        options = replace(options, id=table.id_column(options.time))
    names: list[str] = []
    one = table
    if options.id is not None:
        groups = table.groups(options.id)
        names = list(groups)
        shown = shown if shown in groups else names[0]
        one = groups[shown]
    seen = replace(seen, ids=names[:MOST_NAMES], count=max(1, len(names)), shown=shown if names else "")
    reading = replace(reading, options=options)
    times = find_times(one, options.time, options.columns, one.detect_numerals(options)).columns
    seen = replace(seen, times=list(times))
    texts = [name for name in one.columns if seen.columns[name] == "text" and name not in times]
    if texts and not options.columns:
        numbers = tuple(n for n in one.columns if seen.columns[n] == "number" and n not in times)
        if not numbers:
            raise SeriesError(f"no column holds numbers; there are: {', '.join(seen.columns)}")
        reading = replace(reading, options=replace(options, columns=numbers))
        seen = replace(seen, left_out=texts)
    return seen, reading, shown if names else ""


def _describe_series(seen: Understanding, reading: Reading, shown: str, series: Series) -> Understanding:
    """Add the description of the series: facts, curves, and what a forecast of it needs."""
    times = axis_values(series.drawn_times)
    columns = dict(zip(series.channels, series.values.T, strict=True))
    own = series.own_input_names
    columns |= dict(zip(own, series.inputs[: len(series), : len(own)].T, strict=True))
    every = -(-len(series) // MOST_POINTS)
    curves = {name: to_pairs(times[::every], column[::every]) for name, column in columns.items()}
    return replace(
        seen,
        reading=reading.to_json(),
        shown=shown,
        channels=list(series.channels),
        facts=facts_of_series(series),
        curves=curves,
        axis=axis_name(series),
        word=step_name(series),
        steps=len(series),
        horizon=default_horizon(len(series), seasons_of(series)),
        known_ahead=series.known_ahead,
    )


def axis_values(times: np.ndarray) -> np.ndarray:
    """Convert times to numbers for an axis. Dates become milliseconds since 1970."""
    if times.dtype.kind == "M":
        return times.astype("datetime64[us]").astype(np.int64) / 1000
    return np.asarray(times, float)


def axis_name(series: Series) -> str:
    """Return the name of the axis of times; empty for dates, which need none."""
    if series.drawn_times.dtype.kind == "M":
        return ""
    return "time" if series.timed else "step"


def to_pairs(times: np.ndarray, values: np.ndarray) -> list[list[float | None]]:
    """Convert a curve to points (time, value), with None for a missing value."""
    return [[float(t), float(v) if np.isfinite(v) else None] for t, v in zip(times, values, strict=True)]


def _first_lines(path: Path) -> list[list[str]]:
    """Return the first lines of a text file; empty for other files."""
    with path.open("rb") as file:
        start = file.read(4096)
    if b"\0" in start or path.suffix.lower() in (".gz", ".xlsx", ".parquet", ".npy", ".npz"):
        return []
    return [[line[:LONGEST_CELL]] for line in start.decode("utf-8", "replace").splitlines()[:HEAD]]


def _without_path(message: Warning | str | Exception, file: Path) -> str:
    """Remove the temporary path of the file from a message. The user does not know it."""
    return str(message).removeprefix(f"{file}: ").replace(f"{file}, ", "").replace(str(file), "the file")
