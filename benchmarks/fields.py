"""How long free runs of fields stay near them:
`python benchmarks/fields.py [--work WORK ...] [--json FILE]`.

A work is a field, the steps that are learned, and the settings. For each seed it makes one
trajectory, learns its first part, and lets the network run free from places evenly spread over the
rest. The valid prediction time is the time until the root mean square error over the sites, in
standard deviations of the field, exceeds 0.5 (Vlachas et al., Neural Networks 126, 2020), in
Lyapunov times, and until it exceeds 0.4 (Pathak et al., Physical Review Letters 120, 2018). A
transfer lets the network run on another number of sites, on which it was never trained.

`measure` and `WORKS` can be called from other programs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import freerun
from freerun import systems
from freerun.compute.cores import limit_cores
from freerun.data.series import Series
from machine import provenance

STARTS = 10
"""Free runs for each seed."""

VLACHAS, PATHAK = 0.5, 0.4
"""Errors at which a run has lost the field, in standard deviations."""


@dataclass(frozen=True)
class Work:
    """A field to learn.

    Attributes:
        make: the trajectory, from its number of steps and a seed.
        lyapunov_time: one over the largest Lyapunov exponent, in steps.
        training: steps that are learned.
        horizon: steps of a free run.
        settings: of the network; what is left out is chosen by the fit.
        transfer: a trajectory on another number of sites, on which the network also runs;
            None for none.
    """

    make: Callable[[int, int], Series]
    lyapunov_time: float
    training: int
    horizon: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    transfer: Callable[[int, int], Series] | None = None


def kuramoto_sivashinsky(steps: int, seed: int, length: float = 22.0, points: int = 64) -> Series:
    """The Kuramoto-Sivashinsky equation, dt 0.25."""
    return systems.kuramoto_sivashinsky(steps, length, points, seed=seed)


def lorenz96(steps: int, seed: int, sites: int = 40) -> Series:
    """Lorenz-96, F = 8, dt 0.05."""
    return systems.lorenz96(steps, sites, seed=seed)


KS_TIME, LORENZ96_TIME = 1 / 0.048 / 0.25, 1 / 1.68 / 0.05
"""Lyapunov times in steps: exponents 0.048 (Kuramoto-Sivashinsky, L = 22) and 1.68 (Lorenz-96,
F = 8)."""

LARGE_KS_TIME = 1 / 0.094 / 0.25
"""That of the Kuramoto-Sivashinsky equation on long intervals, whose largest exponent is about
0.094 (Edson et al., Physical Review E 100, 2019)."""

KS_NETWORK = {
    **{"hidden": 2000, "cell": "memoryless", "neighbours": 10, "delays": 4, "difference": 0},
    **{"input_scale": 0.3, "input_noise": 1e-4, "l2": 1e-11},
}
"""Networks that were found by hand, each on trajectories of its own (seeds 1 and 5001),
on which nothing here is measured."""

LORENZ96_NETWORK = {
    **{"hidden": 1000, "cell": "memoryless", "neighbours": 4, "delays": 2, "difference": 0},
    **{"input_scale": 0.15, "input_noise": 1e-3, "l2": 1e-10},
}

LORENZ96_POLYNOMIAL = {
    **{"cell": "polynomial", "degree": 4, "neighbours": 5, "delays": 1, "difference": 0},
    **{"input_noise": 0.0, "l2": 1e-12},
}
"""The 1353 monomials of degree 2 to 4 of 11 sites,
found by hand on a trajectory of its own (seed 5001)."""

WORKS: dict[str, Work] = {
    "ks": Work(kuramoto_sivashinsky, KS_TIME, 10_000, 900, {"neighbours": "auto"}),
    "ks-fixed": Work(kuramoto_sivashinsky, KS_TIME, 10_000, 900, KS_NETWORK),
    "lorenz96": Work(
        lorenz96, LORENZ96_TIME, 10_000, 150, {"neighbours": "auto"}, lambda steps, seed: lorenz96(steps, seed, 1000)
    ),
    "lorenz96-fixed": Work(
        lorenz96, LORENZ96_TIME, 10_000, 150, LORENZ96_NETWORK, lambda steps, seed: lorenz96(steps, seed, 1000)
    ),
    "lorenz96-polynomial": Work(lorenz96, LORENZ96_TIME, 10_000, 150, LORENZ96_POLYNOMIAL),
    "ks-512": Work(
        lambda steps, seed: kuramoto_sivashinsky(steps, seed, 200.0, 512), LARGE_KS_TIME, 1_500, 400, KS_NETWORK
    ),
    "lorenz96-short": Work(lorenz96, LORENZ96_TIME, 500, 150, LORENZ96_NETWORK),
}
"""Fields by name."""


@dataclass(frozen=True)
class Row:
    """What came of a work with one seed.

    Attributes:
        work, seed: which.
        vpt: valid prediction time of each run at an error of 0.5, in Lyapunov times.
        vpt_pathak: the same at an error of 0.4.
        seconds_of_fit: processor seconds of the fit.
        site_steps: site steps that a free run generates in a processor second.
        chosen: the settings of the best network.
        vpt_transfer: as `vpt`, on the other number of sites; empty without one.
    """

    work: str
    seed: int
    vpt: list[float]
    vpt_pathak: list[float]
    seconds_of_fit: float
    site_steps: float
    chosen: dict[str, Any]
    vpt_transfer: list[float]


SHOWN = ("cell", "hidden", "neighbours", "delays", "input_scale", "input_noise", "l2")


def measure(name: str, seed: int, starts: int = STARTS) -> Row:
    """Fit the network of a work to one trajectory, and measure how long its free runs hold."""
    work = WORKS[name]
    rest = work.horizon * (starts + 3) // 2
    train, test = work.make(work.training + rest, 1000 + seed).split(work.training)
    began = time.process_time()
    with limit_cores(1):
        rnn = freerun.RNN(seed=seed, **work.settings).fit(train)
        seconds = time.process_time() - began
        ran, elapsed = _errors(rnn, test, starts, work.horizon)
        moved = np.empty((0, work.horizon))
        if work.transfer is not None:
            other = work.transfer(work.horizon + 50, 2000 + seed)
            moved = _errors(rnn.transfer(other.between(0, 50)), other, 1, work.horizon)[0]
    best = rnn.model_.best.settings
    return Row(
        name,
        seed,
        _valid(ran, VLACHAS, work),
        _valid(ran, PATHAK, work),
        seconds,
        ran.size * train.shape[1] / elapsed,
        {key: getattr(best, key) for key in SHOWN},
        _valid(moved, VLACHAS, work),
    )


def _errors(rnn: freerun.RNN, test: Series, starts: int, horizon: int) -> tuple[np.ndarray, float]:
    """The errors of free runs, shape (starts, horizon), in standard deviations,
    and their processor seconds."""
    at = np.linspace(50, len(test) - horizon, starts).astype(int)
    deviation = test.values.std(axis=0)
    errors, elapsed = [], 0.0
    for start in at:
        before = test.between(int(start) - 50, int(start))
        began = time.process_time()
        run = rnn.generate(horizon, after=before).values
        elapsed += time.process_time() - began
        difference = (run - test.values[start : start + horizon]) / deviation
        errors.append(np.sqrt((difference**2).mean(axis=1)))
    return np.array(errors), elapsed


def _valid(errors: np.ndarray, lost: float, work: Work) -> list[float]:
    """Lyapunov times until each run is lost; those of the horizon where it never is."""
    past = ~(errors < lost)
    steps = np.where(past.any(axis=1), past.argmax(axis=1), errors.shape[1])
    return (steps / work.lyapunov_time).round(3).tolist()


def line(rows: list[Row]) -> str:
    """The medians of the rows of a work, as a line of a table."""
    valid = np.concatenate([row.vpt for row in rows])
    pathak = np.median(np.concatenate([row.vpt_pathak for row in rows]))
    low, middle, high = np.percentile(valid, [25, 50, 75])
    moved = np.concatenate([row.vpt_transfer for row in rows])
    transfer = f"{np.median(moved):.1f}" if len(moved) else ""
    fit, speed = np.median([row.seconds_of_fit for row in rows]), np.median([row.site_steps for row in rows])
    return (
        f"| {rows[0].work} | {len(rows)} x {len(rows[0].vpt)} | {middle:.1f} ({low:.1f} to {high:.1f}) | {pathak:.1f} "
        f"| {transfer} | {fit:.0f} | {speed / 1e6:.2f} |"
    )


COLUMNS = (
    *("work", "seeds x runs", "valid time at 0.5 (quartiles)", "at 0.4", "on other sites", "seconds of fit"),
    "million site steps a second",
)


def main() -> None:
    """Measure the works, print a table, and keep the rows in a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", action="append", choices=list(WORKS), help="default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--json", type=Path, help="where the rows are kept; those in it are not measured again")
    asked = parser.parse_args()
    kept = json.loads(asked.json.read_text()) if asked.json and asked.json.exists() else {"rows": []}
    rows = [Row(**row) for row in kept["rows"]]
    print(f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", sep="\n")
    for name in asked.work or WORKS:
        for seed in range(asked.seeds):
            if not any(row.work == name and row.seed == seed for row in rows):
                rows.append(measure(name, seed, asked.starts))
                if asked.json:
                    asked.json.write_text(json.dumps(provenance() | {"rows": [asdict(row) for row in rows]}, indent=1))
        print(line([row for row in rows if row.work == name]), flush=True)


if __name__ == "__main__":
    main()
