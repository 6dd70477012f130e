"""Cells: one affine map of the hidden state, then an elementwise update.

A cell with H units and D inputs turns its carry into the next one,

    carry_t = update(elementwise, carry_{t-1}, h_{t-1} @ recurrent, x_t @ input + bias),

where the hidden state h is the first entry of the carry, and `update` acts on each unit by itself. That form is
what `freerun.recurrence` relies on for its speed. A cell with gates has several maps side by side: A = gates * H.
Its update takes the units along the leading axis: of one sequence, (H,), or of S sequences that are columns, (H, S).
"""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from freerun.updates import Array, Carry, Update, gru_update, leaky_update, lstm_update, piecewise_update, simple_update

Shapes = dict[str, tuple[int, ...]]


class Cell(eqx.Module):
    """What all cells share; D inputs, H units, A = gates * H columns of the affine map.

    Attributes:
        input: shape (D, A).
        bias: shape (A,).
        nonlinearity: a name of `NONLINEARITIES`.
        additive: whether the update depends on the parts of the affine map by their sum alone.
    """

    input: Float[Array, "D A"]
    bias: Float[Array, " A"]
    nonlinearity: str = eqx.field(static=True)

    gates: ClassVar[int] = 1
    additive: ClassVar[bool] = True

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        """The shape of each weight, by the name of its field."""
        return {"input": (inputs, cls.gates * hidden), "bias": (cls.gates * hidden,)}

    @property
    def hidden(self) -> int:
        """H, the length of the hidden state."""
        return self.bias.shape[0] // self.gates

    @property
    def elementwise(self) -> tuple[Array, ...]:
        """Parameters of the elementwise update."""
        return ()

    @property
    def update(self) -> Update:
        """The elementwise update, the same object for equal cells, so that nothing compiles twice."""
        raise NotImplementedError

    def drive(self, inputs: Float[Array, "*T D"]) -> Float[Array, "*T A"]:
        """The input part of the affine map, for any number of steps at once."""
        return inputs @ self.input + self.bias

    def mix(self, hidden: Float[Array, "*T H"]) -> Float[Array, "*T A"]:
        """The recurrent part of the affine map; zero in a cell without recurrent weights."""
        return jnp.zeros((*hidden.shape[:-1], self.bias.shape[0]), self.bias.dtype)

    def rest(self) -> Carry:
        """The carry before the first step: hidden state zero."""
        return (np.zeros(self.hidden, self.bias.dtype),)


class MemorylessCell(Cell):
    """A layer without recurrent weights: h_t = f(x_t @ input + bias).

    Its memory is the window of delays that the network feeds it, which makes the network a NARX network (Lin, Horne,
    Tino and Giles, 1996) and, with random weights and a solved readout, an extreme learning machine.
    """

    @property
    def update(self) -> Update:
        return simple_update(self.nonlinearity)


class RecurrentCell(Cell):
    """A cell with recurrent weights.

    Attributes:
        recurrent: shape (H, A).
    """

    recurrent: Float[Array, "H A"]

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        return {**super().shapes(inputs, hidden), "recurrent": (hidden, cls.gates * hidden)}

    def mix(self, hidden: Float[Array, "*T H"]) -> Float[Array, "*T A"]:
        return hidden @ self.recurrent

    def widened(self, idle: int) -> RecurrentCell:
        """The same with so many units more, which reach no other; of a cell without gates."""
        wide = jax.tree.map(lambda a: jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, idle)]), self)
        return eqx.tree_at(lambda cell: cell.recurrent, wide, jnp.pad(self.recurrent, (0, idle)))


class SimpleCell(RecurrentCell):
    """The simple recurrent cell (Elman, 1990): h_t = f(h_{t-1} @ recurrent + x_t @ input + bias)."""

    @property
    def update(self) -> Update:
        return simple_update(self.nonlinearity)


class LeakyCell(RecurrentCell):
    """Leaky integrators (Jaeger et al., 2007): h_t = (1 - leak) h_{t-1} + leak f(h_{t-1} @ recurrent + ...).

    Attributes:
        logit: shape (H,), the leak of each unit as its logit, so that it stays between 0 and 1 while it is trained.
    """

    logit: Float[Array, " H"]

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        return {**super().shapes(inputs, hidden), "logit": (hidden,)}

    @property
    def elementwise(self) -> tuple[Array, ...]:
        return (jax.nn.sigmoid(self.logit),)

    @property
    def update(self) -> Update:
        return leaky_update(self.nonlinearity)


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

    @property
    def elementwise(self) -> tuple[Array, ...]:
        return (self.candidate,)

    @property
    def update(self) -> Update:
        return gru_update(self.nonlinearity)


class LSTMCell(RecurrentCell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

    Gates i, f, o are sigmoids, g = nonlinearity; c' = f c + i g, h' = o nonlinearity(c'). The carry is (h, c).
    """

    gates: ClassVar[int] = 4

    @property
    def update(self) -> Update:
        return lstm_update(self.nonlinearity)

    def rest(self) -> Carry:
        return (*super().rest(), *super().rest())


class PiecewiseLinearCell(eqx.Module):
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
    """

    input: Float[Array, "D M"]
    bias: Float[Array, " M"]
    diagonal: Float[Array, " M"]
    shrink: Float[Array, "L M"]
    expand: Float[Array, "M L"]
    threshold: Float[Array, " L"]
    clipped: bool = eqx.field(static=True)

    additive: ClassVar[bool] = True

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

    @property
    def recurrent(self) -> Float[Array, "H H"]:
        """The affine map of (z, phi): to z', and through z' to what phi' is made of."""
        to_latent = jnp.concatenate([jnp.diag(self.diagonal), self.shrink])
        return jnp.concatenate([to_latent, to_latent @ self.expand], axis=1)

    @property
    def elementwise(self) -> tuple[Array, ...]:
        """The thresholds, shape (L,)."""
        return (self.threshold,)

    @property
    def update(self) -> Update:
        """The elementwise update, the same object for equal cells."""
        return piecewise_update(self.clipped)

    def drive(self, inputs: Float[Array, "*T D"]) -> Float[Array, "*T H"]:
        """The input part of the affine map, for any number of steps at once."""
        latent = inputs @ self.input + self.bias
        return jnp.concatenate([latent, latent @ self.expand], axis=-1)

    def mix(self, hidden: Float[Array, "*T H"]) -> Float[Array, "*T H"]:
        """The recurrent part of the affine map."""
        return hidden @ self.recurrent

    def rest(self) -> Carry:
        """The carry before the first step: z and phi zero."""
        return (np.zeros(self.hidden, self.bias.dtype),)


AnyCell = Cell | PiecewiseLinearCell

CELLS: dict[str, type[Cell]] = {
    "simple": SimpleCell,
    "leaky": LeakyCell,
    "gru": GRUCell,
    "lstm": LSTMCell,
    "memoryless": MemorylessCell,
}
"""The cells with a non-linearity, by name; `plrnn` and `clipped-plrnn` are the two of `PiecewiseLinearCell`."""
