"""Free runs of a single network, in NumPy or, for long runs, in compiled JAX."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from freerun.extras import missing
from freerun.network import numpy_runs
from freerun.network.network import Network, State

if TYPE_CHECKING:
    from freerun.network.updates import Array

COMPILED = 100_000
"""Number of steps from which on a single run is compiled.

NumPy takes 25 to 60 microseconds per step. JAX takes 0.3 (15 units) to 10 (1000 units),
after 1.5 s of importing and compiling.
"""


def free_run(network: Network, state: State, value: np.ndarray, steps: int, future_inputs: np.ndarray) -> np.ndarray:
    """Run in closed loop, with the faster engine; fields, and with a known model or sparse weights,
    in NumPy.

    Without the extra `train`, all runs are in NumPy.

    The engines agree up to rounding. Runs of a chaotic system therefore differ after some time.

    Args:
        network: the network.
        state: the state before the step of `value`.
        value: the last known value, shape (D,).
        steps: number of values to generate.
        future_inputs: external inputs of the generated steps, shape (steps, E).

    Returns:
        Shape (steps, D), in double precision. Values that overflow are infinite or NaN.
    """
    dtype = network.bias.dtype
    special = network.sparse or network.known is not None or network.lattice is not None
    if steps < COMPILED or special or missing("train"):
        beside = numpy_runs.beside(state)
        run = numpy_runs.run(network, beside, value[None], steps, future_inputs=future_inputs).values[0, 0]
    else:
        from freerun.compute.programs import computing

        with computing(str(dtype)):
            run = np.asarray(_compiled()(network, state, value.astype(dtype), steps, future_inputs.astype(dtype)))
    return run.astype(np.float64)


@cache
def _compiled() -> Callable[..., Array]:
    """The compiled free run of JAX, imported when it is first needed."""
    from freerun.compute.programs import jitted
    from freerun.network.jax_runs import run_free

    return jitted(run_free, static_argnames="steps")
