"""What the default costs and how good it is: this tree and an older one in turn, on the same works.

    .venv/bin/python benchmarks/default.py --old TREE --data DATA [--works seasonal200,...] [--repeats 3] [--json FILE]

TREE is a checkout of an older version (`git worktree add TREE 8c11601`); DATA is the folder of development data (dysts,
flows, ctf-lorenz, dsr, competitions). Every fit is a process of its own: its processor seconds, start and imports
included, are measured cold (FREERUN_CACHE an empty folder) and warm (the same again), the trees in turn. `fit` is the
part within the process that fits. Prints medians, the ratio of old to new with its spread, and the scores.
"""

from __future__ import annotations

import argparse
import gzip
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

TREE = Path(__file__).parent.parent

Scores = dict[str, float]


def seasonal(steps: int) -> Callable[[Path, int], Scores]:
    """A monthly series with a trend and a season of 12; the mean absolute error of a year over that of last year's."""

    def work(data: Path, seed: int) -> Scores:
        random, t = np.random.default_rng(seed), np.arange(steps + 12)
        season = random.normal(size=12).cumsum()[t % 12]
        values = 100 + 0.3 * t + 5 * season + random.normal(0, 2, len(t)).cumsum() * 0.3 + random.normal(0, 2, len(t))
        rnn, seconds = fitted(values[:steps])
        forecast = rnn.forecast(12).iloc[:, 0].to_numpy()
        naive = np.abs(values[steps:] - values[steps - 12 : steps]).mean()
        return {"MASE": float(np.abs(forecast - values[steps:]).mean() / naive), "fit": seconds}

    return work


def mackey_glass(steps: int) -> Callable[[Path, int], Scores]:
    """The tutorial's series."""

    def work(data: Path, seed: int) -> Scores:
        import freerun

        series = freerun.systems.mackey_glass(steps + 1200, seed=seed)
        rnn, seconds = fitted(series.between(0, steps))
        scores = rnn.evaluate(series, steps)
        return {"NRMSE84": float(scores.nrmse84 or np.nan), "VPT": float(scores.vpt), "fit": seconds}

    return work


def ctf(data: Path, seed: int) -> Scores:
    """CTF Lorenz, clean: E1 of the next 20 steps, E2 of the histograms of the last 500 of 1000."""
    train, test = (np.load(data / "ctf-lorenz" / name) for name in ("X1train.npy", "X1test.npy"))
    rnn, seconds = fitted(train, seed=seed)
    run = rnn.generate(1000).values
    error = 100 * (1 - np.linalg.norm(run[:20] - test[:20], 2) / np.linalg.norm(test[:20], 2))
    return {"E1": float(error), "E2": _histograms(test[-500:], run[-500:]), "fit": seconds}


def _histograms(truth: np.ndarray, run: np.ndarray) -> float:
    shares = []
    for a, b in zip(truth.T, run.T, strict=True):
        edges = np.linspace(min(a.min(), b.min()), max(a.max(), b.max()), 42)
        first, second = np.histogram(a, edges)[0], np.histogram(b, edges)[0]
        shares.append(np.abs(first - second).sum() / first.sum())
    return float(100 * (1 - np.mean(shares)))


def reconstruction(train: str, test: str) -> Callable[[Path, int], Scores]:
    """A long sample of a system: D_stsp and D_H of a long run."""

    def work(data: Path, seed: int) -> Scores:
        import freerun

        values = np.load(data / "dsr" / train).astype(float)
        after = np.load(data / "dsr" / test).astype(float)
        rnn, seconds = fitted(values, seed=seed)
        run = rnn.generate(len(after) + len(after) // 4).values[len(after) // 4 :]
        return {
            "D_stsp": float(freerun.metrics.state_space_divergence(after, run)),
            "D_H": float(freerun.metrics.spectrum_distance(after, run)),
            "fit": seconds,
        }

    return work


def dysts(points: int, steps: int, ahead: int) -> Callable[[Path, int], Scores]:
    """One system of dysts, the seed its number: sMAPE of the best network and of the forecast."""

    def work(data: Path, seed: int) -> Scores:
        file = data / "dysts" / f"univariate_pts{points}_dev44.json.gz"
        systems = json.loads(gzip.decompress(file.read_bytes()))
        system = systems[sorted(systems)[seed]]
        values = np.array(system["values"], float)[: steps + ahead]
        rnn, seconds = fitted(values[:steps])
        truth = values[steps:]
        runs = rnn.generate(ahead).values[:, 0], rnn.forecast(ahead).iloc[:, 0].to_numpy()
        best, combined = (float(np.mean(200 * np.abs(truth - r) / (np.abs(truth) + np.abs(r)))) for r in runs)
        return {
            "generate": best,
            "forecast": combined,
            "NBEATS": system["published_smape"]["NBEATSModel"],
            "fit": seconds,
        }

    return work


def flows(steps: int, channels: int | None) -> Callable[[Path, int], Scores]:
    """One flow, the seed its number: valid prediction time in periods, 10 at most."""

    def work(data: Path, seed: int) -> Scores:
        systems = np.load(data / "flows" / "trajectories_dev.npz")
        values = systems[sorted(systems.files)[seed]].astype(float)[: steps + 300, :channels]
        values = (values - values[:steps].mean(axis=0)) / values[:steps].std(axis=0)
        rnn, seconds = fitted(values[:steps])
        runs = rnn.generate(300).values, rnn.forecast(300).to_numpy()
        best, combined = (_periods(values[steps:], run) for run in runs)
        return {"generate": best, "forecast": combined, "fit": seconds}

    return work


def _periods(truth: np.ndarray, run: np.ndarray) -> float:
    errors = 200 * np.abs(truth - run) / (np.abs(truth) + np.abs(run))
    running = np.cumsum(errors, axis=0) / np.arange(1, len(errors) + 1)[:, None]
    lost = running > 30
    steps = np.where(lost.any(axis=0), lost.argmax(axis=0), len(lost))
    return float(steps.mean() / 30)


def wide(data: Path, seed: int) -> Scores:
    """60 channels of 300 steps."""
    random = np.random.default_rng(seed)
    common = np.sin(np.arange(310)[:, None] / random.uniform(2, 9, 4) + random.uniform(0, 6, 4))
    values = common @ random.normal(size=(4, 60)) + 0.3 * random.normal(size=(310, 60))
    rnn, seconds = fitted(values[:300])
    errors = np.abs(rnn.forecast(10).to_numpy() - values[300:]).mean() / np.abs(np.diff(values, axis=0)).mean()
    return {"error": float(errors), "fit": seconds}


def long(data: Path, seed: int) -> Scores:
    """20000 steps of one channel: hours with a day and a week."""
    random, t = np.random.default_rng(seed), np.arange(20_024)
    values = np.sin(t * 2 * np.pi / 24) * (1 + 0.5 * (t // 24 % 7 < 5)) + 0.2 * random.normal(size=len(t))
    rnn, seconds = fitted(values[:20_000])
    forecast = rnn.forecast(24).iloc[:, 0].to_numpy()
    return {"error": float(np.abs(forecast - values[20_000:]).mean()), "fit": seconds}


WORKS: dict[str, tuple[Callable[[Path, int], Scores], int]] = {
    "seasonal144": (seasonal(144), 3),
    "seasonal200": (seasonal(200), 3),
    "mackey-glass600": (mackey_glass(600), 3),
    "mackey-glass1500": (mackey_glass(1500), 3),
    "ctf": (ctf, 3),
    "lorenz": (reconstruction("lorenz63_on0.05_train.npy", "lorenz63_test.npy"), 3),
    "ecg": (reconstruction("ECG_pecuzal_5d_train.npy", "ECG_pecuzal_5d_test.npy"), 3),
    "wide": (wide, 1),
    "long": (long, 1),
    "dysts100": (dysts(100, 1000, 199), 44),
    "dysts15": (dysts(15, 150, 29), 44),
    "flows": (flows(512, None), 45),
    "flows-one": (flows(512, 1), 45),
}
"""The works by name, and how many seeds or systems each has."""


def fitted(values: Any, **parameters: Any) -> tuple[Any, float]:
    """The default, fitted, and the processor seconds that the fit took."""
    import freerun

    began = time.process_time()
    rnn = freerun.RNN(**parameters).fit(values)
    return rnn, time.process_time() - began


def run(tree: Path, work: str, seed: int, data: Path, cache: Path) -> tuple[float, float, Scores]:
    """Processor seconds and wall seconds of a process that does the work with the freerun of a tree, and its scores."""
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
            said = ", ".join(f"{k} {np.median(v):.4g} ({v.min():.3g} to {v.max():.3g})" for k, v in scores.items())
            print(f"{work} {tree} {state}: {np.median([row['seconds'] for row in some]):.2f} s; {said}", flush=True)
            for name in ("generate", "forecast") if "NBEATS" in scores else ():
                below, won = np.mean(scores[name] < 10), np.mean(scores[name] < scores["NBEATS"])
                print(f"  {name}: {100 * below:.0f} % below 10, {100 * won:.0f} % ahead of NBEATS")
    for state in ("cold", "warm"):
        ratios = [a["seconds"] / b["seconds"] for a, b in zip(of("old", state), of("new", state), strict=False)]
        if ratios:
            print(f"{work} {state}: old / new {np.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
