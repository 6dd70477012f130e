"""Processes of this machine that run tasks, each with linear algebra on one thread.

`ProcessEngine` runs many tasks in several of them. `WorkerProcess` is one of them.

The processes are plain Python processes that receive tasks by a pipe. They do not import the user's
script, as those of `multiprocessing` do. Scripts therefore need no guard (`if __name__ ==
"__main__"`), and notebooks work.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import Empty, LifoQueue, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from freerun.compute.cores import limit_cores
from freerun.compute.engines import forget_programs
from freerun.errors import FreerunError, SearchError

Task = TypeVar("Task")
Result = TypeVar("Result")

ATTEMPTS = 2
"""Most processes that a task is given to. A task may end its process,
for instance for lack of memory."""

SERVE = "from freerun.compute.processes import serve; serve()"
"""The Python code that a process runs."""

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that limit the threads of linear algebra."""


class ProcessEngine:
    """Runs tasks in processes of this machine. A process starts when a task needs it.

    Args:
        count: most processes.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._idle: LifoQueue[WorkerProcess] = LifoQueue()
        self._all: list[WorkerProcess] = []
        self._closed = False

    def run_tasks(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], threads: bool, ahead: int | None = None
    ) -> Iterator[tuple[int, Result | FreerunError]]:
        """See `freerun.compute.engines.Engine.run_tasks`. A process runs one task at a time.

        Raises:
            Exception: what a task raised.
        """
        coming = enumerate(tasks)
        pending: dict[Future[Any], int] = {}
        with ThreadPoolExecutor(self._count) as pool:
            try:
                while True:
                    free = None if ahead is None else max(0, ahead * self._count - len(pending))
                    for number, task in islice(coming, free):
                        pending[pool.submit(self._run, function, task)] = number
                    if not pending:
                        return
                    for future in wait(pending, return_when=FIRST_COMPLETED).done:
                        yield pending.pop(future), future.result()
            finally:
                for future in pending:
                    future.cancel()
                if pending:
                    self.close()

    def close(self) -> None:
        """End the processes."""
        self._closed = True
        for process in self._all:
            process.end()

    def _run(self, function: Callable[[Task], Result], task: Task) -> Result | FreerunError:
        """Run a task in an idle process, and in another one if it dies."""
        status = None
        for _ in range(ATTEMPTS):
            process = self._take_process()
            try:
                answer = process.ask(function, task)
            except (EOFError, OSError):
                status = process.end()
                if self._closed:
                    break
                continue
            self._idle.put(process)
            return answer
        return SearchError(
            f"the process of this task died {ATTEMPTS} times (exit status {status}), perhaps for lack of memory; use "
            "fewer workers"
        )

    def _take_process(self) -> WorkerProcess:
        """Return an idle process, or start one."""
        try:
            return self._idle.get_nowait()
        except Empty:
            process = WorkerProcess()
            self._all.append(process)
            if self._closed:
                process.end()
            return process


class WorkerProcess:
    """A process that runs one task after the other."""

    def __init__(self) -> None:
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1") | {"PYTHONPATH": os.pathsep.join(paths)}
        # -P leaves the current folder out of the path, where a file of the user may
        # have the name of a module. In a session of its own, the process does not get
        # the Ctrl-C that is meant for its parent.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVE],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def ask(self, function: Callable[[Any], Any], task: Any) -> Any:
        """Send a task, and wait for its result.

        Raises:
            EOFError, OSError: the process has died.
            Exception: what the task raised.
        """
        source, target = self._process.stdout, self._process.stdin
        assert source is not None
        assert target is not None
        target.write(pickle.dumps((function, task), pickle.HIGHEST_PROTOCOL))
        target.flush()
        try:
            result, error = pickle.load(source)
        except pickle.UnpicklingError as damaged:  # the process died while it was writing
            raise EOFError from damaged
        if isinstance(error, OSError | EOFError) and not isinstance(error, FreerunError):
            raise RuntimeError(f"{type(error).__name__}: {error}") from error  # the process has not died
        if error is not None:
            raise error
        return result

    def end(self) -> int | None:
        """End the process, and return its exit status."""
        self._process.kill()
        status = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # some bytes were not sent yet
                if pipe is not None:
                    pipe.close()
        return status


def serve() -> None:
    """Run the tasks that arrive on standard input, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of tasks goes to standard error, and not between the answers
    tasks: SimpleQueue[tuple[Callable[[Any], Any], Any]] = SimpleQueue()
    Thread(target=_listen, args=(tasks,), daemon=True).start()
    while True:
        function, task = tasks.get()
        answers.write(_run_to_bytes(function, task))
        answers.flush()


def _run_to_bytes(function: Callable[[Any], Any], task: Any) -> bytes:
    """Run a task, and pickle its result and the error that it raised, or None."""
    forget_programs()
    try:
        with limit_cores(1):
            return pickle.dumps((function(task), None), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # the parent process raises it
        try:
            content = pickle.dumps((None, error), pickle.HIGHEST_PROTOCOL)
            pickle.loads(content)
        except Exception:  # some errors cannot be sent
            return pickle.dumps((None, RuntimeError(traceback.format_exc())), pickle.HIGHEST_PROTOCOL)
        return content


def _listen(tasks: SimpleQueue[tuple[Callable[[Any], Any], Any]]) -> None:
    """Put tasks into the queue as they arrive. End this process when its parent has died."""
    while True:
        try:
            tasks.put(pickle.load(sys.stdin.buffer))
        except EOFError:
            os._exit(0)
        except Exception as error:  # for instance, this process does not find a module
            tasks.put((_raise, error))


def _raise(error: Exception) -> None:
    raise error
