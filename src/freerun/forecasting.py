"""Using a model: one-step predictions (open loop), free runs (closed loop), and how good they are.

Step t is predicted from steps 0 to t - 1. A free run after a series of T steps begins with step T: its first value
is the last one-step prediction, made from step T - 1, and from there on the network reads its own output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from freerun import metrics
from freerun.cells import Array, Carry
from freerun.errors import SeriesError, SettingError
from freerun.model import Model, Moment
from freerun.network import Network
from freerun.precision import precision
from freerun.scaling import Scaling
from freerun.series import Series
from freerun.settings import Settings

HORIZON = 84
"""The horizon of NRMSE84, in steps."""

STARTS, STARTS_APART = 50, 20
"""NRMSE84 is taken over this many free runs, whose starts are this many steps apart."""


def predict(model: Model, series: Series) -> Series:
    """One-step predictions of every step of `series` but the first, from a state of zero.

    Returns:
        T - 1 steps with their times: row i is the prediction of step i + 1, made from steps 0 to i.
    """
    model.require_channels(series)
    _require_washout(model.settings, series)
    outputs, _ = _read(model.network, model.scaling, model.settings, series)
    return Series(model.scaling.undo(outputs[:-1]), series.channels, series.times[1:], series.dt)


def moment_after(network: Network, scaling: Scaling, settings: Settings, series: Series) -> Moment:
    """Let the network read `series` from a state of zero to its end."""
    outputs, carries = _read(network, scaling, settings, series)
    return Moment(tuple(entry[-1] for entry in carries), outputs[-1])


def generate(model: Model, steps: int, after: Series | None = None) -> Series:
    """Run free for `steps` steps after the training series, or after another one.

    Args:
        model: the trained network.
        steps: how many values to generate, at least 1.
        after: a series to read first, from a state of zero; its washout must fit.

    Returns:
        `steps` values with the times that follow the series.

    Raises:
        SeriesError: the run left the range of floating-point numbers, or `after` is too short.
    """
    if steps < 1:
        raise SettingError(f"steps={steps}: a free run has at least 1 step")
    moment, base = model.ending, model.recent
    if after is not None:
        model.require_channels(after)
        _require_washout(model.settings, after)
        moment, base = moment_after(model.network, model.scaling, model.settings, after), after
    with precision(model.settings.dtype):
        values = np.asarray(_run_free(model.network, moment.carry, moment.value, steps), np.float64)
    if not np.isfinite(values).all():
        first = int(np.argmin(np.isfinite(values).all(axis=1)))
        raise SeriesError(f"the free run diverged at step {first}; train with a penalty or a bounded non-linearity")
    return Series(model.scaling.undo(values), base.channels, base.following_times(steps), base.dt)


@dataclass(frozen=True)
class Evaluation:
    """How well a model does on the part of a series from step `start` on.

    Attributes:
        start: first step that is scored; the network reads the steps before it.
        steps: number of steps scored.
        one_step_mse: mean squared error of the one-step predictions, in squared units of the series.
        nrmse84: error of the 84th step of free runs, over the standard deviation of the whole series, root mean
            square over `nrmse84_starts` starts 20 steps apart from `start` on; None where not even one fits.
        nrmse84_starts: number of free runs behind `nrmse84`, at most 50.
        vpt: valid prediction time in steps of the free run from `start` to the end of the series.
        smape: symmetric mean absolute percentage error of that run, 0 to 200.
    """

    start: int
    steps: int
    one_step_mse: float
    nrmse84: float | None
    nrmse84_starts: int
    vpt: int
    smape: float


def evaluate(model: Model, series: Series, start: int) -> tuple[Evaluation, Series]:
    """Score `model` on the steps of `series` from `start` on, which follow those it was trained on.

    Returns:
        The scores, and the free run from `start` to the end.

    Raises:
        SeriesError: `start` is outside the series, or leaves fewer steps before it than the washout needs.
    """
    model.require_channels(series)
    before, truth = series.split(start)
    _require_washout(model.settings, before)
    outputs, _ = _read(model.network, model.scaling, model.settings, series)
    predictions = model.scaling.undo(outputs[start - 1 : -1])
    deviation = series.values.std(axis=0)
    run = generate(model, len(truth), before)
    starts = _starts(series, start, HORIZON)
    scores = Evaluation(
        start=start,
        steps=len(truth),
        one_step_mse=metrics.mean_squared_error(truth.values, predictions),
        nrmse84=free_run_error(model, series, start) if len(starts) else None,
        nrmse84_starts=len(starts),
        vpt=metrics.valid_prediction_time(truth.values, run.values, deviation),
        smape=metrics.smape(truth.values, run.values),
    )
    return scores, run


def free_run_error(model: Model, series: Series, start: int, horizon: int = HORIZON) -> float:
    """NRMSE at a horizon: the error of the last step of many free runs, over the standard deviation of the series.

    Root mean square over up to 50 runs, let loose at `start` and every 20 steps after it.

    Raises:
        SeriesError: not even one run of that length fits.
    """
    starts = _starts(series, start, horizon)
    if not len(starts):
        raise SeriesError(f"no free run of {horizon} steps fits between step {start} and the end at {len(series)}")
    outputs, carries = _read(model.network, model.scaling, model.settings, series)
    with precision(model.settings.dtype):
        last = _last_of_free_runs(model.network, carries, jnp.asarray(outputs), jnp.asarray(starts - 1), horizon)
    generated = model.scaling.undo(np.asarray(last, np.float64))
    return metrics.nrmse(series.values[starts + horizon - 1], generated, series.values.std(axis=0))


def _starts(series: Series, start: int, horizon: int) -> np.ndarray:
    return np.arange(start, len(series) - horizon + 1, STARTS_APART)[:STARTS]


def _require_washout(settings: Settings, series: Series) -> None:
    needed = max(2, settings.washout + 1)
    if len(series) < needed:
        raise SeriesError(
            f"the series has {len(series)} steps; with a washout of {settings.washout} give {needed} or more"
        )


def _read(
    network: Network, scaling: Scaling, settings: Settings, series: Series
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Outputs (T, D), standardised, and carries after each step of an open-loop pass from a state of zero."""
    with precision(settings.dtype):
        outputs, carries = _predict(network, jnp.asarray(scaling.apply(series.values)))
    return np.asarray(outputs, np.float64), jax.tree.map(np.asarray, carries)


@jax.jit
def _predict(network: Network, inputs: Float[Array, "T D"]) -> tuple[Float[Array, "T D"], Carry]:
    return network.predict(inputs)


@partial(jax.jit, static_argnames="steps")
def _run_free(network: Network, carry: Carry, value: Float[Array, " D"], steps: int) -> Float[Array, "steps D"]:
    return network.run_free(carry, value, steps)[0]


@partial(jax.jit, static_argnames="steps")
def _last_of_free_runs(
    network: Network, carries: Carry, outputs: Float[Array, "T D"], moments: Int[Array, " N"], steps: int
) -> Float[Array, "N D"]:
    """The last value of each of N free runs, let loose after the steps `moments`."""

    def last(moment: Array) -> Array:
        return network.run_free(tuple(entry[moment] for entry in carries), outputs[moment], steps)[0][-1]

    return jax.vmap(last)(moments)
