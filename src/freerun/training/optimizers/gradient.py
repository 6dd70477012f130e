"""Gradient methods of Optax, on the whole training series or on random windows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from freerun.compute.cores import MOST_THREADS, cores
from freerun.compute.programs import ON_ONE_CORE, current_device, jitted, prepare_calls
from freerun.network.network import Network
from freerun.training.forcing import Forcing
from freerun.training.objective import Objective, Regularization, penalty
from freerun.training.optimizers.base import (
    Population,
    StageState,
    Stopped,
    choose,
    map_members,
    members_per_program,
    report_interval,
    stack,
)
from freerun.training.supervised import SupervisedData

METHODS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "sgd": optax.sgd,
    "momentum": partial(optax.sgd, momentum=0.9),
    "adam": optax.adam,
    "nadam": optax.nadam,
    "radam": optax.radam,
    "rmsprop": optax.rmsprop,
}
"""The methods by name; `sgd` is plain gradient descent, as in the tutorial."""

FALL = 1e-3
"""Share of the learning rate that is left at the end of a decaying schedule."""

SCHEDULES: dict[str, optax.Schedule] = {
    "constant": optax.constant_schedule(1.0),
    "exponential": optax.exponential_decay(1.0, 1, FALL),
    "cosine": optax.cosine_decay_schedule(1.0, 1, FALL),
}
"""The schedules by name: from the share of updates done to the share of the learning rate."""

FEWEST_UPDATES = 10
"""Minimum number of updates between two reports,
since an update may take less time than a report."""

SEQUENCES = 32
"""Minimum number of sequences in each part of a gradient on a CPU,
so that a part is worth its overhead."""

WORK = 50_000_000
"""Multiplications of a gradient from which it is computed in parts on a CPU."""

WIDE = 12_000_000
"""Multiplications in a step beyond which a gradient is not computed in parts,
since one step occupies all cores."""

DIVERGED = 1e6
"""Training has diverged if the objective exceeds this multiple of its first value."""


class Memory(eqx.Module):
    """The state of a gradient method, for M stacked networks or for one network.

    Attributes:
        state: of the method of Optax, a pytree of its own kind.
        limit: the objective beyond which training has diverged; infinite before the first update.
        done: number of updates made.
    """

    state: optax.OptState
    limit: Float[Array | np.ndarray, "*M"]
    done: Float[Array | np.ndarray, "*M"]


class Spec(NamedTuple):
    """What a loop of updates is compiled for.

    Attributes:
        method: a name of `METHODS`.
        schedule: a name of `SCHEDULES`.
        most: maximum number of updates in the loop.
    """

    method: str
    schedule: str
    most: int


class Shared(NamedTuple):
    """What all networks in a loop of updates share.

    Attributes:
        objective: what to minimise.
        updates: number of updates in the loop.
        total: number of updates in all stages.
    """

    objective: Objective
    updates: Int[Array, ""]
    total: Float[Array, ""]


class Member(NamedTuple):
    """A network in a loop of updates, or M stacked networks.

    Attributes:
        network: its weights.
        regularization: its penalties and noise.
        rate: its learning rate.
        memory: the state of the method.
        key_data: the data of its random key.
        good: whether it is still trained.
    """

    network: Network
    regularization: Regularization
    rate: Float[Array | np.ndarray, "*M"]
    memory: Memory
    key_data: Array
    good: Bool[Array | np.ndarray, "*M"]


class Part(NamedTuple):
    """What a part of a gradient is computed from.

    Attributes:
        forcing: what the network reads.
        network: its weights, with noise.
        data: of the sequences of this part.
        key: of the forcing.
    """

    forcing: Forcing
    network: Network
    data: SupervisedData
    key: PRNGKeyArray


class PartGradient(NamedTuple):
    """The gradient of a part of the sequences.

    Attributes:
        squares: the sum of squared errors.
        weight: the sum of the weights of these errors.
        gradient: of `squares`.
    """

    squares: Float[Array, ""]
    weight: Float[Array, ""]
    gradient: Network


class LoopState(NamedTuple):
    """The state within a loop of updates.

    Attributes:
        network: the weights.
        previous: the weights before the last update.
        state: of the method.
        limit: the objective beyond which training has diverged.
        objectives: before each update, shape (most,); NaN for updates that were not made.
        good: whether training has not diverged.
    """

    network: Network
    previous: Network
    state: optax.OptState
    limit: Float[Array | np.ndarray, ""]
    objectives: Float[Array, " most"]
    good: Bool[Array, ""]


class Outcome(NamedTuple):
    """The result of a loop of updates, for one network or M stacked networks.

    Attributes:
        network: the last good weights.
        state: of the method.
        limit: the objective beyond which training has diverged.
        objectives: before each update, shape (most,); NaN for updates that were not made.
        good: whether training has not diverged.
    """

    network: Network
    state: optax.OptState
    limit: Float[Array | np.ndarray, "*M"]
    objectives: Float[Array | np.ndarray, "*M most"]
    good: Bool[Array | np.ndarray, "*M"]


@dataclass(frozen=True)
class Gradient:
    """A gradient method. An epoch is one update of all networks, each at its own learning rate.

    Attributes:
        method: a name of `METHODS`.
        epochs: number of updates in each stage.
        total: number of updates in all stages, over which the schedule runs.
        schedule: a name of `SCHEDULES`.
    """

    method: str
    epochs: int
    total: int
    schedule: str = "constant"

    def begin(self, population: Population) -> StageState:
        """See `Optimizer.begin`. The memory of the stage before is kept."""
        if population.memory is None:
            members, dtype = len(population), population.networks.bias.dtype
            memory = Memory(
                _initial_state(self.method, population.networks),
                np.full(members, np.inf, dtype),
                np.zeros(members, dtype),
            )
            population = replace(population, memory=memory)
        return StageState(population, 0, {})

    def advance(self, objective: Objective, state: StageState, key: PRNGKeyArray) -> tuple[StageState, np.ndarray]:
        """See `Optimizer.advance`."""
        population, done = state.population, state.done
        networks, rates, memory = population.networks, population.rates, population.memory
        assert rates is not None
        assert isinstance(memory, Memory)
        spec = Spec(self.method, self.schedule, max(FEWEST_UPDATES, report_interval(self.epochs)))
        count = min(spec.most, self.epochs - done)
        keys = _member_keys(key, np.asarray(done), len(population))
        shared = Shared(objective, jnp.asarray(count), jnp.asarray(self.total, networks.bias.dtype))
        members = Member(networks, population.regularization, rates, memory, keys, state.running)
        parts = _parts(objective, networks)
        if parts > 1:
            only = jax.tree.map(lambda array: jnp.asarray(array)[0], members)
            outcome = stack([_epochs_in_parts(parts, spec, shared, only)])
        else:
            together = members_per_program(networks) if objective.of_one_sequence else 1
            outcome = map_members(_epochs, spec, shared, members, together)
        values = np.asarray(outcome.objectives).T[:count]
        values = values[np.isfinite(values).any(axis=1)]
        done += len(values)
        stopped = dict(state.stopped)
        for i in np.flatnonzero(state.running):
            if not outcome.good[i]:
                stopped[int(i)] = _diverged(done, float(rates[i]))
            elif done == self.epochs:
                stopped[int(i)] = Stopped(f"all {self.epochs} epochs done")
        memory = Memory(outcome.state, outcome.limit, memory.done + count)
        return StageState(replace(population, networks=outcome.network, memory=memory), done, stopped), values


def _diverged(epoch: int, rate: float) -> Stopped:
    """Why a network stopped that diverged at an epoch with a learning rate."""
    return Stopped(
        f"training diverged at epoch {epoch} with learning_rate={rate:g}; try learning_rate={rate / 10:g}, "
        "or optimizer='levenberg-marquardt', which needs none",
        diverged=True,
    )


@partial(jitted, static_argnums=0)
def _initial_state(method: str, networks: Network) -> optax.OptState:
    """The state of a method before the first update of each of M stacked networks."""
    return jax.vmap(_transform(method, 1.0).init)(networks)


@partial(jitted, static_argnames="members")
def _member_keys(key: PRNGKeyArray, done: Int[Array, ""], members: int) -> Array:
    """The data of the random key of each network after `done` updates, stacked."""
    return jax.random.key_data(jax.random.split(jax.random.fold_in(key, done), members))


def _transform(method: str, rate: float | Array) -> Any:
    """The method with this name. The result is untyped,
    since the types of Optax exclude modules of Equinox."""
    return METHODS[method](rate)


def _epochs(spec: Spec, shared: Shared, member: Member) -> Outcome:
    """Make updates. If the objective exceeds its limit or is not finite,
    the weights before are kept."""
    network, regularization, key = member.network, member.regularization, jax.random.wrap_key_data(member.key_data)
    objective = shared.objective.primed(network)

    def epoch(i: Array, loop: LoopState) -> LoopState:
        key_now = jax.random.fold_in(key, i)
        value, gradient = jax.value_and_grad(lambda network: objective(network, regularization, key_now))(loop.network)
        return _update(spec, shared.total, member, i, loop, value, gradient)

    loop = jax.lax.fori_loop(0, shared.updates, epoch, _initial_loop(spec, member))
    return _outcome(objective(loop.network, regularization, key), loop)


def _initial_loop(spec: Spec, member: Member) -> LoopState:
    """The state before the first update of a loop."""
    network, memory = member.network, member.memory
    objectives = jnp.full(spec.most, jnp.nan, member.rate.dtype)
    return LoopState(network, network, memory.state, memory.limit, objectives, jnp.asarray(member.good))


def _update(
    spec: Spec, total: Array, member: Member, i: Array, loop: LoopState, value: Array, gradient: Network
) -> LoopState:
    """Make update `i`, given the objective before it and its gradient."""
    network, previous, state, limit, objectives, good = loop
    rate = jnp.asarray(member.rate) * SCHEDULES[spec.schedule](jnp.asarray(member.memory.done + i) / total)
    limit = jnp.where(jnp.isfinite(limit), limit, DIVERGED * value)
    good = good & (value <= limit)
    change, next_state = _transform(spec.method, rate).update(gradient, state, network)
    updated = jax.tree.map(jnp.add, network, change)
    network, previous, state = choose(good, (updated, network, next_state), (previous, previous, state))
    return LoopState(network, previous, state, limit, objectives.at[i].set(jnp.where(good, value, jnp.nan)), good)


def _outcome(value: Array, loop: LoopState) -> Outcome:
    """The result of a loop, given the objective after it."""
    network, previous, state, limit, objectives, good = loop
    good = good & (value <= limit)
    return Outcome(choose(good, network, previous), state, limit, objectives, good)


def _parts(objective: Objective, networks: Network) -> int:
    """The number of parts in which the gradient of a single network is computed on a CPU;
    1 for no parts."""
    sequences, steps = objective.sequences, objective.length or objective.data.steps
    products = sequences * networks.weights
    alone = len(networks.bias) == 1 and current_device().platform == "cpu" and cores() > 1
    if not alone or sequences < SEQUENCES or products > WIDE or products * steps < WORK:
        return 1
    most = min(MOST_THREADS, max(2, sequences // SEQUENCES))
    return max(parts for parts in range(1, most + 1) if sequences % parts == 0)


def _epochs_in_parts(parts: int, spec: Spec, shared: Shared, member: Member) -> Outcome:
    """Make the same updates as `_epochs`, with gradients that are sums over parts,
    computed in parallel."""
    objective = _primed(shared.objective, member.network)
    loop, gradients = _initial_loop(spec, member), None
    for i in range(int(shared.updates)):
        drawn = _drawn(parts, objective, loop.network, member.regularization, member.key_data, i)
        gradients = gradients or prepare_calls(_gradient, (), drawn)
        loop = _update_by_parts(spec, shared.total, member, i, loop, gradients(drawn))
    return _outcome_of(objective, member, loop)


@jitted
def _primed(objective: Objective, network: Network) -> Objective:
    return objective.primed(network)


@partial(jitted, static_argnums=0)
def _drawn(
    parts: int,
    objective: Objective,
    network: Network,
    regularization: Regularization,
    key_data: Array,
    i: Int[Array, ""],
) -> list[Part]:
    """What epoch `i` reads, in parts."""
    key = jax.random.fold_in(jax.random.wrap_key_data(key_data), i)
    network, data, forcing_key = objective.read(network, regularization.noise, key)
    split = jax.tree.map(lambda array: array.reshape(parts, len(array) // parts, *array.shape[1:]), data)
    return [
        Part(objective.forcing, network, jax.tree.map(lambda array, k=k: array[k], split), forcing_key)
        for k in range(parts)
    ]


@partial(jitted, compiler_options=dict(ON_ONE_CORE))
def _gradient(forcing: Forcing, network: Network, data: SupervisedData, key: PRNGKeyArray) -> PartGradient:
    """The gradient of a part; see `Part` for the arguments."""

    def squares(network: Network) -> tuple[Array, Array]:
        errors, weight = forcing.errors(network, data.completed(network), key)
        return (errors**2 * weight).sum(), weight.sum()

    (total, weight), gradient = jax.value_and_grad(squares, has_aux=True)(network)
    return PartGradient(total, weight, gradient)


@partial(jitted, static_argnums=0)
def _update_by_parts(
    spec: Spec, total: Array, member: Member, i: Int[Array, ""], loop: LoopState, parts: list[PartGradient]
) -> LoopState:
    """Make update `i`, given the gradients of all parts."""
    squares, weight, gradient = jax.tree.map(lambda *terms: sum(terms), *parts)
    extra, slope = jax.value_and_grad(penalty)(loop.network, member.regularization)
    gradient = jax.tree.map(lambda g, s: g / weight + s, gradient, slope)
    return _update(spec, total, member, i, loop, squares / weight + extra, gradient)


@jitted
def _outcome_of(objective: Objective, member: Member, loop: LoopState) -> Outcome:
    key = jax.random.wrap_key_data(member.key_data)
    return _outcome(objective(loop.network, member.regularization, key), loop)
