"""Gradient descent and its relatives from Optax, over the whole training series at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from freerun.errors import TrainingDiverged
from freerun.network import Network
from freerun.objective import Objective
from freerun.optimizers.base import Report, report_interval

GRADIENT_METHODS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "sgd": optax.sgd,
    "momentum": partial(optax.sgd, momentum=0.9),
    "adam": optax.adam,
    "nadam": optax.nadam,
    "radam": optax.radam,
    "rmsprop": optax.rmsprop,
}
"""The methods by name; `sgd` is plain gradient descent, as in the tutorial."""

DIVERGED = 1e6
"""Training has diverged when the objective exceeds its first value by this factor."""


@dataclass(frozen=True)
class Gradient:
    """A gradient method with a constant learning rate: one update an epoch.

    Attributes:
        method: a name of `GRADIENT_METHODS`.
        learning_rate: the step size, positive.
        epochs: number of updates.
    """

    method: str
    learning_rate: float
    epochs: int

    def minimize(self, objective: Objective, network: Network, report: Report) -> str:
        """See `Optimizer.minimize`."""
        rate = jnp.asarray(self.learning_rate, network.bias.dtype)
        state = GRADIENT_METHODS[self.method](rate).init(network)  # pyright: ignore[reportArgumentType]
        interval = report_interval(self.epochs)
        limit = jnp.asarray(jnp.inf, network.bias.dtype)
        done = 0
        while done < self.epochs:
            count = min(interval, self.epochs - done)
            before = network
            network, state, objectives = _epochs(
                self.method, interval, rate, objective, limit, network, state, jnp.asarray(count)
            )
            values = np.asarray(objectives)[:count].tolist()
            good = int(np.argmin(np.isfinite(values))) if not np.isfinite(values).all() else count
            if good == 0 and done > 0:
                network = before
            report(network, values[:good])
            if good < count:
                raise TrainingDiverged(
                    f"training diverged at epoch {done + good} with learning_rate={self.learning_rate:g}; "
                    f"try learning_rate={self.learning_rate / 10:g}, or optimizer='bfgs', which needs none"
                )
            limit = jnp.minimum(limit, DIVERGED * values[0])
            done += count
        return f"all {self.epochs} epochs done"


@partial(jax.jit, static_argnums=(0, 1))
def _epochs(
    method: str,
    most: int,
    rate: Float[Array, ""],
    objective: Objective,
    limit: Float[Array, ""],
    network: Network,
    state: Any,
    count: Int[Array, ""],
) -> tuple[Network, Any, Float[Array, " most"]]:
    """`count` <= `most` updates; where the objective exceeds `limit` or is not finite, the weights before it stay.

    Returns:
        The weights, the state of the method, and the objective before each update: NaN from divergence on.
    """
    transform = GRADIENT_METHODS[method](rate)

    def epoch(i: Array, at: tuple[Network, Network, Any, Array, Array]) -> tuple[Network, Network, Any, Array, Array]:
        network, previous, state, objectives, good = at
        value, gradient = jax.value_and_grad(objective)(network)
        good = good & jnp.isfinite(value) & (value <= limit)
        updates, next_state = transform.update(gradient, state, network)  # pyright: ignore[reportArgumentType]
        updated = optax.apply_updates(network, updates)  # pyright: ignore[reportArgumentType]
        network, previous, state = jax.tree.map(
            lambda new, old: jnp.where(good, new, old),
            (updated, network, next_state),
            (previous, previous, state),
        )
        return network, previous, state, objectives.at[i].set(jnp.where(good, value, jnp.nan)), good

    start = (network, network, state, jnp.full(most, jnp.nan, rate.dtype), jnp.asarray(True))
    network, _, state, objectives, _ = jax.lax.fori_loop(0, count, epoch, start)
    return network, state, objectives
