"""Gradient descent and its relatives from Optax, over the whole training series or on random windows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from freerun.computing import ON_ONE_CORE, current_device, jitted, prepared
from freerun.cores import MOST_THREADS, cores
from freerun.forcing import Forcing
from freerun.network.network import Network
from freerun.objective import Objective, Terms, penalty
from freerun.optimizers.base import Leg, Stopped, Trainees, choose, each, few, report_interval, stack
from freerun.pairs import Pairs

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
"""What is left of the learning rate at the end of a falling schedule."""

SCHEDULES: dict[str, Callable[[Any], Array]] = {
    "constant": jnp.ones_like,
    "exponential": lambda done: FALL**done,
    "cosine": lambda done: FALL + (1.0 - FALL) * (1.0 + jnp.cos(jnp.pi * done)) / 2.0,
}
"""The share of the learning rate, by name, as a function of the share of all updates done."""

FEWEST = 10
"""Updates between two reports at least, since one may take less time than a report."""

SEQUENCES, WORK, WIDE = 32, 50_000_000, 12_000_000
"""On a CPU the gradient of a network along so many sequences or more is taken in two parts or more, of so many
sequences each, if it takes so many products, but not so many in each step, which keep all cores busy anyway."""

DIVERGED = 1e6
"""Training has diverged when the objective exceeds its first value by this factor."""


class Memory(eqx.Module):
    """What a gradient method knows of M networks, stacked; in a step, of one.

    Attributes:
        state: of the method.
        limit: the objectives beyond which training has diverged; infinite before the first update.
        done: updates made.
    """

    state: Any
    limit: Float[Array | np.ndarray, "*M"]
    done: Float[Array | np.ndarray, "*M"]


Names = tuple[str, str, int]
"""Of a loop of updates: the method, the schedule, and the most updates."""

Shared = tuple[Objective, Int[Array, ""], Float[Array, ""]]
"""What networks in a loop of updates share: the objective, how many updates, and how many in all stages."""

Member = tuple[Network, Terms, Float[Array, ""], Memory, Any, Array]
"""A network in a loop of updates, with its terms, rate, memory, the data of its key, and whether it is well."""

Read = tuple[Forcing, Network, Pairs, PRNGKeyArray]
"""What a part of an update reads: the data of its sequences, and how."""

Reached = tuple[Network, Network, Any, Array | np.ndarray, Array, Array]
"""Within a loop of updates: weights, those before, state, limit, objectives, whether all is well."""

Ended = tuple[Network, Any, Array | np.ndarray, Array, Array]
"""After it: the last good weights, the state of the method, the limit, the objectives before each update (NaN where
there was none), and whether the network is well."""


@dataclass(frozen=True)
class Gradient:
    """A gradient method: one update an epoch, of all networks at once, each at its own learning rate.

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

    def begin(self, trainees: Trainees) -> Leg:
        """See `Optimizer.begin`."""
        if trainees.memory is None:
            members, dtype = len(trainees), trainees.networks.bias.dtype
            memory = Memory(
                _fresh(self.method, trainees.networks), np.full(members, np.inf, dtype), np.zeros(members, dtype)
            )
            trainees = replace(trainees, memory=memory)
        return Leg(trainees, 0, {})

    def advance(self, objective: Objective, leg: Leg, key: PRNGKeyArray) -> tuple[Leg, np.ndarray]:
        """See `Optimizer.advance`."""
        trainees, done = leg.trainees, leg.done
        networks, rates, memory = trainees.networks, trainees.rates, trainees.memory
        assert rates is not None
        names = (self.method, self.schedule, max(FEWEST, report_interval(self.epochs)))
        count = min(names[2], self.epochs - done)
        keys = _member_keys(key, np.asarray(done), len(trainees))
        shared = (objective, jnp.asarray(count), jnp.asarray(self.total, networks.bias.dtype))
        members = (networks, trainees.terms, rates, memory, keys, leg.running)
        parts = _parts(objective, networks)
        if parts > 1:
            only = jax.tree.map(lambda array: jnp.asarray(array)[0], members)
            networks, state, limit, objectives, good = stack([_epochs_in_parts(parts, names, shared, only)])
        else:
            together = few(networks) if objective.of_one_sequence else 1
            networks, state, limit, objectives, good = each(_epochs, names, shared, members, together)
        values = np.asarray(objectives).T[:count]
        values = values[np.isfinite(values).any(axis=1)]
        done += len(values)
        stopped = dict(leg.stopped)
        for i in np.flatnonzero(leg.running):
            if not good[i]:
                rate = float(rates[i])
                stopped[int(i)] = Stopped(
                    f"training diverged at epoch {done} with learning_rate={rate:g}; try learning_rate={rate / 10:g}, "
                    "or optimizer='levenberg-marquardt', which needs none",
                    diverged=True,
                )
            elif done == self.epochs:
                stopped[int(i)] = Stopped(f"all {self.epochs} epochs done")
        memory = Memory(state, limit, memory.done + count)
        return Leg(replace(trainees, networks=networks, memory=memory), done, stopped), values


@partial(jitted, static_argnums=0)
def _fresh(method: str, networks: Network) -> Any:
    """The state of a method before the first update of each of stacked networks."""
    return jax.vmap(_transform(method, 1.0).init)(networks)


@partial(jitted, static_argnames="members")
def _member_keys(key: PRNGKeyArray, done: Int[Array, ""], members: int) -> Array:
    return jax.random.key_data(jax.random.split(jax.random.fold_in(key, done), members))


def _transform(method: str, rate: Any) -> Any:
    """The method of that name, typed loosely, since Optax's types do not know Equinox's modules as pytrees."""
    return METHODS[method](rate)


def _epochs(names: Names, shared: Shared, member: Member) -> Ended:
    """Updates; a network whose objective exceeds its limit or is not finite keeps its weights before."""
    objective, count, total = shared
    network, terms, *_, key_data, _ = member
    key, objective = jax.random.wrap_key_data(key_data), objective.primed(network)

    def epoch(i: Array, at: Reached) -> Reached:
        network, key_now = at[0], jax.random.fold_in(key, i)
        found, gradient = jax.value_and_grad(lambda network: objective(network, terms, key_now))(network)
        return _updated(names, total, member, i, at, found, gradient)

    at = jax.lax.fori_loop(0, count, epoch, _beginning(names, member))
    return _ended(objective(at[0], terms, key), at)


def _beginning(names: Names, member: Member) -> Reached:
    network, _, rate, memory, _, good = member
    return network, network, memory.state, memory.limit, jnp.full(names[2], jnp.nan, rate.dtype), good


def _updated(
    names: Names, total: Array, member: Member, i: Array, at: Reached, found: Array, gradient: Network
) -> Reached:
    """After update `i`, given the objective before it, and its gradient."""
    (method, schedule, _), (_, _, rate, memory, _, _) = names, member
    network, previous, state, limit, objectives, good = at
    now = rate * SCHEDULES[schedule]((memory.done + i) / total)
    limit = jnp.where(jnp.isfinite(limit), limit, DIVERGED * found)
    good = good & (found <= limit)
    update, next_state = _transform(method, now).update(gradient, state, network)
    updated = jax.tree.map(jnp.add, network, update)
    network, previous, state = choose(good, (updated, network, next_state), (previous, previous, state))
    return network, previous, state, limit, objectives.at[i].set(jnp.where(good, found, jnp.nan)), good


def _ended(value: Array, at: Reached) -> Ended:
    network, previous, state, limit, objectives, good = at
    good = good & (value <= limit)
    return choose(good, network, previous), state, limit, objectives, good


def _parts(objective: Objective, networks: Network) -> int:
    """In how many parts the gradient of a single network is taken on a CPU."""
    sequences, steps = objective.sequences, objective.length or objective.pairs.steps
    products = sequences * networks.weights
    alone = len(networks.bias) == 1 and current_device().platform == "cpu" and cores() > 1
    if not alone or sequences < SEQUENCES or products > WIDE or products * steps < WORK:
        return 1
    most = min(MOST_THREADS, max(2, sequences // SEQUENCES))
    return max(parts for parts in range(1, most + 1) if sequences % parts == 0)


def _epochs_in_parts(parts: int, names: Names, shared: Shared, member: Member) -> Ended:
    """The same as `_epochs`, each gradient a sum over parts of the sequences, which are computed side by side."""
    objective, count, total = shared
    network, terms, *_ = member
    objective = _primed(objective, network)
    at, gradients = _beginning(names, member), None
    for i in range(int(count)):
        read = _drawn(parts, objective, at[0], terms, member[4], i)
        gradients = gradients or prepared(_gradient, (), read)
        at = _stepped(names, total, member, i, at, gradients(read))
    return _judged(objective, member, at)


@jitted
def _primed(objective: Objective, network: Network) -> Objective:
    return objective.primed(network)


@partial(jitted, static_argnums=0)
def _drawn(
    parts: int, objective: Objective, network: Network, terms: Terms, key_data: Array, i: Int[Array, ""]
) -> list[Read]:
    """What is read in an epoch, in parts."""
    key = jax.random.fold_in(jax.random.wrap_key_data(key_data), i)
    network, pairs, chance = objective.read(network, terms.noise, key)
    cut = jax.tree.map(lambda array: array.reshape(parts, len(array) // parts, *array.shape[1:]), pairs)
    return [(objective.forcing, network, jax.tree.map(lambda array, k=k: array[k], cut), chance) for k in range(parts)]


@partial(jitted, compiler_options=dict(ON_ONE_CORE))
def _gradient(
    forcing: Forcing, network: Network, pairs: Pairs, chance: PRNGKeyArray
) -> tuple[tuple[Array, Array], Network]:
    """The sum of squared errors, the sum of their weights, and the gradient of the first."""

    def squares(network: Network) -> tuple[Array, Array]:
        errors, weight = forcing.errors(network, pairs.completed(network), chance)
        return (errors**2 * weight).sum(), weight.sum()

    return jax.value_and_grad(squares, has_aux=True)(network)


@partial(jitted, static_argnums=0)
def _stepped(names: Names, total: Array, member: Member, i: Int[Array, ""], at: Reached, parts: list[Any]) -> Reached:
    (squares, weight), gradient = jax.tree.map(lambda *several: sum(several), *parts)
    extra, slope = jax.value_and_grad(penalty)(at[0], member[1])
    gradient = jax.tree.map(lambda g, s: g / weight + s, gradient, slope)
    return _updated(names, total, member, i, at, squares / weight + extra, gradient)


@jitted
def _judged(objective: Objective, member: Member, at: Reached) -> Ended:
    return _ended(objective(at[0], member[1], jax.random.wrap_key_data(member[4])), at)
