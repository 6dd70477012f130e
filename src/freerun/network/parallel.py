"""Parallel in time: a long run as pieces that are computed in parallel, for GPUs.

A run is cut into K pieces. A piece maps the state before it, s_k, and its inputs x_k to the next
state: s_{k+1} = f(s_k, x_k). These K equations determine the states s_1, ..., s_K. This is multiple
shooting (Bellen and Zennaro, 1989); Lim, Zhu, Selfridge and Kasim (2024) use pieces of one step.
Newton's method solves the equations. An iteration runs all pieces in parallel from the current
states, with their Jacobians J_k. It then solves the linear recurrence

    d_{k+1} = d_k @ J_k + r_k,    r_k = f(s_k, x_k) - s_{k+1},

and adds d_k to s_k. A composition of affine maps is affine, so a parallel scan solves the
recurrence in log K rounds. The derivatives of the states solve the same recurrence with another r.
In reverse mode it runs backward.

Few iterations suffice if the network forgets its state (Gonzalez, Kozachkov, Zoltowski, Clarkson
and Linderman, 2025). Networks do so that read data, or mixtures with enough data in them. If the
iteration does not converge, the pieces run one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, PyTree

from freerun.network import recurrence
from freerun.network.cells import AnyCell
from freerun.network.recurrence import cut, shift
from freerun.network.updates import Array, Carry

Run = Callable[[PyTree, PyTree, PyTree], PyTree]
"""Computes the state after a piece from the weights, the state before it and its inputs."""

PIECE = 32
"""Number of steps of a piece."""

MOST_ITERATIONS = 20
"""Most iterations of Newton's method; if it has not converged then,
the pieces run one after the other."""


def open_loop(cell: AnyCell, inputs: Float[Array, "T *S D"], carry: Carry) -> Carry:
    """Run a cell along one sequence or a batch, parallel in time;
    arguments and result as in `recurrence.open_loop`."""
    if cell.memoryless:
        return recurrence.open_loop(cell, inputs, carry)
    if inputs.ndim == 3:
        carry = tuple(jnp.broadcast_to(entry, (inputs.shape[1], entry.shape[-1])) for entry in carry)
        return jax.vmap(partial(open_loop, cell), in_axes=(1, 0), out_axes=1)(inputs, carry)

    def run(cell: AnyCell, carry: Carry, piece: Array) -> Carry:
        return tuple(entry[-1] for entry in recurrence.open_loop(cell, piece, carry))

    pieces = cut(inputs, PIECE)
    begun = solve_starts(run, cell, carry, pieces)
    return jax.tree.map(partial(join_pieces, len(inputs)), recurrence.open_loop(cell, pieces.swapaxes(0, 1), begun))


def join_pieces(steps: int, along: Float[Array, "L K D"]) -> Float[Array, "T D"]:
    """Join K pieces of L steps to one sequence of `steps` steps,
    without the padding of the last piece."""
    return along.swapaxes(0, 1).reshape(-1, along.shape[-1])[:steps]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def solve_starts(run: Run, weights: PyTree, first: PyTree, read: PyTree) -> PyTree:
    """Compute the states before K pieces: s_1 = first, s_{k+1} = run(weights, s_k, x_k).

    The result equals that of a loop up to rounding. Newton's method stops when
    no number changes by more than a tenth of the square root of the machine
    epsilon, and each iteration squares the error.

    Args:
        run: computes the state after a piece.
        weights: the weights, a pytree.
        first: the state before the first piece, a pytree of floating-point numbers of one type.
        read: the inputs of the pieces, a pytree whose arrays have a leading axis of length K.

    Returns:
        The states, stacked along a leading axis of length K.
    """
    begin, restore = ravel_pytree(first)
    guess = jnp.broadcast_to(begin, (jax.tree.leaves(read)[0].shape[0], begin.size))

    def iterate(at: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        states, _, count = at
        ends, slopes = _linearize_pieces(run, weights, restore, states, read)
        change = solve_recurrence(slopes, shift(begin, ends) - states)
        return states + change, jnp.abs(change).max(), count + 1

    def not_converged(at: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        _, largest, count = at
        return (largest > tolerance) & (largest < jnp.inf) & (count < MOST_ITERATIONS)

    def run_in_turn(_: PyTree) -> tuple[jax.Array, jax.Array]:
        def follow(state: jax.Array, piece: PyTree) -> tuple[jax.Array, jax.Array]:
            return ravel_pytree(run(weights, restore(state), piece))[0], state

        return lax.scan(follow, begin, read)[1], jnp.zeros_like(tolerance)

    tolerance = 0.1 * jnp.sqrt(jnp.finfo(begin.dtype).eps).astype(begin.dtype)
    begun = guess, jnp.full_like(tolerance, jnp.finfo(begin.dtype).max), jnp.asarray(0)
    states, largest, _ = lax.while_loop(not_converged, iterate, begun)
    # A loop, since under vmap a condition would always compute both branches.
    states, _ = lax.while_loop(lambda at: ~(at[1] <= tolerance), run_in_turn, (states, largest))
    return jax.vmap(restore)(states)


@solve_starts.defjvp
def _starts_jvp(run: Run, primals: tuple[PyTree, ...], tangents: tuple[PyTree, ...]) -> tuple[PyTree, PyTree]:
    """The derivative of `solve_starts`.

    Differentiating s_{k+1} = f(weights, s_k, x_k) gives the recurrence ds_{k+1} = ds_k @ J_k + c_k
    with ds_1 = dfirst. Here c_k is the tangent of f at a fixed state s_k, from the tangents of the
    weights and the inputs.
    """
    weights, first, read = primals
    d_weights, d_first, d_read = tangents
    states = solve_starts(run, *primals)
    _, restore = ravel_pytree(first)

    def known(state: PyTree, piece: PyTree, d_piece: PyTree) -> jax.Array:
        _, end = jax.jvp(lambda weights, piece: run(weights, state, piece), (weights, piece), (d_weights, d_piece))
        return ravel_pytree(end)[0]

    flat = jax.vmap(lambda state: ravel_pytree(state)[0])(states)
    _, slopes = _linearize_pieces(run, weights, restore, flat, read)
    ends = jax.vmap(known)(states, read, d_read)
    return states, jax.vmap(restore)(solve_recurrence(slopes, shift(ravel_pytree(d_first)[0], ends)))


def solve_recurrence(slopes: Float[jax.Array, "K n n"], known: Float[jax.Array, "K n"]) -> Float[jax.Array, "K n"]:
    """Solve d_1 = known_1, d_{k+1} = d_k @ slopes_k + known_{k+1} by a parallel scan.

    The last entry of `slopes` has no effect. The transpose is the adjoint recurrence
    e_K = known_K, e_k = e_{k+1} @ slopes_k^T + known_k, which reverse mode solves.
    """

    def residual(d: jax.Array) -> jax.Array:
        return d - shift(jnp.zeros_like(d[0]), jnp.einsum("ki,kij->kj", d, slopes))

    def solve_forward(_: PyTree, known: jax.Array) -> jax.Array:
        return _compose(shift(jnp.zeros_like(slopes[0]), slopes), known)

    def solve_backward(_: PyTree, known: jax.Array) -> jax.Array:
        return _compose(slopes.at[-1].set(0.0)[::-1].swapaxes(1, 2), known[::-1])[::-1]

    return lax.custom_linear_solve(residual, known, solve_forward, solve_backward)


def _compose(slopes: Float[jax.Array, "K n n"], known: Float[jax.Array, "K n"]) -> Float[jax.Array, "K n"]:
    """Apply the affine maps d -> d @ slopes_k + known_k one after the other, from zero;
    return all K values."""

    def then(one: tuple[jax.Array, jax.Array], after: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        (a, b), (c, d) = one, after
        return a @ c, jnp.einsum("...i,...ij->...j", b, c) + d

    return lax.associative_scan(then, (slopes, known))[1]


def _linearize_pieces(
    run: Run, weights: PyTree, restore: Callable[[jax.Array], PyTree], states: Float[jax.Array, "K n"], read: PyTree
) -> tuple[Float[jax.Array, "K n"], Float[jax.Array, "K n n"]]:
    """The states after all pieces, and their Jacobians J_k: entry (i,
    j) is the derivative of s'_j by s_i."""

    def piece(state: jax.Array, read: PyTree) -> tuple[jax.Array, jax.Array]:
        end, push = jax.linearize(lambda state: ravel_pytree(run(weights, restore(state), read))[0], state)
        return end, jax.vmap(push)(jnp.eye(state.size, dtype=state.dtype))

    return jax.vmap(piece)(states, read)
