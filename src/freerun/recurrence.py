"""Driving a network along a series: open loop (by data), forced (by a mixture) and closed loop (by its own output).

This is the one room with a scan, and every loop that is trained through carries its own derivative rule. With the
affine map a_t = h_{t-1} @ W + u_t and an elementwise update after it, all that does not depend on the tangent before,

    b_t = h_{t-1} @ dW + du_t,

is formed for all steps by one matrix product before the loop, and so are the slopes of the update; the loop itself is
left with dh_t = slope_t * (dh_{t-1} @ W + b_t). JAX transposes the rule by itself, so that in reverse mode the
gradient of W is one matrix product after the backward loop instead of a rank-one update in each step. In a forced or
free run the output is fed back through readout and input weights, which are affine too, so it takes the same form.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from freerun.cells import AnyCell, MemorylessCell, PiecewiseLinearCell, RecurrentCell
from freerun.computing import current_device
from freerun.updates import Array, Carry, Update

State = TypeVar("State")
Step = Callable[[State, Array], tuple[State, Array]]
"""Reads one value, shape (D,), and returns the state after it and the estimate of the next value."""

Weights = tuple[Array, Array, Array]
"""Of a cell: recurrent, input and bias."""

TURN = 8
"""Steps in a turn of a loop on a GPU, which takes longer to begin one than to compute a step."""

Maps = Callable[[Array, Array], tuple[Array, Array]]
"""From the hidden state and what is read to the recurrent part of the affine map and the part that drives it."""


@runtime_checkable
class Steps(Protocol):
    """A network that can be run step by step, and linearised along such a run."""

    def step(self, state: Any, value: Array) -> tuple[Any, Array]:
        """Read one value: the state after it, and the estimate of the next value."""
        ...

    def carries_of(self, state: Any) -> Any:
        """What of the state cannot be had from the values read."""
        ...

    def state_after(self, state: Any, carries: Any, read: Array) -> Any:
        """The state after steps that read `read` from `state`, given the carries after each of them."""
        ...

    def linearized(self, tangent: Any, state: Any, carries: Any, values: Array) -> Any:
        """The steps that read `values` from `state` on, linearised, stacked; `carries` are those before each of them.

        `tangent` is the tangent of the weights, whose effect is a part of the result.
        """
        ...

    def linear_step(self, linear: Any, state: Any, value: Array) -> tuple[Any, Array]:
        """One linearised step: the tangents of state and output after it, from those of state and value before it."""
        ...


def open_loop(cell: AnyCell, inputs: Float[Array, "T *S D"], carry: Carry) -> Carry:
    """Drive `cell` by `inputs` from `carry`: along one sequence, or along several side by side.

    Returns:
        The carry after each step, every entry stacked along a leading axis of length T; entry 0 holds the hidden
        states, shape (T, *S, H).

    Raises:
        TypeError: a class of cells that no loop here is made for, whose recurrence would be lost.
    """
    carry = tuple(jnp.broadcast_to(entry, (*inputs.shape[1:-1], entry.shape[-1])) for entry in carry)
    if inputs.ndim == 3 and isinstance(cell, RecurrentCell) and cell.gates > 1:
        weights, elementwise = (cell.recurrent, cell.input, cell.bias), tuple(a[:, None] for a in cell.elementwise)
        columns = inputs.swapaxes(1, 2), tuple(entry.T for entry in carry)
        after = _driven_in_columns(cell.update, cell.additive, elementwise, weights, *columns)
        return tuple(entry.swapaxes(1, 2) for entry in after)
    drive = by_rows(cell.drive, inputs)
    if isinstance(cell, RecurrentCell | PiecewiseLinearCell):
        return _driven(cell.update, cell.additive, cell.elementwise, cell.recurrent, drive, carry)
    if isinstance(cell, MemorylessCell):
        return cell.update(cell.elementwise, carry, jnp.zeros_like(drive), drive)
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


def closed_loop(
    step: Step[State], state: State, value: Float[Array, " D"], steps: int
) -> tuple[Float[Array, "steps D"], State, Float[Array, " D"]]:
    """Run free: every output is the next input.

    Args:
        step: the network, one step at a time.
        state, value: the value of a step, and the state before it.
        steps: number of values to generate.

    Returns:
        The values that follow, and the state and the value from which the run would go on.
    """

    def follow(at: tuple[State, Array], _: None) -> tuple[tuple[State, Array], Array]:
        state, output = step(*at)
        return (state, output), output

    (state, value), values = _loop(follow, (state, value), length=steps)
    return values, state, value


def disturbed_loop(
    step: Step[State],
    state: State,
    value: Float[Array, " D"],
    shocks: Float[Array, "T D"],
    known: Float[Array, "T E"],
) -> Float[Array, "T D"]:
    """Run free, a shock added to every output before it is read, with external inputs beside it."""

    def follow(at: tuple[State, Array], now: tuple[Array, Array]) -> tuple[tuple[State, Array], Array]:
        (state, value), (shock, known) = at, now
        state, output = step(state, jnp.concatenate([value, known]))
        return (state, output + shock), output + shock

    return _loop(follow, (state, value), (shocks, known))[1]


def gappy_loop(
    step: Step[State], state: State, inputs: Float[Array, "T N"], observed: Float[Array, "T D"]
) -> tuple[State, Float[Array, " N"]]:
    """Read data, own output standing in for what is not observed: what is read at the last step, and the state before.

    The first step must be observed, or hold what stands in for it.
    """

    def follow(at: tuple[State, Array], now: tuple[Array, Array]) -> tuple[tuple[State, Array], None]:
        (state, read), (value, there) = at, now
        state, output = step(state, read)
        return (state, mixed(value, output, there)), None

    return _loop(follow, (state, inputs[0]), (inputs[1:], observed[1:]))[0]


def forced_on(
    network: Steps, state: Any, output: Float[Array, " D"], inputs: Float[Array, "T N"], strength: Float[Array, "T S"]
) -> tuple[Float[Array, "T D"], tuple[Any, Float[Array, " D"]]]:
    """The outputs of `forced_loop`, and the state and the output from which it would go on."""
    carries, outputs = forced_loop(network, state, output, inputs, strength)
    read = mixed(inputs, shifted(output, outputs), strength)
    return outputs, (network.state_after(state, carries, read), outputs[-1])


@jax.custom_jvp
def forced_loop(
    network: Steps,
    state: Any,
    output: Float[Array, " D"],
    inputs: Float[Array, "T N"],
    strength: Float[Array, "T S"],
) -> tuple[Any, Float[Array, "T D"]]:
    """Run with each input mixed of data and own output, strength * data + (1 - strength) * output.

    Args:
        network: the network.
        state, output: before the first step, and the output that led to it.
        inputs: the data; columns beyond the D of the output are external inputs, which are always read as they are.
        strength: forcing strength at each step: 1 is the open loop, 0 the closed loop; of each value (S = D) or of
            all of them (S = 1).

    Returns:
        The carries after each step and the output of each step.
    """

    def follow(at: tuple[Any, Array], now: tuple[Array, Array]) -> tuple[tuple[Any, Array], tuple[Any, Array]]:
        (state, output), (value, alpha) = at, now
        state, output = network.step(state, mixed(value, output, alpha))
        return (state, output), (network.carries_of(state), output)

    return _loop(follow, (state, output), (inputs, strength))[1]


@forced_loop.defjvp
def _forced_loop_jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    network, state, output, inputs, strength = primals
    d_network, d_state, d_output, d_inputs, d_strength = tangents
    carries, outputs = after = forced_loop(*primals)
    fed_back = shifted(output, outputs)
    read, known = jax.jvp(
        lambda inputs, strength: mixed(inputs, fed_back, strength), (inputs, strength), (d_inputs, d_strength)
    )
    linear = network.linearized(d_network, state, shifted(network.carries_of(state), carries), read)

    def follow(at: tuple[Any, Array], now: tuple[Any, Array, Array]) -> tuple[tuple[Any, Array], tuple[Any, Array]]:
        (d_state, d_output), (linear, known, alpha) = at, now
        d_state, d_output = network.linear_step(linear, d_state, known + mixed(jnp.zeros_like(known), d_output, alpha))
        return (d_state, d_output), (network.carries_of(d_state), d_output)

    return after, _loop(follow, (d_state, d_output), (linear, known, strength))[1]


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


def _loop(step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, read: Any = None, length: int | None = None) -> Any:
    """A loop over steps, of which a GPU takes several in each turn."""
    return lax.scan(step, carry, read, length, unroll=TURN if current_device().platform == "gpu" else 1)


def _followed(update: Update, elementwise: Any, maps: Maps, carry: Carry, read: Array) -> Carry:
    """The carries after each step, given the two parts of the affine map from hidden state and what is read."""

    def step(before: Carry, now: Array) -> tuple[Carry, Carry]:
        after = update(elementwise, before, *maps(before[0], now))
        return after, after

    return _loop(step, carry, read)[1]


def _followed_with_slopes(update: Update, elementwise: Any, maps: Maps, carry: Carry, read: Array) -> tuple[Carry, Any]:
    """The carries after each step, and the updates linearised there."""

    def step(before: Carry, now: Array) -> tuple[Carry, tuple[Carry, Any]]:
        after, linear = jax.linearize(update, elementwise, before, *maps(before[0], now))
        return after, (after, linear)

    return _loop(step, carry, read)[1]


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

    return _loop(step, d_carry, (linear, outside, d_drive))[1]


def linearized_updates(
    cell: AnyCell, d_cell: AnyCell, before: Carry, maps: tuple[Array, Array], d_maps: tuple[Array, Array]
) -> tuple[Carry, Any, Carry]:
    """The updates of all steps: the carry after each, its slopes, and what the tangent of the weights adds to it."""

    def at_each(before: Carry, maps: tuple[Array, Array], d_maps: tuple[Array, Array]) -> tuple[Carry, Any, Carry]:
        after, linear = jax.linearize(partial(cell.update, cell.elementwise), before, *maps)
        _, known = jax.jvp(
            lambda elementwise, maps: cell.update(elementwise, before, *maps),
            (cell.elementwise, maps),
            (d_elementwise, d_maps),
        )
        return after, linear, known

    _, d_elementwise = jax.jvp(lambda cell: cell.elementwise, (cell,), (d_cell,))
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
