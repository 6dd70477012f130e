"""What a study is for, so that it is not joined for anything else."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from freerun.data.panel import fingerprint
from freerun.data.series import Series
from freerun.errors import SearchError
from freerun.provenance import differences, versions
from freerun.search.space import Space

FORMAT = 1
"""Of what a study holds; one of another format is not joined."""

PACKAGES = ("jax", "numpy", "optuna")
"""What the errors of trials depend on, beside freerun itself."""


@dataclass(frozen=True)
class Purpose:
    """What a study is for; a process joins it for the same only.

    Attributes:
        series: a fingerprint of the training series.
        settings: what is not for it to change.
        space: what may be tried.
        folds: on how many stretches trials are judged.
        packages: the versions that errors depend on.
        format: see `FORMAT`.
    """

    series: str
    settings: dict[str, Any]
    space: dict[str, str]
    folds: int
    packages: dict[str, str]
    format: int = FORMAT

    @classmethod
    def of(cls, training: Sequence[Series], space: Space, folds: int) -> Purpose:
        """The purpose of a search on this machine."""
        given = space.given.model_dump(mode="json", exclude={"device", "parallel"})
        return cls(fingerprint(training), given, space.described(), folds, versions(*PACKAGES))

    def require_packages(self) -> None:
        """Refuse to judge trials with other versions of packages than those of the study.

        Raises:
            SearchError: the message names them.
        """
        differ = differences(self.packages, versions(*PACKAGES))
        if differ:
            raise SearchError(
                f"worker {socket.gethostname()} has other package versions than the study ({differ}); "
                "install the same everywhere"
            )

    def require(self, found: Mapping[str, Any], where: str) -> None:
        """Refuse a study that is for something else.

        Raises:
            SearchError: the message says for what.
        """
        if found.get("format") != self.format:
            raise SearchError(
                f"{where}: no study of freerun's, or of another version's (format {found.get('format', 'none')}, this "
                f"version has {self.format}); name another study"
            )
        mine = asdict(self)
        for key, what in (("series", "other data"), ("folds", "another number of folds")):
            if found[key] != mine[key]:
                raise SearchError(f"{where}: this study was made for {what}; name another study, or give the same")
        for key, what in (("settings", "settings"), ("space", "search space"), ("packages", "package versions")):
            differ = differences(found[key], mine[key])
            if differ:
                raise SearchError(
                    f"{where}: this study was made with other {what} ({differ}); use the same, or name another study"
                )
