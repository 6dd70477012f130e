"""`Series`: the values of a time series, with its channels, its times and its external inputs."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from freerun.data.timeline import Calendar, drawn_times, following, from_index, resampled, spacing, to_index
from freerun.errors import SeriesError
from freerun.settings import Missing

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """A regularly sampled time series.

    Attributes:
        values: shape (T, D), float64: T steps of D channels; NaN where a value is missing.
        channels: D names; `x` or `x0, x1, ...` when none are given.
        times: shape (T,), the time of each step, as numbers or `datetime64` in UTC; `0, dt, 2 dt, ...` when not given.
        dt: time between two steps in the unit of `times`; taken from `times` when they are given.
        calendar: what dates mean: frequency, time zone, periods.
        inputs: shape (T + F, E), external inputs, which are known and not predicted: of each step, and of F >= 0 steps
            to come.
        input_names: E names; `u` or `u0, u1, ...` when none are given.

    Raises:
        SeriesError: wrong shapes, no steps, text, infinite values, or times that are not regular.
    """

    values: np.ndarray
    channels: tuple[str, ...] = ()
    times: np.ndarray = field(default_factory=lambda: np.empty(0))
    dt: Any = None
    calendar: Calendar = field(default_factory=Calendar)
    inputs: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    input_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = as_matrix(self.values)
        channels = tuple(map(str, self.channels)) or default_channels(values.shape[1])
        if len(channels) != values.shape[1]:
            raise SeriesError(f"{len(channels)} channel names for {values.shape[1]} channels of values")
        times, dt, calendar = np.asarray(self.times), self.dt, self.calendar
        if times.size == 0:
            times, dt = np.arange(len(values)) * (1.0 if dt is None else dt), 1.0 if dt is None else dt
        if times.shape != (len(values),):
            raise SeriesError(f"times have shape {times.shape}, but the series has {len(values)} steps")
        if dt is None:
            dt, calendar = spacing(times, calendar)
        _refuse(np.isinf(values), channels, "infinite", "fill them with missing='interpolate' (--missing interpolate)")
        inputs = as_matrix(self.inputs) if np.size(self.inputs) else np.empty((len(values), 0))
        names = tuple(map(str, self.input_names)) or default_channels(inputs.shape[1], "u")
        if len(inputs) < len(values):
            raise SeriesError(
                f"the external inputs have {len(inputs)} steps, the series has {len(values)}; give one row a step"
            )
        _refuse(~np.isfinite(inputs), names, "missing or infinite external inputs", "they must be known: fill them in")
        for name, value in {
            "values": values,
            "channels": channels,
            "times": times,
            "dt": dt,
            "calendar": calendar,
            "inputs": inputs,
            "input_names": names,
        }.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, data: Any, missing: Missing = "mask", inputs: Any = None, resample: str | None = None) -> Series:
        """Take a `Series`, NumPy array, list, pandas Series or DataFrame, or the path of a file.

        Args:
            data: one-dimensional data are one channel; two-dimensional data are (steps, channels).
            missing: see `freerun.settings.Missing`.
            inputs: see `with_inputs`.
            resample: average over steps of this length: a pandas frequency (`D`, `h`, `MS`, ...) for dates, or a
                number; a step without any value is missing.
        """
        if isinstance(data, Series):
            series = data
        elif isinstance(data, str | Path):
            series = cls.read(data, missing=missing, resample=resample)
        elif type(data).__module__.partition(".")[0] == "pandas":
            series = cls.from_pandas(data, missing, resample)
        else:
            series = cls(treat_missing(as_matrix(data), missing))
        return series if inputs is None else series.with_inputs(inputs)

    @classmethod
    def from_pandas(
        cls, data: pd.Series | pd.DataFrame, missing: Missing = "mask", resample: str | None = None
    ) -> Series:
        """Take a pandas Series or DataFrame: columns become channels, the index becomes the times."""
        import pandas as pd
        from pandas.api.types import is_complex_dtype, is_numeric_dtype

        frame = data.to_frame("x" if data.name is None else data.name) if isinstance(data, pd.Series) else data
        dtypes = frame.dtypes.items()
        others = [str(c) for c, dtype in dtypes if not is_numeric_dtype(dtype) or is_complex_dtype(dtype)]
        if others:
            named = ", ".join(others)
            raise SeriesError(f"columns without real numbers: {named}; choose the columns that are channels")
        if frame.index.hasnans:
            raise SeriesError(f"row {int(frame.index.isna().argmax())} of the index has no time; drop it or fill it in")
        times, calendar = from_index(frame.index)
        values = frame.to_numpy(np.float64, na_value=np.nan)
        return cls.gathered(values, tuple(map(str, frame.columns)), times, calendar, missing, resample)

    @classmethod
    def gathered(
        cls,
        values: np.ndarray,
        channels: tuple[str, ...],
        times: np.ndarray,
        calendar: Calendar,
        missing: Missing,
        resample: str | None,
    ) -> Series:
        """A series from columns as they were found."""
        if resample is not None:
            values, times = resampled(values, times if times.size else np.arange(len(values)), calendar, resample)
            calendar = Calendar(zone=calendar.zone)
        return cls(treat_missing(values, missing), channels, times, calendar=calendar)

    @classmethod
    def read(
        cls,
        path: str | Path,
        columns: Sequence[str] = (),
        time: str | None = None,
        missing: Missing = "mask",
        resample: str | None = None,
    ) -> Series:
        """Read a series from a CSV, Parquet, npy or npz file; see `freerun.data.io.files.read_series`."""
        from freerun.data.io.files import read_series

        return read_series(path, columns, time, missing, resample)

    def write(self, path: str | Path) -> None:
        """Write the series to a CSV, Parquet, npy or npz file, chosen by the suffix of `path`."""
        from freerun.data.io.files import write_series

        write_series(self, path)

    def with_inputs(self, data: Any) -> Series:
        """The same series with external inputs, which are known beside it and ahead of it.

        Args:
            data: names of channels that are to become external inputs, in which case rows at the end in which no
                other channel has a value are steps to come; or an array, DataFrame or Series with a row for each step,
                and further rows for steps to come. A DataFrame with the kind of times that the series has is aligned
                by them.

        Raises:
            SeriesError: rows are missing, or no channel is left.
        """
        if isinstance(data, Sequence) and data and all(isinstance(name, str) for name in data):
            return self._from_channels(data)
        rows, names = self._rows_of(data, self.index)
        return replace(self, inputs=rows, input_names=names)

    def with_coming_inputs(self, data: Any) -> Series:
        """The same series with the external inputs of the steps to come, one row each, from the next step on."""
        rows, names = self._rows_of(data, self.following_index(len(data)) if isinstance(data, Sized) else None)
        if rows.shape[1] != self.inputs.shape[1]:
            raise SeriesError(
                f"{rows.shape[1]} external inputs ({', '.join(names)}) where the series has {self.inputs.shape[1]} "
                f"({', '.join(self.input_names) or 'none'}); give the same columns"
            )
        return replace(self, inputs=np.concatenate([self.inputs[: len(self)], rows]))

    def _from_channels(self, names: Sequence[str]) -> Series:
        inputs = self.channel(*names).values
        kept = [name for name in self.channels if name not in names]
        if not kept:
            raise SeriesError("all channels are external inputs; leave one to predict")
        rest = self.channel(*kept)
        known = np.flatnonzero(np.isfinite(rest.values).any(axis=1)).tolist()
        last = known[-1] + 1 if known else len(rest)
        return replace(rest.between(0, last), inputs=inputs, input_names=tuple(names))

    def _rows_of(self, data: Any, wanted: pd.Index | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """The rows of `data`, from the first of the `wanted` times on where it has times."""
        if isinstance(data, Series):
            data = data.to_pandas() if data.times.dtype.kind == self.times.dtype.kind == "M" else data.values
        if type(data).__module__.partition(".")[0] != "pandas":
            rows = as_matrix(data)
            return rows, default_channels(rows.shape[1], "u")
        frame = data.to_frame("u" if data.name is None else data.name) if data.ndim == 1 else data
        names = tuple(map(str, frame.columns))
        if wanted is not None and type(frame.index) is type(wanted) and self.times.dtype.kind == "M":
            absent = wanted.difference(frame.index)
            if len(absent):
                raise SeriesError(f"the external inputs have no row for {absent[0]}, and {len(absent)} in all")
            frame = frame.sort_index().loc[wanted[0] :]
        return as_matrix(frame), names

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
        """Steps `start` to `stop` (excluded), counted as in a Python slice; external inputs known later are kept."""
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
        if not 0 < step < len(self):
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
        """This series and the steps that follow it, with the external inputs that `later` knows."""
        return replace(
            self,
            values=np.concatenate([self.values, later.values]),
            times=np.concatenate([self.times, later.times.astype(self.times.dtype)]),
            inputs=np.concatenate([self.inputs[: len(self)], later.inputs]) if self.input_names else np.empty((0, 0)),
        )

    def following_times(self, steps: int) -> np.ndarray:
        """The times of the `steps` steps that come after the last one; calendar steps (months, years) are kept."""
        return following(self.times, self.dt, self.calendar, steps)


def treat_missing(values: np.ndarray, missing: Missing) -> np.ndarray:
    """Refuse missing and infinite values, interpolate them linearly per channel, or leave the missing ones as NaN.

    Raises:
        SeriesError: values are missing (`error`), or a channel has no finite value to interpolate from.
    """
    if np.isfinite(values).all() or missing == "mask":
        return values
    if missing == "error":
        names = default_channels(values.shape[1])
        _refuse(~np.isfinite(values), names, "missing or infinite values", "mask them (--missing mask), or interpolate")
    empty = ~np.isfinite(values).any(axis=0)
    if empty.any():
        raise SeriesError(f"channel {int(empty.argmax())} has no finite value to interpolate from")
    return interpolated(np.asarray(values, np.float64))


def interpolated(values: np.ndarray) -> np.ndarray:
    """Missing values of each column replaced by linear interpolation over steps."""
    if np.isfinite(values).all():
        return values
    filled, steps = values.copy(), np.arange(len(values))
    for column in filled.T:
        known = np.isfinite(column)
        if known.any():
            column[:] = np.interp(steps, steps[known], column[known])
    return filled


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


def as_matrix(data: Any) -> np.ndarray:
    """Numbers as an array of shape (steps, channels).

    Raises:
        SeriesError: text, times, complex numbers, another number of dimensions, or nothing at all.
    """
    try:
        kind = np.asarray(data).dtype.kind
        values = np.asarray(data, dtype=np.float64) if kind not in "cmM" else np.empty(0)
    except (TypeError, ValueError) as error:
        raise SeriesError(f"the values are not all numbers ({error})") from error
    if kind == "c":
        raise SeriesError("the values are complex; give their real and imaginary parts as two channels")
    if kind in "mM":
        raise SeriesError("the values are times or spans of time; give numbers")
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or 0 in values.shape:
        raise SeriesError(
            f"values have shape {values.shape}; give (steps,) or (steps, channels) with at least one of each"
        )
    return values


def default_channels(count: int, letter: str = "x") -> tuple[str, ...]:
    """The names of channels that have none."""
    return (letter,) if count == 1 else tuple(f"{letter}{i}" for i in range(count))


def _refuse(wrong: np.ndarray, names: Sequence[str], fault: str, remedy: str) -> None:
    rows, columns = np.nonzero(wrong)
    if len(rows):
        places = ", ".join(
            f"step {r} of {names[c]!r}" for r, c in zip(rows[:3].tolist(), columns[:3].tolist(), strict=True)
        )
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        raise SeriesError(f"{fault} at {places}{more}; {remedy}")
