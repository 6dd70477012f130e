"""Using a model: one-step predictions (open loop), free runs (closed loop), and how good they are.

Step t is predicted from steps 0 to t - 1. A free run after a series of T steps begins with step T: its first value
is the last one-step prediction, made from step T - 1, and from there on the network reads its own output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from freerun import metrics
from freerun.cells import Array
from freerun.computing import computing
from freerun.dynamics import lyapunov_spectrum
from freerun.errors import SeriesError, SettingError
from freerun.model import Member, Model, Moment
from freerun.network import Network, State
from freerun.scaling import Scaling
from freerun.series import Series
from freerun.settings import Ensemble, Settings

HORIZON = 84
"""The horizon of NRMSE84, in steps."""

STARTS, STARTS_APART = 50, 20
"""NRMSE84 and the growth of errors are taken over this many free runs, whose starts are this many steps apart."""

AHEAD = 20
"""The n of PE(n), in steps."""

ENDURANCE, RANGE = 100_000, 3.0
"""A network endures when a free run of so many steps stays so many standard deviations around its training data."""

PIECE = 10_000
"""Steps of a long series that are read, and of a long free run that are generated, at a time."""

COMBINED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "best": lambda runs: runs[0],
    "mean": lambda runs: runs.mean(axis=0),
    "median": lambda runs: np.median(runs, axis=0),
}
"""How free runs of several members, shape (M, T, D), become one."""


def predict(model: Model, series: Series) -> Series:
    """One-step predictions of every step of `series` but the first, from a state of zero, by the best network.

    Returns:
        T - 1 steps with their times: row i is the prediction of step i + 1, made from steps 0 to i.
    """
    model.require_channels(series)
    _require_washout(model.best, series)
    outputs = _outputs(model, series)
    return Series(model.scaling.undo(outputs[:-1]), series.channels, series.times[1:], series.dt)


def moment_after(network: Network, scaling: Scaling, settings: Settings, series: Series) -> Moment:
    """Let the network read `series` from a state of zero to its end."""
    with computing(settings.dtype):
        state, output = _ending(network, jnp.asarray(scaling.apply(series.values), settings.dtype))
    return Moment(jax.tree.map(np.asarray, state), np.asarray(output, np.float64))


def generate(model: Model, steps: int, after: Series | None = None, ensemble: Ensemble = "best") -> Series:
    """Run free for `steps` steps after the training series, or after another one.

    Args:
        model: the trained networks.
        steps: how many values to generate, at least 1.
        after: a series to read first, from a state of zero; its washout must fit.
        ensemble: the run of the `best` network, or the `mean` or `median` over the runs of all of them, step by step.

    Returns:
        `steps` values with the times that follow the series.

    Raises:
        SeriesError: the run left the range of floating-point numbers, or `after` is too short.
    """
    if steps < 1:
        raise SettingError(f"steps={steps}: a free run has at least 1 step")
    if ensemble != "best" and len(model.members) == 1:
        raise SettingError(f"ensemble={ensemble!r}: the model has one network; fit with members=2 or more")
    if after is not None:
        model.require_channels(after)
    runs = []
    for member in model.members[:1] if ensemble == "best" else model.members:
        moment = member.ending
        if after is not None:
            _require_washout(member, after)
            moment = moment_after(member.network, model.scaling, member.settings, after)
        runs.append(model.scaling.undo(_free_run(member, moment, steps)))
    base = model.recent if after is None else after
    return Series(COMBINED[ensemble](np.stack(runs)), base.channels, base.following_times(steps), base.dt)


def enduring_run(member: Member, scaling: Scaling, training: Series) -> np.ndarray | None:
    """A free run of 100000 steps after the training series, standardised, shape (100000, D).

    None when it leaves the range of the training series by more than 3 standard deviations.
    """
    values = scaling.apply(training.values)
    pieces = []
    with computing(member.settings.dtype):
        state, value = member.ending.state, jnp.asarray(member.ending.value, member.settings.dtype)
        for _ in range(ENDURANCE // PIECE):
            run, state, value = _go_on(member.network, state, value, PIECE)
            pieces.append(np.asarray(run, np.float64))
            if not _stays_near(pieces[-1], values):
                return None
    return np.concatenate(pieces)


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
    _require_washout(model.best, before)
    predictions = model.scaling.undo(_outputs(model, series)[start - 1 : -1])
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


@dataclass(frozen=True)
class LongTerm:
    """How well a long free run resembles the series it should continue, as a sample of the same system.

    Attributes:
        steps: length of the run that is compared: 1.25 times the steps from `start` on, the first fifth dropped.
        pe20: PE(20), the mean squared error 20 steps ahead from every point of the scored steps.
        state_space_divergence: D_stsp of the run against the scored steps.
        state_space_floor: D_stsp of the steps before `start` against the scored steps: truth against truth.
        spectrum_distance: D_H of the run against the scored steps.
        spectrum_floor: D_H of the steps before `start` against the scored steps.
        lyapunov: the largest Lyapunov exponents of the closed loop, per step, descending; as many as channels.
        vpt_lyapunov_times: the valid prediction time in Lyapunov times; None where no exponent is positive.
        endured: whether the whole run stayed within 3 standard deviations of the range of the steps before `start`.
    """

    steps: int
    pe20: float | None
    state_space_divergence: float
    state_space_floor: float
    spectrum_distance: float
    spectrum_floor: float
    lyapunov: tuple[float, ...]
    vpt_lyapunov_times: float | None
    endured: bool


def evaluate_long_term(model: Model, series: Series, start: int, vpt: int) -> tuple[LongTerm, Series]:
    """Compare a long free run from step `start` on with what really followed.

    Returns:
        The scores, and the run without its first fifth.
    """
    before, truth = series.split(start)
    whole = generate(model, len(truth) + len(truth) // 4, before)
    run = whole.between(len(truth) // 4)
    exponents = lyapunov_exponents(model, before, min(20_000, 10 * len(truth)), series.shape[1])
    starts = np.arange(start, len(series) - AHEAD + 1)
    scores = LongTerm(
        steps=len(run),
        pe20=float((errors_ahead(model, series, starts, AHEAD)[:, -1] ** 2).mean()) if len(starts) else None,
        state_space_divergence=metrics.state_space_divergence(truth.values, run.values),
        state_space_floor=metrics.state_space_divergence(truth.values, before.values),
        spectrum_distance=metrics.spectrum_distance(truth.values, run.values),
        spectrum_floor=metrics.spectrum_distance(truth.values, before.values),
        lyapunov=exponents,
        vpt_lyapunov_times=vpt * exponents[0] if exponents[0] > 0 else None,
        endured=_stays_near(whole.values, before.values),
    )
    return scores, run


def lyapunov_exponents(model: Model, after: Series | None, steps: int, count: int) -> tuple[float, ...]:
    """The largest Lyapunov exponents of the best network's closed loop, per step; see `freerun.dynamics`."""
    member = model.best
    moment = member.ending
    if after is not None:
        moment = moment_after(member.network, model.scaling, member.settings, after)
    with computing(member.settings.dtype):
        value = jnp.asarray(moment.value, member.settings.dtype)
        exponents = lyapunov_spectrum(member.network, moment.state, value, steps, count, transient=steps // 10)
    return tuple(np.asarray(exponents, np.float64).tolist())


def free_run_error(model: Model, series: Series, start: int, horizon: int = HORIZON) -> float:
    """NRMSE at a horizon: the error of the last step of many free runs, over the standard deviation of the series.

    Root mean square over up to 50 runs, let loose at `start` and every 20 steps after it.

    Raises:
        SeriesError: not even one run of that length fits.
    """
    starts = _starts(series, start, horizon)
    if not len(starts):
        raise SeriesError(f"no free run of {horizon} steps fits between step {start} and the end at {len(series)}")
    errors = errors_ahead(model, series, starts, horizon)[:, -1]
    return float(np.sqrt((errors**2).mean() * series.shape[1] / (series.values.std(axis=0) ** 2).sum()))


def error_growth(model: Model, series: Series, start: int, horizon: int) -> np.ndarray:
    """Errors of many free runs from `start` on, in standard deviations of the series, shape (N, horizon)."""
    starts = _starts(series, start, horizon)
    if not len(starts):
        raise SeriesError(f"no free run of {horizon} steps fits between step {start} and the end at {len(series)}")
    deviation = np.sqrt((series.values.std(axis=0) ** 2).mean())
    return errors_ahead(model, series, starts, horizon) / deviation


def errors_ahead(model: Model, series: Series, starts: np.ndarray, horizon: int) -> np.ndarray:
    """Errors of free runs whose first values are those of the steps `starts`, root mean square over channels.

    Returns:
        Shape (N, horizon), in the units of the series.
    """
    member = model.best
    inputs = model.scaling.apply(series.values)
    errors = []
    with computing(member.settings.dtype):
        standard = jnp.asarray(inputs, member.settings.dtype)
        for some in np.array_split(starts, max(1, len(starts) // 1000)):
            runs = np.asarray(_runs(member.network, standard, jnp.asarray(some - 1), horizon), np.float64)
            truth = series.values[some[:, None] + np.arange(horizon)]
            errors.append(np.sqrt(((model.scaling.undo(runs) - truth) ** 2).mean(axis=-1)))
    return np.concatenate(errors)


def _stays_near(run: np.ndarray, values: np.ndarray) -> bool:
    """Whether a run, shape (T, D), stays within 3 standard deviations of the range of `values`, shape (S, D)."""
    margin = RANGE * values.std(axis=0)
    return bool(((run >= values.min(axis=0) - margin) & (run <= values.max(axis=0) + margin)).all())


def _starts(series: Series, start: int, horizon: int) -> np.ndarray:
    return np.arange(start, len(series) - horizon + 1, STARTS_APART)[:STARTS]


def _require_washout(member: Member, series: Series) -> None:
    needed = max(2, member.washout + 1)
    if len(series) < needed:
        raise SeriesError(
            f"the series has {len(series)} steps; with a washout of {member.washout} give {needed} or more"
        )


def _free_run(member: Member, moment: Moment, steps: int) -> np.ndarray:
    with computing(member.settings.dtype):
        value = jnp.asarray(moment.value, member.settings.dtype)
        values = np.asarray(_run_free(member.network, moment.state, value, steps), np.float64)
    if not np.isfinite(values).all():
        first = int(np.argmin(np.isfinite(values).all(axis=1)))
        raise SeriesError(f"the free run diverged at step {first}; train with a penalty or a bounded non-linearity")
    return values


def _outputs(model: Model, series: Series) -> np.ndarray:
    """Outputs of the best network, shape (T, D), standardised, of an open-loop pass from a state of zero."""
    member = model.best
    with computing(member.settings.dtype):
        outputs = _predict(member.network, jnp.asarray(model.scaling.apply(series.values), member.settings.dtype))
    return np.asarray(outputs, np.float64)


@jax.jit
def _predict(network: Network, inputs: Float[Array, "T D"]) -> Float[Array, "T D"]:
    return network.predict(inputs)


@jax.jit
def _ending(network: Network, inputs: Float[Array, "T D"]) -> tuple[State, Float[Array, " D"]]:
    return network.ending(inputs, PIECE)


@partial(jax.jit, static_argnames="steps")
def _run_free(network: Network, state: State, value: Float[Array, " D"], steps: int) -> Float[Array, "steps D"]:
    return network.run_free(state, value, steps)


@partial(jax.jit, static_argnames="steps")
def _go_on(
    network: Network, state: State, value: Float[Array, " D"], steps: int
) -> tuple[Float[Array, "steps D"], State, Float[Array, " D"]]:
    return network.go_on(state, value, steps)


@partial(jax.jit, static_argnames="steps")
def _runs(network: Network, inputs: Float[Array, "T D"], moments: Int[Array, " N"], steps: int) -> Array:
    """N free runs, let loose after the steps `moments`, shape (N, steps, D)."""
    states, outputs = network.moments(inputs, moments)
    return jax.vmap(lambda state, value: network.run_free(state, value, steps))(states, outputs)
