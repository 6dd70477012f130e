"""Driving a network along a series: open loop (by data), forced (by a mixture) and closed loop (by its own output).

This is the one room with a scan. The open loop carries its own derivative rule: with the affine map
a_t = h_{t-1} @ W + u_t, everything in da_t that does not depend on the previous tangent,

    b_t = h_{t-1} @ dW + du_t,

is formed for all steps by one matrix product before the loop, and the loop itself is left with
da_t = dh_{t-1} @ W + b_t. JAX transposes the rule by itself, so that in reverse mode the gradient of W is one
matrix product after the backward loop instead of a rank-one update in each step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from freerun.cells import AnyCell, Array, Carry, PiecewiseLinearCell, RecurrentCell, Update

State = TypeVar("State")
Step = Callable[[State, Array], tuple[State, Array]]
"""Reads one value, shape (D,), and returns the state after it and the estimate of the next value."""


def open_loop(cell: AnyCell, inputs: Float[Array, "T D"], carry: Carry) -> Carry:
    """Drive `cell` by `inputs` from `carry`.

    Returns:
        The carry after each step, every entry stacked along a leading axis of length T; entry 0 holds the hidden
        states, shape (T, H).
    """
    drive = cell.drive(inputs)
    if isinstance(cell, RecurrentCell | PiecewiseLinearCell):
        return _driven(cell.update, cell.elementwise, cell.recurrent, drive, carry)
    return cell.update(cell.elementwise, carry, jnp.zeros_like(drive), drive)


def closed_loop(
    step: Step[State], state: State, value: Float[Array, " D"], steps: int
) -> tuple[Float[Array, "steps D"], State, Float[Array, " D"]]:
    """Run free: every output is the next input.

    Args:
        step: the network, one step at a time.
        state: after the step whose output is `value`.
        value: the first generated value, already known from the open loop.
        steps: number of values to generate, `value` included.

    Returns:
        The generated values, and the state and the value from which the run would go on.
    """

    def follow(at: tuple[State, Array], _: None) -> tuple[tuple[State, Array], Array]:
        return step(*at), at[1]

    (state, value), values = lax.scan(follow, (state, value), length=steps)
    return values, state, value


def forced_loop(
    step: Step[State],
    state: State,
    output: Float[Array, " D"],
    inputs: Float[Array, "T D"],
    strength: Float[Array, " T"],
) -> Float[Array, "T D"]:
    """Run with each input mixed of data and own output, strength * data + (1 - strength) * output.

    Args:
        step: the network, one step at a time.
        state, output: before the first step, and the output that led to it.
        inputs: the data.
        strength: forcing strength at each step: 1 is the open loop, 0 the closed loop.

    Returns:
        The output of each step.
    """

    def follow(at: tuple[State, Array], now: tuple[Array, Array]) -> tuple[tuple[State, Array], Array]:
        (state, output), (value, alpha) = at, now
        after = step(state, alpha * value + (1.0 - alpha) * output)
        return after, after[1]

    return lax.scan(follow, (state, output), (inputs, strength))[1]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _driven(update: Update, elementwise: Any, recurrent: Array, drive: Array, carry: Carry) -> Carry:
    def step(before: Carry, u: Array) -> tuple[Carry, Carry]:
        after = update(elementwise, before, before[0] @ recurrent, u)
        return after, after

    return lax.scan(step, carry, drive)[1]


@_driven.defjvp
def _driven_jvp(update: Update, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Carry, Carry]:
    elementwise, recurrent, drive, carry = primals
    d_elementwise, d_recurrent, d_drive, d_carry = tangents
    after = _driven(update, *primals)
    before = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest[:-1]]), carry, after)
    affine = before[0] @ recurrent
    outside = before[0] @ d_recurrent

    def step(tangent: Carry, at: tuple[Carry, Array, Array, Array, Array]) -> tuple[Carry, Carry]:
        state, a, u, b, du = at
        _, tangent = jax.jvp(
            update, (elementwise, state, a, u), (d_elementwise, tangent, tangent[0] @ recurrent + b, du)
        )
        return tangent, tangent

    return after, lax.scan(step, d_carry, (before, affine, drive, outside, d_drive))[1]
