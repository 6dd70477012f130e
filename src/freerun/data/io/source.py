"""`Source`: where a series is read from: a file, a compressed file, a pipe, or standard input."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from freerun.errors import SeriesFileError

STDIN = "-"
"""The path that means standard input."""

EXPANSION, HARMLESS = 200, 2**26
"""A compressed file may take this many times its size in memory, or this many bytes."""

PIECE = 2**20
"""Bytes that are unpacked at a time."""

GZIP = b"\x1f\x8b"

MAGIC = ((b"PAR1", ".parquet"), (b"\x93NUMPY", ".npy"), (b"{", ".json"), (b"[", ".json"))
"""What contents begin with, and the suffix of their format."""


@dataclass(frozen=True)
class Source:
    """What a series is read from.

    Attributes:
        name: as messages show it.
        suffix: of the format, in lower case.
        path: of the file; None where its content is at hand.
        content: all of it, unpacked; None where it is read from `path`.
    """

    name: str
    suffix: str
    path: Path | None
    content: bytes | None = None

    @classmethod
    def of(cls, path: str | Path) -> Source:
        """What is at a path: a file, unpacked if its name ends in .gz, a pipe, or standard input for `-`.

        Raises:
            SeriesFileError: nothing is there, or nothing in it.
        """
        file = Path(path)
        try:
            if str(path) == STDIN:
                return _piped("standard input", sys.stdin.buffer.read())
            if not file.exists() or file.is_dir():
                fault = "is a folder" if file.is_dir() else "no such file"
                raise SeriesFileError(f"{path}: {fault}; give the path of a series")
            if not file.is_file():
                return _piped(str(path), file.read_bytes())
            if file.stat().st_size == 0:
                raise SeriesFileError(f"{path}: the file is empty")
            if file.suffix.lower() == ".gz":
                return cls(str(path), file.with_suffix("").suffix.lower(), None, unpacked(str(path), file.read_bytes()))
        except OSError as error:
            raise SeriesFileError(f"{path}: cannot be read ({error.strerror or error})") from error
        return cls(str(path), file.suffix.lower(), file)

    def read(self) -> bytes:
        """All of it."""
        if self.content is not None:
            return self.content
        assert self.path is not None
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise SeriesFileError(f"{self.name}: cannot be read ({error.strerror or error})") from error

    def opened(self) -> Path | BinaryIO:
        """What readers of other libraries take: a path, or a stream."""
        return self.path if self.content is None and self.path is not None else io.BytesIO(self.read())

    def refuse_expansion(self, size: int) -> None:
        """Refuse content that would take far more memory than its size lets one expect."""
        packed = len(self.content) if self.content is not None else self.path.stat().st_size if self.path else 0
        _refuse_expansion(self.name, size, packed)


def unpacked(name: str, packed: bytes) -> bytes:
    """The content of a gzip file.

    Raises:
        SeriesFileError: it is damaged, or made to fill the memory.
    """
    parts, size = [], 0
    try:
        with gzip.open(io.BytesIO(packed)) as stream:
            while part := stream.read(PIECE):
                parts.append(part)
                size += len(part)
                _refuse_expansion(name, size, len(packed))
    except (OSError, EOFError, zlib.error) as error:
        raise SeriesFileError(f"{name}: not a readable gzip file ({error})") from error
    return b"".join(parts)


def _piped(name: str, content: bytes) -> Source:
    """Content without a suffix, whose format is told by its first bytes."""
    if content.startswith(GZIP):
        content = unpacked(name, content)
    if not content:
        raise SeriesFileError(f"{name}: there is nothing in it; give a series")
    begin = content.lstrip()[:8] if content[:1] in b" \t\r\n" else content[:8]
    if begin.startswith(b"PK\x03\x04"):
        return Source(name, ".xlsx" if b"[Content_Types].xml" in content else ".npz", None, content)
    suffix = next((suffix for magic, suffix in MAGIC if begin.startswith(magic)), ".csv")
    return Source(name, suffix, None, content)


def _refuse_expansion(name: str, size: int, packed: int) -> None:
    if size > HARMLESS and size > EXPANSION * packed:
        raise SeriesFileError(
            f"{name}: its {packed} bytes unpack to {size / 2**20:.0f} MiB, more than {EXPANSION} times as many, as in "
            "a file made to fill the memory; if you trust it, write it anew without compression"
        )
