"""The search from end to end: propose, judge, note, and in the end fit the winner to the whole training series."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from freerun import fitting
from freerun.data.panel import panel_of
from freerun.errors import FreerunError, SearchError, SettingError
from freerun.estimator import RNN
from freerun.history import Progress, Watcher
from freerun.search.engines import Engine, engine_for
from freerun.search.proposals import GROUP, ranked
from freerun.search.purpose import Purpose
from freerun.search.space import Dimension, Space, parsed
from freerun.search.study import Asked, Study, choice_of
from freerun.search.trials import WORST, Outcome, Trials
from freerun.selection.holdout import SHARE
from freerun.selection.judge import Choice
from freerun.selection.race import kinds_first
from freerun.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

GENERATION = 16
"""Trials that are proposed together, from what is known of all before them."""

FOLDS = 2
"""Stretches of the training series on which a trial is judged."""

LOOK = 2.0
"""Seconds between two looks at what other processes have found, where there is nothing else to do."""


@dataclass(frozen=True)
class Standing:
    """How far a search has come.

    Attributes:
        done, total: trials, in the whole study.
        stopped: how many of them were stopped early.
        best: the best of them, at most five, the best first.
        seconds: since this process joined.
        begun: trials that were done by then.
    """

    done: int
    total: int
    stopped: int
    best: list[Choice]
    seconds: float
    begun: int

    @property
    def progress(self) -> Progress:
        """The same as the progress of any long work."""
        best = self.best[0].error if self.best else None
        return Progress("trial", self.done, self.total, None, None, best, self.seconds, begun=self.begun)


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        rnn: the winner, fitted to the whole training series; where several networks are kept, the best few.
        best: the settings of the best trial, nothing left open, and its error.
        trials: a row for each trial: number, error, whether it was finished, seconds, and what was tried.
        rungs: the errors of each trial, rung by rung.
        importances: of what was tried, summing to 1; empty after a few trials.
        where: the study is.
    """

    rnn: RNN
    best: Choice
    trials: pd.DataFrame
    rungs: list[list[float]]
    importances: dict[str, float]
    where: str


def search(
    series: Any,
    trials: int = 100,
    *,
    time_limit: float | None = None,
    settings: Mapping[str, Any] | None = None,
    space: Mapping[str, str | Dimension] | None = None,
    storage: str | Path,
    name: str = "search",
    inputs: Any = None,
    folds: int = FOLDS,
    generation: int = GENERATION,
    workers: int | None = None,
    scheduler: str | None = None,
    watch: Callable[[Standing], None] | None = None,
    progress: Watcher | None = None,
) -> Found:
    """Search for the settings whose free runs are best on parts of the training series that they were not fitted to.

    Joins the study if it is there already, and goes on until it has so many trials. What is proposed depends on the
    seed and on the trials so far, not on how many workers judge them.

    Args:
        series: the training series, or several, as for `freerun.RNN.fit`. No later data has a say.
        trials: how many the study is to have when it ends.
        time_limit: seconds after which no more trials are proposed once one has been judged to the end; None for no
            limit.
        settings: parameters of `RNN` that are not for the search to change.
        space: what to try, instead of or beside what is usual: by name a range `1e-4..1e-1`, values `gru,lstm`, or a
            `Range` or `Among`.
        storage: the path of an SQLite file, made where there is none, or the URL of a PostgreSQL database.
        name: of the study in it.
        inputs: external inputs of the series.
        folds: stretches of the series on which trials that are trained are judged, one window of the series before
            each.
        generation: trials that are proposed together; with W workers, 4 W or more keep all of them busy.
        workers: so many processes on this machine, Dask's workers; None or 1 works in this process, which solves
            readouts on all its cores, but trains networks on one.
        scheduler: the address of a Dask scheduler whose workers are to do the work.
        watch: called at the start and when trials are over.
        progress: called while the winner is fitted.

    Raises:
        SettingError, SeriesError: see `freerun.RNN.fit`; also a space that cannot be.
        SearchError: the study or the scheduler cannot be reached, or the study is for something else; or no trial
            has a free run.
        KeyboardInterrupt: on Ctrl-C; all finished trials are in the study.
    """
    for option, count in (("trials", trials), ("folds", folds), ("generation", generation)):
        if count < 1:
            raise SettingError(f"{option}={count}: must be at least 1")
    if time_limit is not None and not time_limit >= 0:
        raise SettingError(f"time_limit={time_limit}: must be 0 seconds or more")
    given = Settings.checked(**(settings or {}))
    wanted = dict(parsed(f"{n}={one}") if isinstance(one, str) else (n, one) for n, one in (space or {}).items())
    training = panel_of(series, inputs)
    fitting.require_trainable(given, training, None)
    tried = Space.of(given, training, wanted)
    purpose = Purpose.of(training, tried, folds)
    study = Study.join(str(storage), name, purpose, tried.grid(training))
    one = _Search(study, tried, Trials(given, training, folds), purpose, trials, time_limit, generation, watch)
    try:
        engine = engine_for(scheduler, workers)
        try:
            with study.beating():
                one.run(engine)
        finally:
            engine.close()
        finished, ranking, importances = study.finished(), study.ranking(), study.importances()
        if not ranking:
            failures = [trial.user_attrs["outcome"]["failure"] for trial in finished]
            raise SearchError(f"{study.where}: none of {len(failures)} trials came to an end: {failures[0]}")
        table = study.table()
    finally:
        study.close()
    rnn = _refitted(given, ranking, one.trials, progress)
    rungs = [list(trial.intermediate_values.values()) for trial in finished]
    return Found(rnn, ranking[0], table, rungs, importances, study.where)


def _refitted(given: Settings, ranking: list[Choice], trials: Trials, progress: Watcher | None) -> RNN:
    """The best choices, fitted to the whole training series."""
    best = ranking[0].settings
    if best.method == "ridge":
        solved = [choice for choice in ranking if choice.settings.method == "ridge"]
        if (given.members or 1) > 1:
            solved = kinds_first(solved)
        asked, choices = given, [choice.settings for choice in solved]
    else:
        members = given.members or 1
        asked = best.with_(holdout=given.holdout or SHARE, members=members, restarts=members)
        choices = [asked]
    fitted = fitting.fit(asked, trials.training, None, None, progress, choices)
    if fitted.failure is not None:
        raise fitted.failure
    rnn = RNN(**asked.model_dump())
    rnn.model_ = fitted.model
    return rnn


@dataclass
class _Search:
    """A search by this process."""

    study: Study
    space: Space
    trials: Trials
    purpose: Purpose
    total: int
    time_limit: float | None
    generation: int
    watch: Callable[[Standing], None] | None

    def run(self, engine: Engine) -> None:
        """Go on until the study has all its trials, or time is over."""
        self._began, self._begun = time.perf_counter(), len(self.study.finished())
        self._tell()
        while True:
            self.study.reclaim()
            missing = self.total - len(self.study.finished())
            if missing <= 0 or (self._late() and self.study.ranking()):
                return
            free = missing - self.study.elsewhere()
            if free > 0:
                self._judge(engine, self.study.ask(min(self.generation, free), self.space, self.space.given.seed))
            else:
                time.sleep(LOOK)
                self._tell()

    def _late(self) -> bool:
        return self.time_limit is not None and time.perf_counter() - self._began >= self.time_limit

    def _judge(self, engine: Engine, asked: list[Asked]) -> None:
        """Judge a generation, group by group."""
        left = {id(one): one for one in asked}
        groups = list(self._groups(asked))
        tasks = [_Task(self.purpose, self.trials, [one.settings for one in group], group[0].bars) for group in groups]
        threads = all(one.settings.method == "ridge" for one in asked)
        try:
            for number, outcomes in engine.results(_judged, tasks, threads):
                group = groups[number]
                for place, one in enumerate(group):
                    lost = isinstance(outcomes, FreerunError)
                    self.study.tell(one, _failed(one, outcomes) if lost else outcomes[place])
                    del left[id(one)]
                self._tell()
        except BaseException:
            self.study.release(list(left.values()))
            raise

    def _groups(self, asked: Sequence[Asked]) -> Iterator[list[Asked]]:
        """Trials that share a program, a few at a time."""
        groups: dict[Any, list[Asked]] = {}
        for one in asked:
            program = sorted(self.space.program(one.proposal).items())
            groups.setdefault((*program, one.bars), []).append(one)
        for group in groups.values():
            yield from (group[i : i + GROUP] for i in range(0, len(group), GROUP))

    def _tell(self) -> None:
        if self.watch is not None:
            finished = self.study.finished()
            complete = ranked(finished)
            stopped = len(finished) - len(complete)
            best = [choice_of(trial) for trial in complete[:5]]
            seconds = time.perf_counter() - self._began
            self.watch(Standing(len(finished), self.total, stopped, best, seconds, self._begun))


def _failed(asked: Asked, error: FreerunError) -> Outcome:
    return Outcome(asked.settings, (WORST,), finished=False, failure=str(error))


@dataclass(frozen=True)
class _Task:
    """A group of trials to judge, with all that a worker needs to know."""

    purpose: Purpose
    trials: Trials
    group: list[Settings]
    bars: tuple[float, ...]


_known: dict[str, Trials] = {}
_knowing = Lock()


def _judged(task: _Task) -> list[Outcome]:
    """What becomes of a group; a process prepares the series once.

    Raises:
        SearchError: this worker has other versions of the packages.
    """
    with _knowing:
        purpose = repr(task.purpose)
        if purpose not in _known:
            task.purpose.require_packages()
            _known.clear()
            _known[purpose] = task.trials
        trials = _known[purpose]
    return trials.judged(task.group, task.bars)
