"""Reading and writing a `Series`: CSV, Parquet, npy and npz, chosen by the suffix of the file."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.data.io.csvtext import Table
from freerun.data.series import Series, as_matrix
from freerun.data.timeline import Calendar
from freerun.errors import SeriesError, SeriesFileError
from freerun.settings import Missing
from freerun.writing import replacing

if TYPE_CHECKING:
    import pandas as pd

TIME_COLUMNS = {"time", "t", "date", "datetime", "timestamp", "ds", "year", "month", "day", "step", "index"}
"""A first column with one of these names (in any case) holds the times, unless it is chosen as a channel."""

NAMED = 20
"""Most columns that a message names."""

EXPANSION, HARMLESS = 200, 2**26
"""A compressed file may take so many times its size in memory, or so many bytes."""


def read_series(
    path: str | Path,
    columns: Sequence[str] = (),
    time: str | None = None,
    missing: Missing = "mask",
    resample: str | None = None,
) -> Series:
    """Read a series from a file.

    Args:
        path: a `.csv`, `.tsv`, `.txt`, `.parquet`, `.npy` or `.npz` file. CSV may have a header or none, and
            commas, semicolons, tabs or white space between its columns; decimal commas where columns are not separated
            by commas; UTF-8, UTF-16 with a byte order mark, or Windows-1252. Lines before the table that begin with #
            are left out. In dates such as 3/4/2024 the day comes first if some cell can be read in no other way, if
            dots stand between, or if the times are more even so; else the month.
        columns: the columns to take as channels; all number columns when empty.
        time: the column that holds the times; by default a first column of dates, or one with a name of
            `TIME_COLUMNS`, or the datetime index of a Parquet file.
        missing: see `freerun.settings.Missing`.
        resample: average over steps of this length; see `Series.of`.

    Raises:
        SeriesFileError: the file is absent, empty, ragged or holds text where a number belongs; the message
            names file, line and column.
    """
    path = Path(path)
    if not path.is_file():
        raise SeriesFileError(
            f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; give the path of a series"
        )
    if path.stat().st_size == 0:
        raise SeriesFileError(f"{path}: the file is empty")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SeriesFileError(f"{path}: unknown format {path.suffix!r}; freerun reads {', '.join(_READERS)}")
    try:
        return reader(path, tuple(columns), time, missing, resample)
    except SeriesFileError:
        raise
    except SeriesError as error:
        raise SeriesFileError(f"{path}: {error}") from error
    except OSError as error:
        raise SeriesFileError(f"{path}: cannot be read ({error.strerror or error})") from error


def write_series(series: Series, path: str | Path) -> None:
    """Write a series; CSV and Parquet keep channel names and times, npz keeps them as arrays, npy keeps values only.

    Raises:
        SeriesFileError: the suffix is none of the formats that freerun writes.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise SeriesFileError(f"{path}: unknown format {path.suffix!r}; freerun writes {', '.join(_WRITERS)}")
    with replacing(path) as beside:
        writer(series, beside)


def _read_csv(path: Path, columns: tuple[str, ...], time: str | None, missing: Missing, resample: str | None) -> Series:
    table = Table.read(path)
    header = list(table.cells)
    _refuse_unknown(path, columns + ((time,) if time else ()), header)
    first = header[0]
    if time is None and len(header) > 1 and first not in columns:
        time = first if first.lower() in TIME_COLUMNS or table.begins_with_date(first) else None
    chosen = columns or tuple(name for name in header if name != time)
    if not chosen:
        raise SeriesFileError(f"{path}: the only column, {time!r}, is the time; there is no channel")
    values = np.column_stack([table.numbers(name) for name in chosen])
    refused = np.isinf(values) if missing == "mask" else ~np.isfinite(values)
    if missing != "interpolate" and refused.any():
        row, i = np.argwhere(refused)[0]
        table.refuse(
            chosen[i], row, "is missing or infinite; fill it with missing='interpolate' (--missing interpolate)"
        )
    times = table.times(time) if time else np.empty(0)
    calendar = Calendar(zone="UTC") if time and table.zoned(time) else Calendar()
    return Series.gathered(values, chosen, times, calendar, missing, resample)


def _refuse_unknown(path: Path, wanted: Sequence[str], header: Sequence[str]) -> None:
    known = set(header)
    for name in wanted:
        if name not in known:
            more = f", ... ({len(header)} in all)" if len(header) > NAMED else ""
            raise SeriesFileError(f"{path}: no column {name!r}; there are: {', '.join(header[:NAMED])}{more}")


def _refuse_expansion(path: Path, size: int) -> None:
    """Refuse a file that would take far more memory than its size lets one expect."""
    packed = path.stat().st_size
    if size > HARMLESS and size > EXPANSION * packed:
        raise SeriesFileError(
            f"{path}: its {packed} bytes unpack to {size / 2**20:.0f} MiB, more than {EXPANSION} times as many, as in "
            "a file made to fill the memory; if you trust it, write it anew without compression"
        )


def _read_parquet(
    path: Path, columns: tuple[str, ...], time: str | None, missing: Missing, resample: str | None
) -> Series:
    stored = open_parquet(path)
    _refuse_expansion(path, stored.metadata.num_rows * stored.metadata.num_columns * 8)
    with _readable_parquet(path):
        frame = stored.read().to_pandas()
    return series_of_frame(path, frame, columns, time, missing, resample)


def open_parquet(path: Path) -> Any:
    """A Parquet file as pyarrow's `ParquetFile`.

    Raises:
        SeriesFileError: it is damaged.
    """
    from pyarrow.parquet import ParquetFile

    with _readable_parquet(path):
        return ParquetFile(path)


def parquet_group(path: Path, stored: Any, number: int) -> pd.DataFrame:
    """A row group of a Parquet file.

    Raises:
        SeriesFileError: it is damaged.
    """
    with _readable_parquet(path):
        return stored.read_row_group(number).to_pandas()


@contextmanager
def _readable_parquet(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever the reader makes of a damaged file
        raise SeriesFileError(f"{path}: not a readable Parquet file ({_first_line(error)})") from error


def series_of_frame(
    path: Path,
    frame: pd.DataFrame,
    columns: tuple[str, ...],
    time: str | None,
    missing: Missing = "mask",
    resample: str | None = None,
) -> Series:
    """The series in the table that was found in a file; see `read_series`."""
    import pandas as pd

    frame.columns = frame.columns.map(str)
    if not frame.columns.is_unique:
        raise SeriesFileError(f"{path}: two columns are named {frame.columns[frame.columns.duplicated()][0]!r}")
    if frame.empty:
        raise SeriesFileError(f"{path}: the file holds no rows")
    _refuse_unknown(path, columns + ((time,) if time else ()), list(frame.columns))
    first = str(frame.columns[0])
    is_date = pd.api.types.is_datetime64_any_dtype(frame[first])
    if time is None and (is_date or first.lower() in TIME_COLUMNS) and first not in columns and frame.shape[1] > 1:
        time = first
    if time:
        frame = frame.set_index(time)
    return Series.from_pandas(frame[list(columns)] if columns else frame, missing, resample)


def _read_npy(path: Path, columns: tuple[str, ...], time: str | None, missing: Missing, resample: str | None) -> Series:
    refuse_names(path, columns, time)
    return Series.gathered(as_matrix(map_npy(path)), (), np.empty(0), Calendar(), missing, resample)


def map_npy(path: Path) -> np.ndarray:
    """The array in an npy file, mapped into memory.

    Raises:
        SeriesFileError: it is damaged, or not of numbers.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # whatever the reader makes of a damaged file
        raise _not_numpy(path, error) from error


def _read_npz(path: Path, columns: tuple[str, ...], time: str | None, missing: Missing, resample: str | None) -> Series:
    refuse_names(path, (), time)
    arrays = _arrays(path)
    names, times = tuple(arrays.get("channels", np.empty(0, str)).tolist()), arrays.get("times", np.empty(0))
    series = Series.gathered(as_matrix(arrays["values"]), names, times, Calendar(), missing, resample)
    _refuse_unknown(path, columns, series.channels)
    return series.channel(*columns) if columns else series


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file that a series is made of."""
    try:
        with zipfile.ZipFile(path) as members:
            _refuse_expansion(path, sum(member.file_size for member in members.infolist()))
            for member in members.infolist():
                _require_whole(members, member)
        with np.load(path, allow_pickle=False) as stored:
            if "values" not in stored.files:
                raise SeriesFileError(f"{path}: no array named 'values'; there are: {', '.join(stored.files)}")
            arrays = {name: stored[name] for name in stored.files if name in ("values", "channels", "times")}
        if "channels" in arrays:
            arrays["channels"] = np.array([str(name) for name in arrays["channels"].reshape(-1)], object)
        return arrays
    except SeriesFileError:
        raise
    except Exception as error:  # whatever the reader makes of a damaged file
        raise _not_numpy(path, error) from error


def _require_whole(members: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Refuse an array that claims more bytes than there are, before memory is taken for it."""
    with members.open(member) as stored:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[np.lib.format.read_magic(stored)](stored)
        if math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename} is cut off")


def _not_numpy(path: Path, error: Exception) -> SeriesFileError:
    return SeriesFileError(f"{path}: not a readable NumPy file of numbers ({_first_line(error)})")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def refuse_names(path: Path, columns: Sequence[str], time: str | None) -> None:
    """Refuse names of columns for a file that has none.

    Raises:
        SeriesFileError: one is given.
    """
    if columns or time:
        raise SeriesFileError(
            f"{path}: a NumPy file has no column {(*columns, time)[0]!r}; leave --column and --time out"
        )


def csv_text(series: Series) -> str:
    """The series as CSV: a time column, then the channels, every digit kept."""
    numeric = np.issubdtype(series.times.dtype, np.number)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", *series.channels])
    times = [f"{time:.15g}" for time in series.times.tolist()] if numeric else time_labels(series)
    for time, row in zip(times, series.values.tolist(), strict=True):
        writer.writerow([time, *("" if value != value else repr(value) for value in row)])  # noqa: PLR0124 - NaN
    return text.getvalue()


def time_labels(series: Series) -> list[str]:
    """The times of each step as text, without the zeros at their ends; with the offset from UTC where zones count."""
    if series.calendar.zone is not None:
        return [stamp.isoformat() for stamp in series.index]
    return [_short_date(stamp) for stamp in np.datetime_as_string(series.times)]


def _short_date(stamp: str) -> str:
    date, _, clock = stamp.partition("T")
    clock = clock.rstrip("0").rstrip(".") if "." in clock else clock
    return date if clock in ("", "00:00:00") else f"{date}T{clock}"


def _write_csv(series: Series, path: Path) -> None:
    path.write_text(csv_text(series), encoding="utf-8")


def _write_parquet(series: Series, path: Path) -> None:
    series.to_pandas().to_parquet(path)


def _write_npy(series: Series, path: Path) -> None:
    np.save(path, series.values, allow_pickle=False)


def _write_npz(series: Series, path: Path) -> None:
    np.savez(path, values=series.values, channels=np.array(series.channels), times=series.times)


_READERS = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".txt": _read_csv,
    ".parquet": _read_parquet,
    ".npy": _read_npy,
    ".npz": _read_npz,
}
_WRITERS = {".csv": _write_csv, ".parquet": _write_parquet, ".npy": _write_npy, ".npz": _write_npz}
