"""The works on systems: training series, free runs, and measures.

A `Work` is a list of problems with common measures. A `Problem` is a series whose first steps are
the training part, the free runs that are scored, and their scores. Nothing here depends on the
methods: `systems.py` runs freerun and its peers, `default.py` two versions of freerun.

Where a work has long runs, its scores are lists with one value for each run. One run of a chaotic
system scores half by chance, so that their mean counts.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from freerun import metrics, systems

Scores = dict[str, list[float]]
"""One value for each run that was measured, by measure."""

Runs = list[np.ndarray]
"""Free runs, each of shape (steps, D)."""

WITH_ECHO_STATES = ("ESN 500 (reservoirpy, tuned)", "ESN 500 (ORC)", "NVAR (reservoirpy, as in the paper)")
ALL_PEERS = (*WITH_ECHO_STATES, "context parrot")

ANOTHER_PIECE = "another piece of the true system"
"""The reference whose score no method needs to exceed."""


@dataclass(frozen=True)
class Run:
    """A free run.

    Attributes:
        start: its first step, counted in the values of the problem.
        steps: its length.
        read: number of steps before `start` that a method reads, at most `start`.
    """

    start: int
    steps: int
    read: int


@dataclass(frozen=True)
class Problem:
    """A series to learn.

    Attributes:
        name: unique within its work.
        values: shape (T, D).
        split: number of training steps. Runs that begin later also read steps after them.
        runs: the free runs that are scored.
        score: scores these runs.
        seed: seed of methods that draw weights.
        references: scores of references by name, such as published ones.
        score_states: scores estimates of the states behind noisy training steps;
            None where none are wanted.
    """

    name: str
    values: np.ndarray
    split: int
    runs: tuple[Run, ...]
    score: Callable[[Runs], Scores]
    seed: int = 0
    references: Callable[[], Mapping[str, Scores]] = dict
    score_states: Callable[[np.ndarray], Scores] | None = None

    @property
    def training(self) -> np.ndarray:
        """The training steps."""
        return self.values[: self.split]

    def read(self, run: Run) -> np.ndarray:
        """The steps that a method reads before a run."""
        return self.values[run.start - run.read : run.start]


@dataclass(frozen=True)
class Work:
    """Problems with common measures.

    Attributes:
        title: title on the page.
        problems: makes the problems, given the folder of data and the number of seeds.
        measures: whether `lower` or `higher` is better, by measure.
        peers: keys of `peers.PEERS`.
        rivals: names of references that are methods.
        settings: settings of freerun that are not its defaults.
        published: names and printed scores of methods that do not run here.
        forecast: whether freerun's `forecast` is scored beside its `generate`.
        endures: whether free runs of 100000 steps of freerun's networks are scored.
        caveat: a caveat on the page; empty for none.
    """

    title: str
    problems: Callable[[Path, int], list[Problem]]
    measures: Mapping[str, Literal["lower", "higher"]]
    peers: tuple[str, ...] = ALL_PEERS
    rivals: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: tuple[tuple[str, Mapping[str, str]], ...] = ()
    forecast: bool = False
    endures: bool = False
    caveat: str = ""

    @property
    def first(self) -> str:
        """The measure by which freerun is compared with peers."""
        return next(iter(self.measures))


# Mackey-Glass, and the laser

AHEAD, STARTS, APART = 84, 50, 20
"""Steps of the runs that NRMSE84 scores, number of runs, and steps from one start to the next."""


def _mackey_glass(data: Path, seeds: int) -> list[Problem]:
    del data
    return [
        _followed(systems.mackey_glass(2700, seed=seed).values, 1500, seed, f"series {seed}") for seed in range(seeds)
    ]


def _followed(values: np.ndarray, split: int, seed: int, name: str) -> Problem:
    starts = split + APART * np.arange(STARTS)
    runs = (Run(split, len(values) - split, split), *(Run(int(start), AHEAD, 1000) for start in starts))
    deviation = values.std(axis=0)

    def score(found: Runs) -> Scores:
        last = np.array([run[-1] for run in found[1:]])
        return {
            "NRMSE84": [metrics.nrmse(values[starts + AHEAD - 1], last, deviation)],
            "VPT": [float(metrics.valid_prediction_time(values[split:], found[0], deviation))],
        }

    return Problem(name, values, split, runs, score, seed)


BLOCK, LEARNED = 1000 + AHEAD, 3000
"""Steps of a block of the protocol of GMD-148, of which the first 1000 are read,
and training steps."""


def _gmd148(tau: int, variance: float, data: Path, seeds: int) -> list[Problem]:
    """The protocol of Jaeger's report GMD-148 (2001): errors before the squashing,
    relative to a given variance."""
    del data
    problems: list[Problem] = []
    for seed in range(seeds):
        values = systems.mackey_glass(LEARNED + STARTS * BLOCK, tau=tau, seed=seed).values
        starts = LEARNED + 1000 + BLOCK * np.arange(STARTS)

        def score(runs: Runs, truth: np.ndarray = values[starts + AHEAD - 1]) -> Scores:
            bound = 1.0 - 1e-12
            last = np.clip([run[-1] for run in runs], -bound, bound)
            return {"NRMSE84": [float(np.sqrt(np.mean((np.arctanh(last) - np.arctanh(truth)) ** 2) / variance))]}

        runs = tuple(Run(int(start), AHEAD, 1000) for start in starts)
        problems.append(Problem(f"series {seed}", values, LEARNED, runs, score, seed))
    return problems


def _laser(data: Path, seeds: int) -> list[Problem]:
    """The Santa Fe laser, which comes with reservoirpy; the seeds are those of the networks."""
    del data
    from importlib.resources import files

    values = np.load(str(files("reservoirpy.datasets") / "santafe_laser.npy")).reshape(-1, 1).astype(float)
    deviation = values.std(axis=0)
    values = values[:2200]

    def score(found: Runs) -> Scores:
        return {
            "VPT": [float(metrics.valid_prediction_time(values[2000:], found[0], deviation))],
            "NRMSE": [metrics.nrmse(values[2000:], found[0], deviation)],
        }

    return [Problem(f"seed {seed}", values, 2000, (Run(2000, 200, 2000),), score, seed) for seed in range(seeds)]


# Many systems


def _dysts(points: int, split: int, steps: int, data: Path, seeds: int) -> list[Problem]:
    del seeds
    file = data / "dysts" / f"univariate_pts{points}_dev44.json.gz"
    problems: list[Problem] = []
    for name, system in sorted(json.loads(gzip.decompress(file.read_bytes())).items()):
        values = np.array(system["values"], float)[: split + steps, None]

        def score(runs: Runs, truth: np.ndarray = values[split:]) -> Scores:
            return {"sMAPE": [metrics.smape(truth, runs[0])]}

        published = {k.removesuffix("Model"): v for k, v in system["published_smape"].items()}
        references: dict[str, Scores] = {method: {"sMAPE": [published[key]]} for method, key in DYSTS_PUBLISHED.items()}
        runs = (Run(split, steps, split),)
        problems.append(Problem(name, values, split, runs, score, references=partial(dict, references)))
    return problems


DYSTS_PUBLISHED = {f"{method} (published)": method for method in ("NBEATS", "Transformer", "RNN", "RandomForest")}
"""Of the 16 methods with published scores, the best and three others."""

PERIOD = 30
"""Steps of a period of the flows."""

FLOW_STEPS = 300


def _flows(split: int, single: bool, data: Path, seeds: int) -> list[Problem]:
    """Flows, standardised by their training steps: all channels together, or each alone."""
    del seeds
    problems: list[Problem] = []
    with np.load(data / "flows" / "trajectories_dev.npz") as trajectories:
        for name in sorted(trajectories.files):
            values = trajectories[name].astype(float)[: split + FLOW_STEPS]
            values = (values - values[:split].mean(axis=0)) / values[:split].std(axis=0)
            parts = {f"{name} {i}": values[:, [i]] for i in range(values.shape[1])} if single else {name: values}
            for problem, own in parts.items():
                score = partial(_valid_periods, own[split:])
                problems.append(Problem(problem, own, split, (Run(split, FLOW_STEPS, split),), score))
    return problems


def _valid_periods(truth: np.ndarray, runs: Runs) -> Scores:
    return {"VPT": [valid_periods(truth, runs[0])]}


def valid_periods(truth: np.ndarray, run: np.ndarray) -> float:
    """The valid prediction time of Zhang and Gilpin (2025), in periods, mean over the channels.

    It is the first step at which the mean of the sMAPE so far (0 to 200) exceeds 30.

    Args:
        truth: shape (T, D).
        run: shape (T, D).
    """
    known = np.where(np.isfinite(run), run, 0.0)  # which has an error of 200, as a run that diverged has
    size = np.abs(truth) + np.abs(known)
    errors = 200 * np.divide(np.abs(truth - known), size, out=np.zeros_like(size), where=size > 0)
    lost = np.cumsum(errors, axis=0) / np.arange(1, len(errors) + 1)[:, None] > 30
    steps = np.where(lost.any(axis=0), lost.argmax(axis=0), len(lost))
    return float(steps.mean() / PERIOD)


# The common task framework (CTF) of Wyder et al. (2025): Lorenz-63 at time steps of 0.05

CTF_LONG, CTF_NEXT, CTF_LAST, CTF_BINS = 1000, 20, 500, 41
"""Steps of a long run, of the forecast, and of the end of the run that histograms count;
their bins."""

PLACES = 20
"""Places from which long runs begin."""


def ctf_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """100 (1 - |e| / |y|) with spectral norms, at least -100: the score of the tasks E1, E3 and E5.

    Args:
        truth: shape (T, D).
        prediction: shape (T, D).
    """
    if not np.isfinite(prediction).all():
        return -100.0
    share = np.linalg.norm(prediction - truth, 2) / np.linalg.norm(truth, 2)
    return max(-100.0, float(100 * (1 - share)))


def ctf_histograms(truth: np.ndarray, run: np.ndarray) -> float:
    """100 (1 - |h - g| / |h|) with sums over bins, mean over channels: the score of the tasks E2,
    E4 and E6.

    Histograms have 41 bins over the range of both.

    Args:
        truth: shape (T, D); the last 500 steps count.
        run: shape (S, D); the same.
    """
    truth, run = truth[-CTF_LAST:], run[-CTF_LAST:]
    if not np.isfinite(run).all():
        return -100.0
    shares = []
    for a, b in zip(truth.T, run.T, strict=True):
        edges = np.linspace(min(a.min(), b.min()), max(a.max(), b.max()), CTF_BINS + 1)
        first, second = np.histogram(a, edges)[0], np.histogram(b, edges)[0]
        shares.append(np.abs(first - second).sum() / first.sum())
    return float(100 * (1 - np.mean(shares)))


@cache
def _ctf_files(data: Path) -> dict[str, np.ndarray]:
    names = ("X1train", "X2train", "X3train", "X1test", "X2test", "X3test", "X4test", "X5test")
    return {name: np.load(data / "ctf-lorenz" / f"{name}.npy") for name in names}


def _ctf_clean(data: Path, seeds: int) -> list[Problem]:
    """E1 and E2: the run after the training rows, and 19 more from places within them."""
    files = _ctf_files(data)
    training, truth = files["X1train"], files["X1test"]

    def score(found: Runs) -> Scores:
        return {
            "E1": [ctf_error(truth[:CTF_NEXT], found[0][:CTF_NEXT])],
            "E2": [ctf_histograms(truth, run) for run in found],
        }

    references = partial(_true_pieces, "E2", truth, training)
    return [
        Problem(f"seed {seed}", training, len(training), _places(len(training), CTF_LONG), score, seed, references)
        for seed in range(seeds)
    ]


def _ctf_noisy(train: str, states: str, test: str, tasks: tuple[str, str], data: Path, seeds: int) -> list[Problem]:
    """E3 and E4, or E5 and E6: the states behind noisy rows, and long runs."""
    files = _ctf_files(data)
    training, behind, truth = files[train], files[states], files[test]
    state, long = tasks

    def score(found: Runs) -> Scores:
        return {long: [ctf_histograms(truth, run) for run in found]}

    def score_states(found: np.ndarray) -> Scores:
        return {state: [ctf_error(behind, found)]}

    def references() -> dict[str, Scores]:
        return _true_pieces(long, truth, behind) | {"the noisy rows as they are": score_states(training)}

    runs = _places(len(training), CTF_LONG)
    return [
        Problem(f"seed {seed}", training, len(training), runs, score, seed, references, score_states)
        for seed in range(seeds)
    ]


def _places(last: int, steps: int, read: int = 500) -> tuple[Run, ...]:
    """Long runs: one that begins at `last`, and others at even distances before it."""
    starts = np.linspace(last, read, PLACES).astype(int)
    return tuple(Run(int(start), steps, last if start == last else read) for start in starts)


def _true_pieces(measure: str, truth: np.ndarray, system: np.ndarray) -> dict[str, Scores]:
    """Scores of pieces of the true system, as long as the runs."""
    starts = np.linspace(0, len(system) - CTF_LONG, PLACES).astype(int)
    pieces = [system[start : start + CTF_LONG] for start in starts]
    return {ANOTHER_PIECE: {measure: [ctf_histograms(truth, piece) for piece in pieces]}}


FEW, WINDOWS = 100, 12
"""Rows that the tasks E7 to E10 learn; windows have as many."""


def _ctf_few(rows: str, states: str, data: Path, seeds: int) -> list[Problem]:
    """Windows of 100 rows, scored as E7 and E8 are."""
    del seeds
    files = _ctf_files(data)
    noisy, clean = files[rows], files[states]
    starts = np.linspace(0, len(clean) - FEW - CTF_LONG, WINDOWS).astype(int)
    problems: list[Problem] = []
    for start in starts.tolist():
        truth = clean[start + FEW : start + FEW + CTF_LONG]

        def score(runs: Runs, truth: np.ndarray = truth) -> Scores:
            return {
                "next 20": [ctf_error(truth[:CTF_NEXT], runs[0][:CTF_NEXT])],
                "histograms": [ctf_histograms(truth, runs[0])],
            }

        references = partial(_true_pieces, "histograms", truth, clean)
        values, runs = noisy[start : start + FEW], (Run(FEW, CTF_LONG, FEW),)
        problems.append(Problem(f"rows from {start}", values, FEW, runs, score, references=references))
    return problems


# Reconstruction: how much long runs resemble a system


def _divergences(truth: np.ndarray, skip: int, runs: Runs) -> Scores:
    """D_stsp and D_H of runs without their first steps."""
    return {
        "D_stsp": [metrics.state_space_divergence(truth, run[skip:]) for run in runs],
        "D_H": [metrics.spectrum_distance(truth, run[skip:]) for run in runs],
    }


SHORT_RUNS, AFTER = 200, 20
"""Number and steps of the runs of PE(20)."""


def _reconstruction(train: str, test: str, data: Path, seeds: int) -> list[Problem]:
    """100000 steps are learned; long runs begin at five places of the test data,
    short ones at 200."""
    training, truth = (np.load(data / "dsr" / name).astype(float) for name in (train, test))
    split, skip = len(training), len(truth) // 4
    values = np.concatenate([training, truth])
    long = [Run(split + read, len(truth) + skip, read) for read in (2000, 4000, 6000, 8000, 10_000)]
    starts = np.linspace(2000, len(truth) - AFTER, SHORT_RUNS).astype(int)
    short = [Run(split + int(start), AFTER, 1000) for start in starts]

    def score(found: Runs) -> Scores:
        ahead = np.array([run[-1] for run in found[len(long) :]])
        errors = (ahead - truth[starts + AFTER - 1]) ** 2
        return _divergences(truth, skip, found[: len(long)]) | {"PE(20)": [float(errors.mean())]}

    def references() -> dict[str, Scores]:
        return {"the training data": _divergences(truth, 0, [training])}

    return [Problem(f"seed {seed}", values, split, (*long, *short), score, seed, references) for seed in range(seeds)]


DYNAMIX = {"lorenz63": (2000, 0.804, 0.0644), "chua": (1028, 2.206, 0.0877), "sprottM": (512, 3.325, 0.0974)}
"""Steps read, and D_stsp and D_H of DynaMix, as its notebook prints them."""

ZERO_SHOT = "DynaMix (its notebook, one run)"

DYNAMIX_STEPS = 10_000


def _dynamix(data: Path, seeds: int) -> list[Problem]:
    """The three systems of three variables that DynaMix's notebook reads and continues."""
    del seeds
    problems: list[Problem] = []
    for name, (split, divergence, distance) in DYNAMIX.items():
        values = np.load(data / "dynamix" / f"{name}.npy").astype(float)
        truth = values[split : split + DYNAMIX_STEPS]
        starts = np.linspace(split, len(values), PLACES).astype(int)
        runs = tuple(Run(int(start), DYNAMIX_STEPS, split) for start in starts)
        published: Scores = {"D_stsp": [divergence], "D_H": [distance]}
        references = partial(_half_and_half, values, published)
        score = partial(_divergences, truth, 0)
        problems.append(Problem(f"{name}, {split} steps", values, split, runs, score, references=references))
    return problems


def _half_and_half(values: np.ndarray, published: Scores) -> dict[str, Scores]:
    half = len(values) // 2
    halves = _divergences(values[:half], 0, [values[half:]])
    return {"one half of the data against the other": halves, ZERO_SHOT: published}


NEVER_CLEAN = (
    "The rules by which freerun chooses were designed with the test scores of these series in sight, so this is no "
    "clean test of it."
)

CTF_CHANCE = (
    "Histograms of 500 steps differ by chance: methods whose means lie within 2 of each other do as well, and none can "
    "do better than another piece of the true system but by luck. The published scores are of one run."
)

CTF_BEST = "best of 15 methods for each task (Wyder et al., 2025)"

GTF = "shallow PLRNN, generalized forcing (Hess et al., 2023)"

WORKS: dict[str, Work] = {
    "tutorial": Work(
        "Mackey-Glass, the tutorial's series, 1500 steps",
        _mackey_glass,
        {"NRMSE84": "lower", "VPT": "higher"},
        ("ESN 1000 (reservoirpy, tuned)", "ESN 500 (ORC)", "context parrot"),
        endures=True,
    ),
    "fifteen": Work(
        "The same with 15 units",
        _mackey_glass,
        {"NRMSE84": "lower", "VPT": "higher"},
        (),
        settings={"hidden": 15},
        endures=True,
    ),
    "gmd17": Work(
        "Mackey-Glass by the report GMD-148, tau 17, 3000 steps",
        partial(_gmd148, 17, 0.0509),
        {"NRMSE84": "lower"},
        (),
        published=(
            ("ESN 400 (Jaeger and Haas, 2004)", {"NRMSE84": "2.8e-4"}),
            ("ESN 1000 (Jaeger and Haas, 2004)", {"NRMSE84": "6.3e-5"}),
        ),
        endures=True,
    ),
    "gmd30": Work(
        "The same with tau 30",
        partial(_gmd148, 30, 0.0792),
        {"NRMSE84": "lower"},
        (),
        published=(("ESN 400 (Jaeger, 2001)", {"NRMSE84": "0.11"}),),
        endures=True,
    ),
    "laser": Work(
        "Santa Fe laser, 2000 steps, a free run of 200",
        _laser,
        {"VPT": "higher", "NRMSE": "lower"},
        endures=True,
    ),
    "dysts100": Work(
        "44 systems of dysts, 100 points a period: 1000 steps, a free run of 199",
        partial(_dysts, 100, 1000, 199),
        {"sMAPE": "lower"},
        rivals=tuple(DYSTS_PUBLISHED),
        forecast=True,
        caveat=NEVER_CLEAN,
    ),
    "dysts15": Work(
        "The same systems at 15 points a period: 150 steps, a free run of 29",
        partial(_dysts, 15, 150, 29),
        {"sMAPE": "lower"},
        rivals=tuple(DYSTS_PUBLISHED),
        forecast=True,
        caveat=NEVER_CLEAN,
    ),
    "flows512": Work(
        "45 flows, all channels: 512 steps, a free run of 300",
        partial(_flows, 512, False),
        {"VPT": "higher"},
        forecast=True,
    ),
    "flows2048": Work(
        "45 flows, all channels: 2048 steps, a free run of 300",
        partial(_flows, 2048, False),
        {"VPT": "higher"},
        forecast=True,
    ),
    "flows512-single": Work(
        "Each channel of the flows alone: 512 steps, a free run of 300",
        partial(_flows, 512, True),
        {"VPT": "higher"},
        forecast=True,
    ),
    "flows2048-single": Work(
        "Each channel of the flows alone: 2048 steps, a free run of 300",
        partial(_flows, 2048, True),
        {"VPT": "higher"},
        forecast=True,
    ),
    "ctf": Work(
        "CTF Lorenz, 10000 clean rows (E1, E2)",
        _ctf_clean,
        {"E2": "higher", "E1": "higher"},
        published=((CTF_BEST, {"E1": "99.91", "E2": "89.87"}),),
        caveat=CTF_CHANCE,
    ),
    "ctf-noise1": Work(
        "CTF Lorenz, 10000 rows with noise of standard deviation 1 (E3, E4)",
        partial(_ctf_noisy, "X2train", "X2test", "X3test", ("E3", "E4")),
        {"E4": "higher", "E3": "higher"},
        published=((CTF_BEST, {"E3": "97.90", "E4": "69.92"}),),
        caveat=CTF_CHANCE,
    ),
    "ctf-noise1-states": Work(
        'The same, learned as measurements of states (`cell="memoryless"`, `measurement_noise=0.1`)',
        partial(_ctf_noisy, "X2train", "X2test", "X3test", ("E3", "E4")),
        {"E3": "higher", "E4": "higher"},
        (),
        settings={"cell": "memoryless", "measurement_noise": 0.1},
        published=((CTF_BEST, {"E3": "97.90", "E4": "69.92"}),),
        caveat=CTF_CHANCE,
    ),
    "ctf-noise2": Work(
        "CTF Lorenz, 10000 rows with noise of standard deviation 2 (E5, E6)",
        partial(_ctf_noisy, "X3train", "X4test", "X5test", ("E5", "E6")),
        {"E6": "higher", "E5": "higher"},
        published=((CTF_BEST, {"E5": "96.48"}),),
        caveat=CTF_CHANCE,
    ),
    "ctf-100": Work(
        "CTF Lorenz, windows of 100 clean rows, scored as E7 and E8 are",
        partial(_ctf_few, "X1train", "X1train"),
        {"next 20": "higher", "histograms": "higher"},
    ),
    "ctf-100-noise1": Work(
        "CTF Lorenz, windows of 100 rows with noise of standard deviation 1, scored as E9 and E10 are",
        partial(_ctf_few, "X2train", "X2test"),
        {"next 20": "higher", "histograms": "higher"},
    ),
    "dynamix": Work(
        "Three systems from 512 to 2000 steps, runs of 10000",
        _dynamix,
        {"D_stsp": "lower", "D_H": "lower"},
        rivals=(ZERO_SHOT,),
        caveat="The row of DynaMix is of one run, by histograms of its own (30 bins over the range of the true states, "
        "without a margin). DynaMix reads the steps without a fit.",
    ),
    "lorenz": Work(
        "Lorenz-63 with 5 % observation noise, 100000 steps",
        partial(_reconstruction, "lorenz63_on0.05_train.npy", "lorenz63_test.npy"),
        {"D_stsp": "lower", "D_H": "lower", "PE(20)": "lower"},
        ("ESN 500 (reservoirpy, tuned)", "ESN 500 (ORC)", "NVAR (reservoirpy, as in the paper)"),
        published=((GTF, {"D_stsp": "0.26", "D_H": "0.09"}),),
        caveat=NEVER_CLEAN + " It chooses by D_stsp and D_H on the training part; no peer does.",
    ),
    "ecg": Work(
        "Electrocardiogram, delay-embedded in 5 dimensions, 100000 steps",
        partial(_reconstruction, "ECG_pecuzal_5d_train.npy", "ECG_pecuzal_5d_test.npy"),
        {"D_stsp": "lower", "D_H": "lower", "PE(20)": "lower"},
        ("ESN 500 (reservoirpy, tuned)", "ESN 500 (ORC)", "NVAR (reservoirpy, as in the paper)"),
        published=(
            (GTF, {"D_stsp": "4.3", "D_H": "0.34", "PE(20)": "2.4e-3"}),
            ("sparse forcing (the same)", {"D_stsp": "7.1", "D_H": "0.38", "PE(20)": "5e-3"}),
            ("reservoir (the same)", {"D_stsp": "5.3", "D_H": "0.39", "PE(20)": "4e-3"}),
            ("LSTM (the same)", {"D_stsp": "15.2", "D_H": "0.73", "PE(20)": "2.5e-2"}),
        ),
        caveat=NEVER_CLEAN + " It chooses by D_stsp and D_H on the training part; no peer does.",
    ),
}
"""The works by name."""
