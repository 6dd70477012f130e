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
from contextlib import contextmanager, suppress
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

ATTEMPTS = 5
"""How often the tables of a database are tried to be made, which several processes may do at once."""

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
                f"{where}: no study of freerun's, or of another version's (format {found.get('format', 'none')}, this "
                f"version has {self.format}); name another study"
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
            opened = _opened(parts.render_as_string(hide_password=False), options)
            study, began = _begun_or_joined(opened, name)
            if not began:
                purpose.require(_purpose_of(study), where)
            else:
                for proposal in first:
                    study.enqueue_trial(dict(proposal))
                study.set_user_attr("purpose", asdict(purpose))
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
        """Proposals: those that wait, if there are any, or else groups of new ones with one program each.

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
        """For each rung the error that a third of the trials reached, where there are enough of them."""
        bars: list[float] = []
        rungs = [list(trial.intermediate_values.values()) for trial in self.finished()]
        while len(errors := [one[len(bars)] for one in rungs if len(one) > len(bars)]) >= ENOUGH:
            bars.append(float(np.quantile(errors, 1 / 3)))
        return bars

    def ranking(self) -> list[Choice]:
        """The trials that were judged to the end, the best first."""
        return [Choice(float(trial.value or 0.0), settings_of(trial)) for trial in self._ranked()]

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
        if len(self._ranked()) < ENOUGH:
            return {}
        with _without_warnings():
            return optuna.importance.get_param_importances(self._study)

    def release(self, asked: Sequence[Asked]) -> None:
        """Give back trials that this process will not judge; others may have them."""
        for one in asked:
            self._alive.discard(one.trial._trial_id)
            with suppress(optuna.exceptions.UpdateFinishedTrialError):
                self._storage.set_trial_state_values(one.trial._trial_id, state=TrialState.WAITING)

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
        bars = self.bars()
        draw = np.random.default_rng([seed, len(self.finished()), self.elsewhere()])
        waiting = len(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
        with _without_warnings():
            tpe = optuna.samplers.TPESampler(
                seed=int(draw.integers(2**31)), multivariate=True, group=True, warn_independent_sampling=False
            )
            self._study.sampler = tpe
            if waiting:
                return [self._begun(space, bars) for _ in range(min(count, waiting))]
            asked: list[Asked] = []
            best = [trial.params for trial in self._ranked()[:NEAR]]
            while len(asked) < count:
                local = bool(best) and len(asked) // GROUP % 2 == 1
                fixed = self._moved(space, best[draw.integers(len(best))], None, draw) if local else {}
                for _ in range(min(GROUP, count - len(asked))):
                    self._study.sampler = optuna.samplers.PartialFixedSampler(fixed, tpe)
                    asked.append(self._begun(space, bars))
                    proposal = asked[-1].proposal
                    program = space.program(proposal)
                    fixed = self._moved(space, proposal, program, draw) if local else program
        return asked

    def _moved(
        self, space: Space, proposal: Mapping[str, Any], kept: Iterable[str] | None, draw: np.random.Generator
    ) -> dict[str, Any]:
        """A proposal near another that has not been made yet, unless none is found; `kept` values stay."""
        made = [trial.params for trial in self._study.get_trials(deepcopy=False)]
        names = [name for name in proposal if name not in (kept or ())]
        moved = dict(proposal)
        for _ in range(MOVES):
            moved = space.near(proposal, names, draw)
            if moved not in made:
                break
        return moved

    def _begun(self, space: Space, bars: list[float]) -> Asked:
        trial = self._study.ask()
        self._alive.add(trial._trial_id)
        self._storage.record_heartbeat(trial._trial_id)
        before = trial.user_attrs.get("begun", {"bars": bars, "deaths": 0})
        trial.set_user_attr("begun", before | {"process": _process()})
        proposal = space.suggest(trial)
        return Asked(trial, proposal, space.settings(proposal), tuple(before["bars"]))

    def _reclaim(self) -> None:
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            begun, start = trial.user_attrs.get("begun"), trial.datetime_start
            silent = begun is None and start is not None and time.time() - start.timestamp() > GRACE
            if trial._trial_id not in self._alive and (silent or _died(begun)):
                deaths = 1 + (begun or {"deaths": 0})["deaths"]
                if begun is not None:
                    self._storage.set_trial_user_attr(trial._trial_id, "begun", begun | {"deaths": deaths})
                again = TrialState.WAITING if deaths <= RETRIES else TrialState.FAIL
                with suppress(optuna.exceptions.UpdateFinishedTrialError):
                    self._storage.set_trial_state_values(trial._trial_id, state=again)
        with _without_warnings():
            optuna.storages.fail_stale_trials(self._study)

    def _ranked(self) -> list[FrozenTrial]:
        """The trials that were judged to the end, the best first."""
        complete = [trial for trial in self.finished() if trial.state == TrialState.COMPLETE]
        return sorted(complete, key=lambda trial: (trial.value, trial.number))

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


def _opened(url: str, options: dict[str, Any]) -> optuna.storages.RDBStorage:
    """The database, its tables made where there are none; another process may be making them."""
    for attempt in range(ATTEMPTS):
        try:
            with _without_warnings():
                return optuna.storages.RDBStorage(
                    url,
                    engine_kwargs=options,
                    heartbeat_interval=HEARTBEAT,
                    grace_period=GRACE,
                    heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
                )
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(1.0)
    raise AssertionError


def _begun_or_joined(opened: optuna.storages.RDBStorage, name: str) -> tuple[optuna.Study, bool]:
    """The study of that name, and whether this process began it."""
    try:
        return optuna.create_study(storage=opened, study_name=name), True
    except optuna.exceptions.DuplicatedStudyError:
        return optuna.load_study(storage=opened, study_name=name), False


def _purpose_of(study: optuna.Study) -> Mapping[str, Any]:
    """What the study is for; the process that began it may be about to say."""
    for _ in range(10 * ATTEMPTS):
        found = study.user_attrs.get("purpose")
        if found is not None:
            return found
        time.sleep(0.2)
    return {}


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


def _died(begun: Mapping[str, Any] | None) -> bool:
    """Whether the process that began a trial was one of this machine, and is no more."""
    if begun is None or begun["process"][0] != socket.gethostname():
        return False
    _, number, start = begun["process"]
    try:
        return psutil.Process(number).create_time() != start
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
