"""What the default costs and how good it is: this tree and an older one in turn, on the same works.

    .venv/bin/python benchmarks/default.py --old TREE --data DATA [--works seasonal200,...]
    [--repeats 3] [--json FILE]

TREE is a checkout of an older version (`git worktree add TREE 8c11601`); DATA is the folder of
development data (dysts, flows, ctf-lorenz, dsr, competitions). Every fit is a process of its own:
its processor seconds, start and imports included, are measured cold (FREERUN_CACHE an empty folder)
and warm (the same again), the trees in turn. `fit` is the part within the process that fits. Prints
medians, the ratio of old to new with its spread, and the scores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import works

TREE = Path(__file__).parent.parent

Scores = dict[str, float]


def seasonal(steps: int) -> Callable[[Path, int], Scores]:
    """A monthly series with a trend and a season of 12;
    the mean absolute error of a year over that of last year's."""

    def work(data: Path, seed: int) -> Scores:
        random, t = np.random.default_rng(seed), np.arange(steps + 12)
        season = random.normal(size=12).cumsum()[t % 12]
        values = 100 + 0.3 * t + 5 * season + random.normal(0, 2, len(t)).cumsum() * 0.3 + random.normal(0, 2, len(t))
        rnn, seconds = fit_default(values[:steps])
        forecast = rnn.forecast(12).iloc[:, 0].to_numpy()
        naive = np.abs(values[steps:] - values[steps - 12 : steps]).mean()
        return {"MASE": float(np.abs(forecast - values[steps:]).mean() / naive), "fit": seconds}

    return work


def mackey_glass(steps: int) -> Callable[[Path, int], Scores]:
    """The tutorial's series."""

    def work(data: Path, seed: int) -> Scores:
        import freerun

        series = freerun.systems.mackey_glass(steps + 1200, seed=seed)
        rnn, seconds = fit_default(series.between(0, steps))
        scores = rnn.evaluate(series, steps)
        return {"NRMSE84": float(scores.nrmse84 or np.nan), "VPT": float(scores.vpt), "fit": seconds}

    return work


def system(name: str) -> Callable[[Path, int], Scores]:
    """A problem of a work on systems (see `works.py`): the scores of `generate`,
    and of `forecast` where it counts."""

    def work(data: Path, seed: int) -> Scores:
        own = works.WORKS[name]
        problem = own.problems(data, SEEDS)[seed]
        rnn, seconds = fit_default(problem.training, seed=problem.seed)
        runs = [
            rnn.generate(run.steps, after=None if run.start == problem.split else problem.read(run)).values
            for run in problem.runs
        ]
        scores = {measure: float(np.mean(values)) for measure, values in problem.score(runs).items()}
        if own.forecast:
            forecast = problem.score([rnn.forecast(problem.runs[0].steps).to_numpy()])
            scores |= {f"{measure} of the forecast": values[0] for measure, values in forecast.items()}
        return scores | {"fit": seconds}

    return work


SEEDS = 3
"""Of works that have seeds."""

SYSTEMS = {
    "ctf": SEEDS,
    "lorenz": SEEDS,
    "ecg": SEEDS,
    "dysts100": 44,
    "dysts15": 44,
    "flows512": 45,
    "flows512-single": 45,
}
"""Works on systems, and how many of their problems are done."""


def wide(data: Path, seed: int) -> Scores:
    """60 channels of 300 steps."""
    random = np.random.default_rng(seed)
    common = np.sin(np.arange(310)[:, None] / random.uniform(2, 9, 4) + random.uniform(0, 6, 4))
    values = common @ random.normal(size=(4, 60)) + 0.3 * random.normal(size=(310, 60))
    rnn, seconds = fit_default(values[:300])
    errors = np.abs(rnn.forecast(10).to_numpy() - values[300:]).mean() / np.abs(np.diff(values, axis=0)).mean()
    return {"error": float(errors), "fit": seconds}


def long(data: Path, seed: int) -> Scores:
    """20000 steps of one channel: hours with a day and a week."""
    random, t = np.random.default_rng(seed), np.arange(20_024)
    values = np.sin(t * 2 * np.pi / 24) * (1 + 0.5 * (t // 24 % 7 < 5)) + 0.2 * random.normal(size=len(t))
    rnn, seconds = fit_default(values[:20_000])
    forecast = rnn.forecast(24).iloc[:, 0].to_numpy()
    return {"error": float(np.abs(forecast - values[20_000:]).mean()), "fit": seconds}


WORKS: dict[str, tuple[Callable[[Path, int], Scores], int]] = {
    "seasonal144": (seasonal(144), 3),
    "seasonal200": (seasonal(200), 3),
    "mackey-glass600": (mackey_glass(600), 3),
    "mackey-glass1500": (mackey_glass(1500), 3),
    "wide": (wide, 1),
    "long": (long, 1),
    **{name: (system(name), count) for name, count in SYSTEMS.items()},
}
"""The works by name, and how many seeds or systems each has."""


def fit_default(values: Any, **parameters: Any) -> tuple[Any, float]:
    """Fit the default, and measure processor seconds of the fit."""
    import freerun

    began = time.process_time()
    rnn = freerun.RNN(**parameters).fit(values)
    return rnn, time.process_time() - began


def run(tree: Path, work: str, seed: int, data: Path, cache: Path) -> tuple[float, float, Scores]:
    """Processor seconds and wall seconds of a process that does the work with
    the freerun of a tree, and its scores."""
    environment = {**os.environ, "PYTHONPATH": str((tree / "src").resolve()), "FREERUN_CACHE": str(cache)}
    command = [sys.executable, __file__, "--child", work, "--seed", str(seed), "--data", str(data)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{work} on {tree}: {done.stderr[-2000:]}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, wall, json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print a line for each work."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--old", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--repeats", type=int, default=0, help="seeds or systems of each work; 0 for all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(WORKS[arguments.child][0](arguments.data, arguments.seed)))
        return
    from machine import provenance

    trees = {"new": TREE} | ({"old": arguments.old} if arguments.old else {})
    rows: list[dict[str, Any]] = []
    for work in arguments.works.split(","):
        count = WORKS[work][1]
        for seed in range(min(count, arguments.repeats or count)):
            for name, tree in trees.items():
                with tempfile.TemporaryDirectory() as cache:
                    for state in ("cold", "warm") if arguments.old else ("cold",):
                        seconds, wall, scores = run(tree, work, seed, arguments.data, Path(cache))
                        row = {"work": work, "seed": seed, "tree": name, "state": state, "seconds": seconds}
                        rows.append(row | {"wall": wall, "scores": scores})
        report(work, [row for row in rows if row["work"] == work])
    if arguments.json:
        arguments.json.write_text(json.dumps({**provenance(), "rows": rows}, indent=1))


def report(work: str, rows: list[dict[str, Any]]) -> None:
    """Print medians of seconds and scores of each tree, and the ratio of old to new."""

    def of(tree: str, state: str) -> list[dict[str, Any]]:
        return [row for row in rows if row["tree"] == tree and row["state"] == state]

    for tree in ("old", "new"):
        for state in ("cold", "warm"):
            some = of(tree, state)
            if not some:
                continue
            scores = {k: np.array([row["scores"][k] for row in some]) for k in some[0]["scores"]}
            text = ", ".join(f"{k} {np.median(v):.4g} ({v.min():.3g} to {v.max():.3g})" for k, v in scores.items())
            print(f"{work} {tree} {state}: {np.median([row['seconds'] for row in some]):.2f} s; {text}", flush=True)
    for state in ("cold", "warm"):
        ratios = [a["seconds"] / b["seconds"] for a, b in zip(of("old", state), of("new", state), strict=False)]
        if ratios:
            print(f"{work} {state}: old / new {np.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
