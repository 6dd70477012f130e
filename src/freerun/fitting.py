"""Fitting from end to end: choose what is left open, train, and keep the members."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from freerun.errors import SeriesError, TrainingDiverged
from freerun.forecasting import enduring_run, moment_after
from freerun.history import Trained, Watcher
from freerun.model import RECENT, Member, Model
from freerun.scaling import Scaling, refuse_constant
from freerun.selection import choose, held_out, resolved
from freerun.series import Series
from freerun.settings import Settings
from freerun.training import require_steps, train
from freerun.validation import LONG, long_run_error

PASSED_OVER = 40
"""How many choices may be passed over for one that endures."""

COMPARED = 6
"""How many choices are solved for all of a long series and compared by long runs."""


@dataclass(frozen=True)
class Fitted:
    """What came of a fit.

    Attributes:
        model: the trained networks.
        failure: what ended training before its time; the weights in the model are the last good ones.
    """

    model: Model
    failure: TrainingDiverged | KeyboardInterrupt | None


def fit(
    settings: Settings, training: Series, validation: Series | None, before: Model | None, progress: Watcher | None
) -> Fitted:
    """Fit networks to `training`, or, given the model `before`, train its best network further.

    Raises:
        SettingError, SeriesError, TrainingDiverged: see `freerun.RNN.fit`.
    """
    washout = max(settings.lags) if settings.washout is None else settings.washout
    require_steps("training", training, washout)
    refuse_constant(training)
    if validation is not None:
        require_steps("validation", validation, washout)
        if validation.shape[1] != training.shape[1]:
            raise SeriesError(
                f"the validation series has {validation.shape[1]} channels, the training series {training.shape[1]}"
            )
    if before is not None:
        asked = before.require_same_shape(settings, training)
        scaling, network = before.scaling, before.best.network
    else:
        asked, network = settings, None
        scaling = Scaling.standard(training) if settings.standardize else Scaling.identity(training)
    choices = [resolved(asked, len(training))] if before else choose(asked, training, scaling, progress)
    require_steps("training", training, choices[0].washout or 0)

    def member(trained: Trained) -> Member:
        ending = moment_after(trained.network, scaling, trained.settings, training)
        return Member(trained.settings, trained.network, ending, trained.history)

    def solve(choice: Settings) -> Trained:
        (trained,) = train(choice, training, validation, scaling, network, progress=progress)
        if trained.failure is not None:
            raise trained.failure
        return trained

    if asked.method == "ridge":
        solved = (member(solve(choice)) for choice in choices)
        if len(choices) == 1:
            members = list(solved)
        elif len(training) < LONG:
            members = _enduring_first(solved, asked.members, scaling, training)
        else:
            finalists = list(islice(solved, max(COMPARED, asked.members)))
            members = _most_alike_first(finalists, scaling, training)[: asked.members]
        return Fitted(_model(settings, members, scaling, training), None)
    (choice,) = choices
    restarts = choice.restarts or 1
    choosing = restarts > asked.members or (restarts > 1 and asked.holdout != 0)
    trained = train(
        choice,
        training,
        validation,
        scaling,
        network,
        held_out(asked, len(training), choosing),
        progress,
    )
    failures = [t.failure for t in trained]
    good = [t for t in trained if not isinstance(t.failure, TrainingDiverged)]
    kept = [member(t) for t in (good or trained)[: asked.members]]
    failure = failures[0] if not good or isinstance(failures[0], KeyboardInterrupt) else None
    return Fitted(_model(settings, kept, scaling, training), failure)


def _enduring_first(solved: Iterator[Member], count: int, scaling: Scaling, training: Series) -> list[Member]:
    """The first `count` of the networks, without those before the first one that endures."""
    weak: list[Member] = []
    for one in solved:
        if enduring_run(one, scaling, training) is not None:
            return [one, *islice(solved, count - 1), *weak][:count]
        weak.append(one)
        if len(weak) > PASSED_OVER:
            break
    return weak[:count]


def _most_alike_first(finalists: list[Member], scaling: Scaling, training: Series) -> list[Member]:
    """Networks in the order of how much a long free run of each resembles the training series."""
    values = scaling.apply(training.values)

    def error(one: Member) -> float:
        run = enduring_run(one, scaling, training)
        return math.inf if run is None else long_run_error(values, run)

    return sorted(finalists, key=error)


def _model(settings: Settings, members: list[Member], scaling: Scaling, training: Series) -> Model:
    return Model(settings, tuple(members), scaling, training.between(max(0, len(training) - RECENT)))
