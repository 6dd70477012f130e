"""Many series together: `python benchmarks/together.py [--half HALF] [--cut STEPS] --data FOLDER`.

The sets of the M1 and M3 competitions, each as one table, by `freerun.forecast_many` with
each choice of `together`. Prints the geometric means over the sets of the error (MASE),
relative to forecasts of each series alone, and the coverage of intervals. The halves and
the data are those of `competitions.py`.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import freerun
from competition_scores import Case
from competitions import FILE, read
from freerun.settings import Together

HOW: tuple[Together, ...] = ("local", "auto", "shared")

FREQUENCIES = {1: "YS", 4: "QS", 12: "MS"}
"""Pandas frequency by number of steps of a year."""

LEVELS = (80, 95)
"""Levels of the intervals, in percent."""

FEWEST = 30
"""Fewest series of a set after the cut."""


def table_of(cases: list[Case], cut: int | None) -> pd.DataFrame:
    """The last steps of the pasts as a table in long format."""
    parts = []
    for number, case in enumerate(cases):
        past = case.past[-cut:] if cut else case.past
        times = pd.date_range("1980-01-01", periods=len(past), freq=FREQUENCIES[case.period])
        parts.append(pd.DataFrame({"unique_id": number, "ds": times, "y": past}))
    return pd.concat(parts, ignore_index=True)


def scores(cases: list[Case], cut: int | None, together: Together, workers: int) -> list[float]:
    """MASE, and the share of true values in the intervals of each level: means over the series."""
    horizon = max(len(case.future) for case in cases)
    found = freerun.forecast_many(
        table_of(cases, cut), horizon, levels=LEVELS, together=together, workers=workers, cell="smoothing"
    )
    rows = []
    for number, one in found.forecasts.groupby("unique_id"):
        case = cases[int(str(number))]
        one = one.head(len(case.future))  # noqa: PLW2901 - the steps that have a true value
        change = np.abs(case.past[case.period :] - case.past[: -case.period]).mean()
        inside = [((case.future >= one[f"y_low_{p}"]) & (case.future <= one[f"y_high_{p}"])).mean() for p in LEVELS]
        rows.append([np.abs(case.future - one.y).mean() / max(change, 1e-9), *inside])
    return np.mean(rows, axis=0).tolist()


def main() -> None:
    """Forecast all sets in each way, and print how they compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FREERUN_DATA", "data")))
    parser.add_argument("--half", choices=("development", "confirmation", "all"), default="development")
    parser.add_argument("--cut", type=int, help="last steps of each past; default: all of it")
    parser.add_argument("--workers", type=int, help="processes; default: all cores")
    given = parser.parse_args()
    warnings.simplefilter("ignore", freerun.errors.SeriesWarning)
    sets: dict[str, list[Case]] = {}
    for cases in read(given.data / FILE if given.data.is_dir() else given.data, given.half, 0).values():
        for case in cases:
            if given.cut is None or len(case.past) > given.cut:
                sets.setdefault(case.key.rpartition(" ")[0], []).append(case)
    sets = {name: cases for name, cases in sets.items() if len(cases) >= FEWEST}
    found: dict[str, np.ndarray] = {}
    for together in HOW:
        began = time.perf_counter()
        found[together] = np.array([scores(cases, given.cut, together, given.workers) for cases in sets.values()])
        ratio = np.exp(np.log(found[together][:, 0] / found["local"][:, 0]).mean())
        covered = ", ".join(f"{100 * share:.1f} %" for share in found[together][:, 1:].mean(axis=0))
        print(
            f"{together:8}MASE {ratio:.4f} of local  coverage {covered}  {time.perf_counter() - began:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
