"""Write files atomically: a temporary file is written first, then renamed. Also,
results as JSON and tables."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freerun.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

JSONValue = Any
"""What JSON holds: None, a truth value, a number, a string, a list or an object."""

JSON = dict[str, JSONValue]
"""An object of JSON."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`.
    It replaces `path` if the context ends without an error.

    The temporary path has the suffix of `path`: some writers choose the format by it.

    Raises:
        OutputError: the folder does not exist or cannot be written, or the disk is full.
    """
    path = Path(path)
    require_folder(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def require_folder(path: Path) -> None:
    """Check that a file can be written at a path.

    Raises:
        OutputError: the path is a folder, or its folder does not exist or cannot be written.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file to write")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; make it, or choose another")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: the folder {path.parent} cannot be written; choose another")


def refuse_overwriting(path: Path, read: Iterable[Path | None]) -> None:
    """Raise an error if a file that is to be written is one of those that are read.

    Raises:
        OutputError: it is.
    """
    if path.exists() and any(one is not None and one.exists() and path.samefile(one) for one in read):
        raise OutputError(f"{path}: is read, and would be overwritten; name another file to write")


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
    ".json": lambda table, path: table.to_json(path, orient="records", date_format="iso", indent=2),
}
"""The function that writes a table, by the suffix of the file."""


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table, without its index, to a CSV, Parquet or JSON file.
    The suffix of `path` selects the format.

    Raises:
        OutputError: the suffix is unknown, two columns have one name,
            or the file cannot be written.
    """
    require_table_format(path)
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise OutputError(f"{path}: two columns would have the name {twice[0]!r}; rename that channel")
    with replacing(path) as temporary:
        _WRITERS[Path(path).suffix.lower()](table, temporary)


def require_table_format(path: str | Path) -> None:
    """Check that `write_table` knows the format of a path.

    Raises:
        OutputError: the suffix is unknown.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in _WRITERS:
        raise OutputError(f"{path}: unknown format {suffix!r} of a table; use one of {', '.join(_WRITERS)}")


def json_text(results: JSON) -> str:
    """Convert results to JSON. Infinity and NaN, which JSON does not have, become null."""
    return json.dumps(_finite(results), indent=2, allow_nan=False)


def _finite(value: JSONValue) -> JSONValue:
    """Replace infinity and NaN by None, also in nested dicts, lists and tuples."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _umask() -> int:
    """Return the umask of this process. It can be read only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
