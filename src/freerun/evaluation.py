"""How good a model is: one-step predictions, free runs, and long runs as samples of a system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freerun import metrics
from freerun.data.arrays import stays_near
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.forecasting import free_run, moment_after, one_step_outputs, require_washout, runs_from
from freerun.model import Model

HORIZON = 84
"""The horizon of NRMSE84, in steps."""

STARTS, STARTS_APART = 50, 20
"""NRMSE84 and the growth of errors are taken over this many free runs, whose starts are this many steps apart."""

AHEAD = 20
"""The n of PE(n), in steps."""


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

    A free run that leaves the range of floating-point numbers has lost the data there: its error is infinite, in
    percent 200.
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
        The scores, and the free run from `start` to the end, as far as it goes.

    Raises:
        SeriesError: `start` is outside the series, or leaves fewer steps before it than the washout needs.
    """
    series = model.matched(series)
    before, truth = series.split(start)
    require_washout(model.best, before)
    predictions = model.best.scaling.undo(one_step_outputs(model.best, series)[start - 1 :], truth.times)
    deviation = series.deviation
    run = free_run(model, len(truth), before)
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
    series = model.matched(series)
    if not series.complete:
        raise SeriesError(
            "values are missing, and long-term measures need all of them; interpolate them (missing='interpolate')"
        )
    before, truth = series.split(start)
    whole = free_run(model, len(truth) + len(truth) // 4, before)
    run = whole.between(len(truth) // 4)
    exponents = lyapunov_exponents(model, before, min(20_000, 10 * len(truth)), series.shape[1])
    starts = np.arange(start, len(series) - AHEAD + 1)
    scores = LongTerm(
        steps=len(run),
        pe20=float(np.nanmean(errors_ahead(model, series, starts, AHEAD)[:, -1] ** 2)) if len(starts) else None,
        state_space_divergence=metrics.state_space_divergence(truth.values, run.values),
        state_space_floor=metrics.state_space_divergence(truth.values, before.values),
        spectrum_distance=metrics.spectrum_distance(truth.values, run.values),
        spectrum_floor=metrics.spectrum_distance(truth.values, before.values),
        lyapunov=exponents,
        vpt_lyapunov_times=vpt * exponents[0] if exponents[0] > 0 else None,
        endured=stays_near(whole.values, before.values),
    )
    return scores, run


def lyapunov_exponents(model: Model, after: Series | None, steps: int, count: int) -> tuple[float, ...]:
    """The largest Lyapunov exponents of the best network's closed loop, per step; see `freerun.dynamics`.

    Raises:
        SettingError: the network is driven by external inputs, so that its closed loop is no system of its own.
    """
    import jax.numpy as jnp

    from freerun.computing import computing
    from freerun.dynamics import lyapunov_spectrum

    if model.recent.input_names:
        raise SettingError("a network with external inputs has no Lyapunov exponents of its own; fit without inputs")
    member = model.best
    moment = member.ending
    if after is not None:
        moment = moment_after(member.network, member.scaling, after)
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
    return float(np.sqrt(np.nanmean(errors**2) * series.shape[1] / (series.deviation**2).sum()))


def error_growth(model: Model, series: Series, start: int, horizon: int) -> np.ndarray:
    """Errors of many free runs from `start` on, in standard deviations of the series, shape (N, horizon)."""
    series = model.matched(series)
    starts = _starts(series, start, horizon)
    if not len(starts):
        raise SeriesError(f"no free run of {horizon} steps fits between step {start} and the end at {len(series)}")
    deviation = np.sqrt((series.deviation**2).mean())
    return errors_ahead(model, series, starts, horizon) / deviation


def errors_ahead(model: Model, series: Series, starts: np.ndarray, horizon: int) -> np.ndarray:
    """Errors of free runs whose first values are those of the steps `starts`, root mean square over channels.

    Returns:
        Shape (N, horizon), in the units of the series; NaN where a value is missing, infinite where a run is not.
    """
    member = model.best
    at = starts[:, None] + np.arange(horizon)
    with np.errstate(over="ignore", invalid="ignore"):
        runs = member.scaling.undo(runs_from(member, series, starts, horizon), series.times[at])
        errors = np.where(np.isfinite(runs), runs, np.inf) - series.values[at]
        return np.sqrt((errors**2).mean(axis=-1))


def _starts(series: Series, start: int, horizon: int) -> np.ndarray:
    return np.arange(start, len(series) - horizon + 1, STARTS_APART)[:STARTS]
