"""Free runs of 1000 steps in onnxruntime beside freerun, and the size of the ONNX files.

    python benchmarks/onnx_runs.py

Each model is fitted, exported, and run by both in turn, on one thread: onnxruntime from
Python, and the NumPy engine. Times are the least processor time of five runs, without
loading. The table is that of docs/onnx.md.
"""

from __future__ import annotations

import os

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnxruntime

from freerun import RNN, Series, systems
from freerun.forecasting.onnx_export import onnx_model
from freerun.forecasting.runs import free_run
from machine import provenance

STEPS, REPEATS = 1000, 5

SOLVED: dict[str, Any] = {"optimizer": "ridge", "l2": 1e-6, "delays": 1, "difference": 0, "restarts": 1, "holdout": 0}
"""Nothing is left to choose."""

DRAWN: dict[str, Any] = SOLVED | {"spectral_radius": 0.9, "input_scale": 0.5, "bias_scale": 0.1}
LEAKY: dict[str, Any] = DRAWN | {"cell": "leaky", "leak": 0.5}


def models() -> Iterator[tuple[str, RNN]]:
    """The models by name, fitted."""
    glass, months = systems.mackey_glass(1200, seed=0), np.arange(144)
    noise = np.random.default_rng(0).normal(size=144)
    sales = Series((100 + 0.3 * months + 10 * np.sin(2 * np.pi * months / 12) + noise)[:, None])
    yield "smoothers with a season of 12", RNN(cell="smoothing", season=12).fit(sales)
    yield "leaky, 100 units", RNN(100, **LEAKY).fit(glass)
    yield "leaky, 1000 units", RNN(1000, **LEAKY).fit(glass)
    yield "leaky, 4000 units, sparse", RNN(4000, **LEAKY).fit(glass)
    yield "LSTM, 64 units", RNN(64, cell="lstm", **DRAWN).fit(glass)
    yield "field of 40 sites, leaky, 100 units", RNN(100, neighbours=2, **LEAKY).fit(systems.lorenz96(700, sites=40))


def milliseconds(run: Callable[[], object]) -> float:
    """The least processor time of some runs."""
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return 1000 * min(times)


def main() -> None:
    """Print the table, a row as soon as it is known."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    print(", ".join(f"{name}: {fact}" for name, fact in provenance().items()))
    print("| model | file | 1000 steps in onnxruntime | in freerun |\n|---|---|---|---|")
    for name, rnn in models():
        content = onnx_model(rnn.model_).SerializeToString()
        session = onnxruntime.InferenceSession(content, options)
        channels = rnn.model_.recent.shape[1]
        given = {"state": np.zeros(0), "values": np.zeros((0, channels)), "steps": np.array([STEPS])}
        theirs = milliseconds(lambda session=session, given=given: session.run(["run"], given))
        ours = milliseconds(lambda rnn=rnn: free_run(rnn.model_, STEPS))
        print(f"| {name} | {len(content) / 1000:.0f} kB | {theirs:.0f} ms | {ours:.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
