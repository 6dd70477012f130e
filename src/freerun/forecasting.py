"""Using a model: one-step predictions (open loop) and free runs (closed loop).

Step t is predicted from steps 0 to t - 1. A free run after a series of T steps begins with step T: its first value
is the last one-step prediction, made from step T - 1, and from there on the network reads its own output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from freerun.data.arrays import interpolated, stays_near
from freerun.data.scaling import Scaling, differenced
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.model import RECENT, Member, Model, Moment
from freerun.network import engines, numpy_runs
from freerun.network.network import Network
from freerun.settings import Ensemble

MOST_AT_ONCE = 1000
"""Most free runs side by side, since each takes memory."""

STARTS, LONGEST_RUN = 16, 5000
"""Free runs that show whether a network endures, and the most steps of each."""


def _trimmed_mean(runs: np.ndarray) -> np.ndarray:
    """The mean of the middle half at each step, as of `scipy.stats.trim_mean`, whose import takes longer than a fit."""
    left_out = len(runs) // 4
    return np.sort(runs, axis=0)[left_out : len(runs) - left_out].mean(axis=0)


COMBINED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "best": lambda runs: runs[0],
    "mean": lambda runs: runs.mean(axis=0),
    "median": lambda runs: np.median(runs, axis=0),
    "trimmed": _trimmed_mean,
}
"""How free runs of several members, shape (M, T, D), become one."""


def predict(model: Model, series: Series) -> Series:
    """One-step predictions of every step of `series` but the first, from a state of zero, by the best network.

    Returns:
        T - 1 steps with their times: row i is the prediction of step i + 1, made from steps 0 to i. Where values are
        missing the network reads its own predictions.
    """
    series = model.matched(series)
    require_washout(model.best, series)
    after = series.between(1)
    return replace(after, values=model.best.scaling.undo(one_step_outputs(model.best, series), after.times))


def moment_after(network: Network, scaling: Scaling, series: Series) -> Moment:
    """Let the network read `series` from a state of zero: its last value, and the state before it."""
    channels = series.shape[1]
    known = numpy_runs.filled(network, _with_inputs_known(scaling.apply(series), channels))
    return Moment(numpy_runs.state_after(network, known[:-1]), known[-1, :channels].astype(np.float64))


def generate(
    model: Model, steps: int, after: Series | None = None, inputs: object = None, ensemble: Ensemble = "best"
) -> Series:
    """Run free for `steps` steps after the training series, or after another one.

    Args:
        model: the trained networks.
        steps: how many values to generate, at least 1.
        after: a series to read first, from a state of zero; its washout must fit.
        inputs: the external inputs of the steps to come; see `Series.with_coming_inputs`. None where they came with
            the series.
        ensemble: the run of the `best` network, or the `mean`, `median` or `trimmed` mean over the runs of all of them,
            step by step.

    Returns:
        `steps` values with the times that follow the series.

    Raises:
        SeriesError: the run left the range of floating-point numbers, `after` is too short, or external inputs end
            before the run does.
    """
    run = free_run(model, steps, after, inputs, ensemble)
    if not run.complete:
        first = int(np.isnan(run.values).any(axis=1).argmax())
        raise SeriesError(f"the free run diverged at step {first}; train with a penalty or a bounded non-linearity")
    return run


def free_run(
    model: Model, steps: int, after: Series | None = None, inputs: object = None, ensemble: Ensemble = "best"
) -> Series:
    """What `generate` gives, as far as it goes: beyond the range of floating-point numbers values are missing.

    Raises:
        SeriesError: see `generate`.
    """
    if ensemble != "best" and len(model.members) == 1:
        raise SettingError(f"ensemble={ensemble!r}: the model has one network; fit with members=2 or more")
    base = base_of(model, after, inputs, steps)
    require_known_inputs(base, steps)
    base.following_times(steps)  # refuses steps beyond the calendar before they are made
    runs = [
        _run_of(member, moment, base, steps)
        for member, moment in moments(model, base, after is not None, ensemble == "best")
    ]
    return base.followed_by(COMBINED[ensemble](np.stack(runs)))


def base_of(model: Model, after: Series | None, inputs: object, steps: int) -> Series:
    """The series that a free run of `steps` steps continues, with the external inputs to come.

    Raises:
        SettingError: the model has learned several series, and it is not said which to continue.
        SeriesError: other channels or inputs than those the network was trained on.
    """
    if after is None and model.trained_on > 1:
        raise SettingError(
            f"the network was trained on {model.trained_on} series; give the one to continue (after=..., --after)"
        )
    base = model.recent if after is None else model.matched(after)
    return base if inputs is None else base.with_coming_inputs(inputs, steps)


def moments(model: Model, base: Series, read: bool, best: bool) -> list[tuple[Member, Moment]]:
    """Where free runs after `base` begin, of the best network or of all: at the end of training, or having read it."""
    result = []
    for member in model.members[:1] if best else model.members:
        if read:
            require_washout(member, base)
            moment = moment_after(member.network, member.scaling, base)
        else:
            moment = member.ending
        result.append((member, moment))
    return result


def require_known_inputs(base: Series, steps: int) -> None:
    """Refuse a run beyond the steps of which the external inputs are known.

    Raises:
        SeriesError: they end before.
    """
    if base.input_names and base.known_ahead < steps:
        raise SeriesError(
            f"the external inputs ({', '.join(base.input_names)}) are known for {base.known_ahead} steps after the "
            f"series, and {steps} are asked for; give a row for each of these steps (inputs=...)"
        )


def _run_of(member: Member, moment: Moment, base: Series, steps: int) -> np.ndarray:
    """A free run from that moment, at the end of `base`, in the units of the series, shape (steps, D).

    NaN where it is not finite.
    """
    known = member.scaling.scaled_inputs(inputs_ahead(base, steps))
    values = engines.free_run(member.network, moment.state, moment.value, steps, known)
    with np.errstate(over="ignore", invalid="ignore"):
        values = member.scaling.undo(values, base.following_times(steps))
    return np.where(np.isfinite(values), values, np.nan)


def inputs_ahead(base: Series, steps: int) -> np.ndarray:
    """The external inputs of the `steps` steps after `base`, shape (steps, E)."""
    return base.inputs[len(base) : len(base) + steps] if base.input_names else np.empty((steps, 0))


def update(model: Model, new: Series) -> Model:
    """The model having read further steps, which follow the last ones it has read; its weights are the same.

    The new series may begin with steps that were read before, as a file that has grown does.

    Raises:
        SeriesError: other channels, or times that do not follow.
        SettingError: the model has learned several series.
    """
    if model.trained_on > 1:
        raise SettingError(
            f"the network was trained on {model.trained_on} series, so new steps follow none of them; "
            "give the series to continue instead: generate(steps, after=...)"
        )
    recent = model.recent
    joined = recent.joined(new)
    members = tuple(replace(m, ending=_read_further(m, joined, len(recent) - 1)) for m in model.members)
    return replace(model, members=members, recent=joined.between(max(0, len(joined) - RECENT)))


def _read_further(member: Member, series: Series, step: int) -> Moment:
    """Go on from the ending of the member, which is at that step of the series, to the end of the series."""
    channels = len(member.ending.value)
    values = _with_inputs_known(member.scaling.apply(series)[step:], channels)
    values[0, :channels] = member.ending.value
    read = numpy_runs.filled(member.network, values, member.ending.state)
    state = numpy_runs.state_after(member.network, read[:-1], member.ending.state)
    return Moment(state, read[-1, :channels].astype(np.float64))


def endures(member: Member, training: Sequence[Series]) -> bool:
    """Whether free runs stay within 3 standard deviations of the range of the training series.

    One begins at the end of training, and others at places evenly spread over each series; each is as long as the
    longest series, up to `LONGEST_RUN` steps. Where differences are learned, the differences have to stay near.
    """
    steps = min(LONGEST_RUN, max(map(len, training)))
    if not holds(member, training, steps):
        return False
    differences, network, seen = member.network.differences, member.network, _seen(member, training)
    for series in training[:STARTS]:
        values = member.scaling.apply(series)[:, : len(member.ending.value)]
        first = min(member.washout, len(values) - 2)
        starts = np.linspace(first, len(values) - 2, max(1, STARTS // len(training))).astype(int)
        begin = numpy_runs.states_before(network, numpy_runs.filled(network, values), starts)
        runs = numpy_runs.run(network, *begin, steps).values[0]
        if not all(stays_near(differenced(run, differences), seen) for run in runs):
            return False
    return True


def holds(member: Member, training: Sequence[Series], steps: int) -> bool:
    """Whether the free run from the end of training stays near the training series for that many steps."""
    network = member.network
    run = numpy_runs.run(network, numpy_runs.beside(member.ending.state), member.ending.value[None], steps).values[0, 0]
    return stays_near(differenced(run, network.differences), _seen(member, training))


def _seen(member: Member, training: Sequence[Series]) -> np.ndarray:
    """What the network has seen in training: standardised values or differences, shape (N, D)."""
    channels = len(member.ending.value)
    return np.concatenate(
        [differenced(member.scaling.apply(series)[:, :channels], member.network.differences) for series in training]
    )


def require_washout(member: Member, series: Series) -> None:
    """Refuse a series that is no longer than the washout.

    Raises:
        SeriesError: it is not.
    """
    needed = max(2, member.washout + 1)
    if len(series) < needed:
        raise SeriesError(
            f"the series has {len(series)} steps; with a washout of {member.washout} give {needed} or more"
        )


def one_step_outputs(member: Member, series: Series) -> np.ndarray:
    """The estimates of steps 1 to T - 1, shape (T - 1, D), standardised, of an open-loop pass from a state of zero.

    What the windows of the first steps reach back to before the series is taken to be its first value.
    """
    values = _with_inputs_known(member.scaling.apply(series)[:-1], series.shape[1])
    lead = member.network.depth
    values = np.concatenate([np.repeat(values[:1], lead, axis=0), values])
    known = numpy_runs.filled(member.network, values)
    return numpy_runs.predict(member.network, known)[lead:].astype(np.float64)


def one_step_error(member: Member, panel: Sequence[Series]) -> float:
    """Mean squared error of the one-step predictions in the units of the series, or of its logarithm.

    The mean over channels of the means over all series; the washout does not count, nor do missing values.
    """
    squares, counts = 0.0, 0
    for series in panel:
        channels = series.shape[1]
        values = _with_inputs_known(member.scaling.apply(series), channels)
        outputs = numpy_runs.predict(member.network, numpy_runs.filled(member.network, values[:-1]))
        errors = (outputs - values[1:, :channels])[min(member.washout, len(values) - 2) :] * member.scaling.scale
        squares, counts = squares + np.nansum(errors**2, axis=0), counts + np.isfinite(errors).sum(axis=0)
    return float(np.mean(squares / np.maximum(counts, 1)))


def runs_from(member: Member, series: Series, starts: np.ndarray, horizon: int) -> np.ndarray:
    """Free runs whose first values are those of the steps `starts` of `series`, standardised, (N, horizon, D)."""
    channels = series.shape[1]
    values = _with_inputs_known(member.scaling.apply(series), channels)
    known = numpy_runs.filled(member.network, values[:-1])
    runs = []
    for some in np.array_split(starts - 1, max(1, len(starts) // MOST_AT_ONCE)):
        start = numpy_runs.states_before(member.network, known, some)
        ahead = values[some + np.arange(horizon)[:, None], channels:]
        runs.append(numpy_runs.run(member.network, *start, horizon, known=ahead).values[0])
    return np.concatenate(runs).astype(np.float64)


def _with_inputs_known(values: np.ndarray, channels: int) -> np.ndarray:
    """Standardised values, shape (T, N), with the external inputs of the step after the last taken as its own."""
    if values.shape[1] > channels:
        values[:, channels:] = interpolated(values[:, channels:])
    return values
