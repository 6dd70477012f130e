"""Fitting from end to end: choose what is left open, train, and keep the members."""

from __future__ import annotations

from dataclasses import dataclass

from freerun.errors import SeriesError, TrainingDiverged
from freerun.forecasting import endures, moment_after
from freerun.model import RECENT, Member, Model
from freerun.scaling import Scaling, refuse_constant
from freerun.selection import choose, held_out
from freerun.series import Series
from freerun.settings import Settings
from freerun.training import Trained, Watcher, require_steps, train

CHECKED = 4
"""How many choices that do not endure may be passed over for one that does, which then is the best member."""


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
    choices = choose(asked, training, scaling, progress)
    require_steps("training", training, choices[0].washout or 0)

    def member(trained: Trained) -> Member:
        ending = moment_after(trained.network, scaling, trained.settings, training)
        return Member(trained.settings, trained.network, ending, trained.history)

    if asked.method == "ridge":
        members: list[Member] = []
        weak: list[Member] = []
        for choice in choices[: asked.members + CHECKED]:
            if len(members) == asked.members:
                break
            (trained,) = train(choice, training, validation, scaling, network, progress=progress)
            one = member(trained)
            if trained.failure is not None:
                return Fitted(_model(settings, [*members, *weak, one], scaling, training), trained.failure)
            sound = members or len(choices) == 1 or endures(one, scaling, training)
            (members if sound else weak).append(one)
        return Fitted(_model(settings, (members + weak)[: asked.members], scaling, training), None)
    (choice,) = choices
    trained = train(
        choice,
        training,
        validation,
        scaling,
        network,
        held_out(asked, len(training), (choice.restarts or 1) > 1),
        progress,
    )
    failures = [t.failure for t in trained]
    good = [t for t in trained if not isinstance(t.failure, TrainingDiverged)]
    kept = [member(t) for t in (good or trained)[: asked.members]]
    failure = failures[0] if not good or isinstance(failures[0], KeyboardInterrupt) else None
    return Fitted(_model(settings, kept, scaling, training), failure)


def _model(settings: Settings, members: list[Member], scaling: Scaling, training: Series) -> Model:
    return Model(settings, tuple(members), scaling, training.between(max(0, len(training) - RECENT)))
