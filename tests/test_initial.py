"""Initial weights have the properties they are named for."""

import numpy as np
import pytest

from freerun.initial import Shape, initial_network
from freerun.precision import precision


def draw(initial, hidden=200, channels=3, seed=0, spectral_radius=0.9, input_scale=0.5):
    with precision("float64"):
        network = initial_network(initial, Shape(channels, hidden), seed, spectral_radius, input_scale)
        return {
            "input": np.asarray(network.cell.input),
            "recurrent": np.asarray(network.cell.recurrent),
            "bias": np.asarray(network.cell.bias),
            "readout": np.asarray(network.readout),
        }


def test_the_tutorials_weights_are_drawn_in_its_order():
    oracle = np.random.RandomState(0)
    weights = draw("tutorial", hidden=15, channels=1)
    np.testing.assert_array_equal(weights["input"], oracle.normal(0, 0.01, (1, 15)))
    np.testing.assert_array_equal(weights["recurrent"], oracle.normal(0, 0.02, (15, 15)))
    np.testing.assert_array_equal(weights["readout"], oracle.normal(0, 0.01, (15, 1)))


def test_orthogonal():
    recurrent = draw("orthogonal")["recurrent"]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(200), atol=1e-12)


def test_glorot_fills_its_bounds():
    recurrent = draw("glorot")["recurrent"]
    assert np.abs(recurrent).max() == pytest.approx(np.sqrt(6 / 400), rel=1e-3)
    assert recurrent.std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)


def test_a_reservoir_has_its_spectral_radius_and_input_scale():
    weights = draw("reservoir", spectral_radius=1.3, input_scale=0.2)
    assert np.abs(np.linalg.eigvals(weights["recurrent"])).max() == pytest.approx(1.3)
    assert np.abs(weights["input"]).max() == pytest.approx(0.2, rel=0.02)
    assert not weights["readout"].any()


@pytest.mark.parametrize("initial", ["tutorial", "glorot", "orthogonal", "reservoir"])
def test_the_seed_decides(initial):
    np.testing.assert_array_equal(draw(initial, seed=5)["recurrent"], draw(initial, seed=5)["recurrent"])
    assert (draw(initial, seed=5)["recurrent"] != draw(initial, seed=6)["recurrent"]).any()
