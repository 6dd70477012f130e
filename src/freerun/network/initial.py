"""Initial weights: normal, Glorot uniform, orthogonal, and those of reservoirs.

Weights are drawn from NumPy's legacy `RandomState(seed)`, whose stream never changes. They are drawn layer by layer, in
the order input, recurrent, readout. A seed therefore gives the same weights on every machine, and the weights of the
tutorial can be reproduced.

The recurrent weights of a reservoir are drawn from a second generator. Reservoirs that differ in their inputs therefore
share them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from freerun.network.cells import CELLS
from freerun.network.network import Network, assemble
from freerun.network.shape import Shape

Draw = np.random.RandomState
"""The random generator."""
Matrix = Callable[[Draw, str, int, int], np.ndarray]
"""Draws a matrix, given its name (`input`, `recurrent`, `readout`, `shrink` or `expand`), its rows and its columns."""


@dataclass(frozen=True)
class Start:
    """How initial weights are drawn.

    Attributes:
        name: a key of `MATRICES`, or `reservoir`.
        seed: seed of the draws.
        spectral_radius: spectral radius of the recurrent weights of a reservoir.
        input_scale: for a reservoir, the standard deviation of x_t @ input if the values x_t are standardized.
        bias_scale: for a reservoir, biases are uniform on +-bias_scale.
        leak: leak of leaky cells, between 0 and 1.
    """

    name: str
    seed: int = 0
    spectral_radius: float = 0.9
    input_scale: float = 0.5
    bias_scale: float = 1.0
    leak: float = 0.3


def initial_network(shape: Shape, start: Start, dtype: str = "float64") -> Network:
    """Draw the weights of a network.

    The bias of the readout and the direct connections are zero, and so is the readout of a reservoir. The cells say how
    their vectors are drawn.

    Args:
        shape: the architecture.
        start: how the weights are drawn.
        dtype: `float64` or `float32`.
    """
    draw = Draw(start.seed)
    recurrent = Draw(start.seed)
    kind = CELLS[shape.cell]

    def take(path: str, size: tuple[int, ...]) -> np.ndarray:
        name = path.rsplit(".", 1)[-1]
        if name == "direct" or (name == "readout" and start.name == "reservoir"):
            weights = np.zeros(size)
        elif name in ("input", "recurrent"):
            source = recurrent if name == "recurrent" and start.name == "reservoir" else draw
            blocks = [_draw_matrix(start, source, name, size[0], size[1] // kind.gates) for _ in range(kind.gates)]
            weights = np.concatenate(blocks, axis=1)
        elif len(size) == 2:
            weights = _draw_matrix(start, draw, name, *size)
        elif path.startswith("cells."):
            weights = kind.draw_vector(name, size[0], start, draw)
        else:
            weights = np.zeros(size)
        return np.asarray(weights, dtype)

    return assemble(shape, take)


def tutorial(draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """Draw as in the tutorial: normal, with standard deviation 0.02 for recurrent weights and 0.01 for all others."""
    return draw.normal(0.0, 0.02 if name == "recurrent" else 0.01, (rows, columns))


def glorot(draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """Draw uniformly on +-sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010)."""
    del name
    bound = np.sqrt(6.0 / (rows + columns))
    return draw.uniform(-bound, bound, (rows, columns))


def orthogonal(draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """Draw orthogonal recurrent matrices from the Haar measure (Mezzadri, 2007), and all others by `glorot`."""
    if name != "recurrent":
        return glorot(draw, name, rows, columns)
    q, r = np.linalg.qr(draw.normal(size=(rows, columns)))
    return q * np.sign(np.diag(r))


MATRICES: dict[str, Matrix] = {"tutorial": tutorial, "glorot": glorot, "orthogonal": orthogonal}
"""Functions that draw matrices, by name of the initialization."""


def _draw_matrix(start: Start, draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """Draw a matrix. Inputs of a reservoir are normal with standard deviation input_scale / sqrt(rows)."""
    if start.name != "reservoir":
        return MATRICES[start.name](draw, name, rows, columns)
    if name == "recurrent":
        return start.spectral_radius * _draw_unit_radius(int(draw.randint(2**31)), rows)
    return draw.normal(size=(rows, columns)) * start.input_scale / np.sqrt(rows)


@lru_cache(maxsize=8)
def _draw_unit_radius(seed: int, size: int) -> np.ndarray:
    """Draw a normal matrix and scale it to spectral radius 1. Cached, since its eigenvalues take most of the time."""
    normal = Draw(seed).normal(size=(size, size))
    return normal / np.abs(np.linalg.eigvals(normal)).max()
