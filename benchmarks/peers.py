"""The peers that run beside freerun: an echo state network of reservoirpy, tuned on the training part alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

RESERVOIRS = tuple(itertools.product((0.9, 1.2), (0.3, 1.0), (0.3, 1.0)))
RIDGES = (1e-9, 1e-7, 1e-5, 1e-3)
"""Spectral radius, leak and input scaling, and ridge penalty: the grid that the echo state network is tuned over."""

WASHOUT = 100


@dataclass
class EchoStateNetwork:
    """reservoirpy's reservoir and ridge readout, in closed loop by a loop of our own, since it has none.

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
        """Tune by free runs over the last quarter of `values`, shape (T, D), then fit to all of it."""
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
                    run = _run_free((reservoir, readout), standard[max(0, begin - 1000) : begin], horizon)
                    gap = np.sqrt(((run - standard[begin : begin + horizon]) ** 2).mean(axis=1))
                    errors.append(np.where(gap < 1, gap, 1.0).mean())
                found.append((float(np.mean(errors)), point, ridge))
        _, point, ridge = min(found)
        reservoir, states = self._read(standard, point)
        self._model = reservoir, _solved(states[:-1], standard[1:], ridge)
        return self

    def generate(self, steps: int, after: np.ndarray) -> np.ndarray:
        """A free run of `steps` steps after `after`, shape (steps, D)."""
        standard = (after - self._mean) / self._scale
        return _run_free(self._model, standard[-2000:], steps) * self._scale + self._mean

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


def _run_free(model: Any, before: np.ndarray, steps: int) -> np.ndarray:
    reservoir, readout = model
    reservoir.reset()
    value = readout(reservoir.run(before)[-1])
    run = np.empty((steps, before.shape[1]))
    for step in range(steps):
        run[step] = value
        value = readout(reservoir(np.asarray(value).reshape(-1)))
    return run
