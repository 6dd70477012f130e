"""`StoredSeries`: a series in a file that is read in parts,
because it may be larger than memory."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freerun.data.arrays import as_matrix
from freerun.data.io import numpy, parquet, refuse_names
from freerun.data.io.source import Source
from freerun.data.rows import ReadOptions
from freerun.data.series import Series, SeriesLike
from freerun.data.table import Table
from freerun.errors import SeriesError, SeriesFileError, SettingError

if TYPE_CHECKING:
    import pandas as pd

LARGE = 2**28
"""Unpacked size in bytes from which the file of a training series is read in parts."""

LARGEST_GROUP = 2**31
"""Largest size of a row group of a Parquet file in memory, in bytes."""

SAMPLED = 100
"""Number of parts in a sample of the series."""

SAMPLE = 10_000
"""Length of each part of the sample, in steps."""

ENDING = 100_000
"""Number of last steps that are read into memory, for the choice of settings and for evaluation."""


class StoredSeries:
    """A series in an npy or Parquet file, of which any part can be read as a `Series`.

    Of an npy file, only the part is held in memory. Of a Parquet file,
    the row groups of the part are held in memory.

    Args:
        path: path of the file.
        columns: columns of a Parquet file that become channels; all columns of numbers if empty.
        time: column of the times; see `Series.of`.

    Attributes:
        path: path of the file.
        channels: names of the channels.

    Raises:
        SeriesFileError: the file does not exist, is damaged,
            or has a format that cannot be read in parts.
    """

    def __init__(self, path: str | Path, columns: Sequence[str] = (), time: str | None = None) -> None:
        self.path = Path(path)
        reader = READERS.get(self.path.suffix.lower())
        if reader is None:
            raise SeriesFileError(
                f"{path}: {self.path.suffix!r} files cannot be read in parts; write the series as npy or Parquet"
            )
        if not self.path.is_file():
            raise SeriesFileError(f"{path}: no such file; give the path of a series")
        self._rows = reader(self.path, tuple(columns), time)
        self._steps = self._rows.steps
        self._sample: list[Series] | None = None
        self.channels = self.between(0, 2).channels

    @classmethod
    def if_large(cls, path: str | Path, columns: Sequence[str] = (), time: str | None = None) -> StoredSeries | None:
        """Open a file that is too large to be read whole; return None for any other file.

        Args:
            path: path of the file.
            columns: columns of a Parquet file that become channels;
                all columns of numbers if empty.
            time: column of the times; see `Series.of`.

        Raises:
            SeriesFileError: the file is damaged.
        """
        file = Path(path)
        reader = READERS.get(file.suffix.lower())
        if reader is None or not file.is_file() or not file.stat().st_size:
            return None
        return cls(file, columns, time) if reader(file, tuple(columns), time).size >= LARGE else None

    def __len__(self) -> int:
        return self._steps

    def __repr__(self) -> str:
        return f"<StoredSeries of {len(self)} steps, {', '.join(self.channels)}, in {self.path}>"

    def until(self, step: int) -> StoredSeries:
        """Return the first `step` steps as a stored series.

        Raises:
            SeriesError: `step` is not between 1 and the number of steps minus 1.
        """
        if not 0 < step < len(self):
            raise SeriesError(
                f"cannot end at step {step}: the series has {len(self)} steps; choose 1 to {len(self) - 1}"
            )
        part = copy(self)
        part._steps, part._sample = step, None
        return part

    def between(self, start: int, stop: int) -> Series:
        """Read steps `start` to `stop` (excluded), as in a Python slice.

        Raises:
            SeriesFileError: there are no steps between them, or their values are invalid.
        """
        first, last, _ = slice(start, stop).indices(len(self))
        if last <= first:
            raise SeriesFileError(f"{self.path}: no steps between {start} and {stop} in a series of {len(self)} steps")
        try:
            return self._rows.between(first, last)
        except SeriesFileError:
            raise
        except SeriesError as error:
            raise SeriesFileError(f"{self.path}, in the part that begins at step {first}: {error}") from error

    def ending(self) -> Series:
        """Read the last `ENDING` steps."""
        return self.between(max(0, len(self) - ENDING), len(self))

    def sample(self) -> list[Series]:
        """Read a sample of `SAMPLED` evenly spaced parts of `SAMPLE` steps; or the whole series,
        if it is not longer.

        Parts in which a channel is constant are left out, unless all parts are like that.
        """
        if self._sample is None:
            self._sample = self._sampled()
        return self._sample

    def _sampled(self) -> list[Series]:
        if len(self) <= SAMPLED * SAMPLE:
            return [self.between(0, len(self))]
        starts = np.linspace(0, len(self) - SAMPLE, SAMPLED).astype(int).tolist()
        parts = [self.between(start, start + SAMPLE) for start in starts]
        return [part for part in parts if _varies(part)] or parts


def read_in_parts(series: SeriesLike, inputs: SeriesLike) -> StoredSeries | None:
    """Return a training series as a `StoredSeries` if it is read in parts; otherwise, None.

    Raises:
        SettingError: it is read in parts, and there are external inputs.
    """
    stored = StoredSeries.if_large(series) if isinstance(series, str | Path) else series
    if not isinstance(stored, StoredSeries):
        return None
    if inputs is not None:
        raise SettingError(
            f"{stored.path} is read in parts, which does not work with external inputs; leave inputs out, or give a "
            "part of the series: StoredSeries(path).between(first, last)"
        )
    return stored


def _varies(series: Series) -> bool:
    known = [column[np.isfinite(column)] for column in series.values.T]
    return all(len(column) and column.max() > column.min() for column in known)


class _Npy:
    """Reader of parts of an npy file."""

    def __init__(self, path: Path, columns: tuple[str, ...], time: str | None) -> None:
        self._source = Source.of(path)
        try:
            refuse_names(ReadOptions(columns, time))
        except SeriesError as error:
            raise SeriesFileError(f"{path}: {error}") from error
        values = numpy.load_array(self._source)
        self.steps, self.size = len(values) if values.ndim else 0, values.size * 8

    def between(self, first: int, last: int) -> Series:
        values = as_matrix(numpy.load_array(self._source)[first:last])
        return Series(values, times=np.arange(first, last, dtype=float), dt=1.0, given=frozenset())


class _Parquet:
    """Reader of parts of a Parquet file; it keeps the last row group in memory."""

    def __init__(self, path: Path, columns: tuple[str, ...], time: str | None) -> None:
        self._source, self._options = Source.of(path), ReadOptions(columns, time)
        self._file = parquet.open_file(self._source)
        metadata = self._file.metadata
        rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._begins = np.cumsum([0, *rows])
        self.steps, self.size = metadata.num_rows, metadata.num_rows * metadata.num_columns * 8
        largest = max(rows, default=0) * metadata.num_columns * 8
        if largest > LARGEST_GROUP:
            raise SeriesFileError(
                f"{path}: a row group takes {largest / 2**30:.1f} GiB in memory; write the file again with smaller row "
                "groups (row_group_size=1000000)"
            )
        self._kept: tuple[int, pd.DataFrame] | None = None

    def between(self, first: int, last: int) -> Series:
        import pandas as pd

        begin, end = np.searchsorted(self._begins, [first, last - 1], "right") - 1
        parts = [self._group(number) for number in range(int(begin), int(end) + 1)]
        frame = pd.concat(parts) if len(parts) > 1 else parts[0]
        offset = int(self._begins[begin])
        frame = frame.iloc[first - offset : last - offset]
        if isinstance(parts[0].index, pd.RangeIndex):
            frame = frame.reset_index(drop=True)
        rows = Table.of_frame(frame, self._source.name).rows(self._options)
        if rows.timed:
            return Series(rows.values, rows.channels, rows.times, calendar=rows.calendar)
        steps = np.arange(first, last, dtype=float)
        return Series(rows.values, rows.channels, steps, dt=1.0, given=frozenset({"channels"}))

    def _group(self, number: int) -> pd.DataFrame:
        if self._kept is None or self._kept[0] != number:
            self._kept = number, parquet.read_group(self._source.name, self._file, number)
        return self._kept[1]


READERS: dict[str, type[_Npy] | type[_Parquet]] = {".npy": _Npy, ".parquet": _Parquet}
"""Readers by suffix."""
