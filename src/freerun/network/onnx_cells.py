"""One rule for each kind of cell in ONNX: the step of a cell as nodes of a graph.

Tensors have shape (S, H): S is the number of sites of a field, and 1 without a field.
`freerun.network.cells` has the formulas, and the same steps in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from freerun.network import monomials
from freerun.network.cells import (
    AffineCell,
    AnyCell,
    Cell,
    GRUCell,
    LeakyCell,
    LSTMCell,
    MemorylessCell,
    PiecewiseLinearCell,
    PolynomialCell,
    SimpleCell,
    SmoothingCell,
)
from freerun.network.onnx_graph import TRUTH, Tensor
from freerun.network.sparse import Sparse

if TYPE_CHECKING:
    from freerun.network.updates import Array

Carry = list[Tensor]
"""What a cell keeps between two steps; the first entry is its hidden state.
Nothing for a cell without memory."""


Kind = TypeVar("Kind", bound=AnyCell)
"""A class of cells."""


@dataclass(frozen=True)
class Rule(Generic[Kind]):
    """How ONNX runs a class of cells.

    Attributes:
        step: makes the next hidden state and the next carry of the cell, its carry and its input,
            shape (S, D).
        carried: the shapes of the carry, given the cell and S.
    """

    step: Callable[[Kind, Carry, Tensor], tuple[Tensor, Carry]]
    carried: Callable[[Kind, int], list[tuple[int, ...]]] = lambda cell, sites: [(sites, cell.hidden)]


def sigmoid(a: Tensor) -> Tensor:
    """The logistic function."""
    return a.graph.apply("Sigmoid", a)


def _softplus(a: Tensor) -> Tensor:
    """log(1 + exp(a)) as max(a, 0) + log(1 + exp(-|a|)), which does not overflow."""
    small = a.graph.apply("Exp", 0.0 - a.graph.apply("Abs", a))
    return a.graph.apply("Relu", a) + a.graph.apply("Log", small + 1.0)


NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda a: a.graph.apply("Tanh", a),
    "sigmoid": sigmoid,
    "relu": lambda a: a.graph.apply("Relu", a),
    "softplus": _softplus,
    "identity": lambda a: a,
}
"""The non-linearities by name."""


def _activated(cell: Cell, a: Tensor) -> Tensor:
    return NONLINEARITIES[cell.nonlinearity](a)


def _driven(cell: AffineCell, inputs: Tensor) -> Tensor:
    """The input part of the affine map, shape (S, A)."""
    return inputs.graph.affine(inputs, np.asarray(cell.input), np.asarray(cell.bias))


def _mixed(hidden: Tensor, recurrent: Array | Sparse) -> Tensor:
    """The recurrent part of the affine map, shape (S, A).

    Of a sparse matrix, each unit gathers the hidden states that it is connected to. Units with
    fewer connections than others gather the first hidden state with a weight of zero.
    """
    if not isinstance(recurrent, Sparse):
        return hidden @ np.asarray(recurrent)
    counts = np.diff(recurrent.pointers)
    most = int(counts.max(initial=1))
    if 2 * most > recurrent.shape[0]:  # rows and weights would take more than the matrix
        return hidden @ recurrent.dense()
    there = np.arange(most) < counts[:, None]
    rows, weights = np.zeros(there.shape, np.int64), np.zeros(there.shape)
    rows[there], weights[there] = recurrent.rows, recurrent.data
    return (hidden.taken(rows, axis=1) * weights).sum(axis=-1)


def _memoryless(cell: MemorylessCell, carry: Carry, inputs: Tensor) -> tuple[Tensor, Carry]:
    return _activated(cell, _driven(cell, inputs)), []


def _simple(cell: SimpleCell, carry: Carry, inputs: Tensor) -> tuple[Tensor, Carry]:
    hidden = _activated(cell, _mixed(carry[0], cell.recurrent) + _driven(cell, inputs))
    return hidden, [hidden]


def _leaky(cell: LeakyCell, carry: Carry, inputs: Tensor) -> tuple[Tensor, Carry]:
    leak = np.asarray(cell.leak)
    new = _activated(cell, _mixed(carry[0], cell.recurrent) + _driven(cell, inputs))
    hidden = carry[0] * (1.0 - leak) + new * leak
    return hidden, [hidden]


def _gru(cell: GRUCell, carry: Carry, inputs: Tensor) -> tuple[Tensor, Carry]:
    size, both = cell.hidden, 2 * cell.hidden
    mixed, driven = _mixed(carry[0], cell.recurrent), _driven(cell, inputs)
    gates = sigmoid(mixed.part(0, both) + driven.part(0, both))
    reset, keep = gates.part(0, size), gates.part(size, both)
    inside = driven.part(both, 3 * size) + reset * (mixed.part(both, 3 * size) + np.asarray(cell.candidate))
    hidden = (1.0 - keep) * _activated(cell, inside) + keep * carry[0]
    return hidden, [hidden]


def _lstm(cell: LSTMCell, carry: Carry, inputs: Tensor) -> tuple[Tensor, Carry]:
    size, total = cell.hidden, _mixed(carry[0], cell.recurrent) + _driven(cell, inputs)
    i, f, g, o = (total.part(gate * size, (gate + 1) * size) for gate in range(4))
    memory = sigmoid(f) * carry[1] + sigmoid(i) * _activated(cell, g)
    hidden = sigmoid(o) * _activated(cell, memory)
    return hidden, [hidden, memory]


def _piecewise_linear(cell: PiecewiseLinearCell, carry: Carry, inputs: Tensor) -> tuple[Tensor, Carry]:
    size, graph = cell.bias.shape[0], inputs.graph
    latent = carry[0].part(0, size) * np.asarray(cell.diagonal) + _driven(cell, inputs)
    latent = latent + carry[0].part(size, cell.hidden) @ np.asarray(cell.shrink)
    units = latent @ np.asarray(cell.expand)
    ramps = graph.apply("Relu", units + np.asarray(cell.threshold))
    if cell.clipped:
        ramps = ramps - graph.apply("Relu", units)
    hidden = graph.joined([latent, ramps], axis=1)
    return hidden, [hidden]


def _smoothing(cell: SmoothingCell, carry: Carry, inputs: Tensor) -> tuple[Tensor, Carry]:
    """Exponential smoothers. Their seasonal terms are one tensor, shape (period, S, H)."""
    forecast, level, slope, excess, *seasonal = carry
    error, excess = _limited(_driven(cell, inputs) - forecast, excess, np.asarray(cell.limit))
    damping = np.asarray(cell.damping)
    slope = slope * damping
    level = level + slope + error * np.asarray(cell.level)
    slope = slope + error * np.asarray(cell.trend)
    forecast = level + slope * damping
    if not seasonal:
        return forecast, [forecast, level, slope, excess]
    ring = seasonal[0]
    later = ring.part(0, 1, axis=0) + error * np.asarray(cell.season)
    ring = inputs.graph.joined([ring.part(1, cell.period, axis=0), later], axis=0)
    hidden = forecast + ring.taken(0)
    return hidden, [hidden, level, slope, excess, ring]


def _limited(error: Tensor, excess: Tensor, limit: np.ndarray) -> tuple[Tensor, Tensor]:
    """The error that smoothers read, and the next excess; see `SmoothingCell`."""
    graph, dtype = error.graph, error.dtype
    zero, one = graph.constant(0.0, dtype), graph.constant(1.0, dtype)
    again = graph.apply("Greater", error * excess, zero, dtype=TRUTH)
    factor = graph.where(again, graph.apply("Abs", excess), one)
    most, side = factor * limit, graph.apply("Sign", error)
    beyond = graph.apply("Greater", graph.apply("Abs", error), most, dtype=TRUTH)
    return graph.where(beyond, side * most, error), graph.where(beyond, side * factor * 2.0, zero)


def _smoothing_carried(cell: SmoothingCell, sites: int) -> list[tuple[int, ...]]:
    return [(sites, cell.hidden)] * 4 + ([(cell.period, sites, cell.hidden)] if cell.period else [])


def _polynomial(cell: PolynomialCell, carry: Carry, inputs: Tensor) -> tuple[Tensor, Carry]:
    """Monomials of each degree are products of a number and of a monomial of the degree before."""
    found, begin, size = [inputs], 0, cell.inputs
    for products in monomials.products(cell.inputs, cell.degree):
        factors = np.concatenate([np.full(last - first, factor) for factor, first, last in products])
        others = np.concatenate([np.arange(first, last) for _, first, last in products]) - begin
        found.append(inputs.taken(factors, axis=1) * found[-1].taken(others, axis=1))
        begin, size = begin + size, len(others)
    return inputs.graph.joined(found[1:], axis=1), []


RULES: dict[type[AnyCell], Rule[Any]] = {
    SimpleCell: Rule(_simple),
    LeakyCell: Rule(_leaky),
    GRUCell: Rule(_gru),
    LSTMCell: Rule(_lstm, lambda cell, sites: [(sites, cell.hidden)] * 2),
    MemorylessCell: Rule(_memoryless, lambda cell, sites: []),
    PiecewiseLinearCell: Rule(_piecewise_linear),
    SmoothingCell: Rule(_smoothing, _smoothing_carried),
    PolynomialCell: Rule(_polynomial, lambda cell, sites: []),
}
"""The rule of each class of cells. A dictionary cannot say that keys and values are of one
class."""
