"""Double or single precision for one call at a time, without touching JAX's global configuration."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import jax


def precision(dtype: str) -> AbstractContextManager[Any]:
    """Within this context JAX computes in `float64` or in `float32`."""
    return jax.enable_x64(dtype == "float64")
