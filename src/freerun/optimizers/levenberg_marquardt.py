"""Levenberg-Marquardt over all weights: least squares by damped Gauss-Newton steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PRNGKeyArray

from freerun.errors import SettingError
from freerun.network import Network
from freerun.objective import Objective, Terms
from freerun.optimizers.base import Leg, Stopped, Trainees, each, report_interval

MEMORY = 2**31
"""Most bytes that the Jacobian of one network may take."""

TRIALS = (0.1, 1.0, 10.0, 1000.0)
"""The factors of the damping that are tried side by side in each iteration; the best step is taken."""

FIRST_DAMPING, MOST_DAMPING = 1e-2, 1e12
"""The damping to begin with, and the one from which on steps are too short to change anything."""

NO_GAIN, PATIENCE = 1e-8, 10
"""Stop after this many iterations in a row that lower the objective by less than this share of itself."""


class Memory(eqx.Module):
    """What the method knows of M networks in a stage.

    Attributes:
        damping: of the next iteration.
        scaling: the largest squared norm so far of each column of the Jacobian.
        value: the objective.
        idle: iterations in a row that have lowered it by next to nothing.
    """

    damping: Float[Array | np.ndarray, " M"]
    scaling: Float[Array | np.ndarray, "M P"]
    value: Float[Array | np.ndarray, " M"]
    idle: Int[np.ndarray, " M"]


@dataclass(frozen=True)
class LevenbergMarquardt:
    """The method of Levenberg and Marquardt (More, 1978), with Marquardt's diagonal scaling and gain-ratio damping.

    With residuals r and Jacobian J, whose squares sum to the objective, the step d solves

        (J^T J + damping * diag(J^T J)) d = -J^T r,

    or, where residuals are fewer than weights, the dual form in as many unknowns as residuals. Several dampings are
    tried at once; where the best step gains as much as the linear model promised, the damping falls further. J is put
    together from short pieces of the run; see `freerun.sensitivity`. What the objective leaves to chance is drawn once
    in each stage.

    Attributes:
        epochs: most iterations in each stage.
    """

    epochs: int

    def begin(self, trainees: Trainees) -> Leg:
        """See `Optimizer.begin`; each stage begins with a damping of its own."""
        members, dtype = len(trainees), trainees.networks.bias.dtype
        weights = sum(leaf[0].size for leaf in jax.tree.leaves(trainees.networks))
        memory = Memory(
            np.full(members, FIRST_DAMPING, dtype),
            np.zeros((members, weights), dtype),
            np.full(members, np.inf, dtype),
            np.zeros(members, int),
        )
        return Leg(replace(trainees, memory=memory), 0, {})

    def advance(self, objective: Objective, leg: Leg, key: PRNGKeyArray) -> tuple[Leg, np.ndarray]:
        """See `Optimizer.advance`; an epoch is one iteration.

        Raises:
            SettingError: the Jacobian would not fit in `MEMORY`.
        """
        if leg.done == 0:
            _require_memory(objective, leg.trainees)
        trainees, done, stopped = leg.trainees, leg.done, dict(leg.stopped)
        networks, (damping, scaling, last, idle) = trainees.networks, jax.tree.leaves(trainees.memory)
        objectives: list[np.ndarray] = []
        for done in range(leg.done + 1, min(leg.done + report_interval(self.epochs), self.epochs) + 1):
            running = np.array([i not in stopped for i in range(len(trainees))])
            networks, damping, scaling, value = each(
                _iteration, None, (objective, key), (networks, trainees.terms, damping, scaling, last, running)
            )
            objectives.append(np.where(running, value, np.nan))
            idle = np.where(value < last * (1.0 - NO_GAIN), 0, idle + 1)
            last = value
            for i in map(int, np.flatnonzero(running)):
                if np.asarray(damping)[i] > MOST_DAMPING:
                    stopped[i] = Stopped(f"no lower objective found after {done} iterations")
                elif idle[i] >= PATIENCE:
                    stopped[i] = Stopped(f"the objective hardly falls any more, after {done} iterations")
                elif done == self.epochs:
                    stopped[i] = Stopped(f"all {self.epochs} iterations done")
            if len(stopped) == len(trainees):
                break
        memory = Memory(damping, scaling, last, idle)
        return Leg(replace(trainees, networks=networks, memory=memory), done, stopped), np.array(objectives)


def _require_memory(objective: Objective, trainees: Trainees) -> None:
    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), (trainees.networks, trainees.terms))
    residuals = jax.eval_shape(objective.residuals, *one, jax.random.key(0))
    weights = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(one[0]))
    size = residuals.size * weights * residuals.dtype.itemsize
    if size > MEMORY:
        raise SettingError(
            f"levenberg-marquardt needs a Jacobian of {residuals.size} residuals x {weights} weights, "
            f"{size / 2**30:.1f} GiB, and the bound is {MEMORY / 2**30:.0f} GiB; "
            "choose fewer hidden units, a shorter series, or optimizer='lbfgs'"
        )


def _iteration(
    _: None,
    shared: tuple[Objective, PRNGKeyArray],
    member: tuple[Network, Terms, Float[Array, ""], Float[Array, " P"], Float[Array, ""], Array],
) -> tuple[Network, Float[Array, ""], Float[Array, " P"], Float[Array, ""]]:
    """One iteration of a network that is still running: weights, damping, scaling and objective after it."""
    network, terms, damping, scaling, value, running = member
    return jax.lax.cond(
        running,
        lambda: _improved(*shared, network, terms, damping, scaling),
        lambda: (network, damping, scaling, value),
    )


def _improved(
    objective: Objective,
    key: PRNGKeyArray,
    network: Network,
    terms: Terms,
    damping: Float[Array, ""],
    scaling: Float[Array, " P"],
) -> tuple[Network, Float[Array, ""], Float[Array, " P"], Float[Array, ""]]:
    theta, unravel = ravel_pytree(network)

    def residuals(weights: Array) -> Array:
        return objective.residuals(unravel(weights), terms, key)

    r, jacobian = residuals(theta), objective.jacobian(network, terms, key)
    value = r @ r
    scaling = jnp.maximum(scaling, (jacobian**2).sum(axis=0))
    safe = jnp.where(scaling > 0, scaling, 1.0)
    dampings = damping * jnp.asarray(TRIALS, theta.dtype)
    steps = _steps(jacobian, r, safe, dampings)
    trials = jax.vmap(lambda d: (residuals(theta + d) ** 2).sum())(steps)
    trials = jnp.where(jnp.isfinite(trials), trials, jnp.inf)
    best = jnp.argmin(trials)
    better = trials[best] < value
    promised = value - ((r + jacobian @ steps[best]) ** 2).sum()
    gain = (value - trials[best]) / promised
    adjusted = dampings[best] * jnp.where(gain > 0.75, 1.0 / 3.0, jnp.where(gain < 0.25, 2.0, 1.0))
    damping = jnp.where(better, jnp.maximum(adjusted, 1e-15), dampings[-1] * 10.0)
    theta = jnp.where(better, theta + steps[best], theta)
    return unravel(theta), damping, scaling, jnp.where(better, trials[best], value)


def _steps(
    jacobian: Float[Array, "N P"], r: Float[Array, " N"], scaling: Float[Array, " P"], dampings: Float[Array, " K"]
) -> Float[Array, "K P"]:
    """The step for each damping, from the smaller of the two forms of the normal equations."""
    n, p = jacobian.shape
    scaled = jacobian / jnp.sqrt(scaling)

    def solve(matrix: Array, damping: Array, right: Array) -> Array:
        factor = jax.scipy.linalg.cho_factor(matrix + damping * jnp.eye(len(matrix), dtype=matrix.dtype))
        return jax.scipy.linalg.cho_solve(factor, right)

    if p <= n:
        matrix, right = scaled.T @ scaled, scaled.T @ r
        steps = jax.vmap(lambda damping: -solve(matrix, damping, right))(dampings)
    else:
        matrix = scaled @ scaled.T
        steps = jax.vmap(lambda damping: -(scaled.T @ solve(matrix, damping, r)))(dampings)
    return steps / jnp.sqrt(scaling)
