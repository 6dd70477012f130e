"""`Series`: the values of a time series, with its channels, its times and its external inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from freerun.arguments import LARGEST, positive, whole_number
from freerun.data.alignment import (
    at_same_time,
    inputs_ahead,
    inputs_beside,
    places_of,
    require_same_steps,
    steps_read_before,
    tell_what_follows,
)
from freerun.data.arrays import as_matrix, default_channels, owned, refuse_at, treat_missing
from freerun.data.intake import rows_of
from freerun.data.interchange import as_pandas
from freerun.data.io import chosen, read_table, write_series
from freerun.data.oddities import refuse_fill_values, without_fill_values
from freerun.data.rows import ReadOptions, Rows
from freerun.data.steps import spacing, steps_of
from freerun.data.table import UNIQUE_ID, Table
from freerun.data.timeline import (
    Calendar,
    drawn_times,
    following,
    plain_times,
    resampled,
    to_index,
)
from freerun.errors import SeriesError, SeriesFileError, warn
from freerun.settings import Missing

if TYPE_CHECKING:
    import pandas as pd

ROWS = "rows"
"""What to resample to where each row is a step, whatever its time."""

GIVEN = ("channels", "times", "input_names")
"""What came with the data, or was counted by freerun."""


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """A regularly sampled time series. Its arrays are its own and cannot be written to.

    Attributes:
        values: shape (T, D), float64: T steps of D channels; NaN where a value is missing.
        channels: D names; `x` or `x0, x1, ...` when none are given.
        times: shape (T,), the time of each step, as numbers or `datetime64` in UTC; `0, dt, 2 dt, ...` when not given.
        dt: time between two steps in the unit of `times`; taken from `times` when they are given.
        calendar: what dates mean: frequency, time zone, periods.
        inputs: shape (T + F, E), external inputs, which are known and not predicted: of each step, and of F >= 0 steps
            to come.
        input_names: E names; `u` or `u0, u1, ...` when none are given.
        given: which of `channels`, `times` and `input_names` came with the data; the others only count, and say nothing
            about what belongs together.

    Raises:
        SeriesError: wrong shapes, no steps, text, infinite values, names that occur twice, or times that are not
            regular.
    """

    values: np.ndarray
    channels: tuple[str, ...] = ()
    times: np.ndarray = field(default_factory=lambda: np.empty(0))
    dt: Any = None
    calendar: Calendar = field(default_factory=Calendar)
    inputs: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    input_names: tuple[str, ...] = ()
    given: frozenset[str] | None = None

    def __post_init__(self) -> None:
        values = as_matrix(self.values)
        given = self.given
        if given is None:
            given = frozenset(name for name in GIVEN if len(getattr(self, name)))
        channels = tuple(map(str, self.channels)) or default_channels(values.shape[1])
        if len(channels) != values.shape[1]:
            raise SeriesError(f"{len(channels)} channel names for {values.shape[1]} channels of values")
        dt, (times, calendar) = self.dt, plain_times(self.times, self.calendar)
        if times.size == 0:
            dt = 1.0 if dt is None else positive("dt", dt)
            times = np.arange(len(values)) * dt
        if times.shape != (len(values),):
            raise SeriesError(f"times have shape {times.shape}, but the series has {len(values)} steps")
        if dt is None:
            dt, calendar = spacing(times, calendar)
        remedy = "fill them with missing='interpolate' (--missing interpolate)"
        refuse_at(np.isinf(values), channels, "infinite", remedy)
        inputs = as_matrix(self.inputs) if np.size(self.inputs) else np.empty((len(values), 0))
        names = tuple(map(str, self.input_names)) or default_channels(inputs.shape[1], "u")
        if len(inputs) < len(values):
            raise SeriesError(
                f"the external inputs have {len(inputs)} steps, the series has {len(values)}; give one row a step"
            )
        remedy = "they must be known: fill them in"
        refuse_at(~np.isfinite(inputs), names, "missing or infinite external inputs", remedy)
        places_of(channels, channels, "channels")
        places_of(names, names, "external inputs")
        for name, value in {
            "values": owned(values),
            "channels": channels,
            "times": owned(times),
            "dt": dt,
            "calendar": calendar,
            "inputs": owned(inputs),
            "input_names": names,
            "given": given,
        }.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(
        cls,
        data: Any,
        missing: Missing = "mask",
        inputs: Any = None,
        resample: str | None = None,
        *,
        columns: Sequence[str] = (),
        time: str | None = None,
        id: str | None = None,  # noqa: A002 - what forecasters call it
        zone: str | None = None,
        decimal: Any = None,
    ) -> Series:
        """Take a series from whatever holds it.

        Rows are put into the order of their times, and steps that have no row are missing; a `SeriesWarning` says so.

        Args:
            data: a `Series`; a NumPy array, list or anything that NumPy takes, of shape (steps,) or (steps, channels);
                a DataFrame or Series of pandas, polars, Arrow or xarray; or the path of a file.
            missing: see `freerun.settings.Missing`.
            inputs: see `with_inputs`.
            resample: average over steps of this length: a pandas frequency (`D`, `h`, `MS`, ...) for dates, or a
                number; a step without any value is missing. `rows` takes each row for a step, whatever its time.
            columns: the columns of a table that are channels; all columns of numbers when empty.
            time: the column of the times; None means the index, a column of dates, or a first column named like a time.
            id: the column that tells several series apart, and which one is meant: `shop=A`.
            zone: the time zone of local times, such as `Europe/Berlin`.
            decimal: the decimal sign of numbers in text; None means that it is found.

        Raises:
            SeriesError: it holds no series that can be used; the message says where, and what to do.
        """
        options = ReadOptions.checked(
            columns, time=time, id=id, missing=missing, resample=resample, zone=zone, decimal=decimal
        )
        series = cls.from_options(data, options)
        return series if inputs is None else series.with_inputs(inputs)

    @classmethod
    def from_options(cls, data: Any, options: ReadOptions) -> Series:
        """What `of` gives, by options that are at hand."""
        if isinstance(data, Series):
            return data if options == ReadOptions() else data._read_again(options)
        source = str(data) if isinstance(data, str | Path) else getattr(data, "source", "")
        return cls.of_rows(rows_of(data, options), options, source if isinstance(source, str) else "")

    def _read_again(self, options: ReadOptions) -> Series:
        """The series as the options say, with its external inputs."""
        if self.input_names and options.resample is not None:
            raise SeriesError(
                f"resample={options.resample!r}: the series has external inputs, which are not averaged with it; "
                "average both, and give the inputs afterwards (with_inputs)"
            )
        again = Series.of_rows(chosen(self.rows, options), options)
        given = again._given | (self._given & {"input_names"})
        return replace(again, inputs=self.inputs, input_names=self.input_names, given=given)

    @classmethod
    def all_from_options(cls, data: Any, options: ReadOptions) -> dict[str, Series]:
        """What `panel` gives where a column tells several series apart, and else the one series that there is."""
        found = read_table(data) if isinstance(data, str | Path) else data
        table = found if isinstance(found, Table) else None
        several = options.id or (UNIQUE_ID if table is not None and UNIQUE_ID in table.columns else None)
        if table is None or several is None or (several not in table.columns and "=" in several):
            return {"": cls.from_options(found, options)}
        series = {}
        for name, part in table.groups(several).items():
            try:
                series[name] = cls.of_rows(part.rows(replace(options, id=None)), options)
            except SeriesError as error:
                raise type(error)(f"series {name!r}: {error}") from error
        return series

    @classmethod
    def read(
        cls,
        path: str | Path,
        columns: Sequence[str] = (),
        time: str | None = None,
        missing: Missing = "mask",
        resample: str | None = None,
        *,
        id: str | None = None,  # noqa: A002 - the same
        zone: str | None = None,
        decimal: Any = None,
    ) -> Series:
        """Read a series from a file: CSV, Parquet, npy, npz, xlsx or JSON, or `-` for standard input.

        See `Series.of` for the arguments, and docs/your-data.md for what is recognised.

        Raises:
            SeriesFileError: the file is absent, empty, ragged or holds text where a number belongs; the message names
                file, line and column.
        """
        options = ReadOptions.checked(
            columns, time=time, id=id, missing=missing, resample=resample, zone=zone, decimal=decimal
        )
        return cls.from_options(path, options)

    @classmethod
    def panel(
        cls,
        data: Any,
        id: str | None = None,  # noqa: A002 - the same
        *,
        columns: Sequence[str] = (),
        time: str | None = None,
        inputs: Sequence[str] = (),
        missing: Missing = "mask",
        resample: str | None = None,
        zone: str | None = None,
        decimal: Any = None,
    ) -> dict[str, Series]:
        """The series that stand below each other in a table (long format), by their names.

        Args:
            data: a DataFrame of any library, or the path of a file.
            id: the column that names the series; None means `unique_id`.
            columns: see `of`, as the other arguments.
            inputs: columns that are external inputs of each series.

        Raises:
            SeriesError: no such column, or a series that cannot be used; the message names it.
        """
        frame = None if isinstance(data, str | Path | Table) else as_pandas(data)
        if frame is not None and frame.index.nlevels > 1:
            frame = frame.reset_index()
        table: Any = data if frame is None or frame.ndim != 2 else Table.of_frame(frame)
        if not isinstance(table, str | Path | Table):
            raise SeriesError("several series below each other need a table with named columns; give a DataFrame")
        chosen = (*columns, *(name for name in inputs if name not in columns)) if columns else ()
        options = ReadOptions.checked(
            chosen, time=time, id=id or UNIQUE_ID, missing=missing, resample=resample, zone=zone, decimal=decimal
        )
        found = cls.all_from_options(table, options)
        return {name: series.with_inputs(list(inputs)) if inputs else series for name, series in found.items()}

    @classmethod
    def of_rows(cls, rows: Rows, options: ReadOptions, source: str = "") -> Series:
        """The series of rows in the order of their times, with missing values where steps have no row.

        Args:
            rows: as they came.
            options: what to do about missing values, and what steps are to be.
            source: the path of the file, for messages.
        """
        try:
            return cls._of_rows(rows, options, f"{source}: " if source else "")
        except SeriesFileError:
            raise
        except SeriesError as error:
            if not source:
                raise
            raise SeriesFileError(f"{source}: {error}") from error

    @classmethod
    def _of_rows(cls, rows: Rows, options: ReadOptions, place: str) -> Series:
        if options.zone is not None and rows.times.dtype.kind != "M":
            raise SeriesError(f"zone={options.zone!r}: the times are numbers, which have no time zone; leave it out")
        values, notes = without_fill_values(rows.values, rows.channels)
        times, dt, calendar, timed = rows.times, None, rows.calendar, rows.timed
        if options.resample == ROWS:
            values, timed = values[np.argsort(times, kind="stable")], False
        elif options.resample is not None:
            values, times = resampled(values, times, calendar, options.resample)
            calendar, timed = Calendar(zone=calendar.zone, spans=calendar.spans), True
        elif timed:
            steps = steps_of(times, calendar)
            times, dt, calendar = steps.times, steps.dt, steps.calendar
            values = np.where((steps.rows >= 0)[:, None], values[steps.rows], np.nan)
            notes = [*notes, *steps.notes]
        if not timed:
            times, dt, calendar = np.empty(0), 1.0, Calendar()
        values = treat_missing(values, options.missing)
        for note in notes:
            warn(f"{place}{note}")
        given = frozenset(name for name, there in (("channels", rows.channels), ("times", timed)) if there)
        return cls(values, rows.channels, times, dt, calendar, given=given)

    def write(self, path: str | Path) -> None:
        """Write the series to a CSV, Parquet, npy or npz file, chosen by the suffix of `path`.

        Raises:
            SeriesFileError: the suffix is none of these.
            OutputError: the file cannot be written.
        """
        write_series(self, path)

    def with_inputs(self, data: Any) -> Series:
        """The same series with external inputs, which are known beside it and ahead of it.

        Args:
            data: names of channels that are to become external inputs, in which case rows at the end in which no
                other channel has a value are steps to come; or an array or table with a row for each step, and further
                rows for steps to come. Rows with times are found by them, and may begin earlier than the series.

        Raises:
            SeriesError: rows are missing, or no channel is left.
        """
        if isinstance(data, str) and (data in self.channels or not Path(data).exists()):
            data = [data]
        if isinstance(data, list | tuple) and data and all(isinstance(name, str) for name in data):
            return self._from_channels(data)
        rows = self._input_rows(data)
        inputs = inputs_beside(self, rows)
        refuse_fill_values(inputs, rows.channels or default_channels(inputs.shape[1], "u"))
        given = self._with("input_names", bool(rows.channels))
        return replace(self, inputs=inputs, input_names=rows.channels, given=given)

    def with_coming_inputs(self, data: Any, steps: int | None = None) -> Series:
        """The same series with the external inputs of the steps to come, one row each, from the next step on.

        Args:
            data: an array or table. Columns with names are matched by them, rows with times by these.
            steps: how many are needed, if it is known.

        Raises:
            SeriesError: other columns than the series has, or rows of other steps.
        """
        rows = self._input_rows(data)
        ahead = inputs_ahead(self, rows, steps)
        if rows.channels and ("input_names" in self._given or set(rows.channels) == set(self.input_names)):
            ahead = ahead[:, places_of(self.input_names, rows.channels, "external inputs")]
        elif ahead.shape[1] != self.inputs.shape[1]:
            raise SeriesError(
                f"{ahead.shape[1]} external inputs ({', '.join(rows.channels) or 'no names'}) where the series has "
                f"{self.inputs.shape[1]} ({', '.join(self.input_names) or 'none'}); give the same columns"
            )
        inputs = np.concatenate([self.inputs[: len(self)], ahead])
        refuse_fill_values(inputs, self.input_names)
        return replace(self, inputs=inputs)

    def _input_rows(self, data: Any) -> Rows:
        if isinstance(data, list | tuple) and data and all(isinstance(name, str) for name in data):
            raise SeriesError(
                f"the external inputs are given as names ({', '.join(data)}), which say nothing of steps to come; give "
                "a table or an array with a row for each"
            )
        return data.rows if isinstance(data, Series) else rows_of(data, ReadOptions(missing="interpolate"))

    def _from_channels(self, names: Sequence[str]) -> Series:
        inputs = self.channel(*names).values
        kept = [name for name in self.channels if name not in names]
        if not kept:
            raise SeriesError("all channels are external inputs; leave one to predict")
        rest = self.channel(*kept)
        known = np.flatnonzero(np.isfinite(rest.values).any(axis=1)).tolist()
        last = known[-1] + 1 if known else len(rest)
        given = self._with("input_names", "channels" in self._given)
        return replace(rest.between(0, last), inputs=inputs, input_names=tuple(names), given=given)

    def like(self, other: Series) -> Series:
        """This series with the channels and external inputs of another one, in its order.

        Names are matched where both series came with names, or with the same ones; otherwise the order counts, and the
        names are those of the other one where this one came without.

        Raises:
            SeriesError: other channels, other external inputs, or other steps.
        """
        values, channels = self.values, self.channels
        if self.named and (other.named or set(channels) == set(other.channels)):
            values, channels = values[:, places_of(other.channels, channels, "channels")], other.channels
        elif len(channels) != len(other.channels):
            raise SeriesError(
                f"the series has {len(channels)} channels ({', '.join(channels)}), and {len(other.channels)} "
                f"({', '.join(other.channels)}) are needed; choose them by name (--column)"
            )
        elif other.named:
            channels = other.channels
        inputs, names = self.inputs, self.input_names
        given = "input_names" in self._given
        if given and ("input_names" in other._given or set(names) == set(other.input_names)):
            inputs, names = inputs[:, places_of(other.input_names, names, "external inputs")], other.input_names
        elif len(names) != len(other.input_names):
            raise SeriesError(
                f"the series has {len(names)} external inputs, and {len(other.input_names)} "
                f"({', '.join(other.input_names) or 'none'}) are needed; give the same (inputs=..., --input)"
            )
        require_same_steps(self, other)
        given = self._given | (other._given & {"channels"})
        return replace(self, values=values, channels=channels, inputs=inputs, input_names=names, given=given)

    def after(self, before: Series) -> Series:
        """The steps of this series that follow the last one of `before`, of which it may hold the steps as well.

        Where both came with times, these tell what follows, and numbers tell it after a mere count; otherwise all of it
        does, unless it begins with all that was read before. A `SeriesWarning` tells of steps that both have and whose
        values differ, and of new steps that begin as the others end.

        Raises:
            SeriesError: no step follows, the first one is not the next, or it cannot be told which one is.
        """
        later = steps_read_before(self, before)
        if later >= len(self):
            raise SeriesError(
                f"the series ends at {self.calendar.shown(self.times[-1])}, and what is read goes to "
                f"{before.calendar.shown(before.times[-1])}; there is no step that follows"
            )
        part = self.between(later)
        expected = before.following_times(len(part))
        if not tell_what_follows(self, before):
            return replace(part, times=expected, dt=before.dt, calendar=before.calendar)
        if not at_same_time(before, part.times[0], expected[0]):
            raise SeriesError(
                f"the new steps begin at {before.calendar.shown(part.times[0])}, and the series has to go on at "
                f"{before.calendar.shown(expected[0])}; give the steps that follow, with nothing left out "
                "(missing values as NaN)"
            )
        return part

    @property
    def _given(self) -> frozenset[str]:
        return self.given or frozenset()

    def _with(self, name: str, there: bool) -> frozenset[str]:
        """What came with the data, if the name of that part is added or taken away."""
        return (self._given | {name}) if there else self._given - {name}

    @property
    def named(self) -> bool:
        """Whether the names of the channels came with the data."""
        return "channels" in self._given

    @property
    def timed(self) -> bool:
        """Whether the times came with the data."""
        return "times" in self._given

    @property
    def rows(self) -> Rows:
        """Values, names and times, as they may be looked up."""
        names = self.channels if self.named else ()
        return Rows(self.values, names, self.times, self.calendar, timed=self.timed, labelled=self.timed)

    @property
    def index(self) -> pd.Index:
        """The times as a pandas index, with time zone or periods as they came."""
        return to_index(self.times, self.calendar)

    @property
    def drawn_times(self) -> np.ndarray:
        """The times as they are drawn: local where a time zone is known."""
        return drawn_times(self.index)

    def following_index(self, steps: int) -> pd.Index:
        """The pandas index of the `steps` steps that come after the last one."""
        return to_index(self.following_times(steps), self.calendar)

    def to_pandas(self) -> pd.DataFrame:
        """The series as a DataFrame with the times as its index."""
        import pandas as pd

        return pd.DataFrame(self.values, columns=list(self.channels), index=self.index)

    def __repr__(self) -> str:
        driven = f", inputs {', '.join(self.input_names)}" if self.input_names else ""
        return f"<Series of {len(self)} steps, {', '.join(self.channels)}{driven}, from {self.index[0]} on>"

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype, copy=copy)

    @property
    def shape(self) -> tuple[int, int]:
        """(T, D): steps and channels."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def complete(self) -> bool:
        """Whether no value is missing."""
        return bool(np.isfinite(self.values).all())

    @property
    def deviation(self) -> np.ndarray:
        """The standard deviation (divisor T) of each channel, shape (D,), missing values left out.

        Raises:
            SeriesError: a channel has no value at all.
        """
        empty = ~np.isfinite(self.values).any(axis=0)
        if empty.any():
            raise SeriesError(f"channel {self.channels[int(empty.argmax())]!r} has no value at all; leave it out")
        return np.nanstd(self.values, axis=0)

    @property
    def known_ahead(self) -> int:
        """F, the steps to come of which the external inputs are known."""
        return len(self.inputs) - len(self)

    def between(self, start: int, stop: int | None = None) -> Series:
        """Steps `start` to `stop` (excluded), counted as in a Python slice; external inputs known later are kept.

        Raises:
            SettingError: one is no whole number.
            SeriesError: there are no steps between them.
        """
        for name, step in (("start", start), ("stop", stop)):
            if step is not None:
                whole_number(name, step, -LARGEST)
        first, last, _ = slice(start, stop).indices(len(self))
        if last <= first:
            raise SeriesError(f"no steps between {start} and {stop} in a series of {len(self)} steps")
        part = slice(first, last)
        return replace(self, values=self.values[part], times=self.times[part], inputs=self.inputs[first:])

    def split(self, step: int) -> tuple[Series, Series]:
        """The first `step` steps, and the rest.

        Raises:
            SeriesError: one of the two parts would be empty.
        """
        if not 0 < whole_number("step", step, -LARGEST) < len(self):
            raise SeriesError(
                f"cannot split at step {step}: the series has {len(self)} steps; choose 1 to {len(self) - 1}"
            )
        return self.between(0, step), self.between(step)

    def channel(self, *names: str) -> Series:
        """The named channels, in the order given."""
        unknown = [name for name in names if name not in self.channels]
        if unknown:
            raise SeriesError(f"no channel {unknown[0]!r}; there are: {', '.join(self.channels)}")
        return replace(self, values=self.values[:, [self.channels.index(n) for n in names]], channels=tuple(names))

    def followed_by(self, values: np.ndarray) -> Series:
        """The series of these values, shape (steps, D), in the steps that come after the last one."""
        return replace(
            self,
            values=values,
            times=self.following_times(len(values)),
            inputs=self.inputs[len(self) :] if self.known_ahead >= len(values) else np.empty((0, 0)),
            input_names=self.input_names if self.known_ahead >= len(values) else (),
        )

    def joined(self, later: Series) -> Series:
        """This series and the steps that follow it, with the external inputs that `later` knows.

        Raises:
            SeriesError: other channels or external inputs, or steps that do not follow.
        """
        later = Series.of(later).like(self).after(self)
        return replace(
            self,
            values=np.concatenate([self.values, later.values]),
            times=np.concatenate([self.times, later.times.astype(self.times.dtype)]),
            inputs=np.concatenate([self.inputs[: len(self)], later.inputs]) if self.input_names else np.empty((0, 0)),
        )

    def following_times(self, steps: int) -> np.ndarray:
        """The times of the `steps` steps that come after the last one; calendar steps (months, years) are kept."""
        return following(self.times, self.dt, self.calendar, steps)


def longest_gap(series: Series) -> tuple[int, int, str]:
    """The length of the longest run of missing values of a channel, the step at which it begins, and the channel."""
    longest = 0, 0, series.channels[0]
    for name, column in zip(series.channels, series.values.T, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], np.isnan(column).astype(int), [0]])))
        starts, stops = edges[::2], edges[1::2]
        if len(starts):
            lengths = stops - starts
            at = int(lengths.argmax())
            longest = max(longest, (int(lengths[at]), int(starts[at]), name))
    return longest
