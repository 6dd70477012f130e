"""Levenberg-Marquardt over all weights: least squares by damped Gauss-Newton steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from freerun.computing import jitted
from freerun.cores import one_thread_each
from freerun.errors import SettingError
from freerun.network.network import Network
from freerun.objective import Objective, Terms
from freerun.optimizers.base import Leg, Stopped, Trainees, choose, each, report_interval

MEMORY = 2**31
"""Most bytes that the Jacobian of one network may take."""

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-15, 1e12
"""The damping to begin with, the least, and the one from which on steps are too short to change anything."""

BLOCKS = 2
"""In so many blocks the products of all rows with one another are formed, up to the diagonal: they are symmetric, and
XLA by itself forms all of them."""

NO_GAIN, PATIENCE = 1e-8, 10
"""Stop after this many iterations in a row that lower the objective by less than this share of itself."""

FEWEST, LARGE = 5, 2**28
"""Iterations between two reports at least, since one may take less time than a report, while the Jacobians of so many
take no more than so many bytes."""


class Memory(eqx.Module):
    """What the method knows of M networks in a stage; in an iteration, of one.

    Attributes:
        damping: of the next iteration.
        scaling: the largest squared norm so far of each column of the Jacobian.
        value: the objective.
        idle: iterations in a row that have lowered it by next to nothing.
    """

    damping: Float[Array | np.ndarray, "*M"]
    scaling: Float[Array | np.ndarray, "*M P"]
    value: Float[Array | np.ndarray, "*M"]
    idle: Int[Array | np.ndarray, "*M"]

    @property
    def lost(self) -> Bool[Array | np.ndarray, "*M"]:
        """Whether no step has lowered the objective, however short."""
        return self.damping > MOST_DAMPING

    @property
    def settled(self) -> Bool[Array | np.ndarray, "*M"]:
        """Whether the objective hardly falls any more."""
        return self.idle >= PATIENCE


class Attempt(NamedTuple):
    """A step that was tried.

    Attributes:
        damping: of the step.
        rise: by how much to raise the damping if it failed.
        weights: after it.
        residuals: there.
        reached: the objective there.
        gain: how much lower that is, as a share of what the linear model promised.
    """

    damping: Float[Array, ""]
    rise: Float[Array, ""]
    weights: Float[Array, " P"]
    residuals: Float[Array, " N"]
    reached: Float[Array, ""]
    gain: Float[Array, ""]


Solve = Callable[[Float[Array, ""]], tuple[Float[Array, " P"], Float[Array, ""]]]
"""From a damping to the step, and how much lower the linear model promises the objective to be after it."""


@dataclass(frozen=True)
class LevenbergMarquardt:
    """The method of Levenberg and Marquardt (More, 1978), with Marquardt's diagonal scaling and gain-ratio damping.

    With residuals r and Jacobian J, whose squares sum to the objective, the step d solves

        (J^T J + damping * diag(J^T J)) d = -J^T r,

    or, where residuals are fewer than weights, the dual form in as many unknowns as residuals. Until a step lowers the
    objective the damping rises, twice, four times, eight times ...; then it is set by the share of the gain that the
    linear model promised (Nielsen, 1999), down to a fifth. J is put together from short pieces of the run; see
    `freerun.sensitivity`. What the objective leaves to chance is drawn once in each stage.

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
        trainees = leg.trainees
        size = _required_memory(objective, trainees)
        most = max(report_interval(self.epochs), min(FEWEST, LARGE // size))
        count = min(most, self.epochs - leg.done)
        shared, members = (objective, key, jnp.asarray(count)), (trainees.networks, trainees.terms, trainees.memory)
        with (
            one_thread_each()
        ):  # where products and factorisations take turns, threads of JAX and LAPACK get in the way
            networks, memory, counts, objectives = each(_iterations, most, shared, (*members, leg.running))
        stopped = dict(leg.stopped)
        for i in map(int, np.flatnonzero(leg.running)):
            done = leg.done + int(counts[i])
            if memory.lost[i]:
                stopped[i] = Stopped(f"no lower objective found after {done} iterations")
            elif memory.settled[i]:
                stopped[i] = Stopped(f"the objective hardly falls any more, after {done} iterations")
            elif done == self.epochs:
                stopped[i] = Stopped(f"all {self.epochs} iterations done")
        made = int(np.max(counts))
        trainees = replace(trainees, networks=networks, memory=memory)
        return Leg(trainees, leg.done + made, stopped), np.asarray(objectives).T[:made]


def _required_memory(objective: Objective, trainees: Trainees) -> int:
    """Bytes of the Jacobian of one network; refused if they are too many."""
    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), (trainees.networks, trainees.terms))
    residuals = jax.eval_shape(_residuals, objective, *one, jax.random.key(0))
    weights = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(one[0]))
    size = residuals.size * weights * residuals.dtype.itemsize
    if size > MEMORY:
        raise SettingError(
            f"levenberg-marquardt needs a Jacobian of {residuals.size} residuals x {weights} weights, "
            f"{size / 2**30:.1f} GiB, and the bound is {MEMORY / 2**30:.0f} GiB; "
            "choose fewer hidden units, a shorter series, or optimizer='lbfgs'"
        )
    return size


@jitted
def _residuals(objective: Objective, network: Network, terms: Terms, key: PRNGKeyArray) -> Float[Array, " N"]:
    """The residuals, traced once for each shape."""
    return objective.residuals(network, terms, key)


def _iterations(
    most: int,
    shared: tuple[Objective, PRNGKeyArray, Int[Array, ""]],
    member: tuple[Network, Terms, Memory, Bool[Array, ""]],
) -> tuple[Network, Memory, Int[Array, ""], Float[Array, " most"]]:
    """`count` <= `most` iterations of a network that is still running, fewer if it comes to its end.

    Returns:
        The weights, the memory, how many iterations there were, and the objectives after each (NaN where there was
        none).
    """
    objective, key, count = shared
    network, terms, memory, running = member

    def going(at: tuple[Network, Array, Memory, Array, Array]) -> Array:
        _, _, memory, done, _ = at
        return running & (done < count) & ~memory.lost & ~memory.settled

    def iteration(at: tuple[Network, Array, Memory, Array, Array]) -> tuple[Network, Array, Memory, Array, Array]:
        network, r, memory, done, objectives = at
        network, r, memory = _improved(objective, key, network, r, terms, memory)
        return network, r, memory, done + 1, objectives.at[done].set(memory.value)

    none = jnp.full(most, jnp.nan, memory.value.dtype)
    begun = network, objective.residuals(network, terms, key), memory, jnp.zeros_like(count), none
    network, _, memory, done, objectives = jax.lax.while_loop(going, iteration, begun)
    return network, memory, done, objectives


def _improved(
    objective: Objective, key: PRNGKeyArray, network: Network, r: Float[Array, " N"], terms: Terms, memory: Memory
) -> tuple[Network, Float[Array, " N"], Memory]:
    """The weights, the residuals and the memory after one iteration, given those before."""
    damping, scaling = map(jnp.asarray, (memory.damping, memory.scaling))
    theta, unravel = ravel_pytree(network)
    jacobian, value = objective.jacobian(network, terms, key), r @ r
    scaling, solve = _normal_equations(jacobian, r, scaling)

    def tried(damping: Array, rise: Array) -> Attempt:
        step, promised = solve(damping)
        weights = theta + step
        left = objective.residuals(unravel(weights), terms, key)
        reached = left @ left
        return Attempt(damping, rise, weights, left, reached, (value - reached) / promised)

    def again(last: Attempt) -> Attempt:
        return tried(last.damping * last.rise, last.rise * 2.0)

    def failed(last: Attempt) -> Array:
        return ~(last.reached < value) & (last.damping <= MOST_DAMPING)

    best = jax.lax.while_loop(failed, again, tried(damping, jnp.full_like(value, 2.0)))
    better = best.reached < value
    eased = best.damping * jnp.maximum(1.0 / 5.0, 1.0 - (2.0 * best.gain - 1.0) ** 3)
    damping = jnp.where(better, jnp.maximum(eased, LEAST_DAMPING), best.damping)
    after = best.weights, best.residuals, best.reached
    theta, r, reached = choose(better, after, (theta, r, value))
    idle = jnp.where(reached < memory.value * (1.0 - NO_GAIN), 0, memory.idle + 1)
    return unravel(theta), r, Memory(damping, scaling, reached, idle)


def _normal_equations(
    jacobian: Float[Array, "N P"], r: Float[Array, " N"], scaling: Float[Array, " P"]
) -> tuple[Float[Array, " P"], Solve]:
    """The scaling, no less than it was, and the solution of the smaller of the two forms of the equations."""
    n, p = jacobian.shape
    if p <= n:
        rows = jax.lax.optimization_barrier(jacobian.T)
        products = _gram(rows)
        scaling, unit = _raised(scaling, jnp.diagonal(products))
        matrix, right = products / unit / unit[:, None], rows @ r / unit
    else:
        scaling, unit = _raised(scaling, (jacobian**2).sum(axis=0))
        rows = jax.lax.optimization_barrier(jacobian / unit)
        matrix, right = _gram(rows), r

    def solve(damping: Array) -> tuple[Array, Array]:
        factor = jax.lax.linalg.cholesky(
            matrix + damping * jnp.eye(len(matrix), dtype=matrix.dtype), symmetrize_input=False
        )
        half = jax.lax.linalg.triangular_solve(factor, right[:, None], left_side=True, lower=True)
        found = jax.lax.linalg.triangular_solve(factor, half, left_side=True, lower=True, transpose_a=True)[:, 0]
        if p <= n:
            return -found / unit, found @ (right + damping * found)
        return -(found @ rows) / unit, r @ r - damping**2 * (found @ found)

    return scaling, solve


def _raised(scaling: Float[Array, " P"], squares: Float[Array, " P"]) -> tuple[Float[Array, " P"], Float[Array, " P"]]:
    """The larger of two scalings, and the norm to divide each column by."""
    scaling = jnp.maximum(scaling, squares)
    return scaling, jnp.sqrt(jnp.where(scaling > 0, scaling, 1.0))


def _gram(rows: Float[Array, "K L"]) -> Float[Array, "K K"]:
    """The products of all rows, in blocks; zero above the blocks of the diagonal."""
    count = len(rows)
    size = -(-count // BLOCKS)
    blocks = [rows[i : i + size] @ rows[: i + size].T for i in range(0, count, size)]
    return jnp.concatenate([jnp.pad(block, ((0, 0), (0, count - block.shape[1]))) for block in blocks])
