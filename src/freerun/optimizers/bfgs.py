"""BFGS and limited-memory BFGS over all weights, by SciPy, on a compiled value and gradient."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import PRNGKeyArray

from freerun.network import Network
from freerun.objective import Objective, Terms
from freerun.optimizers.base import Report, Stopped, Trainees, report_interval, stack, unstack

RESTARTS = 3
"""How often a failed line search may be answered by forgetting the curvature and starting along the gradient."""

OPTIONS = {"BFGS": {"gtol": 0.0}, "L-BFGS-B": {"gtol": 0.0, "ftol": 0.0, "maxcor": 20, "maxfun": 10**9}}
"""SciPy's methods, told never to stop at a small gradient or a small gain."""


@dataclass(frozen=True)
class BFGS:
    """The method of Broyden, Fletcher, Goldfarb and Shanno (Nocedal and Wright, Numerical Optimization, 6.1 and 7.2).

    It does not stop at a small gradient, only where no lower objective can be found in working precision, so it
    runs on from a start that is already close. What the objective leaves to chance is drawn once.

    Attributes:
        epochs: most iterations in each call.
        limited: keep the last 20 pairs of steps and gradients instead of a matrix, for networks of many weights.
    """

    epochs: int
    limited: bool = False

    def minimize(
        self, objective: Objective, trainees: Trainees, key: PRNGKeyArray, report: Report
    ) -> tuple[list[Stopped], None]:
        """See `Optimizer.minimize`; an epoch is one iteration, which may evaluate the objective several times."""
        members = unstack(trainees.networks)
        stopped = []
        for i, terms in enumerate(unstack(trainees.terms, len(members))):

            def note(network: Network, objectives: list[float], i: int = i) -> None:
                members[i] = network
                columns = np.full((len(objectives), len(members)), np.nan)
                columns[:, i] = objectives
                report(stack(members), columns)

            stopped.append(self._minimize(objective, members[i], terms, key, note))
        return stopped, None

    def _minimize(self, objective: Objective, network: Network, terms: Terms, key: PRNGKeyArray, note) -> Stopped:
        from scipy.optimize import OptimizeResult, minimize

        start, unravel = ravel_pytree(network)

        def weights_of(vector: np.ndarray) -> Network:
            return unravel(jnp.asarray(vector, start.dtype))

        interval = report_interval(self.epochs)
        objectives: list[float] = []
        done = 0

        def value_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = _value_and_gradient(objective, weights_of(weights), terms, key)
            return float(value), np.asarray(ravel_pytree(gradient)[0], np.float64)

        def after_iteration(intermediate_result: OptimizeResult) -> None:
            nonlocal done
            done += 1
            objectives.append(float(intermediate_result.fun))
            if len(objectives) == interval:
                note(weights_of(intermediate_result.x), objectives)
                objectives.clear()

        method = "L-BFGS-B" if self.limited else "BFGS"
        weights = np.asarray(start, np.float64)
        for _ in range(1 + RESTARTS):
            before = done
            result = minimize(
                value_and_gradient,
                weights,
                method=method,
                jac=True,
                callback=after_iteration,
                options={**OPTIONS[method], "maxiter": self.epochs - done},
            )
            weights = result.x
            if done >= self.epochs or done - before < 2:
                break
        note(weights_of(weights), objectives)
        if done >= self.epochs:
            return Stopped(f"all {self.epochs} iterations done")
        return Stopped(f"no lower objective found after {done} iterations")


@jax.jit
def _value_and_gradient(
    objective: Objective, network: Network, terms: Terms, key: PRNGKeyArray
) -> tuple[jax.Array, Network]:
    return jax.value_and_grad(lambda n: objective(n, terms, key))(network)
