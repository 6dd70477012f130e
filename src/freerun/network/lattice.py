"""`Lattice`: the sites of a field, and which of them a network reads that all sites share.

The channels of a field are the sites of a ring or of a grid. One small network predicts the next
value of one site from the values around it. All sites share its weights, so that it does not matter
where on the lattice something happens (translation invariance). Pathak et al. (Physical Review
Letters 120, 2018) couple reservoirs in this way; Parlitz and Merkwirth (Physical Review Letters 84,
2000) predict fields from local windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from freerun.errors import SettingError

if TYPE_CHECKING:
    from freerun.network.updates import Array

PADDING = {"periodic": "wrap", "no-flux": "symmetric"}
"""How sites beyond the edge are found, as modes of `numpy.pad`, by name of the boundary."""


@dataclass(frozen=True)
class Lattice:
    """The sites of a field, and the neighbourhood that the network of a site reads.

    Attributes:
        extent: the number of sites of a ring, (D,), or rows and columns of a grid,
            whose sites are numbered row by row.
        neighbours: sites on each side, along each axis.
        boundary: `periodic` joins the ends; `no-flux` mirrors the sites beyond the edge.
    """

    extent: tuple[int, ...]
    neighbours: int
    boundary: str = "periodic"

    @property
    def sites(self) -> int:
        """D, the number of sites."""
        return prod(self.extent)

    @property
    def width(self) -> int:
        """W, the number of sites of a neighbourhood: a row of 2 n + 1 on a ring,
        a square of (2 n + 1)^2 on a grid."""
        return (2 * self.neighbours + 1) ** len(self.extent)

    def around(self) -> np.ndarray:
        """The neighbourhood of each site, as numbers of sites, shape (D, W)."""
        return _around(self.extent, self.neighbours, self.boundary)

    def gathered(self, values: Array) -> np.ndarray:
        """Arrange what is read of each step by sites.

        Args:
            values: the values of all sites at each lag, and the external inputs, shape (*T, L,
                D + E).

        Returns:
            Shape (*T, D, L * (W + E)). External inputs are the same at all sites.
        """
        values = np.asarray(values)
        lead, lags = values.shape[:-2], values.shape[-2]
        near = np.moveaxis(values[..., : self.sites][..., self.around()], -2, -3)
        if values.shape[-1] > self.sites:
            inputs = values[..., None, :, self.sites :]
            shared = np.broadcast_to(inputs, (*lead, self.sites, lags, inputs.shape[-1]))
            near = np.concatenate([near, shared], axis=-1)
        return near.reshape(*lead, self.sites, -1)


@lru_cache(maxsize=16)
def _around(extent: tuple[int, ...], neighbours: int, boundary: str) -> np.ndarray:
    sites = np.arange(prod(extent)).reshape(extent)
    padded = np.pad(sites, neighbours, mode=PADDING[boundary])  # pyright: ignore[reportArgumentType, reportCallIssue]
    around = np.lib.stride_tricks.sliding_window_view(padded, (2 * neighbours + 1,) * len(extent))
    return np.ascontiguousarray(around.reshape(sites.size, -1))


def lattice_of(channels: int, neighbours: int, grid: tuple[int, int] | None, boundary: str) -> Lattice:
    """The lattice of a series with D channels.

    Args:
        channels: D.
        neighbours: sites on each side that a site reads.
        grid: rows and columns; None for a ring.
        boundary: see `Lattice`.

    Raises:
        SettingError: the channels do not fill the lattice, or a neighbourhood is wider than it.
    """
    extent = (channels,) if grid is None else grid
    if grid is not None and prod(grid) != channels:
        raise SettingError(
            f"grid={grid[0]},{grid[1]} has {prod(grid)} sites, and the series has {channels} channels; "
            "give one channel for each site, row by row"
        )
    if channels == 1:
        raise SettingError(
            f"neighbours={neighbours}: the series has one channel, and a field has one for each of its sites; "
            "leave neighbours out"
        )
    if 2 * neighbours + 1 > min(extent):
        said = f"the field has {channels} sites" if grid is None else f"the grid has {grid[0]} x {grid[1]} sites"
        raise SettingError(
            f"neighbours={neighbours}: a neighbourhood spans {2 * neighbours + 1} sites, and {said}; "
            f"give {(min(extent) - 1) // 2} neighbours or fewer"
        )
    return Lattice(extent, neighbours, boundary)
