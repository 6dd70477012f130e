"""Quality and cost of the default by the length of the series:
`python benchmarks/lengths.py [--repeats 3]`.

Fits the first 20 to 20000 steps of three kinds of series (months with a trend and a season, a noisy
autoregression, the chaotic Mackey-Glass system) and lets the forecast run for 24 steps from 20
later places. Prints, for each kind and length, the root mean squared error in standard deviations
of the series and the processor seconds of the fit; draws both against the length
(docs/benchmarks/pictures/lengths.png) and keeps the numbers in docs/benchmarks/lengths.json.
Lengths beside 1000 and 8000 steps show whether anything jumps where one rule gives way to another.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import freerun
from machine import provenance

PAGES = Path(__file__).parent.parent / "docs" / "benchmarks"

LENGTHS = (20, 35, 60, 100, 150, 200, 300, 450, 700, 999, 1000, 1500, 2500, 4000, 7999, 8000, 20_000)
"""Training steps."""

AHEAD, PLACES, APART = 24, 20, 3
"""Steps of a forecast, how many there are, and steps from one to the next."""


def months(steps: int, seed: int) -> np.ndarray:
    """A trend, a season of 12 and noise."""
    random, t = np.random.default_rng(seed), np.arange(steps)
    return 100 + 0.1 * t + 10 * random.normal(size=12)[t % 12] + random.normal(0, 3, steps)


def autoregression(steps: int, seed: int) -> np.ndarray:
    """A damped oscillation driven by noise: x_t = 1.6 x_{t-1} - 0.8 x_{t-2} + e_t."""
    noise, values = np.random.default_rng(seed).normal(size=steps + 100), np.zeros(steps + 100)
    for t in range(2, len(values)):
        values[t] = 1.6 * values[t - 1] - 0.8 * values[t - 2] + noise[t]
    return values[100:]


def mackey_glass(steps: int, seed: int) -> np.ndarray:
    """The tutorial's series, without noise."""
    return freerun.systems.mackey_glass(steps, seed=seed).values[:, 0]


KINDS: dict[str, Callable[[int, int], np.ndarray]] = {
    "months, trend and season": months,
    "noisy autoregression": autoregression,
    "Mackey-Glass": mackey_glass,
}


def measure(values: np.ndarray, steps: int) -> tuple[float, float]:
    """The error of forecasts after a fit to the first steps, and processor seconds of the fit."""
    began = time.process_time()
    rnn = freerun.RNN().fit(values[:steps])
    seconds = time.process_time() - began
    errors = []
    for place in range(PLACES):
        now = steps + place * APART
        forecast = rnn.forecast(AHEAD).to_numpy()[:, 0]
        errors.append(forecast - values[now : now + AHEAD])
        rnn.update(values[now : now + APART])
    return float(np.sqrt(np.mean(np.square(errors))) / values[-2000:].std()), seconds


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="seeds of each series")
    parser.add_argument("--longest", type=int, default=LENGTHS[-1])
    parser.add_argument("--json", type=Path, default=PAGES / "lengths.json")
    parser.add_argument("--picture", type=Path, default=PAGES / "pictures" / "lengths.png")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", freerun.errors.SeriesWarning)  # the shortest are forecast without a network
        for kind, make in KINDS.items():
            for steps in (length for length in LENGTHS if length <= arguments.longest):
                for seed in range(arguments.repeats):
                    error, seconds = measure(make(steps + 2000, seed), steps)
                    rows.append({"kind": kind, "steps": steps, "seed": seed, "error": error, "seconds": seconds})
                some = rows[-arguments.repeats :]
                errors, seconds = ([row[name] for row in some] for name in ("error", "seconds"))
                print(
                    f"{kind}, {steps} steps: error {np.median(errors):.3g} ({min(errors):.3g} to {max(errors):.3g}), "
                    f"{np.median(seconds):.2f} s",
                    flush=True,
                )
    arguments.json.write_text(json.dumps({**provenance(), "rows": rows}, indent=1) + "\n")
    draw(rows, arguments.picture)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Error and seconds against the length, each seed a point, the medians a line."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for number, kind in enumerate(KINDS):
        own = [row for row in rows if row["kind"] == kind]
        lengths = sorted({row["steps"] for row in own})
        for axis, name in zip(axes, ("error", "seconds"), strict=True):
            medians = [np.median([row[name] for row in own if row["steps"] == steps]) for steps in lengths]
            axis.plot(lengths, medians, color=f"C{number}", label=kind)
            axis.plot([row["steps"] for row in own], [row[name] for row in own], ".", color=f"C{number}", alpha=0.4)
    for axis, title in zip(
        axes, ("RMSE of 24 steps, in standard deviations", "processor seconds of a fit"), strict=True
    ):
        axis.set(xscale="log", yscale="log", xlabel="training steps", title=title)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
