"""How far a fit has come, in a file of its own, so that it goes on to the same bits after whatever stopped it.

It holds the candidates judged so far and how far training has come (see `freerun.course`). Everything else follows from
the settings and the series, whose fingerprints it holds.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from freerun.archive import ArchiveError, read_archive, write_archive
from freerun.errors import CheckpointError, OutputError
from freerun.provenance import differences, versions
from freerun.settings import Settings
from freerun.writing import require_folder

FORMAT = 3
"""Version of the layout; a file with another one is refused."""

EVERY = 10.0
"""Seconds between two checkpoints, unless the fit is told otherwise."""

SHARE = 20.0
"""The pause before a checkpoint is at least so many times as long as the one before took to write."""


class Archivable(Protocol):
    """What can be kept of training: see `freerun.course.Course`."""

    def archived(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """As JSON and arrays."""
        ...


class Judged(NamedTuple):
    """What came of a candidate.

    Attributes:
        settings: nothing left open.
        errors: of its free runs; empty where there is no run.
    """

    settings: Settings
    errors: tuple[float, ...]


class Checkpoint:
    """The checkpoint of one fit.

    Args:
        path: of the file; where it is there, the fit goes on from it.
        purpose: what the fit is for, see `purpose_of`; a file for anything else is refused.
        every: seconds between two checkpoints at least.

    Raises:
        CheckpointError: the file is damaged, or of another fit.
        OutputError: no file can be written there.
    """

    def __init__(self, path: Path, purpose: Mapping[str, Any], every: float = EVERY) -> None:
        require_folder(path)
        self._path, self._purpose, self._pause = path, dict(purpose), every
        self._every = every
        self._judged: dict[tuple[str, Settings], Judged] = {}
        self._header: dict[str, Any] | None = None
        self._arrays: dict[str, np.ndarray] = {}
        self._course: Archivable | None = None
        self._written = time.monotonic()
        self._complained = False
        self._found = path.exists()
        if self._found:
            self._read()

    def judged(self, by: str, asked: Settings) -> Judged | None:
        """What came of a candidate, as `note_judged` was told; None where it has not been judged by that."""
        return self._judged.get((by, asked))

    def note_judged(self, by: str, asked: Settings, judged: Judged) -> None:
        """Keep what came of a candidate, judged by something."""
        self._judged[by, asked] = judged
        self._write_if_due()

    def note(self, course: Archivable) -> None:
        """Keep how far training has come."""
        self._course = course
        self._write_if_due()

    def training(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """How far training had come when the file was read, as JSON and arrays; None where it had not begun."""
        return None if self._header is None else (self._header, self._arrays)

    def write(self) -> None:
        """Write the file now, if there is anything to keep.

        Where that fails the fit goes on, with a warning the first time.
        """
        if not self._judged and self._course is None and self._header is None:
            return
        began = time.monotonic()
        header = {
            "format": FORMAT,
            "purpose": self._purpose,
            "judged": [
                [by, asked.model_dump(mode="json"), judged.errors, judged.settings.model_dump(mode="json")]
                for (by, asked), judged in self._judged.items()
            ],
        }
        training, arrays = (self._header, self._arrays) if self._course is None else self._course.archived()
        try:
            write_archive(self._path, header | {"training": training}, arrays)
        except OutputError as error:
            if not self._complained:
                self._complained = True
                warnings.warn(f"no checkpoint could be written; the fit goes on ({error})", RuntimeWarning, 2)
        self._written = time.monotonic()
        self._pause = max(self._every, SHARE * (self._written - began))

    def drop_own(self) -> None:
        """Remove the file of a fit that is refused before training: only one that this fit began, none found there."""
        if not self._found and self._course is None:
            with suppress(OSError):
                self._path.unlink()

    def _write_if_due(self) -> None:
        if time.monotonic() - self._written >= self._pause:
            self.write()

    def _read(self) -> None:
        try:
            header, arrays = read_archive(self._path)
        except ArchiveError as error:
            raise CheckpointError(f"{self._path}: {error}; delete it, and the fit begins anew") from error
        try:
            if header["format"] != FORMAT:
                raise CheckpointError(f"{self._path}: a checkpoint of another version of freerun; delete it")
            for name, here in self._purpose.items():
                found = header["purpose"].get(name)
                if found != here:
                    what = f" ({differences(found, here)})" if isinstance(here, dict) else ""
                    raise CheckpointError(
                        f"{self._path}: the checkpoint of a fit with other {name}{what}; "
                        "go on with the same, or delete it"
                    )
            for by, asked, errors, found in header["judged"]:
                judged = Judged(Settings.checked(**found), tuple(map(float, errors)))
                self._judged[str(by), Settings.checked(**asked)] = judged
            self._header, self._arrays = header["training"], arrays
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.damaged(error) from error

    def damaged(self, error: Exception) -> CheckpointError:
        """What to raise where the content of the file does not fit."""
        return CheckpointError(f"{self._path}: the checkpoint is damaged ({error}); delete it")


def purpose_of(settings: Settings, fingerprints: Mapping[str, str | None]) -> dict[str, Any]:
    """What a fit is for, as JSON.

    Args:
        settings: as given.
        fingerprints: of the training series, the validation series, the weights to go on from.
    """
    packages = versions("jax", "numpy", "scipy")
    return {"settings": settings.model_dump(mode="json"), **fingerprints, "packages": packages}
