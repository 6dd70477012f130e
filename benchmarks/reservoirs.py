"""Reservoirs of 100, 1000 and 10000 units: fit and run over 50000 steps, beside reservoirpy,
in turn.

    python benchmarks/reservoirs.py --peer /path/to/python [--units 100
    1000 10000] [--steps 50000] [--repeats 3]

`--peer` is the Python of an environment with reservoirpy 0.4 and JAX. Each run is a process of its
own. Times are those of the whole process but for imports: weights are drawn, the readout is solved
on all steps, and the same steps are predicted one ahead. Both have leaky units, leak 0.5, spectral
radius 0.9, a penalty of 1e-6, and the default connections of their library, but for 10000 units,
where both have 10 a unit. reservoirpy computes in double precision, with JAX in its default, single
precision. No part is left out to calibrate intervals (`holdout=0`). Linear algebra of NumPy and
SciPy runs on one thread, so that processor seconds compare work on a busy machine, too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

LEAK, RADIUS, PENALTY, CONNECTIONS = 0.5, 0.9, 1e-6, 10
LARGE = 10_000
WASHOUT = 100
ALONE = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def series(steps: int) -> np.ndarray:
    """A Lorenz series by Runge-Kutta of steps of 0.02, standardized, shape (steps, 3);
    without freerun."""

    def slope(at: np.ndarray) -> np.ndarray:
        x, y, z = at
        return np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    values, h = [np.array([1.0, 1.0, 25.0])], 0.02
    for _ in range(steps + 500):
        at = values[-1]
        first = slope(at)
        second = slope(at + h / 2 * first)
        third = slope(at + h / 2 * second)
        values.append(at + h / 6 * (first + 2 * second + 2 * third + slope(at + h * third)))
    kept = np.array(values[-steps:])
    return (kept - kept.mean(axis=0)) / kept.std(axis=0)


def ours(values: np.ndarray, units: int, seed: int) -> np.ndarray:
    """Fit and run freerun; the predictions of steps 1 to T - 1."""
    import freerun

    asked: dict[str, Any] = {"cell": "leaky", "leak": LEAK, "spectral_radius": RADIUS, "delays": 1, "input_scale": 0.5}
    rnn = freerun.RNN(units, optimizer="ridge", l2=PENALTY, holdout=0, washout=WASHOUT, seed=seed, **asked)
    return rnn.fit(values).predict(values).values


def _theirs(values: np.ndarray, units: int, seed: int, nodes: Any) -> np.ndarray:
    more = {"rc_connectivity": CONNECTIONS / units} if units >= LARGE else {}
    model = nodes.Reservoir(units, lr=LEAK, sr=RADIUS, seed=seed, **more) >> nodes.Ridge(ridge=PENALTY * len(values))
    model.fit(values[:-1], values[1:], warmup=WASHOUT)
    return np.asarray(model.run(values[:-1]))


def reservoirpy(values: np.ndarray, units: int, seed: int) -> np.ndarray:
    """Fit and run reservoirpy, in NumPy."""
    from reservoirpy import nodes  # pyright: ignore[reportMissingImports] - in the environment of the peer

    return _theirs(values, units, seed, nodes)


def reservoirpy_jax(values: np.ndarray, units: int, seed: int) -> np.ndarray:
    """Fit and run reservoirpy, in JAX."""
    from reservoirpy.jax import nodes  # pyright: ignore[reportMissingImports] - in the environment of the peer

    return _theirs(values, units, seed, nodes)


RUNNERS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "freerun": ours,
    "reservoirpy": reservoirpy,
    "reservoirpy, JAX": reservoirpy_jax,
}


def one(name: str, units: int, steps: int, seed: int) -> dict[str, float]:
    """Time one run in this process: seconds of the processor, of the clock,
    and the error of predictions."""
    values = series(steps)
    RUNNERS[name](values[:300], 20, seed)  # imports, and the first calls
    busy, clock = time.process_time(), time.perf_counter()
    found = RUNNERS[name](values, units, seed)
    spent = {"processor": time.process_time() - busy, "clock": time.perf_counter() - clock}
    error = float(np.sqrt(np.mean((found[WASHOUT:] - values[1 + WASHOUT :]) ** 2)))
    return spent | {"error": error}


def main() -> None:
    """Run all in turn, and print medians and ratios with their spread."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--peer", help="Python of the environment with reservoirpy")
    asked.add_argument("--units", type=int, nargs="+", default=[100, 1000, LARGE])
    asked.add_argument("--steps", type=int, default=50_000)
    asked.add_argument("--repeats", type=int, default=3)
    asked.add_argument("--one", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.one is not None:
        print(json.dumps(one(given.one, given.units[0], given.steps, given.repeats)))
        return
    for units in given.units:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in RUNNERS}
        for seed in range(given.repeats):
            for name, several in found.items():
                python = sys.executable if name == "freerun" else given.peer
                command = [python, __file__, "--one", name, "--units", str(units), "--steps", str(given.steps)]
                done = subprocess.run(
                    [*command, "--repeats", str(seed)], env=ALONE, capture_output=True, text=True, check=True
                ).stdout
                several.append(json.loads(done.splitlines()[-1]))
                print(units, name, seed, several[-1], file=sys.stderr, flush=True)
        for name, several in found.items():
            line = [f"{units:6} units  {name:18}"]
            for what in ("processor", "clock"):
                ratios = [a[what] / b[what] for a, b in zip(found["freerun"], several, strict=True)]
                seconds = statistics.median(run[what] for run in several)
                line.append(f"{what} {seconds:8.2f} s, freerun / it {min(ratios):.2f} to {max(ratios):.2f}")
            print("  ".join([*line, f"RMSE {statistics.median(run['error'] for run in several):.1e}"]))


if __name__ == "__main__":
    main()
