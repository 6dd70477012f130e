"""Resuming training from a checkpoint, with bit-identical results.

A checkpoint of training holds the number of the stage,
the state of the optimiser and the state of the monitor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import jax
import numpy as np

from freerun.errors import TrainingDiverged
from freerun.files.writing import JSON, JSONValue
from freerun.network.network import Network
from freerun.training.checkpoint import Checkpoint
from freerun.training.history import History
from freerun.training.monitor import MonitorState
from freerun.training.optimizers import Optimizer, Population, StageState, Stopped, stack, unstack

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class TrainingCheckpoint:
    """The state of training within a stage.

    Attributes:
        stage: number of the stage.
        initial: the networks at the beginning of the stage, stacked.
            The forcing of the stage may depend on them.
        stage_state: the state of the optimiser in this stage.
        monitor_state: what the monitor has recorded of all networks.
    """

    stage: int
    initial: Network
    stage_state: StageState
    monitor_state: MonitorState

    def archived(self) -> tuple[JSON, dict[str, np.ndarray]]:
        """Return the content of the file: a JSON header, and arrays by name."""
        stage_state, monitor_state = self.stage_state, self.monitor_state
        header = {
            "stage": self.stage,
            "done": stage_state.done,
            "stopped": [[i, stop.reason, stop.diverged] for i, stop in stage_state.stopped.items()],
            "running": monitor_state.running,
            "reported": monitor_state.reported,
            "rungs": monitor_state.rungs,
            "histories": [asdict(history) for history in monitor_state.histories],
            "failures": [None if failure is None else str(failure) for failure in monitor_state.failures],
            "seconds": monitor_state.seconds,
        }
        trees = {
            "begun": self.initial,
            "trained": stage_state.population.networks,
            "memory": stage_state.population.memory,
            "last": stack(monitor_state.networks),
            "kept": stack(monitor_state.kept),
        }
        leaves = {f"{name}.{i}": leaf for name, tree in trees.items() for i, leaf in enumerate(jax.tree.leaves(tree))}
        return header, {name: np.asarray(leaf) for name, leaf in leaves.items()}


def load_training_checkpoint(
    checkpoint: Checkpoint, population: Population, optimizers: Sequence[Optimizer]
) -> TrainingCheckpoint | None:
    """Load the state of training from a checkpoint.

    Args:
        checkpoint: the checkpoint, as read from its file.
        population: the networks at the beginning of training.
        optimizers: of each stage.

    Returns:
        The state of training; None if training had not begun.

    Raises:
        CheckpointError: the file does not fit these networks.
    """
    training = checkpoint.training()
    if training is None:
        return None
    try:
        return _from_archive(*training, population, optimizers)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise checkpoint.damaged(error) from error


def _from_archive(
    header: Mapping[str, JSONValue],
    arrays: Mapping[str, np.ndarray],
    start: Population,
    optimizers: Sequence[Optimizer],
) -> TrainingCheckpoint:
    """The reverse of `TrainingCheckpoint.archived`; the header is checked here,
    so it may hold anything."""
    reported = [int(i) for i in header["reported"]]
    blank = optimizers[header["stage"]].begin(start.among(reported)).population

    def filled(name: str, tree: Tree) -> Tree:
        """The pytree with its arrays replaced by those of this name."""
        leaves, structure = jax.tree.flatten(tree)
        found = [arrays[f"{name}.{i}"] for i in range(len(leaves))]
        for i, (leaf, stored) in enumerate(zip(leaves, found, strict=True)):
            if np.shape(leaf) != stored.shape:
                raise ValueError(f"{name}.{i} has shape {stored.shape}, not {np.shape(leaf)}")
        return jax.tree.unflatten(structure, found)

    population = replace(blank, networks=filled("trained", blank.networks), memory=filled("memory", blank.memory))
    stopped = {int(i): Stopped(str(reason), bool(diverged)) for i, reason, diverged in header["stopped"]}
    monitor_state = MonitorState(
        running=[int(i) for i in header["running"]],
        reported=reported,
        networks=unstack(filled("last", start.networks)),
        kept=unstack(filled("kept", start.networks)),
        histories=[History(**history) for history in header["histories"]],
        failures=[None if failure is None else TrainingDiverged(failure) for failure in header["failures"]],
        rungs=[list(map(float, rungs)) for rungs in header["rungs"]],
        seconds=float(header["seconds"]),
    )
    return TrainingCheckpoint(
        int(header["stage"]),
        filled("begun", blank.networks),
        StageState(population, int(header["done"]), stopped),
        monitor_state,
    )
