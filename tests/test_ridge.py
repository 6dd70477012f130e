"""Solving a readout, against the normal equations and NumPy's least squares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from freerun.errors import TrainingDiverged
from freerun.network import ridge
from freerun.network.cells import SimpleCell
from freerun.network.initial import Start, initial_network
from freerun.network.shape import Shape


def network(channels=1, cell="memoryless", direct=True, **more):
    return initial_network(Shape(channels, 8, cell, (0, 1, 3), direct=direct, **more), Start("reservoir", 1))


def weights_of(net) -> np.ndarray:
    """Readout, bias and direct connections, one below the other."""
    return np.concatenate([net.readout, net.bias[None], net.direct])


def by_hand(net, values, washout, penalty, leave_out=()):
    """The readout by the normal equations: hidden states written out for a memoryless network."""
    lags, channels = (0, 1, 3), net.bias.shape[0]
    padded = np.concatenate([np.zeros((3, channels)), values])
    rows = np.array([[padded[t + 3 - lag] for lag in lags] for t in range(len(values) - 1)]).reshape(
        len(values) - 1, -1
    )
    hidden = np.tanh(rows @ net.cells[0].input + net.cells[0].bias)
    features = np.column_stack([hidden, np.ones(len(rows)), rows])
    kept = [t for t in range(washout, len(rows)) if t + 1 not in leave_out]
    features, targets = features[kept], values[1:][kept]
    # the mean is over the errors of all channels, the penalty over the weights of each
    gram = features.T @ features / len(kept) / channels + penalty * np.eye(features.shape[1])
    return np.linalg.solve(gram, features.T @ targets / len(kept) / channels)


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).normal(size=(200, 2)).cumsum(axis=0) / 10


@pytest.mark.parametrize("penalty", [1e-6, 1e-3, 1.0])
def test_a_readout_solves_the_normal_equations(values, penalty):
    net = network(2)
    solved, *_ = ridge.solve(net, [values], 5, penalty)
    expected = by_hand(net, values, 5, penalty)
    np.testing.assert_allclose(weights_of(solved), expected, rtol=1e-6)


def test_one_penalty_alone_and_many_at_once_give_the_same(values):
    net = network(2)
    triangle = ridge.Triangle.of(ridge.rows_of(net, [values], 5))
    penalties = np.logspace(-8, 0, ridge.SINGULAR + 3)
    many = triangle.readouts(net, penalties.tolist())
    for number, penalty in enumerate(penalties):
        np.testing.assert_allclose(triangle.readouts(net, [penalty]).hidden[0], many.hidden[number], rtol=1e-6)


def test_a_readout_without_a_penalty_is_least_squares(values):
    net = network(2)
    (rows,) = ridge.rows_of(net, [values], 5)
    expected = np.linalg.lstsq(rows.features, rows.targets, rcond=None)[0]
    solved, *_ = ridge.solve(net, [values], 5, 0.0)
    np.testing.assert_allclose(solved.readout, expected[:8], rtol=1e-6, atol=1e-8)


def test_parts_left_out_have_no_say_and_the_whole_has_all_of_them(values):
    net = network(2)
    rows = ridge.divided(net, [values], 5, [(40, 0), (80, 40)])
    steps = len(values)
    for triangle, left_out in zip(rows.without, [range(steps - 40, steps), range(steps - 80, steps - 40)], strict=True):
        expected = by_hand(net, values, 5, 1e-4, set(left_out))
        np.testing.assert_allclose(triangle.solved(net, 1e-4).readout, expected[:8], rtol=1e-6)
    np.testing.assert_allclose(rows.whole().solved(net, 1e-4).readout, by_hand(net, values, 5, 1e-4)[:8], rtol=1e-6)


def test_rows_in_pieces_give_the_same(values, monkeypatch):
    net = network(2, "leaky")
    at_once, *_ = ridge.solve(net, [values], 5, 1e-4)
    monkeypatch.setattr(ridge, "ROWS_AT_ONCE", 37)
    np.testing.assert_allclose(ridge.solve(net, [values], 5, 1e-4)[0].readout, at_once.readout, rtol=1e-8)


def test_the_error_over_the_rows_needs_no_rows(values):
    net = network(2)
    solved, *_ = ridge.solve(net, [values], 5, 1e-2)
    (rows,) = ridge.rows_of(net, [values], 5)
    errors = rows.features @ weights_of(solved) - rows.targets
    triangle = ridge.Triangle.of([rows])
    assert triangle.mean_squared_error(solved) == pytest.approx(np.mean(errors**2), rel=1e-9)


def test_channels_with_missing_values_are_solved_as_if_alone():
    """Of two channels that are predicted from the same windows,
    one has no value at some targets."""
    values = np.random.default_rng(1).normal(size=(150, 2))
    gappy = values.copy()
    gappy[148:, 1] = np.nan  # read by no window but the last, and a target twice
    net = network(2)
    full, less = (ridge.Triangle.of(ridge.rows_of(net, [one], 5)) for one in (values[:148], gappy))
    np.testing.assert_allclose(less.solved(net, 0.0).readout[:, 1], full.solved(net, 0.0).readout[:, 1], rtol=1e-6)


def test_values_that_are_all_missing_are_refused():
    with pytest.raises(TrainingDiverged, match="no step is left to solve a readout by"):
        ridge.solve(network(), [np.full((30, 1), np.nan)], 5, 1e-6)


def test_hidden_states_that_run_away_are_refused():
    net = network(1, "simple", nonlinearity="identity")
    (cell,) = net.cells
    assert isinstance(cell, SimpleCell)
    net = replace(net, cells=(replace(cell, recurrent=cell.recurrent * 1e3),))
    with pytest.raises(TrainingDiverged, match="not finite at the weights drawn"):
        ridge.solve(net, [np.random.default_rng(0).normal(size=(400, 1))], 0, 1e-3)
