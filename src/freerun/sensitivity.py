"""How errors change with the weights: their Jacobian, put together from short pieces of time.

A run is a chain of pieces. In piece k, which begins in the state s_k, errors e_k and the next state depend on the
weights w at first hand, and through s_k:

    de_k/dw = E_k + F_k S_k,    S_{k+1} = ds_{k+1}/dw = B_k + A_k S_k.

E_k and F_k, B_k and A_k come from reverse mode over the one piece. So no derivative is taken through the whole run:
reverse mode would go back from each error to the beginning, and forward mode follows each weight to the end (real-time
recurrent learning: Williams and Zipser, 1989).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from freerun.network.network import Network
from freerun.network.updates import Array

CACHE, FEWEST = 2**22, 4
"""Most bytes of one array of tangents that are pushed forward, or pulled back, at a time, so that it stays in the
cache; and how many directions go together at least."""


class Chain(NamedTuple):
    """A run in S pieces.

    Attributes:
        first: the state before the first piece, of a network.
        step: of a network, the state before a piece and what is known of it: the state after it, and its errors.
        known: what is known of each piece, stacked along a leading axis of length S.
    """

    first: Callable[[Network], Any]
    step: Callable[[Network, Any, Any], tuple[Any, Array]]
    known: Any


def by_pieces(
    chain: Chain, network_of: Callable[[Float[jax.Array, " P"]], Network], theta: Float[jax.Array, " P"]
) -> Float[jax.Array, "S E P"]:
    """The Jacobian of the E errors of each piece with respect to the P weights, from which the network is made."""
    start, restore = ravel_pytree(chain.first(network_of(theta)))

    def onward(at: tuple[jax.Array, jax.Array], known: Any) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        before, s = at

        def run(theta: jax.Array, before: jax.Array) -> jax.Array:
            after, errors = chain.step(network_of(theta), restore(before), known)
            return jnp.concatenate([ravel_pytree(after)[0], errors.ravel()])

        result, pull = jax.vjp(run, theta, before)
        own, through = jax.vmap(pull)(jnp.eye(result.size, dtype=result.dtype))
        rows = own + through @ s
        return (result[: start.size].astype(start.dtype), rows[: start.size]), rows[start.size :]

    first = jnp.zeros((0, theta.size), theta.dtype)
    if start.size:
        first = jax.jacrev(lambda theta: ravel_pytree(chain.first(network_of(theta)))[0])(theta)
    return lax.scan(onward, (start, first), chain.known)[1]


def by_passes(errors: Callable[[jax.Array], jax.Array], theta: jax.Array, hidden: int) -> Float[jax.Array, "N P"]:
    """The Jacobian of a function of the weights, by passes through all of it, a few directions at a time.

    By forward or by reverse mode, whichever needs fewer passes.

    Args:
        errors: the function.
        theta: the weights.
        hidden: numbers that a pass holds for each error.
    """
    count = jax.eval_shape(errors, theta).size
    together = max(FEWEST, CACHE // (theta.dtype.itemsize * count * hidden))
    if theta.size <= count:

        def push(direction: jax.Array) -> jax.Array:
            return jax.jvp(errors, (theta,), (direction,))[1]

        return lax.map(push, jnp.eye(theta.size, dtype=theta.dtype), batch_size=together).T
    _, pull = jax.vjp(errors, theta)
    return lax.map(lambda row: pull(row)[0], jnp.eye(count, dtype=theta.dtype), batch_size=together)
