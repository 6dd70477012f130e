"""A network in closed loop as a dynamical system: its Lyapunov exponents, along its own run or along data.

The closed loop maps the state of the network and the value to come, together a vector z, to the next such vector.
Tangents are pushed forward by automatic differentiation and kept apart by a QR factorisation at each step; the mean
logarithms of the diagonal of R are the Lyapunov exponents (Benettin et al., 1980; Geist, Parlitz and Lauterborn, 1990).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from freerun.computing import jitted
from freerun.network import jax_runs
from freerun.network.network import Network, State


@partial(jitted, static_argnames=("steps", "count", "transient"))
def lyapunov_spectrum(
    network: Network, state: State, value: Float[Array, " D"], steps: int, count: int = 1, transient: int = 0
) -> Float[Array, " count"]:
    """The `count` largest Lyapunov exponents of the closed loop, per step, descending.

    Args:
        network: the network.
        state, value: where the run begins: the value of a step, and the state before it.
        steps: length of the run over which the logarithms are averaged.
        count: how many exponents; at most the length of the vector z.
        transient: steps before that, in which the tangents turn into their directions.
    """
    start, unravel = ravel_pytree((state, value))

    def follow(z: Array) -> Array:
        return ravel_pytree(jax_runs.step(network, *unravel(z)))[0]

    def push(at: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        z, basis = at
        after, tangents = _push(follow, z, basis)
        basis, growth = _orthonormal(tangents)
        return (after, basis), growth

    _, growth = lax.scan(push, (start, _first_basis(start, count)), length=transient + steps)
    return -jnp.sort(-growth[transient:].mean(axis=0))


@jitted
def expansion_along(network: Network, inputs: Float[Array, "T N"]) -> Float[Array, ""]:
    """kappa, the factor by which the closed loop stretches an error in one step, geometric mean along data.

    The network reads the data, while tangents follow the Jacobians of its closed loop: kappa is the norm of the product
    of these Jacobians to the power 1 / T.
    """
    channels = network.bias.shape[0]
    start, unravel = ravel_pytree((network.rest(), inputs[0, :channels]))

    def push(at: tuple[Array, Array], read: Array) -> tuple[tuple[Array, Array], Array]:
        z, basis = at
        value, known = read[:channels], read[channels:]

        def follow(z: Array) -> Array:
            state, value = unravel(z)
            return ravel_pytree(jax_runs.step(network, state, jnp.concatenate([value, known])))[0]

        state, _ = unravel(z)
        after, tangents = _push(follow, ravel_pytree((state, value))[0], basis)
        basis, growth = _orthonormal(tangents)
        return (after, basis), growth

    _, growth = lax.scan(push, (start, _first_basis(start, 1)), inputs)
    return jnp.exp(growth[len(inputs) // 10 :].mean())


def _push(follow, z: Array, basis: Array) -> tuple[Array, Array]:
    after, linear = jax.linearize(follow, z)
    return after, jax.vmap(linear, in_axes=1, out_axes=1)(basis)


def _orthonormal(tangents: Array) -> tuple[Array, Array]:
    q, r = jnp.linalg.qr(tangents)
    return q, jnp.log(jnp.abs(jnp.diagonal(r)) + 1e-300)


def _first_basis(start: Array, count: int) -> Array:
    """Deterministic, and in no special direction."""
    return jnp.linalg.qr(jax.random.normal(jax.random.key(0), (start.size, count), start.dtype))[0]
