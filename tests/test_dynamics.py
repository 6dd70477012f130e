"""Lyapunov exponents, against maps whose exponents are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from freerun.compute.programs import computing
from freerun.dynamics import expansion_along, lyapunov_spectrum
from freerun.network.cells import MemorylessCell
from freerun.network.network import Network, State


@pytest.fixture(autouse=True)
def double():
    with computing("float64"):
        yield


def piecewise_map(a, b):
    """x' = 1 - a |x| + b x_{t-1}: the tent map for b = 0, the Lozi map (1978) otherwise."""
    cell = MemorylessCell(input=jnp.array([[1.0, -1.0], [0.0, 0.0]]), bias=jnp.zeros(2), nonlinearity="relu")
    return Network((cell,), readout=jnp.full((2, 1), -a), bias=jnp.ones(1), direct=jnp.array([[0.0], [b]]), lags=(0, 1))


def start(network, value, past):
    return State(tuple(cell.rest() for cell in network.cells), jnp.array([[past]])), jnp.array([value])


def test_a_tent_map_stretches_by_its_slope():
    network = piecewise_map(1.9, 0.0)
    (exponent,) = lyapunov_spectrum(network, *start(network, 0.3, 0.0), steps=500, count=1, transient=20)
    assert exponent == pytest.approx(np.log(1.9), rel=1e-12)


def test_the_exponents_of_the_lozi_map():
    """Their sum is log |b| exactly; for a = 1.7, b = 0.5 they are 0.47023 and -1.16338 (Sprott,
    2003)."""
    network = piecewise_map(1.7, 0.5)
    first, second = lyapunov_spectrum(network, *start(network, 0.1, 0.1), steps=50_000, count=2, transient=100)
    assert first + second == pytest.approx(np.log(0.5), rel=1e-9)
    assert (first, second) == (pytest.approx(0.47023, abs=0.002), pytest.approx(-1.16338, abs=0.002))


def test_a_linear_network_has_the_logarithms_of_its_eigenvalues():
    """Direct connections alone: the closed loop is the companion matrix of an autoregression."""
    coefficients = np.array([0.5, 0.3, -0.6])
    companion = np.vstack([coefficients, np.eye(3)[:2]])
    cell = MemorylessCell(input=jnp.zeros((3, 1)), bias=jnp.zeros(1), nonlinearity="identity")
    network = Network((cell,), jnp.zeros((1, 1)), jnp.zeros(1), jnp.asarray(coefficients[:, None]), lags=(0, 1, 2))
    state = State((cell.rest(),), jnp.array([[0.2], [0.1]]))
    spectrum = lyapunov_spectrum(network, state, jnp.ones(1), steps=2000, count=3, transient=200)
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(companion))))[::-1]
    np.testing.assert_allclose(spectrum, expected, atol=2e-3)
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(2000, 1)))
    assert np.log(expansion_along(network, inputs)) == pytest.approx(expected[0], abs=2e-3)


def test_jacobians_along_data_are_those_at_the_data():
    """On data that stay positive the tent map has slope -1.9 everywhere,
    wherever its own run would go."""
    inputs = jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.9, size=(300, 1)))
    assert expansion_along(piecewise_map(1.9, 0.0), inputs) == pytest.approx(1.9, rel=1e-9)
