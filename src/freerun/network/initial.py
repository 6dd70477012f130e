"""Initial weights: normal, Glorot uniform, orthogonal, and those of reservoirs.

Weights are drawn from NumPy's legacy `RandomState(seed)`, whose stream never changes. They are
drawn layer by layer, in the order input, recurrent, readout. A seed therefore gives the same
weights on every machine, and the weights of the tutorial can be reproduced.

The recurrent weights of a reservoir are drawn from a second generator. Reservoirs
that differ in their inputs therefore share them. `freerun.network.topologies` says
which units of a reservoir are connected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from freerun.network.cells import CELLS
from freerun.network.network import Network, assemble
from freerun.network.shape import Shape
from freerun.network.sparse import Sparse
from freerun.network.topologies import EVEN, TOPOLOGIES, Draw

SPARSE_FROM, DENSEST = 200, 0.1
"""Units from which on recurrent weights are stored as a sparse matrix, where at most this share of
them is not zero. A product with the hidden state of 300 units then takes 9 microseconds instead of
22, of 1000 units 15 instead of 200."""

Matrix = Callable[[Draw, str, int, int], np.ndarray]
"""Draws a matrix, given its name (`input`, `recurrent`, `readout`, `shrink` or `expand`),
its rows and its columns."""


@dataclass(frozen=True)
class Start:
    """How initial weights are drawn.

    Attributes:
        name: a key of `MATRICES`, or of `TOPOLOGIES` for reservoirs.
        seed: seed of the draws.
        spectral_radius: spectral radius of the recurrent weights of a reservoir;
            of a delay line their value.
        input_scale: for a reservoir, the standard deviation of x_t @ input if the values x_t are
            standardized.
        bias_scale: for a reservoir, biases are uniform on +-bias_scale.
        leak: leak of leaky cells, between 0 and 1.
        connectivity: share of the units that a unit of a reservoir is connected with.
    """

    name: str
    seed: int = 0
    spectral_radius: float = 0.9
    input_scale: float = 0.5
    bias_scale: float = 1.0
    leak: float = 0.3
    connectivity: float = 1.0

    @property
    def reservoir(self) -> bool:
        """Whether recurrent weights stay as they are drawn,
        so that they have a topology and a spectral radius."""
        return self.name in TOPOLOGIES


def initial_network(shape: Shape, start: Start, dtype: str = "float64") -> Network:
    """Draw the weights of a network.

    The bias of the readout and the direct connections are zero, and so is the readout of a
    reservoir. The cells say how their vectors are drawn.

    Args:
        shape: the architecture.
        start: how the weights are drawn.
        dtype: `float64` or `float32`.
    """
    draw = Draw(start.seed)
    recurrent = Draw(start.seed)
    kind = CELLS[shape.cell]

    def take(path: str, size: tuple[int, ...]) -> Any:  # a `Sparse` stands for an array in NumPy
        name = path.rsplit(".", 1)[-1]
        if name == "direct" or (name == "readout" and start.reservoir):
            weights = np.zeros(size)
        elif name == "recurrent" and start.reservoir:
            gates = [_draw_recurrent(start, int(recurrent.randint(2**31)), size[0]) for _ in range(kind.gates)]
            sparse = [gate for gate in gates if isinstance(gate, Sparse)]
            if sparse:
                return Sparse.beside(sparse).astype(dtype)
            weights = np.concatenate([gate for gate in gates if isinstance(gate, np.ndarray)], axis=1)
        elif name in ("input", "recurrent"):
            blocks = [_draw_matrix(start, draw, name, size[0], size[1] // kind.gates) for _ in range(kind.gates)]
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
    """Draw as in the tutorial: normal, with standard deviation 0.02 for
    recurrent weights and 0.01 for all others."""
    return draw.normal(0.0, 0.02 if name == "recurrent" else 0.01, (rows, columns))


def glorot(draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """Draw uniformly on +-sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010)."""
    del name
    bound = np.sqrt(6.0 / (rows + columns))
    return draw.uniform(-bound, bound, (rows, columns))


def orthogonal(draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """Draw orthogonal recurrent matrices from the Haar measure (Mezzadri, 2007),
    and all others by `glorot`."""
    if name != "recurrent":
        return glorot(draw, name, rows, columns)
    q, r = np.linalg.qr(draw.normal(size=(rows, columns)))
    return q * np.sign(np.diag(r))


MATRICES: dict[str, Matrix] = {"tutorial": tutorial, "glorot": glorot, "orthogonal": orthogonal}
"""Functions that draw matrices, by name of the initialization."""


def _draw_matrix(start: Start, draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """Draw a matrix.

    Inputs of a reservoir are normal with standard deviation input_scale /
    sqrt(rows). With a topology of equal weights, they are input_scale / sqrt(rows)
    with random signs (Rodan and Tino, 2011).
    """
    if not start.reservoir:
        return MATRICES[start.name](draw, name, rows, columns)
    if start.name in EVEN:
        return np.where(draw.uniform(size=(rows, columns)) < 0.5, -1.0, 1.0) * start.input_scale / np.sqrt(rows)
    return draw.normal(size=(rows, columns)) * start.input_scale / np.sqrt(rows)


def _draw_recurrent(start: Start, seed: int, size: int) -> np.ndarray | Sparse:
    """Draw the recurrent weights of a reservoir: an array,
    or a `Sparse` where its products are faster."""
    if start.name == "reservoir" and start.connectivity == 1.0:
        return start.spectral_radius * _draw_unit_radius(seed, size)
    drawn = _draw_topology(start.name, seed, size, max(1, round(start.connectivity * size)))
    if size < SPARSE_FROM or drawn.size > DENSEST * size**2:
        return start.spectral_radius * drawn.dense()
    return start.spectral_radius * drawn


@lru_cache(maxsize=8)
def _draw_topology(name: str, seed: int, size: int, connections: int) -> Sparse:
    """Draw a topology. Cached, since its eigenvalues take most of the time."""
    return TOPOLOGIES[name](Draw(seed), size, connections)


@lru_cache(maxsize=8)
def _draw_unit_radius(seed: int, size: int) -> np.ndarray:
    """Draw a normal matrix and scale it to spectral radius 1. Cached,
    since its eigenvalues take most of the time."""
    normal = Draw(seed).normal(size=(size, size))
    return normal / np.abs(np.linalg.eigvals(normal)).max()
