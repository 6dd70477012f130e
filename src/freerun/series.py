"""`Series`: the values of a time series, with its channels and its times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from freerun.errors import SeriesError
from freerun.settings import Missing

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Series:
    """A regularly sampled time series.

    Attributes:
        values: shape (T, D), float64, finite: T steps of D channels.
        channels: D names; `x` or `x0, x1, ...` when none are given.
        times: shape (T,), the time of each step, as numbers or `datetime64`; `0, dt, 2 dt, ...` when not given.
        dt: time between two steps in the unit of `times`; taken from `times` when they are given.

    Raises:
        SeriesError: wrong shapes, no steps, text, or missing and infinite values (the first rows are named).
    """

    values: np.ndarray
    channels: tuple[str, ...] = ()
    times: np.ndarray = field(default_factory=lambda: np.empty(0))
    dt: Any = None

    def __post_init__(self) -> None:
        values = _as_matrix(self.values)
        channels = tuple(map(str, self.channels)) or default_channels(values.shape[1])
        if len(channels) != values.shape[1]:
            raise SeriesError(f"{len(channels)} channel names for {values.shape[1]} channels of values")
        times = np.asarray(self.times)
        if times.size == 0:
            times = np.arange(len(values)) * (1.0 if self.dt is None else self.dt)
        if times.shape != (len(values),):
            raise SeriesError(f"times have shape {times.shape}, but the series has {len(values)} steps")
        _refuse_missing(values, channels)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "channels", channels)
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "dt", _spacing(times) if self.dt is None else self.dt)

    @classmethod
    def of(cls, data: Any, missing: Missing = "error") -> Series:
        """Take a `Series`, NumPy array, list, pandas Series or DataFrame, or the path of a file.

        Args:
            data: one-dimensional data are one channel; two-dimensional data are (steps, channels).
            missing: `error` refuses missing and infinite values, `interpolate` fills them linearly.
        """
        if isinstance(data, Series):
            return data
        if isinstance(data, str | Path):
            return cls.read(data, missing=missing)
        if type(data).__module__.partition(".")[0] == "pandas":
            return cls.from_pandas(data, missing=missing)
        return cls(fill_missing(_as_matrix(data), missing))

    @classmethod
    def from_pandas(cls, data: pd.Series | pd.DataFrame, missing: Missing = "error") -> Series:
        """Take a pandas Series or DataFrame: columns become channels, the index becomes the times."""
        import pandas as pd

        frame = data.to_frame("x" if data.name is None else data.name) if isinstance(data, pd.Series) else data
        text = [str(c) for c, dtype in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)]
        if text:
            raise SeriesError(f"columns without numbers: {', '.join(text)}; choose the columns that are channels")
        index = frame.index.to_timestamp() if isinstance(frame.index, pd.PeriodIndex) else frame.index
        if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
            index = index.tz_convert("UTC").tz_localize(None)
        labelled = not isinstance(index, pd.RangeIndex) and (
            isinstance(index, pd.DatetimeIndex) or pd.api.types.is_numeric_dtype(index.dtype)
        )
        return cls(
            fill_missing(frame.to_numpy(np.float64, na_value=np.nan), missing),
            tuple(map(str, frame.columns)),
            index.to_numpy() if labelled else np.empty(0),
        )

    @classmethod
    def read(
        cls,
        path: str | Path,
        columns: Sequence[str] = (),
        time: str | None = None,
        missing: Missing = "error",
    ) -> Series:
        """Read a series from a CSV, Parquet, npy or npz file; see `freerun.seriesfile.read_series`."""
        from freerun.seriesfile import read_series

        return read_series(path, columns, time, missing)

    def write(self, path: str | Path) -> None:
        """Write the series to a CSV, Parquet, npy or npz file, chosen by the suffix of `path`."""
        from freerun.seriesfile import write_series

        write_series(self, path)

    def to_pandas(self) -> pd.DataFrame:
        """The series as a DataFrame with the times as its index."""
        import pandas as pd

        return pd.DataFrame(self.values, columns=list(self.channels), index=pd.Index(self.times, name="time"))

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype, copy=copy)

    @property
    def shape(self) -> tuple[int, int]:
        """(T, D): steps and channels."""
        return self.values.shape[0], self.values.shape[1]

    def between(self, start: int, stop: int | None = None) -> Series:
        """Steps `start` to `stop` (excluded), counted as in a Python slice."""
        part = slice(start, stop)
        if len(self.values[part]) == 0:
            raise SeriesError(f"no steps between {start} and {stop} in a series of {len(self)} steps")
        return Series(self.values[part], self.channels, self.times[part], self.dt)

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
        return Series(self.values[:, [self.channels.index(n) for n in names]], names, self.times, self.dt)

    def following_times(self, steps: int) -> np.ndarray:
        """The times of the `steps` steps that come after the last one; calendar steps (months, years) are kept."""
        return following_times(self.times, self.dt, steps)


def following_times(times: np.ndarray, dt: Any, steps: int) -> np.ndarray:
    """Continue `times` by `steps` further ones at their own spacing `dt`, or by the calendar where it shows."""
    if np.issubdtype(times.dtype, np.datetime64):
        import pandas as pd

        frequency = pd.DatetimeIndex(times, freq="infer").freq if len(times) >= 3 else None
        if frequency is not None:
            return pd.date_range(times[-1], periods=steps + 1, freq=frequency).to_numpy()[1:]
    return times[-1] + dt * np.arange(1, steps + 1)


def fill_missing(values: np.ndarray, missing: Missing) -> np.ndarray:
    """With `interpolate`, replace missing and infinite values of each channel by linear interpolation over steps.

    Raises:
        SeriesError: a channel has no finite value at all.
    """
    if missing == "error" or np.isfinite(values).all():
        return values
    steps = np.arange(len(values))
    filled = np.array(values, np.float64)
    for channel in range(values.shape[1]):
        known = np.isfinite(values[:, channel])
        if not known.any():
            raise SeriesError(f"channel {channel} has no finite value to interpolate from")
        filled[:, channel] = np.interp(steps, steps[known], values[known, channel])
    return filled


def _as_matrix(data: Any) -> np.ndarray:
    try:
        values = np.asarray(data, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SeriesError(f"the values are not all numbers ({error})") from error
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or 0 in values.shape:
        raise SeriesError(
            f"values have shape {values.shape}; give (steps,) or (steps, channels) with at least one of each"
        )
    return values


def default_channels(count: int) -> tuple[str, ...]:
    """The names of channels that have none."""
    return ("x",) if count == 1 else tuple(f"x{i}" for i in range(count))


def _refuse_missing(values: np.ndarray, channels: tuple[str, ...]) -> None:
    rows, columns = np.nonzero(~np.isfinite(values))
    if len(rows):
        places = ", ".join(f"step {r} of {channels[c]!r}" for r, c in list(zip(rows, columns, strict=True))[:3])
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        raise SeriesError(
            f"missing or infinite values at {places}{more}; "
            "fill them with missing='interpolate' (--missing interpolate)"
        )


def _spacing(times: np.ndarray) -> Any:
    if len(times) < 2:
        return np.timedelta64(1, "D") if np.issubdtype(times.dtype, np.datetime64) else 1.0
    spacing = np.median(np.diff(times).astype(np.int64 if times.dtype.kind == "M" else np.float64))
    return np.timedelta64(int(spacing), np.datetime_data(times.dtype)[0]) if times.dtype.kind == "M" else float(spacing)
