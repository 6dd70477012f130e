"""Anomalies of the Numenta Anomaly Benchmark:
`python benchmarks/nab.py FOLDER [--quick] [--files TEXT ...]`.

FOLDER is a copy of the repository numenta/NAB (Lavin and Ahmad, 2015), of which `data` and
`labels/combined_windows.json` are read. Its series come from machines, traffic, advertisements and
tweets, and most have labelled windows in which something happened. The first 15 % of each series,
at most 750 steps, are learned, as there. The rest is compared with them, at a nominal rate of one
false alarm in 1000 steps.

A window is found if a step of it is flagged. Precision is the share of the reported intervals that
touch a window. The score of the benchmark itself is not computed: it takes the best threshold on
the labels, and here the threshold is given before.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from anomalies import QUICK, Alarms, Method, by_networks, by_scores, forest, linear, rolling, seasonal_difference
from freerun.errors import FreerunError, SeriesWarning
from machine import provenance

SHARE, MOST = 0.15, 750
"""The part that is learned: a share of the series, and most steps."""


@dataclass(frozen=True)
class Record:
    """A series with labelled windows.

    Attributes:
        name: folder and file.
        values: shape (T, 1).
        windows: first and last step of each.
        season: steps of a day.
    """

    name: str
    values: np.ndarray
    windows: list[tuple[int, int]]
    season: int

    @classmethod
    def read(cls, folder: Path, name: str, windows: Sequence[tuple[str, str]]) -> Record:
        """Read a series; `windows` are pairs of times."""
        table = pd.read_csv(folder / "data" / name, parse_dates=["timestamp"])
        times = table["timestamp"].to_numpy()
        spans = [
            (
                int(np.searchsorted(times, np.datetime64(first))),
                int(np.searchsorted(times, np.datetime64(last), "right")),
            )
            for first, last in windows
        ]
        step = np.median(np.diff(times)).astype("timedelta64[s]").astype(int)
        return cls(name, table[["value"]].to_numpy(float), [(a, b - 1) for a, b in spans], round(86400 / step))

    @property
    def learned(self) -> int:
        """Number of steps that are learned."""
        return min(int(SHARE * len(self.values)), MOST)


@dataclass
class Counts:
    """What a method found over all series."""

    windows: int = 0
    found: int = 0
    intervals: int = 0
    right: int = 0
    normal: int = 0
    false: int = 0
    rates: list[float] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0

    def add(self, record: Record, alarms: Alarms) -> None:
        """Count what a method says of a series after the part that it learned."""
        inside = np.zeros(len(alarms.flagged), bool)
        for first, last in record.windows:
            there = slice(max(0, first - record.learned), max(0, last + 1 - record.learned))
            inside[there] = True
            self.windows += 1
            self.found += bool(alarms.flagged[there].any())
        normal, false = int((~inside).sum()), int(alarms.flagged[~inside].sum())
        self.normal, self.false = self.normal + normal, self.false + false
        self.rates.append(1000 * false / max(1, normal))
        self.intervals += len(alarms.intervals)
        self.right += sum(bool(inside[first : last + 1].any()) for first, last in alarms.intervals)

    def row(self) -> Mapping[str, float]:
        """The measures."""
        recall, precision = self.found / max(1, self.windows), self.right / max(1, self.intervals)
        return {
            "windows found": recall,
            "intervals": self.intervals,
            "precision": precision,
            "F1": 2 * recall * precision / max(1e-12, recall + precision),
            "false alarms": 1000 * self.false / max(1, self.normal),
            "of the median series": float(np.median(self.rates)),
            "refused": self.refused,
            "seconds": self.seconds,
        }


def methods_for(record: Record, models: Path, quick: bool) -> Mapping[str, Method]:
    """The methods that are compared on a series."""
    path = models / f"{record.name.replace('/', '-')}{'-quick' if quick else ''}.freerun"
    return {
        "freerun": by_networks(path, QUICK if quick else {}),
        "linear autoregression": by_scores(linear),
        "difference from the day before": by_scores(seasonal_difference(min(record.season, record.learned // 2))),
        "rolling median": by_scores(rolling),
        "IsolationForest": by_scores(forest()),
    }


def measure(records: Sequence[Record], models: Path, quick: bool) -> Mapping[str, Counts]:
    """Measure all methods. A series that a method refuses has no alarms."""
    counts: dict[str, Counts] = {}
    for record in records:
        training, rest = record.values[: record.learned], record.values[record.learned :]
        for name, method in methods_for(record, models, quick).items():
            count, began = counts.setdefault(name, Counts()), time.process_time()
            try:
                alarms = method(training, rest)
            except FreerunError as error:
                print(f"{record.name}: {error}", flush=True)
                alarms = Alarms(np.zeros(len(rest), bool), [])
                count.refused += 1
            count.seconds += time.process_time() - began
            count.add(record, alarms)
    return counts


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a copy of numenta/NAB")
    parser.add_argument("--files", nargs="*", default=[""], help="only series with one of these texts in their name")
    parser.add_argument("--models", type=Path, help="folder of model files; those that are there are not fitted again")
    parser.add_argument("--quick", action="store_true", help="small networks instead of the default")
    given = parser.parse_args()
    print(json.dumps(provenance()))
    warnings.simplefilter("ignore", SeriesWarning)
    labels = json.loads((given.folder / "labels" / "combined_windows.json").read_text())
    records = [
        Record.read(given.folder, name, windows)
        for name, windows in labels.items()
        if any(text in name for text in given.files)
    ]
    with tempfile.TemporaryDirectory() as temporary:
        models = given.models or Path(temporary)
        models.mkdir(parents=True, exist_ok=True)
        counts = measure(records, models, given.quick)
    rows = {name: count.row() for name, count in counts.items()}
    columns = list(next(iter(rows.values())))
    print(f"\n{len(records)} series\n\n| method | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(f'{row[column]:.3g}' for column in columns)} |")


if __name__ == "__main__":
    main()
