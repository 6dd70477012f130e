"""The record of a search: an Optuna study in SQLite or PostgreSQL that can be joined and resumed.

Every trial that has been judged is in it as soon as it is; what a process was judging when it died is judged again by
another, or by the same command run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import optuna
import psutil
import sqlalchemy.exc
from optuna.trial import FrozenTrial, TrialState

from freerun._version import __version__
from freerun.errors import SearchError
from freerun.judge import Choice
from freerun.search.space import Space
from freerun.search.trials import Outcome
from freerun.series import Series
from freerun.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result")

FORMAT = 1
"""Of what a study holds; one of another format is not joined."""

HEARTBEAT, GRACE = 20, 120
"""Seconds between two signs of life of a trial, and after how many without one it is taken to be dead."""

RETRIES = 3
"""How often a trial whose process died is judged again."""

PATIENCE = 300.0
"""Seconds for which a database server may be away in the middle of a search."""

GROUP = 4
"""Trials that are proposed with one program."""

NEAR, MOVES = 3, 20
"""Of how many of the best trials the neighbourhood is searched, and how often a move is drawn that was not made yet."""

ENOUGH = 9
"""Errors at a rung from which on they set a bar."""

DONE = (TrialState.COMPLETE, TrialState.PRUNED)

FAULTS = (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError)


@dataclass(frozen=True)
class Purpose:
    """What a study is for; a process joins it for the same only.

    Attributes:
        series: a fingerprint of the training series.
        settings: what is not for it to change.
        space: what may be tried.
        folds: on how many stretches trials are judged.
        packages: the versions that errors depend on.
        format: see `FORMAT`.
    """

    series: str
    settings: dict[str, Any]
    space: dict[str, str]
    folds: int
    packages: dict[str, str]
    format: int = FORMAT

    @classmethod
    def of(cls, training: Sequence[Series], space: Space, folds: int) -> Purpose:
        """The purpose of a search on this machine."""
        given = space.given.model_dump(mode="json", exclude={"device"})
        return cls(fingerprint(training), given, space.described(), folds, _packages())

    def require_packages(self) -> None:
        """Refuse to judge trials with other versions of packages than those of the study.

        Raises:
            SearchError: the message names them.
        """
        here = _packages()
        differ = [
            f"{name} {wanted}, here {here[name]}" for name, wanted in self.packages.items() if here[name] != wanted
        ]
        if differ:
            raise SearchError(
                f"worker {socket.gethostname()} has other package versions than the study ({'; '.join(differ)}); "
                "install the same everywhere"
            )

    def require(self, found: Mapping[str, Any], where: str) -> None:
        """Refuse a study that is for something else.

        Raises:
            SearchError: the message says for what.
        """
        if found.get("format") != self.format:
            raise SearchError(
                f"{where}: made by another version of freerun (format {found.get('format')}, this one writes "
                f"{self.format}); read it with that version, or begin another study"
            )
        mine = asdict(self)
        for key, what in (("series", "other data"), ("folds", "another number of folds")):
            if found[key] != mine[key]:
                raise SearchError(f"{where}: this study was made for {what}; name another study, or give the same")
        for key, what in (("settings", "settings"), ("space", "search space"), ("packages", "package versions")):
            names = sorted(n for n in {*found[key], *mine[key]} if found[key].get(n) != mine[key].get(n))
            if names:
                differ = ", ".join(f"{n} {found[key].get(n, 'none')}, here {mine[key].get(n, 'none')}" for n in names)
                raise SearchError(
                    f"{where}: this study was made with other {what} ({differ}); use the same, or name another study"
                )


@dataclass(frozen=True)
class Asked:
    """A proposal that has been asked for.

    Attributes:
        trial: Optuna's.
        proposal: names and values.
        settings: what they mean.
    """

    trial: optuna.Trial
    proposal: dict[str, Any]
    settings: Settings


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
            with _without_warnings():
                retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)
                opened = optuna.storages.RDBStorage(
                    parts.render_as_string(hide_password=False),
                    engine_kwargs=options,
                    heartbeat_interval=HEARTBEAT,
                    grace_period=GRACE,
                    heartbeat_stale_trial_callback=retry,
                )
                study = optuna.create_study(storage=opened, study_name=name, load_if_exists=True)
            found = study.user_attrs.get("purpose")
            if found is None:
                study.set_user_attr("purpose", asdict(purpose))
                for proposal in first:
                    study.enqueue_trial(dict(proposal))
            else:
                purpose.require(found, where)
        except (*FAULTS, ImportError, RuntimeError, ValueError) as error:
            raise SearchError(f"{where}: cannot be opened ({_cause(error)}); {_advice(server)}") from error
        return cls(opened, study, where)

    def finished(self) -> list[FrozenTrial]:
        """The trials that are over, with an error."""
        return self._patiently(lambda: self._study.get_trials(deepcopy=False, states=DONE))

    def elsewhere(self) -> int:
        """How many trials other processes are judging."""
        running = self._patiently(lambda: self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        return sum(trial._trial_id not in self._alive for trial in running)

    def ask(self, count: int, space: Space, seed: int) -> list[Asked]:
        """Proposals: those that wait, then groups of new ones with one program each.

        Groups are proposed by the tree-structured Parzen estimator (Bergstra et al., 2011) and near one of the best
        trials, in turn. What is proposed depends on the seed and on the trials in the study alone.
        """
        return self._patiently(lambda: self._ask(count, space, seed))

    def tell(self, asked: Asked, outcome: Outcome) -> None:
        """Note what became of a trial."""

        def note() -> None:
            for rung, error in enumerate(outcome.errors):
                asked.trial.report(error, rung)
            kept = {"settings": outcome.settings.model_dump_json(), "seconds": outcome.seconds}
            asked.trial.set_user_attr("outcome", kept | {"failure": outcome.failure})
            state = TrialState.COMPLETE if outcome.finished else TrialState.PRUNED
            value = outcome.errors[-1] if outcome.finished else None
            self._study.tell(asked.trial, value, state, skip_if_finished=True)

        self._patiently(note)
        self._alive.discard(asked.trial._trial_id)

    def bars(self) -> list[float]:
        """For each rung the error that a third of the trials reached, as long as there are enough of them."""
        bars: list[float] = []
        rungs = [list(trial.intermediate_values.values()) for trial in self.finished()]
        while len(errors := [one[len(bars)] for one in rungs if len(one) > len(bars)]) >= ENOUGH:
            bars.append(float(np.quantile(errors, 1 / 3)))
        return bars

    def ranking(self) -> list[Choice]:
        """The trials that were judged to the end, the best first."""
        complete = [trial for trial in self.finished() if trial.state == TrialState.COMPLETE]
        ranked = sorted(complete, key=lambda trial: (trial.value, trial.number))
        return [Choice(float(trial.value or 0.0), settings_of(trial)) for trial in ranked]

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
        """How much of the difference between good trials and all is owed to each parameter (PED-ANOVA: Watanabe et al.,
        2023), summing to 1; empty where there are too few trials to tell."""
        complete = [trial for trial in self.finished() if trial.state == TrialState.COMPLETE]
        if len(complete) < ENOUGH:
            return {}
        with _without_warnings():
            return optuna.importance.get_param_importances(self._study)

    def release(self, asked: Sequence[Asked]) -> None:
        """Give back trials that this process will not judge; others may have them."""
        for one in asked:
            self._requeue(one.trial._trial_id)

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

        thread = Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _ask(self, count: int, space: Space, seed: int) -> list[Asked]:
        draw = np.random.default_rng([seed, len(self.finished()), self.elsewhere()])
        asked: list[Asked] = []
        groups = 0
        with _without_warnings():
            tpe = optuna.samplers.TPESampler(
                seed=int(draw.integers(2**31)), multivariate=True, group=True, warn_independent_sampling=False
            )
            while len(asked) < count:
                queued = bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
                if queued:
                    self._study.sampler = tpe
                    asked.append(self._begun(space))
                    continue
                best = self._best_proposals()
                near = dict(best[draw.integers(len(best))]) if best and groups % 2 else None
                groups += 1
                fixed = {} if near is None else self._moved(space, near, near, draw)
                for _ in range(min(GROUP, count - len(asked))):
                    self._study.sampler = optuna.samplers.PartialFixedSampler(fixed, tpe)
                    asked.append(self._begun(space))
                    proposal = asked[-1].proposal
                    fixed = space.program(proposal)
                    if near is not None:
                        fixed = self._moved(space, proposal, [name for name in proposal if name not in fixed], draw)
        return asked

    def _moved(
        self, space: Space, proposal: dict[str, Any], names: Iterable[str], draw: np.random.Generator
    ) -> dict[str, Any]:
        """A proposal near another that has not been made yet, unless none is found."""
        made = [trial.params for trial in self._study.get_trials(deepcopy=False)]
        moved = proposal
        for _ in range(MOVES):
            moved = space.near(proposal, names, draw)
            if moved not in made:
                break
        return moved

    def _best_proposals(self) -> list[dict[str, Any]]:
        complete = [trial for trial in self.finished() if trial.state == TrialState.COMPLETE]
        return [trial.params for trial in sorted(complete, key=lambda trial: (trial.value, trial.number))[:NEAR]]

    def _begun(self, space: Space) -> Asked:
        trial = self._study.ask()
        self._alive.add(trial._trial_id)
        self._storage.record_heartbeat(trial._trial_id)
        trial.set_user_attr("process", _process())
        proposal = space.suggest(trial)
        return Asked(trial, proposal, space.settings(proposal))

    def _reclaim(self) -> None:
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            process = trial.user_attrs.get("process")
            began = trial.datetime_start
            silent = process is None and began is not None and time.time() - began.timestamp() > GRACE
            if trial._trial_id not in self._alive and (silent or _died(process)):
                self._requeue(trial._trial_id)
        with _without_warnings():
            optuna.storages.fail_stale_trials(self._study)

    def _requeue(self, number: int) -> None:
        self._alive.discard(number)
        try:
            changed = self._storage.set_trial_state_values(number, state=TrialState.FAIL)
        except optuna.exceptions.UpdateFinishedTrialError:
            return
        callback = self._storage.get_heartbeat_stale_trial_callback()
        if changed and callback is not None:
            callback(self._study, self._storage.get_trial(number))

    def _patiently(self, call: Callable[[], Result]) -> Result:
        """The result of a call to the database, which may be away for a while if it is a server.

        Raises:
            SearchError: it stays away, or the disk is full.
        """
        end = time.monotonic() + PATIENCE
        wait = 0.5
        while True:
            try:
                return call()
            except FAULTS as error:
                if not self._server or time.monotonic() > end:
                    raise SearchError(
                        f"{self.where}: cannot be read or written ({_cause(error)}); {_advice(self._server)}; "
                        "what is in the study is safe, and the same command goes on from there"
                    ) from error
                time.sleep(wait)
                wait = min(10.0, 2 * wait)


def settings_of(trial: FrozenTrial) -> Settings:
    """What a finished trial was judged with, nothing left open."""
    return Settings.checked(**json.loads(trial.user_attrs["outcome"]["settings"]))


def fingerprint(training: Sequence[Series]) -> str:
    """A number that other series do not have."""
    content = hashlib.sha256()
    for series in training:
        content.update(repr((series.channels, series.input_names, series.shape)).encode())
        content.update(np.ascontiguousarray(series.values).tobytes())
        content.update(np.ascontiguousarray(series.inputs).tobytes())
    return content.hexdigest()


def _packages() -> dict[str, str]:
    return {"freerun": __version__} | {name: version(name) for name in ("jax", "numpy", "optuna")}


def _process() -> list[Any]:
    return [socket.gethostname(), os.getpid(), psutil.Process().create_time()]


def _died(process: list[Any] | None) -> bool:
    """Whether a process of this machine is no more."""
    if process is None or process[0] != socket.gethostname():
        return False
    try:
        return psutil.Process(process[1]).create_time() != process[2]
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _cause(error: BaseException) -> str:
    """What went wrong at the bottom, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _advice(server: bool) -> str:
    if server:
        return "is the server running, and the address right (postgresql://user:password@host/database)?"
    return "is it an SQLite file of a search, in a folder that can be written, on a disk that is not full?"


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Optuna warns that parts of it that we use on purpose are experimental."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="optuna")
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        yield
