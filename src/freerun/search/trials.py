"""Judges trials that share a program: trains them at once, lets them run free, and stops the hopeless ones early.

A trial climbs rungs, each dearer than the one before: with few units and then with all of them where the readout is
solved, a ninth, a third and all of the epochs where it is trained. After each rung it goes on if its error is no higher
than the bar for that rung, which earlier trials have set; where there is none yet, the best third of a group goes on
(successive halving: Jamieson and Talwalkar, 2016; its asynchronous form: Li et al., 2020).
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
from freerun.selection.policies import PENALTIES
from freerun.settings import Settings
from freerun.training import train
from freerun.watch import Thinning

RUNGS = 3
"""Rungs of a trial that is trained."""

WORST = 1.0
"""The error of a run that has lost the data, and of a network that has no run."""

PROBE = 300
"""Most units with which a readout is solved at first."""


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        settings: nothing left open.
        errors: of free runs after each rung that it climbed; the last one counts.
        finished: whether it climbed all of them.
        failure: why training ended before its time; empty where it did not.
        seconds: its share of the time that its group took.
    """

    settings: Settings
    errors: tuple[float, ...]
    finished: bool
    failure: str = ""
    seconds: float = 0.0


@dataclass
class Trials:
    """Judges trials on one training series, or on several that are learned together.

    Attributes:
        given: the settings that all share.
        training: the series.
        folds: on how many stretches a trial that is trained is judged; solved readouts are always judged on two, as in
            `freerun.RNN.fit`.
    """

    given: Settings
    training: Sequence[Series]
    folds: int
    _judge: Judge | None = field(default=None, init=False)

    def judged(self, group: Sequence[Settings], bars: Sequence[float]) -> list[Outcome]:
        """What becomes of trials that share a program; `bars` are the errors that let a trial go on, rung by rung.

        NumPy gets one core, so that a trial comes out the same on all machines with as many cores, whatever share of
        these it may take. Their number decides which networks are trained by one program.
        """
        began = time.perf_counter()
        with threadpool_limits(1):
            outcomes = (self._solved if group[0].method == "ridge" else self._trained)(group, bars)
        seconds = (time.perf_counter() - began) / len(group)
        return [replace(outcome, seconds=seconds) for outcome in outcomes]

    def _solved(self, group: Sequence[Settings], bars: Sequence[float]) -> list[Outcome]:
        with _preparing:
            if self._judge is None:
                self._judge = Judge(self.given, self.training)
            judge = self._judge
        small = [judge(one.with_(hidden=min(PROBE, one.hidden or PROBE)), _penalties(one)) for one in group]
        errors = [min(WORST, choice.error) for choice in small]
        outcomes = []
        for one, choice, error, worth in zip(group, small, errors, _worth(errors, bars, 0), strict=True):
            if choice.settings.hidden == one.hidden:
                outcomes.append(Outcome(choice.settings, (error,), finished=True))
            elif not worth:
                outcomes.append(Outcome(one.with_(l2=choice.settings.l2), (error,), finished=False))
            else:
                whole = judge(one, _penalties(one))
                outcomes.append(Outcome(whole.settings, (error, min(WORST, whole.error)), finished=True))
        return outcomes

    def _trained(self, group: Sequence[Settings], bars: Sequence[float]) -> list[Outcome]:
        outcomes = self._fold(0, group, lambda stage, errors: _worth(errors, bars, stage - 1))
        last = max(len(outcome.errors) for outcome in outcomes) - 1
        going = [i for i, outcome in enumerate(outcomes) if outcome.finished]
        worth = _worth([outcomes[i].errors[-1] for i in going], bars, last)
        for i in [i for i, good in zip(going, worth, strict=True) if not good and self.folds > 1]:
            outcomes[i] = replace(outcomes[i], finished=False)
            going.remove(i)
        further = [self._fold(fold, [group[i] for i in going], None) for fold in range(1, self.folds) if going]
        for place, i in enumerate(going if further else []):
            ends = [outcomes[i].errors[-1], *(fold[place].errors[-1] for fold in further)]
            failure = next((fold[place].failure for fold in further if fold[place].failure), "")
            errors = (*outcomes[i].errors, sum(ends) / len(ends))
            outcomes[i] = replace(outcomes[i], errors=errors, finished=not failure, failure=failure)
        return outcomes

    def _fold(self, fold: int, group: Sequence[Settings], thinning: Thinning | None) -> list[Outcome]:
        """Train on a window that slides over the series, the same length for all folds, and run free over its end."""
        shortest = min(map(len, self.training))
        require_held_out(self.given, shortest)
        held = max(3, held_out(self.given, shortest, choosing=True) // self.folds)
        parts = [series.between((self.folds - 1 - fold) * held, len(series) - fold * held) for series in self.training]
        first = parts[0]
        plans = [train_plan(one, first.shape[1], first.inputs.shape[1]) for one in group]
        try:
            trained = train(plans, parts, None, Scaling.fitted(parts, group[0]), None, held, thinning, RUNGS)
        except FreerunError as error:
            return [Outcome(one, (WORST,), finished=False, failure=str(error)) for one in group]
        most = max(len(one.rungs) for one in trained)
        outcomes = [
            Outcome(
                one.settings,
                one.rungs or (WORST,),
                finished=one.failure is None and len(one.rungs) == most,
                failure="" if one.failure is None else str(one.failure),
            )
            for one in sorted(trained, key=lambda one: one.number)
        ]
        for one in trained:
            if isinstance(one.failure, KeyboardInterrupt):
                raise one.failure
        return outcomes


def _penalties(settings: Settings) -> Sequence[float]:
    return PENALTIES if settings.l2 is None else (settings.l2,)


_preparing = Lock()


def _worth(errors: Sequence[float], bars: Sequence[float], rung: int) -> list[bool]:
    """Which of a group go on after a rung."""
    if rung < len(bars):
        return [error <= bars[rung] for error in errors]
    best = sorted(range(len(errors)), key=lambda i: errors[i])[: math.ceil(len(errors) / 3)]
    return [i in best for i in range(len(errors))]
