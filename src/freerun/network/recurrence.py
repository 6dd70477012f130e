"""Loops over time steps, and cells that run along a sequence.

Each loop that training differentiates has a derivative rule of its own. A cell computes h_t =
f(a_t) with the affine map a_t = h_{t-1} @ W + u_t. The tangent of h_t is

    dh_t = f'(a_t) * (dh_{t-1} @ W + b_t),    b_t = h_{t-1} @ dW + du_t.

The terms b_t do not depend on the tangent of the step before. One matrix product computes all of
them before the loop. JAX transposes this rule for reverse mode. The gradient of W is then one
matrix product after the backward loop, instead of a rank-one update in each step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float, PyTree

from freerun.compute.programs import current_device
from freerun.network.cells import AnyCell, RecurrentCell
from freerun.network.jax_cells import drive, elementwise_of, recurrent_of, update_of
from freerun.network.updates import Array, Carry, Elementwise, Update

State = TypeVar("State")

Weights = tuple[Array, Array, Array]
"""The recurrent weights, the input weights and the bias of a cell."""

UNROLL = 8
"""Steps per iteration of a loop on a GPU, where an iteration takes longer
to start than a step takes to compute."""

Maps = Callable[[Array, Array], tuple[Array, Array]]
"""Computes the two parts of the affine map, h_{t-1} @ W and u_t,
from the hidden state and the input of a step."""


def open_loop(cell: AnyCell, inputs: Float[Array, "T *S D"], carry: Carry) -> Carry:
    """Run a cell along one sequence, or along a batch of S sequences.

    Args:
        cell: the cell, with D inputs and H hidden units.
        inputs: shape (T, D), or (T, S, D) for a batch.
        carry: the carry before the first step. Each entry has shape (H,), or (S, H).

    Returns:
        The carry after each step. Each entry has a leading axis of length T.
        Entry 0 holds the hidden states, shape (T, *S, H).

    Raises:
        TypeError: JAX has no rule for this class of cells.
    """
    carry = tuple(jnp.broadcast_to(entry, (*inputs.shape[1:-1], entry.shape[-1])) for entry in carry)
    if isinstance(cell, RecurrentCell) and inputs.ndim == 3 and cell.gates > 1:
        weights = cell.recurrent, cell.input, cell.bias
        elementwise = tuple(a[:, None] for a in elementwise_of(cell))
        columns = inputs.swapaxes(1, 2), tuple(entry.T for entry in carry)
        after = _run_columns(update_of(cell), cell.additive, elementwise, weights, *columns)
        return tuple(entry.swapaxes(1, 2) for entry in after)
    driven = multiply_rows(lambda rows: drive(cell, rows), inputs)
    if cell.memoryless:
        return update_of(cell)(elementwise_of(cell), carry, jnp.zeros_like(driven), driven)
    return _run_rows(update_of(cell), cell.additive, elementwise_of(cell), recurrent_of(cell), driven, carry)


def in_pieces(consume: Callable[[State, PyTree], State], state: State, arrays: PyTree, length: int) -> State:
    """Fold `consume` over consecutive pieces of arrays.
    Memory holds the intermediate values of one piece at a time.

    Args:
        consume: returns the state after a piece, given the state before it and the piece.
        state: the state before the first piece.
        arrays: a pytree of arrays whose leading axis is time.
        length: number of steps of a piece. The last piece may be shorter.

    Returns:
        The state after the last piece.
    """
    steps = jax.tree.leaves(arrays)[0].shape[0]
    whole = steps // length

    def follow(state: State, piece: PyTree) -> tuple[State, None]:
        return consume(state, piece), None

    if whole:
        pieces = jax.tree.map(lambda a: a[: whole * length].reshape(whole, length, *a.shape[1:]), arrays)
        state, _ = lax.scan(follow, state, pieces)
    return consume(state, jax.tree.map(lambda a: a[whole * length :], arrays)) if steps % length else state


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _run_rows(
    update: Update, additive: bool, elementwise: Elementwise, recurrent: Array, drive: Array, carry: Carry
) -> Carry:
    """Run a cell along sequences whose drive is computed already.

    Args:
        update: the elementwise update.
        additive: whether the update depends on the sum of the two parts of the affine map alone.
        elementwise: parameters of the update.
        recurrent: W, shape (H, A).
        drive: u_t for all steps, shape (T, *S, A).
        carry: the carry before the first step.

    Returns:
        The carry after each step, stacked.
    """
    del additive
    return _scan_updates(update, elementwise, _maps_of_rows(recurrent), carry, drive)


@_run_rows.defjvp
def _run_rows_jvp(
    update: Update, additive: bool, primals: tuple[PyTree, ...], tangents: tuple[PyTree, ...]
) -> tuple[Carry, Carry]:
    """The derivative of `_run_rows`: dh_t = f'(a_t) * (dh_{t-1} @ W + b_t),
    b_t = h_{t-1} @ dW + du_t.

    The first loop runs the cell and keeps the slopes f'(a_t). One matrix product then gives b_t for
    all steps. The second loop computes the tangents.
    """
    elementwise, recurrent, drive, carry = primals
    d_elementwise, d_recurrent, d_drive, d_carry = tangents
    after, linear = _scan_linearized(update, elementwise, _maps_of_rows(recurrent), carry, drive)
    d_maps = multiply_rows(lambda hidden: hidden @ d_recurrent, shift(carry[0], after[0])), d_drive
    return after, _scan_tangents(
        linear, d_elementwise, lambda d_hidden: d_hidden @ recurrent, d_carry, d_maps, additive
    )


def _maps_of_rows(recurrent: Array) -> Maps:
    """The two parts of the affine map for sequences that are rows.
    The input of a step is its drive u_t."""
    return lambda hidden, u: (hidden @ recurrent, u)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _run_columns(
    update: Update,
    additive: bool,
    elementwise: Elementwise,
    weights: Weights,
    inputs: Float[Array, "T D S"],
    carry: Carry,
) -> Carry:
    """Run a gated cell along a batch of S sequences that are the columns of its arrays.

    Each gate is then a contiguous block of memory, and the weights are the left factor of each
    product. XLA compiles this layout to faster code. The loop reads the inputs and not their drive,
    which would be the largest array.

    Args:
        update, additive: see `_run_rows`.
        elementwise: parameters of the update, each of shape (H, 1).
        weights: recurrent, shape (H, A); input, shape (D, A); bias, shape (A,).
        inputs: shape (T, D, S).
        carry: the carry before the first step. Each entry has shape (H, S).

    Returns:
        The carry after each step. Each entry has shape (T, H, S).
    """
    del additive
    return _scan_updates(update, elementwise, _maps_of_columns(*weights), carry, inputs)


@_run_columns.defjvp
def _run_columns_jvp(
    update: Update, additive: bool, primals: tuple[PyTree, ...], tangents: tuple[PyTree, ...]
) -> tuple[Carry, Carry]:
    """The derivative of `_run_columns`; the rule is that of `_run_rows`, transposed.

    With the input weights V and the bias c, the drive is u_t = V^T x_t + c, and its tangent is du_t
    = dV^T x_t + dc + V^T dx_t. The bias is the weight of an input that is always 1. If the update
    is additive, b_t = dW^T h_{t-1} + dV^T x_t + dc is a single matrix product, and so is the
    gradient of all weights.
    """
    elementwise, weights, inputs, carry = primals
    d_elementwise, (d_recurrent, d_input, d_bias), d_inputs, d_carry = tangents
    after, linear = _scan_linearized(update, elementwise, _maps_of_columns(*weights), carry, inputs)
    with_ones, before = jnp.pad(inputs, [(0, 0), (0, 1), (0, 0)], constant_values=1.0), shift(carry[0], after[0])
    d_affine, known = jnp.concatenate([d_input, d_bias[None]]), _by_columns(weights[1], d_inputs)
    if additive:
        together = jnp.concatenate([d_recurrent, d_affine]), jnp.concatenate([before, with_ones], axis=1)
        d_maps = _by_columns(*together), known
    else:
        d_maps = _by_columns(d_recurrent, before), _by_columns(d_affine, with_ones) + known

    def mix(d_hidden: Array) -> Array:  # a contraction, so that neither loop, forward or backward, transposes weights
        return lax.dot_general(weights[0], d_hidden, (((0,), (0,)), ((), ())))

    return after, _scan_tangents(linear, d_elementwise, mix, d_carry, d_maps, additive)


def _maps_of_columns(recurrent: Array, driven: Array, bias: Array) -> Maps:
    """The two parts of the affine map for sequences that are columns.
    The barrier keeps transpositions out of loops."""
    recurrent_t, input_t = lax.optimization_barrier((recurrent.T, driven.T))
    return lambda hidden, x: (recurrent_t @ hidden, input_t @ x + bias[:, None])


def _by_columns(weights: Float[Array, "K L"], columns: Float[Array, "T K S"]) -> Float[Array, "T L S"]:
    """Multiply the columns of all steps by weights, weights^T @ columns_t,
    as one product of two matrices."""
    steps, _, several = columns.shape
    products = weights.T @ columns.swapaxes(0, 1).reshape(-1, steps * several)
    return products.reshape(-1, steps, several).swapaxes(0, 1)


def loop(
    step: Callable[[PyTree, PyTree], tuple[PyTree, PyTree]],
    carry: PyTree,
    read: PyTree = None,
    length: int | None = None,
) -> PyTree:
    """`lax.scan` over steps; on a GPU, each iteration has `UNROLL` steps."""
    return lax.scan(step, carry, read, length, unroll=UNROLL if current_device().platform == "gpu" else 1)


def _scan_updates(update: Update, elementwise: Elementwise, maps: Maps, carry: Carry, read: Array) -> Carry:
    """The carry after each step, stacked. `maps` gives the affine map,
    and `read` holds the inputs of all steps."""

    def step(before: Carry, now: Array) -> tuple[Carry, Carry]:
        after = update(elementwise, before, *maps(before[0], now))
        return after, after

    return loop(step, carry, read)[1]


def _scan_linearized(
    update: Update, elementwise: Elementwise, maps: Maps, carry: Carry, read: Array
) -> tuple[Carry, PyTree]:
    """The carry after each step, and the linearization of each update, both stacked."""

    def step(before: Carry, now: Array) -> tuple[Carry, tuple[Carry, PyTree]]:
        after, linear = jax.linearize(update, elementwise, before, *maps(before[0], now))
        return after, (after, linear)

    return loop(step, carry, read)[1]


def _scan_tangents(
    linear: PyTree,
    d_elementwise: Elementwise,
    mix: Callable[[Array], Array],
    d_carry: Carry,
    d_maps: tuple[Array, Array],
    additive: bool,
) -> Carry:
    """The tangents of the carries after each step, stacked.

    Args:
        linear: the linearizations of the updates, stacked.
        d_elementwise: tangents of the parameters of the update.
        mix: multiplies the tangent of a hidden state by the recurrent weights.
        d_carry: tangent of the carry before the first step.
        d_maps: the terms of the tangents of the affine map that are known before the loop:
            h_{t-1} @ dW and du_t.
        additive: whether the two terms may be added before the loop.
    """
    outside, d_drive = d_maps
    if additive:  # the loop then reads one array, and the backward loop writes one
        outside, d_drive = outside + d_drive, jnp.zeros_like(d_drive)

    def step(tangent: Carry, now: tuple[PyTree, Array, Array]) -> tuple[Carry, Carry]:
        linear, b, du = now
        tangent = linear(d_elementwise, tangent, mix(tangent[0]) + b, du)
        return tangent, tangent

    return loop(step, d_carry, (linear, outside, d_drive))[1]


def linearize_updates(
    cell: AnyCell, d_cell: AnyCell, before: Carry, maps: tuple[Array, Array], d_maps: tuple[Array, Array]
) -> tuple[Carry, PyTree, Carry]:
    """Linearize the updates of all steps.

    Args:
        cell: the cell.
        d_cell: tangent of its weights.
        before: the carry before each step, stacked.
        maps: the two parts of the affine map at each step, stacked.
        d_maps: their tangents, for carries and inputs that are held fixed.

    Returns:
        after: the carry after each step.
        linear: the linearization of each update in the carry and the affine map.
        known: the tangent of each carry that comes from the tangent of the weights.
    """

    update, elementwise = update_of(cell), elementwise_of(cell)
    _, d_elementwise = jax.jvp(elementwise_of, (cell,), (d_cell,))

    def at_each(before: Carry, maps: tuple[Array, Array], d_maps: tuple[Array, Array]) -> tuple[Carry, PyTree, Carry]:
        after, linear = jax.linearize(partial(update, elementwise), before, *maps)
        _, known = jax.jvp(
            lambda elementwise, maps: update(elementwise, before, *maps), (elementwise, maps), (d_elementwise, d_maps)
        )
        return after, linear, known

    return jax.vmap(at_each)(before, maps, d_maps)


def multiply_rows(product: Callable[[Array], Array], array: Float[Array, "*T K"]) -> Float[Array, "*T L"]:
    """Apply a matrix product to the last axis of an array, with all leading axes merged.

    XLA computes the gradient of a product over several leading axes slowly.
    """
    if array.ndim <= 2:
        return product(array)
    return product(array.reshape(-1, array.shape[-1])).reshape(*array.shape[:-1], -1)


def cut(array: Float[Array, "T D"], length: int) -> Float[Array, "K L D"]:
    """Cut an array into K pieces of `length` steps. The last piece is padded with zeros."""
    missing = -len(array) % length
    return jnp.pad(array, [(0, missing), (0, 0)]).reshape(-1, length, array.shape[1])


def mix_inputs(data: Float[Array, "*T N"], output: Float[Array, "*T D"], alpha: Float[Array, "*T S"]) -> Array:
    """The forced input alpha * data + (1 - alpha) * output.

    Args:
        data: the first D columns are mixed with the output.
            The others are external inputs and stay as they are.
        output: the output of the network.
        alpha: forcing strength, of each channel (S = D) or of all channels (S = 1).

    Returns:
        Shape (*T, N).
    """
    channels = output.shape[-1]
    values = alpha * data[..., :channels] + (1.0 - alpha) * output
    return values if data.shape[-1] == channels else jnp.concatenate([values, data[..., channels:]], axis=-1)


def shift(first: PyTree, rest: PyTree) -> PyTree:
    """The values before each step: `first`, then those after each step but the last.
    Both arguments are pytrees."""
    return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest[:-1]]), first, rest)
