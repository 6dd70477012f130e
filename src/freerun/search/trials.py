"""Score trials that share a program: train them together, measure their free runs, and stop poor ones early.

A trial has rungs of growing cost. If the readout is solved, the rungs are a few units and all units. If the network is
trained, they are a ninth, a third and all of the epochs. After a rung, a trial continues if its error is at most the
bar of that rung, which earlier trials have set. Without a bar, the best third of its group continues (successive
halving: Jamieson and Talwalkar, 2016; asynchronous: Li et al., 2020).
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
from freerun.selection.holdout import held_out, require_held_out
from freerun.selection.judge import Judge
from freerun.selection.policies import PENALTIES, penalties_near
from freerun.settings import Settings
from freerun.training.loop import train
from freerun.training.monitor import Thinning

RUNGS = 3
"""Rungs of a trained network: a ninth, a third and all of the epochs."""

WORST = 1.0
"""The largest error of a trial, in standard deviations; also that of a network without a free run."""

PROBE = 300
"""Most hidden units on the first rung of a solved readout."""

PENALTY_FACTOR = 300.0
"""On the second rung, the penalties within this factor of the best one of the first are tried."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a trial.

    Attributes:
        settings: complete settings.
        errors: error of the free runs after each rung, in standard deviations; the last one counts.
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
class Trials:
    """Scores trials on one training series, or on several that train one network.

    Attributes:
        given: settings that all trials share.
        training: the training series.
        folds: number of held-out parts on which trained networks are scored. Solved readouts are always scored on two,
            as in `freerun.RNN.fit`.
    """

    given: Settings
    training: Sequence[Series]
    folds: int
    _judge: Judge | None = field(default=None, init=False)

    def score(self, group: Sequence[Settings], bars: Sequence[float]) -> list[Outcome]:
        """Train and score trials that share a program.

        NumPy runs on one core, so that outcomes do not depend on the number of cores that a task may use. They still
        depend on the number of cores of the machine, which decides which networks are trained by one program.

        Args:
            group: the settings of the trials.
            bars: highest errors with which a trial continues, rung by rung.
        """
        began = time.perf_counter()
        with threadpool_limits(1):
            outcomes = (self._score_solved if group[0].method == "ridge" else self._score_trained)(group, bars)
        seconds = (time.perf_counter() - began) / len(group)
        return [replace(outcome, seconds=seconds) for outcome in outcomes]

    def _score_solved(self, group: Sequence[Settings], bars: Sequence[float]) -> list[Outcome]:
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
            group, small, errors, _choose_remaining(errors, bars, 0), strict=True
        ):
            if candidate.settings.hidden == settings.hidden:
                outcomes.append(Outcome(candidate.settings, (error,), finished=True))
            elif not continues:
                outcomes.append(Outcome(settings.with_(l2=candidate.settings.l2), (error,), finished=False))
            else:
                whole = judge(settings, _penalties(settings, candidate.settings.l2))
                outcomes.append(Outcome(whole.settings, (error, min(WORST, whole.error)), finished=True))
        return outcomes

    def _score_trained(self, group: Sequence[Settings], bars: Sequence[float]) -> list[Outcome]:
        """Train networks on the first fold, and on the other folds for the trials that continue."""
        outcomes = self._score_fold(0, group, lambda stage, errors: _choose_remaining(errors, bars, stage - 1))
        last = max(len(outcome.errors) for outcome in outcomes) - 1
        remaining = [i for i, outcome in enumerate(outcomes) if outcome.finished]
        continues = _choose_remaining([outcomes[i].errors[-1] for i in remaining], bars, last)
        for i in [i for i, good in zip(remaining, continues, strict=True) if not good and self.folds > 1]:
            outcomes[i] = replace(outcomes[i], finished=False)
            remaining.remove(i)
        further = [
            self._score_fold(fold, [group[i] for i in remaining], None) for fold in range(1, self.folds) if remaining
        ]
        for place, i in enumerate(remaining if further else []):
            ends = [outcomes[i].errors[-1], *(fold[place].errors[-1] for fold in further)]
            failure = next((fold[place].failure for fold in further if fold[place].failure), "")
            errors = (*outcomes[i].errors, sum(ends) / len(ends))
            outcomes[i] = replace(outcomes[i], errors=errors, finished=not failure, failure=failure)
        return outcomes

    def _score_fold(self, fold: int, group: Sequence[Settings], thinning: Thinning | None) -> list[Outcome]:
        """Train on a window of the series, and score free runs over its held-out end.

        The window has the same length for all folds. It moves back by one held-out part per fold.
        """
        shortest = min(map(len, self.training))
        require_held_out(self.given, shortest)
        held = max(3, held_out(self.given, shortest, choosing=True) // self.folds)
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


def _penalties(settings: Settings, so_far: float | None = None) -> Sequence[float]:
    """Return the penalties to choose from: the given one, those near the best one so far, or all."""
    if settings.l2 is not None:
        return (settings.l2,)
    return PENALTIES if so_far is None else penalties_near(PENALTIES, so_far, PENALTY_FACTOR)


_preparing = Lock()
"""Held while the series is prepared, so that threads share the result."""


def _choose_remaining(errors: Sequence[float], bars: Sequence[float], rung: int) -> list[bool]:
    """Decide which trials of a group continue after a rung."""
    if rung < len(bars):
        return [error <= bars[rung] for error in errors]
    best = sorted(range(len(errors)), key=lambda i: errors[i])[: math.ceil(len(errors) / 3)]
    return [i in best for i in range(len(errors))]
