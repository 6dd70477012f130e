"""What a benchmark ran on."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path
from typing import Any

from freerun.compute.cores import cores
from freerun.files.provenance import versions


def provenance() -> dict[str, Any]:
    """When and on what: the date, cores and processor,
    and the versions of freerun and what it computes with."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": ", ".join([f"{cores()} of {os.cpu_count()} cores, {_processor()}", *_gpus()]),
        "versions": versions("jax", "numpy"),
    }


def _gpus() -> list[str]:
    import jax

    return [device.device_kind for device in jax.devices() if device.platform == "gpu"]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
