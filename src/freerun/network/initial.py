"""Initial weights: the tutorial's normals, Glorot's uniforms, orthogonal matrices, and reservoirs.

All draws come from NumPy's legacy `RandomState(seed)`, layer by layer in the order input, recurrent, readout, so that
a seed gives the same weights on every machine and the tutorial's own weights can be repeated. The recurrent weights of
reservoirs come from a second one, so that recipes which differ in their inputs share them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from freerun.network.cells import CELLS
from freerun.network.network import Network, Shape, assemble

Draw = np.random.RandomState
Matrix = Callable[[Draw, str, int, int], np.ndarray]
"""Draws the matrix `input`, `recurrent`, `readout`, `shrink` or `expand` of so many rows and columns."""


@dataclass(frozen=True)
class Start:
    """How initial weights are drawn.

    Attributes:
        name: a key of `MATRICES`.
        seed: seed of the draws.
        spectral_radius: of a reservoir's recurrent weights.
        input_scale: of a reservoir: standard deviation of the drive of a unit by standardised values.
        bias_scale: of a reservoir: biases are uniform on +-bias_scale.
        leak: of leaky cells, between 0 and 1.
    """

    name: str
    seed: int = 0
    spectral_radius: float = 0.9
    input_scale: float = 0.5
    bias_scale: float = 1.0
    leak: float = 0.3


def initial_network(shape: Shape, start: Start, dtype: str = "float64") -> Network:
    """A network with fresh weights; readout bias and direct connections start at zero.

    A reservoir's readout is zero too. The forget gates of an LSTM start with a bias of 1 (Gers et al., 2000), the
    diagonal of a piecewise-linear cell is uniform on 0.5 to 1, and its thresholds are standard normal.
    """
    draw = Draw(start.seed)
    recurrent = Draw(start.seed)
    gates = CELLS[shape.cell].gates if shape.cell in CELLS else 1

    def take(path: str, size: tuple[int, ...]) -> np.ndarray:
        name = path.rsplit(".", 1)[-1]
        if name == "direct" or (name == "readout" and start.name == "reservoir"):
            weights = np.zeros(size)
        elif name in ("input", "recurrent"):
            source = recurrent if name == "recurrent" and start.name == "reservoir" else draw
            blocks = [_matrix(start, source, name, size[0], size[1] // gates) for _ in range(gates)]
            weights = np.concatenate(blocks, axis=1)
        elif len(size) == 2:
            weights = _matrix(start, draw, name, *size)
        else:
            weights = _vector(shape, start, draw, path, size[0])
        return np.asarray(weights, dtype)

    return assemble(shape, take)


def tutorial(draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """The tutorial's: normal with standard deviation 0.01, recurrent weights 0.02."""
    return draw.normal(0.0, 0.02 if name == "recurrent" else 0.01, (rows, columns))


def glorot(draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """Uniform on +-sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010)."""
    del name
    bound = np.sqrt(6.0 / (rows + columns))
    return draw.uniform(-bound, bound, (rows, columns))


def orthogonal(draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    """Glorot's, but recurrent matrices are orthogonal, uniform over all such (Mezzadri, 2007)."""
    if name != "recurrent":
        return glorot(draw, name, rows, columns)
    q, r = np.linalg.qr(draw.normal(size=(rows, columns)))
    return q * np.sign(np.diag(r))


MATRICES: dict[str, Matrix] = {"tutorial": tutorial, "glorot": glorot, "orthogonal": orthogonal}
"""The ways to draw a matrix that need no further number, by name."""


def _matrix(start: Start, draw: Draw, name: str, rows: int, columns: int) -> np.ndarray:
    if start.name != "reservoir":
        return MATRICES[start.name](draw, name, rows, columns)
    if name == "recurrent":
        return start.spectral_radius * _of_unit_radius(int(draw.randint(2**31)), rows)
    return draw.normal(size=(rows, columns)) * start.input_scale / np.sqrt(rows)


@lru_cache(maxsize=8)
def _of_unit_radius(seed: int, size: int) -> np.ndarray:
    """A normal matrix of spectral radius 1; kept, since its eigenvalues take longer than all else of a reservoir."""
    normal = Draw(seed).normal(size=(size, size))
    return normal / np.abs(np.linalg.eigvals(normal)).max()


def _vector(shape: Shape, start: Start, draw: Draw, path: str, size: int) -> np.ndarray:
    name = path.rsplit(".", 1)[-1]
    if name == "logit":
        return np.full(size, np.log(start.leak / (1.0 - start.leak)))
    if name == "diagonal":
        return draw.uniform(0.5, 1.0, size)
    if name == "threshold":
        return draw.normal(size=size)
    if name == "bias" and path.startswith("cells."):
        biases = (
            draw.uniform(-start.bias_scale, start.bias_scale, size) if start.name == "reservoir" else np.zeros(size)
        )
        if shape.cell == "lstm":
            biases[shape.hidden : 2 * shape.hidden] += 1.0
        return biases
    return np.zeros(size)
