"""The one interface that all optimisers share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from freerun.computing import ON_ONE_CORE, current_device, jitted, side_by_side
from freerun.cores import cores
from freerun.network.network import Network
from freerun.network.updates import Array
from freerun.objective import Objective, Terms


class Stopped(NamedTuple):
    """Why a network is trained no further.

    Attributes:
        reason: as a phrase for people.
        diverged: whether its objective ran away; the last report holds its last good weights.
    """

    reason: str
    diverged: bool = False


class Trainees(eqx.Module):
    """M networks of one shape in training, and what is each one's own: all arrays have a leading axis of length M.

    Attributes:
        networks: their weights.
        terms: their penalties and noise.
        rates: the learning rates, shape (M,); None for optimisers that have none.
        memory: what an optimiser has learned of each, its own kind of pytree; None before the first stage.
    """

    networks: Network
    terms: Terms = Terms()
    rates: Float[Array, " M"] | None = None
    memory: Any = None

    def __len__(self) -> int:
        return self.networks.bias.shape[0]

    def among(self, which: Sequence[int]) -> Trainees:
        """Some of them."""
        chosen = np.asarray(which)
        return jax.tree.map(lambda array: np.asarray(array)[chosen], self)


class Leg(NamedTuple):
    """How far a stage of training has come: all that an optimiser needs to go on from here to the same bits.

    Attributes:
        trainees: the networks with the weights that they have reached, good to keep.
        done: updates or iterations done in this stage.
        stopped: why a network goes no further, by its place.
    """

    trainees: Trainees
    done: int
    stopped: dict[int, Stopped]

    @property
    def finished(self) -> bool:
        """Whether no network goes further."""
        return len(self.stopped) == len(self.trainees)

    @property
    def running(self) -> np.ndarray:
        """Which networks go on: a boolean for each."""
        return np.array([i not in self.stopped for i in range(len(self.trainees))])


FEW, SMALL = 8, 10_000
"""On a CPU at most so many networks run along a single sequence in one program, if each takes no more than so many
bytes."""

Report = Callable[[Leg, np.ndarray], None]
"""Called now and then with how far a stage has come, and the objectives since the last call.

The objectives have shape (epochs, M): one row for each epoch, one column for each of the M networks, NaN where it had
none.
"""


@runtime_checkable
class Optimizer(Protocol):
    """Lowers an objective by changing the weights of one or several networks of one shape at once.

    It holds no state: all that changes is in the `Leg`, so training may end anywhere and go on from there.
    """

    @property
    def epochs(self) -> int:
        """Most updates or iterations in a stage."""
        ...

    def begin(self, trainees: Trainees) -> Leg:
        """The beginning of a stage, with the memory of the stage before where training goes on."""
        ...

    def advance(self, objective: Objective, leg: Leg, key: PRNGKeyArray) -> tuple[Leg, np.ndarray]:
        """Go on for a while, about a hundredth of a stage.

        Args:
            objective: what to lower.
            leg: how far the stage has come; some network goes on.
            key: for all that the objective leaves to chance in this stage.

        Returns:
            How far it has come then; and the objectives on the way, see `Report`.
        """
        ...


def minimize(
    optimizer: Optimizer, objective: Callable[[int], Objective], leg: Leg, key: PRNGKeyArray, report: Report
) -> Leg:
    """Let an optimiser work until no network goes further, reporting as it goes; the last report is the result.

    Args:
        optimizer: what changes the weights.
        objective: what to lower next, after so many updates or iterations of the stage.
        leg: where the stage begins, or goes on.
        key: see `Optimizer.advance`.
        report: told of every advance.
    """
    while not leg.finished:
        leg, objectives = optimizer.advance(objective(leg.done), leg, key)
        report(leg, objectives)
    return leg


def report_interval(epochs: int) -> int:
    """Epochs between two reports: about a hundred reports in a stage."""
    return max(1, epochs // 100)


def stack(networks: list[Any]) -> Any:
    """Pytrees of one structure as one, their arrays, as NumPy arrays, stacked along a leading axis."""
    return jax.tree.map(lambda *arrays: np.stack(arrays), *networks)


def unstack(stacked: Any, count: int | None = None) -> list[Any]:
    """The reverse of `stack`; `count` says how many, for trees that may hold no array."""
    stacked = jax.tree.map(np.asarray, stacked)
    many: int = jax.tree.leaves(stacked)[0].shape[0] if count is None else count

    def member(i: int) -> Any:
        return jax.tree.map(lambda array: array[i], stacked)

    return [member(i) for i in range(many)]


def few(networks: Network) -> int:
    """How many of stacked networks go together on a CPU along a single sequence, see `each`."""
    size = networks.weights * networks.bias.dtype.itemsize // len(networks.bias)
    return FEW if size <= SMALL else 1


def each(step: Callable[[Any, Any, Any], Any], names: Hashable, shared: Any, members: Any, together: int = 1) -> Any:
    """`step(names, shared, member)` for each of the stacked `members`, the results stacked.

    On a CPU a few members in each program, since products of many matrices at once serve its caches badly, and no fewer
    programs than it has cores, side by side. On other devices all at once.

    Args:
        step: a function of a module, so that it compiles once.
        names: what it compiles for.
        shared: a pytree that is the same for all.
        members: a pytree whose arrays have a leading axis of length M.
        together: how many go together on a CPU at most.
    """
    count = jax.tree.leaves(members)[0].shape[0]
    if current_device().platform != "cpu":
        return _all_at_once(step, names, shared, members)
    if count == 1:
        return stack([_alone(step, names, shared, *unstack(members))])
    programs = max(-(-count // together), min(count, cores()))
    if programs == count:
        return stack(side_by_side(_alone_beside, (step, names), [(shared, member) for member in unstack(members)]))
    several = jax.tree.map(np.asarray, members)
    places = np.array_split(np.arange(count), programs)
    groups = [(shared, jax.tree.map(lambda a, at=at: a[at], several)) for at in places]
    done = side_by_side(_together_beside, (step, names), groups)
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *done)


def _one(step: Any, names: Hashable, shared: Any, member: Any) -> Any:
    return step(names, shared, member)


def _all(step: Any, names: Hashable, shared: Any, members: Any) -> Any:
    return jax.vmap(lambda member: step(names, shared, member))(members)


_alone, _all_at_once = (jitted(f, static_argnums=(0, 1)) for f in (_one, _all))
_alone_beside, _together_beside = (
    jitted(f, static_argnums=(0, 1), compiler_options=dict(ON_ONE_CORE)) for f in (_one, _all)
)


def choose(condition: Array, first: Any, second: Any) -> Any:
    """One of two pytrees of one structure; `condition` has shape ()."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)
