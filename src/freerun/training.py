"""Training a network on a series: sets up the objective, watches both losses, keeps the last good weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freerun.errors import SeriesError, TrainingDiverged
from freerun.initial import Shape, initial_network
from freerun.network import Network
from freerun.objective import Objective, Pairs, value_at
from freerun.optimizers import BFGS, Gradient, Optimizer, Ridge
from freerun.precision import precision
from freerun.scaling import Scaling
from freerun.series import Series
from freerun.settings import (
    DEFAULT_EPOCHS,
    DEFAULT_INPUT_SCALE,
    DEFAULT_LEARNING_RATE,
    DEFAULT_SPECTRAL_RADIUS,
    Settings,
)


@dataclass(frozen=True)
class Progress:
    """How far training has come.

    Attributes:
        epoch, epochs: epochs done, and the most there will be.
        objective: the objective at the last epoch, standardised units, penalties included.
        training_mse, validation_mse: mean squared one-step error in the units of the series, mean over channels.
        seconds: time since training began.
    """

    epoch: int
    epochs: int
    objective: float
    training_mse: float
    validation_mse: float | None
    seconds: float


@dataclass
class History:
    """What training went through.

    Attributes:
        objective: the objective of every epoch, standardised units, penalties included: before each update for
            gradient methods, after each iteration for BFGS.
        epochs: the epochs at which the errors below were measured; 0 is the initial network.
        training_mse, validation_mse: mean squared one-step errors in the units of the series, mean over channels.
        stopped: why training stopped, in words.
        seconds: how long it took.
    """

    objective: list[float] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    training_mse: list[float] = field(default_factory=list)
    validation_mse: list[float] = field(default_factory=list)
    stopped: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Trained:
    """The result of training.

    Attributes:
        network: the weights, as NumPy arrays.
        history: how they came about.
        failure: what ended training before its time: divergence, or Ctrl-C. The weights are the last good ones.
    """

    network: Network
    history: History
    failure: TrainingDiverged | KeyboardInterrupt | None = None


def train(
    settings: Settings,
    training: Series,
    validation: Series | None,
    scaling: Scaling,
    network: Network | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train on `training`, watching the error on `validation`, whose state starts at zero.

    Args:
        settings: of the network and its training.
        training, validation: in their own units.
        scaling: to the units of the network.
        network: the weights to start from; None draws fresh ones.
        progress: called about a hundred times.

    Raises:
        TrainingDiverged: the objective is not finite at the weights to start from; there is nothing to keep.
    """
    with precision(settings.dtype):
        start = (
            _initial(settings, training.shape[1])
            if network is None
            else jax.tree.map(lambda w: jnp.asarray(w, settings.dtype), network)
        )

        def pairs(series: Series) -> Pairs:
            return Pairs.of(jnp.asarray(scaling.apply(series.values)), settings.washout)

        objective = Objective(pairs(training), jnp.asarray(settings.l1), jnp.asarray(settings.l2))
        first = float(value_at(start, objective))
        if not math.isfinite(first):
            raise TrainingDiverged(
                f"the objective is {first} at the initial weights; standardise the series, draw smaller weights "
                "(spectral_radius, input_scale), or choose a bounded nonlinearity"
            )
        watch = _Watch(
            objective.pairs,
            None if validation is None else pairs(validation),
            jnp.asarray(scaling.scale),
            1 if settings.optimizer == "ridge" else settings.epochs or DEFAULT_EPOCHS,
            progress,
        )
        watch(start, [])
        failure = None
        try:
            watch.history.stopped = optimizer_for(settings).minimize(objective, start, watch)
        except KeyboardInterrupt as interrupt:
            watch.history.stopped, failure = "interrupted", interrupt
        except TrainingDiverged as diverged:
            watch.history.stopped, failure = str(diverged), diverged
        watch.history.seconds = watch.elapsed()
        return Trained(jax.tree.map(np.asarray, watch.network), watch.history, failure)


def require_steps(name: str, series: Series, washout: int) -> None:
    """Refuse a series in which no error would count.

    Raises:
        SeriesError: the series is not longer than the washout and one step to predict.
    """
    if len(series) < washout + 2:
        raise SeriesError(
            f"the {name} series has {len(series)} steps; with a washout of {washout} it needs {washout + 2} or more"
        )


def _initial(settings: Settings, channels: int) -> Network:
    return initial_network(
        settings.initial,
        Shape(channels, settings.hidden, settings.nonlinearity, settings.direct),
        settings.seed,
        DEFAULT_SPECTRAL_RADIUS if settings.spectral_radius is None else settings.spectral_radius,
        DEFAULT_INPUT_SCALE if settings.input_scale is None else settings.input_scale,
    )


def optimizer_for(settings: Settings) -> Optimizer:
    """The optimiser that the settings name."""
    epochs = settings.epochs or DEFAULT_EPOCHS
    if settings.optimizer == "bfgs":
        return BFGS(epochs)
    if settings.optimizer == "ridge":
        return Ridge()
    return Gradient(settings.optimizer, settings.learning_rate or DEFAULT_LEARNING_RATE, epochs)


class _Watch:
    """Takes the reports of an optimiser: keeps the weights, measures both errors, tells the progress."""

    def __init__(
        self,
        training: Pairs,
        validation: Pairs | None,
        scale: Float[Array, " D"],
        epochs: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.history = History()
        self.network: Network
        self._training, self._validation, self._scale = training, validation, scale
        self._epochs, self._progress = epochs, progress
        self._began = time.perf_counter()

    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    def __call__(self, network: Network, objectives: Sequence[float]) -> None:
        error = float(_mean_squared_error(self._training, network, self._scale))
        if not math.isfinite(error):
            raise TrainingDiverged(
                f"the training error became {error} after epoch {self.history.epochs[-1]}; "
                "add a penalty (l2), or choose a bounded nonlinearity"
            )
        history, self.network = self.history, network
        history.objective.extend(objectives)
        history.epochs.append(len(history.objective))
        history.training_mse.append(error)
        validation = None
        if self._validation is not None:
            validation = float(_mean_squared_error(self._validation, network, self._scale))
            history.validation_mse.append(validation)
        if self._progress is not None and objectives:
            self._progress(
                Progress(history.epochs[-1], self._epochs, history.objective[-1], error, validation, self.elapsed())
            )


@jax.jit
def _mean_squared_error(pairs: Pairs, network: Network, scale: Float[Array, " D"]) -> Float[Array, ""]:
    return (pairs.squared_errors(network) * scale**2).mean()
