"""Ridge regression of the readout, all other weights left as they were drawn: an echo state network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from freerun.computing import jitted, run
from freerun.errors import TrainingDiverged
from freerun.network import jax_runs
from freerun.network.network import Network, State
from freerun.objective import Noise, Objective, Terms
from freerun.optimizers.base import Leg, Stopped, Trainees, stack, unstack
from freerun.pairs import Pairs

CHUNK = 20_000
"""Steps whose hidden states are held in memory at a time."""

ROUNDS = 3
"""How often a readout is solved anew with the network's own output in the gaps of a series."""

FAR = 1e3
"""Output in a gap that is larger than this, in the units of the network, has run away."""


@dataclass(frozen=True)
class Ridge:
    """The exact minimum of the objective over readout, readout bias and direct connections (Jaeger, 2001).

    Attributes:
        parts: in how many parts the training data come, one after the other; what is solved is all of them together.
    """

    parts: int = 1

    @property
    def epochs(self) -> int:
        """See `Optimizer.epochs`."""
        return self.parts

    def begin(self, trainees: Trainees) -> Leg:
        """See `Optimizer.begin`."""
        return Leg(replace(trainees, memory=None), 0, {})

    def advance(self, objective: Objective, leg: Leg, key: PRNGKeyArray) -> tuple[Leg, np.ndarray]:
        """See `Optimizer.advance`; the readout is solved for the parts so far."""
        trainees, count = leg.trainees, len(leg.trainees)
        networks, terms = unstack(trainees.networks), unstack(trainees.terms, count)
        before = [Reduced()] * count if trainees.memory is None else unstack(trainees.memory)
        chance = jax.random.fold_in(key, leg.done) if leg.done else key
        solved = [_solved(*one, objective, chance) for one in zip(networks, terms, before, strict=True)]
        fitted, reduced = [network for network, _ in solved], [rows for _, rows in solved]
        objectives = [_objective(*one) for one in zip(fitted, terms, reduced, strict=True)]
        done = leg.done + 1
        memory = None if done == self.parts else stack(reduced)
        stopped = dict.fromkeys(range(count), Stopped("the readout is solved exactly")) if done == self.parts else {}
        return Leg(replace(trainees, networks=stack(fitted), memory=memory), done, stopped), np.array([objectives])


def _objective(network: Network, terms: Terms, reduced: Reduced) -> float:
    """The objective of the network over the rows."""
    squares = 0.0 if terms.l2 is None else float(terms.l2) * sum(float((w**2).sum()) for w in jax.tree.leaves(network))
    return reduced.mean_squared_error(network) + squares


def _solved(
    network: Network, terms: Terms, before: Reduced, objective: Objective, key: PRNGKeyArray
) -> tuple[Network, Reduced]:
    """The network with its readout solved for the rows before and those of the objective, and all rows, reduced.

    Steps that read a gap are left out at first; then the network's own output stands in for it, and it is solved again.
    """
    penalty = 0.0 if terms.l2 is None else float(terms.l2)
    reduced = before.joined(network, objective.pairs, terms.noise, key)
    solved = reduced.readout(network).solve(penalty)
    for _ in range(ROUNDS if objective.pairs.observed is not None else 0):
        pairs = _completed(objective.pairs, solved)
        if not np.isfinite(np.asarray(pairs.inputs)).all() or np.abs(np.asarray(pairs.inputs)).max() > FAR:
            break
        reduced = before.joined(network, pairs, terms.noise, key)
        solved = reduced.readout(network).solve(penalty)
    return solved, reduced


@dataclass(frozen=True)
class _Part:
    """The least-squares problem of the channels whose errors count at the same steps, reduced.

    Attributes:
        channels: their numbers.
        damping: what the penalty counts here: the errors of all channels over those of one of these.
        left: U^T times the reduced targets, shape (F, channels), where U S V^T are the singular vectors of the factor.
        singular: S, shape (F,).
        right: V^T, shape (F, F).
    """

    channels: np.ndarray
    damping: float
    left: np.ndarray
    singular: np.ndarray
    right: np.ndarray

    def solution(self, l2: float) -> np.ndarray:
        damping = l2 * self.damping
        s = self.singular
        with np.errstate(over="ignore"):  # hidden states that run away; their share is 0 then
            sizes = s**2 + damping
        reached = s > s[0] * len(s) * np.finfo(s.dtype).eps if damping == 0 else sizes > 0
        gain = np.divide(s, sizes, out=np.zeros_like(s), where=reached)
        return self.right.T @ (gain[:, None] * self.left)


class Reduced(eqx.Module):
    """Rows (hidden states, 1, window) and targets, reduced to triangular factors; none at first.

    They pass through a QR factorisation in chunks (Golub and Van Loan, Matrix Computations, 5.2), so that a series of
    any length fits in memory. Unlike the normal equations this keeps all digits. Channels whose errors count at
    different steps, since values are missing, are problems of their own.

    Attributes:
        groups: the channels of each problem.
        factors: of each problem, upper triangular, shape (F + channels, F + channels) where there are as many rows.
        counted: how many errors of each channel count, shape (D,).
    """

    groups: tuple[tuple[int, ...], ...] = eqx.field(static=True, default=())
    factors: tuple[np.ndarray, ...] = ()
    counted: np.ndarray | None = None

    def joined(self, network: Network, pairs: Pairs, noise: Noise | None, key: PRNGKeyArray) -> Reduced:
        """These rows and those of `network` on `pairs`, noise on the inputs drawn once.

        Steps whose window holds a missing value are left out, or read as interpolated where most are of that kind.
        """
        pairs = pairs.with_whole_windows(network.depth)
        weight = np.concatenate([np.asarray(one.weight) for one in pairs.each()])
        patterns = np.unique(weight, axis=1, return_inverse=True)[1]
        groups, factors = self._divided([np.flatnonzero(patterns == p) for p in range(patterns.max() + 1)])
        for rows, counts in _rows(network, pairs, noise, key):
            width = rows.shape[1] - pairs.channels
            for i, channels in enumerate(groups):
                factors[i] = _reduced(factors[i], _columns(rows, width, channels)[counts[:, channels[0]] > 0])
        counted = weight.sum(axis=0) + (0 if self.counted is None else self.counted)
        return Reduced(groups, tuple(f for f in factors if f is not None), counted)

    def _divided(self, patterns: list[np.ndarray]) -> tuple[tuple[tuple[int, ...], ...], list[np.ndarray | None]]:
        """The problems, divided so that the channels of each also count alike in what is to come."""
        if not self.groups:
            return tuple(tuple(pattern.tolist()) for pattern in patterns), [None] * len(patterns)
        groups, factors = [], []
        for group, factor in zip(self.groups, self.factors, strict=True):
            for pattern in patterns:
                places = [place for place, channel in enumerate(group) if channel in pattern]
                if places:
                    groups.append(tuple(group[place] for place in places))
                    factors.append(_columns(factor, factor.shape[1] - len(group), places))
        return tuple(groups), factors

    def mean_squared_error(self, network: Network) -> float:
        """That of the readout of a network over the rows, the errors that count alone."""
        assert self.counted is not None
        direct = [] if network.direct is None else [network.direct]
        weights = np.concatenate([network.readout, network.bias[None], *direct])
        squares = 0.0
        for factor, group in zip(self.factors, self.groups, strict=True):
            channels = list(group)
            errors = factor[:, : len(weights)] @ weights[:, channels] - factor[:, len(weights) :]
            squares += float((errors**2).sum())
        return squares / float(self.counted.sum())

    def readout(self, network: Network) -> Readout:
        """The problems in the form in which any penalty can be had.

        Raises:
            TrainingDiverged: the hidden states are not finite.
        """
        counted = self.counted
        assert counted is not None
        width = self.factors[0].shape[1] - len(self.groups[0])
        problems = zip(self.factors, self.groups, strict=True)
        return Readout(network, tuple(_part(f, np.array(channels), width, counted) for f, channels in problems))


def _columns(rows: np.ndarray, width: int, channels: Sequence[int]) -> np.ndarray:
    """The first `width` columns, and of the targets after them those of some channels."""
    return rows if len(channels) == rows.shape[1] - width else rows[:, [*range(width), *(width + c for c in channels)]]


@dataclass(frozen=True)
class Readout:
    """The least-squares problem of a readout, reduced so that it can be solved for any penalty at once.

    The singular values of the triangular factor give the solution for every penalty.

    Attributes:
        network: the network whose readout is solved.
        parts: the problems.
    """

    network: Network
    parts: tuple[_Part, ...]

    @classmethod
    def of(cls, network: Network, pairs: Pairs, noise: Noise | None, key: PRNGKeyArray) -> Readout:
        """The problem of fitting `network` to `pairs`; see `Reduced`.

        Raises:
            TrainingDiverged: the hidden states are not finite.
        """
        return Reduced().joined(network, pairs, noise, key).readout(network)

    def solve(self, l2: float) -> Network:
        """The network with the readout (NumPy arrays) that minimises mean squared error + l2 * (sum of its squares).

        Directions in which the rows do not reach beyond rounding get no weight.
        """
        network, hidden = self.network, self.network.readout.shape[0]
        first = self.parts[0].solution(l2)
        weights = np.empty((len(first), sum(len(part.channels) for part in self.parts)), network.bias.dtype)
        weights[:, self.parts[0].channels] = first
        for part in self.parts[1:]:
            weights[:, part.channels] = part.solution(l2)
        direct = None if network.direct is None else weights[hidden + 1 :]
        return network.with_readout(weights[:hidden], weights[hidden], direct)


def _reduced(factor: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """The triangular factor of the rows seen so far."""
    from scipy.linalg import qr

    stacked = rows if factor is None else np.concatenate([factor, rows])
    factor = np.asarray(qr(stacked, mode="r", overwrite_a=True, check_finite=False)[0])
    return factor[: factor.shape[1]]


def _part(factor: np.ndarray, channels: np.ndarray, width: int, counted: np.ndarray) -> _Part:
    if not np.isfinite(factor).all():
        raise TrainingDiverged(
            "the hidden states are not finite at the weights drawn, so that no readout can be solved; standardise "
            "the series, draw smaller weights (spectral_radius, input_scale), or choose a bounded nonlinearity"
        )
    count = counted[channels[0]]
    factor = factor / np.sqrt(count)
    u, singular, right = np.linalg.svd(factor[:width, :width], full_matrices=False)
    return _Part(channels, float(counted.sum() / count), u.T @ factor[:width, width:], singular, right)


def _rows(
    network: Network, pairs: Pairs, noise: Noise | None, key: PRNGKeyArray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows (hidden states, 1, window, target) of which some error counts, and which of them do."""
    for one in pairs.each():
        inputs, targets, weight = (np.asarray(array) for array in (one.inputs, one.targets, one.weight))
        if noise is not None:
            inputs = np.asarray(run(_shaken, inputs, noise.inputs, key))
        state = network.rest()
        for first in range(0, len(inputs), CHUNK):
            piece = slice(first, min(len(inputs), first + CHUNK))
            rows, state = run(_features, network, state, inputs[piece], targets[piece])
            counts = weight[piece].any(axis=1)
            yield np.asarray(rows)[counts], weight[piece][counts]


@jitted
def _shaken(inputs: Float[Array, "T N"], deviation: Float[Array, ""], key: PRNGKeyArray) -> Float[Array, "T N"]:
    return inputs + deviation * jax.random.normal(key, inputs.shape, inputs.dtype)


@jitted
def _features(
    network: Network, state: State, inputs: Float[Array, "T N"], targets: Float[Array, "T D"]
) -> tuple[Float[Array, "T F"], State]:
    hidden, window, state = jax_runs.read_on(network, inputs, state)
    columns = [hidden, jnp.ones((len(hidden), 1), hidden.dtype)]
    if network.direct is not None:
        columns.append(window.seen)
    targets = targets if window.base is None else targets - window.base
    return jnp.concatenate([*columns, targets], axis=1), state


@jitted
def _completed(pairs: Pairs, network: Network) -> Pairs:
    return pairs.completed(network)
