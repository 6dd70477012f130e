"""The record of a search: an Optuna study in SQLite or PostgreSQL that can be joined and resumed.

Every trial that has been judged is in it as soon as it is; what a process was judging when it died is judged again by
another, or by the same command run again.
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
from typing import TYPE_CHECKING, Any, TypeVar

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
    advice,
    begun_or_joined,
    cause,
    close,
    opened,
)
from freerun.search.proposals import proposals, quietly, ranked
from freerun.search.purpose import Purpose
from freerun.search.space import Space
from freerun.search.trials import Outcome
from freerun.selection.judge import Choice
from freerun.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result")

PATIENCE = 300.0
"""Seconds for which a database server may be away in the middle of a search."""

ENOUGH = 9
"""Errors at a rung from which on they set a bar."""

NOT_BEGUN: dict[str, Any] = {"bars": [], "deaths": 0, "generation": None}
"""What is known of a trial that no process has begun to judge."""

DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Asked:
    """A proposal that has been asked for.

    Attributes:
        trial: Optuna's.
        proposal: names and values.
        settings: what they mean.
        bars: the errors that let it go on, rung by rung, as they were when it was proposed.
    """

    trial: optuna.Trial
    proposal: dict[str, Any]
    settings: Settings
    bars: tuple[float, ...]


class Study:
    """An Optuna study that this process works on.

    Attributes:
        where: it is, for people; without a password.
    """

    def __init__(self, storage: optuna.storages.RDBStorage, study: optuna.Study, where: str) -> None:
        self.where = where
        self._storage, self._study = storage, study
        self._server = not storage.url.startswith("sqlite")
        self._alive: set[int] = set()

    @classmethod
    def join(cls, storage: str, name: str, purpose: Purpose, first: Sequence[Mapping[str, Any]]) -> Study:
        """Open the study of that name, or begin it with the proposals of `first`.

        Args:
            storage: the path of an SQLite file, or the URL of a database (`postgresql://user:password@host/name`).

        Raises:
            SearchError: no database answers, or the study is for something else.
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
                base = opened(parts.render_as_string(hide_password=False), options)
                refused.callback(close, base)
                with quietly():
                    study, began = begun_or_joined(base, name)
                found = None if began else _purpose_of(study)
                if found is None and not study.get_trials(deepcopy=False):
                    study.set_user_attr("purpose", asdict(purpose))
                else:
                    purpose.require(found or {}, where)
                for proposal in first[0 if began else _enqueued(study, len(first)) :]:
                    study.enqueue_trial(dict(proposal))
                refused.pop_all()
        except (*FAULTS, ImportError, RuntimeError, ValueError) as error:
            raise SearchError(f"{where}: cannot be opened ({cause(error)}); {advice(server)}") from error
        return cls(base, study, where)

    def close(self) -> None:
        """Give back the connections to the database."""
        close(self._storage)

    def finished(self) -> list[FrozenTrial]:
        """The trials that are over, with an error."""
        return self._patiently(lambda: self._study.get_trials(deepcopy=False, states=DONE))

    def elsewhere(self) -> int:
        """How many trials other processes are judging."""
        running = self._patiently(lambda: self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        return sum(trial._trial_id not in self._alive for trial in running)

    def ask(self, count: int, space: Space, seed: int) -> list[Asked]:
        """Proposals: those that wait, if there are any, or else groups of new ones with one program each.

        Groups are proposed by the tree-structured Parzen estimator (Bergstra et al., 2011) and near one of the best
        trials, in turn. What is proposed depends on the seed and on the trials in the study alone.
        """
        begun: list[Asked] = []

        def again() -> list[Asked]:
            self._give_back(begun)  # of an attempt that a fault has ended
            begun.clear()
            begun.extend(self._ask(count, space, seed))
            return begun

        return self._patiently(again)

    def tell(self, asked: Asked, outcome: Outcome) -> None:
        """Note what became of a trial."""

        def note() -> None:
            with quietly():
                for rung, error in enumerate(outcome.errors):
                    asked.trial.report(error, rung)
            kept = {"settings": outcome.settings.model_dump_json(), "seconds": outcome.seconds}
            asked.trial.set_user_attr("outcome", kept | {"failure": outcome.failure})
            state = TrialState.COMPLETE if outcome.finished else TrialState.PRUNED
            value = outcome.errors[-1] if outcome.finished else None
            self._study.tell(asked.trial, value, state, skip_if_finished=True)

        with suppress(optuna.exceptions.UpdateFinishedTrialError):  # another process has judged it too, and was first
            self._patiently(note)
        self._alive.discard(asked.trial._trial_id)

    def bars(self) -> list[float]:
        """For each rung the error that a third of the trials reached, where there are enough of them."""
        bars: list[float] = []
        rungs = [list(trial.intermediate_values.values()) for trial in self.finished()]
        while len(errors := [one[len(bars)] for one in rungs if len(one) > len(bars)]) >= ENOUGH:
            bars.append(float(np.quantile(errors, 1 / 3)))
        return bars

    def ranking(self) -> list[Choice]:
        """The trials that were judged to the end, the best first."""
        return [choice_of(trial) for trial in ranked(self.finished())]

    def table(self) -> pd.DataFrame:
        """A row for each finished trial: its number, error, whether it was finished, seconds, and what was tried."""
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
        """How much of the difference between the best tenth of the trials and all is owed to each parameter (PED-ANOVA:
        Watanabe et al., 2023), summing to 1; empty where there are too few trials to tell.

        Trials that were stopped early count with their last error.
        """
        trials = self.finished()
        if len(trials) < ENOUGH:
            return {}
        with quietly():
            copy = optuna.create_study(storage=optuna.storages.InMemoryStorage())
            for trial in trials:
                error = list(trial.intermediate_values.values())[-1]
                copy.add_trial(optuna.create_trial(value=error, params=trial.params, distributions=trial.distributions))
            return optuna.importance.get_param_importances(copy)

    def release(self, asked: Sequence[Asked]) -> None:
        """Give back trials that this process will not judge; others may have them."""
        with suppress(*FAULTS), _uninterrupted():
            self._give_back(asked)

    def reclaim(self) -> None:
        """Let trials be judged again whose process has died: at once on this machine, after a while on others."""
        self._patiently(self._reclaim)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Within this context the trials that this process judges give signs of life."""
        over = Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT):
                for number in list(self._alive):
                    try:
                        self._storage.record_heartbeat(number)
                    except FAULTS:
                        break  # the search itself meets the fault too, and waits or ends
            self._storage.remove_session()

        thread = Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _give_back(self, asked: Sequence[Asked]) -> None:
        for one in asked:
            self._alive.discard(one.trial._trial_id)
            with suppress(optuna.exceptions.UpdateFinishedTrialError):
                self._storage.set_trial_state_values(one.trial._trial_id, state=TrialState.WAITING)

    def _ask(self, count: int, space: Space, seed: int) -> Iterator[Asked]:
        generation = [len(self.finished()), self.elsewhere(), count]
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        for one in waiting[:count]:
            begun = one.user_attrs.get("begun", NOT_BEGUN)
            self._study.sampler = optuna.samplers.RandomSampler(seed + one.number)
            self._storage.set_trial_user_attr(one._trial_id, "begun", begun | {"process": _process()})
            with quietly():
                trial = self._study.ask()
            yield self._begun(trial, space)
        if not waiting:
            yield from self._proposed(generation, self.bars(), space, seed)
        elif len(waiting) <= count and (begun := waiting[-1].user_attrs.get("begun", NOT_BEGUN))["generation"]:
            yield from self._proposed(begun["generation"], begun["bars"], space, seed)

    def _proposed(self, generation: list[int], bars: list[float], space: Space, seed: int) -> Iterator[Asked]:
        """What is missing of a generation: all of it, or what a process that died has not noted.

        A generation is known by how many trials were over, and judged elsewhere, when it was proposed, and by how many
        it has.
        """
        begun = {"bars": bars, "deaths": 0, "process": _process(), "generation": generation}
        trials = self._study.get_trials(deepcopy=False, states=(*DONE, TrialState.RUNNING))
        mine = [one for one in trials if one.user_attrs.get("begun", NOT_BEGUN)["generation"] == generation]
        known = [one for one in trials if one not in mine]
        finished, elsewhere, count = generation
        if len(mine) == count:
            return
        draw = np.random.default_rng([seed, finished, elsewhere])
        for proposal, distributions in islice(proposals(known, count, space, draw), len(mine), None):
            whole = optuna.trial.create_trial(
                state=TrialState.RUNNING, params=proposal, distributions=distributions, user_attrs={"begun": begun}
            )
            number = self._storage.create_new_trial(self._study._study_id, template_trial=whole)
            yield self._begun(optuna.Trial(self._study, number), space)

    def _begun(self, trial: optuna.Trial, space: Space) -> Asked:
        self._alive.add(trial._trial_id)
        self._storage.record_heartbeat(trial._trial_id)
        begun = trial.user_attrs.get("begun", NOT_BEGUN)
        if begun.get("process") != _process():
            trial.set_user_attr("begun", begun | {"process": _process()})
        proposal = space.suggest(trial)
        return Asked(trial, proposal, space.settings(proposal), tuple(begun["bars"]))

    def _reclaim(self) -> None:
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            begun, start = trial.user_attrs.get("begun"), trial.datetime_start
            silent = begun is None and start is not None and time.time() - start.timestamp() > GRACE
            if trial._trial_id not in self._alive and (silent or _died(begun)):
                deaths = 1 + (begun or NOT_BEGUN)["deaths"]
                if begun is not None:
                    self._storage.set_trial_user_attr(trial._trial_id, "begun", begun | {"deaths": deaths})
                again = TrialState.WAITING if deaths <= RETRIES else TrialState.FAIL
                with suppress(optuna.exceptions.UpdateFinishedTrialError):
                    self._storage.set_trial_state_values(trial._trial_id, state=again)
        with quietly():
            optuna.storages.fail_stale_trials(self._study)

    def _patiently(self, call: Callable[[], Result]) -> Result:
        """The result of a call to the database, which may be away for a while if it is a server.

        Raises:
            SearchError: it stays away, or the disk is full.
        """
        end = time.monotonic() + PATIENCE
        wait = 0.5
        while True:
            try:
                with _uninterrupted():
                    return call()
            except FAULTS as error:
                if not self._server or time.monotonic() > end:
                    raise SearchError(
                        f"{self.where}: cannot be read or written ({cause(error)}); {advice(self._server)}; "
                        "what is in the study is safe, and the same command goes on from there"
                    ) from error
                time.sleep(wait)
                wait = min(10.0, 2 * wait)


def _purpose_of(study: optuna.Study) -> Mapping[str, Any] | None:
    """What the study is for; the process that began it may be about to say, or have been killed before it could."""
    for _ in range(ATTEMPTS):
        found = study.user_attrs.get("purpose")
        if found is not None:
            return found
        time.sleep(0.2)
    return None


def _enqueued(study: optuna.Study, wanted: int) -> int:
    """How many of the first proposals are in a study, once the process that began it enqueues no more."""
    before, there = -1, len(study.get_trials(deepcopy=False))
    while before < there < wanted:
        time.sleep(1.0)
        before, there = there, len(study.get_trials(deepcopy=False))
    return there


def choice_of(trial: FrozenTrial) -> Choice:
    """The error of a trial that was judged to the end, and what it was judged with."""
    settings = Settings.checked(**json.loads(trial.user_attrs["outcome"]["settings"]))
    return Choice(float(trial.value or 0.0), settings)


def _process() -> list[Any]:
    return [socket.gethostname(), os.getpid(), psutil.Process().create_time()]


def _died(begun: Mapping[str, Any] | None) -> bool:
    """Whether the process that began a trial was one of this machine, and is no more."""
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
def _uninterrupted() -> Iterator[None]:
    """Within this context Ctrl-C waits, so that no transaction is left half done."""
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
