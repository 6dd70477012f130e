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
from freerun.plan import TrainPlan
from freerun.settings import GRADIENT_METHODS
from freerun.validation import Validation
from freerun.watch import AllDivergedError, Thinning, Watch, Watched

RESERVOIR_PENALTY = 1e-8
"""The penalty with which the readout of a reservoir is solved before all of it is trained."""


def train(
    several: Sequence[TrainPlan],
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
        several: of each network; their settings differ in what has `varies_in_program` alone.
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
    first = several[0]
    _require_room(first, training, held_out)
    channels = training[0].shape[1]
    steps = sum(len(series) - held_out for series in training)
    device, parallel = placed(first, steps, len(several))
    forget_programs()
    with computing(first.dtype, device):
        panel = [scaling.apply(series) for series in training]
        learned = [values[: len(values) - held_out] for values in panel]
        pairs = pairs_of(learned, channels, first.washout)

        def start(own: TrainPlan) -> Network:
            if network is not None:
                return jax.tree.map(lambda w: jnp.asarray(w, first.dtype), network)
            return _fresh(own, learned)

        feed = Whole(pairs) if stored is None else feed_of(stored, scaling, first.seed, held_out)
        begun_with = stack([replace(start(own), parallel=parallel) for own in several])
        trainees = Trainees(begun_with, terms_of(several), _rates_of(several))
        cut = Pairs.of([panel[0][: first.window + 1]], channels, first.uncounted) if first.window else pairs
        legs = _legs(first, stages(first, cut), rungs)
        course = None if checkpoint is None else resumed(checkpoint, trainees, [optimizer for _, optimizer in legs])
        watch = Watch(
            [own.settings for own in several],
            Watched.of(unstack(trainees.networks)) if course is None else course.watched,
            pairs,
            None if validation is None else pairs_of([scaling.apply(validation)], channels, first.washout),
            Validation.of(panel, channels, held_out, first.dtype) if held_out else None,
            jnp.asarray(scaling.scale),
            sum(optimizer.epochs for _, optimizer in legs),
            progress,
        )
        if course is None:
            watch.begin()
        begin = 0 if course is None else course.stage
        try:
            for number, (stage, optimizer) in enumerate(legs[begin:], begin):
                if course is not None and number == begin:
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

                objective = partial(_objective, first, stage(begun), feed, number)
                leg = minimize(optimizer, objective, leg, chance(first.seed, number), report)
                trainees = leg.trainees
                watch.end_stage([leg.stopped[i] for i in range(len(trainees))])
        except AllDivergedError:
            pass  # every failure is in the results
        except KeyboardInterrupt as interrupt:
            watch.interrupt(interrupt)
        return watch.results()


def _objective(plan: TrainPlan, forcing: Forcing, feed: Feed, stage: int, done: int) -> Objective:
    """What is lowered next, after `done` updates of the stage of that number."""
    return Objective(feed(stage, done), forcing, plan.window, plan.batch, plan.uncounted, plan.stateful)


def _require_room(plan: TrainPlan, training: Sequence[Series], held_out: int) -> None:
    """Refuse windows that do not fit in the series, and series with nothing to learn."""
    shortest = min(map(len, training))
    if plan.window and not plan.uncounted < plan.window < shortest - held_out:
        raise SettingError(
            f"window={plan.window}: must be longer than the washout of {plan.uncounted} and shorter than the "
            f"{shortest - held_out} steps to train on"
        )
    if shortest - held_out < plan.washout + 2:
        raise SeriesError(
            f"of the {shortest} steps of the training series {held_out} are held out; with a washout of {plan.washout} "
            "nothing is left to train on; give a longer series, or a smaller holdout or washout"
        )


def _legs(plan: TrainPlan, several: list[Stage], rungs: int) -> list[tuple[Stage, Optimizer]]:
    """The stages of training, and the optimiser for each."""
    if len(several) > 1 or plan.optimizer not in GRADIENT_METHODS:
        epochs = max(1, plan.epochs // len(several))
        return [(stage, _optimizer(plan, epochs)) for stage in several]
    ends = [0, *dict.fromkeys(max(1, plan.epochs // 3 ** (rungs - 1 - rung)) for rung in range(rungs))]
    return [(several[0], _optimizer(plan, end - begin)) for begin, end in pairwise(ends)]


def _optimizer(plan: TrainPlan, epochs: int) -> Optimizer:
    """The optimiser for a stage of that many epochs."""
    if plan.optimizer == "levenberg-marquardt":
        return LevenbergMarquardt(epochs)
    if plan.optimizer in ("bfgs", "lbfgs"):
        return BFGS(epochs, limited=plan.optimizer == "lbfgs")
    return Gradient(plan.optimizer, epochs, plan.epochs, plan.schedule)


def terms_of(several: Sequence[TrainPlan]) -> Terms:
    """The penalties and the noise of several plans, stacked; None for what none of them has."""

    def stacked(values: list[float]) -> np.ndarray | None:
        return np.asarray(values, several[0].dtype) if any(values) else None

    weights, inputs = [plan.weight_noise for plan in several], [plan.input_noise for plan in several]
    noise = None
    if any(weights) or any(inputs):
        noise = Noise(*(np.asarray(values, several[0].dtype) for values in (weights, inputs)))
    return Terms(stacked([plan.l1 for plan in several]), stacked([plan.l2 for plan in several]), noise)


def _rates_of(several: Sequence[TrainPlan]) -> np.ndarray | None:
    """The learning rates, for gradient methods."""
    if several[0].optimizer not in GRADIENT_METHODS:
        return None
    return np.asarray([plan.learning_rate for plan in several], several[0].dtype)


def pairs_of(panel: Sequence[np.ndarray], channels: int, washout: int) -> Pairs:
    """With the washout, or as much of it as leaves one error to count."""
    return Pairs.of(panel, channels, ridge.washout_of(washout, panel))


def chance(seed: int, stage: int = 0) -> PRNGKeyArray:
    """The key for all that training leaves to chance in a stage."""
    return jax.random.fold_in(jax.random.key(seed), stage)


def _fresh(plan: TrainPlan, panel: Sequence[np.ndarray]) -> Network:
    """The weights to start from; the readout of a reservoir is solved first."""
    network = plan.draw()
    if plan.start.name != "reservoir":
        return network
    washout = ridge.washout_of(plan.washout, panel)
    return ridge.Triangle.of(ridge.rows_of(network, panel, washout)).solved(network, RESERVOIR_PENALTY)
