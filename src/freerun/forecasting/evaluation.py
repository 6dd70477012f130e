"""Scores of a model: one-step predictions, free runs, and the statistics of long free runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freerun import metrics
from freerun.data.arrays import stays_near
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.extras import require
from freerun.forecasting.model import Model
from freerun.forecasting.runs import free_run, one_step_outputs, require_washout, run_start_after, runs_from

HORIZON = 84
"""Horizon of NRMSE84, in steps (Jaeger and Haas, 2004)."""

STARTS = 50
"""Most free runs over which NRMSE84 and the growth of errors are averaged."""

STARTS_APART = 20
"""Number of steps from the start of one of these free runs to the next."""

AHEAD = 20
"""Horizon of PE(20), in steps (Hess et al., 2023)."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on the steps of a series from `start` on.

    A free run that overflows has an infinite error from that step on; its sMAPE is 200 there.

    Attributes:
        start: first step that is scored. The network reads the steps before it.
        steps: number of steps that are scored.
        one_step_mse: mean squared error of one-step predictions, in squared units of the series.
        nrmse84: error of the 84th step of free runs, divided by the standard deviation of
            the whole series. It is the root mean square over runs that start every 20
            steps from `start` on. None if no run fits.
        nrmse84_starts: number of these runs, at most 50.
        vpt: valid prediction time of the free run from `start` to the end of the series, in steps.
        smape: symmetric mean absolute percentage error of that run, 0 to 200.
    """

    start: int
    steps: int
    one_step_mse: float
    nrmse84: float | None
    nrmse84_starts: int
    vpt: int
    smape: float

    @property
    def held(self) -> str:
        """Whether the run holds to the end of the series, as a note behind `vpt`."""
        return "" if self.vpt < self.steps else " (all there were)"


def evaluate(model: Model, series: Series, start: int) -> tuple[Evaluation, Series]:
    """Score a model on the steps of a series from `start` on.

    Args:
        model: the trained networks; the best one is scored.
        series: the series. The network reads its steps before `start`.
        start: first step that is scored.

    Returns:
        The scores, and the free run from `start` to the end of the series; NaN after an overflow.

    Raises:
        SeriesError: channels differ, `start` is outside the series,
            there are too few steps before it, or no value is known from it on.
    """
    series = model.matched(series)
    before, truth = series.split(start)
    require_washout(model.best, before)
    if not np.isfinite(truth.values).any():
        raise SeriesError(f"no value from step {start} on is known to score by; score earlier steps")
    predictions = model.best.scaling.undo(one_step_outputs(model.best, series)[start - 1 :], truth.times)
    deviation = series.deviation
    run = free_run(model, len(truth), before)
    starts = _fitting_starts(series, start, HORIZON)
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
    """Scores of a long free run: how closely its statistics resemble those of the series.

    The run has 1.25 times as many steps as the series from `start` on. Its first fifth is dropped.
    See `freerun.metrics` for the measures.

    Attributes:
        steps: number of steps of the run that are compared.
        pe20: PE(20), the mean squared error 20 steps ahead, from every scored step;
            None if none fits.
        state_space_divergence: D_stsp of the run and the scored steps.
        state_space_floor: D_stsp of the steps before `start` and the scored steps,
            the value for true data.
        spectrum_distance: D_H of the run and the scored steps.
        spectrum_floor: D_H of the steps before `start` and the scored steps,
            the value for true data.
        lyapunov: the D largest Lyapunov exponents of the closed loop, per step, descending.
        vpt_lyapunov_times: valid prediction time in Lyapunov times;
            None if no exponent is positive.
        endured: whether the run stays within 3 standard deviations
            of the range of the steps before `start`.
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
    """Compare the statistics of a long free run with those of a series.

    Args:
        model: the trained networks; the best one runs.
        series: the series, without missing values. The network reads its steps before `start`.
        start: first step of the part that is compared with the run.
        vpt: valid prediction time in steps, from `evaluate`.

    Returns:
        The scores, and the run without its first fifth.

    Raises:
        SeriesError: values are missing, or the series does not fit the model.
        SettingError: the network has external inputs.
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
    """Compute the largest Lyapunov exponents of the closed loop of the best network;
    see `freerun.dynamics`.

    Args:
        model: the trained networks.
        after: the series after which the run starts; None starts it after the training series.
        steps: number of steps over which the exponents are averaged.
        count: number of exponents.

    Returns:
        Exponents per step, descending.

    Raises:
        MissingExtraError: JAX is not installed.
        SettingError: the network has external inputs, so that its closed loop is not autonomous,
            a known model, or is that of a field.
    """
    require("train", "the Lyapunov exponents of a network")
    import jax.numpy as jnp

    from freerun.compute.programs import computing
    from freerun.dynamics import lyapunov_spectrum

    if model.settings.model is not None:
        raise SettingError("Lyapunov exponents need derivatives, which a known model does not give; fit without model")
    if model.recent.input_names:
        raise SettingError("Lyapunov exponents are not defined for a network with external inputs; fit without inputs")
    member = model.best
    if member.network.lattice is not None:
        raise SettingError("Lyapunov exponents are not computed for the network of a field; leave neighbours out")
    start = member.run_start
    if after is not None:
        start = run_start_after(member.network, member.scaling, after, member.noise)
    with computing(member.settings.dtype):
        value = jnp.asarray(start.value, member.settings.dtype)
        exponents = lyapunov_spectrum(member.network.dense(), start.state, value, steps, count, transient=steps // 10)
    return tuple(np.asarray(exponents, np.float64).tolist())


def free_run_error(model: Model, series: Series, start: int, horizon: int = HORIZON) -> float:
    """Compute the NRMSE of free runs at a horizon:
    the error of their last step over the standard deviation.

    Squared errors are averaged over up to 50 runs, one at `start` and at every 20th step after it.
    They are divided by the variance of the series, summed over channels.

    Raises:
        SeriesError: no run of that length fits.
    """
    starts = _fitting_starts(series, start, horizon)
    if not len(starts):
        raise SeriesError(f"no free run of {horizon} steps fits between step {start} and the end at {len(series)}")
    errors = errors_ahead(model, series, starts, horizon)[:, -1]
    return float(np.sqrt(np.nanmean(errors**2) * series.shape[1] / (series.deviation**2).sum()))


def error_growth(model: Model, series: Series, start: int, horizon: int) -> np.ndarray:
    """Compute the errors of up to 50 free runs from `start` on; see `freerun.RNN.error_growth`."""
    series = model.matched(series)
    starts = _fitting_starts(series, start, horizon)
    if not len(starts):
        raise SeriesError(f"no free run of {horizon} steps fits between step {start} and the end at {len(series)}")
    deviation = np.sqrt((series.deviation**2).mean())
    return errors_ahead(model, series, starts, horizon) / deviation


def errors_ahead(model: Model, series: Series, starts: np.ndarray, horizon: int) -> np.ndarray:
    """Compute the errors of free runs of the best network, root mean square over channels.

    Args:
        model: the trained networks.
        series: the series.
        starts: first step of each run, shape (N,).
        horizon: number of steps of each run.

    Returns:
        Shape (N, horizon), in the units of the series. NaN if a true value is missing,
        infinity after an overflow.
    """
    member = model.best
    at = starts[:, None] + np.arange(horizon)
    with np.errstate(over="ignore", invalid="ignore"):
        runs = member.scaling.undo(runs_from(member, series, starts, horizon), series.times[at])
        errors = np.where(np.isfinite(runs), runs, np.inf) - series.values[at]
        return np.sqrt((errors**2).mean(axis=-1))


def _fitting_starts(series: Series, start: int, horizon: int) -> np.ndarray:
    """First steps of the free runs of `horizon` steps that fit in a series from `start` on."""
    return np.arange(start, len(series) - horizon + 1, STARTS_APART)[:STARTS]
