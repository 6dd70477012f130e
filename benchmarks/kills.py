"""Processes killed at random moments: their files are whole,
and they go on and end as if nothing had happened.

    .venv/bin/python benchmarks/kills.py [fit] [recipes] [search] [worker] [--kills 200] [--seed 0]

Each work is done once undisturbed. Then it is started, killed with SIGKILL after a random time and
started again until it is done, again and again up to the number of kills that was asked for. After
each kill, every file that is left is opened. The network of each must be that of the undisturbed
one, to the last bit. Prints a table and writes docs/reliability/kills.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import freerun
from freerun.files.archive import read_archive
from freerun.files.writing import replacing
from freerun.studio.learn.store import Source, Store
from freerun.studio.learn.trainings import TrainingJobs
from freerun.studio.records import read_note
from machine import provenance

RECORD = Path(__file__).parents[1] / "docs" / "reliability" / "kills.json"

TRAINED: dict[str, Any] = {"hidden": 6, "cell": "simple", "delays": 2, "optimizer": "adam", "epochs": 30_000}
"""What is trained: seconds of work, so that kills find it in all of its parts."""


def series() -> freerun.Series:
    """What all works learn."""
    return freerun.systems.mackey_glass(400, seed=0)


def options(settings: dict[str, Any]) -> list[str]:
    """Settings as options of the command line."""
    return [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]


class Command:
    """A command that is given in a folder until it is done, and leaves `m.freerun`."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def prepare(self, folder: Path) -> None:
        """Make the folder ready."""
        folder.mkdir()
        series().write(folder / "s.csv")

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """Begin, or go on."""
        with (folder / "log.txt").open("wb") as log:
            command = [sys.executable, "-m", "freerun", *self._words]
            return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)

    def model(self, folder: Path) -> Path:
        """What is there in the end."""
        return folder / "m.freerun"


class Worker:
    """The process in which the studio trains."""

    def prepare(self, folder: Path) -> None:
        """Keep a run in a store."""
        store = Store(folder)
        run = store.add("run", series(), Source("file.csv"), 300, TRAINED)
        TrainingJobs(store).train(run)
        TrainingJobs(store).kill(run.id)

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """Resume the run, as its button does."""
        store = Store(folder)
        jobs = TrainingJobs(store)
        jobs.record_endings()
        run = store.get(1)
        if run.state == "done":
            return subprocess.Popen(["true"])
        assert run.state in ("running", "killed"), run
        jobs.resume(run.id)
        return jobs._processes[run.id]

    def model(self, folder: Path) -> Path:
        """What is there in the end."""
        result = read_note(folder / "runs" / "1", "result")
        assert isinstance(result, dict)
        assert result["state"] == "done"
        return Store(folder).model_of(1)


Work = Command | Worker

WORKS: dict[str, Callable[[], Work]] = {
    "fit": lambda: Command("fit", "s.csv", "-o", "m.freerun", "--checkpoint-every", "0.1", *options(TRAINED)),
    "recipes": lambda: Command("fit", "s.csv", "-o", "m.freerun", "--checkpoint-every", "0", "--hidden", "120"),
    "search": lambda: Command(
        *("search", "s.csv", "-o", "m.freerun", "--trials", "24", "--set", "hidden=40", "--set", "cell=memoryless"),
        *("--set", "optimizer=ridge", "--set", "difference=0"),
    ),
    "worker": Worker,
}


@dataclass
class Count:
    """Counts of one work: kills, finished runs, files and faults."""

    kills: int = 0
    done: int = 0
    files: int = 0
    left_beside: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


def examine(folder: Path, count: Count) -> None:
    """Open every file of a folder; temporary files are counted and removed."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in (".txt", ".sqlite-journal") or path.name.endswith("-journal"):
            continue
        if path.name.startswith("."):
            count.left_beside += 1
            path.unlink()
            continue
        count.files += 1
        try:
            if path.suffix == ".freerun":
                freerun.load(path)
            elif path.suffix == ".checkpoint":
                read_archive(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".sqlite":
                with closing(sqlite3.connect(path)) as connection:
                    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            else:
                freerun.Series.read(path)
        except Exception as error:
            count.faults.append(f"{path.name}: {type(error).__name__}: {error}")


def read_weights(path: Path) -> list[np.ndarray]:
    """Read all numbers of the networks in a model."""
    return [
        np.asarray(array)
        for one in freerun.load(path).model_.members
        for array in (*one.network.arrays(), one.run_start.state.past, one.run_start.value)
    ]


def kill_and_compare(work: Work, kills: int, folder: Path, draw: random.Random) -> Count:
    """Kill a work at random moments, and compare its model with that of an undisturbed run."""
    count, began = Count(), time.monotonic()
    whole = folder / "whole"
    work.prepare(whole)
    assert work.start(whole).wait(600) == 0, (whole / "log.txt").read_text()
    expected = read_weights(work.model(whole))
    start = time.monotonic()
    again = folder / "again"
    work.prepare(again)
    work.start(again).wait(600)
    length = time.monotonic() - start
    for number in range(kills):
        if count.kills >= kills:
            break
        place = folder / str(number)
        work.prepare(place)
        while True:
            process = work.start(place)
            try:
                process.wait(draw.uniform(0.0, 1.1 * length) if count.kills < kills else 600)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                count.kills += 1
                examine(place, count)
                continue
            break
        if process.returncode != 0:
            log = [path.read_text()[-500:] for path in place.rglob("log.txt")]
            count.faults.append(f"status {process.returncode}: {log}")
            continue
        count.done += 1
        if not all(map(np.array_equal, expected, read_weights(work.model(place)))):
            count.faults.append("another network than undisturbed")
        examine(place, count)
        print(f"{count.kills} of {kills} kills, {count.done} done, faults: {count.faults}", file=sys.stderr, flush=True)
    count.seconds = round(time.monotonic() - began)
    return count


def main() -> None:
    """Kill works, print the counts and keep them in a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", default=list(WORKS), metavar="WORK")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for name in asked.works:
        with tempfile.TemporaryDirectory(prefix="freerun-kills-") as folder:
            os.environ["FREERUN_CACHE"] = str(Path(folder, "compiled"))
            count = kill_and_compare(WORKS[name](), asked.kills, Path(folder), random.Random(asked.seed))
        print(
            f"{name:<8} {count.kills} kills, {count.done} done and equal to the undisturbed one, {count.files} files "
            f"whole, {count.left_beside} unfinished beside, faults: {count.faults or 'none'}"
        )
        known[name] = provenance() | vars(count)
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        with replacing(RECORD) as beside:
            beside.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
