"""Engines: run a function on many tasks, in this process or on the workers of a Dask cluster.

Results come in the order in which tasks finish.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import nullcontext
from itertools import islice
from threading import Lock
from typing import Any, Protocol, TypeVar

from freerun.compute.cores import limit_cores, thread_map
from freerun.errors import FreerunError, SearchError
from freerun.extras import require

Task = TypeVar("Task")
Result = TypeVar("Result")

PATIENCE = 300.0
"""Seconds to wait for a scheduler that stops answering. A scheduler restarts in less."""

FIRST_ANSWER = 10.0
"""Seconds to wait for the first answer of a scheduler. Without one,
the address is probably wrong."""

RETRIES = 3
"""Most times that a task goes to another worker because its worker died."""


class Engine(Protocol):
    """Runs tasks."""

    def run_tasks(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], threads: bool, ahead: int | None = None
    ) -> Iterator[tuple[int, Result | FreerunError]]:
        """Run a function on each task, and yield results as tasks finish.

        Args:
            function: a function at the top level of a module,
                so that it can be sent to other processes.
            tasks: its arguments, one per call.
            threads: whether the function may run in several threads of a process at once.
            ahead: most unfinished tasks for each worker. Further tasks are taken from `tasks` as
                others finish, so that they do not fill the memory. None takes all at once.

        Yields:
            The index of a task, with its result or with the `FreerunError` that it ended in.
        """
        ...

    def close(self) -> None:
        """Release processes and connections."""
        ...


class LocalEngine:
    """Runs tasks in this process: in threads on all cores if they allow it,
    one by one otherwise."""

    def run_tasks(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], threads: bool, ahead: int | None = None
    ) -> Iterator[tuple[int, Result | FreerunError]]:
        """See `Engine.run_tasks`. Without `threads`,
        a task is taken when the one before it is finished."""
        if threads:
            forget_programs()
            yield from enumerate(thread_map(function, list(tasks)))
            return
        for number, task in enumerate(tasks):
            forget_programs()
            yield number, function(task)

    def close(self) -> None:
        """See `Engine.close`."""


class DaskEngine:
    """Runs tasks on the workers of a Dask cluster.

    A worker runs one task per thread if tasks allow threads, and one task at a time otherwise. The
    task of a worker that dies goes to another worker. After a scheduler was away, unfinished tasks
    are submitted to it again.
    """

    def __init__(self, scheduler: str | None, workers: int | None) -> None:
        """Connect to a scheduler, or start workers on this machine.

        Args:
            scheduler: its address, such as `tcp://host:8786`; None starts workers.
            workers: number of worker processes to start.

        Raises:
            SearchError: no scheduler answers.
            MissingExtraError: Dask is not installed.
        """
        require("search", "a cluster of workers")
        import distributed

        self._distributed, self._scheduler, self._cluster = distributed, scheduler, None
        if scheduler is None:
            self._cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50
            )
        self._client = self._connect(FIRST_ANSWER)

    def run_tasks(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], threads: bool, ahead: int | None = None
    ) -> Iterator[tuple[int, Result | FreerunError]]:
        """See `Engine.run_tasks`."""
        from distributed.comm.core import CommClosedError

        coming = enumerate(tasks)
        left: dict[int, Task] = {}
        futures: dict[Any, int] = {}
        finished = None

        def submit(number: int, task: Task) -> Any:
            future = self._client.submit(_run_task, function, task, threads, pure=False, retries=RETRIES)
            futures[future] = number
            return future

        while True:
            # outside of the `try` below: an error of `tasks` is none of the connection
            free = None if ahead is None else max(0, ahead * self._threads() - len(left))
            taken = dict(islice(coming, free))
            left |= taken
            if not left:
                return
            try:
                if finished is None:  # at first, and after the scheduler was away
                    futures.clear()
                    first = [submit(number, task) for number, task in left.items()]
                    finished = self._distributed.as_completed(first, loop=self._client.loop)
                else:
                    finished.update([submit(number, task) for number, task in taken.items()])
                future = next(finished)
                try:
                    result = future.result()
                except self._distributed.KilledWorker as error:
                    result = SearchError(f"the worker of this task died {RETRIES + 1} times ({error})")
            except (CancelledError, CommClosedError, OSError, TimeoutError):
                finished = None
                self._reconnect()
                continue
            number = futures.pop(future)
            del left[number]
            yield number, result

    def _threads(self) -> int:
        """Number of threads of all workers; 1 if the scheduler does not answer."""
        try:
            return max(1, sum(self._client.nthreads().values()))
        except (OSError, TimeoutError):
            return 1

    def close(self) -> None:
        """See `Engine.close`."""
        self._client.close(timeout=5)
        if self._cluster is not None:
            self._cluster.close(timeout=5)

    def _reconnect(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that the scheduler is gone
            self._client.close(timeout=1)
        self._client = self._connect(PATIENCE)

    def _connect(self, patience: float) -> Any:
        end = time.monotonic() + patience
        address = self._cluster or self._scheduler
        while True:
            try:
                return self._distributed.Client(address, timeout=5, set_as_default=False)
            except (OSError, TimeoutError, ValueError) as error:
                if time.monotonic() > end or isinstance(error, ValueError):
                    raise SearchError(
                        f"{self._scheduler}: no Dask scheduler answers within {patience:.0f} s ({error}); start one "
                        "(dask scheduler), and give its address (tcp://host:8786)"
                    ) from error
                time.sleep(1.0)


def engine_for(scheduler: str | None, workers: int | None) -> Engine:
    """Create the engine for a scheduler address or a number of workers.

    Args:
        scheduler: address of a Dask scheduler, or None.
        workers: number of processes on this machine; None or 1 uses this process.

    Raises:
        SearchError, MissingExtraError: see `DaskEngine`.
    """
    return DaskEngine(scheduler, workers) if scheduler is not None or (workers or 1) > 1 else LocalEngine()


_exclusive = Lock()
"""Held while a task runs that does not allow threads."""


def _run_task(function: Callable[[Task], Result], task: Task, threads: bool) -> Result:
    """Run a task on a worker: on one core, or, without `threads`,
    alone and on a core for each thread of the worker."""
    from distributed import get_worker

    most = 1 if threads else get_worker().state.nthreads
    with nullcontext() if threads else _exclusive, limit_cores(most):
        forget_programs()
        return function(task)


def forget_programs() -> None:
    """Drop compiled programs if there are too many. JAX is not imported: before it is,
    there are none."""
    programs = sys.modules.get("freerun.compute.programs")
    if programs is not None:
        programs.forget_programs()
