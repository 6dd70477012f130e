"""Levenberg-Marquardt over all weights: nonlinear least squares by damped Gauss-Newton steps."""

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

from freerun.compute.cores import one_thread_each
from freerun.compute.programs import jitted
from freerun.errors import SettingError
from freerun.network.network import Network
from freerun.training.objective import Objective, Regularization
from freerun.training.optimizers.base import Population, StageState, Stopped, choose, map_members, report_interval

MEMORY = 2**31
"""Maximum bytes of the Jacobian of one network."""

FIRST_DAMPING = 1e-2
"""Initial damping, relative to the squared norm of each column of the Jacobian."""

LEAST_DAMPING = 1e-15
"""Minimum damping, a few rounding errors of double precision."""

MOST_DAMPING = 1e12
"""Maximum damping: steps beyond it are too short to change the objective."""

BLOCKS = 2
"""Number of row blocks of a Gram matrix. Only blocks up to the diagonal are computed,
where XLA would compute all."""

NO_GAIN = 1e-8
"""Relative decrease of the objective below which an iteration counts as idle."""

PATIENCE = 10
"""Number of successive idle iterations after which a network stops."""

FEWEST_ITERATIONS = 5
"""Minimum number of iterations between two reports,
since an iteration may take less time than a report."""

LARGE = 2**28
"""Maximum bytes of all Jacobians between two reports if `FEWEST_ITERATIONS` applies;
larger ones report more often."""


class Memory(eqx.Module):
    """The state of the method, for M networks in a stage or for one network in an iteration.

    Attributes:
        damping: of the next iteration.
        scaling: the largest squared norm so far of each column of the Jacobian.
        value: the objective.
        idle: number of successive idle iterations, see `NO_GAIN`.
    """

    damping: Float[Array | np.ndarray, "*M"]
    scaling: Float[Array | np.ndarray, "*M P"]
    value: Float[Array | np.ndarray, "*M"]
    idle: Int[Array | np.ndarray, "*M"]

    @property
    def lost(self) -> Bool[Array | np.ndarray, "*M"]:
        """Whether even the shortest step has not lowered the objective."""
        return self.damping > MOST_DAMPING

    @property
    def settled(self) -> Bool[Array | np.ndarray, "*M"]:
        """Whether too many successive iterations were idle."""
        return self.idle >= PATIENCE


class Attempt(NamedTuple):
    """A trial step.

    Attributes:
        damping: of the step.
        rise: factor by which the damping rises if the step fails.
        weights: after the step.
        residuals: after the step.
        reached: the objective after the step.
        gain: the decrease of the objective, as a share of the
            decrease that the linear model predicts.
    """

    damping: Float[Array, ""]
    rise: Float[Array, ""]
    weights: Float[Array, " P"]
    residuals: Float[Array, " N"]
    reached: Float[Array, ""]
    gain: Float[Array, ""]


Solve = Callable[[Float[Array, ""]], tuple[Float[Array, " P"], Float[Array, ""]]]
"""From a damping to the step, and the decrease of the objective
that the linear model predicts for it."""


class Shared(NamedTuple):
    """What all networks share in the iterations between two reports.

    Attributes:
        objective: what to minimise.
        key: the random key of the stage.
        iterations: maximum number of iterations.
    """

    objective: Objective
    key: PRNGKeyArray
    iterations: Int[Array, ""]


class Member(NamedTuple):
    """A network in the iterations between two reports, or M stacked networks.

    Attributes:
        network: its weights.
        regularization: its penalties and noise.
        memory: the state of the method.
        running: whether it is still trained.
    """

    network: Network
    regularization: Regularization
    memory: Memory
    running: Bool[Array | np.ndarray, "*M"]


class Outcome(NamedTuple):
    """The result of the iterations between two reports, for one network or M stacked networks.

    Attributes:
        network: the weights.
        memory: the state of the method.
        done: number of iterations made.
        objectives: after each iteration, shape (most,); NaN for iterations that were not made.
    """

    network: Network
    memory: Memory
    done: Int[Array | np.ndarray, "*M"]
    objectives: Float[Array | np.ndarray, "*M most"]


class Iterate(NamedTuple):
    """A network between two iterations.

    Attributes:
        network: the weights.
        residuals: there.
        memory: the state of the method.
        done: number of iterations made since the last report.
        objectives: after each of these, shape (most,); NaN for iterations that were not made.
    """

    network: Network
    residuals: Float[Array, " N"]
    memory: Memory
    done: Int[Array, ""]
    objectives: Float[Array, " most"]


@dataclass(frozen=True)
class LevenbergMarquardt:
    """The method of Levenberg and Marquardt (More, 1978),
    with Marquardt's diagonal scaling and gain-ratio damping.

    With residuals r and Jacobian J, whose squares sum to the objective, the step d solves

        (J^T J + damping * diag(J^T J)) d = -J^T r,

    or, if there are fewer residuals than weights, the dual form, with one unknown for each
    residual. While a step does not lower the objective, the damping rises by the factors 2, 4, 8
    and so on. After a step that does, it is multiplied by a factor of at least 1/5, which follows
    from the gain ratio (Nielsen, 1999). J is computed from short pieces of the run; see
    `freerun.training.sensitivity`. Random numbers of the objective are drawn once in each stage.

    Attributes:
        epochs: maximum number of iterations in each stage.
    """

    epochs: int

    def begin(self, population: Population) -> StageState:
        """See `Optimizer.begin`. Each stage begins with the initial damping."""
        members, dtype = len(population), population.networks.bias.dtype
        weights = sum(leaf[0].size for leaf in jax.tree.leaves(population.networks))
        memory = Memory(
            np.full(members, FIRST_DAMPING, dtype),
            np.zeros((members, weights), dtype),
            np.full(members, np.inf, dtype),
            np.zeros(members, int),
        )
        return StageState(replace(population, memory=memory), 0, {})

    def advance(self, objective: Objective, state: StageState, key: PRNGKeyArray) -> tuple[StageState, np.ndarray]:
        """See `Optimizer.advance`. An epoch is one iteration.

        Raises:
            SettingError: the Jacobian of a network takes more than `MEMORY` bytes.
        """
        population = state.population
        size = _required_memory(objective, population)
        most = max(report_interval(self.epochs), min(FEWEST_ITERATIONS, LARGE // size))
        count = min(most, self.epochs - state.done)
        assert isinstance(population.memory, Memory)
        shared = Shared(objective, key, jnp.asarray(count))
        members = Member(population.networks, population.regularization, population.memory, state.running)
        with one_thread_each():  # products use the threads of JAX, factorisations those of LAPACK: they interfere
            outcome = map_members(_iterations, most, shared, members)
        memory = outcome.memory
        stopped = dict(state.stopped)
        for i in map(int, np.flatnonzero(state.running)):
            done = state.done + int(outcome.done[i])
            if memory.lost[i]:
                stopped[i] = Stopped(f"no lower objective found after {done} iterations")
            elif memory.settled[i]:
                stopped[i] = Stopped(f"the objective hardly falls any more, after {done} iterations")
            elif done == self.epochs:
                stopped[i] = Stopped(f"all {self.epochs} iterations done")
        made = int(np.max(outcome.done))
        population = replace(population, networks=outcome.network, memory=memory)
        return StageState(population, state.done + made, stopped), np.asarray(outcome.objectives).T[:made]


def _required_memory(objective: Objective, population: Population) -> int:
    """The bytes of the Jacobian of one network.

    Raises:
        SettingError: they are more than `MEMORY`.
    """
    one = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), (population.networks, population.regularization)
    )
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
def _residuals(
    objective: Objective, network: Network, regularization: Regularization, key: PRNGKeyArray
) -> Float[Array, " N"]:
    """The residuals of one network. As a jitted function it is traced only once for each shape."""
    return objective.residuals(network, regularization, key)


def _iterations(most: int, shared: Shared, member: Member) -> Outcome:
    """Run iterations of a network that is still trained, `most` at most."""
    objective, key, count = shared
    regularization, running = member.regularization, jnp.asarray(member.running)

    def unfinished(at: Iterate) -> Array:
        return running & (at.done < count) & ~at.memory.lost & ~at.memory.settled

    def iteration(at: Iterate) -> Iterate:
        network, residuals, memory = _iterate(objective, key, at.network, at.residuals, regularization, at.memory)
        return Iterate(network, residuals, memory, at.done + 1, at.objectives.at[at.done].set(memory.value))

    none = jnp.full(most, jnp.nan, member.memory.value.dtype)
    residuals = objective.residuals(member.network, regularization, key)
    first = Iterate(member.network, residuals, member.memory, jnp.zeros_like(count), none)
    last = jax.lax.while_loop(unfinished, iteration, first)
    return Outcome(last.network, last.memory, last.done, last.objectives)


def _iterate(
    objective: Objective,
    key: PRNGKeyArray,
    network: Network,
    r: Float[Array, " N"],
    regularization: Regularization,
    memory: Memory,
) -> tuple[Network, Float[Array, " N"], Memory]:
    """Run one iteration, from the weights, the residuals and the memory before it to those after
    it."""
    damping, scaling = map(jnp.asarray, (memory.damping, memory.scaling))
    theta, unravel = ravel_pytree(network)
    jacobian, value = objective.jacobian(network, regularization, key), r @ r
    scaling, solve = _normal_equations(jacobian, r, scaling)

    def attempt(damping: Array, rise: Array) -> Attempt:
        step, predicted = solve(damping)
        weights = theta + step
        residuals = objective.residuals(unravel(weights), regularization, key)
        reached = residuals @ residuals
        return Attempt(damping, rise, weights, residuals, reached, (value - reached) / predicted)

    def retry(last: Attempt) -> Attempt:
        return attempt(last.damping * last.rise, last.rise * 2.0)

    def failed(last: Attempt) -> Array:
        return ~(last.reached < value) & (last.damping <= MOST_DAMPING)

    best = jax.lax.while_loop(failed, retry, attempt(damping, jnp.full_like(value, 2.0)))
    better = best.reached < value
    lowered = best.damping * jnp.maximum(1.0 / 5.0, 1.0 - (2.0 * best.gain - 1.0) ** 3)
    damping = jnp.where(better, jnp.maximum(lowered, LEAST_DAMPING), best.damping)
    after = best.weights, best.residuals, best.reached
    theta, r, reached = choose(better, after, (theta, r, value))
    idle = jnp.where(reached < memory.value * (1.0 - NO_GAIN), 0, memory.idle + 1)
    return unravel(theta), r, Memory(damping, scaling, reached, idle)


def _normal_equations(
    jacobian: Float[Array, "N P"], r: Float[Array, " N"], scaling: Float[Array, " P"]
) -> tuple[Float[Array, " P"], Solve]:
    """Set up the smaller of the two forms of the equations.

    Returns:
        The scaling, which never decreases, and the solution for a damping.
    """
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
    """The larger of two scalings, and the norm by which each column is divided."""
    scaling = jnp.maximum(scaling, squares)
    return scaling, jnp.sqrt(jnp.where(scaling > 0, scaling, 1.0))


def _gram(rows: Float[Array, "K L"]) -> Float[Array, "K K"]:
    """The Gram matrix of the rows, computed in blocks; zero to the right of the diagonal blocks."""
    count = len(rows)
    size = -(-count // BLOCKS)
    blocks = [rows[i : i + size] @ rows[: i + size].T for i in range(0, count, size)]
    return jnp.concatenate([jnp.pad(block, ((0, 0), (0, count - block.shape[1]))) for block in blocks])
