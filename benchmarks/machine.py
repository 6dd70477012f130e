"""What a benchmark ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import jax
import numpy as np

import freerun


def machine() -> str:
    """Cores and processor."""
    return f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, {_processor()}"


def versions() -> dict[str, str]:
    """Of freerun and what it computes with."""
    return {"freerun": freerun.__version__, "jax": jax.__version__, "numpy": np.__version__}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
