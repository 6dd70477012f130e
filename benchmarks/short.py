"""Short series: the simple forecast that `RNN()` gives below 20 steps, beside those that it chooses among.

    .venv/bin/python benchmarks/short.py FILE [--networks]

FILE is a JSON file (.json or .json.gz) of sets of series, `{set: {period, series: [{past, future}, ...]}}`, such as M1
and M3. Of each set 100 series are drawn, cut to their first 5 to 19 values, and the next four are forecast. Prints the
mean and the median of the mean absolute error over that of the last value one step ahead, for several values of
`better` of `simple.best`. With --networks some are also forecast by networks, as if the series were long enough
(`simple.ENOUGH`), and the share that the simple forecast wins is printed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import freerun
from freerun.errors import SeriesWarning
from freerun.forecasting import simple

LENGTHS = (5, 6, 8, 12, 16, 19)

BETTER = (0.6, 0.8, 0.9, 1.0)

AHEAD = 4
"""Steps that are forecast."""

DRAWN, EVERY = 100, 12
"""Series of each set, and of these one in so many for networks."""


def main() -> None:
    """Print a line for each length."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--networks", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", SeriesWarning)
    series = drawn(arguments.file)
    for length in LENGTHS:
        cut = [(period, values) for period, values in series if len(values) >= length + AHEAD]
        report(f"{length} steps", errors_of_rules(cut, length))
    if arguments.networks:
        for length in (14, 17, 19, 22):
            cut = [values for _, values in series[::EVERY] if len(values) >= length + AHEAD]
            errors = errors_of_networks(cut, length)
            report(f"{length} steps", errors)
            won = np.mean(np.array(errors["simple"]) < np.array(errors["networks"]))
            print(f"  the simple forecast wins {100 * won:.0f} %", flush=True)


def drawn(file: Path) -> list[tuple[int, np.ndarray]]:
    """Period and values of the series that are drawn from each set."""
    text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    sets: dict[str, Any] = json.loads(text)
    draw = np.random.default_rng(0)
    return [
        (one["period"], np.array(one["series"][i]["past"] + one["series"][i]["future"], float))
        for _, one in sorted(sets.items())
        for i in draw.choice(len(one["series"]), min(DRAWN, len(one["series"])), replace=False).tolist()
    ]


def errors_of_rules(series: list[tuple[int, np.ndarray]], length: int) -> dict[str, list[float]]:
    """Scaled errors of each simple forecast, and of the choice among them with several thresholds."""
    errors: dict[str, list[float]] = defaultdict(list)
    for period, values in series:
        past, truth = values[:length, None], values[length : length + AHEAD]
        scale = np.abs(np.diff(past[:, 0])).mean()
        if scale == 0:
            continue
        methods = {"last value": simple.LAST_VALUE, "drift": simple.DRIFT, "mean": simple.MEAN}
        season = period if period > 1 and 3 * period <= length else None
        methods |= {f"better {better}": simple.best(past, season, better) for better in BETTER}
        for name, method in methods.items():
            errors[name].append(float(np.abs(method.run(past, AHEAD)[:, 0] - truth).mean() / scale))
    return errors


def errors_of_networks(series: list[np.ndarray], length: int) -> dict[str, list[float]]:
    """Scaled errors of the simple forecast and of networks on the same series."""
    errors: dict[str, list[float]] = defaultdict(list)
    before = simple.ENOUGH
    for values in series:
        past, truth = values[:length], values[length : length + AHEAD]
        scale = np.abs(np.diff(past)).mean()
        if scale == 0:
            continue
        for name, enough in (("simple", length + 1), ("networks", 0)):
            simple.ENOUGH = enough
            forecast = freerun.RNN().fit(past).forecast(AHEAD).to_numpy()[:, 0]
            errors[name].append(float(np.abs(forecast - truth).mean() / scale))
    simple.ENOUGH = before
    return errors


def report(title: str, errors: dict[str, list[float]]) -> None:
    """Print mean and median of each."""
    count = len(next(iter(errors.values())))
    print(f"{title}, {count} series")
    for name, values in errors.items():
        print(f"  {name:12s} mean {np.mean(values):.3f}  median {np.median(values):.3f}", flush=True)


if __name__ == "__main__":
    main()
