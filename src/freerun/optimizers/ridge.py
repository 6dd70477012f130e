"""Ridge regression of the readout, all other weights left as they were drawn: an echo state network."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from freerun.network import Network
from freerun.objective import Objective, value_at
from freerun.optimizers.base import Report


@dataclass(frozen=True)
class Ridge:
    """The exact minimum of the objective over readout, readout bias and direct connections (Jaeger, 2001).

    Solved as a least-squares problem with the penalty in further rows, by a complete orthogonal factorisation,
    which keeps the digits that normal equations would lose.
    """

    def minimize(self, objective: Objective, network: Network, report: Report) -> str:
        """See `Optimizer.minimize`."""
        features, targets = map(np.asarray, _features(objective, network))
        width = features.shape[1]
        # The objective is a mean over steps and channels, its penalty a plain sum: hence the number of channels.
        damping = np.sqrt(float(objective.l2) * targets.shape[1]) * np.eye(width, dtype=features.dtype)
        rows = np.concatenate([features, damping])
        values = np.concatenate([targets, np.zeros((width, targets.shape[1]), targets.dtype)])
        solution = jnp.asarray(_least_squares(rows, values))
        hidden = network.cell.hidden
        fitted = eqx.tree_at(lambda n: (n.readout, n.bias), network, (solution[:hidden], solution[hidden]))
        if network.direct is not None:
            fitted = eqx.tree_at(lambda n: n.direct, fitted, solution[hidden + 1 :])
        report(fitted, [float(value_at(fitted, objective))])
        return "the readout is solved exactly"


def _least_squares(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    solved = scipy.linalg.lstsq(rows, values, lapack_driver="gelsy", check_finite=False)
    assert solved is not None
    return solved[0]


@jax.jit
def _features(objective: Objective, network: Network) -> tuple[Float[Array, "T F"], Float[Array, "T D"]]:
    """Rows (hidden state, 1, input) and targets, weighted so that plain least squares is the mean squared error."""
    pairs = objective.pairs
    hidden = network.predict(pairs.inputs)[1][0]
    columns = [hidden, jnp.ones((len(hidden), 1), hidden.dtype)]
    if network.direct is not None:
        columns.append(pairs.inputs)
    weight = jnp.sqrt(pairs.weight / pairs.weight.sum())[:, None]
    return weight * jnp.concatenate(columns, axis=1), weight * pairs.targets
