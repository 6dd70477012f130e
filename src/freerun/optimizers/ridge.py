"""Ridge regression of the readout, all other weights left as they were drawn: an echo state network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, PRNGKeyArray

from freerun.computing import run
from freerun.errors import TrainingDiverged
from freerun.forcing import Pairs
from freerun.network import Network, State
from freerun.objective import Noise, Objective
from freerun.optimizers.base import Report, Stopped, stack, unstack

CHUNK = 20_000
"""Steps whose hidden states are held in memory at a time."""


@dataclass(frozen=True)
class Ridge:
    """The exact minimum of the objective over readout, readout bias and direct connections (Jaeger, 2001)."""

    def minimize(self, objective: Objective, networks: Network, key: PRNGKeyArray, report: Report) -> list[Stopped]:
        """See `Optimizer.minimize`."""
        penalty = 0.0 if objective.l2 is None else float(objective.l2)
        fitted = [
            Readout.of(network, objective.pairs, objective.noise, key).solve(penalty) for network in unstack(networks)
        ]
        objectives = [float(_value(objective, network)) for network in fitted]
        report(stack(fitted), np.array([objectives]))
        return [Stopped("the readout is solved exactly")] * len(fitted)


@dataclass(frozen=True)
class Readout:
    """The least-squares problem of a readout, reduced so that it can be solved for any penalty at once.

    Rows (hidden states, 1, window) and targets pass through a QR factorisation in chunks (Golub and Van Loan, Matrix
    Computations, 5.2), so that a series of any length fits in memory; then the singular values of the triangular
    factor give the solution for every penalty. Unlike the normal equations this keeps all digits.

    Attributes:
        network: the network whose readout is solved.
        left: U^T times the reduced targets, shape (F, D), where U S V^T are the singular vectors of the factor.
        singular: S, shape (F,).
        right: V^T, shape (F, F).
    """

    network: Network
    left: np.ndarray
    singular: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, network: Network, pairs: Pairs, noise: Noise | None, key: PRNGKeyArray) -> Readout:
        """Reduce the problem of fitting `network` to `pairs`, noise on the inputs drawn once.

        Raises:
            TrainingDiverged: the hidden states are not finite.
        """
        factor: np.ndarray | None = None
        for rows in _rows(network, pairs, noise, key):
            stacked = rows if factor is None else np.concatenate([factor, rows])
            factor = np.asarray(scipy.linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)[0])
            factor = factor[: factor.shape[1]]
        assert factor is not None
        if not np.isfinite(factor).all():
            raise TrainingDiverged(
                "the hidden states are not finite at the weights drawn, so that no readout can be solved; standardise "
                "the series, draw smaller weights (spectral_radius, input_scale), or choose a bounded nonlinearity"
            )
        width = factor.shape[1] - pairs.targets.shape[1]
        u, singular, right = np.linalg.svd(factor[:width, :width], full_matrices=False)
        return cls(network, u.T @ factor[:width, width:], singular, right)

    def solve(self, l2: float) -> Network:
        """The network with the readout (NumPy arrays) that minimises mean squared error + l2 * (sum of its squares).

        Directions in which the rows do not reach beyond rounding get no weight.
        """
        # The objective is a mean over steps and channels, its penalty a plain sum: hence the number of channels.
        damping = l2 * self.left.shape[1]
        s = self.singular
        sizes = s**2 + damping
        reached = s > s[0] * len(s) * np.finfo(s.dtype).eps if damping == 0 else sizes > 0
        gain = np.divide(s, sizes, out=np.zeros_like(s), where=reached)
        return self._with(self.right.T @ (gain[:, None] * self.left))

    def _with(self, solution: np.ndarray) -> Network:
        network, hidden = self.network, self.network.readout.shape[0]
        weights = solution.astype(network.bias.dtype)
        direct = None if network.direct is None else weights[hidden + 1 :]
        return Network(network.cells, weights[:hidden], weights[hidden], direct, network.lags)


def _rows(network: Network, pairs: Pairs, noise: Noise | None, key: PRNGKeyArray) -> Iterator[np.ndarray]:
    """Rows (hidden states, 1, window, target), scaled so that plain least squares is the mean squared error."""
    inputs, targets, weight = (np.asarray(array) for array in (pairs.inputs, pairs.targets, pairs.weight))
    if noise is not None:
        inputs = np.asarray(run(_shaken, inputs, noise.inputs, key))
    share = weight / weight.sum()
    state = network.rest()
    for first in range(0, len(inputs), CHUNK):
        piece = slice(first, min(len(inputs), first + CHUNK))
        rows, state = run(_features, network, state, inputs[piece], targets[piece], share[piece])
        yield np.asarray(rows)[share[piece] > 0]


@jax.jit
def _shaken(inputs: Float[Array, "T D"], deviation: Float[Array, ""], key: PRNGKeyArray) -> Float[Array, "T D"]:
    return inputs + deviation * jax.random.normal(key, inputs.shape, inputs.dtype)


@jax.jit
def _features(
    network: Network,
    state: State,
    inputs: Float[Array, "T D"],
    targets: Float[Array, "T D"],
    share: Float[Array, " T"],
) -> tuple[Float[Array, "T F"], State]:
    hidden, windows, state = network.read_on(inputs, state)
    columns = [hidden, jnp.ones((len(hidden), 1), hidden.dtype)]
    if network.direct is not None:
        columns.append(windows)
    rows = jnp.sqrt(share)[:, None] * jnp.concatenate([*columns, targets], axis=1)
    return rows, state


@jax.jit
def _value(objective: Objective, network: Network) -> Float[Array, ""]:
    return objective(network)
