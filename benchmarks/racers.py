"""The peers of the speed benchmark, each the way its own documentation does it.
Those not installed are left out."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from freerun.compute.cores import cores
from freerun.compute.programs import computing

Racers = dict[str, tuple[Callable[[], object], int]]
"""By name: what does a turn, and how many units of work that is."""

RATE = 1e-3

OUTSIDE = dict(os.environ)
"""The environment without what freerun sets when it first computes."""

PLAIN_SCAN = """
import sys
import numpy as np
from racers import plain_scan
run = plain_scan(np.load(sys.argv[1]), int(sys.argv[2]))
for _ in sys.stdin:
    run()
    print(flush=True)
"""


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _peer(module: str) -> Any:
    """A peer's module, loosely typed, since it need not be installed."""
    return importlib.import_module(module)


def sequence(values: np.ndarray, hidden: int) -> Racers:
    """An epoch of gradient descent on one sequence, values of shape (T + 1,
    1) in single precision."""
    racers: Racers = {
        "plain lax.scan": (_plain_scan_by_itself(values, hidden), 100),
        "plain lax.scan, small loops whole": (plain_scan(values, hidden), 100),
        "fused C loop": (_c_loop(values, hidden), 100),
    }
    if _installed("pytensor"):
        racers["PyTensor, the tutorial's graph"] = (_pytensor(values, hidden), 100)
    return racers | recurrent(values, hidden, 5)


def batch(cell: str, sequences: int, steps: int, hidden: int, device: str = "cpu") -> Racers:
    """An epoch of gradient descent on a batch of sequences."""
    if not _installed("torch"):
        return {}
    values = np.random.default_rng(0).normal(size=(sequences, steps + 1, 1)).astype(np.float32)
    return {"PyTorch": (_torch(cell, values[:, :-1], values[:, 1:], hidden, 5, device), 5)}


def recurrent(values: np.ndarray, hidden: int, epochs: int, device: str = "cpu") -> Racers:
    """PyTorch alone on one sequence, as in `sequence`."""
    if not _installed("torch"):
        return {}
    return {"PyTorch nn.RNN": (_torch("simple", values[None, :-1], values[None, 1:], hidden, epochs, device), epochs)}


def least_squares(residuals: Callable[[jax.Array], jax.Array], start: jax.Array, iterations: int) -> Racers:
    """optimistix on the same residuals: its time for a number of steps, over that for none."""
    if not _installed("optimistix"):
        return {}
    optimistix = _peer("optimistix")
    solver = optimistix.LevenbergMarquardt(rtol=1e-12, atol=1e-12)

    @jax.jit
    def solve(weights: jax.Array) -> jax.Array:
        found = optimistix.least_squares(lambda w, _: residuals(w), solver, weights, max_steps=iterations, throw=False)
        return found.value

    def run() -> None:
        with computing("float64"):
            jax.block_until_ready(solve(start))

    return {"optimistix": (run, iterations)}


def matrix_vector(hidden: int) -> Racers:
    """NumPy's product of a vector and a square matrix,
    the floor for a step of a network of as many units."""
    matrix = np.random.default_rng(0).normal(size=(hidden, hidden)).astype(np.float32) / hidden
    vector = np.ones(hidden, np.float32)

    def run() -> None:
        v = vector
        for _ in range(2000):
            v = v @ matrix

    return {"NumPy, vector @ matrix alone": (run, 2000)}


def _weights(hidden: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    recurrent = draw.normal(size=(hidden, hidden)) * 0.5 / np.sqrt(hidden)
    parts = [
        recurrent,
        draw.normal(size=(1, hidden)),
        np.zeros(hidden),
        draw.normal(size=(hidden, 1)) * 0.1,
        np.zeros(1),
    ]
    return [part.astype(np.float32) for part in parts]


def plain_scan(values: np.ndarray, hidden: int) -> Callable[[], object]:
    """The loop as one writes it first: the cell, its input included, inside the scan."""
    weights = [jnp.asarray(w) for w in _weights(hidden)]
    inputs, targets = jnp.asarray(values[:-1]), jnp.asarray(values[1:])

    def loss(weights: list[jax.Array]) -> jax.Array:
        recurrent, driven, bias, readout, offset = weights

        def step(h: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
            h = jnp.tanh(h @ recurrent + x @ driven + bias)
            return h, h @ readout + offset

        return ((jax.lax.scan(step, jnp.zeros(hidden), inputs)[1] - targets) ** 2).mean()

    @jax.jit
    def epochs(weights: list[jax.Array]) -> list[jax.Array]:
        def one(_: Any, weights: list[jax.Array]) -> list[jax.Array]:
            return jax.tree.map(lambda w, g: w - RATE * g, weights, jax.grad(loss)(weights))

        return jax.lax.fori_loop(0, 100, one, weights)

    return lambda: jax.block_until_ready(epochs(weights))


def _plain_scan_by_itself(values: np.ndarray, hidden: int) -> Callable[[], object]:
    """The same as JAX compiles it by itself: in a process of its own,
    which takes its turns when told."""
    path = Path(tempfile.mkdtemp()) / "values.npy"
    np.save(path, values)
    process = subprocess.Popen(
        [sys.executable, "-c", PLAIN_SCAN, path, str(hidden)],
        cwd=Path(__file__).parent,
        env=OUTSIDE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    to, back = process.stdin, process.stdout
    assert to is not None
    assert back is not None

    def run() -> None:
        to.write("\n")
        to.flush()
        back.readline()

    return run


def _c_loop(values: np.ndarray, hidden: int) -> Callable[[], object]:
    folder = Path(tempfile.mkdtemp())
    source, library = Path(__file__).parent / "loop.c", folder / "loop.so"
    options = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "-o", library, source, "-lm"], check=True)
    function = ctypes.CDLL(str(library)).epoch
    function.restype = ctypes.c_float
    steps = len(values) - 1
    arrays = [values[:-1].copy(), values[1:].copy(), *_weights(hidden)]
    scratch = [np.zeros((steps + 1, hidden), np.float32), np.zeros((hidden, hidden), np.float32)]

    def pointers(several: list[np.ndarray]) -> list[ctypes.c_void_p]:
        return [array.ctypes.data_as(ctypes.c_void_p) for array in several]

    def run() -> None:
        for _ in range(100):
            function(steps, hidden, *pointers(arrays), ctypes.c_float(RATE), *pointers(scratch))

    return run


def _pytensor(values: np.ndarray, hidden: int) -> Callable[[], object]:
    """The tutorial's graph: `scan` over the steps, its gradient, and updates of shared weights."""
    pytensor, pt = _peer("pytensor"), _peer("pytensor.tensor")
    weights = [pytensor.shared(w) for w in _weights(hidden)]
    recurrent, driven, bias, readout, offset = weights
    inputs, targets = pytensor.shared(values[:-1]), pytensor.shared(values[1:])

    def step(x: Any, h: Any) -> Any:
        return pt.tanh(h @ recurrent + x @ driven + bias)

    states = pytensor.scan(
        step, sequences=[inputs], outputs_info=[pt.zeros(hidden, dtype="float32")], return_updates=False
    )
    cost = ((states @ readout + offset - targets) ** 2).mean()
    updates = [(w, w - np.float32(RATE) * g) for w, g in zip(weights, pytensor.grad(cost, weights), strict=True)]
    epoch = pytensor.function([], cost, updates=updates)

    def run() -> None:
        for _ in range(100):
            epoch()

    return run


def _torch(
    cell: str, inputs: np.ndarray, targets: np.ndarray, hidden: int, epochs: int, device: str = "cpu"
) -> Callable[[], object]:
    torch = _peer("torch")
    torch.set_num_threads(cores())
    kind = {"simple": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]
    recurrent, readout = kind(1, hidden, batch_first=True).to(device), torch.nn.Linear(hidden, 1).to(device)
    optimizer = torch.optim.SGD([*recurrent.parameters(), *readout.parameters()], lr=RATE)
    x, y = torch.from_numpy(inputs.copy()).to(device), torch.from_numpy(targets.copy()).to(device)

    def run() -> None:
        for _ in range(epochs):
            optimizer.zero_grad()
            ((readout(recurrent(x)[0]) - y) ** 2).mean().backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


FREE_RUNNER = """
import os, time
import numpy as np
import freerun
values = freerun.systems.mackey_glass(2700, seed=0).values.astype(np.float32)
deviation = values.std()
{peer}
began, held = time.time(), 0
while held < 15 and time.time() - began < 600:
    train(50)
    wrong = np.abs(np.array(list(run(200))) - values[1500:1700, 0]) > 0.4 * deviation
    held = int(np.argmax(wrong)) if wrong.any() else 200
print(held)
"""

TORCH = """
import torch
torch.manual_seed(0)
x = torch.from_numpy(values[:1500])[None]
recurrent, readout = torch.nn.LSTM(1, 50, batch_first=True), torch.nn.Linear(50, 1)
weights = [*recurrent.parameters(), *readout.parameters()]
optimizer = torch.optim.Adam(weights, lr=3e-3)

def train(epochs):
    for _ in range(epochs):
        optimizer.zero_grad()
        ((readout(recurrent(x[:, :-1])[0]) - x[:, 1:]) ** 2).mean().backward()
        optimizer.step()

@torch.no_grad()
def run(steps):
    out, state = recurrent(x)
    y = readout(out[:, -1:])
    for _ in range(steps):
        yield float(y)
        out, state = recurrent(y, state)
        y = readout(out)
"""

KERAS = """
os.environ["KERAS_BACKEND"] = "jax"
import keras
keras.utils.set_random_seed(0)
x = values[None, :1500]
read, states = keras.Input((None, 1)), [keras.Input((50,)), keras.Input((50,))]
recurrent, readout = keras.layers.LSTM(50, return_sequences=True, return_state=True), keras.layers.Dense(1)
model = keras.Model(read, readout(recurrent(read)[0]))
out, *after = recurrent(read, initial_state=states)
going_on = keras.Model([read, *states], [readout(out), *after])
model.compile(keras.optimizers.Adam(3e-3), "mse")
rest = [np.zeros((1, 50), np.float32)] * 2

def train(epochs):
    model.fit(x[:, :-1], x[:, 1:], epochs=epochs, verbose=0)

def run(steps):
    y, *state = going_on.predict_on_batch([x, *rest])
    for _ in range(steps):
        yield float(y[0, -1, 0])
        y, *state = going_on.predict_on_batch([y[:, -1:], *state])
"""

FREE_RUNNERS = {
    f"{who} of 50 units, Adam": FREE_RUNNER.format(peer=peer)
    for who, module, peer in (("PyTorch nn.LSTM", "torch", TORCH), ("Keras LSTM on JAX", "keras", KERAS))
    if _installed(module)
}
"""Programs that train until their free run holds 15 steps, and print how many it held."""
