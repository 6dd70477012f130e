"""Training networks on a series: sets up the objective, watches the errors, keeps the best or the last good weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freerun.errors import SeriesError, SettingError, TrainingDiverged
from freerun.forcing import Forcing, Full, Pairs, stages
from freerun.initial import Start, initial_network
from freerun.network import Network, Shape
from freerun.objective import Noise, Objective, value_at
from freerun.optimizers import BFGS, Gradient, LevenbergMarquardt, Optimizer, Readout, Ridge, Stopped, stack, unstack
from freerun.precision import precision
from freerun.scaling import Scaling
from freerun.series import Series
from freerun.settings import PIECEWISE_LINEAR, Settings
from freerun.validation import Validation, errors_of

EPOCHS = {"levenberg-marquardt": 100}
"""Default epochs of an optimiser; 1000 for those not named."""

UNTHINNED = 2
"""Stages of a forcing after which the worse half of the networks is dropped before each further stage."""

RESERVOIR_PENALTY = 1e-8
"""The penalty with which the readout of a reservoir is solved before all of it is trained."""


@dataclass(frozen=True)
class Progress:
    """How far a fit has come.

    Attributes:
        task: what is going on, in a few words.
        done, total: how much of it is done: epochs, or recipes tried.
        training_mse, validation_mse: mean squared one-step error in the units of the series, mean over channels; of the
            best of the networks trained at once.
        free_run_error: mean error of free runs on the held-out steps, cut off at 1 standard deviation; of the best.
        seconds: time since this task began.
    """

    task: str
    done: int
    total: int
    training_mse: float | None
    validation_mse: float | None
    free_run_error: float | None
    seconds: float


Watcher = Callable[[Progress], None]


@dataclass
class History:
    """What training went through.

    Attributes:
        objective: the objective of every epoch, standardised units, penalties included: before each update for
            gradient methods, after each iteration for the others.
        epochs: the epochs at which the errors below were measured; 0 is the initial network.
        training_mse, validation_mse: mean squared one-step errors in the units of the series, mean over channels.
        free_run_error: mean error of free runs on the held-out steps, cut off at 1 standard deviation; empty when none
            were held out.
        stopped: why training stopped, in words.
        seconds: how long it took, together with the networks trained at once.
    """

    objective: list[float] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    training_mse: list[float] = field(default_factory=list)
    validation_mse: list[float] = field(default_factory=list)
    free_run_error: list[float] = field(default_factory=list)
    stopped: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Trained:
    """The result of training.

    Attributes:
        settings: what it was trained with; the seed is its own.
        network: the weights, as NumPy arrays.
        history: how they came about.
        failure: what ended training before its time: divergence, or Ctrl-C. The weights are the last good ones.
    """

    settings: Settings
    network: Network
    history: History
    failure: TrainingDiverged | KeyboardInterrupt | None = None


def train(
    settings: Settings,
    training: Series,
    validation: Series | None,
    scaling: Scaling,
    network: Network | None = None,
    held_out: int = 0,
    progress: Watcher | None = None,
) -> list[Trained]:
    """Train networks of one shape at once, watching the one-step error on `validation`, whose state starts at zero.

    Args:
        settings: of the networks and their training, with nothing left to choose; `restarts` is their number.
        training, validation: in their own units. On a validation series that is shorter than the washout, the error of
            its last step counts.
        scaling: to the units of the network.
        network: the weights to start from, of all of them; None draws fresh ones, from seeds that follow each other.
        held_out: last steps of `training` that are not trained on; free runs over them decide which weights are kept,
            and which networks are worth the later stages of a forcing.
        progress: called about a hundred times.

    Returns:
        The networks, the best free run first where steps are held out; those that diverged last.

    Raises:
        SettingError: a window or a schedule that does not fit the series, or a Jacobian that does not fit the memory.
        SeriesError: too few steps are left after washout and held-out steps.
        TrainingDiverged: no network has a finite objective at the weights to start from; there is nothing to keep.
    """
    washout = settings.washout or 0
    if settings.window is not None and not washout < settings.window < len(training) - held_out:
        raise SettingError(
            f"window={settings.window}: must be longer than the washout of {washout} and shorter than the "
            f"{len(training) - held_out} steps to train on"
        )
    if len(training) - held_out < washout + 2:
        raise SeriesError(
            f"of the {len(training)} steps of the training series {held_out} are held out; with a washout of {washout} "
            "nothing is left to train on; give a longer series, or a smaller holdout or washout"
        )
    with precision(settings.dtype):
        values = scaling.apply(training.values)
        pairs = _pairs(values[: len(values) - held_out], settings)
        seeds = [settings.seed + i for i in range(settings.restarts or 1)]
        penalties = [jnp.asarray(factor) if factor else None for factor in (settings.l1, settings.l2)]
        noise = _noise(settings)
        key = jax.random.key(settings.seed)

        def start(seed: int) -> Network:
            if network is not None:
                return jax.tree.map(lambda w: jnp.asarray(w, settings.dtype), network)
            return _fresh(settings.with_(seed=seed), training.shape[1], pairs, key)

        def objective(forcing: Forcing) -> Objective:
            length, batch = settings.window or 0, settings.batch or 16
            return Objective(pairs, forcing, penalties[0], penalties[1], noise, length, batch, washout)

        networks = stack([start(seed) for seed in seeds])
        plan = stages(
            settings,
            _pairs(values[: settings.window + 1], settings) if settings.window else pairs,
            settings.washout or 0,
        )
        epochs = 1 if settings.method == "ridge" else settings.epochs or EPOCHS.get(settings.method, 1000)
        optimizer = optimizer_for(settings, max(1, epochs // len(plan)), epochs)
        watch = _Watch(
            [settings.with_(seed=seed, restarts=1, members=1) for seed in seeds],
            pairs,
            None if validation is None else _pairs(scaling.apply(validation.values), settings),
            Validation.of(values, held_out, settings.dtype) if held_out else None,
            jnp.asarray(scaling.scale),
            max(1, epochs // len(plan)) * len(plan),
            progress,
        )
        watch.begin(networks, objective(Full()), key)
        try:
            for number, stage in enumerate(plan):
                if not watch.running:
                    break
                if number >= UNTHINNED and held_out:
                    watch.drop_worse_half(settings.members)
                now = watch.begin_stage()
                watch.end_stage(optimizer.minimize(objective(stage(now)), now, jax.random.fold_in(key, number), watch))
        except _AllDivergedError:
            pass  # every failure is in the results
        except KeyboardInterrupt as interrupt:
            watch.interrupt(interrupt)
        return watch.results()


def require_steps(name: str, series: Series, washout: int) -> None:
    """Refuse a series in which no error would count.

    Raises:
        SeriesError: the series is not longer than the washout and one step to predict.
    """
    if len(series) < washout + 2:
        raise SeriesError(
            f"the {name} series has {len(series)} steps; with a washout of {washout} it needs {washout + 2} or more"
        )


def shape_of(settings: Settings, channels: int) -> Shape:
    """The shape of the networks that the settings describe, with nothing left to choose."""
    hidden = settings.hidden or 1
    latent = settings.latent or max(channels, hidden // 4)
    return Shape(
        channels,
        hidden,
        settings.cell or "simple",
        settings.lags,
        settings.layers,
        settings.direct,
        settings.nonlinearity,
        latent if settings.cell in PIECEWISE_LINEAR else 0,
    )


def drawn(settings: Settings, channels: int) -> Network:
    """A network as the settings draw it."""
    scale = 0.5 if settings.input_scale is None else settings.input_scale
    start = Start(
        settings.initial or "glorot",
        settings.seed,
        0.9 if settings.spectral_radius is None else settings.spectral_radius,
        scale,
        max(1.0, scale) if settings.bias_scale is None else settings.bias_scale,
        0.3 if settings.leak is None else settings.leak,
    )
    return initial_network(shape_of(settings, channels), start)


def optimizer_for(settings: Settings, epochs: int, total: int) -> Optimizer:
    """The optimiser that the settings name, with so many epochs in each stage and in all."""
    if settings.method == "ridge":
        return Ridge()
    if settings.method == "levenberg-marquardt":
        return LevenbergMarquardt(epochs)
    if settings.method in ("bfgs", "lbfgs"):
        return BFGS(epochs, limited=settings.method == "lbfgs")
    rate = 0.01 if settings.learning_rate is None else settings.learning_rate
    return Gradient(settings.method, rate, epochs, total, settings.schedule or "constant")


def _pairs(values: np.ndarray, settings: Settings) -> Pairs:
    """With the washout, or as much of it as leaves one error to count."""
    return Pairs.of(jnp.asarray(values), min(settings.washout or 0, len(values) - 2))


def _noise(settings: Settings) -> Noise | None:
    if not settings.weight_noise and not settings.input_noise:
        return None
    return Noise(jnp.asarray(settings.weight_noise), jnp.asarray(settings.input_noise or 0.0))


def _fresh(settings: Settings, channels: int, pairs: Pairs, key: Array) -> Network:
    network = drawn(settings, channels)
    if settings.initial != "reservoir" or settings.method == "ridge":
        return network
    return Readout.of(network, pairs, None, key).solve(RESERVOIR_PENALTY)


class _Watch:
    """Takes the reports of an optimiser: keeps weights, measures errors, tells the progress.

    Networks are numbered as they began. `running` are those that have not failed; a report holds the networks that
    were running when the stage began.
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
        self.networks: list[Network] = []
        self._reported = list(self.running)
        self._kept: list[Network] = []
        self._histories = [History() for _ in settings]
        self._failures: list[TrainingDiverged | KeyboardInterrupt | None] = [None for _ in settings]
        self._training, self._validation, self._free_runs, self._scale = training, validation, free_runs, scale
        self._epochs, self._progress = epochs, progress
        self._began = time.perf_counter()

    def drop_worse_half(self, least: int) -> None:
        """Go on with the half whose free runs are better, but with `least` networks at least."""
        ranked = sorted(self.running, key=lambda i: min(self._histories[i].free_run_error))
        kept = ranked[: max(least, (len(ranked) + 1) // 2)]
        for i in ranked[len(kept) :]:
            self._histories[i].stopped = "others ran free better"
        self.running = sorted(kept)

    def begin_stage(self) -> Network:
        """The networks that go on, stacked."""
        self._reported = list(self.running)
        return stack([self.networks[i] for i in self.running])

    def begin(self, networks: Network, objective: Objective, key: Array) -> None:
        """Take the networks to start from; those whose objective is not finite are dropped."""
        self.networks = unstack(networks)
        self._kept = list(self.networks)
        draw = key if objective.random else None
        values = [float(value_at(network, objective, draw)) for network in self.networks]
        for i, value in enumerate(values):
            if not math.isfinite(value):
                self._fail(
                    i,
                    TrainingDiverged(
                        f"the objective is {value} at the initial weights (seed {self.settings[i].seed}); "
                        "standardise the series, draw smaller weights (spectral_radius, input_scale), or choose a "
                        "bounded nonlinearity"
                    ),
                )
        if not self.running:
            raise self._failures[0] or TrainingDiverged("there is nothing to train")
        self(self.begin_stage(), np.empty((0, len(self.running))))

    def __call__(self, networks: Network, objectives: np.ndarray) -> None:
        """Take a report: see `optimizers.Report`."""
        errors = np.asarray(_mean_squared_errors(self._training, networks, self._scale))
        validation = (
            None
            if self._validation is None
            else np.asarray(_mean_squared_errors(self._validation, networks, self._scale))
        )
        free = None if self._free_runs is None else np.asarray(errors_of(networks, self._free_runs))
        for column, (i, network) in enumerate(zip(self._reported, unstack(networks), strict=True)):
            if i not in self.running:
                continue
            history = self._histories[i]
            if not math.isfinite(errors[column]):
                self._fail(
                    i,
                    TrainingDiverged(
                        f"the training error became {errors[column]} after epoch {history.epochs[-1]} "
                        f"(seed {self.settings[i].seed}); add a penalty (l2), or choose a bounded nonlinearity"
                    ),
                )
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
            raise _AllDivergedError
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
                )
            )

    def end_stage(self, stopped: list[Stopped]) -> None:
        """Note why each network stopped."""
        for i, stop in zip(self._reported, stopped, strict=True):
            if i in self.running:
                self._histories[i].stopped = stop.reason
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
            return Trained(self.settings[i], network, replace(self._histories[i], seconds=seconds), self._failures[i])

        def merit(i: int) -> tuple[bool, float]:
            failed = isinstance(self._failures[i], TrainingDiverged)
            return failed, min(self._histories[i].free_run_error, default=0.0)

        return [trained(i) for i in sorted(range(len(self.settings)), key=merit)]

    def _fail(self, i: int, failure: TrainingDiverged) -> None:
        self.running.remove(i)
        self._failures[i] = failure
        self._histories[i].stopped = str(failure)


class _AllDivergedError(Exception):
    """No network is left to train."""


@jax.jit
def _mean_squared_errors(pairs: Pairs, networks: Network, scale: Float[Array, " D"]) -> Float[Array, " M"]:
    return jax.vmap(lambda network: (pairs.squared_errors(network) * scale**2).mean())(networks)
