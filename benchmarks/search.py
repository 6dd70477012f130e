"""How good and how fast a search is: `python benchmarks/search.py [WORK ...]`.

    readouts, networks, short
              trials a minute beside a plain Optuna loop that calls `fit` for the same settings,
              one by one
    quality   100 trials on the tutorial's series beside the default
    scaling   1 to 4 Dask workers on this machine
    database  what SQLite and PostgreSQL take: trials a second from 1, 2 and 4 processes

Prints tables, keeps all numbers in docs/benchmarks/search.json and writes
docs/benchmarks/search.md. PostgreSQL is measured where $FREERUN_POSTGRES has the URL of a database
in which tables may be made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from distributed import LocalCluster

import freerun
from freerun.search import search
from freerun.search.purpose import Purpose
from freerun.search.space import Space
from freerun.search.study import Study
from freerun.search.trials import Outcome
from freerun.selection.holdout import held_out
from freerun.selection.judge import Judge
from freerun.selection.policies import PENALTIES
from freerun.settings import Settings
from machine import provenance

PAGES = Path(__file__).parent.parent / "docs" / "benchmarks"
ROUNDS = 2
WRITES = 200
"""Trials that each process writes."""

CONTESTS: dict[str, tuple[int, dict[str, Any], int]] = {
    "readouts": (60, {}, 1),
    "networks": (32, {"hidden": 15, "optimizer": "adam"}, 2),
    "short": (48, {"hidden": 15, "optimizer": "adam", "epochs": 300}, 2),
}
"""How many trials, the settings that all share, and in how many processes,
as `freerun search` has it on two cores."""


def training(seed: int = 0) -> freerun.Series:
    """The tutorial's series."""
    return freerun.systems.mackey_glass(2700, seed=seed).between(0, 1500)


def searched(name: str, folder: Path) -> dict[str, Any]:
    """The seconds of a search from nothing, and what was tried."""
    count, given, workers = CONTESTS[name]
    began = time.perf_counter()
    found = search(training(), count, settings=given, storage=folder / "study.sqlite", workers=workers)
    seconds = time.perf_counter() - began
    study = optuna.load_study(storage=f"sqlite:///{folder / 'study.sqlite'}", study_name="search")
    tried = [trial.user_attrs["outcome"]["settings"] for trial in study.trials]
    return {
        "seconds": seconds,
        "tried": tried,
        "error": found.best.error,
        "stopped": int((~found.trials.finished).sum()),
    }


def looped(tried: list[str]) -> dict[str, Any]:
    """The seconds of a plain Optuna loop: each of the settings is
    fitted and let run free over two folds."""
    series = training()
    settings = [Settings.checked(**json.loads(one)) for one in tried]
    count = held_out(settings[0], len(series), choosing=True)

    def objective(trial: optuna.Trial) -> float:
        one = settings[trial.suggest_int("settings", 0, len(settings) - 1)]
        errors = []
        for fold in range(2):
            end = len(series) - fold * count
            try:
                rnn = freerun.RNN(**one.model_dump()).fit(series.between(0, end - count))
                run = rnn.generate(count).values
            except freerun.errors.FreerunError:
                return 1.0
            error = np.abs(run - series.values[end - count : end]) / series.deviation
            errors.append(float(np.minimum(error, 1.0).mean()))
        return float(np.mean(errors))

    study = optuna.create_study()
    for number in range(len(settings)):
        study.enqueue_trial({"settings": number})
    began = time.perf_counter()
    study.optimize(objective, n_trials=len(settings))
    return {"seconds": time.perf_counter() - began, "error": study.best_value}


def alone(part: str, argument: Any) -> Any:
    """What a part gives in a process of its own, that finds no program compiled."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--part", part],
            input=json.dumps({"argument": argument, "folder": folder}),
            env={**os.environ, "FREERUN_CACHE": f"{folder}/compiled"},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    return json.loads(done.stdout)


def pace(name: str) -> Iterator[dict[str, Any]]:
    """Trials a minute of a contest."""
    count = CONTESTS[name][0]
    for number in range(ROUNDS):
        ours = alone("searched", name)
        theirs = alone("looped", ours["tried"])
        yield {
            "round": number,
            "trials": count,
            "stopped early": ours["stopped"],
            "freerun, trials a minute": 60 * count / ours["seconds"],
            "plain loop, trials a minute": 60 * count / theirs["seconds"],
            "ratio": theirs["seconds"] / ours["seconds"],
        }


def readouts() -> Iterator[dict[str, Any]]:
    """Trials a minute beside a plain Optuna loop: readouts that are solved, the default."""
    yield from pace("readouts")


def networks() -> Iterator[dict[str, Any]]:
    """The same with networks that are trained: 15 units, Adam, 1000 epochs, in two processes."""
    yield from pace("networks")


def short() -> Iterator[dict[str, Any]]:
    """The same with 300 epochs, where compiling takes most of the time."""
    yield from pace("short")


def quality() -> Iterator[dict[str, Any]]:
    """100 trials on the tutorial's series beside the default."""
    for seed in range(5):
        series = freerun.systems.mackey_glass(2700, seed=seed)
        learned = series.between(0, 1500)
        given = Settings.checked(optimizer="ridge", restarts=1, members=1)
        judge = Judge(given, [learned])
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            found = search(learned, 100, storage=Path(folder) / "study.sqlite")
            took = time.perf_counter() - began
        began = time.perf_counter()
        default = freerun.RNN().fit(learned)
        for who, rnn, seconds in (("search", found.rnn, took), ("default", default, time.perf_counter() - began)):
            scores = rnn.evaluate(series, 1500)
            yield {
                "who": who,
                "data seed": seed,
                "held-out error": judge(rnn.model_.best.settings, PENALTIES).error,
                "NRMSE84": scores.nrmse84,
                "VPT": scores.vpt,
                "seconds": seconds,
            }


def scaled(workers: int, folder: Path) -> dict[str, Any]:
    """The seconds of the trials of a search on a number of workers, from the first to the last."""
    moments: list[float] = []
    with closing(LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")) as cluster:
        found = search(
            training(),
            64,
            storage=folder / "study.sqlite",
            scheduler=cluster.scheduler_address,
            watch=lambda _: moments.append(time.perf_counter()),
        )
    return {"seconds": moments[-1] - moments[0], "error": found.best.error}


def scaling() -> Iterator[dict[str, Any]]:
    """1 to 4 Dask workers on this machine."""
    first = None
    for workers in (1, 2, 3, 4):
        for number in range(ROUNDS):
            done = alone("scaled", workers)
            first = first or done["seconds"]
            yield {
                "workers": workers,
                "round": number,
                "seconds": done["seconds"],
                "speed-up": first / done["seconds"],
                "efficiency": first / done["seconds"] / workers,
                "best error": done["error"],
            }


def write(place: tuple[str, str]) -> float:
    """The seconds in which one process asks for and finishes trials without judging them."""
    storage, name = place
    given = Settings.checked(optimizer="ridge")
    series = [training()]
    space = Space.of(given, series, {})
    study = Study.join(storage, name, Purpose.of(series, space, 2), space.first_proposals(series))
    began = time.perf_counter()
    for _ in range(WRITES // 20):
        for asked in study.ask(20, space, os.getpid()):
            study.tell(asked, Outcome(asked.settings, (0.5, 0.4), finished=True))
    return time.perf_counter() - began


def database() -> Iterator[dict[str, Any]]:
    """What SQLite and PostgreSQL take."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"SQLite": str(Path(folder) / "study.sqlite")}
        if url := os.environ.get("FREERUN_POSTGRES"):
            places["PostgreSQL"] = url
        for who, storage in places.items():
            for processes in (1, 2, 4):
                name = f"writes-{processes}-{time.time_ns()}"
                with ProcessPoolExecutor(processes) as pool:
                    seconds = list(pool.map(write, [(storage, name)] * processes))
                yield {
                    "database": who,
                    "processes": processes,
                    "trials a second": processes * WRITES / max(seconds),
                    "seconds a trial in a process": float(np.median(seconds)) / WRITES,
                }


PARTS: dict[str, Callable[[Any, Path], Any]] = {
    "searched": searched,
    "looped": lambda tried, _: looped(tried),
    "scaled": scaled,
}


WORKS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "readouts": readouts,
    "networks": networks,
    "short": short,
    "quality": quality,
    "scaling": scaling,
    "database": database,
}


def summary(work: str, rows: list[dict[str, Any]]) -> list[str]:
    """Medians over rounds or seeds, smallest and largest in brackets, as a Markdown table."""
    keys = {"quality": ("who",), "scaling": ("workers",), "database": ("database", "processes")}.get(work, ("trials",))
    names = [name for name in rows[0] if name not in (*keys, "round", "data seed")]
    lines = ["| " + " | ".join([*keys, *names]) + " |", "|---" * (len(keys) + len(names)) + "|"]
    for key in dict.fromkeys(tuple(row[k] for k in keys) for row in rows):
        own = [row for row in rows if tuple(row[k] for k in keys) == key]
        lines.append(
            "| " + " | ".join([*map(str, key), *(_spread([row[name] for row in own]) for name in names)]) + " |"
        )
    return lines


def _spread(values: list[float]) -> str:
    middle, low, high = float(np.median(values)), min(values), max(values)
    return _number(middle) if low == high else f"{_number(middle)} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def page(results: dict[str, Any]) -> str:
    """The page that shows all results."""
    parts = [
        "# Search",
        "Medians, smallest and largest in brackets. Printed by `python benchmarks/search.py`; all numbers are in "
        "[search.json](search.json). What the numbers mean for a cluster: [the plan on paper](../search.md#on-paper).",
    ]
    for work in WORKS:
        if work not in results:
            continue
        result = results[work]
        parts += [
            f"## {result['what']}",
            f"{result['machine']}, {result['date']}",
            "\n".join(summary(work, result["rows"])),
        ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Run the works that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", nargs="*", default=list(WORKS), help=f"some of: {', '.join(WORKS)}; default: all")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, default=PAGES / "search.json")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.part:
        asked = json.load(sys.stdin)
        print(json.dumps(PARTS[arguments.part](asked["argument"], Path(asked["folder"]))))
        return
    results = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    for work in arguments.works:
        print(f"## {WORKS[work].__doc__}", flush=True)
        rows = []
        for row in WORKS[work]():
            rows.append(row)
            print(row, flush=True)
        results[work] = {"what": str(WORKS[work].__doc__), **provenance(), "rows": rows}
        print("\n".join(summary(work, rows)))
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    arguments.json.with_suffix(".md").write_text(page(results))


if __name__ == "__main__":
    main()
