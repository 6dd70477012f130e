"""How far a fit has come, in a file of its own, so that it goes on to the same bits after whatever stopped it.

It holds the recipes judged so far and the course of training: the stage, all that the optimiser knows, and what has
been seen of the networks. Everything else follows from the settings and the series, whose fingerprints it holds.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from freerun.archive import ArchiveError, read_archive, write_archive
from freerun.errors import CheckpointError, OutputError, TrainingDiverged
from freerun.history import History
from freerun.network.network import Network
from freerun.optimizers import Leg, Optimizer, Stopped, Trainees, stack, unstack
from freerun.provenance import differences, versions
from freerun.settings import Settings
from freerun.watch import Watched
from freerun.writing import require_folder

FORMAT = 2
"""Version of the layout; a file with another one is refused."""

EVERY = 10.0
"""Seconds between two checkpoints, unless the fit is told otherwise."""

SHARE = 20.0
"""The pause before a checkpoint is at least so many times as long as the one before took to write."""


@dataclass(frozen=True)
class Course:
    """How far training has come.

    Attributes:
        stage: its number.
        begun: the networks as they were at its beginning, stacked, from which its forcing may be set.
        leg: how far it has come.
        watched: what has been seen of all networks.
    """

    stage: int
    begun: Network
    leg: Leg
    watched: Watched


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
        self._judged: dict[tuple[str, Settings], tuple[float, Settings]] = {}
        self._header: dict[str, Any] | None = None
        self._arrays: dict[str, np.ndarray] = {}
        self._course: Course | None = None
        self._written = time.monotonic()
        self._complained = False
        self._found = path.exists()
        if self._found:
            self._read()

    def judged(self, by: str, asked: Settings) -> tuple[float, Settings] | None:
        """What came of a recipe, as `note_judged` was told; None where it has not been judged by that."""
        return self._judged.get((by, asked))

    def note_judged(self, by: str, asked: Settings, error: float, found: Settings) -> None:
        """Keep what came of a recipe, judged by something."""
        self._judged[by, asked] = error, found
        self._write_if_due()

    def note(self, course: Course) -> None:
        """Keep how far training has come."""
        self._course = course
        self._write_if_due()

    def course(self, start: Trainees, plan: Sequence[Optimizer]) -> Course | None:
        """How far training had come; None where it had not begun.

        Args:
            start: the networks that training begins with.
            plan: the optimiser of each stage.

        Raises:
            CheckpointError: the file does not fit these networks.
        """
        if self._header is None:
            return None
        try:
            return _course(self._header, self._arrays, start, plan)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise self._damaged(error) from error

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
                [by, asked.model_dump(mode="json"), error, found.model_dump(mode="json")]
                for (by, asked), (error, found) in self._judged.items()
            ],
        }
        training, arrays = (self._header, self._arrays) if self._course is None else _archived(self._course)
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
            for by, asked, error, found in header["judged"]:
                self._judged[str(by), Settings.checked(**asked)] = float(error), Settings.checked(**found)
            self._header, self._arrays = header["training"], arrays
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> CheckpointError:
        return CheckpointError(f"{self._path}: the checkpoint is damaged ({error}); delete it")


def purpose_of(settings: Settings, fingerprints: Mapping[str, str | None]) -> dict[str, Any]:
    """What a fit is for, as JSON.

    Args:
        settings: as given.
        fingerprints: of the training series, the validation series, the weights to go on from.
    """
    packages = versions("jax", "numpy", "scipy")
    return {"settings": settings.model_dump(mode="json"), **fingerprints, "packages": packages}


def _archived(course: Course) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    leg, watched = course.leg, course.watched
    header = {
        "stage": course.stage,
        "done": leg.done,
        "stopped": [[i, stop.reason, stop.diverged] for i, stop in leg.stopped.items()],
        "running": watched.running,
        "reported": watched.reported,
        "rungs": watched.rungs,
        "histories": [asdict(history) for history in watched.histories],
        "failures": [None if failure is None else str(failure) for failure in watched.failures],
        "seconds": watched.seconds,
    }
    trees = {
        "begun": course.begun,
        "trained": leg.trainees.networks,
        "memory": leg.trainees.memory,
        "last": stack(watched.networks),
        "kept": stack(watched.kept),
    }
    leaves = {f"{name}.{i}": leaf for name, tree in trees.items() for i, leaf in enumerate(jax.tree.leaves(tree))}
    return header, {name: np.asarray(leaf) for name, leaf in leaves.items()}


def _course(
    header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], start: Trainees, plan: Sequence[Optimizer]
) -> Course:
    reported = [int(i) for i in header["reported"]]
    blank = plan[header["stage"]].begin(start.among(reported)).trainees

    def filled(name: str, tree: Any) -> Any:
        leaves, structure = jax.tree.flatten(tree)
        found = [arrays[f"{name}.{i}"] for i in range(len(leaves))]
        for i, (leaf, stored) in enumerate(zip(leaves, found, strict=True)):
            if np.shape(leaf) != stored.shape:
                raise ValueError(f"{name}.{i} has shape {stored.shape}, not {np.shape(leaf)}")
        return jax.tree.unflatten(structure, found)

    trainees = replace(blank, networks=filled("trained", blank.networks), memory=filled("memory", blank.memory))
    stopped = {int(i): Stopped(str(reason), bool(diverged)) for i, reason, diverged in header["stopped"]}
    watched = Watched(
        running=[int(i) for i in header["running"]],
        reported=reported,
        networks=unstack(filled("last", start.networks)),
        kept=unstack(filled("kept", start.networks)),
        histories=[History(**history) for history in header["histories"]],
        failures=[None if failure is None else TrainingDiverged(failure) for failure in header["failures"]],
        rungs=[list(map(float, rungs)) for rungs in header["rungs"]],
        seconds=float(header["seconds"]),
    )
    return Course(
        int(header["stage"]), filled("begun", blank.networks), Leg(trainees, int(header["done"]), stopped), watched
    )
