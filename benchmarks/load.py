"""The studio under load: many visitors at once, three trainings all the time, for an hour.

    .venv/bin/python benchmarks/load.py [--minutes 60] [--visitors 50]

Starts `freerun studio` in a folder of its own. Each visitor loads the page as a browser does, keeps
its socket open, does something every few seconds, measures how long the page takes to answer, and
now and then leaves and comes back. Prints a table and writes docs/reliability/load.json.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil
import socketio
from socketio.exceptions import SocketIOError

from freerun.files.writing import replacing
from freerun.studio.learn.store import Run, Store
from machine import provenance

RECORD = Path(__file__).parents[1] / "docs" / "reliability" / "load.json"

TRAININGS = 3
"""Runs that are trained at any time."""

PAUSE = (1.0, 5.0)
"""Seconds that a visitor looks at the page before the next click, at least and at most."""

ARRIVE = 30.0
"""Seconds in which the first visitors come, one after the other."""

STAYS = 180.0
"""Seconds that a visitor stays on average before the page is loaded anew."""

PATIENCE = 20.0
"""Seconds after which an answer counts as lost."""

WARM = 0.2
"""Share of the time that passes before the memory is compared: until then caches fill."""

SAMPLES_EVERY = 5.0
"""Seconds between two looks at the memory."""

JOB = {"hidden": "15", "epochs": "60000", "optimizer": "adam"}
"""What a training is asked for: minutes of work."""

SPLIT = 1500
"""Where the page splits the series that it makes."""

_ESCAPES = (("&#36;", "$"), ("&#96;", "`"), ("&gt;", ">"), ("&lt;", "<"), ("&amp;", "&"))


@dataclass
class Tally:
    """What all visitors saw: milliseconds of each answer by what was done,
    and what was never answered."""

    answers: dict[str, list[float]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def note(self, what: str, began: float) -> None:
        self.answers.setdefault(what, []).append(1000.0 * (time.perf_counter() - began))


class Visitor:
    """One browser on the page "Watch it learn", without the browser."""

    def __init__(self, address: str, http: aiohttp.ClientSession, tally: Tally) -> None:
        self._address, self._http, self._tally = address, http, tally
        self._elements: dict[str, dict[str, Any]] = {}
        self._socket = socketio.AsyncClient(reconnection=False)
        self._awaited: set[str] = set()
        self._answered = asyncio.Event()
        self._client, self._next, self._split = "", 0, SPLIT

    async def enter(self) -> None:
        """Load the page and open its socket."""
        began = time.perf_counter()
        async with self._http.get(f"{self._address}/learn") as answer:
            text = await answer.text()
        raw = re.findall(r"parseElements\(String\.raw`(.*?)`\)", text, re.DOTALL)[0]
        for code, sign in _ESCAPES:
            raw = raw.replace(code, sign)
        self._elements = json.loads(raw)
        query = ast.literal_eval(re.findall(r"query: (\{.*?\}),\n", text)[0])
        self._client, self._next = query["client_id"], query["next_message_id"]
        asked = {**query, "implicit_handshake": "true", "document_id": uuid.uuid4().hex, "tab_id": uuid.uuid4().hex}
        self._socket.on("update", self._take)
        self._socket.on("*", self._count)
        parameters = "&".join(f"{name}={value}" for name, value in asked.items())
        await self._socket.connect(
            f"{self._address}?{parameters}", transports=["websocket"], socketio_path="/_nicegui_ws/socket.io"
        )
        self._tally.note("open the page", began)

    async def leave(self) -> None:
        """Close the tab."""
        await self._socket.disconnect()

    async def stay(self, until: float) -> None:
        """Click now and then."""
        doings = (self._move_split, self._move_split, self._change_system, self._change_view, self._download)
        while time.monotonic() < until and self._socket.connected:
            await asyncio.sleep(random.uniform(*PAUSE))
            await random.choice(doings)()
            await self._socket.emit("ack", {"client_id": self._client, "next_message_id": self._next})

    async def train(self) -> None:
        """Fill in the settings and press Train."""
        for name, value in JOB.items():
            element = self._found("label", name)
            options = self._elements[element]["props"].get("options")
            labels = [option["label"] for option in options or []]
            chosen = {"value": labels.index(value), "label": value} if options else value
            await self._emit(element, "update:modelValue", chosen)
        await self._ask("press Train", self._found("label", "Train"), "click", None, [self._found("row-key", "id")])

    async def _move_split(self) -> None:
        slider = self._found("aria-label", "First step that is not trained on")
        charts = [self._found("aria-label", "The series and the split")]
        at = random.choice([step for step in range(200, 1800) if step != self._split])
        await self._ask("move the split", slider, "update:modelValue", at, charts)
        self._split = at

    async def _change_system(self) -> None:
        seed = self._found("label", "Seed")
        charts = [self._found("aria-label", "The series and the split")]
        await self._ask("make a series", seed, "update:modelValue", str(random.randint(1, 10**6)), charts)
        self._split = SPLIT

    async def _change_view(self) -> None:
        toggle = self._found("aria-label", "View")
        shown = self._elements[toggle]["props"].get("model-value")
        view = random.choice([i for i in (0, 2, 3) if i != shown])
        self._elements[toggle]["props"]["model-value"] = view
        about = [name for name, e in self._elements.items() if e.get("props", {}).get("aria-label") == "Attractor"]
        await self._ask("change the view", toggle, "update:modelValue", view, [toggle, *about])

    async def _download(self) -> None:
        began = time.perf_counter()
        async with self._http.get(f"{self._address}/runs/1.csv") as answer:
            await answer.read()
        self._tally.note("download a run", began)

    async def _ask(self, what: str, element: str, event: str, value: Any, awaited: Sequence[str]) -> None:
        """Send an event, and wait until one of the elements changes."""
        self._awaited, began = set(awaited), time.perf_counter()
        self._answered.clear()
        await self._emit(element, event, value)
        try:
            await asyncio.wait_for(self._answered.wait(), PATIENCE)
        except TimeoutError:
            if self._socket.connected:
                self._tally.lost.append(what)
            return
        self._tally.note(what, began)

    async def _emit(self, element: str, event: str, value: Any) -> None:
        listener = next(e["listener_id"] for e in self._elements[element]["events"] if e["type"] == event)
        message = {"id": int(element), "client_id": self._client, "listener_id": listener, "args": [json.dumps(value)]}
        await self._socket.emit("event", message)

    def _found(self, name: str, value: str) -> str:
        return next(i for i, e in self._elements.items() if e.get("props", {}).get(name) == value)

    async def _take(self, changed: dict[str, Any]) -> None:
        self._next = max(self._next, changed.pop("_id", 0) + 1)
        if self._awaited & set(changed):
            self._answered.set()

    async def _count(self, _: str, message: Any) -> None:
        if isinstance(message, dict):
            self._next = max(self._next, message.get("_id", 0) + 1)


async def visit(address: str, http: aiohttp.ClientSession, tally: Tally, late: float, end: float) -> None:
    """One visitor after another on one seat, the first after a number of seconds."""
    await asyncio.sleep(late)
    while time.monotonic() < end:
        visitor = Visitor(address, http, tally)
        try:
            await visitor.enter()
            await visitor.stay(min(end, time.monotonic() + random.expovariate(1.0 / STAYS)))
            await visitor.leave()
        except (aiohttp.ClientError, SocketIOError) as error:
            tally.lost.append(f"the page ({error})")
            await asyncio.sleep(1.0)


async def keep_training(address: str, http: aiohttp.ClientSession, tally: Tally, store: Store, end: float) -> None:
    """Press Train whenever fewer runs are being trained than there should be."""
    while time.monotonic() < end:
        visitor = Visitor(address, http, tally)
        try:
            await visitor.enter()
            while time.monotonic() < end:
                if len(store.running()) < TRAININGS:
                    await visitor.train()
                await asyncio.sleep(1.0)
            await visitor.leave()
        except (aiohttp.ClientError, SocketIOError) as error:
            tally.lost.append(f"the page ({error})")


async def watch_memory(process: psutil.Process, end: float) -> list[tuple[float, float]]:
    """Seconds since the beginning, and MiB of the server's own memory."""
    began, samples = time.monotonic(), []
    while time.monotonic() < end:
        samples.append((time.monotonic() - began, process.memory_full_info().uss / 2**20))
        await asyncio.sleep(SAMPLES_EVERY)
    return samples


async def watch_itself(tally: Tally, end: float) -> None:
    """How late this program itself is, which adds to what it measures."""
    while time.monotonic() < end:
        began = time.perf_counter()
        await asyncio.sleep(0.05)
        tally.own.append(1000.0 * (time.perf_counter() - began) - 50.0)


async def load(address: str, server: psutil.Process, store: Store, visitors: int, seconds: float) -> dict[str, Any]:
    """Put the load on, and say what came of it."""
    tally, end = Tally(), time.monotonic() + seconds
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        seats = [visit(address, http, tally, ARRIVE * i / visitors, end) for i in range(visitors)]
        samples, *_ = await asyncio.gather(
            watch_memory(server, end), keep_training(address, http, tally, store, end), watch_itself(tally, end), *seats
        )
    return {"memory": samples, "answers": tally.answers, "lost": tally.lost, "own": tally.own}


def finished(store: Store, patience: float = 600.0) -> list[Run]:
    """All runs, once the last has ended."""
    until = time.monotonic() + patience
    while time.monotonic() < until and store.running():
        time.sleep(1.0)
    return store.all()


def summary(found: dict[str, Any], runs: list[Run], visitors: int, seconds: float) -> dict[str, Any]:
    """The figures of the page in the docs."""
    everything = np.concatenate([np.array(times) for times in found["answers"].values()])
    memory = np.array(found["memory"])
    warm = memory[memory[:, 0] >= WARM * memory[-1, 0], 1]
    tenth = max(1, len(warm) // 10)
    first, last = float(np.median(warm[:tenth])), float(np.median(warm[-tenth:]))
    return {
        **provenance(),
        "visitors": visitors,
        "minutes": round(seconds / 60, 1),
        "interactions": int(everything.size),
        "milliseconds": {
            name: {f"p{q}": round(float(np.percentile(times, q)), 1) for q in (50, 90, 99)} | {"count": len(times)}
            for name, times in {"all": everything, **found["answers"], "this program late": found["own"]}.items()
        },
        "lost answers": found["lost"],
        "memory MiB": {"after warm-up": round(first, 1), "at the end": round(last, 1)},
        "memory growth": round(last / first - 1.0, 4),
        "runs": {state: sum(run.state == state for run in runs) for state in sorted({run.state for run in runs})},
        "memory samples": [[round(at), round(size, 1)] for at, size in found["memory"][:: max(1, len(memory) // 120)]],
    }


def main() -> None:
    """Start the studio, put the load on, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--visitors", type=int, default=50)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="freerun-load-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = ("-m", "freerun", "studio", "--folder", folder, "--port", str(port), "--no-show", "--quiet")
        log = Path(folder, "server.log")
        with log.open("wb") as said:
            server = subprocess.Popen([sys.executable, *command], stdout=said, stderr=said)
        address = f"http://127.0.0.1:{port}"
        asyncio.run(_until_there(address))
        store, seconds = Store(Path(folder)), 60.0 * asked.minutes
        try:
            found = asyncio.run(load(address, psutil.Process(server.pid), store, asked.visitors, seconds))
            result = summary(found, finished(store), asked.visitors, seconds)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
        result["words of the server"] = log.read_text(errors="replace")[-2000:]
    for name, times in result["milliseconds"].items():
        print(f"{name:<18}", "  ".join(f"{key} {value:g}" for key, value in times.items()), "(ms)")
    print("memory (MiB):", result["memory MiB"], f"growth {result['memory growth']:+.1%}")
    print("runs:", result["runs"], " lost answers:", result["lost answers"])
    print(result["words of the server"])
    with replacing(RECORD) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n")


async def _until_there(address: str) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(300):
            try:
                async with http.get(address):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise SystemExit("the studio does not start")


if __name__ == "__main__":
    main()
