"""Initial weights: the tutorial's normals, Glorot's uniforms, orthogonal matrices, and reservoirs.

All draws come from NumPy's legacy `RandomState(seed)`, in the order input, recurrent, readout, so that a seed
gives the same weights on every machine and the tutorial's own weights can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from freerun.cells import SimpleCell
from freerun.network import Network


@dataclass(frozen=True)
class Shape:
    """What a network is built from: channels D, units H, non-linearity, direct connections or not."""

    channels: int
    hidden: int
    nonlinearity: str = "tanh"
    direct: bool = False


Weights = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""input (D, H), recurrent (H, H), cell bias (H,), readout (H, D)."""


def initial_network(initial: str, shape: Shape, seed: int, spectral_radius: float, input_scale: float) -> Network:
    """A network with fresh weights; readout bias and direct connections start at zero.

    Args:
        initial: a name of `INITIALS`.
        shape: the sizes of the network.
        seed: seed of the draws.
        spectral_radius, input_scale: used by `reservoir` alone.
    """
    draw = np.random.RandomState(seed)
    if initial == "reservoir":
        weights = reservoir(shape, draw, spectral_radius, input_scale)
    else:
        weights = INITIALS[initial](shape, draw)
    inputs, recurrent, bias, readout = map(jnp.asarray, weights)
    return Network(
        SimpleCell(inputs, recurrent, bias, shape.nonlinearity),
        readout,
        jnp.zeros(shape.channels),
        jnp.zeros((shape.channels, shape.channels)) if shape.direct else None,
    )


def tutorial(shape: Shape, draw: np.random.RandomState) -> Weights:
    """The tutorial's: normal with standard deviation 0.01 (input, readout) and 0.02 (recurrent), biases zero."""
    return (
        draw.normal(0.0, 0.01, (shape.channels, shape.hidden)),
        draw.normal(0.0, 0.02, (shape.hidden, shape.hidden)),
        np.zeros(shape.hidden),
        draw.normal(0.0, 0.01, (shape.hidden, shape.channels)),
    )


def glorot(shape: Shape, draw: np.random.RandomState) -> Weights:
    """Uniform on +-sqrt(6 / (fan in + fan out)), biases zero (Glorot and Bengio, 2010)."""

    def uniform(rows: int, columns: int) -> np.ndarray:
        bound = np.sqrt(6.0 / (rows + columns))
        return draw.uniform(-bound, bound, (rows, columns))

    return (
        uniform(shape.channels, shape.hidden),
        uniform(shape.hidden, shape.hidden),
        np.zeros(shape.hidden),
        uniform(shape.hidden, shape.channels),
    )


def orthogonal(shape: Shape, draw: np.random.RandomState) -> Weights:
    """Glorot's weights with a random orthogonal recurrent matrix, uniform over all of them (Mezzadri, 2007)."""
    inputs, _, bias, readout = glorot(shape, draw)
    q, r = np.linalg.qr(draw.normal(size=(shape.hidden, shape.hidden)))
    return inputs, q * np.sign(np.diag(r)), bias, readout


def reservoir(shape: Shape, draw: np.random.RandomState, spectral_radius: float, input_scale: float) -> Weights:
    """A reservoir (Jaeger, 2001): recurrent weights of the given spectral radius, readout zero.

    Input weights and cell biases are uniform on +-input_scale, recurrent weights are normal, then scaled.
    """
    inputs = draw.uniform(-input_scale, input_scale, (shape.channels, shape.hidden))
    recurrent = draw.normal(size=(shape.hidden, shape.hidden))
    recurrent *= spectral_radius / np.abs(np.linalg.eigvals(recurrent)).max()
    bias = draw.uniform(-input_scale, input_scale, shape.hidden)
    return inputs, recurrent, bias, np.zeros((shape.hidden, shape.channels))


INITIALS: dict[str, Callable[[Shape, np.random.RandomState], Weights]] = {
    "tutorial": tutorial,
    "glorot": glorot,
    "orthogonal": orthogonal,
}
"""The ways to draw initial weights, by name."""
