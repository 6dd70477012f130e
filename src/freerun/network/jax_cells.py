"""One step of a cell in JAX: the two parts of its affine map, and its update.

Updates act on arrays whose leading axis is the units: shape (H,) for one sequence, (H, S) for a batch of S sequences.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

import freerun.network.pytrees  # noqa: F401 - registers networks with JAX
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
    SmoothingCell,
)
from freerun.network.updates import (
    Array,
    Update,
    gru_update,
    leaky_update,
    lstm_update,
    piecewise_update,
    simple_update,
    smoothing_update,
)

_UPDATES: dict[type[Cell], Callable[[str], Update]] = {
    SimpleCell: simple_update,
    LeakyCell: leaky_update,
    GRUCell: gru_update,
    LSTMCell: lstm_update,
    MemorylessCell: simple_update,
}
"""The update of each class of cells with a non-linearity."""


def update_of(cell: AnyCell) -> Update:
    """The elementwise update of a cell. Equal cells share one update, so that JAX compiles it once.

    Raises:
        TypeError: this class of cells has no update.
    """
    if isinstance(cell, PiecewiseLinearCell):
        return piecewise_update(cell.clipped)
    if isinstance(cell, SmoothingCell):
        return smoothing_update
    if not isinstance(cell, Cell) or type(cell) not in _UPDATES:
        raise TypeError(f"{type(cell).__name__} has no update; give it one in freerun.network.jax_cells")
    return _UPDATES[type(cell)](cell.nonlinearity)


def elementwise_of(cell: AnyCell) -> tuple[Array, ...]:
    """The parameters of the elementwise update: the leak, a bias inside, the threshold or gains; empty if none."""
    if isinstance(cell, LeakyCell):
        return (jax.nn.sigmoid(cell.logit),)
    if isinstance(cell, GRUCell):
        return (cell.candidate,)
    if isinstance(cell, SmoothingCell):
        return cell.level, cell.trend, cell.damping, cell.season
    return (cell.threshold,) if isinstance(cell, PiecewiseLinearCell) else ()


def recurrent_of(cell: RecurrentCell | PiecewiseLinearCell | SmoothingCell) -> Float[Array, "H A"]:
    """The recurrent weights.

    For a piecewise-linear cell, they map its hidden state (z, phi) to the next z' and to z' @ expand. Smoothers do not
    read each other: all is in their update.
    """
    if isinstance(cell, RecurrentCell):
        return cell.recurrent
    if isinstance(cell, SmoothingCell):
        return jnp.zeros((cell.hidden, cell.hidden), cell.bias.dtype)
    to_latent = jnp.concatenate([jnp.diag(cell.diagonal), cell.shrink])
    return jnp.concatenate([to_latent, to_latent @ cell.expand], axis=1)


def drive(cell: AnyCell, inputs: Float[Array, "*T D"]) -> Float[Array, "*T A"]:
    """The input part of the affine map, x_t @ input + bias, for any number of steps."""
    driven = inputs @ cell.input + cell.bias
    if isinstance(cell, PiecewiseLinearCell):
        return jnp.concatenate([driven, driven @ cell.expand], axis=-1)
    return driven


def mix(cell: AnyCell, hidden: Float[Array, "*T H"]) -> Float[Array, "*T A"]:
    """The recurrent part of the affine map, h_{t-1} @ recurrent; zero for a cell without recurrent weights."""
    if isinstance(cell, RecurrentCell | PiecewiseLinearCell):
        return hidden @ recurrent_of(cell)
    return jnp.zeros((*hidden.shape[:-1], cell.bias.shape[0]), cell.bias.dtype)
