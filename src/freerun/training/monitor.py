"""The monitor of training: measures errors, keeps the best weights, drops networks that fail,
reports progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from freerun.compute.programs import current_device
from freerun.errors import TrainingDiverged
from freerun.network.network import Network
from freerun.network.updates import Array
from freerun.settings import Settings
from freerun.training.history import History, Progress, Trained, TrainingCallback
from freerun.training.optimizers import Stopped, stack, unstack
from freerun.training.optimizers.base import map_members, members_per_program
from freerun.training.supervised import SupervisedData
from freerun.training.validation import Validation

Thinning = Callable[[int, Sequence[float]], Sequence[bool]]
"""Decides which networks enter a stage, given the number of the stage
and the lowest free-run error of each."""

UNTHINNED = 2
"""Number of stages that all networks enter; before each later stage, the worse half is dropped."""


def better_half(least: int) -> Thinning:
    """Make a rule that, from the third stage on,
    keeps the half of the networks with the lower free-run errors.

    Args:
        least: minimum number of networks that are kept.
    """

    def keep(stage: int, errors: Sequence[float]) -> list[bool]:
        count = len(errors) if stage < UNTHINNED else max(least, (len(errors) + 1) // 2)
        kept = sorted(range(len(errors)), key=lambda i: errors[i])[:count]
        return [i in kept for i in range(len(errors))]

    return keep


@dataclass
class MonitorState:
    """What the monitor has recorded, for M networks that are
    numbered in the order in which training began.

    Attributes:
        running: numbers of the networks that have neither failed nor been dropped.
        reported: numbers of the networks that were running at the beginning of the stage;
            reports hold these.
        networks: the last weights of each network with a finite training error.
        kept: the weights of each network with the lowest free-run error; without held-out steps,
            the last weights with a finite training error.
        histories: the errors of each network so far.
        failures: what ended the training of each network early; None if nothing did.
        rungs: the lowest free-run error of each network by the end of each stage.
        seconds: duration of training up to the last report, in seconds.
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
    def initial(cls, networks: list[Network]) -> MonitorState:
        """The state before the first measurement of `networks`."""
        numbers = range(len(networks))
        return cls(
            running=list(numbers),
            reported=list(numbers),
            networks=list(networks),
            kept=list(networks),
            histories=[History() for _ in numbers],
            failures=[None for _ in numbers],
            rungs=[[] for _ in numbers],
        )

    def copy(self) -> MonitorState:
        """A copy that later reports do not change."""
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


class _Errors(NamedTuple):
    """The errors of one network.

    Attributes:
        training_mse: mean squared one-step error on the training series, in their units,
            mean over channels.
        validation_mse: the same on the validation series; None if there is none.
        free_run_error: mean error of free runs, in standard deviations;
            None if no steps are held out.
    """

    training_mse: float
    validation_mse: float | None
    free_run_error: float | None


class Monitor:
    """Monitors networks in training: measures errors, keeps weights, drops networks that fail,
    reports progress.

    Args:
        settings: of each network.
        state: what has been recorded so far. Only this changes during training.
        training: the data on which the training error is measured.
        validation: the data on which the validation error is measured; None for no such error.
        free_runs: free runs on held-out steps; None if no steps are held out.
        scale: standard deviation of each channel, in its units, shape (D,).
        epochs: maximum number of epochs of all stages together.
        progress: called after each report; None for no calls.
    """

    def __init__(
        self,
        settings: list[Settings],
        state: MonitorState,
        training: SupervisedData,
        validation: SupervisedData | None,
        free_runs: Validation | None,
        scale: Float[Array, " D"],
        epochs: int,
        progress: TrainingCallback | None,
    ) -> None:
        self.settings, self.state = settings, state
        self._training, self._validation, self._free_runs, self._scale = training, validation, free_runs, scale
        self._epochs, self._progress = epochs, progress
        self._epochs_before = max((history.epochs[-1] for history in state.histories if history.epochs), default=0)
        self._start, self._seconds_before = time.perf_counter(), state.seconds

    @property
    def running(self) -> list[int]:
        """Numbers of the networks that are still trained."""
        return self.state.running

    def measure_initial(self) -> None:
        """Measure the initial networks, and drop those whose training error is not finite.

        Raises:
            TrainingDiverged: no network is left.
        """
        try:
            self.record(self.begin_stage(), np.empty((0, len(self.running))))
        except AllDivergedError:
            raise self.state.failures[0] or TrainingDiverged("there is nothing to train") from None

    def begin_stage(self) -> Network:
        """Begin a stage.

        Returns:
            The running networks, stacked.
        """
        self.state.reported = list(self.running)
        return stack([self.state.networks[i] for i in self.running])

    def thin(self, stage: int, keep: Thinning) -> None:
        """Drop the networks that `keep` rejects before a stage. The best network always stays."""
        state = self.state
        errors = [state.rungs[i][-1] for i in state.running]
        kept = [i for i, worth in zip(state.running, keep(stage, errors), strict=True) if worth]
        for i in set(state.running) - set(kept or [state.running[int(np.argmin(errors))]]):
            state.histories[i].stopped = "others ran free better"
            state.running.remove(i)

    def record(self, networks: Network, objectives: np.ndarray) -> None:
        """Measure the networks of a report, record their errors, and report progress.

        Args:
            networks: the networks that were running at the beginning of the stage, stacked.
            objectives: shape (epochs, networks), the objectives since the last report;
                see `optimizers.Report`.

        Raises:
            AllDivergedError: no network is left to train.
        """
        errors = self._measure(networks)
        for place, (i, network) in enumerate(zip(self.state.reported, unstack(networks), strict=True)):
            if i in self.running:
                self._record_member(i, network, objectives[:, place], errors[place])
        self.state.seconds = self._seconds()
        if not self.running:
            raise AllDivergedError
        if self._progress is not None and len(objectives):
            self._report_progress(self._progress, errors)

    def end_stage(self, stopped: Sequence[Stopped]) -> None:
        """Record why each network of the stage stopped."""
        state = self.state
        for i, stop in zip(state.reported, stopped, strict=True):
            if i in state.running:
                state.histories[i].stopped = stop.reason
                if self._free_runs is not None:
                    state.rungs[i].append(min(state.histories[i].free_run_error))
                if stop.diverged:
                    self._fail(i, TrainingDiverged(stop.reason))

    def interrupt(self, interrupt: KeyboardInterrupt) -> None:
        """Record that Ctrl-C ended training; the weights so far are the result."""
        for i in self.running:
            self.state.histories[i].stopped, self.state.failures[i] = "interrupted", interrupt

    def results(self) -> list[Trained]:
        """The trained networks: the lowest free-run error first, those that diverged last."""
        seconds = self._seconds()
        return [self._result(i, seconds) for i in sorted(range(len(self.settings)), key=self._rank)]

    def _measure(self, networks: Network) -> list[_Errors]:
        """Measure the errors of each of M stacked networks."""
        training, validation, free = self._one_step_errors(networks, self._training), None, None
        if self._validation is not None:
            validation = self._one_step_errors(networks, self._validation)
        if self._free_runs is not None:
            free = map_members(_free_run_error, None, self._free_runs, networks)
        return [
            _Errors(
                float(training[place]),
                None if validation is None else float(validation[place]),
                None if free is None else float(free[place]),
            )
            for place in range(len(training))
        ]

    def _one_step_errors(self, networks: Network, data: SupervisedData) -> Float[Array, " M"]:
        """The mean squared one-step error of each of M stacked networks, shape (M,)."""
        together = 1 if data.stacked else members_per_program(networks)
        return map_members(_mean_squared_error, None, (data, self._scale), networks, together)

    def _record_member(self, i: int, network: Network, objectives: np.ndarray, errors: _Errors) -> None:
        """Record the errors of network `i` and keep its weights;
        drop it if its training error is not finite."""
        history = self.state.histories[i]
        if not math.isfinite(errors.training_mse):
            self._fail(i, TrainingDiverged(self._explain_divergence(i, errors.training_mse)))
            return
        history.objective.extend(objectives[np.isfinite(objectives)].tolist())
        history.epochs.append(len(history.objective))
        history.training_mse.append(errors.training_mse)
        if errors.validation_mse is not None:
            history.validation_mse.append(errors.validation_mse)
        self.state.networks[i] = network
        error = errors.free_run_error
        if error is None or error <= min(history.free_run_error, default=math.inf):
            self.state.kept[i] = network
        if error is not None:
            history.free_run_error.append(error)

    def _report_progress(self, callback: TrainingCallback, errors: Sequence[_Errors]) -> None:
        """Call the progress callback with the lowest errors of the networks of the stage."""
        running = self.running
        task = "training" if len(running) == 1 else f"training {len(running)} networks"
        callback(
            Progress(
                task=f"{task} on a GPU" if current_device().platform == "gpu" else task,
                done=max(self.state.histories[i].epochs[-1] for i in running),
                total=self._epochs,
                training_mse=_lowest([one.training_mse for one in errors]),
                validation_mse=_lowest([one.validation_mse for one in errors]),
                free_run_error=_lowest([one.free_run_error for one in errors]),
                seconds=time.perf_counter() - self._start,
                begun=self._epochs_before,
            ),
            lambda: self.results()[0],
        )

    def _rank(self, i: int) -> tuple[bool, float]:
        """The key by which results are sorted: whether network `i` diverged,
        then its lowest free-run error."""
        diverged = isinstance(self.state.failures[i], TrainingDiverged)
        return diverged, min(self.state.histories[i].free_run_error, default=0.0)

    def _result(self, i: int, seconds: float) -> Trained:
        """The result of network `i`, with its weights as NumPy arrays."""
        state = self.state
        network = replace(jax.tree.map(np.asarray, state.kept[i]), parallel=False)
        history = replace(state.histories[i], seconds=seconds)
        return Trained(self.settings[i], network, history, state.failures[i], i, tuple(state.rungs[i]))

    def _seconds(self) -> float:
        """Duration of training in seconds, including the time before it was resumed."""
        return self._seconds_before + time.perf_counter() - self._start

    def _explain_divergence(self, i: int, error: float) -> str:
        """The message for network `i`, whose training error is not finite."""
        seed, epochs = self.settings[i].seed, self.state.histories[i].epochs
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
        """Stop the training of network `i`."""
        self.state.running.remove(i)
        self.state.failures[i] = failure
        self.state.histories[i].stopped = str(failure)


class AllDivergedError(Exception):
    """No network is left to train."""


def _lowest(errors: Sequence[float | None]) -> float | None:
    """The lowest error, where NaN is ignored; None if none was measured."""
    measured = [error for error in errors if error is not None]
    return float(np.nanmin(measured)) if measured else None


def _mean_squared_error(_: None, shared: tuple[SupervisedData, Array], network: Network) -> Float[Array, ""]:
    data, scale = shared
    return (data.squared_errors(network) * scale**2).mean()


def _free_run_error(_: None, free_runs: Validation, network: Network) -> Float[Array, ""]:
    return free_runs.error(network)
