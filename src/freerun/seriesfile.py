"""Reading and writing a `Series`: CSV, Parquet, npy and npz, chosen by the suffix of the file."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from freerun.errors import SeriesError, SeriesFileError
from freerun.series import Series, as_matrix, default_channels
from freerun.settings import Missing
from freerun.timeline import Calendar
from freerun.writing import replacing

TIME_COLUMNS = {"time", "t", "date", "datetime", "timestamp", "ds", "year", "month", "day", "step", "index"}
"""A first column with one of these names (in any case) holds the times, unless it is chosen as a channel."""

MISSING_CELLS = {"", "na", "n/a", "nan", "null", "none", "-"}


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
            commas, semicolons or tabs between its columns.
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
    except PermissionError as error:
        raise SeriesFileError(f"{path}: cannot be read ({error.strerror})") from error


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


@dataclass(frozen=True)
class _Table:
    """The cells of a CSV file by column name, and the line in the file that each row came from."""

    path: Path
    cells: dict[str, list[str]]
    lines: list[int]

    def numbers(self, column: str) -> np.ndarray:
        """The column as numbers, NaN where a cell says that its value is missing."""
        numbers = [_number(cell) for cell in self.cells[column]]
        if None in numbers:
            self.refuse(column, numbers.index(None), "is not a number; choose the columns to read by name (--column)")
        return np.array(numbers)

    def times(self, column: str) -> np.ndarray:
        """The column as times: numbers, or `datetime64` if any cell is a date."""
        cells = self.cells[column]
        numbers = [_number(cell) for cell in cells]
        times: list[Any] = [_date(cell) for cell in cells] if None in numbers else numbers
        for row, time in enumerate(times):
            if time is None or time != time:  # noqa: PLR0124 - neither NaN nor NaT equals itself
                self.refuse(column, row, "is not a time")
        return np.array(times)

    def zoned(self, column: str) -> bool:
        """Whether the times carry an offset from UTC, to which they are converted."""
        import pandas as pd

        first = self.cells[column][0]
        return _number(first) is None and pd.Timestamp(first).tz is not None

    def refuse(self, column: str, row: int, fault: str) -> NoReturn:
        cell = self.cells[column][row][:40]
        raise SeriesFileError(f"{self.path}, line {self.lines[row]}, column {column!r}: {cell!r} {fault}")


def _read_csv(path: Path, columns: tuple[str, ...], time: str | None, missing: Missing, resample: str | None) -> Series:
    table = _csv_table(path)
    header = list(table.cells)
    _refuse_unknown(path, columns + ((time,) if time else ()), header)
    if time is None and len(header) > 1 and header[0] not in columns and _looks_like_time(table, header[0]):
        time = header[0]
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


def _csv_table(path: Path) -> _Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeriesFileError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count))
    try:
        numbered = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise SeriesFileError(f"{path}, line {reader.line_num}: {error}") from error
    if not numbered:
        raise SeriesFileError(f"{path}: the file holds no rows")
    header = numbered[0][1]
    if all(_number(cell) is not None for cell in header):
        header = list(default_channels(len(header)))
    else:
        numbered = numbered[1:]
    if not numbered:
        raise SeriesFileError(f"{path}: there is a header but no row of values below it")
    for line, row in numbered:
        if len(row) != len(header):
            raise SeriesFileError(f"{path}, line {line}: {len(row)} columns where the first line has {len(header)}")
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise SeriesFileError(f"{path}: two columns are named {twice[0]!r}")
    lines, rows = zip(*numbered, strict=True)
    return _Table(path, dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)), list(lines))


def _number(cell: str) -> float | None:
    """The number in a cell, NaN for the usual signs of a missing one, None for text."""
    if cell.lower() in MISSING_CELLS:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        return None


def _looks_like_time(table: _Table, column: str) -> bool:
    first = table.cells[column][0]
    return column.lower() in TIME_COLUMNS or (_number(first) is None and _date(first) is not None)


def _date(cell: str) -> np.datetime64 | None:
    import pandas as pd

    try:
        return pd.Timestamp(cell).to_datetime64()
    except ValueError:
        return None


def _refuse_unknown(path: Path, wanted: Sequence[str], header: Sequence[str]) -> None:
    for name in wanted:
        if name not in header:
            raise SeriesFileError(f"{path}: no column {name!r}; there are: {', '.join(header)}")


def _read_parquet(
    path: Path, columns: tuple[str, ...], time: str | None, missing: Missing, resample: str | None
) -> Series:
    import pandas as pd
    import pyarrow

    try:
        frame = pd.read_parquet(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise SeriesFileError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    frame.columns = frame.columns.map(str)
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
    _refuse_names(path, columns, time)
    return Series.gathered(as_matrix(_load_numpy(path)), (), np.empty(0), Calendar(), missing, resample)


def _read_npz(path: Path, columns: tuple[str, ...], time: str | None, missing: Missing, resample: str | None) -> Series:
    _refuse_names(path, (), time)
    with _load_numpy(path) as arrays:
        if "values" not in arrays:
            raise SeriesFileError(f"{path}: no array named 'values'; there are: {', '.join(arrays)}")
        names = tuple(map(str, arrays["channels"])) if "channels" in arrays else ()
        times = arrays["times"] if "times" in arrays else np.empty(0)
        raw = np.asarray(arrays["values"], np.float64)
    series = Series.gathered(raw.reshape(len(raw), -1), names, times, Calendar(), missing, resample)
    _refuse_unknown(path, columns, series.channels)
    return series.channel(*columns) if columns else series


def _load_numpy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise SeriesFileError(f"{path}: not a readable NumPy file of numbers ({error})") from error


def _refuse_names(path: Path, columns: tuple[str, ...], time: str | None) -> None:
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
