"""Elementwise updates: what a cell makes of its affine map, each unit by itself, and its derivative.

The same object serves equal cells, so that nothing compiles twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

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

SLOPES: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda value: 1.0 - value * value,
    "sigmoid": lambda value: value * (1.0 - value),
    "relu": lambda value: (value > 0).astype(value.dtype),
    "softplus": lambda value: -jnp.expm1(-value),
    "identity": jnp.ones_like,
}
"""Their derivatives by name, as functions of their values."""


def _with_slopes(reached: Callable[..., tuple[Carry, Any]], tangent: Callable[..., Carry]) -> Update:
    """An update with a derivative of its own, which keeps no more of each step than it needs.

    Args:
        reached: from what the update reads to the carry after it, and slopes.
        tangent: from these slopes and the tangents of what the update reads to that of the carry.
    """

    @jax.custom_jvp
    def update(elementwise: Any, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        return reached(elementwise, carry, recurrent, drive)[0]

    @update.defjvp
    def _(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Carry, Carry]:
        after, slopes = reached(*primals)
        return after, tangent(slopes, *tangents)

    return update


@cache
def simple_update(nonlinearity: str) -> Update:
    def reached(_: Any, carry: Carry, recurrent: Array, drive: Array) -> tuple[Carry, Array]:
        del carry
        hidden, slope = _sloped(nonlinearity, recurrent + drive)
        return (hidden,), slope

    def tangent(slope: Array, _: Any, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        del carry
        return (slope * (recurrent + drive),)

    return _with_slopes(reached, tangent)


@cache
def leaky_update(nonlinearity: str) -> Update:
    def reached(elementwise: Any, carry: Carry, recurrent: Array, drive: Array) -> tuple[Carry, tuple[Array, ...]]:
        (leak,), (h,) = elementwise, carry
        new, slope = _sloped(nonlinearity, recurrent + drive)
        return ((1.0 - leak) * h + leak * new,), (1.0 - leak, new - h, leak * slope)

    def tangent(slopes: Any, elementwise: Any, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        (of_h, of_leak, of_sum), (leak,), (h,) = slopes, elementwise, carry
        return (of_h * h + of_leak * leak + of_sum * (recurrent + drive),)

    return _with_slopes(reached, tangent)


@cache
def gru_update(nonlinearity: str) -> Update:
    def reached(elementwise: Any, carry: Carry, recurrent: Array, drive: Array) -> tuple[Carry, tuple[Array, ...]]:
        (candidate,), (h,) = elementwise, carry
        both = 2 * h.shape[0]
        reset, keep = jnp.split(_gates(recurrent[:both] + drive[:both]), 2, axis=0)
        inside = recurrent[both:] + candidate
        new, slope = _sloped(nonlinearity, drive[both:] + reset * inside)
        of_drive = (1.0 - keep) * slope
        of_reset, of_keep = of_drive * inside * reset * (1.0 - reset), (h - new) * keep * (1.0 - keep)
        return ((1.0 - keep) * new + keep * h,), (keep, of_reset, of_keep, of_drive, of_drive * reset)

    def tangent(slopes: Any, elementwise: Any, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        (of_h, of_reset, of_keep, of_drive, of_inside), (candidate,), (h,) = slopes, elementwise, carry
        both = 2 * h.shape[0]
        reset, keep = jnp.split(recurrent[:both] + drive[:both], 2, axis=0)
        gates = of_h * h + of_reset * reset + of_keep * keep
        return (gates + of_drive * drive[both:] + of_inside * (recurrent[both:] + candidate),)

    return _with_slopes(reached, tangent)


@cache
def lstm_update(nonlinearity: str) -> Update:
    function, slope = NONLINEARITIES[nonlinearity], SLOPES[nonlinearity]

    def reached(_: Any, carry: Carry, recurrent: Array, drive: Array) -> tuple[Carry, tuple[Array, ...]]:
        gates, c = _lstm_gates(nonlinearity, lax.optimization_barrier(recurrent + drive)), carry[1]
        i, f, g, o = jnp.split(gates, 4, axis=0)
        memory = lax.optimization_barrier(f * c + i * g)
        out = function(memory)
        return (o * out, memory), (gates, c, out)

    def tangent(kept: Any, _: Any, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        gates, c, out = kept
        i, f, g, o = jnp.split(gates, 4, axis=0)
        di, df, dg, do = jnp.split(recurrent + drive, 4, axis=0)
        memory = f * carry[1] + g * i * (1.0 - i) * di + c * f * (1.0 - f) * df + i * slope(g) * dg
        return (out * o * (1.0 - o) * do + o * slope(out) * memory, memory)

    return _with_slopes(reached, tangent)


@cache
def piecewise_update(clipped: bool) -> Update:
    def update(elementwise: Any, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        del carry
        (threshold,), total = elementwise, recurrent + drive
        latent, units = jnp.split(total, [total.shape[-1] - threshold.size], axis=-1)
        ramps = jax.nn.relu(units + threshold)
        return (jnp.concatenate([latent, ramps - jax.nn.relu(units) if clipped else ramps], axis=-1),)

    return update


def _gates(a: Array) -> Array:
    """The sigmoid by way of tanh, and of a whole array before it is cut: XLA makes slower code of slices."""
    return lax.optimization_barrier(0.5 + 0.5 * jnp.tanh(0.5 * a))


def _lstm_gates(nonlinearity: str, total: Array) -> Array:
    """The gates i, f, o and g, as one array; one tanh makes all of them where it can."""
    if nonlinearity != "tanh":
        i, f, g, o = jnp.split(total, 4, axis=0)
        return jnp.concatenate([_gates(i), _gates(f), NONLINEARITIES[nonlinearity](g), _gates(o)])
    scale = np.repeat(np.asarray([0.5, 0.5, 1.0, 0.5], total.dtype), total.shape[0] // 4)
    scale = scale.reshape(-1, *[1] * (total.ndim - 1))
    return lax.optimization_barrier(scale * jnp.tanh(scale * total) + (1.0 - scale))


def _sloped(nonlinearity: str, a: Array) -> tuple[Array, Array]:
    """A non-linearity at `a`, and its derivative there."""
    value = NONLINEARITIES[nonlinearity](a)
    return value, SLOPES[nonlinearity](value)
