"""Archives: arrays and JSON in one safetensors file with a checksum.

Model files and checkpoints are archives. Files from unknown sources are safe to read.
Nothing in them is executed, as it would be with pickle, and reading takes no more
memory than a small multiple of the file size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from freerun.files.writing import JSON, JSONValue, replacing

KEY = "freerun"
"""Key of the JSON in the safetensors metadata."""

CHECKSUM = "sha256"
"""Key of the checksum of JSON and arrays in the safetensors metadata."""


class ArchiveError(ValueError):
    """A file is not an archive, or is damaged. The message does not name the path."""


LONGEST_HEADER = 100_000_000
"""Longest header of a safetensors file, in bytes."""


def looks_like_archive(path: Path) -> bool:
    """Whether the first bytes of a file are those of a safetensors file: the length of a header,
    and JSON."""
    try:
        with path.open("rb") as file:
            begin = file.read(9)
    except OSError:
        return False
    return len(begin) == 9 and begin[8:] == b"{" and 2 <= int.from_bytes(begin[:8], "little") <= LONGEST_HEADER


def write_archive(path: str | Path, header: Mapping[str, JSONValue], arrays: Mapping[str, np.ndarray]) -> None:
    """Write an archive. An error leaves an existing file as it was.

    Args:
        path: path of the file.
        header: what is stored as JSON.
        arrays: the arrays by name.

    Raises:
        OutputError: the file cannot be written.
    """
    content = pack(header, arrays)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def pack(header: Mapping[str, JSONValue], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of an archive; see `write_archive`."""
    # safetensors writes the memory of an array as it is,
    # which is wrong for arrays that are not contiguous
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.numpy.save(contiguous, metadata=_make_metadata(json.dumps(header), contiguous))


def read_archive(path: Path, without_checksum: int = 0) -> tuple[JSON, dict[str, np.ndarray]]:
    """Read an archive.

    Args:
        path: path of the file.
        without_checksum: newest value of `format` in the JSON for which archives had no checksum.

    Returns:
        The JSON, and the arrays by name.

    Raises:
        ArchiveError: the file is truncated, not an archive, or changed since it was written.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"truncated, or not a freerun file ({error})") from error
    try:
        header = json.loads(metadata[KEY])
        sealed = header["format"] > without_checksum
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArchiveError("a safetensors file, but none of freerun's") from error
    if sealed and metadata.get(CHECKSUM) != _make_metadata(metadata[KEY], arrays)[CHECKSUM]:
        raise ArchiveError("it has changed since it was written (the checksum differs); take a copy that is whole")
    return header, arrays


def _make_metadata(text: str, arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the metadata: the JSON, and a checksum of the JSON and all arrays."""
    content = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        content.update(repr((name, array.dtype.str, array.shape)).encode())
        content.update(array.data if array.size else b"")
    return {KEY: text, CHECKSUM: content.hexdigest()}
