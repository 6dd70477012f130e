"""`Shape`: the architecture of a network, from which its weights are made."""

from __future__ import annotations

from dataclasses import dataclass

from freerun.network.lattice import Lattice


@dataclass(frozen=True)
class Shape:
    """The architecture of a network.

    Attributes:
        channels: D, the number of channels of the series.
        hidden: number of units of each layer.
        cell: a key of `freerun.network.cells.CELLS`.
        lags: delays of the values in a window, in steps, ascending; 0 is the current value.
        layers: number of layers.
        direct: whether there are direct connections from the window to the output.
        nonlinearity: non-linearity of the hidden units.
        latent: M, the number of latent variables of a piecewise-linear cell.
        inputs: E, the number of external inputs.
        differences: lags of the differences that are taken of the values one after the other,
            in steps.
        periods: the steps of each season of a smoothing cell, ascending.
        known: whether the network reads the estimates of a known model.
        degree: highest degree of the monomials of a polynomial cell.
        lattice: the sites of a field, whose network predicts one site from those around it;
            None if the channels are no field.
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
    periods: tuple[int, ...] = ()
    known: bool = False
    degree: int = 0
    lattice: Lattice | None = None

    @property
    def window(self) -> int:
        """K = len(lags) * (D + E), the length of a window; D more with a known model.

        In a field W, the number of sites that a site reads, stands for D.
        """
        read = self.channels if self.lattice is None else self.lattice.width
        return len(self.lags) * (read + self.inputs) + (self.channels if self.known else 0)

    @property
    def outputs(self) -> int:
        """The number of outputs: D, or one, that of a site, for a field."""
        return self.channels if self.lattice is None else 1
