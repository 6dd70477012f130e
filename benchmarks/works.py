"""The works of the quality benchmark: what is trained on what, and how it is scored.

Each work is a function that yields one `Row` for each series and seed, freerun first. Settings are freerun's defaults
unless the name says otherwise. Each fit chooses on its training part alone; but the rules by which it does were
designed with the test scores of these works in sight, so that they are no clean test of freerun.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import freerun
from freerun import metrics
from freerun.forecasting import evaluation, runs
from freerun.search import sweep
from freerun.training.history import Progress
from peers import EchoStateNetwork


@dataclass(frozen=True)
class Row:
    """One score of one trained model.

    Attributes:
        work: key of `WORKS`.
        who: `freerun`, or a peer.
        case: series and seed.
        scores: by measure.
        seconds: from nothing to a trained model.
        notes: what was chosen.
    """

    work: str
    who: str
    case: str
    scores: dict[str, float]
    seconds: float
    notes: dict[str, Any] = field(default_factory=dict)


NOTED = ("cell", "hidden", "delays", "leak", "input_scale", "input_noise", "l2", "seed", "optimizer")
"""Settings that are noted with a score."""


def _fit(values: Any, **parameters: Any) -> tuple[freerun.RNN, float, dict[str, Any]]:
    began = time.perf_counter()
    rnn = freerun.RNN(**parameters).fit(values)
    seconds = time.perf_counter() - began
    best = rnn.model_.best
    notes = {name: getattr(best.settings, name) for name in NOTED}
    notes["training_mse"] = best.history.training_mse[-1]
    return rnn, seconds, notes


def _endures(rnn: freerun.RNN, training: Any) -> float:
    model = rnn.model_
    return float(runs.endures(model.best, [freerun.Series.of(training)]))


def _mackey_glass(work: str, peer: bool, **parameters: Any) -> Iterator[Row]:
    for seed in range(5):
        series = freerun.systems.mackey_glass(2700, seed=seed)
        training, _ = series.split(1500)
        rnn, seconds, notes = _fit(training, **parameters)
        scores = rnn.evaluate(series, 1500)
        assert scores.nrmse84 is not None
        found = {"NRMSE84": scores.nrmse84, "VPT": float(scores.vpt), "endures": _endures(rnn, training)}
        yield Row(work, "freerun", f"data seed {seed}", found, seconds, notes)
        if peer:
            began = time.perf_counter()
            network = EchoStateNetwork(1000, seed).fit(training.values)
            seconds = time.perf_counter() - began
            deviation = series.values.std(axis=0)
            starts = 1500 + 20 * np.arange(50)
            last = np.array([network.generate(84, series.values[:start])[-1] for start in starts])
            run = network.generate(1200, training.values)
            found = {
                "NRMSE84": metrics.nrmse(series.values[starts + 83], last, deviation),
                "VPT": float(metrics.valid_prediction_time(series.values[1500:], run, deviation)),
            }
            yield Row(work, "reservoirpy ESN 1000", f"data seed {seed}", found, seconds)


def tutorial(data: Path) -> Iterator[Row]:
    """The tutorial's series, 1500 training steps."""
    yield from _mackey_glass("tutorial", peer=True)


def fifteen(data: Path) -> Iterator[Row]:
    """The same with 15 units."""
    yield from _mackey_glass("fifteen", peer=False, hidden=15)


def _gmd148(work: str, tau: int, variance: float) -> Iterator[Row]:
    for seed in range(3):
        series = freerun.systems.mackey_glass(3000 + 50 * 1084, tau=tau, seed=seed)
        training, rest = series.split(3000)
        rnn, seconds, notes = _fit(training)
        blocks = rest.values[:, 0].reshape(50, 1084)
        errors = []
        for block in blocks:
            run = rnn.generate(84, after=block[:1000]).values[-1, 0]
            bound = 1.0 - 1e-12
            errors.append(np.arctanh(np.clip(run, -bound, bound)) - np.arctanh(block[-1]))
        nrmse = float(np.sqrt(np.mean(np.square(errors)) / variance))
        yield Row(
            work, "freerun", f"data seed {seed}", {"NRMSE84": nrmse, "endures": _endures(rnn, training)}, seconds, notes
        )


def gmd17(data: Path) -> Iterator[Row]:
    """Report GMD-148, tau 17, 3000 training steps."""
    yield from _gmd148("gmd17", 17, 0.0509)


def gmd30(data: Path) -> Iterator[Row]:
    """Report GMD-148, tau 30, 3000 training steps."""
    yield from _gmd148("gmd30", 30, 0.0792)


def dysts(data: Path) -> Iterator[Row]:
    """44 systems of the dysts univariate benchmark: 1000 training steps, a free run of 199."""
    path = data / "dysts" / "univariate_pts100_dev44.json.gz"
    systems = json.loads(gzip.decompress(path.read_bytes()))
    series = {name: np.array(system["values"])[:1199] for name, system in systems.items()}
    kept = Path(__file__).parent / "dysts.parquet"  # an interrupted run goes on from here
    table = sweep(series, kept, train=1000, settings={"members": 5}, ensembles=("best", "median"), progress=_tell)
    for row in table.to_dict("records"):
        name, chosen = row["series"], json.loads(row["chosen"])
        notes = {n: chosen[n] for n in NOTED}
        best = {"sMAPE": row["smape"], "endures": float(row["endures"])}
        yield Row("dysts", "freerun", name, best, row["seconds"], notes)
        yield Row("dysts", "freerun, median of 5 members", name, {"sMAPE": row["smape_median"]}, row["seconds"], notes)
        for who in ("NBEATSModel", "TransformerModel", "RNNModel", "RandomForest"):
            published = {k.removesuffix("Model"): v for k, v in systems[name]["published_smape"].items()}
            score = published.get(who.removesuffix("Model"))
            if score is not None:
                yield Row("dysts", f"{who.removesuffix('Model')} (published)", name, {"sMAPE": score}, 0.0)
    kept.unlink()


def _tell(progress: Progress) -> None:
    print(f"{progress.task} {progress.done} of {progress.total}", file=sys.stderr, flush=True)


READ = (2000, 4000, 6000, 8000, 10_000)
"""Steps of the test data after which long runs begin; the mean of their scores counts, since they differ by chance."""


def _attractor(work: str, training: np.ndarray, truth: np.ndarray) -> Iterator[Row]:
    floor = {
        "D_stsp": metrics.state_space_divergence(truth, training),
        "D_H": metrics.spectrum_distance(truth, training),
    }
    yield Row(work, "floor: training data against test data", "", floor, 0.0)
    for seed in range(3):
        rnn, seconds, notes = _fit(training, seed=seed)
        steps = len(truth) + len(truth) // 4
        runs = [rnn.generate(steps, after=truth[:read]).values[len(truth) // 4 :] for read in READ]
        starts = np.arange(2000, len(truth) - 20, 20)
        ahead = evaluation.errors_ahead(rnn.model_, freerun.Series.of(truth), starts, 20)[:, -1]
        found = {
            "D_stsp": float(np.mean([metrics.state_space_divergence(truth, run) for run in runs])),
            "D_H": float(np.mean([metrics.spectrum_distance(truth, run) for run in runs])),
            "PE(20)": float((ahead**2).mean()),
            "endures": _endures(rnn, training),
        }
        yield Row(work, "freerun", f"seed {seed}", found, seconds, notes)


def lorenz(data: Path) -> Iterator[Row]:
    """Lorenz-63 with 5 % observation noise, 100000 training steps."""
    yield from _attractor(
        "lorenz", np.load(data / "dsr/lorenz63_on0.05_train.npy"), np.load(data / "dsr/lorenz63_test.npy")
    )


def ecg(data: Path) -> Iterator[Row]:
    """Electrocardiogram, delay-embedded in 5 dimensions, 100000 training steps."""
    yield from _attractor(
        "ecg", np.load(data / "dsr/ECG_pecuzal_5d_train.npy"), np.load(data / "dsr/ECG_pecuzal_5d_test.npy")
    )


def laser(data: Path) -> Iterator[Row]:
    """Santa Fe laser: 2000 training steps, a free run of 200."""
    from importlib.resources import files

    values = np.load(str(files("reservoirpy.datasets") / "santafe_laser.npy")).reshape(-1, 1).astype(float)
    training, truth = values[:2000], values[2000:2200]
    deviation = values.std(axis=0)
    for seed in range(5):
        rnn, seconds, notes = _fit(training, seed=seed)
        ours = rnn.generate(200).values
        began = time.perf_counter()
        network = EchoStateNetwork(500, seed).fit(training)
        theirs_seconds = time.perf_counter() - began
        theirs = network.generate(200, training)
        for who, run, took, said in (
            ("freerun", ours, seconds, notes),
            ("reservoirpy ESN 500", theirs, theirs_seconds, {}),
        ):
            found = {
                "NRMSE": metrics.nrmse(truth, run, deviation),
                "VPT": float(metrics.valid_prediction_time(truth, run, deviation)),
            } | ({"endures": _endures(rnn, training)} if who == "freerun" else {})
            yield Row("laser", who, f"seed {seed}", found, took, said)


WORKS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "tutorial": tutorial,
    "fifteen": fifteen,
    "gmd17": gmd17,
    "gmd30": gmd30,
    "dysts": dysts,
    "lorenz": lorenz,
    "ecg": ecg,
    "laser": laser,
}
"""The works by name."""
