"""Anomalies beside simple baselines: `python benchmarks/anomalies.py
[--quick] [--works NAME ...] [--seeds N]`.

A work is a series of a system, or of noise and seasons. Its first part is learned, without faults.
A second part, without faults too, shows how many false alarms there are at a nominal rate of one in
1000 steps. Into a third part faults are injected, whose place and kind are known: a spike, a level
shift, a frozen sensor, a drift of a parameter (the speed of the system rises, falls and comes
back), more noise, and a season that is missing. A fault is found if a step of it is flagged, or one
of the 32 steps after it. The delay is the number of steps from its beginning to then.

Event-based precision is the share of the reported intervals that touch a fault. Its harmonic mean
with the share of faults found is F1. F1 with point adjustment is not used, since it counts a whole
fault as found by one flagged step, so that random scores reach high values (Kim et al., AAAI 2022).

All methods learn the same part. The threshold of each baseline is the quantile of its scores there
at the nominal rate. `DEVELOPED` are the works on which rules were settled, `CONFIRMED` those on
which they were only measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

import freerun
from freerun import systems
from freerun.errors import SeriesWarning
from machine import provenance

TRAINING, CLEAN, FAULTY = 1500, 3000, 3000
"""Steps of the three parts."""

RATE = 1e-3
"""Nominal rate of false alarms, per step."""

LATE = 32
"""Steps after a fault in which a flag still finds it, and is no false alarm."""

WINDOW = 16
"""Steps of the windows that IsolationForest and the linear autoregression read."""

LEAST = 1e-12
"""Least width by which errors are divided."""

ROLLING = 100
"""Steps by which a reading is standardised by the rolling baseline."""


@dataclass(frozen=True)
class Fault:
    """A fault: its kind, its first step, and the step after its last."""

    kind: str
    start: int
    stop: int


KINDS = {"spike": 1, "shift": 100, "frozen": 60, "drift": 300, "noise": 100, "season": 0}
"""Steps of each kind of fault; 0 for one season."""

SIZES = {"spike": 1.0, "shift": 0.3, "drift": 0.1, "noise": 2.5}
"""Of a spike and a shift in standard deviations of the series; largest change of the speed;
factor of the noise."""


@dataclass(frozen=True)
class Work:
    """A series to learn.

    Attributes:
        signal: makes the signal from a seed and the time of each step, which passes at speed 1 but
            in a drift; the amplitude of the season is the third argument.
        noise: standard deviation of the noise of measurements, in those of the signal.
        season: its period in steps; 0 for none.
        draw: draws noise of variance 1.
    """

    signal: Callable[[int, np.ndarray, np.ndarray], np.ndarray]
    noise: float
    season: int = 0
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] = lambda random, size: random.normal(size=size)


def _interpolated(make: Callable[[int, int], np.ndarray]) -> Callable[[int, np.ndarray, np.ndarray], np.ndarray]:
    """The signal of a system, between whose steps is interpolated."""

    def signal(seed: int, times: np.ndarray, _: np.ndarray) -> np.ndarray:
        values = make(int(times[-1]) + 2, seed)
        return CubicSpline(np.arange(len(values)), values)(times)

    return signal


def _autoregression(first: float, second: float = 0.0) -> Callable[[int, np.ndarray, np.ndarray], np.ndarray]:
    """x_t = first x_{t-1} + second x_{t-2} + e_t; in a drift, the coefficients become smaller."""

    def signal(seed: int, times: np.ndarray, _: np.ndarray) -> np.ndarray:
        random, speed = np.random.default_rng(seed), np.diff(times, prepend=times[0] - 1)
        x = np.zeros(len(times) + 2)
        for t, shock in enumerate(random.normal(size=len(times)), 2):
            x[t] = (first * x[t - 1] + second * x[t - 2]) / speed[t - 2] + shock
        return x[2:, None]

    return signal


def _seasonal(period: int, wander: float) -> Callable[[int, np.ndarray, np.ndarray], np.ndarray]:
    """A season of three harmonics around a level that wanders."""

    def signal(seed: int, times: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        random = np.random.default_rng(seed)
        weights, phases = random.normal(size=3) / [1, 2, 3], random.uniform(0, 2 * np.pi, 3)
        angles = 2 * np.pi * times[:, None] * np.arange(1, 4) / period + phases
        level = np.cumsum(random.normal(size=len(times))) * wander
        return (10 + level + amplitude * (np.sin(angles) @ (weights / np.abs(weights).max())))[:, None]

    return signal


def _mackey_glass(tau: float) -> Callable[[int, int], np.ndarray]:
    return lambda steps, seed: (
        systems.mackey_glass_rk4(steps, tau, 2.0, 1.2 + 0.01 * seed, washout=200, substeps=20).values
    )


def _lorenz(steps: int, seed: int) -> np.ndarray:
    return systems.lorenz_dop853(steps, dt=0.04, start=(1.0 + seed, 1.0, 20.0), washout=500).values


def _sines(seed: int, times: np.ndarray, _: np.ndarray) -> np.ndarray:
    phase = np.random.default_rng(seed).uniform()
    return (np.sin(0.2 * times + phase) + np.sin(0.311 * times + phase))[:, None]


def _student(random: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Student's t with 4 degrees of freedom, whose variance is 2."""
    return random.standard_t(4, size) / np.sqrt(2)


DEVELOPED: Mapping[str, Work] = {
    "mackey-glass": Work(_interpolated(_mackey_glass(17)), 0.05),
    "autoregression": Work(_autoregression(0.8), 0.0),
    "daily": Work(_seasonal(24, 0.0), 0.2, 24),
    "lorenz": Work(_interpolated(_lorenz), 0.02),
}
"""Works on which rules were settled."""

CONFIRMED: Mapping[str, Work] = {
    "mackey-glass-30": Work(_interpolated(_mackey_glass(30)), 0.1),
    "sines": Work(_sines, 0.1),
    "resonance": Work(_autoregression(1.6, -0.9), 0.0),
    "weekly": Work(_seasonal(7, 0.05), 0.3, 7),
    "heavy-tails": Work(_seasonal(24, 0.02), 0.3, 24, _student),
    "lorenz96": Work(_interpolated(lambda steps, seed: systems.lorenz96(steps, 5, seed=seed).values), 0.05),
}
"""Works on which they were only measured."""

WORKS = {**DEVELOPED, **CONFIRMED}


@dataclass(frozen=True)
class Data:
    """The three parts of a work, shape (steps, D) each, and the faults of the third."""

    training: np.ndarray
    clean: np.ndarray
    faulty: np.ndarray
    faults: list[Fault]


def make_data(work: Work, seed: int) -> Data:
    """Make the series of a work."""
    random = np.random.default_rng(seed + 1000)
    total, begin = TRAINING + CLEAN + FAULTY, TRAINING + CLEAN
    faults = _placed(random, work.season)
    speed, amplitude, noisier = np.ones(total), np.ones(total), np.ones(total)
    for fault in faults:
        there = slice(begin + fault.start, begin + fault.stop)
        if fault.kind == "drift":
            speed[there] += SIZES["drift"] * np.sin(np.linspace(0, 2 * np.pi, fault.stop - fault.start))
        elif fault.kind == "season":
            amplitude[there] = 0.0
        elif fault.kind == "noise":
            noisier[there] = SIZES["noise"]
    signal = work.signal(seed, np.cumsum(speed), amplitude)
    deviation = signal[:begin].std(axis=0)
    noise = work.noise if work.noise else 0.3 * (noisier[:, None] > 1)
    values = signal + noise * deviation * noisier[:, None] * work.draw(random, signal.shape)
    for fault in faults:
        first, last = begin + fault.start, begin + fault.stop
        channel = int(random.integers(values.shape[1]))
        if fault.kind in ("spike", "shift"):
            values[first:last, channel] += random.choice([-1, 1]) * SIZES[fault.kind] * deviation[channel]
        elif fault.kind == "frozen":
            values[first:last, channel] = values[first - 1, channel]
    return Data(values[:TRAINING], values[TRAINING:begin], values[begin:], faults)


def _placed(random: np.random.Generator, season: int) -> list[Fault]:
    """Place one fault of each kind in the third part, in random order, as far apart as possible."""
    kinds = [kind for kind in KINDS if kind != "season" or season]
    random.shuffle(kinds)
    lengths = [KINDS[kind] or season for kind in kinds]
    apart = (FAULTY - sum(lengths)) // (len(kinds) + 1)
    faults, at = list[Fault](), 0
    for kind, length in zip(kinds, lengths, strict=True):
        start = at + apart - int(random.integers(20))
        faults.append(Fault(kind, start, start + length))
        at += apart + length
    return faults


@dataclass(frozen=True)
class Alarms:
    """What a method says of a part: whether each step is flagged, and the intervals,
    first and last step."""

    flagged: np.ndarray
    intervals: list[tuple[int, int]]

    @classmethod
    def of(cls, flagged: np.ndarray) -> Alarms:
        """Join flagged steps that follow each other by at most `LATE` steps."""
        steps = np.flatnonzero(flagged)
        parts = np.split(steps, np.flatnonzero(np.diff(steps) > LATE) + 1) if len(steps) else []
        return cls(flagged, [(int(part[0]), int(part[-1])) for part in parts])


Method = Callable[[np.ndarray, np.ndarray], Alarms]
"""Learns a part of a series, shape (T, D), and says what is
anomalous in a part that may follow it."""

Scoring = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Scores each step of a series, from a training part and a series that begins with it."""


def by_scores(scores: Scoring) -> Method:
    """A method whose score of each step of a series is compared
    with the scores of the training part."""

    def method(training: np.ndarray, part: np.ndarray) -> Alarms:
        threshold = np.nanquantile(scores(training, training), 1 - RATE)
        return Alarms.of(scores(training, np.concatenate([training, part]))[len(training) :] > threshold)

    return method


def _windows(values: np.ndarray, length: int) -> np.ndarray:
    """The last `length` values of each channel at each step from length - 1 on,
    shape (T - length + 1, length * D)."""
    return np.lib.stride_tricks.sliding_window_view(values, length, axis=0).reshape(len(values) - length + 1, -1)


def rolling(_: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Distance from the median of the last steps, in median absolute deviations."""
    past = np.lib.stride_tricks.sliding_window_view(values, ROLLING, axis=0)[:-1]
    middle = np.median(past, axis=2)
    width = np.median(np.abs(past - middle[..., None]), axis=2)
    scores = np.abs(values[ROLLING:] - middle) / np.maximum(width, LEAST)
    return np.concatenate([np.full(ROLLING, np.nan), scores.max(axis=1)])


def seasonal_difference(season: int) -> Scoring:
    """Distance from the value a season before, or a step before if there is no season."""
    lag = season or 1

    def scores(training: np.ndarray, values: np.ndarray) -> np.ndarray:
        difference = np.abs(values[lag:] - values[:-lag]) / np.maximum(training.std(axis=0), LEAST)
        return np.concatenate([np.full(lag, np.nan), difference.max(axis=1)])

    return scores


def linear(training: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Errors of a linear autoregression one step ahead, in their standard deviations."""

    def rows(series: np.ndarray) -> np.ndarray:
        windows = _windows(series, WINDOW)[:-1]
        return np.concatenate([windows, np.ones((len(windows), 1))], axis=1)

    weights, *_ = np.linalg.lstsq(rows(training), training[WINDOW:], rcond=None)
    width = np.maximum((training[WINDOW:] - rows(training) @ weights).std(axis=0), LEAST)
    errors = np.abs(values[WINDOW:] - rows(values) @ weights) / width
    return np.concatenate([np.full(WINDOW, np.nan), errors.max(axis=1)])


def forest() -> Scoring:
    """Isolation forests of windows (Liu et al., 2008)."""
    from sklearn.ensemble import IsolationForest

    fitted: dict[int, IsolationForest] = {}

    def scores(training: np.ndarray, values: np.ndarray) -> np.ndarray:
        if id(training) not in fitted:
            fitted[id(training)] = IsolationForest(random_state=0).fit(_windows(training, WINDOW))
        found = -fitted[id(training)].score_samples(_windows(values, WINDOW))
        return np.concatenate([np.full(WINDOW - 1, np.nan), found])

    return scores


QUICK: Mapping[str, Any] = {
    **{"cell": "memoryless", "initial": "reservoir", "hidden": 100, "delays": WINDOW, "input_scale": 0.3},
    **{"l2": 1e-3, "difference": 0, "optimizer": "ridge"},
}
"""Networks that take a second each, where the defaults of freerun take a minute;
smoothers stand in for them on series with seasons."""


def by_networks(path: Path, settings: Mapping[str, Any]) -> Method:
    """Networks of freerun. The model is kept in a file; one that is there is not fitted again."""

    def method(training: np.ndarray, part: np.ndarray) -> Alarms:
        if not path.exists():
            freerun.RNN(**settings).fit(training).save(path)
        begin = len(training)
        series = np.concatenate([training, part])
        found = freerun.load(path).anomalies(series, start=begin, false_alarms=RATE)
        spans = [(int(first) - begin, int(last) - begin) for first, last in found.spans]
        return Alarms(found.flagged[begin:], spans)

    return method


@dataclass
class Score:
    """Counts of a method, summed over works and seeds."""

    clean: int = 0
    false: int = 0
    normal: int = 0
    false_beside: int = 0
    intervals: int = 0
    right: int = 0
    seconds: float = 0.0
    delays: dict[str, list[float]] = field(default_factory=dict)

    def add(self, data: Data, clean: Alarms, faulty: Alarms, seconds: float) -> None:
        """Count what a method says of a work."""
        self.seconds += seconds
        self.clean, self.false = self.clean + len(clean.flagged), self.false + int(clean.flagged.sum())
        near = np.zeros(FAULTY, bool)
        for fault in data.faults:
            near[fault.start : fault.stop + LATE] = True
            flags = np.flatnonzero(faulty.flagged[fault.start : fault.stop + LATE])
            self.delays.setdefault(fault.kind, []).append(float(flags[0]) if len(flags) else np.nan)
        self.normal, self.false_beside = (
            self.normal + int((~near).sum()),
            self.false_beside + int(faulty.flagged[~near].sum()),
        )
        self.intervals += len(faulty.intervals)
        self.right += sum(bool(near[begin : end + 1].any()) for begin, end in faulty.intervals)

    def row(self) -> dict[str, float]:
        """The measures."""
        all_delays = np.concatenate([np.array(d) for d in self.delays.values()])
        recall, precision = float(np.isfinite(all_delays).mean()), self.right / max(1, self.intervals)
        found = {kind: float(np.isfinite(delays).mean()) for kind, delays in self.delays.items()}
        return {
            "false alarms": 1000 * self.false / self.clean,
            "beside faults": 1000 * self.false_beside / self.normal,
            **{kind: found[kind] for kind in KINDS if kind in found},
            "found": recall,
            "delay": float(np.nanmedian(all_delays)) if recall else np.nan,
            "precision": precision,
            "F1": 2 * recall * precision / max(1e-12, recall + precision),
            "seconds": self.seconds,
        }


def measure(
    names: Sequence[str], seeds: int, folder: Path, quick: bool, which: Sequence[str] = ()
) -> dict[str, dict[str, Score]]:
    """Measure all methods on works; scores by method, of each work and of all together (`all`)."""
    scores: dict[str, dict[str, Score]] = {}
    for name in names:
        for seed in range(seeds):
            data = make_data(WORKS[name], seed)
            season = WORKS[name].season
            settings = {} if not quick else {"cell": "smoothing"} if season else QUICK
            path = folder / f"{name}-{seed}{'-quick' if quick else ''}.freerun"
            methods: dict[str, Method] = {
                "freerun": by_networks(path, settings),
                "linear autoregression": by_scores(linear),
                "seasonal difference": by_scores(seasonal_difference(season)),
                "rolling median": by_scores(rolling),
                "IsolationForest": by_scores(forest()),
            }
            for method in which or methods:
                began = time.perf_counter()
                clean, faulty = (methods[method](data.training, part) for part in (data.clean, data.faulty))
                seconds = time.perf_counter() - began
                for key in (name, "all"):
                    scores.setdefault(method, {}).setdefault(key, Score()).add(data, clean, faulty, seconds)
    return scores


def print_tables(scores: Mapping[str, Mapping[str, Score]]) -> None:
    """Print a table for each work, and one for all."""
    for key in next(iter(scores.values())):
        rows = {method: by_work[key].row() for method, by_work in scores.items()}
        columns = list(next(iter(rows.values())))
        print(f"\n{key}\n\n| method | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
        for method, row in rows.items():
            print(f"| {method} | {' | '.join(f'{row.get(column, np.nan):.3g}' for column in columns)} |", flush=True)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", nargs="*", default=list(CONFIRMED), choices=list(WORKS), help="works to measure")
    parser.add_argument("--methods", nargs="*", default=[], help="methods; default: all")
    parser.add_argument("--seeds", type=int, default=2, help="series of each work")
    parser.add_argument("--models", type=Path, help="folder of model files; those that are there are not fitted again")
    parser.add_argument("--quick", action="store_true", help="small networks, and smoothers for seasons")
    given = parser.parse_args()
    print(json.dumps(provenance()))
    warnings.simplefilter("ignore", SeriesWarning)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.models or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print_tables(measure(given.works, given.seeds, folder, given.quick, given.methods))


if __name__ == "__main__":
    main()
