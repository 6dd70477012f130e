"""Arrays and JSON in one safe file: safetensors with a checksum. No pickle, no code.

Model files and checkpoints are archives. A file from a stranger can be read: nothing in it is executed, and it takes no
more memory than a small multiple of its size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from freerun.writing import replacing

KEY, CHECKSUM = "freerun", "sha256"
"""The entries of the safetensors metadata that hold the JSON, and the checksum of the JSON and the arrays."""


class ArchiveError(ValueError):
    """A file is no archive, or a damaged one. The message says which, without the path."""


def write_archive(path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write an archive, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    content = packed(header, arrays)
    with replacing(path) as beside:
        beside.write_bytes(content)


def packed(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of an archive."""
    # safetensors writes the memory of an array as it lies, so each has to be contiguous
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.numpy.save(contiguous, metadata=_sealed(json.dumps(header), contiguous))


def read_archive(path: Path, unsealed: int = 0) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The JSON and the arrays of an archive.

    Args:
        path: of the file.
        unsealed: the newest `format` in the JSON that was written without a checksum.

    Raises:
        ArchiveError: truncated, not an archive, or changed since it was written.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"truncated, or not a freerun file ({error})") from error
    try:
        header = json.loads(metadata[KEY])
        unsealed_format = header["format"] <= unsealed
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArchiveError("a safetensors file, but none of freerun's") from error
    if not unsealed_format and metadata.get(CHECKSUM) != _sealed(metadata[KEY], arrays)[CHECKSUM]:
        raise ArchiveError("it has changed since it was written (the checksum differs); take a copy that is whole")
    return header, arrays


def _sealed(text: str, arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The metadata: the JSON, and a checksum of all that is in the file."""
    content = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        content.update(repr((name, array.dtype.str, array.shape)).encode())
        content.update(array.data if array.size else b"")
    return {KEY: text, CHECKSUM: content.hexdigest()}
