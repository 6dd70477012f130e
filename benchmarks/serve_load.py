"""The service under load: requests a second and latencies of `freerun serve`, with 1,
8 and 32 clients at once.

The processor time of a request, in the service and its processes,
does not depend on what else the machine does.

    .venv/bin/python benchmarks/serve_load.py [--seconds 10] [--workers 2]

Fits a model of 144 months and one of 2000 steps of the Mackey-Glass series, and serves them. Each
client sends the same request again as soon as it is answered. In the end 32 clients meet a queue of
4, which refuses most of them. Prints a table and writes docs/reliability/serve.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pandas as pd
import psutil

import freerun
from freerun.files.writing import replacing
from machine import provenance

RECORD = Path(__file__).parents[1] / "docs" / "reliability" / "serve.json"

CLIENTS = (1, 8, 32)
"""Numbers of clients at once."""

REQUESTS = {
    "health": "/health",
    "forecast, 24 months, 2 levels": "/models/months/forecast?horizon=24&levels=80,95",
    "generate, 1000 steps": "/models/mackey-glass/generate?steps=1000",
}
"""What clients ask for, by the name in the table."""

SHORT_QUEUE = 4
"""Requests that may wait when more come than can be answered."""


def write_models(folder: Path) -> list[str]:
    """Write the two models, and return the names of their files."""
    months = np.arange(144)
    values = (100 + 2.5 * months) * (1 + 0.2 * np.sin(months * np.pi / 6)) + 5 * np.cos(months * 1.7)
    index = pd.date_range("1949-01-01", periods=144, freq="MS")
    freerun.RNN(cell="smoothing").fit(pd.DataFrame({"passengers": values}, index=index)).save(folder / "months.freerun")
    series = freerun.systems.mackey_glass(2000, seed=0)
    freerun.RNN(100, optimizer="ridge").fit(series).save(folder / "mackey-glass.freerun")
    return ["months.freerun", "mackey-glass.freerun"]


class Service:
    """A running service, which is stopped at the end of a `with` block."""

    def __init__(self, folder: Path, names: list[str], workers: int, queue: int) -> None:
        options = ("--port", "0", "--workers", str(workers), "--queue", str(queue))
        command = [sys.executable, "-m", "freerun", "serve", *names, *options]
        self._log = folder / "serve.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, cwd=folder, stderr=log)

    def __enter__(self) -> Service:
        """Wait until it answers."""
        until = time.monotonic() + 120
        while " at http://" not in (said := self._log.read_text()):
            if self._process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the service does not start\n{said}")
            time.sleep(0.1)
        self.address = said.partition(" at ")[2].partition(",")[0]
        return self

    def processor_seconds(self) -> float:
        """Processor time that it has taken so far, with its processes."""
        whole = psutil.Process(self._process.pid)
        times = [process.cpu_times() for process in (whole, *whole.children())]
        return sum(time.user + time.system for time in times)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)


async def load(service: Service, path: str, clients: int, seconds: float) -> dict[str, Any]:
    """Let clients ask again and again, and measure."""
    milliseconds: list[float] = []
    statuses: Counter[int] = Counter()
    end = time.perf_counter() + seconds

    async def ask(http: aiohttp.ClientSession) -> None:
        while (began := time.perf_counter()) < end:
            async with http.get(service.address + path) as answer:
                await answer.read()
            statuses[answer.status] += 1
            if answer.status == 200:
                milliseconds.append(1000 * (time.perf_counter() - began))

    began, before = time.perf_counter(), service.processor_seconds()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(ask(http) for _ in range(clients)))
    took, worked = time.perf_counter() - began, service.processor_seconds() - before
    low, high = np.percentile(milliseconds, (50, 95)).tolist()
    return {
        "clients": clients,
        "requests a second": round(len(milliseconds) / took, 1),
        "p50 ms": round(low, 1),
        "p95 ms": round(high, 1),
        "processor ms": round(1000 * worked / sum(statuses.values()), 2),
        "answers": dict(sorted(statuses.items())),
    }


def main() -> None:
    """Serve, put the load on, stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []

    def measure(name: str, service: Service, path: str, clients: int) -> None:
        rows.append({"request": name} | asyncio.run(load(service, path, clients, asked.seconds)))
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)

    with tempfile.TemporaryDirectory(prefix="freerun-serve-") as folder:
        names = write_models(Path(folder))
        with Service(Path(folder), names, asked.workers, queue=64) as service:
            for name, path in REQUESTS.items():
                for clients in CLIENTS:
                    measure(name, service, path, clients)
        with Service(Path(folder), names, asked.workers, SHORT_QUEUE) as service:
            *_, (name, path) = REQUESTS.items()
            measure(f"{name}, queue of {SHORT_QUEUE}", service, path, CLIENTS[-1])
    result = {**provenance(), "workers": asked.workers, "seconds": asked.seconds, "rows": rows}
    with replacing(RECORD) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
