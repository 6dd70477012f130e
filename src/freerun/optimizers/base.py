"""The one interface that all optimisers share."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from freerun.computing import current_device
from freerun.network import Network
from freerun.objective import Objective

Report = Callable[[Network, np.ndarray], None]
"""Called by an optimiser now and then with stacked networks, good to keep, and the objectives since the last call.

The objectives have shape (epochs, M): one row for each epoch, one column for each of the M networks.
"""


class Stopped(NamedTuple):
    """Why a network is trained no further.

    Attributes:
        reason: as a phrase for people.
        diverged: whether its objective ran away; the last report holds its last good weights.
    """

    reason: str
    diverged: bool = False


@runtime_checkable
class Optimizer(Protocol):
    """Lowers an objective by changing the weights of one or several networks of one shape at once."""

    def minimize(self, objective: Objective, networks: Network, key: PRNGKeyArray, report: Report) -> list[Stopped]:
        """Work from the weights of `networks`, reporting better ones; the last report is the result.

        A second call goes on from what the optimiser has learned in the first, on another objective.

        Args:
            objective: what to lower.
            networks: M networks of one shape, every array stacked along a leading axis of length M.
            key: for all that the objective leaves to chance.
            report: takes the weights reached and the objectives on the way.

        Returns:
            For each network, why it stopped.
        """
        ...


def report_interval(epochs: int) -> int:
    """Epochs between two reports: about a hundred reports in all."""
    return max(1, epochs // 100)


def stack(networks: list[Any]) -> Any:
    """Pytrees of one structure as one, their arrays, as NumPy arrays, stacked along a leading axis."""
    return jax.tree.map(lambda *arrays: np.stack(arrays), *networks)


def unstack(networks: Any) -> list[Any]:
    """The reverse of `stack`."""
    networks = jax.tree.map(np.asarray, networks)
    count: int = jax.tree.leaves(networks)[0].shape[0]

    def member(i: int) -> Any:
        return jax.tree.map(lambda array: array[i], networks)

    return [member(i) for i in range(count)]


def each(step: Callable[[Any, Any, Any], Any], names: Hashable, shared: Any, members: Any) -> Any:
    """`step(names, shared, member)` for each of the stacked `members`, the results stacked.

    On a CPU one member at a time: products of many small matrices at once serve its caches and vector units badly. On
    other devices all at once.

    Args:
        step: a function of a module, so that it compiles once.
        names: what it compiles for.
        shared: a pytree that is the same for all.
        members: a pytree whose arrays have a leading axis of length M.
    """
    if current_device().platform != "cpu":
        return _all_at_once(step, names, shared, members)
    return stack([_alone(step, names, shared, member) for member in unstack(members)])


@partial(jax.jit, static_argnums=(0, 1))
def _alone(step: Any, names: Hashable, shared: Any, member: Any) -> Any:
    return step(names, shared, member)


@partial(jax.jit, static_argnums=(0, 1))
def _all_at_once(step: Any, names: Hashable, shared: Any, members: Any) -> Any:
    return jax.vmap(lambda member: step(names, shared, member))(members)


def choose(condition: Array, first: Any, second: Any) -> Any:
    """One of two pytrees of one structure; `condition` has shape ()."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)
