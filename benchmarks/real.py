"""How good forecasts of real series are: `python benchmarks/real.py [SERIES ...]`, or `make real`.

Rolling origins over the second half of each series, every method fitted anew at each: freerun's
default, simple baselines, an echo state network, and, in an environment of their own, the peers of
`forecasters.py`. Nothing is chosen on what follows an origin. Prints the tables of
docs/benchmarks/real.md and keeps all scores in real.json beside it.
"""

# statsmodels comes with the extra `peers`
# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import json
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import freerun
from freerun import metrics
from freerun.data.arrays import interpolated
from freerun.forecasting.baselines import last_value, seasonal_naive
from machine import provenance
from peers import EchoStateNetwork

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "benchmarks"

FOLDS, LEVELS = 8, (80, 95)

UNITS, SEEDS = 200, 0
"""Of the echo state network, which is tuned on the training part of each fold."""


@dataclass(frozen=True)
class Problem:
    """A series to forecast.

    Attributes:
        title: for the page.
        season: of the calendar; 1 for none.
        horizon: steps of a forecast.
        load: the series.
    """

    title: str
    season: int
    horizon: int
    load: Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """The scores of a method on a series, over all folds.

    Attributes:
        coverage: percent of the truth within the intervals, by level;
            None where the method has none.
        seconds: of the processor, for a forecast with its fit.
    """

    method: str
    mase: float
    smape: float
    coverage: dict[int, float] | None
    seconds: float


def _statsmodels(name: str) -> Any:
    import statsmodels.api

    return getattr(statsmodels.api.datasets, name).load_pandas().data


def _elnino() -> Any:
    import pandas as pd

    months = _statsmodels("elnino").drop(columns="YEAR").to_numpy().ravel()
    return pd.Series(months, pd.period_range("1950-01", periods=len(months), freq="M"))


def _co2() -> Any:
    return _statsmodels("co2")["co2"].resample("MS").mean()


def _airline() -> Any:
    from sktime.datasets import load_airline

    return load_airline()


def _lynx() -> Any:
    from sktime.datasets import load_lynx

    return load_lynx()


def _laser() -> Any:
    from importlib.resources import files

    return np.load(str(files("reservoirpy.datasets") / "santafe_laser.npy")).ravel()[:2000].astype(float)


PROBLEMS = {
    "airline": Problem("Airline passengers, monthly, 144", 12, 24, _airline),
    "lynx": Problem("Lynx trapped, yearly, 114", 1, 10, _lynx),
    "sunspots": Problem("Sunspots, yearly, 309", 1, 11, _statsmodels("sunspots")["SUNACTIVITY"].to_numpy),
    "elnino": Problem("El Nino sea surface temperature, monthly, 732", 12, 12, _elnino),
    "co2": Problem("CO2 at Mauna Loa, monthly, 526, 5 missing", 12, 24, _co2),
    "nile": Problem("Flow of the Nile, yearly, 100", 1, 10, _statsmodels("nile")["volume"].to_numpy),
    "laser": Problem("Santa Fe laser, 2000", 1, 50, _laser),
}


def rows_of(problem: Problem, python: Path | None) -> Iterator[Row]:
    """The scores of all methods on one series, freerun first;
    without `python` those of freerun and of naive alone."""
    series = freerun.Series.of(problem.load())
    values, horizon, season = series.values, problem.horizon, problem.season
    stride = (len(series) - horizon - len(series) // 2) // (FOLDS - 1)
    began = time.process_time()
    tested = freerun.RNN().backtest(series, horizon, folds=FOLDS, stride=stride, levels=LEVELS, baselines=False)
    seconds = time.process_time() - began
    origins, truth = tested.origins, tested.truth
    scales = np.array([metrics.naive_error(values[:origin], season) for origin in origins])

    def row(
        method: str, forecasts: np.ndarray, bounds: dict[int, tuple[np.ndarray, np.ndarray]], seconds: float
    ) -> Row:
        inside = {}
        for level, (low, high) in bounds.items():
            known = np.isfinite(truth)
            inside[level] = 100 * float(((truth >= low) & (truth <= high))[known].mean())
        scaled = np.abs(forecasts - truth) / scales[:, None]
        return Row(method, float(np.nanmean(scaled)), metrics.smape(truth, forecasts), inside or None, seconds / FOLDS)

    yield row("freerun", tested.forecasts["freerun"], {int(k): v for k, v in tested.bounds.items()}, seconds)
    simple = {"naive": last_value} | ({"seasonal naive": seasonal_naive} if season > 1 else {})
    for method, forecast in simple.items():
        yield row(method, np.stack([forecast(values[:origin], horizon, season) for origin in origins]), {}, 0.0)
    if python is None:
        return
    complete = interpolated(values)
    began = time.process_time()
    runs = [EchoStateNetwork(UNITS, SEEDS).fit(complete[:o]).generate(horizon, complete[:o]) for o in origins]
    yield row(f"ESN {UNITS} (reservoirpy)", np.stack(runs), {}, time.process_time() - began)
    asked = {
        "values": complete[:, 0].tolist(),
        "season": season,
        "horizon": horizon,
        "origins": origins.tolist(),
        "levels": list(LEVELS),
    }
    done = subprocess.run(
        [python, Path(__file__).with_name("forecasters.py")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            found = json.loads(line)
            columns = {
                name: np.array([f[name] for f in found["forecasts"]])[..., None] for name in found["forecasts"][0]
            }
            bounds = {level: (columns[f"low {level}"], columns[f"high {level}"]) for level in LEVELS}
            yield row(found["method"], columns["point"], bounds, found["seconds"])


def page(results: dict[str, Any]) -> str:
    """The page that shows all results."""
    methods = list(dict.fromkeys(row["method"] for result in results.values() for row in result["rows"]))
    parts = [
        "# Forecasts of real series",
        textwrap.fill(
            f"{FOLDS} rolling origins over the second half of each series, every method fitted anew at each, with its "
            "own defaults but for NeuralForecast's RNN (500 steps instead of 1000, an input of three horizons) and the "
            "echo state network, which is tuned on the training part. MASE is the mean absolute error over that of the "
            "(seasonal) naive forecast in the training part. Coverage is the percentage of the truth within the "
            "intervals. Seconds are of the processor. Missing values are interpolated for the peers. Printed by `make "
            "real`; all scores are in [real.json](real.json).",
            100,
            break_on_hyphens=False,
        ),
        "## In short",
        "Medians over the series.",
        "\n".join(_summary(results, methods)),
    ]
    for result in results.values():
        measured = f"{result['machine']}, {result['date']}"
        if "ours" in result:
            measured = f"freerun {result['ours']['machine']}, {result['ours']['date']}; the others {measured}"
        parts += [f"## {result['title']}", f"Horizon {result['horizon']}; {measured}"]
        parts.append("\n".join(_table([Row(**row) for row in result["rows"]])))
    return "\n\n".join(parts) + "\n"


def _table(rows: list[Row]) -> list[str]:
    lines = ["| who | MASE | sMAPE | in 80 % | in 95 % | seconds |", "|---|---|---|---|---|---|"]
    ranked = sorted(rows, key=lambda row: row.mase)
    return lines + [_line(row.method, row.mase, row.smape, _levels(row.coverage), row.seconds) for row in ranked]


def _summary(results: dict[str, Any], methods: list[str]) -> list[str]:
    lines = ["| who | MASE | sMAPE | in 80 % | in 95 % | seconds | first or second |", "|---|---|---|---|---|---|---|"]
    ranked: list[tuple[float, str]] = []
    for method in methods:
        own = [Row(**row) for result in results.values() for row in result["rows"] if row["method"] == method]
        mase, smape, seconds = (
            float(np.median([getattr(row, n) for row in own])) for n in ("mase", "smape", "seconds")
        )
        covered = [_levels(row.coverage) for row in own if row.coverage]
        coverage = {level: float(np.mean([c[level] for c in covered])) for level in LEVELS} if covered else {}
        places = sum(_place(result["rows"], method) <= 2 for result in results.values())
        ranked.append((mase, _line(method, mase, smape, coverage, seconds) + f" {places} of {len(own)} |"))
    return lines + [line for _, line in sorted(ranked)]


def _place(rows: list[dict[str, Any]], method: str) -> int:
    order = [row["method"] for row in sorted(rows, key=lambda row: row["mase"])]
    return order.index(method) + 1 if method in order else len(order) + 1


def _levels(coverage: dict[Any, float] | None) -> dict[int, float]:
    return {int(level): share for level, share in (coverage or {}).items()}


def _line(method: str, mase: float, smape: float, coverage: dict[int, float], seconds: float) -> str:
    inside = " | ".join(f"{coverage[level]:.0f}" if level in coverage else "" for level in LEVELS)
    return f"| {method} | {mase:.3f} | {smape:.1f} | {inside} | {seconds:.1f} |"


def _with_ours(result: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """A result with freerun's row measured anew.
    The naive forecast tells whether it is the same work."""
    before = {row["method"]: row for row in result["rows"]}
    ours, naive = rows[:2]
    if not np.isclose(naive.mase, before[naive.method]["mase"]):
        raise SystemExit(f"{result['title']}: the rows of the peers are of other forecasts; leave out --ours")
    before[ours.method] = asdict(ours)
    return result | {"rows": list(before.values()), "ours": provenance()}


def main() -> None:
    """Run the series that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("series", nargs="*", default=list(PROBLEMS), help=f"some of: {', '.join(PROBLEMS)}")
    parser.add_argument("--forecasters", type=Path, default=ROOT / ".venv-forecasters" / "bin" / "python")
    parser.add_argument("--ours", action="store_true", help="measure freerun alone, and keep the rows of the peers")
    parser.add_argument("--json", type=Path, default=PAGES / "real.json")
    arguments = parser.parse_args()
    results = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    for name in arguments.series:
        problem = PROBLEMS[name]
        print(f"## {problem.title}", flush=True)
        rows = []
        for row in rows_of(problem, None if arguments.ours else arguments.forecasters):
            rows.append(row)
            print(_line(row.method, row.mase, row.smape, _levels(row.coverage), row.seconds), flush=True)
        if arguments.ours:
            results[name] = _with_ours(results[name], rows)
        else:
            results[name] = {"title": problem.title, "horizon": problem.horizon, **provenance()}
            results[name]["rows"] = [asdict(row) for row in rows]
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    arguments.json.with_suffix(".md").write_text(page(results))


if __name__ == "__main__":
    main()
