"""`search`: propose trials, score them, record them in a study,
and fit the winner to the whole training series."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from freerun import fitting
from freerun.compute.engines import Engine, engine_for
from freerun.data.learnable import from_first_values
from freerun.data.panel import panel_of
from freerun.data.series import Series, SeriesLike
from freerun.errors import FreerunError, SearchError, SettingError
from freerun.estimator import RNN
from freerun.search.proposals import GROUP, rank
from freerun.search.purpose import Purpose
from freerun.search.space import Dimension, Space, parse_dimension
from freerun.search.study import StartedTrial, Study, to_candidate
from freerun.search.trials import WORST, Outcome, Scorer
from freerun.selection.candidates import can_smooth
from freerun.selection.holdout import SHARE
from freerun.selection.judge import Candidate
from freerun.selection.race import kinds_first
from freerun.settings import Settings, Value
from freerun.training.history import Progress, ProgressCallback

if TYPE_CHECKING:
    import pandas as pd

GENERATION = 16
"""Trials proposed together, from the results of all trials before them: four groups."""

FOLDS = 2
"""Held-out parts of the training series on which a trial is scored."""

POLL_INTERVAL = 2.0
"""Seconds between two queries of the study while other processes run the last trials."""


@dataclass(frozen=True)
class Standing:
    """The progress of a search.

    Attributes:
        done: finished trials in the study, of all processes.
        total: trials that the study will have.
        stopped: finished trials that were stopped early.
        best: the best trials, at most five, lowest error first.
        seconds: time since this process joined the study.
        begun: trials that were finished at that time.
    """

    done: int
    total: int
    stopped: int
    best: list[Candidate]
    seconds: float
    begun: int

    @property
    def progress(self) -> Progress:
        """The same as a `Progress`, with the lowest error so far."""
        best = self.best[0].error if self.best else None
        return Progress("trial", self.done, self.total, None, None, best, self.seconds, begun=self.begun)


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        rnn: the winner, fitted to the whole training series;
            an ensemble of the best trials with `members` above 1.
        best: all settings of the best trial, and its error.
        trials: one row per trial: number, error, whether it finished all rungs, seconds, failure,
            and a column for each parameter of the space.
        rungs: the errors of each trial after each of its rungs.
        importances: share of each parameter in the differences between trials, summing to 1;
            empty below nine trials.
        where: path or URL of the study.
    """

    rnn: RNN
    best: Candidate
    trials: pd.DataFrame
    rungs: list[list[float]]
    importances: dict[str, float]
    where: str


def search(
    series: SeriesLike,
    trials: int = 100,
    *,
    time_limit: float | None = None,
    settings: Mapping[str, Value] | None = None,
    space: Mapping[str, str | Dimension] | None = None,
    storage: str | Path,
    name: str = "search",
    inputs: SeriesLike = None,
    folds: int = FOLDS,
    generation: int = GENERATION,
    workers: int | None = None,
    scheduler: str | None = None,
    watch: Callable[[Standing], None] | None = None,
    progress: ProgressCallback | None = None,
) -> Found:
    """Search for the settings whose free runs are best on held-out parts of the training series.

    A study that exists is resumed, until it has `trials` trials. Proposals depend on the seed and
    on the trials so far. They do not depend on the number of workers.

    Args:
        series: one training series or several, as for `freerun.RNN.fit`. Later data are not used.
        trials: total number of trials in the study.
        time_limit: seconds after which no more trials are proposed, if at least one is complete;
            None means no limit.
        settings: parameters of `RNN` that stay fixed.
        space: dimensions to add to the default space, or to replace in it, by name: a range
            `1e-4..1e-1`, values `gru,lstm`, or a `Range` or `Among`.
        storage: path of an SQLite file, created if missing, or URL of a PostgreSQL database.
        name: name of the study in the storage.
        inputs: external inputs of the series.
        folds: held-out parts of the series on which trained networks are scored; each follows the
            window that the network is trained on. Solved readouts are always scored on two.
        generation: trials that are proposed together; give at least four per worker.
        workers: number of worker processes on this machine. With None or 1 this process does the
            work: it solves readouts on all cores, and trains networks on one.
        scheduler: address of a Dask scheduler whose workers are used instead.
        watch: called at the start and whenever trials finish.
        progress: called while the winner is fitted.

    Returns:
        The winner and the record of all trials.

    Raises:
        SettingError, SeriesError: see `freerun.RNN.fit`;
            also for a dimension that cannot be searched.
        SearchError: the study or the scheduler cannot be reached,
            the study was made for another search, or no trial finished.
        KeyboardInterrupt: on Ctrl-C; all finished trials are kept in the study.
    """
    for option, count in (("trials", trials), ("folds", folds), ("generation", generation)):
        if count < 1:
            raise SettingError(f"{option}={count}: must be at least 1")
    if time_limit is not None and not time_limit >= 0:
        raise SettingError(f"time_limit={time_limit}: must be 0 seconds or more")
    given = Settings.checked(**(settings or {}))
    given.refuse_model("a search")
    wanted = dict(
        parse_dimension(f"{n}={value}") if isinstance(value, str) else (n, value) for n, value in (space or {}).items()
    )
    training = panel_of(series, inputs)
    training = from_first_values(training, None, given, can_smooth(given, len(training)))
    tried = Space.of(given, training, wanted)
    purpose = Purpose.of(training, tried, folds)
    study = Study.join(str(storage), name, purpose, tried.first_proposals(training))
    scorer = Scorer(given, training, folds)
    try:
        running = _Search(study, tried, scorer, purpose, trials, time_limit, generation, watch)
        engine = engine_for(scheduler, workers)
        try:
            with study.send_heartbeats():
                running.run(engine)
        finally:
            engine.close()
        finished, ranking, importances = study.finished(), study.ranking(), study.importances()
        if not ranking:
            failures = [trial.user_attrs["outcome"]["failure"] for trial in finished]
            raise SearchError(
                f"{study.where}: none of {len(failures)} trials finished; the first one failed with: {failures[0]}"
            )
        table = study.table()
    finally:
        study.close()
    rnn = _refit(given, ranking, training, progress)
    rungs = [list(trial.intermediate_values.values()) for trial in finished]
    return Found(rnn, ranking[0], table, rungs, importances, study.where)


def _refit(
    given: Settings, ranking: list[Candidate], training: Sequence[Series], progress: ProgressCallback | None
) -> RNN:
    """Fit the best trials to the whole training series.

    If readouts are solved, the best trials are fitted again, and an ensemble takes different kinds
    of networks first. If networks are trained, all members have the settings of the best trial.
    """
    best = ranking[0].settings
    if best.method == "ridge":
        solved = [candidate for candidate in ranking if candidate.settings.method == "ridge"]
        if (given.members or 1) > 1:
            solved = kinds_first(solved)
        settings, candidates = given, [candidate.settings for candidate in solved]
    else:
        members = given.members or 1
        settings = best.with_(holdout=given.holdout or SHARE, members=members, restarts=members)
        candidates = [settings]
    fitted = fitting.fit(settings, training, progress=progress, choices=candidates)
    if fitted.failure is not None:
        raise fitted.failure
    rnn = RNN(**settings.model_dump())
    rnn.model_ = fitted.model
    return rnn


@dataclass
class _Search:
    """The part of a search that this process runs."""

    study: Study
    space: Space
    scorer: Scorer
    purpose: Purpose
    total: int
    time_limit: float | None
    generation: int
    watch: Callable[[Standing], None] | None
    _start: float = field(init=False, default_factory=time.perf_counter)
    _before: int = field(init=False)

    def __post_init__(self) -> None:
        self._before = len(self.study.finished())

    def run(self, engine: Engine) -> None:
        """Score trials until the study has all of them, or the time limit is over."""
        self._report()
        while True:
            self.study.reclaim()
            missing = self.total - len(self.study.finished())
            if missing <= 0 or (self._is_late() and self.study.ranking()):
                return
            free = missing - self.study.count_elsewhere()
            if free > 0:
                self._score_generation(
                    engine, self.study.ask(min(self.generation, free), self.space, self.space.given.seed)
                )
            else:
                time.sleep(POLL_INTERVAL)
                self._report()

    def _is_late(self) -> bool:
        return self.time_limit is not None and time.perf_counter() - self._start >= self.time_limit

    def _score_generation(self, engine: Engine, started: list[StartedTrial]) -> None:
        """Score a generation, and record each group in the study as soon as it is done."""
        left = {id(trial): trial for trial in started}
        groups = list(self._split(started))
        tasks = [
            _Task(self.purpose, self.scorer, [trial.settings for trial in group], group[0].thresholds)
            for group in groups
        ]
        threads = all(trial.settings.method == "ridge" for trial in started)
        try:
            for number, outcomes in engine.run_tasks(_score_group, tasks, threads):
                group = groups[number]
                failed = isinstance(outcomes, FreerunError)
                for place, trial in enumerate(group):
                    self.study.tell(trial, _to_failure(trial, outcomes) if failed else outcomes[place])
                    del left[id(trial)]
                self._report()
        except BaseException:
            self.study.release(list(left.values()))
            raise

    def _split(self, started: Sequence[StartedTrial]) -> Iterator[list[StartedTrial]]:
        """Split trials into groups that share a program, of at most `GROUP`."""
        groups: dict[Any, list[StartedTrial]] = {}
        for trial in started:
            program = sorted(self.space.program_values(trial.proposal).items())
            groups.setdefault((*program, trial.thresholds), []).append(trial)
        for group in groups.values():
            yield from (group[i : i + GROUP] for i in range(0, len(group), GROUP))

    def _report(self) -> None:
        if self.watch is not None:
            finished = self.study.finished()
            complete = rank(finished)
            stopped = len(finished) - len(complete)
            best = [to_candidate(trial) for trial in complete[:5]]
            seconds = time.perf_counter() - self._start
            self.watch(Standing(len(finished), self.total, stopped, best, seconds, self._before))


def _to_failure(trial: StartedTrial, error: FreerunError) -> Outcome:
    return Outcome(trial.settings, (WORST,), finished=False, failure=str(error))


@dataclass(frozen=True)
class _Task:
    """A group of trials to score, with all data that a worker needs.

    Attributes:
        purpose: of the search.
        scorer: with the training series.
        group: settings of the trials.
        thresholds: highest errors with which a trial continues, rung by rung.
    """

    purpose: Purpose
    scorer: Scorer
    group: list[Settings]
    thresholds: tuple[float, ...]


_scorers: dict[str, Scorer] = {}
"""The scorer of this worker by the purpose of its search, as text; at most one."""

_preparing = Lock()
"""Held while `_scorers` is read or changed."""


def _score_group(task: _Task) -> list[Outcome]:
    """Score a group of trials in a worker. Groups of one search share a scorer,
    which prepares the series once.

    Raises:
        SearchError: this worker has other package versions than the study.
    """
    with _preparing:
        purpose = repr(task.purpose)
        if purpose not in _scorers:
            task.purpose.require_packages()
            _scorers.clear()
            _scorers[purpose] = task.scorer
        scorer = _scorers[purpose]
    return scorer.score(task.group, task.thresholds)
