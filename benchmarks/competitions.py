"""The M1 and M3 competitions: `python benchmarks/competitions.py
[--half HALF] [--sample N] --data FOLDER`.

Forecasts of short yearly, quarterly and monthly series: freerun's default beside the models of
statsforecast with their defaults, which `competition_peers.py` runs in the environment of
`forecasters.py`, and beside published scores. FOLDER (or $FREERUN_DATA) has
`competitions/m1_m3.json.gz`, see docs/benchmarks/README.md; a path of such a file will do.

Rules are designed on the half `development`: M1, and every second series of M3. The half
`confirmation` is the rest of M3. Of each set the same 35 series are drawn, unless --sample says
otherwise. With --cache the forecasts of the peers are kept in a file, and made only once.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import freerun
from competition_scores import MEASURE, Case, Forecast, Scores, published_rows, rows_of, scores_of, summary_of
from freerun.compute.cores import cores, limit_cores
from freerun.errors import FreerunError, SeriesWarning
from freerun.files.writing import json_text, replacing
from machine import provenance

ROOT = Path(__file__).parent.parent

FILE, PUBLISHED = "competitions/m1_m3.json.gz", "published.json"

OTHER = "M3 other"
"""The 174 series of M3 of no known frequency. The file has them among the yearly ones,
with a longer horizon."""

DRAWN = 35
"""Default number of series of each set."""

LEVELS = (20, 40, 60, 80, 95)
"""Levels of the intervals, in percent. All but the last give the quantiles of WQL."""

OURS, FALLBACK, MEDIAN = "freerun", "SeasonalNaive", "median"
"""freerun; what stands in for a forecast that was refused; the median of four."""

FOUR = ("AutoETS", "AutoARIMA", "AutoTheta", "AutoCES")

METHODS = (OURS, *FOUR, MEDIAN, FALLBACK)

EVERY = 1000
"""Forecasts of peers after which the cache is written."""

Forecasts = dict[str, dict[str, Forecast]]
"""By method and by key of the series."""


def read(file: Path, half: str, sample: int) -> dict[str, list[Case]]:
    """The series of each set that belong to a half,
    and of these as many as are to be drawn (0 for all)."""
    found: dict[str, list[Case]] = {}
    for name, one in json.loads(gzip.decompress(file.read_bytes())).items():
        for position, series in enumerate(one["series"]):
            confirms = name.startswith("M3") and position % 2 == 1
            if half in ("all", "confirmation" if confirms else "development"):
                past, future = (np.array(series[part], float) for part in ("past", "future"))
                own = name if len(future) == one["horizon"] else OTHER
                found.setdefault(own, []).append(Case(f"{name} {series['id']}", one["period"], past, future))
    return {name: _drawn(cases, sample) for name, cases in found.items()}


def _drawn(cases: list[Case], sample: int) -> list[Case]:
    if not 0 < sample < len(cases):
        return cases
    return [cases[i] for i in sorted(np.random.default_rng(0).choice(len(cases), sample, replace=False).tolist())]


def forecast(case: Case) -> tuple[str, Forecast]:
    """Key and forecast of freerun's default, fitted to the past alone."""
    warnings.simplefilter("ignore", SeriesWarning)
    found: Forecast = {}
    began = time.process_time()
    try:
        with limit_cores(1):
            table = freerun.RNN().fit(case.dated()).forecast(len(case.future), LEVELS)
    except FreerunError as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    else:
        x = table.columns[0]
        columns = {"point": x} | {f"{side} {level}": f"{x}_{side}_{level}" for level in LEVELS for side in _SIDES}
        found = {name: table[column].tolist() for name, column in columns.items()}
    return case.key, found | {"seconds": time.process_time() - began}


_SIDES = ("low", "high")


def our_forecasts(cases: list[Case], workers: int) -> dict[str, Forecast]:
    """freerun's forecasts by key, each process on one core."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return dict(_counted(OURS, len(cases), pool.imap_unordered(forecast, cases)))


def peers_forecasts(cases: list[Case], methods: Iterable[str], workers: int, python: Path, cache: Path | None) -> Any:
    """Forecasts of the models of statsforecast, by method and key, and its version.

    Those in the cache are taken from there. The others are made, and added to it.
    """
    kept: dict[str, Any] = {"statsforecast": None, "forecasts": {}}
    if cache is not None and cache.exists():
        kept = json.loads(cache.read_text())
    forecasts: Forecasts = kept["forecasts"]
    tasks = [
        {
            "who": who,
            "key": case.key,
            "values": case.past.tolist(),
            "season": case.period,
            "horizon": len(case.future),
            "levels": LEVELS,
        }
        for who in methods
        for case in cases
        if case.key not in forecasts.get(who, {})
    ]
    if not tasks:
        return kept
    found = _asked(python, {"workers": workers, "tasks": tasks})
    version = next(found)["statsforecast"]
    if kept["statsforecast"] not in (None, version):
        raise SystemExit(f"{cache} is of statsforecast {kept['statsforecast']}, not {version}; name another --cache")
    kept["statsforecast"] = version
    for count, one in enumerate(_counted("peers", len(tasks), found), 1):
        forecasts.setdefault(one["who"], {})[one["key"]] = one["forecast"]
        if cache is not None and (count % EVERY == 0 or count == len(tasks)):
            with replacing(cache) as path:
                path.write_text(json.dumps(kept))
    return kept


def _asked(python: Path, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the program of the peers answers, line by line."""
    program = [python, Path(__file__).with_name("competition_peers.py")]
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | one_thread
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        json.dump(question, running.stdin)
        running.stdin.close()
        yield from (json.loads(line) for line in running.stdout if line.startswith("{"))
    if running.returncode:
        raise SystemExit(f"{program[1]} failed")


def _counted(what: str, total: int, results: Iterable[Any]) -> Iterator[Any]:
    """The results one by one, with their number on standard error."""
    for count, result in enumerate(results, 1):
        if count % 50 == 0 or count == total:
            print(f"{what}: {count} of {total}", file=sys.stderr, flush=True)
        yield result


def median_of(forecasts: list[Forecast]) -> Forecast:
    """The median of several forecasts, column by column; those that were refused do not count."""
    seconds = sum(one["seconds"] for one in forecasts)
    given = [one for one in forecasts if "error" not in one]
    if not given:
        return {"error": "all were refused", "seconds": seconds}
    columns = [name for name in given[0] if name != "seconds"]
    return {name: np.median([one[name] for one in given], axis=0).tolist() for name in columns} | {"seconds": seconds}


def table(rows: list[dict[str, Any]], styles: dict[str, Callable[[Any], str]]) -> str:
    """A table of rows, in Markdown."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(styles.get(name, _shown)(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.2g}"


STYLES: dict[str, Callable[[Any], str]] = {
    "MASE ratio, 95 %": lambda ends: f"{ends[0]:.3f} to {ends[1]:.3f}",
    "won": "{:.1%}".format,
    "p": "{:.2g}".format,
    "sMAPE": "{:.2f}".format,
    "WQL": lambda loss: f"{loss:.4f}" if loss < 1000 else f"{loss:.2g}",
    "in 80 %": "{:.1f}".format,
    "in 95 %": "{:.1f}".format,
}


def main() -> None:
    """Print the tables, and write all scores where asked."""
    arguments = _arguments()
    file = arguments.data / FILE if arguments.data.is_dir() else arguments.data
    sets = read(file, arguments.half, arguments.sample)
    cases = [case for some in sets.values() for case in some]
    asked = set(arguments.methods) | {MEASURE, FALLBACK} | (set(FOUR) if MEDIAN in arguments.methods else set())
    peers = [who for who in METHODS if who in asked and who not in (OURS, MEDIAN)]
    kept = peers_forecasts(cases, peers, arguments.workers, arguments.forecasters, arguments.cache)
    forecasts: Forecasts = {who: kept["forecasts"][who] for who in peers}
    if MEDIAN in asked:
        forecasts[MEDIAN] = {case.key: median_of([forecasts[who][case.key] for who in FOUR]) for case in cases}
    if OURS in asked:
        forecasts[OURS] = our_forecasts(cases, arguments.workers)
    scores = {
        name: {who: scores_of(some, forecasts[who], forecasts[FALLBACK]) for who in METHODS if who in forecasts}
        for name, some in sets.items()
    }
    summaries = {
        title: sorted((summary_of(who, some) for who in forecasts), key=lambda row: row["MASE ratio"])
        for title, some in {
            "Sets with published scores": {name: found for name, found in scores.items() if name != OTHER},
            "All sets": scores,
        }.items()
    }
    drawn = f"{arguments.sample} of each set" if arguments.sample else "whole sets"
    print(f"# {len(cases)} series ({arguments.half}, {drawn}), {MEASURE} of statsforecast {kept['statsforecast']}")
    for title, rows in summaries.items():
        print(f"\n## {title}\n{table(rows, STYLES)}")
    for name, found in scores.items():
        print(f"\n## {name}, {len(sets[name])} series\n{table(rows_of(found), STYLES)}")
    for case in cases:
        for who in forecasts:
            if "error" in forecasts[who][case.key]:
                print(f"\nrefused by {who}: {case.key}: {forecasts[who][case.key]['error']}")
    published = file.with_name(PUBLISHED)
    others = published_rows(json.loads(published.read_text()), sets) if published.exists() else []
    if others:
        print(f"\n## Published, whole sets: MASE\n{table(others, STYLES)}")
    if arguments.json:
        results = {
            **provenance(),
            "statsforecast": kept["statsforecast"],
            "half": arguments.half,
            "sample": arguments.sample,
            "summaries": summaries,
            "sets": {name: rows_of(found) for name, found in scores.items()},
            "series": {name: _by_series(sets[name], found) for name, found in scores.items()},
            "published": others,
        }
        arguments.json.write_text(json_text(results) + "\n")


def _by_series(cases: list[Case], scores: dict[str, Scores]) -> dict[str, dict[str, list[float]]]:
    """MASE, sMAPE and WQL of each method, by key of the series."""
    return {
        case.key: {who: [float(s[i]) for s in (found.mase, found.smape, found.wqls)] for who, found in scores.items()}
        for i, case in enumerate(cases)
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FREERUN_DATA", "data")))
    parser.add_argument("--half", choices=("development", "confirmation", "all"), default="development")
    parser.add_argument("--sample", type=int, default=DRAWN, help=f"series of each set, 0 for all; default: {DRAWN}")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--cache", type=Path, help="a JSON file that keeps the forecasts of the peers")
    parser.add_argument("--workers", type=int, default=cores(), help="processes, each on one core")
    parser.add_argument("--json", type=Path, help="a file for all scores")
    parser.add_argument("--forecasters", type=Path, default=ROOT / ".venv-forecasters" / "bin" / "python")
    return parser.parse_args()


if __name__ == "__main__":
    main()
