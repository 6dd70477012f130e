"""Elementwise updates of cells in JAX, with their derivative rules.

An update computes the next carry from the carry before it and the two parts of the affine map: p =
h_{t-1} @ W, the argument `recurrent`, and u = x_t @ V + c, the argument `drive`. Each unit is
updated by itself.

The factories are cached. Equal cells therefore share one update, and JAX compiles it once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import PyTree

from freerun.network import monomials

Array = jax.Array | np.ndarray
"""Weights are JAX arrays in training, and NumPy arrays in a model,
so that no JAX setting affects them there."""

Carry = tuple[Array, ...]
"""What a cell keeps between two steps; the first entry is the hidden state h."""

Elementwise = tuple[Array, ...]
"""The parameters of an update, or its slopes."""

Update = Callable[[Elementwise, Carry, Array, Array], Carry]
"""Computes the next carry from the parameters of the update, the carry,
and the two parts of the affine map."""

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
"""The derivatives of the non-linearities by name, as functions of the value f(a):
f'(a) = slope(f(a))."""


def _make_update(forward: Callable[..., tuple[Carry, PyTree]], tangent: Callable[..., Carry]) -> Update:
    """Make an update with its own derivative rule. The rule stores only the slopes of each step.

    Args:
        forward: returns the next carry and the slopes, given the arguments of the update.
        tangent: returns the tangent of the next carry,
            given the slopes and the tangents of the arguments.
    """

    @jax.custom_jvp
    def update(elementwise: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        return forward(elementwise, carry, recurrent, drive)[0]

    @update.defjvp
    def _(primals: tuple[PyTree, ...], tangents: tuple[PyTree, ...]) -> tuple[Carry, Carry]:
        after, slopes = forward(*primals)
        return after, tangent(slopes, *tangents)

    return update


@cache
def simple_update(nonlinearity: str) -> Update:
    """The update of the simple cell, h' = f(a) with a = p + u.

    The derivative is dh' = f'(a) (dp + du).
    """

    def forward(_: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> tuple[Carry, Array]:
        del carry
        hidden, slope = _value_and_slope(nonlinearity, recurrent + drive)
        return (hidden,), slope

    def tangent(slope: Array, _: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        del carry
        return (slope * (recurrent + drive),)

    return _make_update(forward, tangent)


@cache
def leaky_update(nonlinearity: str) -> Update:
    """The update of leaky integrators, h' = (1 - l) h + l f(a) with a = p + u and the leak l.

    The derivative is dh' = (1 - l) dh + (f(a) - h) dl + l f'(a) (dp + du).
    """

    def forward(elementwise: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> tuple[Carry, Elementwise]:
        (leak,), (h,) = elementwise, carry
        new, slope = _value_and_slope(nonlinearity, recurrent + drive)
        return ((1.0 - leak) * h + leak * new,), (1.0 - leak, new - h, leak * slope)

    def tangent(slopes: Elementwise, elementwise: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        (by_h, by_leak, by_sum), (leak,), (h,) = slopes, elementwise, carry
        return (by_h * h + by_leak * leak + by_sum * (recurrent + drive),)

    return _make_update(forward, tangent)


@cache
def gru_update(nonlinearity: str) -> Update:
    """The update of the GRU.

    The affine map has three blocks: r, z and n. With the bias k
    inside the reset gate and s the sigmoid,

        r = s(p_r + u_r),  z = s(p_z + u_z),  q = p_n + k,  n = f(u_n + r q),  h' = (1 - z) n + z h.

    With g = (1 - z) f'(u_n + r q), the derivative is

        dh' = z dh + g q r (1 - r) (dp_r + du_r) + (h - n) z (1 - z) (dp_z + du_z) + g du_n + g r
        (dp_n + dk).
    """

    def forward(elementwise: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> tuple[Carry, Elementwise]:
        (candidate,), (h,) = elementwise, carry
        both = 2 * h.shape[0]
        reset, keep = jnp.split(_gates(recurrent[:both] + drive[:both]), 2, axis=0)
        inside = recurrent[both:] + candidate
        new, slope = _value_and_slope(nonlinearity, drive[both:] + reset * inside)
        by_drive = (1.0 - keep) * slope
        by_reset, by_keep = by_drive * inside * reset * (1.0 - reset), (h - new) * keep * (1.0 - keep)
        return ((1.0 - keep) * new + keep * h,), (keep, by_reset, by_keep, by_drive, by_drive * reset)

    def tangent(slopes: Elementwise, elementwise: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        (by_h, by_reset, by_keep, by_drive, by_inside), (candidate,), (h,) = slopes, elementwise, carry
        both = 2 * h.shape[0]
        reset, keep = jnp.split(recurrent[:both] + drive[:both], 2, axis=0)
        gates = by_h * h + by_reset * reset + by_keep * keep
        return (gates + by_drive * drive[both:] + by_inside * (recurrent[both:] + candidate),)

    return _make_update(forward, tangent)


@cache
def lstm_update(nonlinearity: str) -> Update:
    """The update of the LSTM.

    The affine map a = p + u has four blocks: i, f, g and o.
    With s the sigmoid and phi the non-linearity,

        i = s(a_i),  f = s(a_f),  g = phi(a_g),  o = s(a_o),  c' = f c + i g,  h' = o phi(c').

    The derivative is

        dc' = f dc + g i (1 - i) da_i + c f (1 - f) da_f + i phi'(a_g) da_g,
        dh' = phi(c') o (1 - o) da_o + o phi'(c') dc'.
    """
    function, slope = NONLINEARITIES[nonlinearity], SLOPES[nonlinearity]

    def forward(_: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> tuple[Carry, Elementwise]:
        gates, c = _lstm_gates(nonlinearity, lax.optimization_barrier(recurrent + drive)), carry[1]
        i, f, g, o = jnp.split(gates, 4, axis=0)
        memory = lax.optimization_barrier(f * c + i * g)
        out = function(memory)
        return (o * out, memory), (gates, c, out)

    def tangent(kept: Elementwise, _: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        gates, c, out = kept
        i, f, g, o = jnp.split(gates, 4, axis=0)
        di, df, dg, do = jnp.split(recurrent + drive, 4, axis=0)
        memory = f * carry[1] + g * i * (1.0 - i) * di + c * f * (1.0 - f) * df + i * slope(g) * dg
        return (out * o * (1.0 - o) * do + o * slope(out) * memory, memory)

    return _make_update(forward, tangent)


@cache
def piecewise_update(clipped: bool) -> Update:
    """The update of the piecewise-linear cell; JAX differentiates it.

    The affine map a = p + u has two blocks: the next latent variables z', and s = z' @ expand. The
    next hidden state is (z', phi(s)), where phi(s) = relu(s + threshold), or relu(s + threshold) -
    relu(s) if `clipped`.
    """

    def update(elementwise: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        del carry
        (threshold,), total = elementwise, recurrent + drive
        latent, units = jnp.split(total, [total.shape[-1] - threshold.size], axis=-1)
        ramps = jax.nn.relu(units + threshold)
        return (jnp.concatenate([latent, ramps - jax.nn.relu(units) if clipped else ramps], axis=-1),)

    return update


@cache
def polynomial_update(degree: int) -> Update:
    """The update of the polynomial cell: monomials of degree 2 to `degree` of a = p + u.
    JAX differentiates it."""

    def update(_: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> Carry:
        del carry
        numbers = recurrent + drive
        width, found = numbers.shape[-1], numbers
        for products in monomials.products(width, degree):
            blocks = [numbers[..., factor : factor + 1] * found[..., first:last] for factor, first, last in products]
            found = jnp.concatenate([found, *blocks], axis=-1)
        return (found[..., width:],)

    return update


def smoothing_update(elementwise: Elementwise, carry: Carry, recurrent: Array, drive: Array) -> Carry:
    """The update of exponential smoothers; see `freerun.network.cells.SmoothingCell`.
    JAX differentiates it."""
    by_level, by_trend, damping, by_season, limit = elementwise
    forecast, level, slope, excess, *ring = carry
    error = recurrent + drive - forecast
    factor = jnp.where(error * excess > 0, jnp.abs(excess), 1.0)
    most = factor * limit
    beyond = jnp.abs(error) > most
    excess = jnp.where(beyond, jnp.sign(error) * 2.0 * factor, 0.0)
    error = jnp.where(beyond, jnp.sign(error) * most, error)
    slope = damping * slope
    level, slope = level + slope + by_level * error, slope + by_trend * error
    ring = [*ring[1:], ring[0] + by_season * error] if ring else []
    forecast = level + damping * slope
    return (forecast + ring[0] if ring else forecast, level, slope, excess, *ring)


def _gates(a: Array) -> Array:
    """The sigmoid of all gates at once, (1 + tanh(a / 2)) / 2.

    The barrier makes XLA compute the whole array before it is split.
    Code for the slices would be slower.
    """
    return lax.optimization_barrier(0.5 + 0.5 * jnp.tanh(0.5 * a))


def _lstm_gates(nonlinearity: str, total: Array) -> Array:
    """The gates i, f, g and o of an LSTM as one array; with the non-linearity tanh,
    by a single tanh."""
    if nonlinearity != "tanh":
        i, f, g, o = jnp.split(total, 4, axis=0)
        return jnp.concatenate([_gates(i), _gates(f), NONLINEARITIES[nonlinearity](g), _gates(o)])
    scale = np.repeat(np.asarray([0.5, 0.5, 1.0, 0.5], total.dtype), total.shape[0] // 4)
    scale = scale.reshape(-1, *[1] * (total.ndim - 1))
    return lax.optimization_barrier(scale * jnp.tanh(scale * total) + (1.0 - scale))


def _value_and_slope(nonlinearity: str, a: Array) -> tuple[Array, Array]:
    """The value f(a) of a non-linearity, and its derivative f'(a)."""
    value = NONLINEARITIES[nonlinearity](a)
    return value, SLOPES[nonlinearity](value)
