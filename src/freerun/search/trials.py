"""Score trials that share a program: train them together, measure their free runs,
and stop poor ones early.

A trial has rungs of growing cost. If the readout is solved, the rungs are a few units and all
units. If the network is trained, they are a ninth, a third and all of the epochs. Earlier trials
set a threshold for the errors of each rung. A trial whose error is higher is stopped after the
rung. While a rung has no threshold, the best third of a group continues (successive halving:
Jamieson and Talwalkar, 2016; asynchronous: Li et al., 2020).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from threadpoolctl import threadpool_limits

from freerun.data.scaling import Scaling
from freerun.data.series import Series
from freerun.errors import FreerunError
from freerun.plan import train_plan
from freerun.selection.holdout import require_held_out
from freerun.selection.judge import Judge
from freerun.selection.policies import PENALTIES, penalties_near
from freerun.settings import Settings
from freerun.training.loop import train
from freerun.training.monitor import Thinning

RUNGS = 3
"""Rungs of a trained network: a ninth, a third and all of the epochs."""

WORST = 1.0
"""The largest error of a trial, in standard deviations.
Networks that cannot run free have it as well."""

PROBE = 300
"""Most hidden units on the first rung of a solved readout."""

PENALTY_FACTOR = 300.0
"""On the second rung, penalties within this factor of the best one of the first rung are tried."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a trial.

    Attributes:
        settings: complete settings.
        errors: error of the free runs after each rung, in standard deviations.
            The last one is that of the trial.
        finished: whether the trial went through all rungs.
        failure: why training ended early; empty if it did not.
        seconds: its share of the computing time of its group.
    """

    settings: Settings
    errors: tuple[float, ...]
    finished: bool
    failure: str = ""
    seconds: float = 0.0


@dataclass
class Scorer:
    """Scores trials on one training series, or on several that train one network.

    Attributes:
        given: settings that all trials share.
        training: the training series.
        folds: number of held-out parts on which trained networks are scored. Solved readouts are
            always scored on two, as in `freerun.RNN.fit`.
    """

    given: Settings
    training: Sequence[Series]
    folds: int
    _judge: Judge | None = field(default=None, init=False)

    def score(self, group: Sequence[Settings], thresholds: Sequence[float]) -> list[Outcome]:
        """Train and score trials that share a program.

        NumPy runs on one core, so that outcomes do not depend on the number of cores that a task
        may use. They still depend on the number of cores of the machine, which decides which
        networks are trained by one program.

        Args:
            group: the settings of the trials.
            thresholds: highest errors with which a trial continues, rung by rung.
        """
        began = time.perf_counter()
        with threadpool_limits(1):
            outcomes = (self._score_solved if group[0].method == "ridge" else self._score_trained)(group, thresholds)
        seconds = (time.perf_counter() - began) / len(group)
        return [replace(outcome, seconds=seconds) for outcome in outcomes]

    def _score_solved(self, group: Sequence[Settings], thresholds: Sequence[float]) -> list[Outcome]:
        """Solve readouts with few units, and with all units for the trials that continue."""
        with _preparing:
            if self._judge is None:
                self._judge = Judge(self.given, self.training)
            judge = self._judge
        small = [
            judge(
                settings.with_(**settings.effective(hidden=min(PROBE, settings.hidden or PROBE))), _penalties(settings)
            )
            for settings in group
        ]
        errors = [min(WORST, candidate.error) for candidate in small]
        outcomes = list[Outcome]()
        for settings, candidate, error, continues in zip(
            group, small, errors, _decide_continuing(errors, thresholds, 0), strict=True
        ):
            if candidate.settings.hidden == settings.hidden:
                outcomes.append(Outcome(candidate.settings, (error,), finished=True))
            elif not continues:
                outcomes.append(Outcome(settings.with_(l2=candidate.settings.l2), (error,), finished=False))
            else:
                whole = judge(settings, _penalties(settings, candidate.settings.l2))
                outcomes.append(Outcome(whole.settings, (error, min(WORST, whole.error)), finished=True))
        return outcomes

    def _score_trained(self, group: Sequence[Settings], thresholds: Sequence[float]) -> list[Outcome]:
        """Train networks on the first fold, and on the other folds for the trials that continue."""
        outcomes = self._score_fold(0, group, lambda stage, errors: _decide_continuing(errors, thresholds, stage - 1))
        if self.folds == 1:
            return outcomes
        last = max(len(outcome.errors) for outcome in outcomes) - 1
        finished = [i for i, outcome in enumerate(outcomes) if outcome.finished]
        continuing = _decide_continuing([outcomes[i].errors[-1] for i in finished], thresholds, last)
        for i, continues in zip(finished, continuing, strict=True):
            outcomes[i] = replace(outcomes[i], finished=continues)
        remaining = [i for i in finished if outcomes[i].finished]
        if remaining:
            further = [self._score_fold(fold, [group[i] for i in remaining], None) for fold in range(1, self.folds)]
            for i, *others in zip(remaining, *further, strict=True):
                outcomes[i] = _average(outcomes[i], others)
        return outcomes

    def _score_fold(self, fold: int, group: Sequence[Settings], thinning: Thinning | None) -> list[Outcome]:
        """Train on a window of the series, and score free runs over its held-out end.

        The window has the same length for all folds. It moves back by one held-out part per fold.
        """
        held = max(3, require_held_out(self.given, list(map(len, self.training))) // self.folds)
        parts = [series.between((self.folds - 1 - fold) * held, len(series) - fold * held) for series in self.training]
        first = parts[0]
        plans = [train_plan(settings, first.shape[1], first.inputs.shape[1]) for settings in group]
        try:
            trained = train(plans, parts, None, Scaling.fitted(parts, group[0]), None, held, thinning, RUNGS)
        except FreerunError as error:
            return [Outcome(settings, (WORST,), finished=False, failure=str(error)) for settings in group]
        most = max(len(network.rungs) for network in trained)
        outcomes = [
            Outcome(
                network.settings,
                network.rungs or (WORST,),
                finished=network.failure is None and len(network.rungs) == most,
                failure="" if network.failure is None else str(network.failure),
            )
            for network in sorted(trained, key=lambda network: network.number)
        ]
        for network in trained:
            if isinstance(network.failure, KeyboardInterrupt):
                raise network.failure
        return outcomes


def _average(first: Outcome, others: Sequence[Outcome]) -> Outcome:
    """Add the mean error over all folds to the outcome on the first fold.
    A failure on one fold is one of the trial."""
    last = [first.errors[-1], *(outcome.errors[-1] for outcome in others)]
    failure = next((outcome.failure for outcome in others if outcome.failure), "")
    return replace(first, errors=(*first.errors, sum(last) / len(last)), finished=not failure, failure=failure)


def _penalties(settings: Settings, so_far: float | None = None) -> Sequence[float]:
    """Return the penalties to choose from: the given one, those near the best one so far,
    or all."""
    if settings.l2 is not None:
        return (settings.l2,)
    return PENALTIES if so_far is None else penalties_near(PENALTIES, so_far, PENALTY_FACTOR)


_preparing = Lock()
"""Held while the series is prepared, so that threads share the result."""


def _decide_continuing(errors: Sequence[float], thresholds: Sequence[float], rung: int) -> list[bool]:
    """Decide which trials of a group continue after a rung."""
    if rung < len(thresholds):
        return [error <= thresholds[rung] for error in errors]
    best = sorted(range(len(errors)), key=lambda i: errors[i])[: math.ceil(len(errors) / 3)]
    return [i in best for i in range(len(errors))]
