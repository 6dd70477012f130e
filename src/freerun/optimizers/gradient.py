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

from freerun.network import Network
from freerun.objective import Objective, Terms
from freerun.optimizers.base import Leg, Stopped, Trainees, choose, each, few, report_interval

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


Reached = tuple[Network, Network, Any, Array, Array, Array]
"""Within a loop of updates: weights, those before, state, limit, objectives, whether all is well."""


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
            state = jax.vmap(_transform(self.method, 1.0).init)(trainees.networks)
            memory = Memory(state, np.full(members, np.inf, dtype), np.zeros(members, dtype))
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
        networks, state, limit, objectives, good = each(
            _epochs,
            names,
            (objective, np.asarray(count), np.asarray(self.total, networks.bias.dtype)),
            (networks, trainees.terms, rates, memory, keys, leg.running),
            together=few(networks) if objective.of_one_sequence else 1,
        )
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


@partial(jax.jit, static_argnames="members")
def _member_keys(key: PRNGKeyArray, done: Int[Array, ""], members: int) -> Array:
    return jax.random.key_data(jax.random.split(jax.random.fold_in(key, done), members))


def _transform(method: str, rate: Any) -> Any:
    """The method of that name, typed loosely, since Optax's types do not know Equinox's modules as pytrees."""
    return METHODS[method](rate)


def _epochs(
    names: tuple[str, str, int],
    shared: tuple[Objective, Int[Array, ""], Float[Array, ""]],
    member: tuple[Network, Terms, Float[Array, ""], Memory, Any, Array],
) -> tuple[Network, Any, Float[Array, ""], Float[Array, " most"], Array]:
    """`count` <= `most` updates; a network whose objective exceeds its limit or is not finite keeps its weights before.

    Returns:
        The last good weights, the state of the method, the limit, the objectives before each update (NaN where there
        was none), and whether the network is well.
    """
    method, schedule, most = names
    objective, count, total = shared
    network, terms, rate, memory, key_data, good = member
    key, objective = jax.random.wrap_key_data(key_data), objective.primed(network)

    def value(network: Network, key: Array) -> Array:
        return objective(network, terms, key)

    def epoch(i: Array, at: Reached) -> Reached:
        network, previous, state, limit, objectives, good = at
        now = rate * SCHEDULES[schedule]((memory.done + i) / total)
        found, gradient = jax.value_and_grad(value)(network, jax.random.fold_in(key, i))
        limit = jnp.where(jnp.isfinite(limit), limit, DIVERGED * found)
        good = good & (found <= limit)
        update, next_state = _transform(method, now).update(gradient, state, network)
        updated = jax.tree.map(jnp.add, network, update)
        network, previous, state = choose(good, (updated, network, next_state), (previous, previous, state))
        return network, previous, state, limit, objectives.at[i].set(jnp.where(good, found, jnp.nan)), good

    start = (network, network, memory.state, memory.limit, jnp.full(most, jnp.nan, rate.dtype), good)
    network, previous, state, limit, objectives, good = jax.lax.fori_loop(0, count, epoch, start)
    good = good & (value(network, key) <= limit)
    return choose(good, network, previous), state, limit, objectives, good
