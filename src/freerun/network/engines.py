"""Which engine lets a single network run free: NumPy at once, or JAX after compiling."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from freerun.network import numpy_runs
from freerun.network.network import Network, State

COMPILED = 100_000
"""Steps of a single run from which on it is compiled.

NumPy takes 25 to 60 microseconds a step, whatever the size of the network; JAX 0.3 (15 units) to 10 (1000 units), and
1.5 s to be loaded and to compile.
"""


def free_run(network: Network, state: State, value: np.ndarray, steps: int, known: np.ndarray) -> np.ndarray:
    """Closed loop of a single run, by the engine that is quicker.

    The engines agree to rounding, so the runs of a chaotic system part after a while.

    Args:
        network: the network.
        state, value: the value of a step, shape (D,), and the state before it.
        steps: how many values to generate.
        known: the external inputs of the steps that are generated, shape (steps, E).

    Returns:
        Shape (steps, D), in double precision. Values beyond the range of floating-point numbers are infinite or NaN.
    """
    dtype = network.bias.dtype
    if steps < COMPILED:
        run = numpy_runs.run(network, numpy_runs.beside(state), value[None], steps, known=known).values[0, 0]
    else:
        from freerun.computing import computing

        with computing(str(dtype)):
            run = np.asarray(_compiled()(network, state, value.astype(dtype), steps, known.astype(dtype)))
    return run.astype(np.float64)


@cache
def _compiled() -> Callable[..., Any]:
    from freerun.computing import jitted
    from freerun.network.jax_runs import run_free

    return jitted(run_free, static_argnames="steps")
