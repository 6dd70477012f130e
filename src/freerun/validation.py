"""Free runs on held-out steps: what training stops by, and what restarts and recipes are chosen by.

One-step errors say nothing about a free run, so the judge is the free run itself, on the last part of the training
series and never on later data.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from freerun.data.arrays import interpolated
from freerun.forcing import free_runs
from freerun.network import jax_runs
from freerun.network.network import Network
from freerun.network.updates import Array

MOST_RUNS, LONGEST = 32, 200
"""At most so many free runs, of at most so many steps."""

LEAD = 2000
"""Steps read before the first run at most."""


class Validation(eqx.Module):
    """Free runs from several moments of a series, or of several series stacked along a leading axis.

    Attributes:
        inputs: shape (T, N), standardised, missing values interpolated: a lead to read, and the held-out steps.
        observed: shape (T, D), 1 where there is a value, 0 where there is none; None when all are there.
        starts: shape (S,), the steps after which the network is let loose.
        unit: shape (D,), the standard deviation of each channel.
        horizon: steps of each run.
    """

    inputs: Float[Array, "*P T N"]
    observed: Float[Array, "*P T D"] | None
    starts: Int[Array, " S"]
    unit: Float[Array, " D"]
    horizon: int = eqx.field(static=True)

    @classmethod
    def of(cls, panel: Sequence[np.ndarray], channels: int, held_out: int, dtype: str) -> Validation:
        """Runs over the last `held_out` steps of each series, of a third of them each, evenly spread.

        Args:
            panel: arrays of shape (steps, N), NaN where a value is missing; see `Scaling.apply`.
            channels: D, the first columns of each.
            held_out: fewer than the steps of the shortest.
        """
        unit = np.nanstd(np.concatenate([values[:, :channels] for values in panel]), axis=0)
        kept = min(held_out + LEAD, *(len(values) for values in panel)) if len(panel) > 1 else held_out + LEAD
        last = [values[-kept:] for values in panel]
        first = len(last[0]) - held_out
        horizon = max(1, min(LONGEST, held_out // 3))
        count = max(1, min(MOST_RUNS, 3 * held_out // horizon, held_out - horizon + 1))
        starts = np.linspace(first - 1, len(last[0]) - 1 - horizon, count).astype(int)
        inputs = np.stack([interpolated(values) for values in last])
        observed = np.stack([np.isfinite(values[:, :channels]) for values in last])
        if len(panel) == 1:
            inputs, observed = inputs[0], observed[0]
        return cls(
            jnp.asarray(np.nan_to_num(inputs), dtype),
            None if observed.all() else jnp.asarray(observed, dtype),
            jnp.asarray(starts),
            jnp.asarray(np.where(unit > 0, unit, 1.0), dtype),
            horizon,
        )

    def error(self, network: Network) -> Float[Array, ""]:
        """Mean over runs and steps of the error, in standard deviations, cut off at 1, where a run has lost the data.

        For several channels the error of a step is the root mean square over channels.
        """
        if self.inputs.ndim == 3:
            series = (self.inputs, self.observed)
            return jax.vmap(lambda inputs, observed: self._error(network, inputs, observed))(*series).mean()
        return self._error(network, self.inputs, self.observed)

    def _error(self, network: Network, inputs: Array, observed: Array | None) -> Array:
        runs = self.runs(network, inputs, observed)
        at = self.starts[:, None] + 1 + jnp.arange(self.horizon)
        squares = ((runs - inputs[at][..., : runs.shape[-1]]) / self.unit) ** 2
        if observed is None:
            errors = jnp.sqrt(squares.mean(axis=-1))
            return jnp.where(errors < 1.0, errors, 1.0).mean()
        counts = observed[at].sum(axis=-1)
        errors = jnp.sqrt((squares * observed[at]).sum(axis=-1) / jnp.maximum(counts, 1.0))
        return (jnp.where(errors < 1.0, errors, 1.0) * (counts > 0)).sum() / jnp.maximum((counts > 0).sum(), 1)

    def runs(self, network: Network, inputs: Array, observed: Array | None) -> Float[Array, "S horizon D"]:
        """The free runs of one series."""
        known = inputs[self.starts[:, None] + jnp.arange(self.horizon)][..., self.unit.shape[0] :]
        whole = inputs if observed is None else jax_runs.completed(network, inputs, observed)
        return free_runs(network, whole[:-1], self.starts, self.horizon, known)
