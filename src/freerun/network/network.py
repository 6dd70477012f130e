"""`Network`: layers of cells, a readout and, if wanted, direct connections from input to output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float

from freerun.network.cells import CELLS, AnyCell, MemorylessCell, PiecewiseLinearCell

if TYPE_CHECKING:
    from freerun.network.updates import Array, Carry


@dataclass(frozen=True)
class Shape:
    """What a network is built from.

    Attributes:
        channels: D.
        inputs: E, external inputs.
        hidden: units of each layer.
        cell: a name of `freerun.network.cells.CELLS`, `plrnn` or `clipped-plrnn`.
        lags: the delays of the values in a window, ascending; 0 is the current value.
        layers: number of layers.
        direct: direct connections or not.
        nonlinearity: of the hidden units.
        latent: latent variables M of a piecewise-linear cell.
        differences: lags of the differences that are taken of the values, one after the other.
    """

    channels: int
    hidden: int
    cell: str = "simple"
    lags: tuple[int, ...] = (0,)
    layers: int = 1
    direct: bool = False
    nonlinearity: str = "tanh"
    latent: int = 0
    inputs: int = 0
    differences: tuple[int, ...] = ()

    @property
    def window(self) -> int:
        """K = len(lags) * (D + E), the number of inputs of the first layer."""
        return len(self.lags) * (self.channels + self.inputs)


class State(NamedTuple):
    """What a network remembers between two steps.

    Attributes:
        cells: the carry of each layer.
        past: the last values read, latest last, shape (max(lags) + sum(differences), N).
    """

    cells: tuple[Carry, ...]
    past: Array


class Window(NamedTuple):
    """What a network makes of the latest values before anything else.

    Attributes:
        seen: the differenced values and the external inputs at each lag, one after the other, shape (*T, K).
        base: what the differences leave out, to be added to the output, shape (*T, D); None without differences.
    """

    seen: Array
    base: Array | None


@dataclass(frozen=True, eq=False)
class Network:
    """Predicts the next step of a series: y_t = h_t @ readout + bias (+ w_t @ direct), an estimate of x_{t+1}.

    At step t it reads N = D + E numbers: the D values x_t, and E external inputs, those of step t + 1. The window w_t
    holds what was read at steps t - lag for each lag, one after the other; before the first step all is zero. It drives
    the first layer and the direct connections; each further layer is driven by the hidden state of the one below, and
    h_t is the hidden states of all layers side by side.

    With differences d1, d2, ... the window holds (1 - B^d1)(1 - B^d2) ... x instead of x, where B is the step back, and
    the output is the estimate of the next difference plus what the differences leave out of x_{t+1}.

    All arrays in it are weights; several networks of one shape are one whose arrays have a leading axis more.

    Attributes:
        cells: the layers, from the bottom up.
        readout: shape (H, D), H the length of all hidden states together.
        bias: shape (D,).
        direct: shape (K, D) with K = len(lags) * N, from window to output, or None.
        lags: the delays of the values in a window, ascending.
        inputs: E, the number of external inputs.
        differences: the lags of the differences.
        parallel: whether data are read in pieces side by side, see `freerun.network.parallel`, or step by step.
        static: fields that are no weights.
    """

    cells: tuple[AnyCell, ...]
    readout: Float[Array, "H D"]
    bias: Float[Array, " D"]
    direct: Float[Array, "K D"] | None = None
    lags: tuple[int, ...] = (0,)
    inputs: int = 0
    differences: tuple[int, ...] = ()
    parallel: bool = False

    static: ClassVar[tuple[str, ...]] = ("lags", "inputs", "differences", "parallel")

    @property
    def weights(self) -> int:
        """The number of weights, biases included."""
        direct = 0 if self.direct is None else self.direct.size
        return sum(cell.weights for cell in self.cells) + self.readout.size + self.bias.size + direct

    @property
    def memoryless(self) -> bool:
        """Whether it remembers nothing but the last values read."""
        return all(isinstance(cell, MemorylessCell) for cell in self.cells)

    @property
    def depth(self) -> int:
        """Steps before the current one that a window reaches back."""
        return max(self.lags) + sum(self.differences)

    def arrays(self) -> list[Array]:
        """All weights, in the order of the fields."""
        own = [self.readout, self.bias, *([] if self.direct is None else [self.direct])]
        return [*(array for cell in self.cells for array in cell.arrays()), *own]

    def with_readout(self, readout: Array, bias: Array, direct: Array | None) -> Network:
        """The same network with another readout, bias and direct connections."""
        return replace(self, readout=readout, bias=bias, direct=direct)

    def rest(self, several: tuple[int, ...] = ()) -> State:
        """The state before the first step; its past is that of one sequence, or of `several` side by side."""
        past = np.zeros((self.depth, *several, self.bias.shape[0] + self.inputs), self.bias.dtype)
        return State(tuple(cell.rest() for cell in self.cells), past)


def left_out(differences: tuple[int, ...]) -> list[tuple[int, int]]:
    """Of x_{t+1} = (its difference) + sum of coefficient * x_{t - back}: the pairs (back, coefficient)."""
    polynomial = np.ones(1, int)  # (1 - B^d1)(1 - B^d2) ... in the powers of B
    for lag in differences:
        polynomial = np.convolve(polynomial, [1, *[0] * (lag - 1), -1])
    return [(k - 1, -int(c)) for k, c in enumerate(polynomial) if k and c]


Take = Callable[[str, tuple[int, ...]], "Array"]
"""Hands out the array of a name and a shape: `cells.0.input`, `readout`, ..."""


def assemble(shape: Shape, take: Take) -> Network:
    """A network of the given shape whose weights come from `take`, which is asked for each of them once."""

    def cell(layer: int) -> AnyCell:
        inputs = shape.window if layer == 0 else _hidden_state(shape)
        if shape.cell in CELLS:
            kind = CELLS[shape.cell]
            weights = {n: take(f"cells.{layer}.{n}", s) for n, s in kind.shapes(inputs, shape.hidden).items()}
            return kind(**weights, nonlinearity=shape.nonlinearity)
        shapes = PiecewiseLinearCell.shapes(inputs, shape.hidden, shape.latent)
        weights = {n: take(f"cells.{layer}.{n}", s) for n, s in shapes.items()}
        return PiecewiseLinearCell(**weights, clipped=shape.cell == "clipped-plrnn")

    return Network(
        tuple(cell(layer) for layer in range(shape.layers)),
        take("readout", (shape.layers * _hidden_state(shape), shape.channels)),
        take("bias", (shape.channels,)),
        take("direct", (shape.window, shape.channels)) if shape.direct else None,
        shape.lags,
        shape.inputs,
        shape.differences,
    )


def _hidden_state(shape: Shape) -> int:
    return shape.hidden + (0 if shape.cell in CELLS else shape.latent)
