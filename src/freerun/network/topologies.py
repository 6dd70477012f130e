"""The recurrent connections of reservoirs: who is connected to whom, with which weights.

Each function draws a matrix of `size` units from a random generator, scaled to spectral radius 1
(but for the delay line, which has none). Entry (i, j) is the weight from unit i to unit j.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from freerun.network.sparse import Sparse

Draw = np.random.RandomState

JUMP = 3
"""Length of the jumps of a cycle with jumps, in units; each third unit has two."""

REWIRED = 0.1
"""Share of the connections of a small world that lead anywhere. At 0.1 paths are nearly as
short as in a random graph, and neighbours of a unit are still neighbours of each other
(Watts and Strogatz, 1998, figure 2)."""


def random(draw: Draw, size: int, connections: int) -> Sparse:
    """Normal weights from `connections` other units, drawn anew for each unit (Jaeger, 2001;
    Lukosevicius, 2012)."""
    sources = _distinct(draw, size, min(connections, size))
    targets = np.repeat(np.arange(size), sources.shape[1])
    return _unit_radius(Sparse.of_entries(sources.ravel(), targets, draw.normal(size=sources.size), size))


def delay_line(draw: Draw, size: int, connections: int) -> Sparse:
    """Each unit is connected to the next one, with weight 1 (Rodan and Tino, 2011, DLR)."""
    del draw, connections
    units = np.arange(size - 1)
    return Sparse.of_entries(units, units + 1, np.ones(size - 1), size)


def cycle(draw: Draw, size: int, connections: int) -> Sparse:
    """Each unit is connected to the next one, and the last to the first,
    with weight 1 (Rodan and Tino, 2011, SCR)."""
    del draw, connections
    units = np.arange(size)
    return Sparse.of_entries(units, (units + 1) % size, np.ones(size), size)


def cycle_jumps(draw: Draw, size: int, connections: int) -> Sparse:
    """A cycle with jumps in both directions between each third unit,
    of the same weight (Rodan and Tino, 2012, CRJ).

    If `size` is no multiple of the length of a jump,
    there is none from the last such unit to the first.
    """
    del draw, connections
    units, starts = np.arange(size), np.arange(0, size - JUMP + 1, JUMP)
    ends = (starts + JUMP) % size
    sources, targets = np.concatenate([units, starts, ends]), np.concatenate([(units + 1) % size, ends, starts])
    sources, targets = np.unique(np.stack([sources, targets]), axis=1)
    return _unit_radius(Sparse.of_entries(sources, targets, np.ones(len(sources)), size))


def small_world(draw: Draw, size: int, connections: int) -> Sparse:
    """Normal weights, in both directions, along the edges of a small world (Watts and Strogatz,
    1998).

    Each unit has edges to the `connections` nearest units of a ring, half of them on each side. One
    end of a tenth of the edges is moved to any other unit. Kawai, Park and Asada (2019) found that
    such reservoirs forget their initial state at larger spectral radii.
    """
    each = max(1, min(connections, size - 1) // 2)
    starts = np.tile(np.arange(size), each)
    ends = (starts + np.repeat(np.arange(1, each + 1), size)) % size
    moved = (draw.uniform(size=len(starts)) < REWIRED) & (2 * each < size - 1)
    while moved.any():
        ends[moved] = draw.randint(size, size=int(moved.sum()))
        low, high = np.minimum(starts, ends), np.maximum(starts, ends)
        pairs, again = low * size + high, np.ones(len(starts), bool)
        again[np.unique(np.where(moved, size**2, 0) + pairs, return_index=True)[1]] = False
        moved &= (starts == ends) | again | np.isin(pairs, pairs[~moved])
    sources, targets = np.concatenate([starts, ends]), np.concatenate([ends, starts])
    return _unit_radius(Sparse.of_entries(sources, targets, draw.normal(size=len(sources)), size))


TOPOLOGIES: dict[str, Callable[[Draw, int, int], Sparse]] = {
    "reservoir": random,
    "cycle": cycle,
    "delay-line": delay_line,
    "cycle-jumps": cycle_jumps,
    "small-world": small_world,
}
"""The topologies by name, those of `freerun.settings.RESERVOIRS`."""

EVEN = ("cycle", "delay-line", "cycle-jumps")
"""Topologies with equal weights; their input weights have one absolute value, and random signs."""


def _unit_radius(drawn: Sparse) -> Sparse:
    """The matrix, scaled to spectral radius 1; as it is if it has none."""
    radius = drawn.spectral_radius()
    return (1.0 / radius) * drawn if radius else drawn


def _distinct(draw: Draw, size: int, count: int) -> np.ndarray:
    """Draw `count` distinct units for each unit, shape (size, count), ascending;
    what comes twice is redrawn."""
    if 2 * count > size:
        return np.sort(np.argsort(draw.uniform(size=(size, size)), axis=1)[:, :count], axis=1)
    drawn = np.sort(draw.randint(size, size=(size, count)), axis=1)
    while (twice := np.diff(drawn, axis=1, prepend=-1) == 0).any():
        drawn[twice] = draw.randint(size, size=int(twice.sum()))
        drawn.sort(axis=1)
    return drawn
