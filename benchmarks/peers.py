"""The peers that run beside freerun on systems, and the program that runs them.

Each has `fit` and `generate`, see `Peer`. The program runs in an environment that has the peers. It
reads requests from standard input, one line of JSON each: `method` is a key of `PEERS`, and `file`
a NumPy file with the series, see `answer`. It writes the free runs to that file, and answers with a
line of JSON that has the processor seconds.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

RESERVOIRS = tuple(itertools.product((0.9, 1.2), (0.3, 1.0), (0.3, 1.0)))
RIDGES = (1e-9, 1e-7, 1e-5, 1e-3)
"""Spectral radius, leak and input scaling, and ridge penalty:
the grid that the echo state network is tuned over."""

WASHOUT = 100

READ = 2000
"""Most steps before a free run that an echo state network reads."""


class Peer(Protocol):
    """A method that continues series. Values have shape (T, D)."""

    def fit(self, values: np.ndarray) -> Peer:
        """Learn from a series."""
        ...

    def generate(self, steps: int, after: np.ndarray) -> np.ndarray:
        """A free run of `steps` steps after a series, shape (steps, D)."""
        ...


@dataclass
class EchoStateNetwork:
    """reservoirpy's reservoir and ridge readout, tuned on the training part,
    in closed loop by a loop of our own.

    Attributes:
        units: size of the reservoir.
        seed: of its weights.
    """

    units: int
    seed: int = 0
    _model: Any = None
    _mean: Any = None
    _scale: Any = None

    def fit(self, values: np.ndarray) -> EchoStateNetwork:
        """Tune by free runs over the last quarter of `values`, shape (T, D),
        then fit to all of it."""
        self._mean, self._scale = values.mean(axis=0), values.std(axis=0)
        standard = (values - self._mean) / self._scale
        start = int(0.75 * len(standard))
        horizon = min(200, (len(standard) - start) // 3)
        begins = np.linspace(start, len(standard) - horizon, 4).astype(int)

        found: list[tuple[float, tuple[float, ...], float]] = []
        for point in RESERVOIRS:
            reservoir, states = self._read(standard, point)
            for ridge in RIDGES:
                readout = _solved(states[: start - 1], standard[1:start], ridge)
                errors = []
                for begin in begins:
                    run = _run_free(reservoir, readout, states[begin - 1], horizon)
                    gap = np.sqrt(((run - standard[begin : begin + horizon]) ** 2).mean(axis=1))
                    errors.append(np.where(gap < 1, gap, 1.0).mean())
                found.append((float(np.mean(errors)), point, ridge))
        _, point, ridge = min(found)
        reservoir, states = self._read(standard, point)
        self._model = reservoir, _solved(states[:-1], standard[1:], ridge)
        return self

    def generate(self, steps: int, after: np.ndarray) -> np.ndarray:
        """A free run of `steps` steps after `after`, shape (steps, D)."""
        standard = (after[-READ:] - self._mean) / self._scale
        reservoir, readout = self._model
        reservoir.reset()
        return _run_free(reservoir, readout, reservoir.run(standard)[-1], steps) * self._scale + self._mean

    def _read(self, standard: np.ndarray, point: tuple[float, ...]) -> tuple[Any, np.ndarray]:
        from reservoirpy.nodes import Reservoir

        radius, leak, scale = point
        reservoir = Reservoir(units=self.units, sr=radius, lr=leak, input_scaling=scale, seed=self.seed)
        return reservoir, np.asarray(reservoir.run(standard))


def _solved(states: np.ndarray, targets: np.ndarray, ridge: float) -> Any:
    from reservoirpy.nodes import Ridge

    readout = Ridge(ridge=ridge)
    washout = min(WASHOUT, len(states) // 5)
    readout.fit(states[washout:], targets[washout:])
    return readout


def _run_free(reservoir: Any, readout: Any, state: np.ndarray, steps: int) -> np.ndarray:
    """A free run from a state of the reservoir, shape (steps, D)."""
    reservoir.state = {"out": state}
    run = [readout(state)]
    for _ in range(steps - 1):
        run.append(readout(reservoir(np.asarray(run[-1]).reshape(-1))))
    return np.array(run).reshape(steps, -1)


@dataclass
class NextGeneration:
    """reservoirpy's NVAR with the settings of Gauthier et al. (2021) for the Lorenz system.

    Products of two of the last two values forecast the change to the next value: k 2, s 1, ridge
    penalty 2.5e-6. Here the series is standardised first.

    Attributes:
        seed: unused, since nothing is drawn.
    """

    seed: int = 0
    _model: Any = None
    _mean: Any = None
    _scale: Any = None

    def fit(self, values: np.ndarray) -> NextGeneration:
        """Solve the readout for a series, shape (T, D)."""
        from reservoirpy.nodes import NVAR, Ridge

        self._mean, self._scale = values.mean(axis=0), values.std(axis=0)
        standard = (values - self._mean) / self._scale
        features, readout = NVAR(delay=2, order=2, strides=1), Ridge(ridge=2.5e-6)
        readout.fit(np.asarray(features.run(standard))[1:-1], np.diff(standard, axis=0)[1:])
        self._model = features, readout
        return self

    def generate(self, steps: int, after: np.ndarray) -> np.ndarray:
        """A free run of `steps` steps after `after`, shape (steps, D)."""
        features, readout = self._model
        standard = (after[-2:] - self._mean) / self._scale
        features.reset()
        value, last = standard[-1], features.run(standard)[-1]
        run = np.full((steps, len(value)), np.inf)
        for step in range(steps):
            value = value + np.asarray(readout(last)).reshape(-1)
            if not np.abs(value).max() < 1e6:  # it has diverged
                break
            run[step] = value
            last = features(value)
        return run * self._scale + self._mean


@dataclass
class OpenReservoir:
    """The echo state network of ORC (OpenReservoirComputing) with its defaults,
    on the standardised series.

    Attributes:
        units: size of the reservoir, which has no default.
        seed: of its weights.
    """

    units: int
    seed: int = 0
    _model: Any = None
    _mean: Any = None
    _scale: Any = None

    def fit(self, values: np.ndarray) -> OpenReservoir:
        """Solve the readout for a series, shape (T, D)."""
        import jax
        from orc.forecaster import ESNForecaster, train_RCForecaster

        jax.config.update("jax_enable_x64", True)  # as its own quick start does
        self._mean, self._scale = values.mean(axis=0), values.std(axis=0)
        standard = (values - self._mean) / self._scale
        network = ESNForecaster(data_dim=values.shape[1], res_dim=self.units, seed=self.seed)
        self._model, _ = train_RCForecaster(network, standard, spinup=min(WASHOUT, len(values) // 5))
        return self

    def generate(self, steps: int, after: np.ndarray) -> np.ndarray:
        """A free run of `steps` steps after `after`, shape (steps, D)."""
        standard = (after[-READ:] - self._mean) / self._scale
        return np.asarray(self._model.forecast_from_IC(steps, standard)) * self._scale + self._mean


WINDOW = 5
"""Values that the context parrot compares."""


@dataclass
class Parrot:
    """The context parrot (Zhang and Gilpin, 2025): copies what followed the closest earlier window.

    Attributes:
        seed: unused, since nothing is drawn.
    """

    seed: int = 0
    _mean: Any = None
    _scale: Any = None
    _known: Any = None

    def fit(self, values: np.ndarray) -> Parrot:
        """Keep a series, shape (T, D), to copy from."""
        self._known, self._mean, self._scale = values, values.mean(axis=0), values.std(axis=0)
        return self

    def generate(self, steps: int, after: np.ndarray) -> np.ndarray:
        """A copy of `steps` steps, shape (steps, D). Where the known series ends,
        the copy goes on from itself."""
        standard, last = ((x - self._mean) / self._scale for x in (self._known, after[-WINDOW:]))
        windows = np.lib.stride_tricks.sliding_window_view(standard[:-1], WINDOW, axis=0)  # (windows, D, WINDOW)
        distances = ((windows - last.T) ** 2).sum(axis=(1, 2))
        if not np.array_equal(after[-WINDOW:], self._known[-WINDOW:]):
            distances[distances == 0] = np.inf  # a run from inside the known series does not copy what followed there
        follows = int(distances.argmin()) + WINDOW
        copied = self._known[follows:]
        return np.resize(copied, (steps, copied.shape[1]))


PEERS: dict[str, Callable[[int], Peer]] = {
    "ESN 500 (reservoirpy, tuned)": lambda seed: EchoStateNetwork(500, seed),
    "ESN 1000 (reservoirpy, tuned)": lambda seed: EchoStateNetwork(1000, seed),
    "NVAR (reservoirpy, as in the paper)": NextGeneration,
    "ESN 500 (ORC)": lambda seed: OpenReservoir(500, seed),
    "context parrot": Parrot,
}
"""The peers by name. Each is made with a seed."""

MODULES = {"reservoirpy": "reservoirpy", "ORC": "orc"}
"""Modules that peers need, by a part of their names."""


def missing(method: str) -> str:
    """Find a module that a peer needs and that is not installed; empty if there is none."""
    needed = [module for name, module in MODULES.items() if name in method]
    return next((module for module in needed if importlib.util.find_spec(module) is None), "")


def answer(method: str, file: str) -> dict[str, Any]:
    """Fit a peer and let it run.

    Args:
        method: key of `PEERS`.
        file: NumPy file with `values`, shape (T, D), `split`, the steps that are fitted, `runs`,
            shape (N, 3), the start, the steps and the steps read before of each free run, and
            `seed`. The free runs are written to it, as `0`, `1`, ...

    Returns:
        Processor seconds of the fit (`fit`), and of all (`seconds`); or the reason (`error`).
    """
    if module := missing(method):
        return {"error": f"{module} is not installed for {sys.executable}"}
    task = np.load(file)
    values, split = task["values"], int(task["split"])
    began = time.process_time()
    try:
        peer = PEERS[method](int(task["seed"])).fit(values[:split])
        fitted = time.process_time()
        runs = [peer.generate(steps, values[start - read : start]) for start, steps, read in task["runs"].tolist()]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    seconds = time.process_time() - began
    arrays: dict[str, Any] = {str(number): run for number, run in enumerate(runs)}
    np.savez(file, **arrays)
    return {"fit": fitted - began, "seconds": seconds}


def main() -> None:
    """Answer requests, one a line."""
    warnings.filterwarnings("ignore")  # of the peers about themselves
    np.seterr(all="ignore")  # runs that diverge
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
