"""What training minimises: the mean squared error of the next step, and penalties on the weights."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from freerun.cells import Carry
from freerun.network import Network


class Pairs(eqx.Module):
    """Inputs with the values that follow them.

    Attributes:
        inputs: shape (T, D), steps 0 to T - 1 of a series, standardised.
        targets: shape (T, D), steps 1 to T.
        weight: shape (T,), 1 where the error of a step counts, 0 in the washout.
    """

    inputs: Float[Array, "T D"]
    targets: Float[Array, "T D"]
    weight: Float[Array, " T"]

    @classmethod
    def of(cls, values: Float[Array, "steps D"], washout: int) -> Pairs:
        """The pairs of a standardised series; the errors of its first `washout` predictions do not count."""
        steps = len(values) - 1
        return cls(values[:-1], values[1:], (jnp.arange(steps) >= washout).astype(values.dtype))

    def squared_errors(self, network: Network, carry: Carry | None = None) -> Float[Array, " D"]:
        """Mean squared error of the one-step predictions per channel, in standardised units, shape (D,)."""
        predictions, _ = network.predict(self.inputs, carry)
        residuals = (predictions - self.targets) * self.weight[:, None]
        return (residuals**2).sum(axis=0) / self.weight.sum()


class Objective(eqx.Module):
    """mean squared error + l2 * (sum of squared weights) + l1 * (sum of absolute weights), biases included.

    Attributes:
        pairs: the training data.
        l1, l2: the factors of the penalties, at least zero.
    """

    pairs: Pairs
    l1: Float[Array, ""]
    l2: Float[Array, ""]

    def __call__(self, network: Network) -> Float[Array, ""]:
        """The objective at the weights of `network`."""
        return self.pairs.squared_errors(network).mean() + self.penalty(network)

    def penalty(self, network: Network) -> Float[Array, ""]:
        """The part of the objective that depends on the weights alone."""
        weights = jax.tree.leaves(network)
        squares = sum(jnp.sum(w**2) for w in weights)
        sizes = sum(jnp.sum(jnp.abs(w)) for w in weights)
        return self.l2 * squares + self.l1 * sizes


@jax.jit
def value_at(network: Network, objective: Objective) -> Float[Array, ""]:
    """The objective at the weights of `network`, compiled."""
    return objective(network)
