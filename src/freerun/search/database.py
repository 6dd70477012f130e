"""Databases that hold studies: opening and closing them, and explaining their errors."""

from __future__ import annotations

import time
from typing import Any

import optuna
import sqlalchemy.exc

from freerun.search.proposals import quiet_optuna

HEARTBEAT = 20
"""Seconds between two heartbeats of a running trial."""

GRACE = 120
"""Seconds without a heartbeat after which the process of a trial counts as dead: six heartbeats."""

RETRIES = 3
"""Most retries of a trial whose process died,
so that a trial that kills its process does not run forever."""

ATTEMPTS = 5
"""Most attempts to create or read a table or a study that another process may be creating."""

FAULTS = (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError)
"""Errors of a database that cannot be read or written."""


def open_database(url: str, options: dict[str, Any]) -> optuna.storages.RDBStorage:
    """Open a database and create its tables if they are missing.

    Another process may create them at the same moment,
    so the attempt is repeated up to `ATTEMPTS` times.

    Args:
        url: of the database, with its password.
        options: for `sqlalchemy.create_engine`.
    """
    for attempt in range(ATTEMPTS):
        try:
            with quiet_optuna():
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
    """Close all connections to a database."""
    base.remove_session()
    base.engine.dispose()


def create_or_load(base: optuna.storages.RDBStorage, name: str) -> tuple[optuna.Study, bool]:
    """Create the study of that name, or load it if it exists.

    Returns:
        The study, and whether it was created.
    """
    try:
        return optuna.create_study(storage=base, study_name=name), True
    except optuna.exceptions.DuplicatedStudyError:
        return optuna.load_study(storage=base, study_name=name), False


def root_cause(error: BaseException) -> str:
    """Return the message of the exception that caused all others of a chain, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def suggest_remedy(server: bool) -> str:
    """Suggest what to check when a database cannot be used."""
    if server:
        return "is the server running, and the address right (postgresql://user:password@host/database)?"
    return "is it an SQLite file of a search, in a folder that can be written, on a disk that is not full?"
