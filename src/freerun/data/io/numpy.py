"""NumPy's npy and npz files: values, and in npz the names of the channels and the times."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freerun.data.arrays import as_matrix
from freerun.data.io.source import Source
from freerun.data.rows import Rows
from freerun.errors import SeriesFileError

if TYPE_CHECKING:
    from freerun.data.series import Series

PARTS = ("values", "channels", "times")
"""The arrays of an npz file that a series is made of."""


def read_npy(source: Source) -> Rows:
    """The array in an npy file, as channels without names.

    Raises:
        SeriesFileError: it is damaged, or not of numbers.
    """
    return Rows.of_matrix(as_matrix(mapped(source)))


def mapped(source: Source) -> np.ndarray:
    """The array in an npy file, mapped into memory where it has a file.

    Raises:
        SeriesFileError: it is damaged, or not of numbers.
    """
    try:
        if source.content is None and source.path is not None:
            return np.load(source.path, mmap_mode="r", allow_pickle=False)
        return np.load(io.BytesIO(source.read()), allow_pickle=False)
    except Exception as error:  # whatever the reader makes of a damaged file
        raise _not_numpy(source, error) from error


def read_npz(source: Source) -> Rows:
    """The arrays `values`, `channels` and `times` of an npz file.

    Raises:
        SeriesFileError: it is damaged, or has no array named `values`.
    """
    arrays = _arrays(source)
    names = tuple(arrays["channels"].tolist()) if "channels" in arrays else ()
    return Rows.of_matrix(as_matrix(arrays["values"]), names, arrays.get("times"))


def write_npy(series: Series, path: Path) -> None:
    """Write the values of a series as npy."""
    np.save(path, series.values, allow_pickle=False)


def write_npz(series: Series, path: Path) -> None:
    """Write values, channels and times of a series as npz."""
    parts = {"values": series.values}
    if series.named:
        parts["channels"] = np.array(series.channels)
    if series.timed:
        parts["times"] = series.times
    np.savez(path, allow_pickle=False, **parts)


def _arrays(source: Source) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(source.opened()) as members:
            source.refuse_expansion(sum(member.file_size for member in members.infolist()))
            for member in members.infolist():
                _require_whole(members, member)
        with np.load(source.opened(), allow_pickle=False) as stored:
            if "values" not in stored.files:
                raise SeriesFileError(f"{source.name}: no array named 'values'; there are: {', '.join(stored.files)}")
            arrays = {name: stored[name] for name in stored.files if name in PARTS}
        if "channels" in arrays:
            arrays["channels"] = np.array([str(name) for name in arrays["channels"].reshape(-1)], object)
        return arrays
    except SeriesFileError:
        raise
    except Exception as error:  # whatever the reader makes of a damaged file
        raise _not_numpy(source, error) from error


def _require_whole(members: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Refuse an array that claims more bytes than there are, before memory is taken for it."""
    with members.open(member) as stored:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[np.lib.format.read_magic(stored)](stored)
        if math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename} is cut off")


def _not_numpy(source: Source, error: Exception) -> SeriesFileError:
    first = str(error).partition("\n")[0] or type(error).__name__
    return SeriesFileError(f"{source.name}: not a readable NumPy file of numbers ({first})")
