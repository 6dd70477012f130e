"""The Jacobian of the errors with respect to the weights, computed from short pieces of the run.

A run is a chain of pieces. Piece k starts in the state s_k. Its errors e_k and its final state
s_{k+1} depend on the weights w directly, and through s_k:

    de_k/dw = E_k + F_k S_k,    S_{k+1} = ds_{k+1}/dw = B_k + A_k S_k.

Reverse mode over the piece gives E_k, F_k, B_k and A_k. So no derivative is taken through the whole
run. Reverse mode over the whole run would go back from each error to the first step. Forward mode
would follow each weight to the last step (real-time recurrent learning: Williams and Zipser, 1989).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, PyTree

from freerun.network.network import Network
from freerun.network.updates import Array

PieceState = TypeVar("PieceState")
PieceData = TypeVar("PieceData")

CACHE = 2**22
"""Maximum bytes of an array of tangents or cotangents in one pass,
so that it stays in the cache of a CPU."""

FEWEST_TANGENTS = 4
"""Minimum number of tangents or cotangents in one pass, so that a pass is worth its overhead."""


@dataclass(frozen=True)
class Chain(Generic[PieceState, PieceData]):
    """A run as a chain of S pieces. States and data are pytrees,
    whose structure depends on the forcing.

    Attributes:
        first: from a network to the state before the first piece.
        step: from a network, the state before a piece and the data of the
            piece to the state after it and its errors.
        pieces: the data of the pieces, stacked along a leading axis of length S.
    """

    first: Callable[[Network], PieceState]
    step: Callable[[Network, PieceState, PieceData], tuple[PieceState, Array]]
    pieces: PieceData


def by_pieces(
    chain: Chain[PyTree, PyTree], network_of: Callable[[Float[jax.Array, " P"]], Network], theta: Float[jax.Array, " P"]
) -> Float[jax.Array, "S E P"]:
    """Compute the Jacobian of the errors of a chain.

    Args:
        chain: S pieces with E errors each.
        network_of: from weights to the network.
        theta: the P weights.
    """
    start, restore = ravel_pytree(chain.first(network_of(theta)))

    def advance(at: tuple[jax.Array, jax.Array], piece: PyTree) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        before, sensitivity = at

        def run(theta: jax.Array, before: jax.Array) -> jax.Array:
            after, errors = chain.step(network_of(theta), restore(before), piece)
            return jnp.concatenate([ravel_pytree(after)[0], errors.ravel()])

        result, pull = jax.vjp(run, theta, before)
        direct, through_state = jax.vmap(pull)(jnp.eye(result.size, dtype=result.dtype))
        rows = direct + through_state @ sensitivity
        return (result[: start.size].astype(start.dtype), rows[: start.size]), rows[start.size :]

    first = jnp.zeros((0, theta.size), theta.dtype)
    if start.size:
        first = jax.jacrev(lambda theta: ravel_pytree(chain.first(network_of(theta)))[0])(theta)
    return lax.scan(advance, (start, first), chain.pieces)[1]


def by_passes(errors: Callable[[jax.Array], jax.Array], theta: jax.Array, hidden: int) -> Float[jax.Array, "N P"]:
    """Compute the Jacobian of a function by passes through the whole run.

    The mode is forward or reverse, whichever needs fewer passes.
    Each pass takes a few directions together.

    Args:
        errors: from the P weights to N errors.
        theta: the P weights.
        hidden: number of values that a pass stores for each error.
    """
    count = jax.eval_shape(errors, theta).size
    together = max(FEWEST_TANGENTS, CACHE // (theta.dtype.itemsize * count * hidden))
    if theta.size <= count:

        def push(direction: jax.Array) -> jax.Array:
            return jax.jvp(errors, (theta,), (direction,))[1]

        return lax.map(push, jnp.eye(theta.size, dtype=theta.dtype), batch_size=together).T
    _, pull = jax.vjp(errors, theta)
    return lax.map(lambda row: pull(row)[0], jnp.eye(count, dtype=theta.dtype), batch_size=together)
