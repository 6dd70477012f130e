"""What results depend on beside settings and data, and in what two sets of circumstances differ."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from freerun._version import __version__


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of freerun and of these packages.

    Raises:
        importlib.metadata.PackageNotFoundError: one is not installed.
    """
    return {"freerun": __version__} | {name: version(name) for name in packages}


def differences(found: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What is not the same here, in words; empty where all is."""
    names = sorted(name for name in {*found, *here} if found.get(name) != here.get(name))
    return ", ".join(f"{name}={found.get(name, 'none')}, here {here.get(name, 'none')}" for name in names)
