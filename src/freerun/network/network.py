"""`Network`: layers of cells, a readout, and optional direct connections from input to output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

import numpy as np
from jaxtyping import Float

from freerun.network.cells import CELLS, AnyCell
from freerun.network.lattice import Lattice
from freerun.network.shape import Shape
from freerun.network.sparse import Sparse

if TYPE_CHECKING:
    from freerun.network.updates import Array, Carry


class State(NamedTuple):
    """The state of a network between two steps.

    Attributes:
        cells: the carry of each layer.
        past: what the network read last, oldest first, shape (depth,
            N) with depth = max(lags) + sum(differences).
    """

    cells: tuple[Carry, ...]
    past: Array


class Estimates(Protocol):
    """A known model in the units of the network, which standardizes what it reads and returns."""

    def __call__(self, values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Estimate the next values in closed loop.

        Args:
            values: what the network read, shape (*S, D).
            inputs: external inputs of the next step, shape (*S, E).

        Returns:
            Shape (*S, D). NaN for a run that has diverged.
        """
        ...

    def along(self, values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Estimate the next values along data, as above.

        Raises:
            SettingError: an estimate is not finite.
        """
        ...


class Window(NamedTuple):
    """The inputs of the first layer and of the direct connections.

    Attributes:
        seen: the differenced values and the external inputs at each lag, and the
            estimate of a known model, concatenated, shape (*T, K); of a field
            those around each site, shape (*T, sites, K).
        base: what is added to the output, shape (*T, D): the estimate of a known model, or the next
            value minus its difference; None without either.
    """

    seen: Array
    base: Array | None


@dataclass(frozen=True, eq=False)
class Network:
    """A recurrent network that predicts the next value of a series:
    y_t = h_t @ readout + bias + w_t @ direct.

    The output y_t predicts x_{t+1}. At step t, the network reads N = D + E numbers: the values x_t
    of the D channels, and the E external inputs of step t + 1. The window w_t is the concatenation
    of what was read at steps t - lag, for each lag. Everything before the first step is zero.

    The window is the input of the first layer and of the direct connections. The input of each
    further layer is the hidden state of the layer below. The vector h_t is the concatenation of the
    hidden states of all layers.

    With differences d1, d2, ..., the window holds (1 - B^d1)(1 - B^d2) ... x instead of x, where B
    is the backshift operator. The readout then predicts the next difference. The output is that
    prediction plus x_{t+1} minus its difference, which depends on past values alone.

    With a known model, the output is its estimate of x_{t+1} plus what the readout
    predicts, which is then the error of the estimate. The window also holds the estimate,
    minus x_{t+1} without its difference if there are differences (Pathak et al., 2018,
    where the readout also reads the estimate).

    The network of a field predicts one site, so that D = 1 in the shapes of its weights. Its
    windows, hidden states and carries have one more axis, that of the sites, after those of a
    batch. `Lattice` says what a site reads.

    All arrays are weights. A stack of networks of one shape is a `Network`
    whose arrays have one more leading axis.

    Attributes:
        cells: the layers, from the bottom up.
        readout: shape (H, D); H is the length of the hidden states of all layers.
        bias: shape (D,).
        direct: direct connections, shape (K, D) with K = len(lags) * N; None if there are none.
        lags: delays of the values in a window, in steps, ascending.
        inputs: E, the number of external inputs.
        differences: lags of the differences, in steps.
        parallel: whether JAX runs are computed parallel in time; see `freerun.network.parallel`.
        known: the known model; None if there is none.
            The NumPy engine alone runs networks with one.
        lattice: the sites of a field; None if the channels are no field.
        static: names of the fields that are not weights.
    """

    cells: tuple[AnyCell, ...]
    readout: Float[Array, "H D"]
    bias: Float[Array, " D"]
    direct: Float[Array, "K D"] | None = None
    lags: tuple[int, ...] = (0,)
    inputs: int = 0
    differences: tuple[int, ...] = ()
    parallel: bool = False
    known: Estimates | None = None
    lattice: Lattice | None = None

    static: ClassVar[tuple[str, ...]] = ("lags", "inputs", "differences", "parallel", "known", "lattice")

    @property
    def channels(self) -> int:
        """D, the number of channels that it predicts; of a field, the number of its sites."""
        return self.bias.shape[-1] if self.lattice is None else self.lattice.sites

    @property
    def weights(self) -> int:
        """The number of weights, biases included."""
        direct = 0 if self.direct is None else self.direct.size
        return sum(cell.weights for cell in self.cells) + self.readout.size + self.bias.size + direct

    @property
    def memoryless(self) -> bool:
        """Whether its state consists of the last values read alone."""
        return all(cell.memoryless for cell in self.cells)

    @property
    def depth(self) -> int:
        """Number of steps before the current one on which a window depends."""
        return max(self.lags) + sum(self.differences)

    def arrays(self) -> list[Array]:
        """All weights, in the order of the fields."""
        own = [self.readout, self.bias, *([] if self.direct is None else [self.direct])]
        return [*(array for cell in self.cells for array in cell.arrays()), *own]

    @property
    def sparse(self) -> bool:
        """Whether weights are stored as sparse matrices, which the NumPy engine alone runs."""
        return any(isinstance(array, Sparse) for array in self.arrays())

    def dense(self) -> Network:
        """Return the network with arrays in place of sparse matrices.

        Raises:
            MachineError: an array takes more than a quarter of the memory of this machine.
        """
        return replace(self, cells=tuple(_dense(cell) for cell in self.cells)) if self.sparse else self

    def with_readout(self, readout: Array, bias: Array, direct: Array | None) -> Network:
        """Return the network with another readout, bias and direct connections."""
        return replace(self, readout=readout, bias=bias, direct=direct)

    def rest(self, several: tuple[int, ...] = ()) -> State:
        """The zero state. `several` is the shape of a batch: its past then has shape (depth,
        *several, N)."""
        past = np.zeros((self.depth, *several, self.channels + self.inputs), self.bias.dtype)
        return State(tuple(self.at_sites(cell.rest(self.bias.dtype)) for cell in self.cells), past)

    def at_sites(self, carry: Carry) -> Carry:
        """The carry of a cell, for each site of a field."""
        if self.lattice is None:
            return carry
        return tuple(np.broadcast_to(entry, (self.lattice.sites, *entry.shape)) for entry in carry)

    def seen(self, values: Array) -> Array:
        """Arrange the values and external inputs at each lag, shape (*T, L, N),
        as `Window.seen`."""
        if self.lattice is None:
            return values.reshape(*values.shape[:-2], -1)
        return self.lattice.gathered(values)

    def over_channels(self, outputs: Array) -> Array:
        """Arrange outputs by channels, shape (*T, D); those of a field come site by site,
        shape (*T, sites, 1)."""
        return outputs if self.lattice is None else outputs[..., 0]


def _dense(cell: AnyCell) -> AnyCell:
    """A cell with arrays in place of sparse matrices."""
    weights = {field.name: getattr(cell, field.name) for field in fields(cell)}
    return replace(cell, **{name: one.dense() for name, one in weights.items() if isinstance(one, Sparse)})


def left_out(differences: tuple[int, ...]) -> list[tuple[int, int]]:
    """Compute how a value follows from its difference:
    x_{t+1} = difference + sum of coefficient * x_{t - back}.

    Args:
        differences: lags d1, d2, ... of the differences (1 - B^d1)(1 - B^d2) ... x.

    Returns:
        The pairs (back, coefficient) of the sum.
    """
    polynomial = np.ones(1, int)  # (1 - B^d1)(1 - B^d2) ... in the powers of B
    for lag in differences:
        polynomial = np.convolve(polynomial, [1, *[0] * (lag - 1), -1])
    return [(k - 1, -int(c)) for k, c in enumerate(polynomial) if k and c]


Take = Callable[[str, tuple[int, ...]], "Array"]
"""Returns the array of a weight, given its name (`cells.0.input`, `readout`, ...) and its shape."""


def assemble(shape: Shape, take: Take) -> Network:
    """Make a network of the given shape. `take` is called once for each weight, layer by layer."""

    make, cells, inputs = CELLS[shape.cell], list[AnyCell](), shape.window
    for layer in range(shape.layers):
        weights = {name: take(f"cells.{layer}.{name}", size) for name, size in make.shapes(shape, inputs).items()}
        cells.append(make.of(weights, shape, inputs))
        inputs = cells[-1].hidden
    return Network(
        tuple(cells),
        take("readout", (sum(cell.hidden for cell in cells), shape.outputs)),
        take("bias", (shape.outputs,)),
        take("direct", (shape.window, shape.outputs)) if shape.direct else None,
        shape.lags,
        shape.inputs,
        shape.differences,
        lattice=shape.lattice,
    )
