"""Watching networks while they are trained: keeps weights, measures errors, drops what fails, tells the progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Float

from freerun.cells import Array
from freerun.errors import TrainingDiverged
from freerun.forcing import Pairs, shared
from freerun.history import History, Progress, Trained, Watcher
from freerun.network import Network
from freerun.optimizers import Stopped, stack, unstack
from freerun.optimizers.base import each
from freerun.settings import SHORT, Settings
from freerun.validation import Validation

Thinning = Callable[[int, Sequence[float]], Sequence[bool]]
"""Before a stage of that number, given the lowest free-run errors so far: which networks are worth going on with."""

UNTHINNED = 2
"""Stages after which the worse half of the networks is dropped before each further stage of a fit."""


def better_half(least: int) -> Thinning:
    """Go on with the half whose free runs are better from the third stage on, but with `least` networks at least."""

    def keep(stage: int, errors: Sequence[float]) -> list[bool]:
        count = len(errors) if stage < UNTHINNED else max(least, (len(errors) + 1) // 2)
        kept = sorted(range(len(errors)), key=lambda i: errors[i])[:count]
        return [i in kept for i in range(len(errors))]

    return keep


class Watch:
    """Takes the reports of an optimiser: keeps weights, measures errors, tells the progress.

    Networks are numbered as they began. `running` are those that have not failed; a report holds the networks that
    were running when the stage began. `rungs` are the lowest free-run errors of each network at the ends of stages.
    """

    def __init__(
        self,
        settings: list[Settings],
        training: Pairs,
        validation: Pairs | None,
        free_runs: Validation | None,
        scale: Float[Array, " D"],
        epochs: int,
        progress: Watcher | None,
    ) -> None:
        self.settings = settings
        self.running = list(range(len(settings)))
        self.rungs: list[list[float]] = [[] for _ in settings]
        self.networks: list[Network] = []
        self._reported = list(self.running)
        self._kept: list[Network] = []
        self._histories = [History() for _ in settings]
        self._failures: list[TrainingDiverged | KeyboardInterrupt | None] = [None for _ in settings]
        self._training, self._validation, self._free_runs, self._scale = training, validation, free_runs, scale
        self._epochs, self._progress = epochs, progress
        self._began = time.perf_counter()

    def thin(self, stage: int, keep: Thinning) -> None:
        """Drop the networks that are not worth going on with, but for the best."""
        errors = [self.rungs[i][-1] for i in self.running]
        kept = [i for i, worth in zip(self.running, keep(stage, errors), strict=True) if worth]
        for i in set(self.running) - set(kept or [self.running[int(np.argmin(errors))]]):
            self._histories[i].stopped = "others ran free better"
            self.running.remove(i)

    def begin_stage(self) -> Network:
        """The networks that go on, stacked."""
        self._reported = list(self.running)
        return stack([self.networks[i] for i in self.running])

    def begin(self, networks: Network) -> None:
        """Take the networks to start from; those whose training error is not finite are dropped."""
        self.networks = unstack(networks)
        self._kept = list(self.networks)
        try:
            self(self.begin_stage(), np.empty((0, len(self.running))))
        except AllDivergedError:
            raise self._failures[0] or TrainingDiverged("there is nothing to train") from None

    def __call__(self, networks: Network, objectives: np.ndarray) -> None:
        """Take a report: see `optimizers.Report`."""
        measured = stack(list(map(shared, unstack(networks)))) if self._training.steps < SHORT else networks
        errors = each(_mean_squared_error, None, (self._training, self._scale), measured)
        validation = None
        if self._validation is not None:
            validation = each(_mean_squared_error, None, (self._validation, self._scale), measured)
        free = None if self._free_runs is None else each(_free_run_error, None, self._free_runs, networks)
        for column, (i, network) in enumerate(zip(self._reported, unstack(networks), strict=True)):
            if i not in self.running:
                continue
            history = self._histories[i]
            if not math.isfinite(errors[column]):
                self._fail(i, TrainingDiverged(self._trouble(i, errors[column])))
                continue
            values = objectives[:, column]
            history.objective.extend(values[np.isfinite(values)].tolist())
            history.epochs.append(len(history.objective))
            history.training_mse.append(float(errors[column]))
            if validation is not None:
                history.validation_mse.append(float(validation[column]))
            self.networks[i] = network
            if free is None or free[column] <= min(history.free_run_error, default=math.inf):
                self._kept[i] = network
            if free is not None:
                history.free_run_error.append(float(free[column]))
        if not self.running:
            raise AllDivergedError
        if self._progress is not None and len(objectives):
            self._progress(
                Progress(
                    "training" if len(self.running) == 1 else f"training {len(self.running)} networks",
                    max(self._histories[i].epochs[-1] for i in self.running),
                    self._epochs,
                    float(np.nanmin(errors)),
                    None if validation is None else float(np.nanmin(validation)),
                    None if free is None else float(np.nanmin(free)),
                    time.perf_counter() - self._began,
                    lambda: self.results()[0],
                )
            )

    def end_stage(self, stopped: list[Stopped]) -> None:
        """Note why each network stopped."""
        for i, stop in zip(self._reported, stopped, strict=True):
            if i in self.running:
                self._histories[i].stopped = stop.reason
                if self._free_runs is not None:
                    self.rungs[i].append(min(self._histories[i].free_run_error))
                if stop.diverged:
                    self._fail(i, TrainingDiverged(stop.reason))

    def interrupt(self, interrupt: KeyboardInterrupt) -> None:
        """Ctrl-C: the weights reached are the result."""
        for i in self.running:
            self._histories[i].stopped, self._failures[i] = "interrupted", interrupt

    def results(self) -> list[Trained]:
        """What came of each network, in order of merit."""
        seconds = time.perf_counter() - self._began

        def trained(i: int) -> Trained:
            network = jax.tree.map(np.asarray, self._kept[i])
            history = replace(self._histories[i], seconds=seconds)
            return Trained(self.settings[i], network, history, self._failures[i], i, tuple(self.rungs[i]))

        def merit(i: int) -> tuple[bool, float]:
            failed = isinstance(self._failures[i], TrainingDiverged)
            return failed, min(self._histories[i].free_run_error, default=0.0)

        return [trained(i) for i in sorted(range(len(self.settings)), key=merit)]

    def _trouble(self, i: int, error: float) -> str:
        """What is the matter with a network whose training error is not finite."""
        seed, epochs = self.settings[i].seed, self._histories[i].epochs
        if not epochs:
            return (
                f"the training error is {error} at the initial weights (seed {seed}); standardise the series, draw "
                "smaller weights (spectral_radius, input_scale), or choose a bounded nonlinearity"
            )
        return (
            f"the training error became {error} after epoch {epochs[-1]} (seed {seed}); add a penalty (l2), or choose "
            "a bounded nonlinearity"
        )

    def _fail(self, i: int, failure: TrainingDiverged) -> None:
        self.running.remove(i)
        self._failures[i] = failure
        self._histories[i].stopped = str(failure)


class AllDivergedError(Exception):
    """No network is left to train."""


def _mean_squared_error(_: None, shared: tuple[Pairs, Array], network: Network) -> Float[Array, ""]:
    pairs, scale = shared
    return (pairs.squared_errors(network) * scale**2).mean()


def _free_run_error(_: None, free_runs: Validation, network: Network) -> Float[Array, ""]:
    return free_runs.error(network)
