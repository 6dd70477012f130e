"""Cells: one affine map of the hidden state, then an elementwise update.

A cell with H units and D inputs turns its carry into the next one,

    carry_t = update(elementwise, carry_{t-1}, h_{t-1} @ recurrent, x_t @ input + bias),

where the hidden state h is the first entry of the carry, and the update acts on each unit by itself. That form is what
the loops rely on for their speed. A cell with gates has several maps side by side: A = gates * H. Here are the weights;
what is computed with them in JAX stands in `freerun.network.jax_cells`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from freerun.network.updates import Array, Carry

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class AnyCell:
    """What all cells share; D inputs, A columns of the map of the inputs.

    Attributes:
        input: shape (D, A).
        bias: shape (A,).
        additive: whether the update depends on the parts of the affine map by their sum alone.
        static: fields that are no weights.
    """

    input: Float[Array, "D A"]
    bias: Float[Array, " A"]

    additive: ClassVar[bool] = True
    static: ClassVar[tuple[str, ...]] = ()

    @property
    def hidden(self) -> int:
        """H, the length of the hidden state."""
        raise NotImplementedError(f"{type(self).__name__} does not tell the length of its hidden state")

    @property
    def weights(self) -> int:
        """The number of weights, biases included."""
        return sum(array.size for array in self.arrays())

    def arrays(self) -> list[Array]:
        """All weights, in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self) if field.name not in self.static]

    def rest(self) -> Carry:
        """The carry before the first step: hidden state zero."""
        return (np.zeros(self.hidden, self.bias.dtype),)


@dataclass(frozen=True, eq=False)
class Cell(AnyCell):
    """What cells with a non-linearity share; H units, A = gates * H columns of the affine map.

    Attributes:
        nonlinearity: a name of `freerun.network.updates.NONLINEARITIES`.
        gates: maps side by side.
        input, bias, additive, static: see `AnyCell`.
    """

    nonlinearity: str

    gates: ClassVar[int] = 1
    static: ClassVar[tuple[str, ...]] = ("nonlinearity",)

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        """The shape of each weight, by the name of its field."""
        return {"input": (inputs, cls.gates * hidden), "bias": (cls.gates * hidden,)}

    @property
    def hidden(self) -> int:
        """H, the length of the hidden state."""
        return self.bias.shape[0] // self.gates


class MemorylessCell(Cell):
    """A layer without recurrent weights: h_t = f(x_t @ input + bias).

    Its memory is the window of delays that the network feeds it, which makes the network a NARX network (Lin, Horne,
    Tino and Giles, 1996) and, with random weights and a solved readout, an extreme learning machine.
    """


@dataclass(frozen=True, eq=False)
class RecurrentCell(Cell):
    """A cell with recurrent weights.

    Attributes:
        recurrent: shape (H, A).
    """

    recurrent: Float[Array, "H A"]

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        return {**super().shapes(inputs, hidden), "recurrent": (hidden, cls.gates * hidden)}


class SimpleCell(RecurrentCell):
    """The simple recurrent cell (Elman, 1990): h_t = f(h_{t-1} @ recurrent + x_t @ input + bias)."""


@dataclass(frozen=True, eq=False)
class LeakyCell(RecurrentCell):
    """Leaky integrators (Jaeger et al., 2007): h_t = (1 - leak) h_{t-1} + leak f(h_{t-1} @ recurrent + ...).

    Attributes:
        logit: shape (H,), the leak of each unit as its logit, so that it stays between 0 and 1 while it is trained.
    """

    logit: Float[Array, " H"]

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        return {**super().shapes(inputs, hidden), "logit": (hidden,)}


@dataclass(frozen=True, eq=False)
class GRUCell(RecurrentCell):
    """The gated recurrent unit (Cho et al., 2014), with the reset gate after the recurrent map as in cuDNN.

    Reset r and update gate z are sigmoids; n = f(x @ input + r * (h @ recurrent + candidate)), h' = (1 - z) n + z h.

    Attributes:
        candidate: shape (H,), the bias inside the reset gate.
    """

    candidate: Float[Array, " H"]

    gates: ClassVar[int] = 3
    additive: ClassVar[bool] = False

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        return {**super().shapes(inputs, hidden), "candidate": (hidden,)}


class LSTMCell(RecurrentCell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

    Gates i, f, o are sigmoids, g = nonlinearity; c' = f c + i g, h' = o nonlinearity(c'). The carry is (h, c).
    """

    gates: ClassVar[int] = 4

    def rest(self) -> Carry:
        return (*super().rest(), *super().rest())


@dataclass(frozen=True, eq=False)
class PiecewiseLinearCell(AnyCell):
    """The shallow piecewise-linear cell (Hess et al., 2023), of M latent variables z and L units:

        z_t = diagonal * z_{t-1} + phi(z_{t-1} @ expand) @ shrink + x_t @ input + bias,

    with phi(s) = relu(s + threshold), or, clipped, relu(s + threshold) - relu(s), which keeps the free run bounded
    where |diagonal| < 1. The hidden state is (z, phi), H = M + L units, so that one affine map makes both.

    Attributes:
        input: shape (D, M).
        bias: shape (M,).
        diagonal: shape (M,).
        shrink: shape (L, M).
        expand: shape (M, L).
        threshold: shape (L,).
        clipped: which phi.
        additive, static: see `AnyCell`.
    """

    diagonal: Float[Array, " M"]
    shrink: Float[Array, "L M"]
    expand: Float[Array, "M L"]
    threshold: Float[Array, " L"]
    clipped: bool

    static: ClassVar[tuple[str, ...]] = ("clipped",)

    @staticmethod
    def shapes(inputs: int, hidden: int, latent: int) -> Shapes:
        """The shape of each weight, by the name of its field."""
        return {
            "input": (inputs, latent),
            "bias": (latent,),
            "diagonal": (latent,),
            "shrink": (hidden, latent),
            "expand": (latent, hidden),
            "threshold": (hidden,),
        }

    @property
    def hidden(self) -> int:
        """H = M + L, the length of the hidden state."""
        return self.bias.shape[0] + self.threshold.shape[0]


CELLS: dict[str, type[Cell]] = {
    "simple": SimpleCell,
    "leaky": LeakyCell,
    "gru": GRUCell,
    "lstm": LSTMCell,
    "memoryless": MemorylessCell,
}
"""The cells with a non-linearity, by name; `plrnn` and `clipped-plrnn` are the two of `PiecewiseLinearCell`."""
