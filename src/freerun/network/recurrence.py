"""Loops over steps, and a cell driven along a series.

Every loop that is trained through carries its own derivative rule. With the affine map a_t = h_{t-1} @ W + u_t and an
elementwise update after it, all that does not depend on the tangent before,

    b_t = h_{t-1} @ dW + du_t,

is formed for all steps by one matrix product before the loop, and so are the slopes of the update; the loop itself is
left with dh_t = slope_t * (dh_{t-1} @ W + b_t). JAX transposes the rule by itself, so that in reverse mode the
gradient of W is one matrix product after the backward loop instead of a rank-one update in each step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from freerun.computing import current_device
from freerun.network.cells import AnyCell, MemorylessCell, PiecewiseLinearCell, RecurrentCell
from freerun.network.jax_cells import drive, elementwise_of, recurrent_of, update_of
from freerun.network.updates import Array, Carry, Update

State = TypeVar("State")

Weights = tuple[Array, Array, Array]
"""Of a cell: recurrent, input and bias."""

TURN = 8
"""Steps in a turn of a loop on a GPU, which takes longer to begin one than to compute a step."""

Maps = Callable[[Array, Array], tuple[Array, Array]]
"""From the hidden state and what is read to the recurrent part of the affine map and the part that drives it."""


def open_loop(cell: AnyCell, inputs: Float[Array, "T *S D"], carry: Carry) -> Carry:
    """Drive `cell` by `inputs` from `carry`: along one sequence, or along several side by side.

    Returns:
        The carry after each step, every entry stacked along a leading axis of length T; entry 0 holds the hidden
        states, shape (T, *S, H).

    Raises:
        TypeError: a class of cells that no loop here is made for, whose recurrence would be lost.
    """
    carry = tuple(jnp.broadcast_to(entry, (*inputs.shape[1:-1], entry.shape[-1])) for entry in carry)
    if isinstance(cell, RecurrentCell) and inputs.ndim == 3 and cell.gates > 1:
        weights = cell.recurrent, cell.input, cell.bias
        elementwise = tuple(a[:, None] for a in elementwise_of(cell))
        columns = inputs.swapaxes(1, 2), tuple(entry.T for entry in carry)
        after = _driven_in_columns(update_of(cell), cell.additive, elementwise, weights, *columns)
        return tuple(entry.swapaxes(1, 2) for entry in after)
    driven = by_rows(lambda rows: drive(cell, rows), inputs)
    if isinstance(cell, RecurrentCell | PiecewiseLinearCell):
        return _driven(update_of(cell), cell.additive, elementwise_of(cell), recurrent_of(cell), driven, carry)
    if isinstance(cell, MemorylessCell):
        return update_of(cell)(elementwise_of(cell), carry, jnp.zeros_like(driven), driven)
    raise TypeError(
        f"{type(cell).__name__} is neither a RecurrentCell nor a MemorylessCell nor a PiecewiseLinearCell; derive it "
        "from one of them, or give it a loop here"
    )


def in_pieces(consume: Callable[[State, Any], State], state: State, arrays: Any, length: int) -> State:
    """Run `consume` over arrays of many steps, piece by piece, so that memory holds one piece at a time.

    Args:
        consume: from a state and a piece to the state after it.
        state: at the beginning.
        arrays: a pytree of arrays whose leading axis is time.
        length: steps of a piece; the last may be shorter.
    """
    steps = jax.tree.leaves(arrays)[0].shape[0]
    whole = steps // length

    def follow(state: State, piece: Any) -> tuple[State, None]:
        return consume(state, piece), None

    if whole:
        pieces = jax.tree.map(lambda a: a[: whole * length].reshape(whole, length, *a.shape[1:]), arrays)
        state, _ = lax.scan(follow, state, pieces)
    return consume(state, jax.tree.map(lambda a: a[whole * length :], arrays)) if steps % length else state


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _driven(update: Update, additive: bool, elementwise: Any, recurrent: Array, drive: Array, carry: Carry) -> Carry:
    del additive
    return _followed(update, elementwise, _maps_of_rows(recurrent), carry, drive)


@_driven.defjvp
def _driven_jvp(
    update: Update, additive: bool, primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[Carry, Carry]:
    elementwise, recurrent, drive, carry = primals
    d_elementwise, d_recurrent, d_drive, d_carry = tangents
    after, linear = _followed_with_slopes(update, elementwise, _maps_of_rows(recurrent), carry, drive)
    d_maps = by_rows(lambda hidden: hidden @ d_recurrent, shifted(carry[0], after[0])), d_drive
    return after, _tangents(linear, d_elementwise, lambda d_hidden: d_hidden @ recurrent, d_carry, d_maps, additive)


def _maps_of_rows(recurrent: Array) -> Maps:
    """The two parts of the affine map, where what is read is what drives the cell."""
    return lambda hidden, u: (hidden @ recurrent, u)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _driven_in_columns(
    update: Update, additive: bool, elementwise: Any, weights: Weights, inputs: Float[Array, "T D S"], carry: Carry
) -> Carry:
    """As `_driven`, of sequences that are columns: carries of shape (H, S), the parts of the affine map (A, S).

    The gates are then whole blocks of memory, and the weights come first in each product, which suits XLA better. The
    inputs go into the loop instead of what they drive, which would be the largest array of all.
    """
    del additive
    return _followed(update, elementwise, _maps_of_columns(*weights), carry, inputs)


@_driven_in_columns.defjvp
def _driven_in_columns_jvp(
    update: Update, additive: bool, primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[Carry, Carry]:
    elementwise, weights, inputs, carry = primals
    d_elementwise, (d_recurrent, d_input, d_bias), d_inputs, d_carry = tangents
    after, linear = _followed_with_slopes(update, elementwise, _maps_of_columns(*weights), carry, inputs)
    with_ones, before = jnp.pad(inputs, [(0, 0), (0, 1), (0, 0)], constant_values=1.0), shifted(carry[0], after[0])
    d_affine, known = jnp.concatenate([d_input, d_bias[None]]), _by_columns(weights[1], d_inputs)
    if additive:  # the gradient of all weights is one product then
        together = jnp.concatenate([d_recurrent, d_affine]), jnp.concatenate([before, with_ones], axis=1)
        d_maps = _by_columns(*together), known
    else:
        d_maps = _by_columns(d_recurrent, before), _by_columns(d_affine, with_ones) + known

    def mix(d_hidden: Array) -> Array:  # no transposed weights, and none in the transpose of it, the loop backwards
        return lax.dot_general(weights[0], d_hidden, (((0,), (0,)), ((), ())))

    return after, _tangents(linear, d_elementwise, mix, d_carry, d_maps, additive)


def _maps_of_columns(recurrent: Array, driven: Array, bias: Array) -> Maps:
    """The two parts of the affine map; the barrier keeps the transpositions out of the loop."""
    of_hidden, of_input = lax.optimization_barrier((recurrent.T, driven.T))
    return lambda hidden, x: (of_hidden @ hidden, of_input @ x + bias[:, None])


def _by_columns(weights: Float[Array, "K L"], columns: Float[Array, "T K S"]) -> Float[Array, "T L S"]:
    """The product of weights with the columns of all steps, as one of two matrices; see `by_rows`."""
    steps, _, several = columns.shape
    products = weights.T @ columns.swapaxes(0, 1).reshape(-1, steps * several)
    return products.reshape(-1, steps, several).swapaxes(0, 1)


def loop(step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, read: Any = None, length: int | None = None) -> Any:
    """A loop over steps, of which a GPU takes several in each turn."""
    return lax.scan(step, carry, read, length, unroll=TURN if current_device().platform == "gpu" else 1)


def _followed(update: Update, elementwise: Any, maps: Maps, carry: Carry, read: Array) -> Carry:
    """The carries after each step, given the two parts of the affine map from hidden state and what is read."""

    def step(before: Carry, now: Array) -> tuple[Carry, Carry]:
        after = update(elementwise, before, *maps(before[0], now))
        return after, after

    return loop(step, carry, read)[1]


def _followed_with_slopes(update: Update, elementwise: Any, maps: Maps, carry: Carry, read: Array) -> tuple[Carry, Any]:
    """The carries after each step, and the updates linearised there."""

    def step(before: Carry, now: Array) -> tuple[Carry, tuple[Carry, Any]]:
        after, linear = jax.linearize(update, elementwise, before, *maps(before[0], now))
        return after, (after, linear)

    return loop(step, carry, read)[1]


def _tangents(
    linear: Any,
    d_elementwise: Any,
    mix: Callable[[Array], Array],
    d_carry: Carry,
    d_maps: tuple[Array, Array],
    additive: bool,
) -> Carry:
    """The tangents of the carries after each step; `d_maps` are those of the maps as far as known before the loop."""
    outside, d_drive = d_maps
    if additive:  # one sum goes into the loop, and in reverse mode its gradient comes out once
        outside, d_drive = outside + d_drive, jnp.zeros_like(d_drive)

    def step(tangent: Carry, now: tuple[Any, Array, Array]) -> tuple[Carry, Carry]:
        linear, b, du = now
        tangent = linear(d_elementwise, tangent, mix(tangent[0]) + b, du)
        return tangent, tangent

    return loop(step, d_carry, (linear, outside, d_drive))[1]


def linearized_updates(
    cell: AnyCell, d_cell: AnyCell, before: Carry, maps: tuple[Array, Array], d_maps: tuple[Array, Array]
) -> tuple[Carry, Any, Carry]:
    """The updates of all steps: the carry after each, its slopes, and what the tangent of the weights adds to it."""

    update, elementwise = update_of(cell), elementwise_of(cell)
    _, d_elementwise = jax.jvp(elementwise_of, (cell,), (d_cell,))

    def at_each(before: Carry, maps: tuple[Array, Array], d_maps: tuple[Array, Array]) -> tuple[Carry, Any, Carry]:
        after, linear = jax.linearize(partial(update, elementwise), before, *maps)
        _, known = jax.jvp(
            lambda elementwise, maps: update(elementwise, before, *maps), (elementwise, maps), (d_elementwise, d_maps)
        )
        return after, linear, known

    return jax.vmap(at_each)(before, maps, d_maps)


def by_rows(product: Callable[[Array], Array], array: Float[Array, "*T K"]) -> Float[Array, "*T L"]:
    """A product along the last axis, as one of two matrices: XLA is slow at the gradient of one over several axes."""
    if array.ndim <= 2:
        return product(array)
    return product(array.reshape(-1, array.shape[-1])).reshape(*array.shape[:-1], -1)


def cut(array: Float[Array, "T D"], length: int) -> Float[Array, "K L D"]:
    """An array in pieces of equal length, the last filled up with zeros."""
    missing = -len(array) % length
    return jnp.pad(array, [(0, missing), (0, 0)]).reshape(-1, length, array.shape[1])


def mixed(data: Float[Array, "*T N"], output: Float[Array, "*T D"], alpha: Float[Array, "*T S"]) -> Array:
    """alpha * data + (1 - alpha) * output, and the columns of the data beyond those of the output as they are."""
    channels = output.shape[-1]
    values = alpha * data[..., :channels] + (1.0 - alpha) * output
    return values if data.shape[-1] == channels else jnp.concatenate([values, data[..., channels:]], axis=-1)


def shifted(first: Any, rest: Any) -> Any:
    """What was there before each step, from what was there at first and after each step."""
    return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest[:-1]]), first, rest)
