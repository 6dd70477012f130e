"""Using a model: one-step predictions (open loop) and free runs (closed loop).

Step t is predicted from steps 0 to t - 1. A free run after a series of T steps begins with step T: its first value
is the last one-step prediction, made from step T - 1, and from there on the network reads its own output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from freerun.computing import computing, jitted
from freerun.data.arrays import interpolated
from freerun.data.scaling import Scaling, differenced
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.forcing import free_runs
from freerun.model import RECENT, Member, Model, Moment
from freerun.network import jax_runs
from freerun.network.network import Network, State
from freerun.network.updates import Array
from freerun.pairs import filled_up, shared
from freerun.settings import SHORT, Ensemble, Settings
from freerun.validation import ENDURANCE, stays_near

PIECE = 10_000
"""Steps of a long series that are read, and of a long free run that are generated, at a time."""

MULTIPLE = 16
"""Free runs are made so many at a time, or twice, three times ... as many, so that they share compiled programs."""


def _trimmed_mean(runs: np.ndarray) -> np.ndarray:
    """The mean of the middle half."""
    from scipy.stats import trim_mean

    return trim_mean(runs, 0.25, axis=0)


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


def moment_after(network: Network, scaling: Scaling, settings: Settings, series: Series) -> Moment:
    """Let the network read `series` from a state of zero: its last value, and the state before it."""
    channels = series.shape[1]
    values = scaling.apply(series)
    with computing(settings.dtype):
        known = np.asarray(_read_from(network, values, channels, settings.dtype))
        if len(known) < SHORT:
            state, _ = _moments(*_in_few_shapes(network, known), jnp.array([len(known) - 1]))
            state = jax.tree.map(lambda entry: np.asarray(entry[0]), state).deepened(network.depth)
        else:
            state = jax.tree.map(np.asarray, _after(network, known[:-1]))
    return Moment(state, known[-1, :channels].astype(np.float64))


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
            moment = moment_after(member.network, member.scaling, member.settings, base)
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
    with computing(member.settings.dtype):
        value = jnp.asarray(moment.value, member.settings.dtype)
        known = jnp.asarray(member.scaling.scaled_inputs(inputs_ahead(base, steps)), member.settings.dtype)
        network, state = _runner(member.network, moment, len(base))
        values = np.asarray(_run_free(network, state, value, known, steps), np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        values = member.scaling.undo(values, base.following_times(steps))
    return np.where(np.isfinite(values), values, np.nan)


def _runner(network: Network, moment: Moment, steps: int) -> tuple[Network, State]:
    """Network and state for a run after a series of so many steps, in shared form after a short one."""
    if steps >= SHORT:
        return network, moment.state
    network = shared(network)
    return network, moment.state.deepened(network.depth)


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
    channels, dtype = len(member.ending.value), member.settings.dtype
    values = member.scaling.apply(series)[step:]
    values[0, :channels] = member.ending.value
    observed = np.isfinite(values[:, :channels])
    with computing(dtype):
        state, value = _go_on_reading(
            member.network,
            jax.tree.map(lambda entry: jnp.asarray(entry, dtype), member.ending.state),
            jnp.asarray(np.nan_to_num(values), dtype),
            jnp.asarray(observed, dtype),
        )
    return Moment(jax.tree.map(np.asarray, state), np.asarray(value, np.float64))


def enduring_run(member: Member, training: Sequence[Series]) -> np.ndarray | None:
    """A free run of 100000 steps after the training series, standardised, shape (steps, D).

    After a series of fewer than 1000 steps, which may have a trend, it is about as long as the series.

    None when it leaves the range of the training series by more than 3 standard deviations; where differences are
    learned, when the differences do.
    """
    channels = len(member.ending.value)
    differences = member.settings.differences
    values = np.concatenate([differenced(member.scaling.apply(s)[:, :channels], differences) for s in training])
    pieces = []
    with computing(member.settings.dtype):
        steps, value = max(map(len, training)), jnp.asarray(member.ending.value, member.settings.dtype)
        network, state = _runner(member.network, member.ending, steps)
        for length in [PIECE] * (ENDURANCE // PIECE) if steps >= SHORT else [filled_up(steps)]:
            run, state, value = continued(network, state, value, length)
            pieces.append(np.asarray(run, np.float64))
            last = pieces[-1]
            if not np.isfinite(last).all() or not stays_near(differenced(last, differences), values):
                return None
    return np.concatenate(pieces)


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
    values = member.scaling.apply(series)[:-1]
    lead = member.settings.memory
    values = np.concatenate([np.repeat(values[:1], lead, axis=0), values])
    with computing(member.settings.dtype):
        known = _read_from(member.network, values, series.shape[1], member.settings.dtype)
        outputs = np.asarray(_predict(*_in_few_shapes(member.network, known)), np.float64)
    return outputs[lead : len(values)]


def runs_from(member: Member, series: Series, starts: np.ndarray, horizon: int) -> np.ndarray:
    """Free runs whose first values are those of the steps `starts` of `series`, standardised, (N, horizon, D)."""
    values, channels = member.scaling.apply(series), series.shape[1]
    runs = []
    with computing(member.settings.dtype):
        known = _read_from(member.network, values[:-1], channels, member.settings.dtype)
        network, known = _in_few_shapes(member.network, known)
        for some in np.array_split(starts - 1, max(1, len(starts) // 1000)):
            at = np.pad(some, (0, -len(some) % MULTIPLE), mode="edge")
            ahead = np.asarray(values[at[:, None] + np.arange(horizon), channels:], member.settings.dtype)
            runs.append(np.asarray(_runs(network, known, at, horizon, ahead), np.float64)[: len(some)])
    return np.concatenate(runs)


def _in_few_shapes(network: Network, known: Array) -> tuple[Network, Array]:
    """A network and what it reads; a short series is filled up at the end, so that many lengths share programs."""
    if len(known) >= SHORT:
        return network, known
    return shared(network), np.pad(np.asarray(known), ((0, filled_up(len(known)) - len(known)), (0, 0)))


def _read_from(network: Network, values: np.ndarray, channels: int, dtype: str) -> Array:
    """What the network reads of standardised values, shape (T, N): its own output where a value is missing."""
    observed = np.isfinite(values[:, :channels])
    known = jnp.asarray(interpolated(values), dtype)
    if observed.all():
        return known
    return _completed(network, jnp.nan_to_num(known), jnp.asarray(observed, dtype))


@jitted
def _completed(network: Network, inputs: Float[Array, "T N"], observed: Float[Array, "T D"]) -> Float[Array, "T N"]:
    return jax_runs.completed(network, inputs, observed)


@jitted
def _predict(network: Network, inputs: Float[Array, "T N"]) -> Float[Array, "T D"]:
    return jax_runs.predict(network, inputs)


@jitted
def _moments(network: Network, inputs: Float[Array, "T N"], at: Int[Array, " S"]) -> tuple[State, Float[Array, "S D"]]:
    return jax_runs.moments(network, inputs, at)


@jitted
def _after(network: Network, inputs: Float[Array, "T N"]) -> State:
    return jax_runs.after(network, inputs, PIECE)


@jitted
def _go_on_reading(
    network: Network, state: State, inputs: Float[Array, "T N"], observed: Float[Array, "T D"]
) -> tuple[State, Array]:
    """From the state before the first of `inputs`: the last value read, and the state before it."""
    return jax_runs.read_gaps(network, state, inputs, observed)


@partial(jitted, static_argnames="steps")
def _run_free(
    network: Network, state: State, value: Float[Array, " D"], known: Float[Array, "steps E"], steps: int
) -> Float[Array, "steps D"]:
    return jax_runs.run_free(network, state, value, steps, known)


@partial(jitted, static_argnames="steps")
def continued(
    network: Network, state: State, value: Float[Array, " D"], steps: int
) -> tuple[Float[Array, "steps D"], State, Float[Array, " D"]]:
    return jax_runs.go_on(network, state, value, steps)


@partial(jitted, static_argnames="steps")
def _runs(
    network: Network, inputs: Float[Array, "T N"], at: Int[Array, " S"], steps: int, known: Float[Array, "S steps E"]
) -> Float[Array, "S steps D"]:
    """Free runs, let loose after reading the steps `at`."""
    return free_runs(network, inputs, at, steps, known)
