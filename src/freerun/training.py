"""Training networks on a series: sets up the objective, watches the errors, keeps the best or the last good weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from freerun.building import drawn
from freerun.checkpoint import Checkpoint
from freerun.computing import computing, forget_programs
from freerun.course import Course, resumed
from freerun.data.scaling import Scaling
from freerun.data.series import Series
from freerun.data.stored import StoredSeries
from freerun.errors import SeriesError, SettingError
from freerun.feed import Feed, Whole, feed_of
from freerun.forcing import Forcing, Stage, stages
from freerun.history import Trained, Watcher
from freerun.network import ridge
from freerun.network.network import Network
from freerun.objective import Noise, Objective, Terms
from freerun.optimizers import (
    BFGS,
    Gradient,
    Leg,
    LevenbergMarquardt,
    Optimizer,
    Trainees,
    minimize,
    stack,
    unstack,
)
from freerun.pairs import Pairs
from freerun.placement import placed
from freerun.settings import (
    EPOCHS,
    EPOCHS_OF_LEVENBERG_MARQUARDT,
    GRADIENT_METHODS,
    Settings,
)
from freerun.validation import Validation
from freerun.watch import AllDivergedError, Thinning, Watch, Watched

LEARNING_RATE = 0.01
"""Default step size of the gradient methods."""

RESERVOIR_PENALTY = 1e-8
"""The penalty with which the readout of a reservoir is solved before all of it is trained."""


def train(
    several: Sequence[Settings],
    training: Sequence[Series],
    validation: Series | None,
    scaling: Scaling,
    network: Network | None = None,
    held_out: int = 0,
    thinning: Thinning | None = None,
    rungs: int = 1,
    progress: Watcher | None = None,
    checkpoint: Checkpoint | None = None,
    stored: StoredSeries | None = None,
) -> list[Trained]:
    """Train networks of one shape at once, watching the one-step error on `validation`, whose state starts at zero.

    Args:
        several: of each network and its training, with nothing left to choose; they differ in what has
            `varies_in_program` alone.
        training: one series, or several that are learned together, in their own units.
        validation: in its own units. On a validation series that is shorter than the washout, the error of its last
            step counts.
        scaling: to the units of the network.
        network: the weights to start from, of all of them; None draws fresh ones, from seeds that follow each other.
        held_out: last steps of each training series that are not trained on; free runs over them decide which weights
            are kept.
        thinning: which networks are worth a further stage, judged by these free runs; None keeps all.
        rungs: into how many stages training is cut, each three times as long as the one before, where the forcing has
            but one and the optimiser goes on where it was.
        progress: called about a hundred times.
        checkpoint: told as often how far training has come; where it had begun before, training goes on from there.
        stored: what is trained on, in parts, where `training` is but the end of it, by which networks are measured.

    Returns:
        The networks, the best free run first where steps are held out; those that diverged last.

    Raises:
        SettingError: a window or a schedule that does not fit the series, or a Jacobian beyond its bound.
        MachineError: there is no GPU, or too little memory.
        SeriesError: too few steps are left after washout and held-out steps.
        TrainingDiverged: no network has a finite error at the weights to start from; there is nothing to keep.
        CheckpointError: the checkpoint does not fit these networks.
    """
    settings = several[0]
    washout = _uncounted(settings)
    _require_room(settings, training, held_out)
    channels = training[0].shape[1]
    steps = sum(len(series) - held_out for series in training)
    device, parallel = placed(settings, steps, len(several))
    forget_programs()
    with computing(settings.dtype, device):
        panel = [scaling.apply(series) for series in training]
        learned = [values[: len(values) - held_out] for values in panel]
        pairs = pairs_of(learned, channels, settings)

        def start(own: Settings) -> Network:
            if network is not None:
                return jax.tree.map(lambda w: jnp.asarray(w, settings.dtype), network)
            return _fresh(own, training[0], learned)

        feed = Whole(pairs) if stored is None else feed_of(stored, scaling, settings, held_out)
        begun_with = stack([replace(start(own), parallel=parallel) for own in several])
        trainees = Trainees(begun_with, terms_of(several), _rates_of(several))
        cut = Pairs.of([panel[0][: settings.window + 1]], channels, washout) if settings.window else pairs
        plan = _legs(settings, stages(settings, cut, washout), rungs)
        course = None if checkpoint is None else resumed(checkpoint, trainees, [optimizer for _, optimizer in plan])
        watch = Watch(
            list(several),
            Watched.of(unstack(trainees.networks)) if course is None else course.watched,
            pairs,
            None if validation is None else pairs_of([scaling.apply(validation)], channels, settings),
            Validation.of(panel, channels, held_out, settings.dtype) if held_out else None,
            jnp.asarray(scaling.scale),
            sum(optimizer.epochs for _, optimizer in plan),
            progress,
        )
        if course is None:
            watch.begin()
        first = 0 if course is None else course.stage
        try:
            for number, (stage, optimizer) in enumerate(plan[first:], first):
                if course is not None and number == first:
                    begun, leg = course.begun, course.leg
                else:
                    if not watch.running:
                        break
                    if number and thinning is not None and held_out:
                        watch.thin(number, thinning)
                    places = [watch.seen.reported.index(i) for i in watch.running]
                    begun = watch.begin_stage()
                    leg = optimizer.begin(replace(trainees.among(places), networks=begun))

                def report(leg: Leg, objectives: np.ndarray, number: int = number, begun: Network = begun) -> None:
                    watch(leg.trainees.networks, objectives)
                    if checkpoint is not None:
                        checkpoint.note(Course(number, begun, leg, watch.seen.copied()))

                objective = partial(_objective, settings, stage(begun), feed, number)
                leg = minimize(optimizer, objective, leg, chance(settings, number), report)
                trainees = leg.trainees
                watch.end_stage([leg.stopped[i] for i in range(len(trainees))])
        except AllDivergedError:
            pass  # every failure is in the results
        except KeyboardInterrupt as interrupt:
            watch.interrupt(interrupt)
        return watch.results()


def _uncounted(settings: Settings) -> int:
    """First errors of the series, or of each window, that do not count; windows that carry states need no washout."""
    return 0 if settings.stateful else settings.washout or 0


def _objective(settings: Settings, forcing: Forcing, feed: Feed, stage: int, done: int) -> Objective:
    """What is lowered next, after so many updates of the stage of that number."""
    window, batch, uncounted = settings.window or 0, settings.batch or 16, _uncounted(settings)
    return Objective(feed(stage, done), forcing, window, batch, uncounted, settings.stateful)


def _require_room(settings: Settings, training: Sequence[Series], held_out: int) -> None:
    """Refuse windows that do not fit in the series, series with nothing to learn, and more than memory holds."""
    washout, shortest = settings.washout or 0, min(map(len, training))
    uncounted = _uncounted(settings)
    if settings.window is not None and not uncounted < settings.window < shortest - held_out:
        raise SettingError(
            f"window={settings.window}: must be longer than the washout of {uncounted} and shorter than the "
            f"{shortest - held_out} steps to train on"
        )
    if shortest - held_out < washout + 2:
        raise SeriesError(
            f"of the {shortest} steps of the training series {held_out} are held out; with a washout of {washout} "
            "nothing is left to train on; give a longer series, or a smaller holdout or washout"
        )


def _legs(settings: Settings, plan: list[Stage], rungs: int) -> list[tuple[Stage, Optimizer]]:
    """The stages of training, and the optimiser for each."""
    usual = EPOCHS_OF_LEVENBERG_MARQUARDT if settings.method == "levenberg-marquardt" else EPOCHS
    total = settings.epochs or usual
    if len(plan) > 1 or settings.method not in GRADIENT_METHODS:
        epochs = max(1, total // len(plan))
        return [(stage, optimizer_for(settings, epochs, total)) for stage in plan]
    ends = [0, *dict.fromkeys(max(1, total // 3 ** (rungs - 1 - rung)) for rung in range(rungs))]
    return [(plan[0], optimizer_for(settings, end - begin, total)) for begin, end in pairwise(ends)]


def optimizer_for(settings: Settings, epochs: int, total: int) -> Optimizer:
    """The optimiser that the settings name, with so many epochs in each stage and in all."""
    if settings.method == "levenberg-marquardt":
        return LevenbergMarquardt(epochs)
    if settings.method in ("bfgs", "lbfgs"):
        return BFGS(epochs, limited=settings.method == "lbfgs")
    return Gradient(settings.method, epochs, total, settings.schedule or "constant")


def terms_of(several: Sequence[Settings]) -> Terms:
    """The penalties and the noise that each of several settings asks for, stacked."""

    def stacked(name: str) -> np.ndarray:
        return np.asarray([getattr(settings, name) or 0.0 for settings in several], several[0].dtype)

    def penalty(name: str) -> np.ndarray | None:
        factors = stacked(name)
        return factors if factors.any() else None

    noisy = any(noise_of(settings) is not None for settings in several)
    return Terms(
        penalty("l1"), penalty("l2"), Noise(stacked("weight_noise"), stacked("input_noise")) if noisy else None
    )


def _rates_of(several: Sequence[Settings]) -> np.ndarray | None:
    """The learning rates, for gradient methods."""
    if several[0].method not in GRADIENT_METHODS:
        return None
    rates = [LEARNING_RATE if settings.learning_rate is None else settings.learning_rate for settings in several]
    return np.asarray(rates, several[0].dtype)


def pairs_of(panel: Sequence[np.ndarray], channels: int, settings: Settings) -> Pairs:
    """With the washout, or as much of it as leaves one error to count."""
    return Pairs.of(panel, channels, ridge.washout_of(settings.washout or 0, panel))


def chance(settings: Settings, stage: int = 0) -> PRNGKeyArray:
    """The key for all that training leaves to chance in a stage."""
    return jax.random.fold_in(jax.random.key(settings.seed), stage)


def noise_of(settings: Settings) -> Noise | None:
    """The noise that the settings ask for."""
    if not settings.weight_noise and not settings.input_noise:
        return None
    return Noise(jnp.asarray(settings.weight_noise), jnp.asarray(settings.input_noise or 0.0))


def _fresh(settings: Settings, series: Series, panel: Sequence[np.ndarray]) -> Network:
    """The weights to start from; the readout of a reservoir is solved first."""
    network = drawn(settings, series)
    if settings.initial != "reservoir":
        return network
    washout = ridge.washout_of(settings.washout or 0, panel)
    return ridge.Triangle.of(ridge.rows_of(network, panel, washout)).solved(network, RESERVOIR_PENALTY)
