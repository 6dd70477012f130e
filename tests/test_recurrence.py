"""The scans and their derivative rule, against hand-written NumPy loops and against plain `lax.scan`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from freerun.cells import NONLINEARITIES, SimpleCell
from freerun.network import Network
from freerun.precision import precision
from freerun.recurrence import open_loop


def random_network(hidden=5, channels=2, nonlinearity="tanh", direct=True):
    draw = np.random.default_rng(0)
    cell = SimpleCell(
        jnp.asarray(draw.normal(size=(channels, hidden))),
        jnp.asarray(draw.normal(size=(hidden, hidden)) / hidden),
        jnp.asarray(draw.normal(size=hidden)),
        nonlinearity,
    )
    return Network(
        cell,
        jnp.asarray(draw.normal(size=(hidden, channels)) / hidden),
        jnp.asarray(draw.normal(size=channels)),
        jnp.asarray(draw.normal(size=(channels, channels)) / 4) if direct else None,
    )


def plain(cell, inputs):
    """The same recurrence without the derivative rule."""
    function = NONLINEARITIES[cell.nonlinearity]

    def step(h, x):
        h = function(h @ cell.recurrent + x @ cell.input + cell.bias)
        return h, h

    return lax.scan(step, jnp.zeros_like(cell.bias), inputs)[1]


@pytest.fixture
def double():
    with precision("float64"):
        yield


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_values_and_derivatives_are_those_of_a_plain_scan(nonlinearity):
    network = random_network(nonlinearity=nonlinearity)
    inputs = jnp.asarray(np.random.default_rng(1).normal(size=(40, 2)))

    def ours(cell, inputs):
        return jnp.sin(open_loop(cell, inputs, cell.rest())[0]).sum()

    def theirs(cell, inputs):
        return jnp.sin(plain(cell, inputs)).sum()

    np.testing.assert_allclose(
        open_loop(network.cell, inputs, network.cell.rest())[0], plain(network.cell, inputs), rtol=1e-12, atol=1e-13
    )
    for derivative in (jax.grad, jax.jacfwd):
        mine = derivative(ours, argnums=(0, 1))(network.cell, inputs)
        expected = derivative(theirs, argnums=(0, 1))(network.cell, inputs)
        for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("double")
def test_second_derivatives_agree_too():
    network = random_network(hidden=3)
    inputs = jnp.asarray(np.random.default_rng(2).normal(size=(6, 2)))

    def curvature(states):
        def value(recurrent):
            cell = SimpleCell(network.cell.input, recurrent, network.cell.bias)
            return (states(cell) ** 2).sum()

        return jax.hessian(value)(network.cell.recurrent)

    ours = curvature(lambda cell: open_loop(cell, inputs, cell.rest())[0])
    theirs = curvature(lambda cell: plain(cell, inputs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("direct", [True, False])
def test_a_free_run_is_the_hand_written_loop(direct):
    """Read five steps, then feed back: the first generated value is the output after the last step read."""
    network = random_network(direct=direct)
    inputs = np.random.default_rng(3).normal(size=(5, 2))
    cell = network.cell
    d = np.zeros((2, 2)) if network.direct is None else network.direct
    h, y = np.zeros(5), np.zeros(2)
    for x in inputs:
        h = np.tanh(h @ cell.recurrent + x @ cell.input + cell.bias)
        y = h @ network.readout + network.bias + x @ d
    expected = []
    for _ in range(20):
        expected.append(y)
        h = np.tanh(h @ cell.recurrent + y @ cell.input + cell.bias)
        y = h @ network.readout + network.bias + y @ d
    outputs, carries = network.predict(jnp.asarray(inputs))
    run, going_on = network.run_free((carries[0][-1],), outputs[-1], 20)
    np.testing.assert_allclose(run, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(going_on[-1], y, rtol=1e-10, atol=1e-12)
