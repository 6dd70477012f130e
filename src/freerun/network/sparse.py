"""`Sparse`: a sparse matrix of recurrent weights, for products with hidden states in NumPy."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from freerun.compute.cores import physical_memory
from freerun.errors import MachineError

CONVERGED, BASIS = 6, 60
"""Eigenvalues that have to converge, and vectors of the Krylov basis;
those of 10000 units take a second."""

EXACT = 300
"""Rows up to which all eigenvalues are computed instead."""


class _Matrix(Protocol):
    """What is used of the sparse matrices of SciPy, which have no types."""

    def __matmul__(self, other: np.ndarray) -> np.ndarray: ...

    def toarray(self) -> np.ndarray: ...


class Sparse:
    """A matrix W of shape (H, A), of which few entries are not zero.
    `hidden @ W` is its product with hidden states.

    Entries are stored by columns: those of column j, the incoming connections of unit j, lie at the
    places pointers[j] to pointers[j + 1]. A product gathers for each unit what comes in, which
    takes two thirds of the time of spreading what goes out.

    Attributes:
        data: the entries, shape (n,).
        rows: their rows, shape (n,), 32-bit integers.
        pointers: where the columns begin, shape (A + 1,).
        shape: (H, A).
    """

    __array_ufunc__ = None  # `array @ sparse` is computed by `__rmatmul__`

    def __init__(self, data: np.ndarray, rows: np.ndarray, pointers: np.ndarray, height: int) -> None:
        self.data, self.rows, self.pointers = data, rows.astype(np.int32), pointers.astype(np.int32)
        self.shape = height, len(pointers) - 1

    @classmethod
    def of_entries(cls, sources: np.ndarray, targets: np.ndarray, weights: np.ndarray, size: int) -> Sparse:
        """Make a square matrix with a weight from each source to its target."""
        order = np.lexsort((sources, targets))
        pointers = np.searchsorted(targets[order], np.arange(size + 1))
        return cls(weights[order], sources[order], pointers, size)

    @classmethod
    def beside(cls, blocks: list[Sparse]) -> Sparse:
        """Put matrices of the same height side by side."""
        ends = np.cumsum([0, *(len(block.data) for block in blocks)])
        pointers = [block.pointers[:-1] + end for block, end in zip(blocks, ends[:-1], strict=True)]
        data, rows = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("data", "rows"))
        return cls(data, rows, np.concatenate([*pointers, ends[-1:]]), blocks[0].shape[0])

    @cached_property
    def _incoming(self) -> _Matrix:
        """The transposed matrix, as SciPy computes with it."""
        from scipy.sparse import csr_array

        return csr_array((self.data, self.rows, self.pointers), shape=self.shape[::-1])

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of the entries."""
        return self.data.dtype

    @property
    def size(self) -> int:
        """The number of entries that are stored."""
        return len(self.data)

    def tobytes(self) -> bytes:
        """All that it consists of."""
        return self.data.tobytes() + self.rows.tobytes() + self.pointers.tobytes()

    def astype(self, dtype: DTypeLike) -> Sparse:
        """Convert the entries to another precision."""
        return Sparse(self.data.astype(dtype), self.rows, self.pointers, self.shape[0])

    def __rmul__(self, factor: float) -> Sparse:
        return Sparse(factor * self.data, self.rows, self.pointers, self.shape[0])

    def __rmatmul__(self, hidden: np.ndarray) -> np.ndarray:
        if hidden.ndim == 1:
            return self._incoming @ hidden
        flat = hidden.reshape(-1, hidden.shape[-1])
        return (self._incoming @ flat.T).T.reshape(*hidden.shape[:-1], -1)

    def dense(self) -> np.ndarray:
        """The same as an array.

        Raises:
            MachineError: it does not fit into a quarter of the memory of this machine.
        """
        needed = self.shape[0] * self.shape[1] * self.dtype.itemsize
        if 4 * needed > physical_memory():
            raise MachineError(
                f"the {self.size} recurrent weights of {self.shape[0]} units would take {needed / 2**30:.1f} GiB as a "
                "dense matrix, which this computation needs; give fewer hidden units"
            )
        return self._incoming.toarray().T.copy()

    def spectral_radius(self) -> float:
        """The largest absolute eigenvalue: of all, or by Arnoldi
        iteration from a fixed vector (ARPACK)."""
        if self.shape[0] <= EXACT:
            return float(np.abs(np.linalg.eigvals(self.dense())).max())
        from scipy.sparse.linalg import eigs

        start = np.ones(self.shape[0])
        found = eigs(self._incoming, CONVERGED, which="LM", v0=start, ncv=BASIS, return_eigenvectors=False)
        return float(np.abs(found).max())
