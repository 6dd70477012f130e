"""Where work is done: in this process, or on Dask.

An engine gives the results of a function for each of several tasks, as they come.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import nullcontext
from threading import Lock
from typing import Any, Protocol, TypeVar

from freerun.computing import forget_programs
from freerun.cores import on_cores, spread
from freerun.errors import FreerunError, MissingExtraError, SearchError

Task = TypeVar("Task")
Result = TypeVar("Result")

PATIENCE = 300.0
"""Seconds for which a scheduler may be away in the middle of a search."""

FIRST_ANSWER = 10.0
"""Seconds within which a scheduler has to answer at first."""

RETRIES = 3
"""How often a task is given to another worker when the one that had it dies."""


class Engine(Protocol):
    """Does tasks."""

    def results(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], threads: bool
    ) -> Iterator[tuple[int, Result | FreerunError]]:
        """The number of a task and its result, or the error that kept it from one, as they come.

        Args:
            function: a function of a module, so that it can be sent to other processes.
            threads: whether it may run in several threads of a process at once.
        """
        ...

    def close(self) -> None:
        """Give back what the engine holds."""
        ...


class Here:
    """Does tasks in this process: on all cores where they may run in threads, one by one otherwise."""

    def results(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], threads: bool
    ) -> Iterator[tuple[int, Result | FreerunError]]:
        """See `Engine.results`."""
        if threads:
            forget_programs()
            yield from enumerate(spread(function, tasks))
            return
        for number, task in enumerate(tasks):
            forget_programs()
            yield number, function(task)

    def close(self) -> None:
        """See `Engine.close`."""


class OnDask:
    """Does tasks on the workers of a Dask cluster: one on each thread of a worker, or one at a time on a worker.

    A worker that dies loses nothing but time: its task goes to another. When the scheduler goes away, the tasks that
    are not done are given to it again once it is back.
    """

    def __init__(self, scheduler: str | None, workers: int | None) -> None:
        """Connect to the scheduler at an address (`tcp://host:8786`), or start so many workers on this machine.

        Raises:
            SearchError: no scheduler answers.
            MissingExtraError: Dask is not installed.
        """
        try:
            import distributed
        except ImportError as error:
            raise MissingExtraError(
                "workers need Dask, which is not installed; pip install 'freerun[search]'"
            ) from error
        self._distributed, self._scheduler, self._cluster = distributed, scheduler, None
        if scheduler is None:
            self._cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50
            )
        self._client = self._connected(FIRST_ANSWER)

    def results(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], threads: bool
    ) -> Iterator[tuple[int, Result | FreerunError]]:
        """See `Engine.results`."""
        from distributed.comm.core import CommClosedError

        left = dict(enumerate(tasks))
        while left:
            try:
                futures = {
                    self._client.submit(_done, function, task, threads, pure=False, retries=RETRIES): number
                    for number, task in left.items()
                }
                for future in self._distributed.as_completed(futures, loop=self._client.loop):
                    try:
                        result = future.result()
                    except self._distributed.KilledWorker as error:
                        result = SearchError(f"its worker died {RETRIES + 1} times ({error})")
                    number = futures[future]
                    del left[number]
                    yield number, result
            except (CancelledError, CommClosedError, OSError, TimeoutError):
                self._reconnect()

    def close(self) -> None:
        """See `Engine.close`."""
        self._client.close(timeout=5)
        if self._cluster is not None:
            self._cluster.close(timeout=5)

    def _reconnect(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that its scheduler is gone, which is why it is closed
            self._client.close(timeout=1)
        self._client = self._connected(PATIENCE)

    def _connected(self, patience: float) -> Any:
        end = time.monotonic() + patience
        address = self._cluster or self._scheduler
        while True:
            try:
                return self._distributed.Client(address, timeout=5, set_as_default=False)
            except (OSError, TimeoutError, ValueError) as error:
                if time.monotonic() > end or isinstance(error, ValueError):
                    raise SearchError(
                        f"{self._scheduler}: no Dask scheduler answers within {patience:.0f} s ({error}); start one "
                        "(dask scheduler), and name its address (tcp://host:8786)"
                    ) from error
                time.sleep(1.0)


def engine_for(scheduler: str | None, workers: int | None) -> Engine:
    """The engine that is asked for; this process where nothing is, or one worker.

    Raises:
        SearchError, MissingExtraError: see `OnDask`.
    """
    return OnDask(scheduler, workers) if scheduler is not None or (workers or 1) > 1 else Here()


_alone = Lock()


def _done(function: Callable[[Task], Result], task: Task, threads: bool) -> Result:
    """The result of a task, on a worker; it takes one core, or, where it is done alone, those of all threads there."""
    from distributed import get_worker

    most = 1 if threads else get_worker().state.nthreads
    with nullcontext() if threads else _alone, on_cores(most):
        forget_programs()
        return function(task)
