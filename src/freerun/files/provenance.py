"""Provenance of results: versions of packages, and the differences between two records of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from freerun._version import __version__
from freerun.files.writing import JSONValue


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of freerun and of those of these packages that are installed, by name."""
    found = {"freerun": __version__}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def differences(found: Mapping[str, JSONValue], here: Mapping[str, JSONValue]) -> str:
    """Describe the entries that differ, as words for a message.

    Args:
        found: the entries of a file.
        here: the entries of this machine.

    Returns:
        The differences; empty if there are none.
    """
    names = sorted(name for name in {*found, *here} if found.get(name) != here.get(name))
    return ", ".join(f"{name}={found.get(name, 'none')}, here {here.get(name, 'none')}" for name in names)
