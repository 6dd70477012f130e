"""Reads and writes NumPy's npy and npz files; npz also holds channel names and times."""

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
"""Names of the arrays of an npz file that are read."""


def read_npy(source: Source) -> Rows:
    """Read an array of shape (T,) or (T, D) from an npy file, as channels without names.

    Raises:
        SeriesFileError: the file is damaged.
        SeriesError: the array does not hold numbers.
    """
    return Rows.of_matrix(as_matrix(load_array(source)))


def load_array(source: Source) -> np.ndarray:
    """Load the array of an npy file; it is memory-mapped unless the file is compressed or piped.

    Raises:
        SeriesFileError: the file is damaged, or holds Python objects.
    """
    try:
        if source.content is None and source.path is not None:
            return np.load(source.path, mmap_mode="r", allow_pickle=False)
        return np.load(io.BytesIO(source.read()), allow_pickle=False)
    except Exception as error:  # readers raise errors of many types for damaged files
        raise _unreadable(source, error) from error


def read_npz(source: Source) -> Rows:
    """Read the arrays `values` (T, D), `channels` (D,) and `times` (T,) from an npz file;
    only `values` is required.

    Raises:
        SeriesFileError: the file is damaged, or has no array `values`.
    """
    arrays = _load_arrays(source)
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


def _load_arrays(source: Source) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(source.opened()) as members:
            source.refuse_expansion(sum(member.file_size for member in members.infolist()))
            for member in members.infolist():
                _require_complete(members, member)
        with np.load(source.opened(), allow_pickle=False) as stored:
            if "values" not in stored.files:
                raise SeriesFileError(f"{source.name}: no array named 'values'; there are: {', '.join(stored.files)}")
            arrays = {name: stored[name] for name in stored.files if name in PARTS}
        if "channels" in arrays:
            arrays["channels"] = np.array([str(name) for name in arrays["channels"].reshape(-1)], object)
        return arrays
    except SeriesFileError:
        raise
    except Exception as error:  # readers raise errors of many types for damaged files
        raise _unreadable(source, error) from error


def _require_complete(members: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise an error if the header of an array declares more bytes than the file holds,
    before memory is allocated."""
    with members.open(member) as stored:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[np.lib.format.read_magic(stored)](stored)
        if math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename} is cut off")


def _unreadable(source: Source, error: Exception) -> SeriesFileError:
    first = str(error).partition("\n")[0] or type(error).__name__
    return SeriesFileError(f"{source.name}: not a readable NumPy file of numbers ({first})")
