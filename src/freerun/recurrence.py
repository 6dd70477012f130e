"""Driving a cell along a series: open loop (by data) and closed loop (by its own output).

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
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from freerun.cells import Array, Carry, SimpleCell, Update


def open_loop(cell: SimpleCell, inputs: Float[Array, "T D"], carry: Carry) -> Carry:
    """Drive `cell` by `inputs` from `carry`.

    Returns:
        The carry after each step, every entry stacked along a leading axis of length T; entry 0 holds the hidden
        states, shape (T, H).
    """
    return _driven(cell.update, cell.elementwise, cell.recurrent, cell.drive(inputs), carry)


def closed_loop(
    cell: SimpleCell,
    output: Callable[[Array, Array], Array],
    carry: Carry,
    value: Float[Array, " D"],
    steps: int,
) -> tuple[Float[Array, "steps D"], Carry]:
    """Let `cell` run free: every output is the next input.

    Args:
        cell: the cell to run.
        output: maps hidden state (H,) and input (D,) to the next value (D,).
        carry: the carry of the cell after the step whose output is `value`.
        value: the value of the first generated step, already known from the open loop.
        steps: number of values to generate, `value` included.

    Returns:
        The generated values, and the carry and value from which the run would go on, in one tuple
        `(*carry, value)`.
    """

    def step(state: Carry, _: None) -> tuple[Carry, Array]:
        *before, now = state
        after = cell.update(cell.elementwise, tuple(before), before[0] @ cell.recurrent, cell.drive(now))
        return (*after, output(after[0], now)), now

    state, values = lax.scan(step, (*carry, value), length=steps)
    return values, state


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
