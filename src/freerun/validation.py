"""Free runs on held-out steps: what training stops by, and what restarts and recipes are chosen by.

One-step errors say nothing about a free run, so the judge is the free run itself, on the last part of the training
series and never on later data.
"""

from __future__ import annotations

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freerun import metrics
from freerun.cells import Array as Weights
from freerun.network import Network

MOST_RUNS, LONGEST = 32, 200
"""At most so many free runs, of at most so many steps."""

LEAD = 2000
"""Steps read before the first run at most."""

LONG = 8_000
"""From so many steps on a series is a sample of its system with which a long free run can be compared."""


class Validation(eqx.Module):
    """Free runs from several moments of a series.

    Attributes:
        values: shape (T, D), standardised: a lead to read, and the held-out steps.
        starts: shape (S,), the steps after which the network is let loose.
        horizon: steps of each run.
    """

    values: Float[Array, "T D"]
    starts: Int[Array, " S"]
    horizon: int = eqx.field(static=True)

    @classmethod
    def of(cls, values: np.ndarray, held_out: int, dtype: str) -> Self:
        """Runs over the last `held_out` steps of `values`, of a third of them each, evenly spread."""
        values = values[-(held_out + LEAD) :]
        first = len(values) - held_out
        horizon = max(1, min(LONGEST, held_out // 3))
        count = max(1, min(MOST_RUNS, 3 * held_out // horizon, held_out - horizon + 1))
        starts = np.linspace(first - 1, len(values) - 1 - horizon, count).astype(int)
        return cls(jnp.asarray(values, dtype), jnp.asarray(starts), horizon)

    def error(self, network: Network) -> Float[Array, ""]:
        """Mean over runs and steps of the error, in standard deviations, cut off at 1, where a run has lost the data.

        For several channels the error of a step is the root mean square over channels.
        """
        states, outputs = network.moments(self.values, self.starts)
        runs = jax.vmap(lambda state, value: network.run_free(state, value, self.horizon))(states, outputs)
        truth = self.values[self.starts[:, None] + 1 + jnp.arange(self.horizon)]
        errors = jnp.sqrt(((runs - truth) ** 2).mean(axis=-1))
        return jnp.where(errors < 1.0, errors, 1.0).mean()


def long_run_error(values: np.ndarray, run: np.ndarray) -> float:
    """How unlike a sample of the same system a long free run is: D_H + D_stsp / 10, its first fifth left out.

    Args:
        values: shape (T, D), the series.
        run: shape (S, D).

    Returns:
        D_stsp counts for 20 at most, and not at all from 6 channels on, where its estimate is too coarse to choose by.
    """
    settled = run[len(run) // 5 :]
    spectra = metrics.spectrum_distance(values, settled)
    if values.shape[1] > metrics.MOST_BINNED:
        return spectra
    return spectra + min(20.0, metrics.state_space_divergence(values, settled)) / 10.0


@jax.jit
def errors_of(networks: Network, validation: Validation) -> Float[Array, " M"]:
    """The errors of stacked networks."""
    return jax.vmap(validation.error)(networks)


@jax.jit
def errors_of_readouts(network: Network, readouts: Network, validation: Validation) -> Float[Array, " M"]:
    """The errors of networks that share all but readout, bias and direct connections, which `readouts` stacks."""

    def error(readout: Weights, bias: Weights, direct: Weights | None) -> Array:
        return validation.error(Network(network.cells, readout, bias, direct, network.lags))

    return jax.vmap(error)(readouts.readout, readouts.bias, readouts.direct)
