"""BFGS and limited-memory BFGS over all weights, with SciPy's line search, on a compiled value and gradient."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int, PRNGKeyArray

from freerun.computing import jitted
from freerun.network.network import Network
from freerun.objective import Objective, Terms
from freerun.optimizers.base import Leg, Stopped, Trainees, report_interval, stack, unstack

RESTARTS = 3
"""How often a failed line search may be answered by forgetting the curvature and starting along the gradient."""

PAIRS = 20
"""Pairs of steps and changes of the gradient that the limited method keeps."""

Values = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""The objective and its gradient at a vector of weights."""


class Memory(eqx.Module):
    """What is known of the curvature for M networks in a stage; of one, without the leading axis.

    Attributes:
        inverse: approximations of the inverse Hessian; None for the limited method.
        pairs: the last steps and changes of the gradient, the latest last, zero where there is none yet; None for the
            full method.
        since: iterations since the curvature was last forgotten.
        forgotten: how often it was.
    """

    inverse: Float[np.ndarray, "*M P P"] | None
    pairs: Float[np.ndarray, "*M K 2 P"] | None
    since: Int[np.ndarray | np.int64, "*M"]
    forgotten: Int[np.ndarray | np.int64, "*M"]


@dataclass(frozen=True)
class BFGS:
    """The method of Broyden, Fletcher, Goldfarb and Shanno (Nocedal and Wright, Numerical Optimization, 6.1 and 7.2).

    Steps satisfy the strong Wolfe conditions. It does not stop at a small gradient, only where no lower objective can
    be found in working precision, so it runs on from a start that is already close. What the objective leaves to
    chance is drawn once.

    Attributes:
        epochs: most iterations in each stage.
        limited: keep the last 20 pairs of steps and gradients instead of a matrix, for networks of many weights.
    """

    epochs: int
    limited: bool = False

    def begin(self, trainees: Trainees) -> Leg:
        """See `Optimizer.begin`; each stage begins without knowledge of the curvature."""
        weights = sum(leaf[0].size for leaf in jax.tree.leaves(trainees.networks))
        memory = stack([self._blank(weights, 0)] * len(trainees))
        return Leg(replace(trainees, memory=memory), 0, {})

    def advance(self, objective: Objective, leg: Leg, key: PRNGKeyArray) -> tuple[Leg, np.ndarray]:
        """See `Optimizer.advance`; an epoch is one iteration, which may evaluate the objective several times."""
        trainees, stopped = leg.trainees, dict(leg.stopped)
        count = min(report_interval(self.epochs), self.epochs - leg.done)
        objectives = np.full((count, len(trainees)), np.nan)
        networks, memories = unstack(trainees.networks), unstack(trainees.memory)
        every = unstack(trainees.terms, len(trainees))
        for i in map(int, np.flatnonzero(leg.running)):
            networks[i], memories[i], values = self._further(objective, networks[i], memories[i], every[i], key, count)
            objectives[: len(values), i] = values
            if len(values) < count:
                stopped[i] = Stopped(f"no lower objective found after {leg.done + len(values)} iterations")
            elif leg.done + count == self.epochs:
                stopped[i] = Stopped(f"all {self.epochs} iterations done")
        trainees = replace(trainees, networks=stack(networks), memory=stack(memories))
        return Leg(trainees, leg.done + count, stopped), objectives

    def _further(
        self, objective: Objective, network: Network, memory: Memory, terms: Terms, key: PRNGKeyArray, count: int
    ) -> tuple[Network, Memory, list[float]]:
        """One network after `count` iterations, or fewer where no lower objective is found; and the objectives."""
        start, unravel = ravel_pytree(network)

        def weights_of(vector: np.ndarray) -> Network:
            return unravel(jnp.asarray(vector, start.dtype))

        def values(weights: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = _value_and_gradient(objective, weights_of(weights), terms, key)
            return float(value), np.asarray(ravel_pytree(gradient)[0], np.float64)

        weights = np.asarray(start, np.float64)
        value, gradient = values(weights)
        objectives: list[float] = []
        while len(objectives) < count:
            first = float(np.linalg.norm(gradient)) / 2 if memory.since == 0 else None
            found = _searched(values, weights, value, gradient, -_times_inverse(memory, gradient), first)
            if found is None:
                if memory.since < 2 or memory.forgotten == RESTARTS:
                    break
                memory = self._blank(len(weights), int(memory.forgotten) + 1)
                continue
            further, lower, slope = found
            memory = _learned(memory, further - weights, slope - gradient)
            weights, value, gradient = further, lower, slope
            objectives.append(value)
        return weights_of(weights), memory, objectives

    def _blank(self, weights: int, forgotten: int) -> Memory:
        """No knowledge of the curvature."""
        inverse, pairs = (None, np.zeros((PAIRS, 2, weights))) if self.limited else (np.eye(weights), None)
        return Memory(inverse, pairs, np.asarray(0), np.asarray(forgotten))


def _searched(
    values: Values,
    weights: np.ndarray,
    value: float,
    gradient: np.ndarray,
    direction: np.ndarray,
    fall: float | None,
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """Weights with a lower objective along a direction, the objective and the gradient there; None if there are none.

    The whole step is tried first; or, where a `fall` of the objective is guessed, the length that would give it.
    """
    from scipy.optimize import line_search

    known: dict[bytes, tuple[float, np.ndarray]] = {}

    def at(point: np.ndarray) -> tuple[float, np.ndarray]:
        if (place := point.tobytes()) not in known:
            known[place] = values(point)
        return known[place]

    before = None if fall is None else value + fall
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a failed search, which is answered here
        length, *_ = line_search(
            lambda point: at(point)[0], lambda point: at(point)[1], weights, direction, gradient, value, before
        )
    if length is None:
        return None
    further = weights + length * direction
    lower, slope = at(further)
    return (further, lower, slope) if lower < value else None


def _times_inverse(memory: Memory, gradient: np.ndarray) -> np.ndarray:
    """The approximate inverse Hessian times the gradient; from pairs by the two-loop recursion (algorithm 7.4)."""
    if memory.inverse is not None:
        return memory.inverse @ gradient
    assert memory.pairs is not None
    pairs = [(step, change, 1.0 / (step @ change)) for step, change in memory.pairs if step.any()]
    q, shares = gradient.copy(), []
    for step, change, rho in reversed(pairs):
        shares.append(rho * (step @ q))
        q -= shares[-1] * change
    if pairs:
        step, change, _ = pairs[-1]
        q *= (step @ change) / (change @ change)
    for (step, change, rho), share in zip(pairs, reversed(shares), strict=True):
        q += step * (share - rho * (change @ q))
    return q


def _learned(memory: Memory, step: np.ndarray, change: np.ndarray) -> Memory:
    """What a step tells of the curvature (6.17); nothing where the curvature along it is not positive."""
    memory = replace(memory, since=memory.since + 1)
    curvature = step @ change
    if curvature <= 0:
        return memory
    if memory.pairs is not None:
        return replace(memory, pairs=np.concatenate([memory.pairs[1:], np.stack([step, change])[None]]))
    assert memory.inverse is not None
    inverse = memory.inverse
    if memory.since == 1:
        inverse = inverse * (curvature / (change @ change))  # (6.20)
    product = inverse @ change
    inverse = (
        inverse
        - (np.outer(product, step) + np.outer(step, product)) / curvature
        + np.outer(step, step) * ((1.0 + change @ product / curvature) / curvature)
    )
    return replace(memory, inverse=inverse)


@jitted
def _value_and_gradient(
    objective: Objective, network: Network, terms: Terms, key: PRNGKeyArray
) -> tuple[jax.Array, Network]:
    return jax.value_and_grad(lambda n: objective(n, terms, key))(network)
