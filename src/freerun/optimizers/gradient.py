"""Gradient descent and its relatives from Optax, over the whole training series or on random windows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from freerun.network import Network
from freerun.objective import Objective
from freerun.optimizers.base import Report, Stopped, choose, report_interval

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

SCHEDULES: dict[str, Callable[[Array], Array]] = {
    "constant": jnp.ones_like,
    "exponential": lambda done: FALL**done,
    "cosine": lambda done: FALL + (1.0 - FALL) * (1.0 + jnp.cos(jnp.pi * done)) / 2.0,
}
"""The share of the learning rate, by name, as a function of the share of all updates done."""

DIVERGED = 1e6
"""Training has diverged when the objective exceeds its first value by this factor."""


@dataclass
class Gradient:
    """A gradient method: one update an epoch, of all networks at once.

    Attributes:
        method: a name of `METHODS`.
        learning_rate: the step size, positive.
        epochs: number of updates in each call.
        total: number of updates in all calls, over which the schedule runs.
        schedule: a name of `SCHEDULES`.
    """

    method: str
    learning_rate: float
    epochs: int
    total: int
    schedule: str = "constant"
    _state: Any = field(default=None, init=False)
    _limit: Any = field(default=None, init=False)
    _done: int = field(default=0, init=False)

    def minimize(self, objective: Objective, networks: Network, key: PRNGKeyArray, report: Report) -> list[Stopped]:
        """See `Optimizer.minimize`."""
        rate = jnp.asarray(self.learning_rate, networks.bias.dtype)
        members = networks.bias.shape[0]
        if self._state is None:
            self._state = jax.vmap(_transform(self.method, rate).init)(networks)
            self._limit = DIVERGED * _values(objective, networks, key)
        interval = report_interval(self.epochs)
        good = np.ones(members, bool)
        done = 0
        while done < self.epochs and good.any():
            count = min(interval, self.epochs - done)
            progress = jnp.asarray([self._done, self.total], rate.dtype)
            networks, self._state, objectives, healthy = _epochs(
                (self.method, self.schedule),
                interval,
                rate,
                objective,
                self._limit,
                networks,
                self._state,
                jnp.asarray(count),
                progress,
                jax.random.fold_in(key, done),
                jnp.asarray(good),
            )
            good = np.asarray(healthy)
            values = np.asarray(objectives)[:count]
            values = values[np.isfinite(values).any(axis=1)]
            report(networks, values)
            done += len(values)
            self._done += count
        return [
            Stopped(f"all {self.epochs} epochs done")
            if fine
            else Stopped(
                f"training diverged at epoch {done} with learning_rate={self.learning_rate:g}; "
                f"try learning_rate={self.learning_rate / 10:g}, or optimizer='levenberg-marquardt', which needs none",
                diverged=True,
            )
            for fine in good
        ]


def _transform(method: str, rate: Any) -> Any:
    """The method of that name, typed loosely, since Optax's types do not know Equinox's modules as pytrees."""
    return METHODS[method](rate)


@jax.jit
def _values(objective: Objective, networks: Network, key: PRNGKeyArray) -> Float[Array, " M"]:
    return jax.vmap(lambda network: objective(network, key if objective.random else None))(networks)


@partial(jax.jit, static_argnums=(0, 1))
def _epochs(
    names: tuple[str, str],
    most: int,
    rate: Float[Array, ""],
    objective: Objective,
    limit: Float[Array, " M"],
    networks: Network,
    state: Any,
    count: Int[Array, ""],
    progress: Float[Array, " 2"],
    key: PRNGKeyArray,
    good: Array,
) -> tuple[Network, Any, Float[Array, "most M"], Array]:
    """`count` <= `most` updates; a network whose objective exceeds `limit` or is not finite keeps its weights before.

    Returns:
        The last good weights, the state of the method, the objectives before each update (NaN where there was none),
        and which networks are well.
    """
    method, schedule = names

    def value_and_gradient(network: Network, key: Array) -> tuple[Array, Network]:
        return jax.value_and_grad(lambda n: objective(n, key if objective.random else None))(network)

    def epoch(i: Array, at: tuple[Network, Network, Any, Array, Array]) -> tuple[Network, Network, Any, Array, Array]:
        networks, previous, state, objectives, good = at
        now = rate * SCHEDULES[schedule]((progress[0] + i) / progress[1])
        keys = jax.random.split(jax.random.fold_in(key, i), limit.shape[0])
        values, gradients = jax.vmap(value_and_gradient)(networks, keys)
        good = good & (values <= limit)
        updates, next_state = jax.vmap(_transform(method, now).update)(gradients, state, networks)
        updated = jax.tree.map(jnp.add, networks, updates)
        networks, previous, state = choose(good, (updated, networks, next_state), (previous, previous, state))
        return networks, previous, state, objectives.at[i].set(jnp.where(good, values, jnp.nan)), good

    start = (networks, networks, state, jnp.full((most, limit.shape[0]), jnp.nan, rate.dtype), good)
    networks, previous, state, objectives, good = jax.lax.fori_loop(0, count, epoch, start)
    good = good & (_values(objective, networks, key) <= limit)
    return choose(good, networks, previous), state, objectives, good
