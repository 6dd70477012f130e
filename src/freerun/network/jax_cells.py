"""What a cell does in a step, in JAX: the two parts of its affine map, and its update.

The update takes the units along the leading axis: of one sequence, (H,), or of S sequences that are columns, (H, S).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

import freerun.network.pytrees  # noqa: F401 - JAX knows networks from here on
from freerun.network.cells import (
    AnyCell,
    Cell,
    GRUCell,
    LeakyCell,
    LSTMCell,
    MemorylessCell,
    PiecewiseLinearCell,
    RecurrentCell,
    SimpleCell,
)
from freerun.network.updates import (
    Array,
    Update,
    gru_update,
    leaky_update,
    lstm_update,
    piecewise_update,
    simple_update,
)

_UPDATES: dict[type[Cell], Callable[[str], Update]] = {
    SimpleCell: simple_update,
    LeakyCell: leaky_update,
    GRUCell: gru_update,
    LSTMCell: lstm_update,
    MemorylessCell: simple_update,
}


def update_of(cell: AnyCell) -> Update:
    """The elementwise update, the same object for equal cells, so that nothing compiles twice.

    Raises:
        TypeError: a class of cells that has none here.
    """
    if isinstance(cell, PiecewiseLinearCell):
        return piecewise_update(cell.clipped)
    if not isinstance(cell, Cell) or type(cell) not in _UPDATES:
        raise TypeError(f"{type(cell).__name__} has no update; give it one in freerun.network.jax_cells")
    return _UPDATES[type(cell)](cell.nonlinearity)


def elementwise_of(cell: AnyCell) -> tuple[Array, ...]:
    """Parameters of the elementwise update."""
    if isinstance(cell, LeakyCell):
        return (jax.nn.sigmoid(cell.logit),)
    if isinstance(cell, GRUCell):
        return (cell.candidate,)
    return (cell.threshold,) if isinstance(cell, PiecewiseLinearCell) else ()


def recurrent_of(cell: RecurrentCell | PiecewiseLinearCell) -> Float[Array, "H A"]:
    """The recurrent weights; of a piecewise-linear cell the map of (z, phi) to z', and through z' to phi'."""
    if isinstance(cell, RecurrentCell):
        return cell.recurrent
    to_latent = jnp.concatenate([jnp.diag(cell.diagonal), cell.shrink])
    return jnp.concatenate([to_latent, to_latent @ cell.expand], axis=1)


def drive(cell: AnyCell, inputs: Float[Array, "*T D"]) -> Float[Array, "*T A"]:
    """The input part of the affine map, for any number of steps at once."""
    driven = inputs @ cell.input + cell.bias
    if isinstance(cell, PiecewiseLinearCell):
        return jnp.concatenate([driven, driven @ cell.expand], axis=-1)
    return driven


def mix(cell: AnyCell, hidden: Float[Array, "*T H"]) -> Float[Array, "*T A"]:
    """The recurrent part of the affine map; zero in a cell without recurrent weights."""
    if isinstance(cell, RecurrentCell | PiecewiseLinearCell):
        return hidden @ recurrent_of(cell)
    return jnp.zeros((*hidden.shape[:-1], cell.bias.shape[0]), cell.bias.dtype)
