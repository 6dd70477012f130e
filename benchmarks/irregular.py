"""How long free runs hold after irregular times:
`python benchmarks/irregular.py [--seeds N] [--rows N]`.

For each seed it integrates the Lorenz equations to a relative error of 1e-10 at random times,
and learns the first rows

- as they are, with the length of each step as an input,
- after linear interpolation to a regular grid of as many rows,
- and as many rows that were measured at regular times, for comparison.

The free run goes on for 10 units of time, which are 9 Lyapunov times. It is lost where the root
mean square error over the three channels, in standard deviations of each, exceeds 0.4.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np

import freerun
from freerun.compute.cores import limit_cores
from freerun.errors import SeriesWarning
from machine import provenance

STEP, LONG = 0.05, 10.0
"""Mean step, and the time of a free run."""

LYAPUNOV_TIME = 1 / 0.906
"""Of the Lorenz equations (Sprott, 2003)."""

LOST = 0.4
"""Error at which a run has lost the system, in standard deviations."""

SPREADS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "uniform, 0.01 to 0.09": lambda random, count: random.uniform(0.01, 0.09, count),
    "exponential (a Poisson process)": lambda random, count: 1e-4 + random.exponential(STEP, count),
    "regular, a third of the rows lost": lambda random, count: STEP / 1.5 * random.geometric(2 / 3, count),
}
"""Lengths of steps of mean `STEP`."""


def lorenz(times: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The Lorenz system at ascending times, shape (T, 3), which begins at `start` at time 0."""
    from scipy.integrate import solve_ivp

    def slope(_: float, at: np.ndarray) -> list[float]:
        x, y, z = at
        return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]

    return solve_ivp(slope, (0.0, times[-1]), start, "DOP853", times, rtol=1e-10, atol=1e-10).y.T


def held(values: np.ndarray, times: np.ndarray, grid: bool, irregular: bool, start: np.ndarray, seed: int) -> float:
    """The Lyapunov times for which the free run after rows follows the system.

    Args:
        values: the rows, shape (T, 3).
        times: their times.
        grid: whether they are interpolated to a regular grid first.
        irregular: whether the length of each step is an input.
        start: of the system, at time 0.
        seed: of the network.
    """
    if grid:
        even = np.linspace(times[0], times[-1], len(times))
        values, times = np.stack([np.interp(even, times, column) for column in values.T], axis=1), even
    series = freerun.Series(values, times=times, irregular=irregular)
    with limit_cores(1):
        rnn = freerun.RNN(seed=seed).fit(series)
    run = rnn.generate(round(LONG / STEP))
    truth = lorenz(np.concatenate([times[-1:], run.times]), start)[1:]
    error = np.sqrt((((run.values - truth) / values.std(axis=0)) ** 2).mean(axis=1))
    lost = np.flatnonzero(error > LOST)
    until = run.times[lost[0]] if len(lost) else run.times[-1]
    return float((until - times[-1]) / LYAPUNOV_TIME)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", SeriesWarning)
    print(provenance())
    print("| steps | as they are | interpolated to a grid | regular rows | processor seconds of a fit |")
    print("|---|---|---|---|---|")
    for name, drawn in SPREADS.items():
        scores: dict[str, list[float]] = {"irregular": [], "grid": [], "regular": []}
        seconds = []
        for seed in range(arguments.seeds):
            random = np.random.default_rng(seed)
            start = lorenz(np.array([20.0]), np.array([1.0, 1.0, 20.0]) + random.normal(size=3))[-1]
            times = np.cumsum(drawn(random, arguments.rows))
            values = lorenz(times, start)
            began = time.process_time()
            scores["irregular"].append(held(values, times, False, True, start, seed))
            seconds.append(time.process_time() - began)
            scores["grid"].append(held(values, times, True, False, start, seed))
            even = STEP * np.arange(1, arguments.rows + 1)
            scores["regular"].append(held(lorenz(even, start), even, False, False, start, seed))
            print(f"{name}, seed {seed}: " + ", ".join(f"{k} {v[-1]:.1f}" for k, v in scores.items()), flush=True)
        shown = [f"{np.median(v):.1f} ({min(v):.1f} to {max(v):.1f})" for v in scores.values()]
        print(f"| {name} | {' | '.join(shown)} | {np.median(seconds):.0f} |", flush=True)


if __name__ == "__main__":
    main()
