"""The checkpoint file of a fit, from which an interrupted fit resumes with bit-identical results.

The file holds the candidates judged so far and the state of training (see
`freerun.training.resuming`). Everything else follows from the settings and the series, whose
fingerprints the file holds.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from freerun.errors import CheckpointError, OutputError
from freerun.files.archive import ArchiveError, read_archive, write_archive
from freerun.files.provenance import differences, versions
from freerun.files.writing import JSON, JSONValue, require_folder
from freerun.known import KnownModel
from freerun.settings import Settings

FORMAT = 3
"""Version of the layout of the file; files with another version are refused."""

EVERY = 10.0
"""Default time between two checkpoints, in seconds."""

SHARE = 20.0
"""Minimum pause after a checkpoint, in multiples of the time that it took to write:
writing takes at most 5 %."""


class Archivable(Protocol):
    """A state of training that a checkpoint can hold: see
    `freerun.training.resuming.TrainingCheckpoint`."""

    def archived(self) -> tuple[JSON, dict[str, np.ndarray]]:
        """Return a JSON header, and arrays by name."""
        ...


class Judged(NamedTuple):
    """The result of a candidate.

    Attributes:
        settings: of the candidate, complete.
        errors: of its free runs; empty if there is no run.
    """

    settings: Settings
    errors: tuple[float, ...]


class Checkpoint:
    """The checkpoint of one fit.

    Args:
        path: of the file. If it exists, the fit resumes from it.
        purpose: identifies the fit, see `purpose_of`. A file of another fit is refused.
        every: minimum time between two checkpoints, in seconds.
        model: the known model of the settings, of which the file has the name alone.

    Raises:
        CheckpointError: the file is damaged, or belongs to another fit.
        OutputError: the file cannot be written.
    """

    def __init__(
        self, path: Path, purpose: Mapping[str, JSONValue], every: float = EVERY, model: KnownModel | None = None
    ) -> None:
        require_folder(path)
        self._model = model
        self._path, self._purpose, self._pause = path, dict(purpose), every
        self._every = every
        self._judged: dict[tuple[str, Settings], Judged] = {}
        self._header: JSON | None = None
        self._arrays: dict[str, np.ndarray] = {}
        self._training: Archivable | None = None
        self._written = time.monotonic()
        self._warned = False
        self._found = path.exists()
        if self._found:
            self._read()

    def judged(self, by: str, asked: Settings) -> Judged | None:
        """Look up the result of a candidate.

        Args:
            by: the policy and the round that judged the candidate.
            asked: settings of the candidate, as asked for.

        Returns:
            The result; None if this round has not judged the candidate.
        """
        return self._judged.get((by, asked))

    def note_judged(self, by: str, asked: Settings, judged: Judged) -> None:
        """Add the result of a candidate, and write the file if it is due.

        Args:
            by: the policy and the round that judged the candidate.
            asked: settings of the candidate, as asked for.
            judged: its result.
        """
        self._judged[by, asked] = judged
        self._write_if_due()

    def note(self, training: Archivable) -> None:
        """Keep the state of training, and write the file if it is due."""
        self._training = training
        self._write_if_due()

    def training(self) -> tuple[JSON, dict[str, np.ndarray]] | None:
        """Return the JSON header and the arrays of training in the file;
        None if training had not begun."""
        return None if self._header is None else (self._header, self._arrays)

    def write(self) -> None:
        """Write the file now, if there is anything to write.

        If writing fails, the fit continues. The first failure is a warning.
        """
        if not self._judged and self._training is None and self._header is None:
            return
        start = time.monotonic()
        header = {
            "format": FORMAT,
            "purpose": self._purpose,
            "judged": [
                [by, asked.model_dump(mode="json"), judged.errors, judged.settings.model_dump(mode="json")]
                for (by, asked), judged in self._judged.items()
            ],
        }
        training, arrays = (self._header, self._arrays) if self._training is None else self._training.archived()
        try:
            write_archive(self._path, header | {"training": training}, arrays)
        except OutputError as error:
            if not self._warned:
                self._warned = True
                warnings.warn(f"no checkpoint could be written; the fit goes on ({error})", RuntimeWarning, 2)
        self._written = time.monotonic()
        self._pause = max(self._every, SHARE * (self._written - start))

    def drop_own(self) -> None:
        """Remove the file of a fit that is refused before training,
        unless the file existed before this fit."""
        if not self._found and self._training is None:
            with suppress(OSError):
                self._path.unlink()

    def _write_if_due(self) -> None:
        """Write the file if the last one is old enough."""
        if time.monotonic() - self._written >= self._pause:
            self.write()

    def _read(self) -> None:
        """Read the file.

        Raises:
            CheckpointError: the file is damaged, or belongs to another fit.
        """
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
                judged = Judged(self._settings(found), tuple(map(float, errors)))
                self._judged[str(by), self._settings(asked)] = judged
            self._header, self._arrays = header["training"], arrays
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.damaged(error) from error

    def _settings(self, found: JSON) -> Settings:
        """The settings in the file, with the function of their known model."""
        return Settings.checked(**found | ({} if self._model is None else {"model": self._model}))

    def damaged(self, error: Exception) -> CheckpointError:
        """Make the error to raise if the content of the file does not fit."""
        return CheckpointError(f"{self._path}: the checkpoint is damaged ({error}); delete it")


def purpose_of(settings: Settings, fingerprints: Mapping[str, str | None]) -> JSON:
    """Identify a fit.

    Args:
        settings: as the user gave them.
        fingerprints: of the training series, the validation series and the initial weights;
            None for what is absent.

    Returns:
        What a checkpoint of this fit must agree with, as JSON.
    """
    packages = versions("jax", "numpy", "scipy")
    return {"settings": settings.model_dump(mode="json"), **fingerprints, "packages": packages}
