"""The processor cores that this process may use, and threads for work by NumPy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 8
"""Threads of `spread` at most, since each takes memory."""

MOST_CORES = 2**16
"""More cores than a machine has."""

_most_cores: ContextVar[int] = ContextVar("_most_cores", default=MOST_CORES)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores_to_take() -> int:
    """How many cores work in this context may take."""
    return min(cores(), _most_cores.get())


@contextmanager
def on_cores(most: int) -> Iterator[None]:
    """Within this context no more threads than `most` work side by side.

    Into how many parts work is cut stays as it is, and so do results, to the bit.
    """
    before = _most_cores.set(most)
    try:
        yield
    finally:
        _most_cores.reset(before)


def spread(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The results of `function` for each of the items, in their order, on as many threads as there are cores to take.

    Linear algebra stays on the thread that calls it: threads that all use all cores are many times slower, and a sum
    that is cut by the number of cores differs in its last bits.
    """
    together = min(cores_to_take(), MOST_THREADS, max(1, len(items)))
    with one_thread_each():
        if together == 1:
            yield from map(function, items)
        else:
            with ThreadPoolExecutor(together) as pool:
                yield from pool.map(function, items)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Within this context NumPy's and SciPy's linear algebra runs on the thread that calls it."""
    with libraries().limit(limits=1):
        yield


@cache
def libraries() -> ThreadpoolController:
    """NumPy's and SciPy's libraries of linear algebra, with threads of their own."""
    import scipy.linalg  # noqa: F401 - its library has to be there to be found

    return ThreadpoolController()


CONTAINER = Path("/sys/fs/cgroup/memory.max")
"""Where Linux tells a process in a container how much memory it may use (cgroups, version 2)."""


def physical_memory() -> int:
    """Bytes of memory of this machine, or of the container; where the system does not say, 8 GiB."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        machine = 2**33
    try:
        return min(machine, int(CONTAINER.read_text()))
    except (OSError, ValueError):  # there is none, or it may use all ("max")
        return machine
