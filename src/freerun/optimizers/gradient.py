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
from jaxtyping import Array, Bool, Float, Int

from freerun.errors import TrainingDiverged
from freerun.network import Network
from freerun.objective import Objective, value_at
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
        limit = DIVERGED * value_at(network, objective)
        done = 0
        while done < self.epochs:
            count = min(interval, self.epochs - done)
            network, state, objectives, good = _epochs(
                self.method, interval, rate, objective, limit, network, state, jnp.asarray(count)
            )
            values = np.asarray(objectives)[:count]
            values = values[np.isfinite(values)].tolist()
            report(network, values)
            done += len(values)
            if not good:
                raise TrainingDiverged(
                    f"training diverged at epoch {done} with learning_rate={self.learning_rate:g}; "
                    f"try learning_rate={self.learning_rate / 10:g}, or optimizer='bfgs', which needs none"
                )
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
) -> tuple[Network, Any, Float[Array, " most"], Bool[Array, ""]]:
    """`count` <= `most` updates, until the objective exceeds `limit` or is not finite; then the weights before stay.

    Returns:
        The last good weights, the state of the method, the objective before each update (NaN where there was none),
        and whether all went well.
    """
    transform = GRADIENT_METHODS[method](rate)

    def epoch(i: Array, at: tuple[Network, Network, Any, Array, Array]) -> tuple[Network, Network, Any, Array, Array]:
        network, previous, state, objectives, good = at
        value, gradient = jax.value_and_grad(objective)(network)
        good = good & (value <= limit)
        updates, next_state = transform.update(gradient, state, network)  # pyright: ignore[reportArgumentType]
        updated = optax.apply_updates(network, updates)  # pyright: ignore[reportArgumentType]
        network, previous, state = _choose(good, (updated, network, next_state), (previous, previous, state))
        return network, previous, state, objectives.at[i].set(jnp.where(good, value, jnp.nan)), good

    start = (network, network, state, jnp.full(most, jnp.nan, rate.dtype), jnp.asarray(True))
    network, previous, state, objectives, good = jax.lax.fori_loop(0, count, epoch, start)
    good = good & (objective(network) <= limit)
    return _choose(good, network, previous), state, objectives, good


def _choose(condition: Bool[Array, ""], first: Any, second: Any) -> Any:
    """One of two pytrees of the same structure."""
    return jax.tree.map(partial(jnp.where, condition), first, second)
