"""Initial weights have the properties they are named for."""

import numpy as np
import pytest

from freerun.compute.programs import computing
from freerun.network.initial import Start, initial_network
from freerun.network.shape import Shape


def draw(initial, hidden=200, channels=3, cell="simple", delays=1, **start):
    with computing("float64"):
        network = initial_network(
            Shape(channels, hidden, cell, tuple(range(delays)), latent=4), Start(initial, **start)
        )
        weights = {name: np.asarray(value) for name, value in vars(network.cells[0]).items() if hasattr(value, "shape")}
        return {**weights, "readout": np.asarray(network.readout)}


def test_the_tutorials_weights_are_drawn_in_its_order():
    oracle = np.random.RandomState(0)
    weights = draw("tutorial", hidden=15, channels=1)
    np.testing.assert_array_equal(weights["input"], oracle.normal(0, 0.01, (1, 15)))
    np.testing.assert_array_equal(weights["recurrent"], oracle.normal(0, 0.02, (15, 15)))
    np.testing.assert_array_equal(weights["readout"], oracle.normal(0, 0.01, (15, 1)))


@pytest.mark.parametrize(("cell", "gates"), [("simple", 1), ("gru", 3), ("lstm", 4)])
def test_orthogonal_in_every_gate(cell, gates):
    for recurrent in np.split(draw("orthogonal", cell=cell)["recurrent"], gates, axis=1):
        np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(200), atol=1e-12)


def test_glorot_fills_its_bounds():
    recurrent = draw("glorot")["recurrent"]
    assert np.abs(recurrent).max() == pytest.approx(np.sqrt(6 / 400), rel=1e-3)
    assert recurrent.std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)


@pytest.mark.parametrize("delays", [1, 10])
def test_a_reservoir_has_its_spectral_radius_and_input_scale(delays):
    weights = draw("reservoir", delays=delays, spectral_radius=1.3, input_scale=0.2, bias_scale=2.0)
    assert np.abs(np.linalg.eigvals(weights["recurrent"])).max() == pytest.approx(1.3)
    standard = np.random.default_rng(0).normal(size=(10_000, 3 * delays))
    assert (standard @ weights["input"]).std() == pytest.approx(0.2, rel=0.05)
    assert np.abs(weights["bias"]).max() == pytest.approx(2.0, rel=0.05)
    assert not weights["readout"].any()


def test_leaky_cells_start_with_the_leak_asked_for():
    np.testing.assert_allclose(1 / (1 + np.exp(-draw("reservoir", cell="leaky", leak=0.2)["logit"])), 0.2)


def test_the_forget_gates_of_an_lstm_start_open():
    bias = draw("glorot", cell="lstm", hidden=5)["bias"]
    np.testing.assert_array_equal(bias, [0] * 5 + [1] * 5 + [0] * 10)


@pytest.mark.parametrize("initial", ["tutorial", "glorot", "orthogonal", "reservoir"])
def test_the_seed_decides(initial):
    np.testing.assert_array_equal(draw(initial, seed=5)["recurrent"], draw(initial, seed=5)["recurrent"])
    assert (draw(initial, seed=5)["recurrent"] != draw(initial, seed=6)["recurrent"]).any()
