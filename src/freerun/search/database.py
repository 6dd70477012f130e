"""Databases that hold studies: opening them, and what to say when one does not answer."""

from __future__ import annotations

import time
from typing import Any

import optuna
import sqlalchemy.exc

from freerun.search.proposals import quietly

HEARTBEAT, GRACE = 20, 120
"""Seconds between two signs of life of a trial, and after how many without one it is taken to be dead."""

RETRIES = 3
"""How often a trial whose process died is judged again."""

ATTEMPTS = 5
"""How often the tables of a database are tried to be made, which several processes may do at once."""

FAULTS = (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError)


def opened(url: str, options: dict[str, Any]) -> optuna.storages.RDBStorage:
    """The database, its tables made where there are none; another process may be making them."""
    for attempt in range(ATTEMPTS):
        try:
            with quietly():
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


def close(base: optuna.storages.RDBStorage) -> None:
    """Give back the connections to a database."""
    base.remove_session()
    base.engine.dispose()


def begun_or_joined(base: optuna.storages.RDBStorage, name: str) -> tuple[optuna.Study, bool]:
    """The study of that name, and whether this process began it."""
    try:
        return optuna.create_study(storage=base, study_name=name), True
    except optuna.exceptions.DuplicatedStudyError:
        return optuna.load_study(storage=base, study_name=name), False


def cause(error: BaseException) -> str:
    """What went wrong at the bottom, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def advice(server: bool) -> str:
    """What to do about it."""
    if server:
        return "is the server running, and the address right (postgresql://user:password@host/database)?"
    return "is it an SQLite file of a search, in a folder that can be written, on a disk that is not full?"
