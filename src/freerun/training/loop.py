"""The training loop: sets up the population and its stages, runs the optimiser,
and monitors the errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from freerun.compute.programs import computing, forget_programs
from freerun.data.scaling import Scaling
from freerun.data.series import Series
from freerun.data.stored import StoredSeries
from freerun.errors import SeriesError, SettingError
from freerun.network import ridge
from freerun.network.network import Network
from freerun.plan import TrainPlan
from freerun.settings import GRADIENT_METHODS
from freerun.training.checkpoint import Checkpoint
from freerun.training.forcing import Forcing, MakeForcing, forcing_schedule
from freerun.training.history import Trained, TrainingCallback
from freerun.training.monitor import AllDivergedError, Monitor, MonitorState, Thinning
from freerun.training.objective import Noise, Objective, Regularization
from freerun.training.optimizers import (
    BFGS,
    Gradient,
    LevenbergMarquardt,
    Optimizer,
    Population,
    StageState,
    minimize,
    stack,
    unstack,
)
from freerun.training.placement import choose_placement
from freerun.training.resuming import TrainingCheckpoint, load_training_checkpoint
from freerun.training.sources import DataSource, InMemory, data_source_of
from freerun.training.supervised import SupervisedData
from freerun.training.validation import Validation

RESERVOIR_PENALTY = 1e-8
"""Ridge penalty with which the readout of a reservoir is solved before all weights are trained."""


class _Stage(NamedTuple):
    """One stage of training.

    Attributes:
        make_forcing: returns the forcing of the stage, given the stacked networks at its beginning.
        optimizer: what lowers the objective in this stage.
    """

    make_forcing: MakeForcing
    optimizer: Optimizer


class _Panel(NamedTuple):
    """The series that training uses, in the units of the network.

    Attributes:
        complete: the training series with their held-out steps, arrays of shape (steps, N).
        learned: the training series without their held-out steps.
        validation: the validation series; None if there is none.
    """

    complete: list[np.ndarray]
    learned: list[np.ndarray]
    validation: np.ndarray | None


def train(
    plans: Sequence[TrainPlan],
    training: Sequence[Series],
    validation: Series | None,
    scaling: Scaling,
    network: Network | None = None,
    held_out: int = 0,
    thinning: Thinning | None = None,
    rungs: int = 1,
    progress: TrainingCallback | None = None,
    checkpoint: Checkpoint | None = None,
    stored: StoredSeries | None = None,
) -> list[Trained]:
    """Train networks of one shape together.

    The one-step error on `validation` is monitored.
    The network begins that series in the zero state.

    Args:
        plans: one for each network. Their settings may differ only where `varies_in_program` is
            set.
        training: one series, or several that are learned together, in their own units.
        validation: a series in its own units. If it is shorter than the washout,
            only the error of its last step counts.
        scaling: from the units of the series to those of the network.
        network: the initial weights of all networks. None draws them from the seed of each plan.
        held_out: number of final steps of each training series that are not trained on.
            Free runs over them decide which weights are kept.
        thinning: decides from these free runs which networks enter the next stage. None keeps all.
        rungs: number of stages, for gradient methods under a forcing with a single stage. Each
            stage ends after three times as many epochs as the one before.
        progress: called about a hundred times in each stage.
        checkpoint: takes the state of training as often.
            Training resumes from the state that it holds, if any.
        stored: the complete training data, read in parts. `training` is then its end,
            on which errors are measured.

    Returns:
        The trained networks. If steps are held out, the best free run comes first.
        Networks that diverged come last.

    Raises:
        SettingError: a window or a schedule does not fit the series,
            or the Jacobian exceeds its memory limit.
        MachineError: there is no GPU, or too little memory.
        SeriesError: too few steps are left after washout and held-out steps.
        TrainingDiverged: no network has a finite error at its initial weights.
        CheckpointError: the checkpoint does not fit these networks.
    """
    first = plans[0]
    _require_enough_steps(first, training, held_out)
    steps = sum(len(series) - held_out for series in training)
    device, parallel = choose_placement(first, steps, len(plans))
    forget_programs()
    with computing(first.dtype, device):
        panel = _scaled(training, validation, scaling, held_out)
        data = supervised_data(panel.learned, training[0].shape[1], first.washout)
        source = InMemory(data) if stored is None else data_source_of(stored, scaling, first.seed, held_out)
        population = _initial_population(plans, panel.learned, network, parallel)
        stages = _stages(first, panel, data, rungs)
        saved = None
        if checkpoint is not None:
            saved = load_training_checkpoint(checkpoint, population, [stage.optimizer for stage in stages])
        monitor = Monitor(
            [plan.settings for plan in plans],
            MonitorState.initial(unstack(population.networks)) if saved is None else saved.monitor_state,
            data,
            None if panel.validation is None else supervised_data([panel.validation], data.channels, first.washout),
            Validation.of(panel.complete, data.channels, held_out, first.dtype) if held_out else None,
            jnp.asarray(scaling.scale),
            sum(stage.optimizer.epochs for stage in stages),
            progress,
        )
        if saved is None:
            monitor.measure_initial()
        try:
            _run_stages(first, stages, source, population, monitor, thinning if held_out else None, checkpoint, saved)
        except AllDivergedError:
            pass  # the results hold every failure
        except KeyboardInterrupt as interrupt:
            monitor.interrupt(interrupt)
        return monitor.results()


def _run_stages(
    plan: TrainPlan,
    stages: Sequence[_Stage],
    source: DataSource,
    population: Population,
    monitor: Monitor,
    thinning: Thinning | None,
    checkpoint: Checkpoint | None,
    saved: TrainingCheckpoint | None,
) -> None:
    """Run the stages in turn, from the first or from the state in `saved`.
    The monitor holds the results.

    Raises:
        AllDivergedError: no network is left to train.
    """
    for number in range(0 if saved is None else saved.stage, len(stages)):
        make_forcing, optimizer = stages[number]
        if saved is not None and number == saved.stage:
            initial, state = saved.initial, saved.stage_state
        else:
            if not monitor.running:
                break
            if number and thinning is not None:
                monitor.thin(number, thinning)
            places = [monitor.state.reported.index(i) for i in monitor.running]
            initial = monitor.begin_stage()
            state = optimizer.begin(replace(population.among(places), networks=initial))

        def report(state: StageState, objectives: np.ndarray, number: int = number, initial: Network = initial) -> None:
            monitor.record(state.population.networks, objectives)
            if checkpoint is not None:
                checkpoint.note(TrainingCheckpoint(number, initial, state, monitor.state.copy()))

        objective = partial(_objective, plan, make_forcing(initial), source, number)
        state = minimize(optimizer, objective, state, stage_key(plan.seed, number), report)
        population = state.population
        monitor.end_stage([state.stopped[i] for i in range(len(population))])


def _objective(plan: TrainPlan, forcing: Forcing, source: DataSource, stage: int, done: int) -> Objective:
    """The objective after `done` updates of the stage with number `stage`."""
    return Objective(source(stage, done), forcing, plan.window, plan.batch, plan.uncounted, plan.stateful)


def _require_enough_steps(plan: TrainPlan, training: Sequence[Series], held_out: int) -> None:
    """Refuse a window that does not fit in the series,
    and a series that leaves nothing to train on."""
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


def _scaled(training: Sequence[Series], validation: Series | None, scaling: Scaling, held_out: int) -> _Panel:
    """The series in the units of the network."""
    complete = [scaling.apply(series) for series in training]
    learned = [values[: len(values) - held_out] for values in complete]
    return _Panel(complete, learned, None if validation is None else scaling.apply(validation))


def _initial_population(
    plans: Sequence[TrainPlan], panel: Sequence[np.ndarray], network: Network | None, parallel: bool
) -> Population:
    """The networks at the beginning of training: copies of `network`; if it is None,
    drawn from their seeds."""

    def initial(plan: TrainPlan) -> Network:
        if network is None:
            return _initial_network(plan, panel)
        return jax.tree.map(lambda weights: jnp.asarray(weights, plans[0].dtype), network)

    networks = stack([replace(initial(plan), parallel=parallel) for plan in plans])
    return Population(networks, regularization_of(plans), _learning_rates(plans))


def _stages(plan: TrainPlan, panel: _Panel, data: SupervisedData, rungs: int) -> list[_Stage]:
    """The stages of training.

    They are those of the forcing. If the forcing has a single stage and the optimiser is a gradient
    method, this stage is split into rungs.

    Raises:
        SettingError: a schedule does not fit the series, or the window.
    """
    if plan.window:
        data = SupervisedData.of([panel.complete[0][: plan.window + 1]], data.channels, plan.uncounted)
    forcings = forcing_schedule(plan, data)
    if len(forcings) > 1 or plan.optimizer not in GRADIENT_METHODS:
        epochs = max(1, plan.epochs // len(forcings))
        return [_Stage(make_forcing, _optimizer(plan, epochs)) for make_forcing in forcings]
    ends = [0, *dict.fromkeys(max(1, plan.epochs // 3 ** (rungs - 1 - rung)) for rung in range(rungs))]
    return [_Stage(forcings[0], _optimizer(plan, end - begin)) for begin, end in pairwise(ends)]


def _optimizer(plan: TrainPlan, epochs: int) -> Optimizer:
    """The optimiser of a stage of `epochs` epochs."""
    if plan.optimizer == "levenberg-marquardt":
        return LevenbergMarquardt(epochs)
    if plan.optimizer in ("bfgs", "lbfgs"):
        return BFGS(epochs, limited=plan.optimizer == "lbfgs")
    return Gradient(plan.optimizer, epochs, plan.epochs, plan.schedule)


def regularization_of(plans: Sequence[TrainPlan]) -> Regularization:
    """Stack the penalties and the noise of several plans.

    Args:
        plans: M of them.

    Returns:
        Arrays of shape (M,). A term that is zero in all plans is None.
    """

    def stacked(values: list[float]) -> np.ndarray | None:
        return np.asarray(values, plans[0].dtype) if any(values) else None

    weights, inputs = [plan.weight_noise for plan in plans], [plan.input_noise for plan in plans]
    noise = None
    if any(weights) or any(inputs):
        noise = Noise(*(np.asarray(values, plans[0].dtype) for values in (weights, inputs)))
    return Regularization(stacked([plan.l1 for plan in plans]), stacked([plan.l2 for plan in plans]), noise)


def _learning_rates(plans: Sequence[TrainPlan]) -> np.ndarray | None:
    """The learning rates, shape (M,); None for methods that have none."""
    if plans[0].optimizer not in GRADIENT_METHODS:
        return None
    return np.asarray([plan.learning_rate for plan in plans], plans[0].dtype)


def supervised_data(panel: Sequence[np.ndarray], channels: int, washout: int) -> SupervisedData:
    """Make training data from standardised series,
    with a shorter washout where the series requires it.

    Args:
        panel: arrays of shape (steps, N), NaN where a value is missing.
        channels: D, the first columns of each array.
        washout: number of first errors that do not count. At least one error of each series counts.

    Returns:
        The data; stacked if there are several series.
    """
    return SupervisedData.of(panel, channels, ridge.washout_of(washout, panel))


def stage_key(seed: int, stage: int = 0) -> PRNGKeyArray:
    """The random key of a stage, from the seed of the first network."""
    return jax.random.fold_in(jax.random.key(seed), stage)


def _initial_network(plan: TrainPlan, panel: Sequence[np.ndarray]) -> Network:
    """Draw the initial weights; the readout of a reservoir is then solved by ridge regression."""
    network = plan.draw()
    if not plan.start.reservoir:
        return network
    washout = ridge.washout_of(plan.washout, panel)
    return ridge.Triangle.of(ridge.rows_of(network, panel, washout)).solved(network, RESERVOIR_PENALTY)
