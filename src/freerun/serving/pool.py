"""The processes that compute, the queue in front of them, and the limits of time and number.

A request gets a place before its body is read. If all places are taken, it is refused at once.
Memory and waiting times therefore stay bounded. A process that takes too long is killed and
replaced. The models are kept outside of the processes.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from freerun.compute.processes import WorkerProcess
from freerun.forecasting.model import Model
from freerun.serving import work
from freerun.serving.problems import Refusal
from freerun.serving.served import Served

MOST_PAUSE = 60
"""Largest value of `Retry-After`, in seconds."""

WEIGHT = 0.1
"""Weight of the last request in the running mean of computing times."""

RESTART_DELAY = 1.0
"""Seconds before another process is started in place of one that died before it was ready."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Attributes:
        workers: number of processes, each of which computes one request at a time.
        queue: most requests that wait for a process, or whose bodies are still arriving.
        seconds: longest time that a request may take, with waiting.
        steps: largest number of steps that may be asked for.
        body: largest body of a request, in bytes.
    """

    workers: int
    queue: int
    seconds: float
    steps: int
    body: int


class _Worker:
    """A process, and the versions of the models that it has."""

    def __init__(self) -> None:
        self._process = WorkerProcess()
        self._held: dict[str, int] = {}

    def prepare(self, search_path: Sequence[str]) -> None:
        """Wait until the process has imported the modules that operations need."""
        self._process.ask(work.prepare, search_path)

    def perform(self, job: work.Job, model: Model, version: int) -> work.Answer:
        """Compute a request. The model is sent if the process does not have this version."""
        if self._held.get(job.name) != version:
            job = replace(job, model=model)
        answer = self._process.ask(work.perform, job)
        self._held[job.name] = version
        return answer

    def end(self) -> None:
        self._process.end()


class Pool:
    """Computes requests in processes.

    Args:
        limits: limits of requests.
        search_path: folders in which functions of known models are found.
    """

    def __init__(self, limits: Limits, search_path: Sequence[str] = ()) -> None:
        self.limits = limits
        self._search_path = tuple(search_path)
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        self._workers: set[_Worker] = set()
        self._starting: set[asyncio.Task[None]] = set()
        # one thread waits for each process, and another one for a process that was killed
        self._threads = ThreadPoolExecutor(2 * limits.workers, "freerun-serve")
        self._taken = self._computing = 0
        self._seconds = 0.0

    @property
    def computing(self) -> int:
        """Number of requests that are computed now."""
        return self._computing

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a process, or whose bodies are still arriving."""
        return self._taken - self._computing

    async def start(self) -> None:
        """Start the processes, and wait until they are ready."""
        await asyncio.gather(*(self._start_worker() for _ in range(self.limits.workers)))

    async def stop(self) -> None:
        """End the processes."""
        for task in self._starting:
            task.cancel()
        for worker in self._workers:
            worker.end()
        self._threads.shutdown(wait=True)

    @contextmanager
    def reserve(self) -> Generator[None]:
        """Context in which a request has a place.

        Raises:
            Refusal: all places are taken.
        """
        if self._taken >= self.limits.workers + self.limits.queue:
            pause = min(MOST_PAUSE, math.ceil(self._seconds * self._taken / self.limits.workers) or 1)
            raise Refusal(
                429,
                f"{self._taken} requests are computed or wait, as many as this service takes; try again later.",
                {"Retry-After": str(pause)},
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def perform(self, job: work.Job, served: Served) -> work.Answer:
        """Compute a request with a model as it is now. If it is cancelled, its process is killed.

        Raises:
            Refusal: the process died.
        """
        model, version = served.model, served.version
        worker = await self._idle.get()
        began, done = time.perf_counter(), False
        self._computing += 1
        try:
            answer = await self._in_thread(worker.perform, job, model, version)
            done = True
        except (EOFError, OSError) as error:
            raise Refusal(
                503,
                "The process that computed this died, perhaps for lack of memory; ask for fewer steps, or give a "
                "shorter series.",
            ) from error
        finally:
            self._computing -= 1
            if done:
                self._idle.put_nowait(worker)
            else:
                self._replace(worker)
        self._seconds += (time.perf_counter() - began - self._seconds) * WEIGHT
        return answer

    def _replace(self, worker: _Worker) -> None:
        """Kill a process, and start another one in the background."""
        worker.end()
        self._workers.discard(worker)
        task = asyncio.create_task(self._start_worker())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start_worker(self) -> None:
        """Start a process, and give it to requests when it is ready."""
        while True:
            worker = _Worker()
            self._workers.add(worker)
            try:
                await self._in_thread(worker.prepare, self._search_path)
            except (EOFError, OSError):  # it died, for instance for lack of memory
                worker.end()
                self._workers.discard(worker)
                await asyncio.sleep(RESTART_DELAY)
                continue
            self._idle.put_nowait(worker)
            return

    async def _in_thread(self, function: Callable[..., Result], *given: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *given)
