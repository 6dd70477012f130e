"""BFGS over all weights, by SciPy, on a compiled value and gradient."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.optimize import OptimizeResult, minimize

from freerun.network import Network
from freerun.objective import Objective
from freerun.optimizers.base import Report, report_interval

RESTARTS = 3
"""How often a failed line search may be answered by forgetting the curvature and starting along the gradient."""


@dataclass(frozen=True)
class BFGS:
    """The method of Broyden, Fletcher, Goldfarb and Shanno (Nocedal and Wright, Numerical Optimization, 6.1).

    It does not stop at a small gradient, only where no lower objective can be found in working precision, so it
    runs on from a start that is already close.

    Attributes:
        epochs: most iterations.
    """

    epochs: int

    def minimize(self, objective: Objective, network: Network, report: Report) -> str:
        """See `Optimizer.minimize`; an epoch is one iteration, which may evaluate the objective several times."""
        start, unravel = ravel_pytree(network)

        def weights_of(vector: np.ndarray) -> Network:
            return unravel(jnp.asarray(vector, start.dtype))

        interval = report_interval(self.epochs)
        objectives: list[float] = []
        done = 0

        def value_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = _value_and_gradient(objective, weights_of(weights))
            return float(value), np.asarray(ravel_pytree(gradient)[0], np.float64)

        def after_iteration(intermediate_result: OptimizeResult) -> None:
            nonlocal done
            done += 1
            objectives.append(float(intermediate_result.fun))
            if len(objectives) == interval:
                report(weights_of(intermediate_result.x), objectives)
                objectives.clear()

        weights = np.asarray(start, np.float64)
        for _ in range(1 + RESTARTS):
            before = done
            result = minimize(
                value_and_gradient,
                weights,
                method="BFGS",
                jac=True,
                callback=after_iteration,
                options={"gtol": 0.0, "maxiter": self.epochs - done},
            )
            weights = result.x
            if done >= self.epochs or done - before < 2:
                break
        report(weights_of(weights), objectives)
        if done >= self.epochs:
            return f"all {self.epochs} iterations done"
        return f"no lower objective found after {done} iterations"


@jax.jit
def _value_and_gradient(objective: Objective, network: Network) -> tuple[jax.Array, Network]:
    return jax.value_and_grad(objective)(network)
