"""`Study`: the record of a search, an Optuna study in SQLite or
PostgreSQL that processes can share and resume.

A trial is recorded as soon as it finishes. The unfinished trials of a process that died are run
again, by another process or by the same command.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from threading import Event, Thread, current_thread, main_thread
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import optuna
import psutil
import sqlalchemy.exc
from optuna.trial import FrozenTrial, TrialState

from freerun.errors import SearchError
from freerun.search.database import (
    ATTEMPTS,
    FAULTS,
    GRACE,
    HEARTBEAT,
    RETRIES,
    close,
    create_or_load,
    open_database,
    root_cause,
    suggest_remedy,
)
from freerun.search.proposals import propose, quiet_optuna, rank
from freerun.search.purpose import Purpose
from freerun.search.space import Space
from freerun.search.trials import Outcome
from freerun.selection.judge import Candidate
from freerun.settings import Settings, Value

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result")

PATIENCE = 300.0
"""Seconds to wait for a database server that stops answering. A server restarts in less."""

ENOUGH = 9
"""Fewest errors from which the threshold of a rung, or importances, are computed."""

NOT_BEGUN: dict[str, Value] = {"thresholds": [], "deaths": 0, "generation": None}
"""The attribute `begun` of a trial that no process has started."""

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
"""States of finished trials: all rungs, or stopped early."""


@dataclass(frozen=True)
class StartedTrial:
    """A trial that this process has started.

    Attributes:
        trial: Optuna's trial.
        proposal: values by name.
        settings: the proposal as complete settings.
        thresholds: highest errors with which the trial continues, rung by rung.
            They are fixed when it is proposed.
    """

    trial: optuna.Trial
    proposal: dict[str, Value]
    settings: Settings
    thresholds: tuple[float, ...]


class Study:
    """An Optuna study that this process has joined.

    Attributes:
        where: path or URL of the study for messages, without a password.
    """

    def __init__(self, storage: optuna.storages.RDBStorage, study: optuna.Study, where: str) -> None:
        self.where = where
        self._storage, self._study = storage, study
        self._server = not storage.url.startswith("sqlite")
        self._running: set[int] = set()

    @classmethod
    def join(cls, storage: str, name: str, purpose: Purpose, first: Sequence[Mapping[str, Value]]) -> Study:
        """Open a study, or create it.

        Args:
            storage: path of an SQLite file, or URL of a database
                (`postgresql://user:password@host/name`).
            name: name of the study.
            purpose: of the search. A study that exists must have been made for the same.
            first: proposals that a new study begins with.

        Raises:
            SearchError: the database cannot be opened, or the study was made for another search.
        """
        url = storage if "://" in storage else f"sqlite:///{storage}"
        parts = sqlalchemy.make_url(url)
        where = f"{parts.render_as_string(hide_password=True)}, study {name!r}" if "://" in storage else storage
        if parts.drivername in ("postgresql", "postgres"):
            parts = parts.set(drivername="postgresql+psycopg")
        server = parts.get_backend_name() != "sqlite"
        options = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}} if server else {}
        try:
            with ExitStack() as refused:
                base = open_database(parts.render_as_string(hide_password=False), options)
                refused.callback(close, base)
                with quiet_optuna():
                    study, began = create_or_load(base, name)
                found = None if began else _read_purpose(study)
                if found is None and not study.get_trials(deepcopy=False):
                    study.set_user_attr("purpose", asdict(purpose))
                else:
                    purpose.require(found or {}, where)
                for proposal in first[0 if began else _count_enqueued(study, len(first)) :]:
                    study.enqueue_trial(dict(proposal))
                refused.pop_all()
        except (*FAULTS, ImportError, RuntimeError, ValueError) as error:
            raise SearchError(f"{where}: cannot be opened ({root_cause(error)}); {suggest_remedy(server)}") from error
        return cls(base, study, where)

    def close(self) -> None:
        """Close the connections to the database."""
        close(self._storage)

    def finished(self) -> list[FrozenTrial]:
        """Return the finished trials, of all processes."""
        return self._retry(lambda: self._study.get_trials(deepcopy=False, states=DONE))

    def count_elsewhere(self) -> int:
        """Count the trials that other processes are running."""
        running = self._retry(lambda: self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        return sum(trial._trial_id not in self._running for trial in running)

    def ask(self, count: int, space: Space, seed: int) -> list[StartedTrial]:
        """Start trials: waiting ones if there are any, new proposals otherwise.

        Proposals depend only on the seed and on the trials in the study; see `propose`.

        Args:
            count: most trials to start.
            space: the search space.
            seed: of the proposals.
        """
        trials: list[StartedTrial] = []

        def start() -> list[StartedTrial]:
            self._give_back(trials)  # those of an attempt that failed
            trials.clear()
            trials.extend(self._start_trials(count, space, seed))
            return trials

        return self._retry(start)

    def tell(self, started: StartedTrial, outcome: Outcome) -> None:
        """Record the outcome of a trial."""

        def record() -> None:
            with quiet_optuna():
                for rung, error in enumerate(outcome.errors):
                    started.trial.report(error, rung)
            kept = {"settings": outcome.settings.model_dump_json(), "seconds": outcome.seconds}
            started.trial.set_user_attr("outcome", kept | {"failure": outcome.failure})
            state = TrialState.COMPLETE if outcome.finished else TrialState.PRUNED
            value = outcome.errors[-1] if outcome.finished else None
            self._study.tell(started.trial, value, state, skip_if_finished=True)

        with suppress(optuna.exceptions.UpdateFinishedTrialError):  # another process ran it too, and recorded it first
            self._retry(record)
        self._running.discard(started.trial._trial_id)

    def thresholds(self) -> list[float]:
        """Return the lower tertile of the errors of each rung,
        up to the first rung with fewer than `ENOUGH`."""
        thresholds: list[float] = []
        rungs = [list(trial.intermediate_values.values()) for trial in self.finished()]
        while len(errors := [trial[len(thresholds)] for trial in rungs if len(trial) > len(thresholds)]) >= ENOUGH:
            thresholds.append(float(np.quantile(errors, 1 / 3)))
        return thresholds

    def ranking(self) -> list[Candidate]:
        """Return the complete trials, lowest error first."""
        return [to_candidate(trial) for trial in rank(self.finished())]

    def table(self) -> pd.DataFrame:
        """Return one row per finished trial: number, last error, completeness, seconds,
        failure and parameters."""
        import pandas as pd

        rows = [
            {
                "trial": trial.number,
                "error": list(trial.intermediate_values.values())[-1],
                "finished": trial.state == TrialState.COMPLETE,
                "seconds": trial.user_attrs["outcome"]["seconds"],
                "failure": trial.user_attrs["outcome"]["failure"],
                **trial.params,
            }
            for trial in self.finished()
        ]
        return pd.DataFrame(rows)

    def importances(self) -> dict[str, float]:
        """Compute the importance of each parameter by PED-ANOVA (Watanabe et al., 2023).

        It is the share of a parameter in what distinguishes the best tenth of the trials from all
        trials. Trials that were stopped early count with their last error.

        Returns:
            Shares that sum to 1; empty with fewer than `ENOUGH` trials.
        """
        trials = self.finished()
        if len(trials) < ENOUGH:
            return {}
        with quiet_optuna():
            copy = optuna.create_study(storage=optuna.storages.InMemoryStorage())
            for trial in trials:
                error = list(trial.intermediate_values.values())[-1]
                copy.add_trial(optuna.create_trial(value=error, params=trial.params, distributions=trial.distributions))
            return optuna.importance.get_param_importances(copy)

    def release(self, started: Sequence[StartedTrial]) -> None:
        """Return trials that this process will not run, so that others can start them."""
        with suppress(*FAULTS), _defer_interrupts():
            self._give_back(started)

    def reclaim(self) -> None:
        """Return the trials of processes that died.

        A process on this machine is checked directly.
        One on another machine counts as dead after `GRACE` seconds without a heartbeat.
        """
        self._retry(self._reclaim)

    @contextmanager
    def send_heartbeats(self) -> Iterator[None]:
        """Context in which a thread sends heartbeats for the trials of this process."""
        over = Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT):
                for number in list(self._running):
                    try:
                        self._storage.record_heartbeat(number)
                    except FAULTS:
                        break  # the search meets the same error, and retries or ends
            self._storage.remove_session()

        thread = Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _give_back(self, started: Sequence[StartedTrial]) -> None:
        for one in started:
            self._running.discard(one.trial._trial_id)
            with suppress(optuna.exceptions.UpdateFinishedTrialError):
                self._storage.set_trial_state_values(one.trial._trial_id, state=TrialState.WAITING)

    def _start_trials(self, count: int, space: Space, seed: int) -> Iterator[StartedTrial]:
        generation = [len(self.finished()), self.count_elsewhere(), count]
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        for enqueued in waiting[:count]:
            begun = enqueued.user_attrs.get("begun", NOT_BEGUN)
            self._study.sampler = optuna.samplers.RandomSampler(seed + enqueued.number)
            self._storage.set_trial_user_attr(enqueued._trial_id, "begun", begun | {"process": _identify_process()})
            with quiet_optuna():
                trial = self._study.ask()
            yield self._start(trial, space)
        if not waiting:
            yield from self._propose(generation, self.thresholds(), space, seed)
        elif len(waiting) <= count and (begun := waiting[-1].user_attrs.get("begun", NOT_BEGUN))["generation"]:
            yield from self._propose(begun["generation"], begun["thresholds"], space, seed)

    def _propose(
        self, generation: list[int], thresholds: list[float], space: Space, seed: int
    ) -> Iterator[StartedTrial]:
        """Propose and start the trials of a generation that are not in the study yet.

        Some are there already if a process died while it proposed the generation.

        Args:
            generation: identifies it: the numbers of finished trials and of trials running
                elsewhere when it was proposed, and its size.
            thresholds: of the generation.
            space: the search space.
            seed: of the proposals.
        """
        begun = {"thresholds": thresholds, "deaths": 0, "process": _identify_process(), "generation": generation}
        trials = self._study.get_trials(deepcopy=False, states=(*DONE, TrialState.RUNNING))
        proposed = [trial for trial in trials if trial.user_attrs.get("begun", NOT_BEGUN)["generation"] == generation]
        known = [trial for trial in trials if trial not in proposed]
        finished, elsewhere, count = generation
        if len(proposed) == count:
            return
        draw = np.random.default_rng([seed, finished, elsewhere])
        for proposal, distributions in islice(propose(known, count, space, draw), len(proposed), None):
            whole = optuna.trial.create_trial(
                state=TrialState.RUNNING, params=proposal, distributions=distributions, user_attrs={"begun": begun}
            )
            number = self._storage.create_new_trial(self._study._study_id, template_trial=whole)
            yield self._start(optuna.Trial(self._study, number), space)

    def _start(self, trial: optuna.Trial, space: Space) -> StartedTrial:
        self._running.add(trial._trial_id)
        self._storage.record_heartbeat(trial._trial_id)
        begun = trial.user_attrs.get("begun", NOT_BEGUN)
        if begun.get("process") != _identify_process():
            trial.set_user_attr("begun", begun | {"process": _identify_process()})
        proposal = space.suggest(trial)
        return StartedTrial(trial, proposal, space.to_settings(proposal), tuple(begun["thresholds"]))

    def _reclaim(self) -> None:
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            begun, start = trial.user_attrs.get("begun"), trial.datetime_start
            silent = begun is None and start is not None and time.time() - start.timestamp() > GRACE
            if trial._trial_id not in self._running and (silent or _has_died(begun)):
                deaths = 1 + (begun or NOT_BEGUN)["deaths"]
                if begun is not None:
                    self._storage.set_trial_user_attr(trial._trial_id, "begun", begun | {"deaths": deaths})
                again = TrialState.WAITING if deaths <= RETRIES else TrialState.FAIL
                with suppress(optuna.exceptions.UpdateFinishedTrialError):
                    self._storage.set_trial_state_values(trial._trial_id, state=again)
        with quiet_optuna():
            optuna.storages.fail_stale_trials(self._study)

    def _retry(self, call: Callable[[], Result]) -> Result:
        """Call the database. A server that does not answer is called again for `PATIENCE` seconds.

        Raises:
            SearchError: the server still does not answer,
                or an SQLite file cannot be read or written.
        """
        end = time.monotonic() + PATIENCE
        wait = 0.5
        while True:
            try:
                with _defer_interrupts():
                    return call()
            except FAULTS as error:
                if not self._server or time.monotonic() > end:
                    raise SearchError(
                        f"{self.where}: cannot be read or written ({root_cause(error)}); "
                        f"{suggest_remedy(self._server)}; finished trials are kept in the study, and the same "
                        "command resumes the search"
                    ) from error
                time.sleep(wait)
                wait = min(10.0, 2 * wait)


def _read_purpose(study: optuna.Study) -> Mapping[str, Value] | None:
    """Read the purpose of a study; None if the process that created it died before it wrote one.

    The attempt is repeated: that process may be about to write it.
    """
    for _ in range(ATTEMPTS):
        found = study.user_attrs.get("purpose")
        if found is not None:
            return found
        time.sleep(0.2)
    return None


def _count_enqueued(study: optuna.Study, wanted: int) -> int:
    """Count the initial proposals in a study.

    The process that created it may still be adding them. So long as their number grows, this waits.
    """
    before, count = -1, len(study.get_trials(deepcopy=False))
    while before < count < wanted:
        time.sleep(1.0)
        before, count = count, len(study.get_trials(deepcopy=False))
    return count


def to_candidate(trial: FrozenTrial) -> Candidate:
    """Return the error and the settings of a complete trial."""
    settings = Settings.checked(**json.loads(trial.user_attrs["outcome"]["settings"]))
    return Candidate(float(trial.value or 0.0), settings)


def _identify_process() -> list[Value]:
    """Identify this process: host name, process id and start time, since ids are reused."""
    return [socket.gethostname(), os.getpid(), psutil.Process().create_time()]


def _has_died(begun: Mapping[str, Value] | None) -> bool:
    """Whether the process that started a trial ran on this machine and is gone."""
    if begun is None or begun["process"][0] != socket.gethostname():
        return False
    _, number, start = begun["process"]
    try:
        process = psutil.Process(number)
        return process.create_time() != start or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


@contextmanager
def _defer_interrupts() -> Iterator[None]:
    """Context that defers Ctrl-C to its end, so that no transaction is interrupted."""
    if current_thread() is not main_thread():
        yield
        return
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)
        if caught:
            raise KeyboardInterrupt
