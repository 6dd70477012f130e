"""Run a task for all series of a table: chunk by chunk, on the cores of this machine or on Dask."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from freerun.compute.cores import cores
from freerun.compute.engines import DaskEngine, Engine, LocalEngine
from freerun.compute.processes import ProcessEngine
from freerun.errors import FreerunError, warn
from freerun.many.chunks import Chunk, chunks_of, divide
from freerun.many.parts import Parts, PartsOnDisk
from freerun.many.reports import Report
from freerun.many.shared import Group, Moments, sum_groups
from freerun.many.tables import LongTable
from freerun.many.tasks import Task, run_chunk
from freerun.many.together import SharedModel, TogetherTask, sum_moments
from freerun.training.history import Progress, ProgressCallback

FEW_ROWS = 300_000
"""Tables with fewer rows are added up in this process: it takes less time than to start others."""

AHEAD = 2
"""Most unfinished chunks for each worker, counting those that are read ahead."""


class Run:
    """A run of a task for all series of a table.

    Args:
        task: the task for each series.
        table: the table, its series counted.
        parts: keeps the results. Chunks whose results it has are not computed again.

    Attributes:
        reports: the reports of the chunks that are done, by their numbers.
        resumed: number of series that were done before.
        lost: number of series whose worker died.
    """

    def __init__(self, task: Task[Any], table: LongTable, parts: Parts) -> None:
        self._task, self._table, self._parts = task, table, parts
        self._bounds = divide(table.rows, task.cost)
        self._running: dict[int, tuple[int, tuple[object, ...], str]] = {}
        """Number, names and key of each chunk that is being computed,
        by the order in which they were taken."""
        self.reports: dict[int, Report] = {}
        self.resumed = self.lost = 0

    def complete(self, workers: int | None, scheduler: str | None, progress: ProgressCallback | None) -> None:
        """Compute the chunks that have no result yet.

        Args:
            workers: number of processes on this machine; None takes all cores, 1 this process.
            scheduler: address of a Dask scheduler whose workers are used instead.
            progress: called after each chunk.

        Raises:
            SearchError: no scheduler answers.
            OutputError: a result cannot be written.
            KeyboardInterrupt: on Ctrl-C.
        """
        began, total = time.perf_counter(), len(self._table.names)
        with closing(_engine(workers, scheduler, len(self._bounds))) as engine:
            found = engine.run_tasks(run_chunk, self._missing(), threads=False, ahead=AHEAD)
            with closing(found):  # pyright: ignore[reportArgumentType] - engines yield
                for number, result in found:
                    self._keep(number, result)
                    if progress is not None:
                        done = sum(report.series for report in self.reports.values())
                        seconds = time.perf_counter() - began
                        progress(Progress("series", done, total, None, None, None, seconds, begun=self.resumed))

    def _missing(self) -> Iterator[tuple[Task[Any], Chunk]]:
        """Yield the chunks that have no result, with the task."""
        stored = self._parts if isinstance(self._parts, PartsOnDisk) else None
        task_key = self._task.key if stored else ""
        taken, warned = 0, False
        for chunk in chunks_of(self._table, self._bounds, stored.folder if stored else None):
            key = chunk.key(task_key) if stored else ""
            report = self._parts.report(chunk.number, key)
            if report is not None:
                self.reports[chunk.number] = report
                self.resumed += report.series
                continue
            if stored and not warned and stored.is_stale(chunk.number):
                warn(f"{stored.folder} holds results of other data, options or versions; they are made anew")
                warned = True
            self._running[taken] = chunk.number, chunk.names, key
            taken += 1
            yield self._task, chunk

    def _keep(self, taken: int, result: Any) -> None:
        """Keep the result of the chunk that was taken as number `taken`."""
        number, names, key = self._running.pop(taken)
        if isinstance(result, FreerunError):  # its worker died. Another run tries again
            self.lost += len(names)
            self.reports[number] = Report(len(names), [(name, str(result)) for name in names])
            return
        table, report = result
        self._parts.add(number, key, table, report)
        self.reports[number] = report


def solve_shared(
    task: TogetherTask,
    table: LongTable,
    scratch: Path | None,
    workers: int | None,
    scheduler: str | None,
    progress: ProgressCallback | None,
) -> SharedModel:
    """Solve the shared readouts of a table. Moments are added up in the order of the chunks.

    Args:
        task: what the readouts are for.
        table: the table, its series counted.
        scratch: folder for temporary files; None takes that of the system.
        workers, scheduler, progress: see `Run.complete`. Small tables are read in this process.

    Raises:
        SearchError: no scheduler answers, or a worker died.
        KeyboardInterrupt: on Ctrl-C.
    """
    began = time.perf_counter()
    bounds = divide(table.rows)
    content = hashlib.sha256(task.key.encode())
    total: dict[Group, Moments] = {}
    waiting: dict[int, dict[Group, Moments]] = {}

    def read_chunks() -> Iterator[tuple[TogetherTask, Chunk]]:
        for chunk in chunks_of(table, bounds, scratch):
            content.update(chunk.key("").encode())
            yield task, chunk

    few = table.rows.sum() < FEW_ROWS and scheduler is None
    added = 0
    with closing(_engine(1 if few else workers, scheduler, len(bounds))) as engine:
        found = engine.run_tasks(sum_moments, read_chunks(), threads=False, ahead=AHEAD)
        with closing(found):  # pyright: ignore[reportArgumentType] - engines yield
            for number, moments in found:
                if isinstance(moments, FreerunError):
                    raise moments
                waiting[number] = moments
                while added in waiting:
                    total = sum_groups([total, waiting.pop(added)])
                    added += 1
                if progress is not None:
                    done, seconds = bounds[added - 1][1] if added else 0, time.perf_counter() - began
                    progress(Progress("series read", done, len(table.names), None, None, None, seconds))
    return SharedModel.solve(total, content.hexdigest())


def _engine(workers: int | None, scheduler: str | None, chunks: int) -> Engine:
    if scheduler is not None:
        return DaskEngine(scheduler, None)
    count = min(workers or cores(), chunks)
    return ProcessEngine(count) if count > 1 else LocalEngine()
