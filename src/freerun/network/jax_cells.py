"""One step of a cell in JAX: the two parts of its affine map, and its update.

`RULES` has one entry for each class of cells. Updates act on arrays whose leading axis is the
units: shape (H,) for one sequence, (H, S) for a batch of S sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Float

import freerun.network.pytrees  # noqa: F401 # pyright: ignore[reportUnusedImport] - registers networks with JAX
from freerun.network.cells import (
    AffineCell,
    AnyCell,
    GRUCell,
    LeakyCell,
    LSTMCell,
    MemorylessCell,
    PiecewiseLinearCell,
    PolynomialCell,
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
    polynomial_update,
    simple_update,
    smoothing_update,
)

Kind = TypeVar("Kind", bound=AnyCell)
"""A class of cells."""


def _affine_drive(cell: AnyCell, inputs: Array) -> Array:
    """The affine map of the inputs."""
    assert isinstance(cell, AffineCell)
    return inputs @ cell.input + cell.bias


@dataclass(frozen=True)
class Rule(Generic[Kind]):
    """How JAX computes a class of cells. Each function takes the cell.

    Attributes:
        update: the elementwise update. Equal cells share one update, so that JAX compiles it once.
        elementwise: the parameters of the update: the leak, a bias inside, the threshold or gains.
        recurrent: the recurrent weights, shape (H, A); None if cells have none.
        drive: the input part of the affine map, given the inputs, shape (*T, D); affine in them.
    """

    update: Callable[[Kind], Update]
    elementwise: Callable[[Kind], tuple[Array, ...]] = lambda cell: ()
    recurrent: Callable[[Kind], Array] | None = None
    drive: Callable[[Kind, Array], Array] = _affine_drive


def _piecewise_recurrent(cell: PiecewiseLinearCell) -> Array:
    """The map of the hidden state (z, phi) to the next z' and to z' @ expand."""
    to_latent = jnp.concatenate([jnp.diag(cell.diagonal), cell.shrink])
    return jnp.concatenate([to_latent, to_latent @ cell.expand], axis=1)


def _piecewise_drive(cell: PiecewiseLinearCell, inputs: Array) -> Array:
    """What the input adds to the next z' and to z' @ expand."""
    driven = inputs @ cell.input + cell.bias
    return jnp.concatenate([driven, driven @ cell.expand], axis=-1)


def _own_recurrent(cell: SimpleCell | LeakyCell | GRUCell | LSTMCell) -> Array:
    return cell.recurrent


RULES: dict[type[AnyCell], Rule[Any]] = {
    SimpleCell: Rule[SimpleCell](lambda cell: simple_update(cell.nonlinearity), recurrent=_own_recurrent),
    LeakyCell: Rule[LeakyCell](
        lambda cell: leaky_update(cell.nonlinearity), lambda cell: (jax.nn.sigmoid(cell.logit),), _own_recurrent
    ),
    GRUCell: Rule[GRUCell](lambda cell: gru_update(cell.nonlinearity), lambda cell: (cell.candidate,), _own_recurrent),
    LSTMCell: Rule[LSTMCell](lambda cell: lstm_update(cell.nonlinearity), recurrent=_own_recurrent),
    MemorylessCell: Rule[MemorylessCell](lambda cell: simple_update(cell.nonlinearity)),
    PiecewiseLinearCell: Rule[PiecewiseLinearCell](
        lambda cell: piecewise_update(cell.clipped),
        lambda cell: (cell.threshold,),
        _piecewise_recurrent,
        _piecewise_drive,
    ),
    SmoothingCell: Rule[SmoothingCell](
        lambda cell: smoothing_update, lambda cell: (cell.level, cell.trend, cell.damping, cell.season, cell.limit)
    ),
    PolynomialCell: Rule[PolynomialCell](
        lambda cell: polynomial_update(cell.degree), drive=lambda cell, inputs: inputs
    ),
}
"""The rule of each class of cells. A dictionary cannot say that keys and values are of one
class."""


def rule_of(cell: Kind) -> Rule[Kind]:
    """The rule of a cell.

    Raises:
        TypeError: this class of cells has none.
    """
    if type(cell) not in RULES:
        raise TypeError(f"JAX has no rule for {type(cell).__name__}; give it one in freerun.network.jax_cells")
    return RULES[type(cell)]


def update_of(cell: AnyCell) -> Update:
    """The elementwise update of a cell; see `Rule`."""
    return rule_of(cell).update(cell)


def elementwise_of(cell: AnyCell) -> tuple[Array, ...]:
    """The parameters of the elementwise update; see `Rule`."""
    return rule_of(cell).elementwise(cell)


def recurrent_of(cell: AnyCell) -> Float[Array, "H A"]:
    """The recurrent weights; zeros for a cell without them."""
    recurrent = rule_of(cell).recurrent
    if recurrent is None:
        return jnp.zeros((cell.hidden, cell.columns), jnp.result_type(*cell.arrays()))
    return recurrent(cell)


def drive(cell: AnyCell, inputs: Float[Array, "*T D"]) -> Float[Array, "*T A"]:
    """The input part of the affine map, x_t @ input + bias, for any number of steps."""
    return rule_of(cell).drive(cell, inputs)


def linear_part(cell: AnyCell) -> AnyCell:
    """The cell whose input part of the affine map is linear: without the bias."""
    return replace(cell, bias=jnp.zeros_like(cell.bias)) if isinstance(cell, AffineCell) else cell


def mix(cell: AnyCell, hidden: Float[Array, "*T H"]) -> Float[Array, "*T A"]:
    """The recurrent part of the affine map, h_{t-1} @ recurrent;
    zero for a cell without recurrent weights."""
    if rule_of(cell).recurrent is None:
        return jnp.zeros((*hidden.shape[:-1], cell.columns), hidden.dtype)
    return hidden @ recurrent_of(cell)
