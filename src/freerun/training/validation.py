"""Validation by free runs on held-out steps, which decides the weights,
restarts and candidates that are kept.

A low one-step error does not imply a good free run, so free runs are evaluated themselves. The
held-out steps are the last part of the training series, never later data.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from freerun.data.arrays import interpolated
from freerun.network import jax_runs
from freerun.network.network import Network
from freerun.network.updates import Array
from freerun.training.forcing import free_runs

MOST_RUNS = 32
"""Maximum number of free runs, which bounds the cost of an evaluation."""

MOST_VALIDATED = 200
"""Maximum length of a free run in steps, which bounds the cost of an evaluation."""

LEAD = 2000
"""Maximum number of steps that are read before the held-out steps,
to bring the network into its state."""


class Validation(eqx.Module):
    """Free runs from several steps of one series,
    or of several series stacked along a leading axis.

    Attributes:
        inputs: shape (T, N), standardised, missing values interpolated: the lead,
            then the held-out steps.
        observed: shape (T, D), 1 where a value is observed, 0 where it is missing;
            None if no value is missing.
        starts: shape (S,), the steps after which the free runs start.
        unit: shape (D,), the standard deviation of each channel.
        horizon: number of steps of each run.
    """

    inputs: Float[Array, "*P T N"]
    observed: Float[Array, "*P T D"] | None
    starts: Int[Array, " S"]
    unit: Float[Array, " D"]
    horizon: int = eqx.field(static=True)

    @classmethod
    def of(cls, panel: Sequence[np.ndarray], channels: int, held_out: int, dtype: str) -> Validation:
        """Spread free runs evenly over the held-out steps of each series,
        each over a third of these steps.

        Args:
            panel: arrays of shape (steps, N), NaN where a value is missing; see `Scaling.apply`.
            channels: D, the first columns of each array.
            held_out: number of final steps of each series,
                fewer than the steps of the shortest series.
            dtype: of the arrays, `float64` or `float32`.
        """
        unit = np.nanstd(np.concatenate([values[:, :channels] for values in panel]), axis=0)
        kept = min(held_out + LEAD, *(len(values) for values in panel)) if len(panel) > 1 else held_out + LEAD
        last = [values[-kept:] for values in panel]
        first = len(last[0]) - held_out
        horizon = max(1, min(MOST_VALIDATED, held_out // 3))
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
        """Compute the mean error over runs and steps, in standard deviations.

        The error of a step is the root mean square over channels. It is clipped at 1,
        where a run has lost the data.
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
        """Run a network free over the held-out steps of one series.

        Args:
            network: the network.
            inputs: of the series, see `Validation`.
            observed: of the series, see `Validation`.
        """
        future_inputs = inputs[self.starts[:, None] + jnp.arange(self.horizon)][..., self.unit.shape[0] :]
        whole = inputs if observed is None else jax_runs.completed(network, inputs, observed)
        return free_runs(network, whole[:-1], self.starts, self.horizon, future_inputs)
