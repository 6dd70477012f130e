"""Cells: an affine map of hidden state and input, then an elementwise update.

A cell with H units and D inputs computes its next carry as

    carry_t = update(elementwise, carry_{t-1}, h_{t-1} @ recurrent, x_t @ input + bias).

The hidden state h is the first entry of the carry. The update acts on each unit by itself; the loops rely on that for
their speed. A cell with gates has one affine map for each gate. Their columns stand one after the other, A = gates * H
in all.

The classes here hold the weights. `freerun.network.jax_cells` and `freerun.network.numpy_runs` compute with them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from freerun.network.updates import Array, Carry

Shapes = dict[str, tuple[int, ...]]
"""The shapes of weights by field name."""


@dataclass(frozen=True, eq=False)
class AnyCell:
    """Base class of all cells, with D inputs and A columns of the affine map.

    Attributes:
        input: input weights, shape (D, A).
        bias: shape (A,).
        additive: whether the update depends on the sum of the two parts of the affine map alone.
        static: names of the fields that are not weights.
    """

    input: Float[Array, "D A"]
    bias: Float[Array, " A"]

    additive: ClassVar[bool] = True
    static: ClassVar[tuple[str, ...]] = ()

    @property
    def hidden(self) -> int:
        """H, the length of the hidden state."""
        raise NotImplementedError(f"{type(self).__name__} does not define `hidden`, the length of its hidden state")

    @property
    def weights(self) -> int:
        """The number of weights, biases included."""
        return sum(array.size for array in self.arrays())

    def arrays(self) -> list[Array]:
        """All weights, in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self) if field.name not in self.static]

    def rest(self) -> Carry:
        """The carry before the first step: zeros."""
        return (np.zeros(self.hidden, self.bias.dtype),)


@dataclass(frozen=True, eq=False)
class Cell(AnyCell):
    """Base class of cells with H units and one non-linearity; A = gates * H.

    Attributes:
        nonlinearity: a key of `freerun.network.updates.NONLINEARITIES`.
        gates: number of affine maps.
        input, bias, additive, static: see `AnyCell`.
    """

    nonlinearity: str

    gates: ClassVar[int] = 1
    static: ClassVar[tuple[str, ...]] = ("nonlinearity",)

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        """The shapes of the weights by field name, for D = `inputs` and H = `hidden`."""
        return {"input": (inputs, cls.gates * hidden), "bias": (cls.gates * hidden,)}

    @property
    def hidden(self) -> int:
        """H, the length of the hidden state."""
        return self.bias.shape[0] // self.gates


class MemorylessCell(Cell):
    """A layer without recurrent weights: h_t = f(x_t @ input + bias).

    Its only memory is the window of delayed values that the network reads. The network is then a NARX network (Lin,
    Horne, Tino and Giles, 1996). With random weights and a solved readout, it is an extreme learning machine (Huang et
    al., 2006).
    """


@dataclass(frozen=True, eq=False)
class RecurrentCell(Cell):
    """Base class of cells with recurrent weights.

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
        logit: shape (H,). The leak of each unit is sigmoid(logit), so that it stays between 0 and 1 in training.
    """

    logit: Float[Array, " H"]

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        return {**super().shapes(inputs, hidden), "logit": (hidden,)}


@dataclass(frozen=True, eq=False)
class GRUCell(RecurrentCell):
    """The gated recurrent unit (Cho et al., 2014).

    The reset gate r and the update gate z are sigmoids of affine maps. The new hidden state is

        h' = (1 - z) n + z h,    n = f(x @ input + bias + r * (h @ recurrent + candidate)).

    The reset gate acts after the recurrent map, as in cuDNN.

    Attributes:
        candidate: shape (H,), the bias that the reset gate multiplies.
    """

    candidate: Float[Array, " H"]

    gates: ClassVar[int] = 3
    additive: ClassVar[bool] = False

    @classmethod
    def shapes(cls, inputs: int, hidden: int) -> Shapes:
        return {**super().shapes(inputs, hidden), "candidate": (hidden,)}


class LSTMCell(RecurrentCell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

    The gates i, f, o are sigmoids of affine maps, and g is the non-linearity of one. The new carry (h', c') is

        c' = f c + i g,    h' = o nonlinearity(c').
    """

    gates: ClassVar[int] = 4

    def rest(self) -> Carry:
        return (*super().rest(), *super().rest())


@dataclass(frozen=True, eq=False)
class PiecewiseLinearCell(AnyCell):
    """The shallow piecewise-linear cell (Hess et al., 2023), with M latent variables z and L units.

        z_t = diagonal * z_{t-1} + phi(z_{t-1} @ expand) @ shrink + x_t @ input + bias

    The non-linearity is phi(s) = relu(s + threshold). The clipped cell has phi(s) = relu(s + threshold) - relu(s). Its
    free run is bounded if |diagonal| < 1.

    The hidden state is (z, phi), of length H = M + L, so that a single affine map computes both parts.

    Attributes:
        input: shape (D, M).
        bias: shape (M,).
        diagonal: shape (M,).
        shrink: shape (L, M).
        expand: shape (M, L).
        threshold: shape (L,).
        clipped: whether phi is clipped.
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
        """The shapes of the weights by field name, for D = `inputs`, L = `hidden` and M = `latent`."""
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


@dataclass(frozen=True, eq=False)
class SmoothingCell(AnyCell):
    """Exponential smoothers side by side: level, damped trend and additive season (Holt, 1957; Winters, 1960).

    Each unit keeps a level l, a slope b and a ring of seasonal terms s. Its hidden state is its forecast of the value
    that it reads next, h = l + damping * b + s_1. With the error d_t = x_t @ input + bias - h_{t-1}, the update is

        l_t = l_{t-1} + damping * b_{t-1} + level * d_t
        b_t = damping * b_{t-1} + trend * d_t
        s_t = s_{t-period} + season * d_t

    in the error correction form of Hyndman et al. (2008), Forecasting with Exponential Smoothing, section 2.5. The cell
    is linear. `freerun.network.smoothing` has the gains, and finds the state in which a series begins.

    Attributes:
        input: shape (D, H); a unit reads one channel.
        bias: shape (H,).
        level: gains of the level, 0 to 1, shape (H,).
        trend: gains of the slope, shape (H,).
        damping: factor of the slope in each step, 0 to 1, shape (H,); 0 for no slope.
        season: gains of the seasonal terms, shape (H,).
        periods: the steps of each season, ascending. The ring has the terms of all of them, over the longest.
        additive, static: see `AnyCell`.
    """

    level: Float[Array, " H"]
    trend: Float[Array, " H"]
    damping: Float[Array, " H"]
    season: Float[Array, " H"]
    periods: tuple[int, ...]

    static: ClassVar[tuple[str, ...]] = ("periods",)

    @property
    def period(self) -> int:
        """The number of steps of the longest season; 0 for no season."""
        return max(self.periods, default=0)

    @staticmethod
    def shapes(inputs: int, hidden: int) -> Shapes:
        """The shapes of the weights by field name, for D = `inputs` and H = `hidden`."""
        return {"input": (inputs, hidden), **dict.fromkeys(("bias", "level", "trend", "damping", "season"), (hidden,))}

    @property
    def hidden(self) -> int:
        return self.bias.shape[0]

    def rest(self) -> Carry:
        """Forecast, level, slope, and the seasonal terms of the next `period` steps: zeros."""
        return super().rest() * (3 + self.period)


CELLS: dict[str, type[Cell]] = {
    "simple": SimpleCell,
    "leaky": LeakyCell,
    "gru": GRUCell,
    "lstm": LSTMCell,
    "memoryless": MemorylessCell,
}
"""The cells with a non-linearity by name. `plrnn` and `clipped-plrnn` name the two forms of `PiecewiseLinearCell`, and
`smoothing` names `SmoothingCell`."""
