"""`Columns`: the columns of a table in long format by their meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

import numpy as np

from freerun.data.numerals import is_missing
from freerun.data.rows import ReadOptions, Rows
from freerun.data.series import Series
from freerun.data.table import UNIQUE_ID, Table
from freerun.data.timecolumn import find_times
from freerun.errors import SeriesError

TIME = "time"
"""Name of the times of the result if the table has no single column of times."""


Unit = Literal["s", "ms", "us", "ns"]
"""Units of `datetime64` that pandas has."""


@dataclass(frozen=True)
class Clock:
    """The kind of the times of a table, which is the same for all of its series.

    Attributes:
        kind: `number`, `date`, `period` or `span`.
        zone: time zone of dates; None if there is none.
        unit: unit of `datetime64`: `s`, `ms`, `us` or `ns`.
        whole: whether the times are integers.
    """

    kind: str = "number"
    zone: str | None = None
    unit: Unit = "us"
    whole: bool = False

    @classmethod
    def of(cls, series: Series, whole: bool = False) -> Clock:
        """Return the clock of a series.

        Args:
            series: the series.
            whole: whether its times came as integers.
        """
        calendar, kind = series.calendar, series.times.dtype.kind
        if kind != "M":
            return cls("span" if calendar.spans else "number", whole=whole)
        unit = np.datetime_data(series.times.dtype)[0]
        known: Unit = cast("Unit", unit) if unit in get_args(Unit) else "us"
        return cls("period" if calendar.periods else "date", calendar.zone, known)

    def agrees(self, other: Clock) -> bool:
        """Whether times of the other clock can be in the same column."""
        return (self.kind, self.zone) == (other.kind, other.zone)

    @property
    def description(self) -> str:
        """The kind of the times in words, for messages."""
        return f"{self.kind}s{f' in the zone {self.zone}' if self.zone else ''}"


@dataclass(frozen=True)
class Columns:
    """The columns of a table in long format.

    Attributes:
        id: the column with the name of the series.
        times: the columns of the times; empty if each row is one step.
        targets: the channels to forecast.
        inputs: the external inputs.
        clock: the kind of the times.
        static: the static covariates.
    """

    id: str
    times: tuple[str, ...]
    targets: tuple[str, ...]
    inputs: tuple[str, ...]
    clock: Clock
    static: tuple[str, ...] = ()

    @property
    def time(self) -> str:
        """Name of the times of the result."""
        return self.times[0] if len(self.times) == 1 else TIME

    @property
    def read(self) -> tuple[str, ...]:
        """The columns beside `id` that are read."""
        return tuple(dict.fromkeys((*self.times, *self.targets, *self.inputs, *self.static)))

    def read_options(self, options: ReadOptions) -> ReadOptions:
        """Return options that read one series, or several one below the other: these columns,
        and no id."""
        time = self.times[0] if len(self.times) == 1 else None
        return replace(options, columns=(*self.targets, *self.inputs), time=time, id=None)


def find_id(names: Sequence[str], asked: str | None) -> str | None:
    """Return the column with the name of the series: the one that is asked for,
    or `unique_id` if it is there."""
    return asked if asked is not None else (UNIQUE_ID if UNIQUE_ID in names else None)


def choose_columns(head: Table, options: ReadOptions, inputs: Sequence[str], static: Sequence[str] = ()) -> Columns:
    """Choose the columns by the first series of a table.

    The first one of them that can be read decides. The times, and the channels if none are given,
    are found as in a table of a single series.

    Args:
        head: the first rows of the table, with all of its columns.
        options: the columns that are given, and how to read them; `id` is required.
        inputs: columns of external inputs.
        static: columns of static covariates.

    Raises:
        SeriesError: a column does not exist, is used twice, or none of the series can be read.
    """
    id_column = options.id or UNIQUE_ID
    targets = tuple(name for name in options.columns if name not in inputs)
    head.require_columns((id_column, *options.columns, *inputs, *static, *((options.time,) if options.time else ())))
    named = [id_column, *targets, *inputs, *static, *((options.time,) if options.time else ())]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        head.fault(
            f"column {twice!r} is given twice; it is one of: the id, the time, a target, an external "
            "input, a static covariate"
        )
    fault: SeriesError | None = None
    for table in _first_series(head.without(*static), id_column):
        try:
            found = _columns_of_series(table, id_column, targets, tuple(inputs), options)
            return replace(found, static=tuple(static))
        except SeriesError as error:
            fault = fault or error
    raise fault or SeriesError(f"column {id_column!r} has no name of a series")


def _columns_of_series(
    table: Table, id_column: str, targets: tuple[str, ...], inputs: tuple[str, ...], options: ReadOptions
) -> Columns:
    """Choose the columns by the table of one series."""
    given = replace(options, columns=(*targets, *inputs) if targets else (), id=None)
    numerals = table.detect_numerals(given)
    found = find_times(table, options.time, (*targets, *inputs), numerals)
    rows: Rows = table.rows(given)
    channels = targets or tuple(name for name in rows.channels if name not in inputs)
    if not channels:
        raise SeriesError("there is no column to forecast beside the times and external inputs; name one (--target)")
    times = found.columns if found.timed else ()
    series = Series.of_rows(rows, replace(given, missing="interpolate" if options.missing == "error" else "mask"))
    whole = len(times) == 1 and getattr(getattr(table.columns[times[0]], "dtype", None), "kind", "") in "iu"
    return Columns(id_column, times, channels, inputs, Clock.of(series, bool(whole)))


def _first_series(head: Table, id_column: str) -> Iterator[Table]:
    """Yield the tables of the series in the first rows, without the column of their names."""
    rows: dict[Any, list[int]] = {}
    for row, name in enumerate(head.columns[id_column]):
        if not is_missing(name):
            rows.setdefault(name, []).append(row)
    rest = head.without(id_column)
    if not rest.columns:
        head.fault(f"there is no column besides {id_column!r}, which names the series")
    for places in rows.values():
        yield rest.take(places)
