"""How far training has come: all that it needs to go on from there to the same bits.

That is the stage, all that the optimiser knows, and what has been seen of the networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import numpy as np

from freerun.checkpoint import Checkpoint
from freerun.errors import TrainingDiverged
from freerun.history import History
from freerun.network.network import Network
from freerun.optimizers import Leg, Optimizer, Stopped, Trainees, stack, unstack
from freerun.watch import Watched


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

    def archived(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """As JSON and arrays."""
        leg, watched = self.leg, self.watched
        header = {
            "stage": self.stage,
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
            "begun": self.begun,
            "trained": leg.trainees.networks,
            "memory": leg.trainees.memory,
            "last": stack(watched.networks),
            "kept": stack(watched.kept),
        }
        leaves = {f"{name}.{i}": leaf for name, tree in trees.items() for i, leaf in enumerate(jax.tree.leaves(tree))}
        return header, {name: np.asarray(leaf) for name, leaf in leaves.items()}


def resumed(checkpoint: Checkpoint, start: Trainees, plan: Sequence[Optimizer]) -> Course | None:
    """How far the training that a checkpoint holds had come; None where it had not begun.

    Args:
        checkpoint: as it was read.
        start: the networks that training begins with.
        plan: the optimiser of each stage.

    Raises:
        CheckpointError: the file does not fit these networks.
    """
    training = checkpoint.training()
    if training is None:
        return None
    try:
        return _course(*training, start, plan)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise checkpoint.damaged(error) from error


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
