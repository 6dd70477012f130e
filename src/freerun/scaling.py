"""Standardising a series per channel, and back to its own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freerun.errors import SeriesError
from freerun.series import Series


@dataclass(frozen=True, eq=False)
class Scaling:
    """The affine map `(values - mean) / scale` of each channel.

    Attributes:
        mean: shape (D,), in the units of the series.
        scale: shape (D,), in the units of the series, positive.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def standard(cls, series: Series) -> Scaling:
        """Mean zero and standard deviation one (divisor T) on `series`."""
        return cls(series.values.mean(axis=0), refuse_constant(series))

    @classmethod
    def identity(cls, series: Series) -> Scaling:
        """Leave the values as they are."""
        refuse_constant(series)
        return cls(np.zeros(series.shape[1]), np.ones(series.shape[1]))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """From the units of the series, shape (..., D), to standardised values."""
        return (values - self.mean) / self.scale

    def undo(self, values: np.ndarray) -> np.ndarray:
        """From standardised values, shape (..., D), to the units of the series."""
        return values * self.scale + self.mean


def refuse_constant(series: Series) -> np.ndarray:
    """The standard deviation of each channel, shape (D,).

    Raises:
        SeriesError: a channel is constant up to rounding, so there is nothing to learn from it.
    """
    deviation = series.values.std(axis=0)
    size = np.abs(series.values).max(axis=0)
    for name, value, largest in zip(series.channels, deviation, size, strict=True):
        if not value > 1e-13 * largest:
            raise SeriesError(f"channel {name!r} is constant; leave it out")
    return deviation
