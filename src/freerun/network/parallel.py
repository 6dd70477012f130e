"""Parallel in time: the pieces of a long run side by side, for devices that are slow at one step and fast at many.

A run is cut into K pieces. The states s_1, ..., s_K before them, with s_{k+1} = f(s_k, x_k) for a whole piece f, are
the root of one system of equations (multiple shooting: Bellen and Zennaro, 1989; with pieces of one step: Lim, Zhu,
Selfridge and Kasim, 2024). Newton's method on it runs all pieces side by side from the states so far, with their
derivatives J_k, and then solves a linear recurrence,

    d_{k+1} = d_k @ J_k + r_k,    r_k = f(s_k, x_k) - s_{k+1},

whose solution adds to the states. Affine maps compose, so log K rounds of products solve it. The derivatives of the
states solve the same recurrence once, with another r; in reverse mode it runs backwards.

That takes few iterations where a network forgets its state, as networks do that read data, or their own output mixed
with enough of it (generalized forcing; why, see Gonzalez, Kozachkov, Zoltowski, Clarkson and Linderman, 2025). Where it
does not converge, the pieces are run one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from freerun.network import recurrence
from freerun.network.cells import AnyCell, MemorylessCell
from freerun.network.recurrence import cut, shifted
from freerun.network.updates import Array, Carry

Run = Callable[[Any, Any, Any], Any]
"""From weights, the state before a piece and what is read in it to the state after it."""

PIECE = 32
"""Steps of a piece."""

MOST_ITERATIONS = 20
"""Of Newton's method, before the pieces are run one after the other."""


def open_loop(cell: AnyCell, inputs: Float[Array, "T *S D"], carry: Carry) -> Carry:
    """What `recurrence.open_loop` gives."""
    if isinstance(cell, MemorylessCell):
        return recurrence.open_loop(cell, inputs, carry)
    if inputs.ndim == 3:
        carry = tuple(jnp.broadcast_to(entry, (inputs.shape[1], entry.shape[-1])) for entry in carry)
        return jax.vmap(partial(open_loop, cell), in_axes=(1, 0), out_axes=1)(inputs, carry)

    def run(cell: AnyCell, carry: Carry, piece: Array) -> Carry:
        return tuple(entry[-1] for entry in recurrence.open_loop(cell, piece, carry))

    pieces = cut(inputs, PIECE)
    begun = starts(run, cell, carry, pieces)
    return jax.tree.map(partial(joined, len(inputs)), recurrence.open_loop(cell, pieces.swapaxes(0, 1), begun))


def joined(steps: int, along: Float[Array, "L K D"]) -> Float[Array, "T D"]:
    """The steps of pieces that were run side by side, in their order."""
    return along.swapaxes(0, 1).reshape(-1, along.shape[-1])[:steps]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def starts(run: Run, weights: Any, first: Any, read: Any) -> Any:
    """The states before K pieces, s_1 = first and s_{k+1} = run(weights, s_k, x_k), stacked along a leading axis.

    They are those of a loop to rounding: an iteration squares the error, and the last one changes no number by more
    than a tenth of the square root of the precision.

    Args:
        run: what happens in a piece.
        weights: a pytree.
        first: a pytree of floating numbers of one type.
        read: what is read in each piece, a pytree whose arrays have a leading axis of length K.
    """
    begin, restore = ravel_pytree(first)
    guess = jnp.broadcast_to(begin, (jax.tree.leaves(read)[0].shape[0], begin.size))

    def iterate(at: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        states, _, count = at
        ends, slopes = _linearized(run, weights, restore, states, read)
        change = linear_recurrence(slopes, shifted(begin, ends) - states)
        return states + change, jnp.abs(change).max(), count + 1

    def goes_on(at: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        _, largest, count = at
        return (largest > enough) & (largest < jnp.inf) & (count < MOST_ITERATIONS)

    def one_by_one(_: Any) -> tuple[jax.Array, jax.Array]:
        def follow(state: jax.Array, piece: Any) -> tuple[jax.Array, jax.Array]:
            return ravel_pytree(run(weights, restore(state), piece))[0], state

        return lax.scan(follow, begin, read)[1], jnp.zeros_like(enough)

    enough = 0.1 * jnp.sqrt(jnp.finfo(begin.dtype).eps).astype(begin.dtype)
    begun = guess, jnp.full_like(enough, jnp.finfo(begin.dtype).max), jnp.asarray(0)
    states, largest, _ = lax.while_loop(goes_on, iterate, begun)
    # a loop and no condition: of several networks side by side it is entered only if one of them needs it
    states, _ = lax.while_loop(lambda at: ~(at[1] <= enough), one_by_one, (states, largest))
    return jax.vmap(restore)(states)


@starts.defjvp
def _starts_jvp(run: Run, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    weights, first, read = primals
    d_weights, d_first, d_read = tangents
    states = starts(run, *primals)
    _, restore = ravel_pytree(first)

    def known(state: Any, piece: Any, d_piece: Any) -> jax.Array:
        _, end = jax.jvp(lambda weights, piece: run(weights, state, piece), (weights, piece), (d_weights, d_piece))
        return ravel_pytree(end)[0]

    flat = jax.vmap(lambda state: ravel_pytree(state)[0])(states)
    _, slopes = _linearized(run, weights, restore, flat, read)
    ends = jax.vmap(known)(states, read, d_read)
    return states, jax.vmap(restore)(linear_recurrence(slopes, shifted(ravel_pytree(d_first)[0], ends)))


def linear_recurrence(slopes: Float[jax.Array, "K n n"], known: Float[jax.Array, "K n"]) -> Float[jax.Array, "K n"]:
    """The solution of d_1 = known_1, d_{k+1} = d_k @ slopes_k + known_{k+1}; the transpose of it runs backwards."""

    def left_over(d: jax.Array) -> jax.Array:
        return d - shifted(jnp.zeros_like(d[0]), jnp.einsum("ki,kij->kj", d, slopes))

    def forwards(_: Any, known: jax.Array) -> jax.Array:
        return _composed(shifted(jnp.zeros_like(slopes[0]), slopes), known)

    def backwards(_: Any, known: jax.Array) -> jax.Array:
        return _composed(slopes.at[-1].set(0.0)[::-1].swapaxes(1, 2), known[::-1])[::-1]

    return lax.custom_linear_solve(left_over, known, forwards, backwards)


def _composed(slopes: Float[jax.Array, "K n n"], known: Float[jax.Array, "K n"]) -> Float[jax.Array, "K n"]:
    """The values after each of the affine maps d -> d @ slopes_k + known_k, one after the other from zero."""

    def then(one: tuple[jax.Array, jax.Array], after: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        (a, b), (c, d) = one, after
        return a @ c, jnp.einsum("...i,...ij->...j", b, c) + d

    return lax.associative_scan(then, (slopes, known))[1]


def _linearized(
    run: Run, weights: Any, restore: Callable[[jax.Array], Any], states: Float[jax.Array, "K n"], read: Any
) -> tuple[Float[jax.Array, "K n"], Float[jax.Array, "K n n"]]:
    """The states after all pieces, and row by row their derivatives with respect to each entry of those before."""

    def piece(state: jax.Array, read: Any) -> tuple[jax.Array, jax.Array]:
        end, push = jax.linearize(lambda state: ravel_pytree(run(weights, restore(state), read))[0], state)
        return end, jax.vmap(push)(jnp.eye(state.size, dtype=state.dtype))

    return jax.vmap(piece)(states, read)
