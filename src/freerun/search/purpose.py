"""`Purpose`: identifies what a study was made for,
so that a different search is not mixed into it."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from freerun.data.panel import fingerprint
from freerun.data.series import Series
from freerun.errors import SearchError
from freerun.files.provenance import differences, versions
from freerun.search.space import Space
from freerun.settings import Value

FORMAT = 2
"""Version of the contents of a study. A study of another version is refused."""

PACKAGES = ("jax", "numpy", "optuna")
"""Packages besides freerun. The errors of trials depend on their versions."""


@dataclass(frozen=True)
class Purpose:
    """What a study was made for; only a search with an equal purpose may join it.

    Attributes:
        series: fingerprint of the training series.
        settings: settings that the search does not change.
        space: the search space, as text by name.
        folds: number of held-out parts on which trials are scored.
        packages: versions of `PACKAGES` and freerun.
        format: see `FORMAT`.
    """

    series: str
    settings: dict[str, Value]
    space: dict[str, str]
    folds: int
    packages: dict[str, str]
    format: int = FORMAT

    @classmethod
    def of(cls, training: Sequence[Series], space: Space, folds: int) -> Purpose:
        """Describe a search with the package versions of this process."""
        given = space.given.model_dump(mode="json", exclude={"device", "parallel"})
        return cls(fingerprint(training), given, space.describe(), folds, versions(*PACKAGES))

    def require_packages(self) -> None:
        """Check that this process has the package versions of the study.

        Raises:
            SearchError: it has other ones; the message names them.
        """
        differ = differences(self.packages, versions(*PACKAGES))
        if differ:
            raise SearchError(
                f"worker {socket.gethostname()} has other package versions than the study ({differ}); "
                "install the same everywhere"
            )

    def require(self, found: Mapping[str, Value], where: str) -> None:
        """Check that a study was made for this purpose.

        Args:
            found: the purpose that is stored in the study.
            where: name of the study, for the message.

        Raises:
            SearchError: it was made for another one; the message says how they differ.
        """
        if found.get("format") != self.format:
            raise SearchError(
                f"{where}: no study of freerun, or one of another version (format {found.get('format', 'none')} "
                f"instead of {self.format}); choose another study"
            )
        mine = asdict(self)
        for key, other in (("series", "other data"), ("folds", "another number of folds")):
            if found[key] != mine[key]:
                raise SearchError(f"{where}: this study was made for {other}; choose another study, or use the same")
        for key, kind in (("settings", "settings"), ("space", "search space"), ("packages", "package versions")):
            differ = differences(found[key], mine[key])
            if differ:
                raise SearchError(
                    f"{where}: this study was made with other {kind} ({differ}); use the same, or choose another study"
                )
