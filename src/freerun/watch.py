"""Watching networks while they are trained: keeps weights, measures errors, drops what fails, tells the progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Float

from freerun.computing import current_device
from freerun.errors import TrainingDiverged
from freerun.history import History, Progress, Trained, Watcher
from freerun.network.network import Network
from freerun.network.updates import Array
from freerun.optimizers import Stopped, stack, unstack
from freerun.optimizers.base import each, few
from freerun.pairs import Pairs
from freerun.settings import Settings
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


@dataclass
class Watched:
    """What has been seen of networks that are trained at once, numbered as they began.

    Attributes:
        running: those that have not failed and were not dropped.
        reported: those that were running when the stage began, which reports hold.
        networks: the last weights that were well.
        kept: the weights whose free runs were best, or the last that were well where no steps are held out.
        histories: what training went through.
        failures: what ended training before its time.
        rungs: the lowest free-run errors by the end of each stage.
        seconds: how long it took, up to the last report.
    """

    running: list[int]
    reported: list[int]
    networks: list[Network]
    kept: list[Network]
    histories: list[History]
    failures: list[TrainingDiverged | KeyboardInterrupt | None]
    rungs: list[list[float]]
    seconds: float = 0.0

    @classmethod
    def of(cls, networks: list[Network]) -> Watched:
        """The networks that training begins with."""
        several = range(len(networks))
        return cls(
            list(several),
            list(several),
            list(networks),
            list(networks),
            [History() for _ in several],
            [None for _ in several],
            [[] for _ in several],
        )

    def copied(self) -> Watched:
        """The same, which later reports do not change."""
        return replace(
            self,
            running=list(self.running),
            reported=list(self.reported),
            networks=list(self.networks),
            kept=list(self.kept),
            histories=deepcopy(self.histories),
            failures=list(self.failures),
            rungs=deepcopy(self.rungs),
        )


class Watch:
    """Takes the reports of an optimiser: keeps weights, measures errors, tells the progress.

    A report holds the networks that were running when the stage began. `seen` is all that changes.
    """

    def __init__(
        self,
        settings: list[Settings],
        seen: Watched,
        training: Pairs,
        validation: Pairs | None,
        free_runs: Validation | None,
        scale: Float[Array, " D"],
        epochs: int,
        progress: Watcher | None,
    ) -> None:
        self.settings, self.seen = settings, seen
        self._training, self._validation, self._free_runs, self._scale = training, validation, free_runs, scale
        self._epochs, self._progress = epochs, progress
        self._begun = max((history.epochs[-1] for history in seen.histories if history.epochs), default=0)
        self._began, self._before = time.perf_counter(), seen.seconds

    @property
    def running(self) -> list[int]:
        """The networks that go on."""
        return self.seen.running

    def thin(self, stage: int, keep: Thinning) -> None:
        """Drop the networks that are not worth going on with, but for the best."""
        seen = self.seen
        errors = [seen.rungs[i][-1] for i in seen.running]
        kept = [i for i, worth in zip(seen.running, keep(stage, errors), strict=True) if worth]
        for i in set(seen.running) - set(kept or [seen.running[int(np.argmin(errors))]]):
            seen.histories[i].stopped = "others ran free better"
            seen.running.remove(i)

    def _errors(self, networks: Network, pairs: Pairs) -> np.ndarray:
        """The one-step error of each of stacked networks."""
        return each(_mean_squared_error, None, (pairs, self._scale), networks, 1 if pairs.stacked else few(networks))

    def begin_stage(self) -> Network:
        """The networks that go on, stacked."""
        self.seen.reported = list(self.running)
        return stack([self.seen.networks[i] for i in self.running])

    def begin(self) -> None:
        """Measure the networks to start from; those whose training error is not finite are dropped."""
        try:
            self(self.begin_stage(), np.empty((0, len(self.running))))
        except AllDivergedError:
            raise self.seen.failures[0] or TrainingDiverged("there is nothing to train") from None

    def __call__(self, networks: Network, objectives: np.ndarray) -> None:
        """Take stacked networks, good to keep, and the objectives since the last call: see `optimizers.Report`."""
        seen = self.seen
        errors, validation = self._errors(networks, self._training), None
        if self._validation is not None:
            validation = self._errors(networks, self._validation)
        free = None if self._free_runs is None else each(_free_run_error, None, self._free_runs, networks)
        for column, (i, network) in enumerate(zip(seen.reported, unstack(networks), strict=True)):
            if i not in seen.running:
                continue
            history = seen.histories[i]
            if not math.isfinite(errors[column]):
                self._fail(i, TrainingDiverged(self._trouble(i, errors[column])))
                continue
            values = objectives[:, column]
            history.objective.extend(values[np.isfinite(values)].tolist())
            history.epochs.append(len(history.objective))
            history.training_mse.append(float(errors[column]))
            if validation is not None:
                history.validation_mse.append(float(validation[column]))
            seen.networks[i] = network
            if free is None or free[column] <= min(history.free_run_error, default=math.inf):
                seen.kept[i] = network
            if free is not None:
                history.free_run_error.append(float(free[column]))
        seen.seconds = self._seconds()
        if not seen.running:
            raise AllDivergedError
        if self._progress is not None and len(objectives):
            what = "training" if len(seen.running) == 1 else f"training {len(seen.running)} networks"
            self._progress(
                Progress(
                    f"{what} on a GPU" if current_device().platform == "gpu" else what,
                    max(seen.histories[i].epochs[-1] for i in seen.running),
                    self._epochs,
                    float(np.nanmin(errors)),
                    None if validation is None else float(np.nanmin(validation)),
                    None if free is None else float(np.nanmin(free)),
                    time.perf_counter() - self._began,
                    lambda: self.results()[0],
                    self._begun,
                )
            )

    def end_stage(self, stopped: Sequence[Stopped]) -> None:
        """Note why each network stopped."""
        seen = self.seen
        for i, stop in zip(seen.reported, stopped, strict=True):
            if i in seen.running:
                seen.histories[i].stopped = stop.reason
                if self._free_runs is not None:
                    seen.rungs[i].append(min(seen.histories[i].free_run_error))
                if stop.diverged:
                    self._fail(i, TrainingDiverged(stop.reason))

    def interrupt(self, interrupt: KeyboardInterrupt) -> None:
        """Ctrl-C: the weights reached are the result."""
        for i in self.running:
            self.seen.histories[i].stopped, self.seen.failures[i] = "interrupted", interrupt

    def results(self) -> list[Trained]:
        """What came of each network, in order of merit."""
        seen, seconds = self.seen, self._seconds()

        def trained(i: int) -> Trained:
            network = replace(jax.tree.map(np.asarray, seen.kept[i]), parallel=False)
            history = replace(seen.histories[i], seconds=seconds)
            return Trained(self.settings[i], network, history, seen.failures[i], i, tuple(seen.rungs[i]))

        def merit(i: int) -> tuple[bool, float]:
            failed = isinstance(seen.failures[i], TrainingDiverged)
            return failed, min(seen.histories[i].free_run_error, default=0.0)

        return [trained(i) for i in sorted(range(len(self.settings)), key=merit)]

    def _seconds(self) -> float:
        """How long training has taken, before and since it was taken up again."""
        return self._before + time.perf_counter() - self._began

    def _trouble(self, i: int, error: float) -> str:
        """What is the matter with a network whose training error is not finite."""
        seed, epochs = self.settings[i].seed, self.seen.histories[i].epochs
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
        self.seen.running.remove(i)
        self.seen.failures[i] = failure
        self.seen.histories[i].stopped = str(failure)


class AllDivergedError(Exception):
    """No network is left to train."""


def _mean_squared_error(_: None, shared: tuple[Pairs, Array], network: Network) -> Float[Array, ""]:
    pairs, scale = shared
    return (pairs.squared_errors(network) * scale**2).mean()


def _free_run_error(_: None, free_runs: Validation, network: Network) -> Float[Array, ""]:
    return free_runs.error(network)
