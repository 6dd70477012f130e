"""The step of a network in ONNX: what `freerun.network.numpy_runs` computes for one step,
as nodes of a graph.

Tensors have two dimensions. The first is that of a single row,
or of the sites where a field is read site by site.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from freerun.errors import SettingError
from freerun.network.network import Network, State, left_out
from freerun.network.onnx_cells import RULES, Carry
from freerun.network.onnx_graph import Tensor


@dataclass(frozen=True)
class Layout:
    """Where the state of a network lies in a vector: the carries of all layers,
    then what was read last.

    Attributes:
        carries: the shapes of the carry of each layer.
        past: the shape of what was read last, (depth, N).
    """

    carries: tuple[tuple[tuple[int, ...], ...], ...]
    past: tuple[int, int]

    @classmethod
    def of(cls, network: Network) -> Layout:
        """The layout of a network.

        Raises:
            SettingError: it has a known model, or a kind of cell without a rule.
        """
        if network.known is not None:
            raise SettingError("a known model is a function of Python, which ONNX cannot hold; fit without model=...")
        sites = 1 if network.lattice is None else network.lattice.sites
        carries: list[tuple[tuple[int, ...], ...]] = []
        for cell in network.cells:
            if type(cell) not in RULES:
                raise SettingError(f"ONNX has no rule for {type(cell).__name__}; choose another cell")
            carries.append(tuple(RULES[type(cell)].carried(cell, sites)))
        return cls(tuple(carries), (network.depth, network.channels + network.inputs))

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of all parts, in their order."""
        return [*(shape for carry in self.carries for shape in carry), *([self.past] if self.past[0] else [])]

    def vector(self, state: State) -> np.ndarray:
        """A state as a vector, in double precision."""
        kept = [entry for carry, shapes in zip(state.cells, self.carries, strict=True) if shapes for entry in carry]
        parts = [np.ravel(np.asarray(one, np.float64)) for one in (*kept, state.past)]
        assert sum(map(len, parts)) == sum(map(prod, self.shapes))
        return np.concatenate(parts)


def step(network: Network, layout: Layout, state: list[Tensor], read: Tensor) -> tuple[Tensor, list[Tensor]]:
    """One step of a network.

    Args:
        network: the network.
        layout: of its state.
        state: the parts of the state before the step, see `Layout`.
        read: what the network reads, shape (1, N).

    Returns:
        Its prediction of the next value, shape (1, D), and the state after the step.
    """
    graph = read.graph
    past = [state[-1]] if network.depth else []
    known = graph.joined([*past, read], axis=0)
    window, base = window_of(network, known)
    following: list[Tensor] = []
    features: list[Tensor] = []
    driven_by, first = window, 0
    for cell, shapes in zip(network.cells, layout.carries, strict=True):
        carry: Carry = state[first : first + len(shapes)]
        driven_by, carry = RULES[type(cell)].step(cell, carry, driven_by)
        features.append(driven_by)
        following += carry
        first += len(shapes)
    if network.depth:
        following.append(known.part(1, network.depth + 1, axis=0))
    return outputs_of(network, features, window, base), following


def outputs_of(network: Network, hidden: list[Tensor], window: Tensor, base: Tensor | None) -> Tensor:
    """The outputs, shape (1, D), given the hidden states of all layers, the window,
    and what is added."""
    features, weights = list(hidden), [np.asarray(network.readout)]
    if network.direct is not None:
        features.append(window)
        weights.append(np.asarray(network.direct))
    graph = window.graph
    output = graph.affine(graph.joined(features, axis=1), np.concatenate(weights), np.asarray(network.bias))
    if network.lattice is not None:
        output = output.shaped(1, network.channels)
    return output if base is None else output + base


def window_of(network: Network, known: Tensor) -> tuple[Tensor, Tensor | None]:
    """The window, shape (1, K) or (sites, K), and what is added to the output;
    see `numpy_runs.windows`.

    Args:
        network: the network.
        known: what it read, oldest first, shape (depth + 1, N).
    """
    channels, width = network.channels, network.channels + network.inputs
    values = known.part(0, channels) if network.inputs else known
    base = None
    for back, coefficient in left_out(network.differences):
        row = values.part(network.depth - back, network.depth - back + 1, axis=0) * float(coefficient)
        base = row if base is None else base + row
    length = network.depth + 1
    for lag in network.differences:
        length -= lag
        values = values.part(lag, length + lag, axis=0) - values.part(0, length, axis=0)
    deep = max(network.lags)
    at = np.array([deep - lag for lag in network.lags])
    seen = values if len(at) == length == 1 else values.taken(at)
    given = None
    if network.inputs:
        given = known.part(channels, width).taken(at + sum(network.differences))
    return (_rows if network.lattice is None else _by_sites)(network, seen, given), base


def _rows(network: Network, seen: Tensor, given: Tensor | None) -> Tensor:
    """The values and external inputs at each lag, shapes (L, D) and (L, E), as a row, shape (1,
    K)."""
    both = seen if given is None else seen.graph.joined([seen, given], axis=1)
    return both.shaped(1, -1)


def _by_sites(network: Network, seen: Tensor, given: Tensor | None) -> Tensor:
    """The same around each site of a field, shape (sites, K); see `Lattice.gathered`."""
    lattice, graph = network.lattice, seen.graph
    assert lattice is not None
    near = graph.apply("Transpose", seen.taken(lattice.around(), axis=1), perm=[1, 0, 2])
    if given is not None:
        shape = graph.counts(lattice.sites, len(network.lags), network.inputs)
        near = graph.joined([near, graph.apply("Expand", given, shape)], axis=2)
    return near.shaped(lattice.sites, -1)
