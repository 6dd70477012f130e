"""What training minimises: the mean squared error under a forcing, and penalties on the weights."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from freerun.forcing import Errors, Forcing, Pairs
from freerun.network import Network

SMOOTHING = 1e-6
"""Where residuals are squared, |w| of the L1 penalty is sqrt(w^2 + SMOOTHING^2), which has a derivative at zero."""


class Noise(eqx.Module):
    """Noise while training (An, 1996; Jim, Giles and Horne, 1996).

    Attributes:
        weights: standard deviation of noise added to every weight.
        inputs: standard deviation of noise added to the standardised values that are read.
    """

    weights: Float[Array, ""]
    inputs: Float[Array, ""]


class Objective(eqx.Module):
    """mean squared error + l2 * (sum of squared weights) + l1 * (sum of absolute weights), biases included.

    Attributes:
        pairs: the training data; with `length`, the series that windows are cut from.
        forcing: what the network reads.
        l1, l2: the factors of the penalties, positive, or None.
        noise: noise on weights and inputs, or None.
        length, batch, washout: train on `batch` random windows of `length` steps, whose first `washout` errors do
            not count; a length of 0 means the whole series.
    """

    pairs: Pairs
    forcing: Forcing
    l1: Float[Array, ""] | None = None
    l2: Float[Array, ""] | None = None
    noise: Noise | None = None
    length: int = eqx.field(static=True, default=0)
    batch: int = eqx.field(static=True, default=1)
    washout: int = eqx.field(static=True, default=0)

    @property
    def random(self) -> bool:
        """Whether the objective differs from one key to another."""
        return self.noise is not None or self.forcing.random or self.length > 0

    def __call__(self, network: Network, key: PRNGKeyArray | None = None) -> Float[Array, ""]:
        """The objective at the weights of `network`; `key` decides noise, chance and windows."""
        errors, weight = self._errors(network, key)
        mean = (errors**2 * weight).sum() / weight.sum()
        return mean + self.penalty(network)

    def residuals(self, network: Network, key: PRNGKeyArray | None = None) -> Float[Array, " N"]:
        """A vector whose squares sum to the objective: one entry for each error, and for each penalised weight."""
        errors, weight = self._errors(network, key)
        rows = [(errors * jnp.sqrt(weight / weight.sum())).ravel()]
        weights = jnp.concatenate([w.ravel() for w in jax.tree.leaves(network)])
        if self.l2 is not None:
            rows.append(jnp.sqrt(self.l2) * weights)
        if self.l1 is not None:
            rows.append(jnp.sqrt(self.l1) * (weights**2 + SMOOTHING**2) ** 0.25)
        return jnp.concatenate(rows)

    def penalty(self, network: Network) -> Float[Array, ""] | float:
        """The part of the objective that depends on the weights alone."""
        weights = jax.tree.leaves(network)
        squares = 0.0 if self.l2 is None else self.l2 * sum(jnp.sum(w**2) for w in weights)
        sizes = 0.0 if self.l1 is None else self.l1 * sum(jnp.sum(jnp.abs(w)) for w in weights)
        return squares + sizes

    def _errors(self, network: Network, key: PRNGKeyArray | None) -> Errors:
        pairs = self.pairs
        keys = jax.random.split(jax.random.key(0) if key is None else key, 4)
        if self.noise is not None:
            leaves, tree = jax.tree.flatten(network)
            shaken = [
                w + self.noise.weights * jax.random.normal(k, w.shape, w.dtype)
                for w, k in zip(leaves, jax.random.split(keys[0], len(leaves)), strict=True)
            ]
            network = jax.tree.unflatten(tree, shaken)
            inputs = pairs.inputs + self.noise.inputs * jax.random.normal(
                keys[1], pairs.inputs.shape, pairs.inputs.dtype
            )
            pairs = eqx.tree_at(lambda p: p.inputs, pairs, inputs)

        def errors(one: Pairs) -> Errors:
            return self.forcing.errors(network, one.completed(network), keys[2])

        if self.length:
            return jax.vmap(errors)(pairs.windows(keys[3], self.batch, self.length, self.washout))
        return jax.vmap(errors)(pairs) if pairs.stacked else errors(pairs)


@jax.jit
def value_at(network: Network, objective: Objective, key: PRNGKeyArray | None) -> Float[Array, ""]:
    """The objective at the weights of `network`, compiled."""
    return objective(network, key)
