"""Readouts of wide networks by the normal equations: sums of products of rows,
and a Cholesky factorization.

With n rows A of F columns, targets B and a penalty, the readout solves (A'A / n + penalty I) W =
A'B / n. The products take n F^2 operations, a QR factorization (`freerun.network.ridge`) 2 n F^2
and a solution by it F^3 more. With 4000 columns, the products of 2000 rows take 1.06 s and their
reduction by QR 2.9 s (one core of an AMD EPYC, 2026-11-30).

The sums square the condition number. Relative errors of the readout are at most
about eps * trace(A'A / n) / penalty. Readouts are therefore solved so only if the
penalty is far above eps times that trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from freerun.errors import TrainingDiverged
from freerun.network import ridge
from freerun.network.network import Network
from freerun.network.ridge import NOT_FINITE, Solution, rows_of

WIDE = 2000
"""Columns from which on the normal equations are taken. The default has at most about 1000,
and keeps QR."""

SAFE = 1000.0
"""The penalty has to be at least this many times eps * trace: errors of the readout are then below
a thousandth in the directions in which the data say least, and far smaller in all others."""


def suit(network: Network, panel: Sequence[np.ndarray], penalty: float) -> bool:
    """Whether a readout can be solved by the normal equations, and this is cheaper.

    The trace is at most about F, since values are standardized and hidden states bounded.

    Args:
        network: the network.
        panel: standardized series, shape (T, N) each; NaN where a value is missing.
        penalty: on the sum of squares of the readout.
    """
    channels = network.bias.shape[0]
    columns = network.readout.shape[0] + 1 + (0 if network.direct is None else network.direct.shape[0])
    precise = channels * penalty >= SAFE * np.finfo(network.bias.dtype).eps * columns
    return columns >= WIDE and precise and all(np.isfinite(values[:, :channels]).all() for values in panel)


def solve(
    network: Network,
    panel: Sequence[np.ndarray],
    washout: int,
    penalty: float,
    noise: float = 0.0,
    seed: int = 0,
    stretches: Sequence[tuple[int, int]] = (),
) -> Solution:
    """Solve the readout of a network for complete series, and without each of several stretches.

    Features that are larger than `suit` expects, such as those of unbounded units,
    are reduced by QR instead.

    Args:
        network, panel, washout, penalty, noise, seed, stretches: see `freerun.network.ridge.solve`.

    Raises:
        TrainingDiverged: the hidden states are not finite.
    """
    rest, apart = _Sums(), [_Sums() for _ in stretches]
    for rows in rows_of(network, panel, washout, noise, seed):
        outside = np.ones(len(rows.steps), bool)
        for sums, (first, last) in zip(apart, stretches, strict=True):
            inside = (rows.steps <= first) & (rows.steps > last)
            sums.add(rows.features[inside], rows.targets[inside])
            outside &= ~inside
        everything = outside.all()
        sums = (rows.features, rows.targets) if everything else (rows.features[outside], rows.targets[outside])
        rest.add(*sums)
    whole = _Sums.of([rest, *apart])
    if not whole.precise(network, penalty):
        return ridge.solve(network, panel, washout, penalty, noise, seed, stretches)
    without = [_Sums.of([rest, *apart[:left], *apart[left + 1 :]]) for left in range(len(stretches))]
    return Solution(whole.solved(network, penalty), [sums.solved(network, penalty) for sums in without], None)


class _Sums:
    """Sums of products of the features and targets of n rows: the upper triangle of (A, B)'
    (A, B)."""

    def __init__(self) -> None:
        self.products: np.ndarray | None = None
        self.count = 0

    @classmethod
    def of(cls, parts: Sequence[_Sums]) -> _Sums:
        """Add sums up."""
        total = cls()
        for products in _products(parts):
            total.products = products.copy(order="F") if total.products is None else np.add(total.products, products)
        total.count = sum(part.count for part in parts)
        return total

    def add(self, features: np.ndarray, targets: np.ndarray) -> None:
        """Add rows, shape (n, F) and (n, D)."""
        from scipy.linalg import get_blas_funcs

        if not len(features):
            return
        both = np.concatenate([features, targets], axis=1).T
        (syrk,) = get_blas_funcs(("syrk",), (both,))
        before = np.zeros((len(both), len(both)), both.dtype, order="F") if self.products is None else self.products
        self.products = syrk(1.0, both, 1.0, before, overwrite_c=True)
        self.count += len(features)

    def precise(self, network: Network, penalty: float) -> bool:
        """Whether the penalty is far above the rounding of the sums;
        also where they are not finite."""
        assert self.products is not None
        channels = network.bias.shape[0]
        trace = float(np.trace(self.products[:-channels, :-channels])) / self.count
        return not channels * penalty < SAFE * np.finfo(self.products.dtype).eps * trace or not np.isfinite(trace)

    def solved(self, network: Network, penalty: float) -> Network:
        """Solve for a penalty, and return the network with that readout."""
        from scipy.linalg import LinAlgError, cho_solve, cholesky

        assert self.products is not None
        channels = network.bias.shape[0]
        width = len(self.products) - channels
        if not np.isfinite(np.diagonal(self.products)).all():
            raise TrainingDiverged(NOT_FINITE)
        damped = self.products[:width, :width].copy(order="F")
        damped[range(width), range(width)] += channels * self.count * penalty  # the mean is over all channels
        try:
            factor = cholesky(damped, overwrite_a=True, check_finite=False)
        except LinAlgError as error:
            raise TrainingDiverged(f"l2={penalty:g} is too small to solve a readout of {width} columns") from error
        weights = cho_solve((factor, False), self.products[:width, width:], check_finite=False)
        hidden = network.readout.shape[0]
        direct = None if network.direct is None else weights[hidden + 1 :]
        return network.with_readout(weights[:hidden], weights[hidden], direct)


def _products(parts: Sequence[_Sums]) -> Iterator[np.ndarray]:
    """The products of the parts that have rows."""
    return (part.products for part in parts if part.products is not None)
