"""Cells: one affine map of the hidden state, then an elementwise update.

A cell with H units and D inputs turns its carry into the next one,

    carry_t = update(elementwise, carry_{t-1}, h_{t-1} @ recurrent, x_t @ input + bias),

where the hidden state h is the first entry of the carry, and `update` acts on each unit by itself. That form is
what `freerun.recurrence` relies on for its speed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

Array = jax.Array | np.ndarray
"""Weights are JAX arrays while they are trained, and NumPy arrays in a model, where no JAX setting can touch them."""

Carry = tuple[Array, ...]
Update = Callable[[Any, Carry, Array, Array], Carry]

NONLINEARITIES: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "softplus": jax.nn.softplus,
    "identity": lambda a: a,
}
"""The non-linearities by name: a network stores the name, so that it can be pickled and saved."""


class SimpleCell(eqx.Module):
    """The simple recurrent cell (Elman, 1990): h_t = f(h_{t-1} @ recurrent + x_t @ input + bias).

    Attributes:
        input: shape (D, H).
        recurrent: shape (H, H).
        bias: shape (H,).
        nonlinearity: a name of `NONLINEARITIES`.
    """

    input: Float[Array, "D H"]
    recurrent: Float[Array, "H H"]
    bias: Float[Array, " H"]
    nonlinearity: str = eqx.field(static=True, default="tanh")

    @property
    def hidden(self) -> int:
        """H, the number of units."""
        return self.bias.shape[0]

    @property
    def elementwise(self) -> tuple[()]:
        """Parameters of the elementwise update: this cell has none."""
        return ()

    @property
    def update(self) -> Update:
        """The elementwise update, the same object for equal cells, so that nothing compiles twice."""
        return _simple_update(self.nonlinearity)

    def drive(self, inputs: Float[Array, "*T D"]) -> Float[Array, "*T H"]:
        """The input part of the affine map, for any number of steps at once."""
        return inputs @ self.input + self.bias

    def rest(self) -> Carry:
        """The carry before the first step: hidden state zero."""
        return (jnp.zeros_like(self.bias),)


@cache
def _simple_update(nonlinearity: str) -> Update:
    function = NONLINEARITIES[nonlinearity]

    def update(_: Any, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        del carry
        return (function(recurrent + drive),)

    return update
