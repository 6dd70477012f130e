"""Derivatives of every cell against central differences in double precision,
which use no hand-written slope."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freerun.compute.programs import computing
from freerun.network.initial import Start, initial_network
from freerun.network.jax_cells import drive, elementwise_of, mix, update_of
from freerun.network.jax_runs import forced_loop, predict, run_free
from freerun.network.shape import Shape
from freerun.network.updates import NONLINEARITIES

CELLS = ["simple", "leaky", "gru", "lstm", "memoryless", "plrnn", "clipped-plrnn"]

STEP = 1e-6


@pytest.fixture(autouse=True)
def double():
    with computing("float64"):
        yield


def random_network(cell, nonlinearity="tanh", lags=(0,)):
    """Two channels, three units; no weight is zero, biases and direct connections included."""
    draw = np.random.default_rng(0)
    shape = Shape(2, 3, cell, lags, 1, True, nonlinearity, latent=2)
    network = initial_network(shape, Start("glorot", seed=1, leak=0.4))
    return jax.tree.map(lambda w: jnp.asarray(w + 0.3 * draw.normal(size=w.shape)), network)


def like(draw, tree):
    """Normal numbers in the shape of a pytree."""
    return jax.tree.map(lambda entry: jnp.asarray(draw.normal(size=np.shape(entry))), tree)


def assert_slopes_are_those_of_differences(function, *at):
    """The gradient of a weighted sum of all results with respect to
    every number that the function reads."""
    leaves, tree = jax.tree.flatten(at)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])

    def value(theta):
        parts = [part.reshape(np.shape(leaf)) for part, leaf in zip(jnp.split(theta, ends[:-1]), leaves, strict=True)]
        results = jnp.concatenate([jnp.ravel(result) for result in jax.tree.leaves(function(*tree.unflatten(parts)))])
        return jnp.cos(jnp.arange(results.size)) @ results

    @jax.jit  # one program, which takes less to compile than several small ones
    def compared(theta):
        nudged = STEP * jnp.eye(theta.size)
        above, below = jnp.split(jax.lax.map(value, jnp.concatenate([theta + nudged, theta - nudged])), 2)
        return jax.grad(value)(theta), (above - below) / (2 * STEP)

    gradient, differences = compared(np.concatenate([np.ravel(leaf) for leaf in leaves]))
    assert np.any(gradient)
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("kind", "nonlinearity"),
    [
        *((kind, name) for kind in ("simple", "leaky", "gru", "lstm") for name in NONLINEARITIES),
        ("plrnn", "relu"),
        ("clipped-plrnn", "relu"),
    ],
)
def test_the_slopes_of_an_update_agree_with_finite_differences(kind, nonlinearity):
    (cell,) = random_network(kind, nonlinearity).cells
    draw = np.random.default_rng(2)
    carry = like(draw, cell.rest())
    maps = mix(cell, carry[0]), drive(cell, jnp.asarray(draw.normal(size=cell.input.shape[0])))
    assert_slopes_are_those_of_differences(update_of(cell), elementwise_of(cell), carry, *maps)


@pytest.mark.parametrize("kind", CELLS)
def test_the_gradient_of_an_open_run_agrees_with_finite_differences(kind):
    network = random_network(kind, lags=(0, 2))
    draw = np.random.default_rng(3)
    state, inputs = like(draw, network.rest()), jnp.asarray(draw.normal(size=(6, 2)))
    assert_slopes_are_those_of_differences(predict, network, inputs, state)


@pytest.mark.parametrize("kind", CELLS)
def test_the_gradient_of_a_forced_run_agrees_with_finite_differences(kind):
    """By data alone, by the output alone and by mixtures of them,
    with respect to the strength as well."""
    network = random_network(kind, lags=(0, 2))
    draw = np.random.default_rng(4)
    state, value, inputs = like(draw, network.rest()), jnp.asarray([0.3, -0.2]), jnp.asarray(draw.normal(size=(6, 2)))
    strength = jnp.asarray([[1.0], [0.0], [0.3], [0.7], [1.0], [0.1]])
    assert_slopes_are_those_of_differences(forced_loop, network, state, value, inputs, strength)


@pytest.mark.parametrize("kind", CELLS)
def test_the_gradient_of_a_free_run_agrees_with_finite_differences(kind):
    network = random_network(kind, lags=(0, 2))
    state = like(np.random.default_rng(5), network.rest())
    assert_slopes_are_those_of_differences(
        lambda network, state, value: run_free(network, state, value, 5), network, state, jnp.asarray([0.3, -0.2])
    )
