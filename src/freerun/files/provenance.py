"""Provenance of results: versions of packages, and how two sets of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from freerun._version import __version__
from freerun.files.writing import JSONValue


def versions(*packages: str) -> dict[str, str]:
    """Return the installed versions of freerun and of these packages, by name.

    Raises:
        importlib.metadata.PackageNotFoundError: one is not installed.
    """
    return {"freerun": __version__} | {name: version(name) for name in packages}


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
