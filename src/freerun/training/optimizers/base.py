"""The interface of all optimisers, and how they compute for several networks together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray, PyTree

from freerun.compute.cores import cores
from freerun.compute.programs import ON_ONE_CORE, call_in_parallel, current_device, jitted
from freerun.network.network import Network
from freerun.network.updates import Array
from freerun.training.objective import Objective, Regularization

Tree = TypeVar("Tree")
Names = TypeVar("Names", bound=Hashable)
Shared = TypeVar("Shared")
Result = TypeVar("Result")

BATCHED = 8
"""Maximum number of small networks per program on a CPU:
products of more matrices together use its caches badly."""

SMALL = 10_000
"""Bytes of weights of a network up to which it counts as small."""


class Stopped(NamedTuple):
    """Why the training of a network stopped.

    Attributes:
        reason: in words.
        diverged: whether its objective diverged. The last report then holds its last good weights.
    """

    reason: str
    diverged: bool = False


class Population(eqx.Module):
    """M networks of one shape in training. All arrays have a leading axis of length M.

    Attributes:
        networks: the weights.
        regularization: penalties and noise.
        rates: learning rates, shape (M,); None for optimisers that have none.
        memory: the state of the optimiser, a module of its own; None before the first stage.
    """

    networks: Network
    regularization: Regularization = Regularization()
    rates: Float[Array, " M"] | None = None
    memory: eqx.Module | None = None

    def __len__(self) -> int:
        return self.networks.bias.shape[0]

    def among(self, which: Sequence[int]) -> Population:
        """Select networks by their places."""
        chosen = np.asarray(which)
        return jax.tree.map(lambda array: np.asarray(array)[chosen], self)


class StageState(NamedTuple):
    """The state of a stage: all that an optimiser needs to resume it with bit-identical results.

    Attributes:
        population: the networks with their weights so far, which are good to keep.
        done: number of updates or iterations done in this stage.
        stopped: why a network stopped, by its place in the population.
    """

    population: Population
    done: int
    stopped: dict[int, Stopped]

    @property
    def finished(self) -> bool:
        """Whether all networks have stopped."""
        return len(self.stopped) == len(self.population)

    @property
    def running(self) -> np.ndarray:
        """Whether each network is still trained, shape (M,)."""
        return np.array([i not in self.stopped for i in range(len(self.population))])


Report = Callable[[StageState, np.ndarray], None]
"""Takes the state of a stage, and the objectives since the last report.

The objectives have shape (epochs, M), with a column for each of the M networks. An entry is NaN in
an epoch in which the network was not trained.
"""


@runtime_checkable
class Optimizer(Protocol):
    """Minimises an objective over the weights of several networks of one shape together.

    An optimiser is immutable. All that changes is in the `StageState`,
    so training can resume from any of these.
    """

    @property
    def epochs(self) -> int:
        """Maximum number of updates or iterations in a stage."""
        ...

    def begin(self, population: Population) -> StageState:
        """Begin a stage.

        Args:
            population: the networks; with the memory of the stage before, if there was one.

        Returns:
            The state of the stage before its first update.
        """
        ...

    def advance(self, objective: Objective, state: StageState, key: PRNGKeyArray) -> tuple[StageState, np.ndarray]:
        """Run about a hundredth of a stage.

        Args:
            objective: what to minimise.
            state: the state of the stage, in which a network is still trained.
            key: the random key of the stage.

        Returns:
            The new state of the stage, and the objectives on the way, see `Report`.
        """
        ...


def minimize(
    optimizer: Optimizer, objective: Callable[[int], Objective], state: StageState, key: PRNGKeyArray, report: Report
) -> StageState:
    """Run an optimiser until all networks have stopped.

    Args:
        optimizer: changes the weights.
        objective: from the number of updates done in the stage to the objective of the next ones.
        state: the state from which the stage begins, or resumes.
        key: the random key of the stage.
        report: called after every call of `Optimizer.advance`.

    Returns:
        The state at the end of the stage, which is that of the last report.
    """
    while not state.finished:
        state, objectives = optimizer.advance(objective(state.done), state, key)
        report(state, objectives)
    return state


def report_interval(epochs: int) -> int:
    """Return the number of epochs between two reports, for about a hundred reports in a stage."""
    return max(1, epochs // 100)


def stack(trees: Sequence[Tree]) -> Tree:
    """Stack the arrays of pytrees of one structure along a leading axis, as NumPy arrays."""
    return jax.tree.map(lambda *arrays: np.stack(arrays), *trees)


def unstack(stacked: Tree, count: int | None = None) -> list[Tree]:
    """Split a pytree along the leading axis of its arrays, the reverse of `stack`.

    Args:
        stacked: the pytree.
        count: length of the leading axis; required if the pytree may hold no array.
    """
    arrays = jax.tree.map(np.asarray, stacked)
    length: int = jax.tree.leaves(arrays)[0].shape[0] if count is None else count

    def member(i: int) -> Tree:
        return jax.tree.map(lambda array: array[i], arrays)

    return [member(i) for i in range(length)]


def members_per_program(networks: Network) -> int:
    """Return how many of M stacked networks share a program on a CPU,
    for runs along a single sequence.

    That is up to 8 networks if each has at most 10 kB of weights, else one.
    """
    size = networks.weights * networks.bias.dtype.itemsize // len(networks.bias)
    return BATCHED if size <= SMALL else 1


def map_members(
    step: Callable[[Names, Shared, PyTree], Result], names: Names, shared: Shared, members: PyTree, together: int = 1
) -> Result:
    """Call `step(names, shared, member)` for each of M stacked members.

    On a CPU the members are split over programs that run in parallel, each on one core.
    There are at least as many programs as cores, if there are as many members. On other
    devices one program computes all members.

    Args:
        step: a function of a module, which is compiled once.
        names: static arguments, for which `step` is compiled.
        shared: a pytree that is the same for all members.
        members: a pytree whose arrays have a leading axis of length M.
        together: maximum number of members in a program on a CPU.

    Returns:
        The results, stacked.
    """
    count = jax.tree.leaves(members)[0].shape[0]
    if current_device().platform != "cpu":
        return _all_at_once(step, names, shared, members)
    if count == 1:
        return stack([_alone(step, names, shared, *unstack(members))])
    programs = max(-(-count // together), min(count, cores()))
    if programs == count:
        return stack(
            call_in_parallel(_alone_in_parallel, (step, names), [(shared, member) for member in unstack(members)])
        )
    arrays = jax.tree.map(np.asarray, members)
    places = np.array_split(np.arange(count), programs)
    groups = [(shared, jax.tree.map(lambda a, at=at: a[at], arrays)) for at in places]
    results = call_in_parallel(_together_in_parallel, (step, names), groups)
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *results)


def _one(step: Callable[[Names, Shared, PyTree], Result], names: Names, shared: Shared, member: PyTree) -> Result:
    return step(names, shared, member)


def _all(step: Callable[[Names, Shared, PyTree], Result], names: Names, shared: Shared, members: PyTree) -> Result:
    return jax.vmap(lambda member: step(names, shared, member))(members)


_alone, _all_at_once = (jitted(f, static_argnums=(0, 1)) for f in (_one, _all))
_alone_in_parallel, _together_in_parallel = (
    jitted(f, static_argnums=(0, 1), compiler_options=dict(ON_ONE_CORE)) for f in (_one, _all)
)


def choose(condition: Array, first: Tree, second: Tree) -> Tree:
    """Select one of two pytrees of one structure.

    Args:
        condition: whether to select the first, shape ().
        first: a pytree.
        second: a pytree.
    """
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)
