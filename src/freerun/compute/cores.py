"""The processor cores and the memory that this process may use, and threads for NumPy."""

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
"""Most threads of `thread_map`. Each takes memory."""

NO_LIMIT = 2**16
"""Limit of cores by default, more than any machine has."""

_most_cores: ContextVar[int] = ContextVar("_most_cores", default=NO_LIMIT)
"""The limit that `limit_cores` sets."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores() -> int:
    """Return the number of cores that work in this context may use; see `limit_cores`."""
    return min(cores(), _most_cores.get())


@contextmanager
def limit_cores(most: int) -> Iterator[None]:
    """Limit the number of threads that work in parallel within this context.

    Work is divided in the same way under any limit. Results therefore stay the same to the bit.

    Args:
        most: most threads.
    """
    before = _most_cores.set(most)
    try:
        yield
    finally:
        _most_cores.reset(before)


def thread_map(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Apply a function to items on several threads, one per core, and yield the results in order.

    Linear algebra runs on the thread that calls it. If every thread used all cores, it would be
    many times slower. The last bits of a sum would also depend on the number of cores.
    """
    count = min(usable_cores(), MOST_THREADS, max(1, len(items)))
    with one_thread_each():
        if count == 1:
            yield from map(function, items)
        else:
            with ThreadPoolExecutor(count) as pool:
                yield from pool.map(function, items)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Run the linear algebra of NumPy and SciPy on the thread that calls it,
    within this context."""
    with libraries().limit(limits=1):
        yield


@cache
def libraries() -> ThreadpoolController:
    """Return the controller of the thread pools of NumPy's and SciPy's linear algebra."""
    import scipy.linalg  # noqa: F401 - the controller finds loaded libraries only

    return ThreadpoolController()


CONTAINER = Path("/sys/fs/cgroup/memory.max")
"""File in which Linux states the memory limit of a container in bytes (cgroups, version 2)."""


def physical_memory() -> int:
    """Return the memory of this machine or container in bytes;
    8 GiB if the system does not report it."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        machine = 2**33
    try:
        return min(machine, int(CONTAINER.read_text()))
    except (OSError, ValueError):  # no container, or no limit ("max")
        return machine
