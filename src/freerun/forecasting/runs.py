"""One-step predictions (open loop) and free runs (closed loop) of a model.

Step t is predicted from steps 0 to t - 1. A free run after a series of T steps begins with step T.
Its first value is the one-step prediction from step T - 1. The network then reads its own output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from freerun.data.alignment import following
from freerun.data.irregular import divide, lengths
from freerun.data.oddities import warn_of_oddities
from freerun.data.scaling import Scaling
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError, warn
from freerun.forecasting.model import RECENT, Member, Model, RunStart
from freerun.network import assimilation, engines, numpy_runs, reading
from freerun.network.assimilation import Noise
from freerun.network.network import Network, State
from freerun.plan import plan_of
from freerun.settings import Ensemble

FAR_INPUT = 10.0
"""Standard deviations beyond the values that were read,
from which on an external input is far from them."""

MOST_AT_ONCE = 1000
"""Most free runs in a batch, since each takes memory."""


def _trimmed_mean(runs: np.ndarray) -> np.ndarray:
    """The mean of the middle half at each step, like `scipy.stats.trim_mean`,
    whose import takes longer than a fit."""
    left_out = len(runs) // 4
    return np.sort(runs, axis=0)[left_out : len(runs) - left_out].mean(axis=0)


COMBINED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "best": lambda runs: runs[0],
    "mean": lambda runs: runs.mean(axis=0),
    "median": lambda runs: np.median(runs, axis=0),
    "trimmed": _trimmed_mean,
}
"""Functions that combine the free runs of M members, shape (M, ..., D), by name of the ensemble."""


def predict(model: Model, series: Series) -> Series:
    """Predict each step of a series from the steps before it, by the best network.

    The network begins in the zero state. In place of a missing value, it reads its own prediction.

    Args:
        model: the trained networks.
        series: the series, T steps.

    Returns:
        T - 1 steps with their times. Row i is the prediction of step i + 1 from steps 0 to i.

    Raises:
        SeriesError: channels differ, or the series is not longer than the washout.
    """
    series = model.matched(series)
    require_washout(model.best, series)
    after = series.between(1)
    return replace(after, values=model.best.scaling.undo(one_step_outputs(model.best, series), after.times))


def smooth(model: Model, series: Series, deviation: bool = False) -> Series:
    """Estimate the states behind noisy measurements, by the best network; see `freerun.RNN.smooth`.

    Args:
        model: the trained networks.
        series: the measurements, T steps.
        deviation: whether the standard deviations of the states are returned too.

    Raises:
        SeriesError: channels differ, or the series is too short.
        SettingError: the network was not fitted to the states behind noisy measurements.
    """
    series, member = model.matched(series), model.best
    if member.noise is None:
        raise SettingError(
            "the network was fitted to values as they are, and knows no states behind them; fit it with the noise in "
            "measurements (cell='memoryless', measurement_noise=0.1: in standard deviations of the channel)"
        )
    if len(series) < member.network.depth + 2:
        raise SeriesError(f"the series has {len(series)} steps; give {member.network.depth + 2} or more")
    values = reading.fill_inputs(member.scaling.apply(series), series.shape[1])
    found = assimilation.posterior(member.network, member.noise, values)
    states = replace(series, values=member.scaling.undo(found.mean, series.times))
    if not deviation:
        return states
    widths = found.deviation() * member.scaling.scale
    names = tuple(f"{name}_deviation" for name in series.channels)
    return replace(states, values=np.concatenate([states.values, widths], axis=1), channels=(*series.channels, *names))


def run_start_after(network: Network, scaling: Scaling, series: Series, noise: Noise | None = None) -> RunStart:
    """Compute the start of a free run after a series, which the network reads from the zero state.

    Args:
        network: the network.
        scaling: of the series.
        series: the series.
        noise: in the series and in the network, if the network reads states behind noisy
            measurements.
    """
    values = reading.fill_inputs(scaling.apply(series), series.shape[1])
    return RunStart(*reading.start_after(network, noise, values))


def covariance_after(member: Member, series: Series) -> np.ndarray:
    """The covariance of what a network that reads noisy measurements
    knows of the last states of a series."""
    assert member.noise is not None
    values = reading.fill_inputs(member.scaling.apply(series), series.shape[1])
    return assimilation.covariance_after(member.network, member.noise, values)


def states_before(member: Member, values: np.ndarray, at: np.ndarray) -> tuple[State, np.ndarray]:
    """Where free runs from the steps `at` start along standardized values, shape (T, N),
    NaN where one is missing."""
    if member.noise is not None:
        return assimilation.states_before(member.network, member.noise, values, at)
    return numpy_runs.states_before(member.network, numpy_runs.filled(member.network, values), at)


class Ahead(NamedTuple):
    """The steps of a free run.

    Attributes:
        base: the series that the run continues, with the external inputs of the steps.
        steps: their number.
        kept: places of the steps that were asked for, shape (N,),
            where steps to given times are divided; else None.
    """

    base: Series
    steps: int
    kept: np.ndarray | None = None

    def asked(self, series: Series) -> Series:
        """The steps that were asked for, of a series of all steps of the run."""
        if self.kept is None:
            return series
        values, times, inputs = (one[self.kept] for one in (series.values, series.times, series.inputs))
        return replace(series, values=values, times=times, inputs=inputs)


def generate(
    model: Model,
    steps: int | None,
    after: Series | None = None,
    inputs: object = None,
    ensemble: Ensemble = "best",
    times: object = None,
) -> Series:
    """Generate the continuation of the training series or of another one.

    Args:
        model: the trained networks.
        steps: number of steps to generate, at least 1; None where `times` are given.
        after: a series to continue, longer than the washout,
            which the networks read from the zero state. None continues the training series.
        inputs: external inputs of the generated steps, see `Series.with_coming_inputs`;
            None if the series holds them.
        ensemble: `best` is the run of the best network. `mean`,
            `median` and `trimmed` combine the runs of all members step by step.
        times: the times of the steps, for networks of irregular times.

    Returns:
        The generated steps, with the times that follow the series, or those that were given.

    Raises:
        SeriesError: the run diverged, `after` does not fit, or external inputs end before the run.
        SettingError: an ensemble of one network, or no series to continue after training on
            several.
    """
    ahead = ahead_of(model, steps, after, inputs, times)
    return ahead.asked(run_along(model, ahead, after is not None, ensemble))


def run_along(model: Model, ahead: Ahead, read: bool, ensemble: Ensemble) -> Series:
    """Run free over all steps of `ahead`; see `generate`.

    Raises:
        SeriesError: the run diverged.
        SettingError: an ensemble of one network.
    """
    run = _free_run(model, ahead.base, ahead.steps, read, ensemble)
    if not run.complete:
        first = int(np.isnan(run.values).any(axis=1).argmax())
        raise SeriesError(f"the free run diverged at step {first}; train with a penalty or a bounded non-linearity")
    return run


def ahead_of(model: Model, steps: int | None, after: Series | None, inputs: object, times: object = None) -> Ahead:
    """The next steps after a series: their number or their times.

    Steps to given times that are longer than those of training are divided, and the networks run on
    their own output in between. Where other external inputs are needed they are not, since these
    are not known in between.

    Raises:
        SettingError: times are given, and the networks were trained on regular steps.
        SeriesError: see `base_of`, or the times do not follow.
    """
    if times is None:
        assert steps is not None
        base = base_of(model, after, inputs, steps)
        _warn_of_far_inputs(model, base, steps)
        return Ahead(base, steps)
    if not model.recent.irregular:
        raise SettingError(
            "times=... is for networks of irregular times, and this one was trained on regular steps; give the number "
            "of steps"
        )
    given = following(base_of(model, after, None, 0), times)
    base = base_of(model, after, inputs, len(given), times)
    longest = float(model.recent.inputs[: len(model.recent), -1].max())
    _warn_of_far_inputs(model, base, len(given))
    if base.own_input_names:
        if lengths(np.concatenate([base.times[-1:], given]), base.dt)[1:].max() > 2 * longest:
            warn("some of the steps to the given times are far longer than those of training; errors may be larger")
        return Ahead(base.going_on_at(given), len(given))
    every, kept = divide(given, base.times[-1], longest)
    return Ahead(base.going_on_at(every), len(every), kept)


def _warn_of_far_inputs(model: Model, base: Series, steps: int) -> None:
    """Say which external inputs of coming steps are far from all that the networks have read."""
    names = base.own_input_names
    read, ahead = model.recent.inputs[: len(model.recent)], base.inputs[len(base) : len(base) + steps]
    for place, name in enumerate(names if len(ahead) else ()):
        known, coming = read[:, place], ahead[:, place]
        mean, scale = (float(one[place]) for one in (model.best.scaling.input_mean, model.best.scaling.input_scale))
        away = np.maximum(coming - known.max(), known.min() - coming)
        far = int(away.argmax())
        constant = scale == 1 and bool(np.isclose(known, mean, rtol=1e-9, atol=0).all())
        if away[far] > (0 if constant else FAR_INPUT * scale):
            usual = "at all steps" if constant else f"on average, with a standard deviation of {scale:g}"
            time = base.calendar.shown(base.following_times(far + 1)[-1])
            warn(
                f"the external input {name!r} is {coming[far]:g} at {time}; in training it was {mean:g} {usual}, so "
                "that the network has learned nothing of such values: do not trust its run there"
            )


def free_run(
    model: Model, steps: int, after: Series | None = None, inputs: object = None, ensemble: Ensemble = "best"
) -> Series:
    """Generate as `generate` does, but return NaN after an overflow instead of raising an error.

    Raises:
        SeriesError: `after` does not fit, or external inputs end before the run.
        SettingError: see `generate`.
    """
    return _free_run(model, base_of(model, after, inputs, steps), steps, after is not None, ensemble)


def _free_run(model: Model, base: Series, steps: int, read: bool, ensemble: Ensemble) -> Series:
    """Run free after a series with the external inputs of the steps; NaN after an overflow."""
    require_ensemble(model, ensemble)
    base = base.going_on(steps)
    require_known_inputs(base, steps)
    base.following_times(steps)  # refuses steps beyond the calendar before they are made
    runs = [
        _run_free(member, start, base, steps) for member, start in run_starts(model, base, read, ensemble == "best")
    ]
    return base.followed_by(COMBINED[ensemble](np.stack(runs)))


def require_ensemble(model: Model, ensemble: Ensemble) -> None:
    """Check that a model has several networks, if their runs are to be combined.

    Raises:
        SettingError: it has one.
    """
    if ensemble != "best" and len(model.members) == 1:
        raise SettingError(f"ensemble={ensemble!r}: the model has one network; fit with members=2 or more")


def base_of(model: Model, after: Series | None, inputs: object, steps: int, times: object = None) -> Series:
    """Return the series that a free run continues,
    with the external inputs of the `steps` steps after it.

    Networks of irregular times go on at `times`; None takes those of the inputs, or median steps.

    Raises:
        SettingError: the model was trained on several series, and `after` is None.
        SeriesError: channels or external inputs differ from those of training.
    """
    if after is None and model.trained_on > 1:
        raise SettingError(
            f"the network was trained on {model.trained_on} series; give the one to continue (after=..., --after)"
        )
    base = model.recent if after is None else model.matched(after)
    return base if inputs is None else base.with_coming_inputs(inputs, steps, times)


def run_starts(model: Model, base: Series, read: bool, best: bool) -> list[tuple[Member, RunStart]]:
    """Compute the starts of free runs after a series.

    Args:
        model: the trained networks.
        base: the series that the runs continue.
        read: whether the networks read `base` from the zero state; otherwise,
            they continue from their last state.
        best: whether only the best network runs.

    Returns:
        Pairs of a member and the start of its run.

    Raises:
        SeriesError: `base` is not longer than the washout.
    """
    result = list[tuple[Member, RunStart]]()
    for member in model.members[:1] if best else model.members:
        if read:
            require_washout(member, base)
            start = run_start_after(member.network, member.scaling, base, member.noise)
        else:
            start = member.run_start
        result.append((member, start))
    return result


def require_known_inputs(base: Series, steps: int) -> None:
    """Check that external inputs are known for the `steps` steps after a series.

    Raises:
        SeriesError: they are not.
    """
    base = base.going_on(steps)
    if base.input_names and base.known_ahead < steps:
        raise SeriesError(
            f"the external inputs ({', '.join(base.input_names)}) are known for {base.known_ahead} steps after the "
            f"series, and {steps} are asked for; give a row for each of these steps (inputs=...)"
        )


def _run_free(member: Member, start: RunStart, base: Series, steps: int) -> np.ndarray:
    """A free run after `base`, in the units of the series, shape (steps, D);
    NaN where it is not finite."""
    known = member.scaling.scaled_inputs(inputs_ahead(base, steps))
    values = engines.free_run(member.network, start.state, start.value, steps, known)
    with np.errstate(over="ignore", invalid="ignore"):
        values = member.scaling.undo(values, base.following_times(steps))
    return np.where(np.isfinite(values), values, np.nan)


def inputs_ahead(base: Series, steps: int) -> np.ndarray:
    """The external inputs of the `steps` steps after `base`, shape (steps, E)."""
    base = base.going_on(steps)
    return base.inputs[len(base) : len(base) + steps] if base.input_names else np.empty((steps, 0))


def update(model: Model, new: Series) -> Model:
    """Let the networks read further steps; their weights do not change.

    Args:
        model: the trained networks.
        new: the steps that follow those read before.
            They may be preceded by steps that were read already.

    Returns:
        The model at the end of these steps.

    Raises:
        SeriesError: channels differ, or times do not follow.
        SettingError: the model was trained on several series.
    """
    require_one_series(model)
    recent = model.recent
    joined = recent.joined(new)
    warn_of_oddities(joined, "read", len(recent))
    members = tuple(replace(m, run_start=_start_after(m, joined, len(recent) - 1)) for m in model.members)
    return replace(model, members=members, recent=joined.between(max(0, len(joined) - RECENT)))


def require_one_series(model: Model) -> None:
    """Check that new steps can follow the training series.

    Raises:
        SettingError: the model was trained on several.
    """
    if model.trained_on > 1:
        raise SettingError(
            f"the network was trained on {model.trained_on} series, so new steps follow none of them; "
            "give the series to continue instead: generate(steps, after=...)"
        )


def transferred(model: Model, series: Series, grid: tuple[int, int] | None = None) -> Model:
    """Put the networks of a field on another field, with more sites or fewer,
    and let them read a series of it.

    The weights, the scaling and the errors that give intervals are those of a site,
    so that they stay.

    Args:
        model: networks of a field.
        series: the other field, longer than the washout,
            which the networks read from the zero state.
        grid: rows and columns of the other field; None for a ring.

    Returns:
        The model at the end of that series.

    Raises:
        SettingError: the networks are not those of a field, or the series does not fill the grid.
        SeriesError: the series is too short, or has other external inputs.
    """
    if model.best.network.lattice is None:
        raise SettingError("only the networks of a field can be put on another one; fit with neighbours=...")
    if len(series.input_names) != model.best.network.inputs:
        raise SeriesError(
            f"the field has {len(series.input_names)} external inputs, and that of training had "
            f"{model.best.network.inputs}; give the same"
        )
    members = list[Member]()
    for member in model.members:
        require_washout(member, series)
        settings, scaling = member.settings.with_(grid=grid), member.scaling.on_sites(series.shape[1])
        shape = plan_of(settings, series.shape[1], member.network.inputs).shape
        network = replace(member.network, lattice=shape.lattice)
        start = run_start_after(network, scaling, series)
        members.append(replace(member, settings=settings, network=network, scaling=scaling, run_start=start))
    recent = series.between(max(0, len(series) - RECENT))
    return replace(model, settings=model.settings.with_(grid=grid), members=tuple(members), recent=recent, trained_on=1)


def _start_after(member: Member, series: Series, step: int) -> RunStart:
    """Read a series from `step` to its end, and return the new start.
    `step` is that of the current start."""
    if member.noise is not None:
        return run_start_after(member.network, member.scaling, series, member.noise)
    _, read = read_further(member, series, step)
    state = numpy_runs.state_after(member.network, read[:-1], member.run_start.state)
    return RunStart(state, read[-1, : len(member.run_start.value)].astype(np.float64))


def read_further(member: Member, series: Series, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute what a network reads of a series from `step` on,
    which is the step of its current start.

    Returns:
        The standardized values, and the same with its own predictions where a value is missing,
        both of shape (n, N).
    """
    channels = len(member.run_start.value)
    values = reading.fill_inputs(member.scaling.apply(series)[step:], channels)
    values[0, :channels] = member.run_start.value
    return values, numpy_runs.filled(member.network, values, member.run_start.state)


def require_washout(member: Member, series: Series) -> None:
    """Check that a series is longer than the washout, and has at least two steps.

    Raises:
        SeriesError: it is too short.
    """
    needed = max(2, member.washout + 1)
    if len(series) < needed:
        raise SeriesError(
            f"the series has {len(series)} steps; with a washout of {member.washout} give {needed} or more"
        )


def one_step_outputs(member: Member, series: Series) -> np.ndarray:
    """Compute one-step predictions from the zero state, in open loop.

    The first value of the series stands for the values before it in the windows of the first steps.

    Args:
        member: the network.
        series: the series, T steps.

    Returns:
        Standardized predictions of steps 1 to T - 1, shape (T - 1, D).
    """
    values = reading.fill_inputs(member.scaling.apply(series)[:-1], series.shape[1])
    lead = member.network.depth
    values = np.concatenate([np.repeat(values[:1], lead, axis=0), values])
    return reading.predict(member.network, member.noise, values)[lead:].astype(np.float64)


def runs_from(member: Member, series: Series, starts: np.ndarray, horizon: int) -> np.ndarray:
    """Generate free runs from several steps of a series.

    Args:
        member: the network.
        series: the series.
        starts: first step of each run, shape (N,).
        horizon: number of steps of each run.

    Returns:
        Standardized values, shape (N, horizon, D).
    """
    channels = series.shape[1]
    values = reading.fill_inputs(member.scaling.apply(series), channels)
    runs = list[np.ndarray]()
    for some in np.array_split(starts - 1, max(1, len(starts) // MOST_AT_ONCE)):
        start = states_before(member, values[:-1], some)
        ahead = values[np.minimum(some + np.arange(horizon)[:, None], len(values) - 1), channels:]
        runs.append(numpy_runs.run(member.network, *start, horizon, future_inputs=ahead).values[0])
    return np.concatenate(runs).astype(np.float64)
