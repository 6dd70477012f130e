"""Readouts by the normal equations are those by QR, where they are taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import freerun
from freerun.errors import TrainingDiverged
from freerun.network import normal_equations, ridge
from freerun.network.initial import Start, initial_network
from freerun.network.shape import Shape


@pytest.fixture
def values():
    return freerun.systems.lorenz(700, dt=0.02).values[:, :2] / 10


def network(units=60, cell="leaky"):
    return initial_network(Shape(2, units, cell, (0, 2), direct=True), Start("reservoir", 1))


@pytest.mark.parametrize("penalty", [1e-6, 1e-2])
@pytest.mark.parametrize("stretches", [(), ((80, 40), (40, 0))])
def test_they_solve_as_qr_does(values, penalty, stretches):
    net = network()
    asked = net, [values[:300], values[300:]], 10, penalty, 1e-3, 5, stretches
    ours, theirs = normal_equations.solve(*asked), ridge.solve(*asked)
    assert len(ours.without) == len(stretches)
    for one, other in zip([ours.network, *ours.without], [theirs.network, *theirs.without], strict=True):
        for name in ("readout", "bias", "direct"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-4, atol=1e-7)


def test_they_are_taken_for_wide_networks_of_complete_series_with_a_penalty(values, monkeypatch):
    net = network()
    assert not normal_equations.suit(net, [values], 1e-6)  # narrow
    monkeypatch.setattr(normal_equations, "WIDE", 50)
    assert normal_equations.suit(net, [values], 1e-6)
    assert not normal_equations.suit(net, [values], 1e-13)
    gappy = values.copy()
    gappy[5, 0] = np.nan
    assert not normal_equations.suit(net, [gappy], 1e-6)


def test_a_fit_by_them_forecasts_as_one_by_qr(values, monkeypatch):
    asked: dict[str, Any] = {"cell": "leaky", "leak": 0.5, "spectral_radius": 0.9, "delays": 1, "input_scale": 0.5}
    by_qr = freerun.RNN(100, optimizer="ridge", l2=1e-6, **asked).fit(values)
    monkeypatch.setattr(normal_equations, "WIDE", 50)
    monkeypatch.setattr(ridge, "solve", None)
    ours = freerun.RNN(100, optimizer="ridge", l2=1e-6, **asked).fit(values)
    np.testing.assert_allclose(ours.predict(values).values, by_qr.predict(values).values, atol=1e-6)
    np.testing.assert_allclose(ours.forecast(10, (80,)), by_qr.forecast(10, (80,)), rtol=1e-2, atol=1e-3)


def test_features_that_are_larger_than_expected_are_reduced_by_qr(values):
    net = network()
    exact = ridge.solve(net, [1e5 * values], 10, 1e-6)
    ours = normal_equations.solve(net, [1e5 * values], 10, 1e-6)
    np.testing.assert_array_equal(ours.network.readout, exact.network.readout)


def test_states_that_overflow_are_refused(values):
    net = initial_network(Shape(2, 20, "simple", nonlinearity="relu"), Start("reservoir", 1, spectral_radius=50.0))
    with pytest.raises(TrainingDiverged, match="not finite"):
        normal_equations.solve(net, [values], 10, 1e-2)
