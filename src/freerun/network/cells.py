"""Cells: an affine map of hidden state and input, then an elementwise update.

A cell with H units and D inputs computes its next carry as

    carry_t = update(elementwise, carry_{t-1}, h_{t-1} @ recurrent, x_t @ input + bias).

The hidden state h is the first entry of the carry. The update acts on each unit by itself; the
loops rely on that for their speed. A cell with gates has one affine map for each gate. Their
columns stand one after the other, A = gates * H in all. The polynomial cell has no weights: its
affine map is the input itself, A = D.

A class says all of a kind of cell that needs no derivative: which weights it has, how they are
drawn, and its step in NumPy. `freerun.network.jax_cells` has its step in JAX, with the derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from jaxtyping import Float

from freerun.data.arrays import interpolated
from freerun.errors import SettingError
from freerun.network import monomials
from freerun.network.nonlinearities import NONLINEARITIES, SLOPES, sigmoid
from freerun.network.seasonal import seasonal_terms
from freerun.network.shape import Shape

if TYPE_CHECKING:
    from freerun.network.initial import Start
    from freerun.network.topologies import Draw
    from freerun.network.updates import Array, Carry

DType = np.dtype[np.generic] | type[np.floating]
"""A floating-point type."""

Shapes = dict[str, tuple[int, ...]]
"""The shapes of weights by field name."""

MOST_MONOMIALS = 5000
"""Most monomials of a polynomial cell; the readout of 5000 takes a minute to solve,
and 200 MB for each factor."""

CYCLES, FEWEST_READ = 8, 32
"""Smoothers begin in the state that the first 8 seasons of a series suggest, or its
first 32 steps if that is more. With 6 seasons errors on M1 and M3 grow by 0.4 %, with
all of the series they stay the same."""


@dataclass(frozen=True, eq=False)
class AnyCell:
    """Base class of all cells, with D inputs and A columns of the affine map.

    Attributes:
        memoryless: whether a step does not depend on the carry.
        gates: number of affine maps.
        additive: whether the update depends on the sum of the two parts of the affine map alone.
        grows: whether runs grow beyond all bounds once they leave the data,
            faster than exponentially.
        static: names of the fields that are not weights.
    """

    memoryless: ClassVar[bool] = False
    grows: ClassVar[bool] = False
    gates: ClassVar[int] = 1
    additive: ClassVar[bool] = True
    static: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def sized(cls, shape: Shape) -> Shape:
        """The architecture, with the hidden units that follow from the rest of it;
        as it is where none do.

        Raises:
            SettingError: there would be too many.
        """
        return shape

    @classmethod
    def shapes(cls, shape: Shape, inputs: int) -> Shapes:
        """The shapes of the weights by field name, for D = `inputs`."""
        raise NotImplementedError(f"{cls.__name__} does not define `shapes`, the shapes of its weights")

    @classmethod
    def options(cls, shape: Shape, inputs: int) -> dict[str, object]:
        """The values of the fields that are not weights."""
        del shape, inputs
        return {}

    @classmethod
    def of(cls, weights: Mapping[str, Array], shape: Shape, inputs: int) -> Self:
        """Make a cell of these weights, by field name."""
        make: Callable[..., Self] = cls
        return make(**weights, **cls.options(shape, inputs))

    @classmethod
    def draw_vector(cls, name: str, size: int, start: Start, draw: Draw) -> np.ndarray:
        """Draw a vector of weights. Biases of a reservoir are uniform on +-`bias_scale`;
        all others are zero."""
        if name == "bias" and start.reservoir:
            return draw.uniform(-start.bias_scale, start.bias_scale, size)
        return np.zeros(size)

    @property
    def hidden(self) -> int:
        """H, the length of the hidden state."""
        raise NotImplementedError(f"{type(self).__name__} does not define `hidden`, the length of its hidden state")

    @property
    def columns(self) -> int:
        """A, the number of columns of the affine map."""
        raise NotImplementedError(f"{type(self).__name__} does not define `columns`, those of its affine map")

    @property
    def weights(self) -> int:
        """The number of weights, biases included."""
        return sum(array.size for array in self.arrays())

    def arrays(self) -> list[Array]:
        """All weights, in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self) if field.name not in self.static]

    def rest(self, dtype: DType = np.float64) -> Carry:
        """The carry before the first step: zeros."""
        return (np.zeros(self.hidden, dtype),)

    def start(self, inputs: Array, dtype: DType = np.float64) -> Carry:
        """The carry in which the cell begins to read a series, shape (T, *S, D): that at rest."""
        del inputs
        return self.rest(dtype)

    def drive(self, inputs: Array) -> Array:
        """The input part of the affine map in NumPy, shape (*S, A) for inputs of shape (*S, D)."""
        raise NotImplementedError(f"{type(self).__name__} does not define `drive`, its affine map in NumPy")

    def step(self, carry: Carry, drive: Array) -> Carry:
        """Compute the next carry in NumPy.

        Args:
            carry: the carry before the step. Each entry has shape (*S, H).
            drive: the input part of the affine map, shape (*S, A).
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `step`, its step in NumPy")

    def pulled_back(self, inputs: Array, hidden: Array, gradient: Array) -> Array:
        """Carry derivatives by the hidden state of a cell without memory back to its input,
        in NumPy.

        Args:
            inputs: what the cell read, shape (*S, D).
            hidden: its hidden state after that, shape (*S, H).
            gradient: the derivatives of some number by the hidden state, shape (*S, H).

        Returns:
            The derivatives by the input, shape (*S, D).
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `pulled_back`, its derivative in NumPy")


@dataclass(frozen=True, eq=False)
class AffineCell(AnyCell):
    """Base class of cells with an affine map of the input.

    Attributes:
        input: input weights, shape (D, A).
        bias: shape (A,).
        memoryless, gates, additive, static: see `AnyCell`.
    """

    input: Float[Array, "D A"]
    bias: Float[Array, " A"]

    @property
    def columns(self) -> int:
        return self.bias.shape[0]

    def drive(self, inputs: Array) -> Array:
        driven = inputs @ self.input
        driven += self.bias
        return driven


@dataclass(frozen=True, eq=False)
class Cell(AffineCell):
    """Base class of cells with H units and one non-linearity; A = gates * H.

    Attributes:
        nonlinearity: a key of `freerun.network.nonlinearities.NONLINEARITIES`.
        input, bias, memoryless, gates, additive, static: see `AffineCell`.
    """

    nonlinearity: str

    static: ClassVar[tuple[str, ...]] = ("nonlinearity",)

    @classmethod
    def shapes(cls, shape: Shape, inputs: int) -> Shapes:
        return {"input": (inputs, cls.gates * shape.hidden), "bias": (cls.gates * shape.hidden,)}

    @classmethod
    def options(cls, shape: Shape, inputs: int) -> dict[str, object]:
        return {"nonlinearity": shape.nonlinearity}

    @property
    def hidden(self) -> int:
        """H, the length of the hidden state."""
        return self.bias.shape[0] // self.gates

    def activated(self, a: Array) -> Array:
        """The non-linearity of `a`, in NumPy."""
        return NONLINEARITIES[self.nonlinearity](a)


class MemorylessCell(Cell):
    """A layer without recurrent weights: h_t = f(x_t @ input + bias).

    Its only memory is the window of delayed values that the network reads. The network is then a
    NARX network (Lin, Horne, Tino and Giles, 1996). With random weights and a solved readout, it is
    an extreme learning machine (Huang et al., 2006).
    """

    memoryless: ClassVar[bool] = True

    def step(self, carry: Carry, drive: Array) -> Carry:
        del carry
        return (self.activated(drive),)

    def pulled_back(self, inputs: Array, hidden: Array, gradient: Array) -> Array:
        del inputs
        return (gradient * SLOPES[self.nonlinearity](hidden)) @ self.input.T


@dataclass(frozen=True, eq=False)
class RecurrentCell(Cell):
    """Base class of cells with recurrent weights.

    Attributes:
        recurrent: shape (H, A); in NumPy it may be a `freerun.network.sparse.Sparse`.
    """

    recurrent: Float[Array, "H A"]

    @classmethod
    def shapes(cls, shape: Shape, inputs: int) -> Shapes:
        return {**super().shapes(shape, inputs), "recurrent": (shape.hidden, cls.gates * shape.hidden)}


class SimpleCell(RecurrentCell):
    """The simple recurrent cell (Elman, 1990).

    h_t = f(h_{t-1} @ recurrent + x_t @ input + bias).
    """

    def step(self, carry: Carry, drive: Array) -> Carry:
        return (self.activated(carry[0] @ self.recurrent + drive),)


@dataclass(frozen=True, eq=False)
class LeakyCell(RecurrentCell):
    """Leaky integrators (Jaeger et al., 2007).

    h_t = (1 - leak) h_{t-1} + leak f(h_{t-1} @ recurrent + ...).

    Attributes:
        logit: shape (H,). The leak of each unit is sigmoid(logit),
            so that it stays between 0 and 1 in training.
    """

    logit: Float[Array, " H"]

    @classmethod
    def shapes(cls, shape: Shape, inputs: int) -> Shapes:
        return {**super().shapes(shape, inputs), "logit": (shape.hidden,)}

    @classmethod
    def draw_vector(cls, name: str, size: int, start: Start, draw: Draw) -> np.ndarray:
        if name == "logit":
            return np.full(size, np.log(start.leak / (1.0 - start.leak)))
        return super().draw_vector(name, size, start, draw)

    @cached_property
    def leak(self) -> Array:
        """The leak of each unit, shape (H,), in NumPy."""
        return sigmoid(self.logit)

    def step(self, carry: Carry, drive: Array) -> Carry:
        leak, h = self.leak, carry[0]
        return ((1.0 - leak) * h + leak * self.activated(h @ self.recurrent + drive),)


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
    def shapes(cls, shape: Shape, inputs: int) -> Shapes:
        return {**super().shapes(shape, inputs), "candidate": (shape.hidden,)}

    def step(self, carry: Carry, drive: Array) -> Carry:
        h, size = carry[0], self.hidden
        mixed = h @ self.recurrent
        gates = sigmoid(mixed[..., : 2 * size] + drive[..., : 2 * size])
        reset, keep = gates[..., :size], gates[..., size:]
        inside = drive[..., 2 * size :] + reset * (mixed[..., 2 * size :] + self.candidate)
        return ((1.0 - keep) * self.activated(inside) + keep * h,)


class LSTMCell(RecurrentCell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

    The gates i, f, o are sigmoids of affine maps, and g is the non-linearity of one.
    The new carry (h', c') is

        c' = f c + i g,    h' = o nonlinearity(c').

    Forget gates are drawn with a bias of 1 (Gers et al., 2000).
    """

    gates: ClassVar[int] = 4

    @classmethod
    def draw_vector(cls, name: str, size: int, start: Start, draw: Draw) -> np.ndarray:
        weights = super().draw_vector(name, size, start, draw)
        if name == "bias":
            weights[size // 4 : size // 2] += 1.0
        return weights

    def rest(self, dtype: DType = np.float64) -> Carry:
        return super().rest(dtype) * 2

    def step(self, carry: Carry, drive: Array) -> Carry:
        i, f, g, o = np.split(carry[0] @ self.recurrent + drive, 4, axis=-1)
        memory = sigmoid(f) * carry[1] + sigmoid(i) * self.activated(g)
        return sigmoid(o) * self.activated(memory), memory


@dataclass(frozen=True, eq=False)
class PiecewiseLinearCell(AffineCell):
    """The shallow piecewise-linear cell (Hess et al., 2023), with M latent variables z and L units.

        z_t = diagonal * z_{t-1} + phi(z_{t-1} @ expand) @ shrink + x_t @ input + bias

    The non-linearity is phi(s) = relu(s + threshold). The clipped cell has phi(s) = relu(s +
    threshold) - relu(s). Its free run is bounded if |diagonal| < 1.

    The hidden state is (z, phi), of length H = M + L, so that a single affine map computes both
    parts. The diagonal is drawn uniformly on 0.5 to 1. Thresholds are drawn from the standard
    normal distribution.

    Attributes:
        input: shape (D, M).
        bias: shape (M,).
        diagonal: shape (M,).
        shrink: shape (L, M).
        expand: shape (M, L).
        threshold: shape (L,).
        clipped: whether phi is clipped.
        memoryless, gates, additive, static: see `AffineCell`.
    """

    diagonal: Float[Array, " M"]
    shrink: Float[Array, "L M"]
    expand: Float[Array, "M L"]
    threshold: Float[Array, " L"]
    clipped: bool

    static: ClassVar[tuple[str, ...]] = ("clipped",)

    @classmethod
    def shapes(cls, shape: Shape, inputs: int) -> Shapes:
        hidden, latent = shape.hidden, shape.latent
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

    @classmethod
    def options(cls, shape: Shape, inputs: int) -> dict[str, object]:
        return {"clipped": shape.cell == "clipped-plrnn"}

    @classmethod
    def draw_vector(cls, name: str, size: int, start: Start, draw: Draw) -> np.ndarray:
        if name == "diagonal":
            return draw.uniform(0.5, 1.0, size)
        if name == "threshold":
            return draw.normal(size=size)
        return super().draw_vector(name, size, start, draw)

    def step(self, carry: Carry, drive: Array) -> Carry:
        h, latent_size = carry[0], self.bias.shape[0]
        latent = h[..., :latent_size] * self.diagonal + h[..., latent_size:] @ self.shrink + drive
        units = latent @ self.expand
        ramps = np.maximum(units + self.threshold, 0.0)
        if self.clipped:
            ramps -= np.maximum(units, 0.0)
        return (np.concatenate([latent, ramps], axis=-1),)


@dataclass(frozen=True, eq=False)
class SmoothingCell(AffineCell):
    """Exponential smoothers side by side: level, damped trend and additive season (Holt, 1957;
    Winters, 1960).

    Each unit keeps a level l, a slope b and a ring of seasonal terms s. Its hidden state is its
    forecast of the value that it reads next, h = l + damping * b + s_1. With the error d_t = x_t @
    input + bias - h_{t-1}, the update is

        l_t = l_{t-1} + damping * b_{t-1} + level * d_t
        b_t = damping * b_{t-1} + trend * d_t
        s_t = s_{t-period} + season * d_t

    in the error correction form of Hyndman et al. (2008), Forecasting with Exponential Smoothing,
    section 2.5. `freerun.network.smoothing` has the gains.

    An error beyond a limit is read as the limit, so that an outlier moves the forecasts little
    (robust exponential smoothing; Gelper, Fried and Croux, 2010). A level that has shifted is
    followed all the same: with each further error in a row that is beyond on the same side, the
    limit doubles. Within the limits the cell is linear.

    Attributes:
        input: shape (D, H); a unit reads one channel.
        bias: shape (H,).
        level: gains of the level, 0 to 1, shape (H,).
        trend: gains of the slope, shape (H,).
        damping: factor of the slope in each step, 0 to 1, shape (H,); 0 for no slope.
        season: gains of the seasonal terms, shape (H,).
        limit: largest error that is read as it is, positive, shape (H,).
        periods: the steps of each season, ascending. The ring has the terms of all of them,
            over the longest.
        memoryless, gates, additive, static: see `AffineCell`.
    """

    level: Float[Array, " H"]
    trend: Float[Array, " H"]
    damping: Float[Array, " H"]
    season: Float[Array, " H"]
    limit: Float[Array, " H"]
    periods: tuple[int, ...]

    static: ClassVar[tuple[str, ...]] = ("periods",)

    @property
    def period(self) -> int:
        """The number of steps of the longest season; 0 for no season."""
        return max(self.periods, default=0)

    @classmethod
    def shapes(cls, shape: Shape, inputs: int) -> Shapes:
        vectors = "bias", "level", "trend", "damping", "season", "limit"
        return {"input": (inputs, shape.hidden), **dict.fromkeys(vectors, (shape.hidden,))}

    @classmethod
    def options(cls, shape: Shape, inputs: int) -> dict[str, object]:
        return {"periods": shape.periods}

    @property
    def hidden(self) -> int:
        return self.bias.shape[0]

    def rest(self, dtype: DType = np.float64) -> Carry:
        """Forecast, level, slope, excess, and the seasonal terms of the next `period` steps: zeros.

        The excess is zero after an error within the limit. After one beyond, it is the factor by
        which the limit of the next error on the same side grows, with the sign of that side.
        """
        return super().rest(dtype) * (4 + self.period)

    def start(self, inputs: Array, dtype: DType = np.float64) -> Carry:
        """The carry in which smoothers begin to read a series, found from its first steps.

        Seasonal terms are those of `seasonal_terms`. Level and slope are those that the smoothers
        reach when they read the rest backwards (backcasting; Box and Jenkins, 1976).

        Args:
            inputs: what the network will read, shape (T, *S, D); NaN where a value is missing.
            dtype: precision of the carry.

        Returns:
            Entries of shape (*S, H).
        """
        first = np.asarray(inputs[: max(FEWEST_READ, CYCLES * self.period)], np.float64)
        if not len(first):
            zero = np.zeros((*inputs.shape[1:-1], self.hidden), dtype)
            return (zero,) * len(self.rest())
        shape, longest = first.shape, max(1, self.period)
        flat = first.reshape(len(first), -1)
        terms = seasonal_terms(flat, self.periods)
        flat = np.nan_to_num(interpolated(flat - terms[np.arange(len(flat)) % longest]))
        rest = flat.reshape(shape) @ np.asarray(self.input, np.float64) + self.bias
        level, slope = rest[-1], np.zeros_like(rest[-1])
        for value in rest[-2::-1]:
            slope = self.damping * slope
            error = value - level - slope
            level = level + slope + self.level * error
            slope = slope + self.trend * error
        slope = -slope
        level = level - slope  # one step before the first value
        ring = list(terms.reshape(longest, *shape[1:]) @ np.asarray(self.input, np.float64)) if self.period else []
        forecast = level + self.damping * slope + (ring[0] if ring else 0.0)
        excess = np.zeros_like(level)
        return tuple(np.asarray(entry, dtype) for entry in (forecast, level, slope, excess, *ring))

    def step(self, carry: Carry, drive: Array) -> Carry:
        forecast, level, slope, excess, *ring = carry
        error, excess = self._limited(drive - forecast, excess)
        slope = self.damping * slope
        level = level + slope
        level += self.level * error
        slope = slope + self.trend * error
        if ring:
            ring = [*ring[1:], ring[0] + self.season * error]
        forecast = level + self.damping * slope
        if ring:
            forecast += ring[0]
        return (forecast, level, slope, excess, *ring)

    def _limited(self, error: Array, excess: Array) -> tuple[Array, Array]:
        """The error that is read, and the next excess."""
        size = np.abs(error)
        if not (size > self.limit).any():
            return error, 0.0 * error
        factor = np.where(error * excess > 0, np.abs(excess), 1.0)
        most = factor * self.limit
        beyond = size > most
        return np.where(beyond, np.sign(error) * most, error), np.where(beyond, np.sign(error) * 2.0 * factor, 0.0)


@dataclass(frozen=True, eq=False)
class PolynomialCell(AnyCell):
    """Monomials of the input, with no weights at all:
    h_t holds those of degree 2 to `degree` of x_t.

    The input is the window of delayed values, so that the network is a nonlinear vector
    autoregression, also called next generation reservoir computing (Gauthier, Bollt, Griffith and
    Barbosa, 2021). Direct connections are its linear part, the bias of the readout its constant.

    Attributes:
        inputs: D, the length of the input.
        degree: highest degree of the monomials, at least 2.
        memoryless, gates, additive, static: see `AnyCell`.
    """

    inputs: int
    degree: int

    memoryless: ClassVar[bool] = True
    grows: ClassVar[bool] = True
    static: ClassVar[tuple[str, ...]] = ("inputs", "degree")

    @classmethod
    def sized(cls, shape: Shape) -> Shape:
        found = monomials.count(shape.window, shape.degree)
        if found > MOST_MONOMIALS:
            numbers = f"{len(shape.lags)} delays of {shape.channels + shape.inputs} channels and inputs"
            raise SettingError(
                f"{numbers} have {found} monomials of degree 2 to {shape.degree}, and a network has at most "
                f"{MOST_MONOMIALS}; lower degree or delays, or leave channels out"
            )
        return replace(shape, hidden=found)

    @classmethod
    def shapes(cls, shape: Shape, inputs: int) -> Shapes:
        return {}

    @classmethod
    def options(cls, shape: Shape, inputs: int) -> dict[str, object]:
        return {"inputs": inputs, "degree": shape.degree}

    @property
    def hidden(self) -> int:
        """H, the number of monomials."""
        return monomials.count(self.inputs, self.degree)

    @property
    def columns(self) -> int:
        return self.inputs

    def drive(self, inputs: Array) -> Array:
        return inputs

    def step(self, carry: Carry, drive: Array) -> Carry:
        del carry
        return (monomials.values(drive, self.degree),)

    def pulled_back(self, inputs: Array, hidden: Array, gradient: Array) -> Array:
        return monomials.pulled_back(np.asarray(inputs), np.asarray(hidden), np.asarray(gradient), self.degree)


CELLS: dict[str, type[AnyCell]] = {
    "simple": SimpleCell,
    "leaky": LeakyCell,
    "gru": GRUCell,
    "lstm": LSTMCell,
    "memoryless": MemorylessCell,
    "plrnn": PiecewiseLinearCell,
    "clipped-plrnn": PiecewiseLinearCell,
    "smoothing": SmoothingCell,
    "polynomial": PolynomialCell,
}
"""The cells by name, those of `freerun.settings.CellName`."""
