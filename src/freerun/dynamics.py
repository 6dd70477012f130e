"""The network in closed loop as a dynamical system: Lyapunov exponents along a free run,
and expansion along data.

The closed loop maps a vector z, the state of the network and the next value, to the next such
vector. Tangent vectors are propagated by automatic differentiation, and orthonormalized by a QR
factorization at each step. The Lyapunov exponents are the means of the logarithms of |diag R|
(Benettin et al., 1980; Geist, Parlitz and Lauterborn, 1990).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from freerun.compute.programs import jitted
from freerun.network import jax_runs
from freerun.network.network import Network, State


@partial(jitted, static_argnames=("steps", "count", "transient"))
def lyapunov_spectrum(
    network: Network, state: State, value: Float[Array, " D"], steps: int, count: int = 1, transient: int = 0
) -> Float[Array, " count"]:
    """Compute the largest Lyapunov exponents of the closed loop.

    Args:
        network: the network.
        state: state before the first value of the run.
        value: first value of the run, shape (D,), scaled as the network reads it.
        steps: number of steps over which the logarithms are averaged.
        count: number of exponents, at most the length of z.
        transient: number of steps before these, in which the tangents align.

    Returns:
        Exponents per step, descending, shape (count,).
    """
    start, unravel = ravel_pytree((state, value))

    def follow(z: Array) -> Array:
        return ravel_pytree(jax_runs.step(network, *unravel(z)))[0]

    def advance(at: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        z, basis = at
        after, tangents = _propagate(follow, z, basis)
        basis, growth = _orthonormalize(tangents)
        return (after, basis), growth

    _, growth = lax.scan(advance, (start, _first_basis(start, count)), length=transient + steps)
    return -jnp.sort(-growth[transient:].mean(axis=0))


@jitted
def expansion_along(network: Network, inputs: Float[Array, "T N"]) -> Float[Array, ""]:
    """Compute kappa, the mean factor per step by which the
    closed loop amplifies an error along data.

    The network reads the data. A tangent vector is multiplied by the Jacobian of the closed loop at
    each step. Kappa is the geometric mean of the growth of its norm. The first tenth of the steps
    is left out, while the tangent aligns.

    Args:
        network: the network.
        inputs: what the network reads at T steps, channels first, then external inputs, scaled;
            shape (T, N).
    """
    channels = network.bias.shape[0]
    start, unravel = ravel_pytree((network.rest(), inputs[0, :channels]))

    def advance(at: tuple[Array, Array], read: Array) -> tuple[tuple[Array, Array], Array]:
        z, basis = at
        value, external = read[:channels], read[channels:]

        def follow(z: Array) -> Array:
            state, value = unravel(z)
            return ravel_pytree(jax_runs.step(network, state, jnp.concatenate([value, external])))[0]

        state, _ = unravel(z)
        after, tangents = _propagate(follow, ravel_pytree((state, value))[0], basis)
        basis, growth = _orthonormalize(tangents)
        return (after, basis), growth

    _, growth = lax.scan(advance, (start, _first_basis(start, 1)), inputs)
    return jnp.exp(growth[len(inputs) // 10 :].mean())


def _propagate(follow: Callable[[Array], Array], z: Array, basis: Array) -> tuple[Array, Array]:
    """Map z and its tangent vectors, the columns of `basis`, one step ahead."""
    after, linear = jax.linearize(follow, z)
    return after, jax.vmap(linear, in_axes=1, out_axes=1)(basis)


def _orthonormalize(tangents: Array) -> tuple[Array, Array]:
    """Return an orthonormal basis of the tangents, and log |diag R| of their QR factorization."""
    q, r = jnp.linalg.qr(tangents)
    return q, jnp.log(jnp.abs(jnp.diagonal(r)) + 1e-300)


def _first_basis(start: Array, count: int) -> Array:
    """Draw a random orthonormal basis from a fixed seed."""
    return jnp.linalg.qr(jax.random.normal(jax.random.key(0), (start.size, count), start.dtype))[0]
