"""`Source`: a file, a compressed file, a pipe or standard input that a series is read from."""

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
"""Path of standard input."""

EXPANSION = 200
"""Largest ratio of unpacked to compressed size;
protects from files that are made to fill the memory."""

HARMLESS = 2**26
"""Unpacked size in bytes up to which any ratio is accepted."""

BYTES_AT_ONCE = 2**20
"""Number of bytes that are unpacked at a time."""

GZIP = b"\x1f\x8b"
"""First bytes of a gzip file."""

MAGIC = ((b"PAR1", ".parquet"), (b"\x93NUMPY", ".npy"), (b"{", ".json"), (b"[", ".json"))
"""First bytes of files and the suffixes of their formats."""


@dataclass(frozen=True)
class Source:
    """A source of bytes that a series is read from.

    Attributes:
        name: name for messages.
        suffix: suffix of the format, in lower case.
        path: path of the file; None if `content` is set.
        content: unpacked content; None if it is read from `path`.
    """

    name: str
    suffix: str
    path: Path | None
    content: bytes | None = None

    @classmethod
    def of(cls, path: str | Path) -> Source:
        """Open a file or a pipe, or standard input for `-`; a file with the suffix .gz is unpacked.

        Raises:
            SeriesFileError: the path does not exist, is a folder, cannot be read, or is empty.
        """
        file = Path(path)
        try:
            if str(path) == STDIN:
                return _from_pipe("standard input", sys.stdin.buffer.read())
            if not file.exists() or file.is_dir():
                fault = "is a folder" if file.is_dir() else "no such file"
                raise SeriesFileError(f"{path}: {fault}; give the path of a series")
            if not file.is_file():
                return _from_pipe(str(path), file.read_bytes())
            if file.stat().st_size == 0:
                raise SeriesFileError(f"{path}: the file is empty")
            if file.suffix.lower() == ".gz":
                return cls(str(path), file.with_suffix("").suffix.lower(), None, unpack(str(path), file.read_bytes()))
        except OSError as error:
            raise SeriesFileError(f"{path}: cannot be read ({error.strerror or error})") from error
        return cls(str(path), file.suffix.lower(), file)

    def read(self) -> bytes:
        """Return the content as bytes.

        Raises:
            SeriesFileError: the file cannot be read.
        """
        if self.content is not None:
            return self.content
        assert self.path is not None
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise SeriesFileError(f"{self.name}: cannot be read ({error.strerror or error})") from error

    def opened(self) -> Path | BinaryIO:
        """Return a path or a binary stream for readers of other libraries."""
        return self.path if self.content is None and self.path is not None else io.BytesIO(self.read())

    def refuse_expansion(self, size: int) -> None:
        """Raise an error if content expands too much in memory.

        Args:
            size: size of the unpacked content, in bytes.

        Raises:
            SeriesFileError: the size exceeds `HARMLESS`,
                and `EXPANSION` times the size of the file.
        """
        packed = len(self.content) if self.content is not None else self.path.stat().st_size if self.path else 0
        _refuse_expansion(self.name, size, packed)


def unpack(name: str, packed: bytes) -> bytes:
    """Unpack the content of a gzip file.

    Args:
        name: name of the file, for messages.
        packed: content of the file.

    Raises:
        SeriesFileError: the file is damaged, or expands too much.
    """
    parts, size = [], 0
    try:
        with gzip.open(io.BytesIO(packed)) as stream:
            while part := stream.read(BYTES_AT_ONCE):
                parts.append(part)
                size += len(part)
                _refuse_expansion(name, size, len(packed))
    except (OSError, EOFError, zlib.error) as error:
        raise SeriesFileError(f"{name}: not a readable gzip file ({error})") from error
    return b"".join(parts)


def _from_pipe(name: str, content: bytes) -> Source:
    """Make a source of content without a file name; its first bytes determine the format."""
    if content.startswith(GZIP):
        content = unpack(name, content)
    if not content:
        raise SeriesFileError(f"{name}: the input is empty; give a series")
    begin = content.lstrip()[:8] if content[:1] in b" \t\r\n" else content[:8]
    if begin.startswith(b"PK\x03\x04"):
        return Source(name, ".xlsx" if b"[Content_Types].xml" in content else ".npz", None, content)
    suffix = next((suffix for magic, suffix in MAGIC if begin.startswith(magic)), ".csv")
    return Source(name, suffix, None, content)


def _refuse_expansion(name: str, size: int, packed: int) -> None:
    if size > HARMLESS and size > EXPANSION * packed:
        raise SeriesFileError(
            f"{name}: its {packed} bytes unpack to {size / 2**20:.0f} MiB, more than {EXPANSION} times the size, like "
            "a file that is made to fill the memory; if you trust it, write it again without compression"
        )
