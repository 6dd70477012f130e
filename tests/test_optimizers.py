"""BFGS and ridge regression, against closed forms, scikit-learn and the tutorial's figures."""

from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from sklearn.linear_model import Ridge

import freerun
from freerun.training.optimizers import gradient


@pytest.fixture(scope="module")
def tutorial():
    return freerun.systems.mackey_glass(2000, seed=0).split(1500)


@pytest.fixture(scope="module")
def descended(tutorial):
    train, valid = tutorial
    return freerun.RNN(
        initial="tutorial", direct=False, optimizer="sgd", learning_rate=0.3, epochs=1001, l2=1e-4, standardize=False
    ).fit(train, valid)


def go_on(descended, tutorial, **parameters):
    rnn = freerun.RNN(initial="tutorial", direct=False, optimizer="bfgs", standardize=False, **parameters)
    rnn.model_ = descended.model_
    return rnn.fit(*tutorial, warm_start=True)


@pytest.mark.slow
def test_bfgs_goes_on_from_gradient_descent_to_a_minimum_of_the_tutorials_objective(tutorial, descended):
    """SciPy's BFGS reached a training MSE of 7.8e-5 from there under PyTensor,
    in 1400 to 2000 iterations."""
    rnn = go_on(descended, tutorial, epochs=2500, l2=1e-4)
    assert rnn.history_.training_mse[-1] == pytest.approx(7.8e-5, rel=0.02)
    assert rnn.history_.stopped.startswith("no lower objective found after")
    assert np.all(np.diff(rnn.history_.objective) <= 0)


def test_bfgs_goes_on_from_gradient_descent_to_the_least_squares_of_scipy():
    """Hidden units that are linear make a linear network,
    whose minimum is that of least squares on its window."""
    values = np.sin(np.arange(120) / 3) + 0.1 * np.cos(np.arange(120))
    given: dict[str, Any] = {"hidden": 2, "cell": "memoryless", "delays": 3, "nonlinearity": "identity", "washout": 3}
    descended = freerun.RNN(**given, optimizer="sgd", epochs=20, learning_rate=0.01, restarts=1).fit(values)
    rnn = freerun.RNN(**given, optimizer="bfgs", epochs=200, restarts=1)
    rnn.model_ = descended.model_
    rnn.fit(values, warm_start=True)
    objective = rnn.history_.objective
    assert objective[0] <= descended.history_.objective[-1]
    assert np.all(np.diff(objective) <= 0)
    lags = np.lib.stride_tricks.sliding_window_view(values, 3)[:-1]
    features = np.column_stack([lags, np.ones(len(lags))])[1:]
    _, rest, *_ = np.linalg.lstsq(features, values[4:], rcond=None)
    assert rnn.history_.training_mse[-1] == pytest.approx(rest[0] / len(features), rel=1e-6)


@pytest.mark.slow
def test_bfgs_without_the_penalty_reaches_a_millionth(tutorial, descended):
    rnn = go_on(descended, tutorial, epochs=2000)
    assert rnn.history_.training_mse[-1] < 3e-6


@pytest.mark.slow
def test_bfgs_runs_on_past_a_start_that_is_already_close(tutorial, descended):
    close = go_on(descended, tutorial, epochs=400)
    further = freerun.RNN(initial="tutorial", direct=False, optimizer="bfgs", epochs=400, standardize=False)
    further.model_ = close.model_
    further.fit(*tutorial, warm_start=True)
    assert further.history_.epochs[-1] > 100
    assert further.history_.objective[-1] < 0.95 * close.history_.objective[-1]


def test_a_linear_network_learns_a_linear_recursion_exactly():
    """x_{t+1} = 1.8 x_t - 0.97 x_{t-1}: two linear units and a direct connection can represent
    it."""
    values = [1.0, 0.9]
    for _ in range(100):
        values.append(1.8 * values[-1] - 0.97 * values[-2])
    series = freerun.Series.of(values)
    rnn = freerun.RNN(hidden=2, optimizer="bfgs", nonlinearity="identity", washout=2, epochs=200).fit(series)
    assert rnn.history_.training_mse[-1] < 1e-14
    following = series.values[:, 0].tolist()
    for _ in range(50):
        following.append(1.8 * following[-1] - 0.97 * following[-2])
    np.testing.assert_allclose(rnn.generate(50).values[:, 0], following[-50:], atol=1e-5)


@pytest.mark.parametrize("direct", [False, True])
def test_ridge_is_that_of_scikit_learn(direct):
    """Penalised bias apart: a column of ones takes the place of scikit-learn's free intercept."""
    series = freerun.systems.lorenz_dop853(400, dt=0.05)
    l2, washout = 1e-4, 30
    rnn = freerun.RNN(
        hidden=20,
        cell="simple",
        delays=1,
        input_scale=0.5,
        spectral_radius=0.9,
        optimizer="ridge",
        direct=direct,
        l2=l2,
        input_noise=0.0,
        washout=washout,
        seed=1,
    ).fit(series)
    network = rnn.model_.best.network
    cell: Any = network.cells[0]
    x = (series.values - series.values.mean(axis=0)) / series.values.std(axis=0)
    h, states = np.zeros(20), []
    for now in x[:-1]:
        h = np.tanh(h @ cell.recurrent + now @ cell.input + cell.bias)
        states.append(h)
    columns = [np.array(states), np.ones((len(states), 1))] + ([x[:-1]] if direct else [])
    features, targets = np.concatenate(columns, axis=1)[washout:], x[1:][washout:]
    oracle = Ridge(alpha=l2 * 3 * len(features), fit_intercept=False, solver="svd").fit(features, targets).coef_.T
    np.testing.assert_allclose(network.readout, oracle[:20], atol=1e-9)
    np.testing.assert_allclose(network.bias, oracle[20], atol=1e-9)
    if direct:
        assert network.direct is not None
        np.testing.assert_allclose(network.direct, oracle[21:], atol=1e-9)


@pytest.mark.parametrize("method", ["momentum", "adam", "nadam", "radam", "rmsprop"])
def test_the_relatives_of_gradient_descent_lower_the_objective(tutorial, method):
    train, _ = tutorial
    history = (
        freerun.RNN(optimizer=method, direct=False, learning_rate=0.003, epochs=200).fit(train.between(0, 300)).history_
    )
    assert history.objective[-1] < 0.2 * history.objective[0]


@pytest.mark.slow
def test_penalties_shrink_weights(tutorial):
    train = tutorial[0].between(0, 300)

    def size(**penalty):
        network = freerun.RNN(optimizer="bfgs", epochs=50, **penalty).fit(train).model_.best.network
        cell: Any = network.cells[0]
        return np.abs(cell.recurrent).sum()

    free = size()
    assert size(l2=1e-2) < free
    assert size(l1=1e-2) < 0.5 * free


def test_the_objective_is_the_mean_squared_error_plus_both_penalties():
    """At the initial weights, worked out in NumPy."""
    series = freerun.Series.of(np.random.default_rng(0).normal(size=(50, 2)))
    rnn = freerun.RNN(
        hidden=3, direct=False, optimizer="sgd", learning_rate=1e-300, epochs=1, l1=0.01, l2=0.02, washout=5
    ).fit(series)
    network = rnn.model_.best.network
    cell: Any = network.cells[0]
    x = (series.values - series.values.mean(axis=0)) / series.values.std(axis=0)
    h, errors = np.zeros(3), []
    for now, following in pairwise(x):
        h = np.tanh(h @ cell.recurrent + now @ cell.input + cell.bias)
        errors.append(h @ network.readout + network.bias - following)
    weights = [cell.input, cell.recurrent, cell.bias, network.readout, network.bias]
    expected = np.mean(np.square(errors[5:]))
    expected += sum(0.01 * np.abs(w).sum() + 0.02 * np.square(w).sum() for w in weights)
    assert rnn.history_.objective[0] == pytest.approx(expected, rel=1e-12)


DRAW = np.random.default_rng(0)
SINE = np.sin(np.arange(300) / 3) + 0.1 * DRAW.normal(size=300)
WITH_GAPS = [np.where(DRAW.random(n) < 0.05, np.nan, SINE[:n]) for n in (80, 100, 90, 100)]


IN_PARTS = {
    "windows": (SINE, {"window": 20, "batch": 8, "stateful": True, "cell": "lstm", "l2": 1e-4}),
    "noise": (SINE, {"window": 20, "batch": 8, "washout": 3, "weight_noise": 0.01, "l1": 1e-4}),
    "forced": (
        SINE,
        {"window": 20, "batch": 8, "forcing": "scheduled", "forcing_strength": 0.5, "input_noise": 0.01},
    ),
    "panel": (WITH_GAPS, {"cell": "gru"}),
}


@pytest.mark.quick(case=["panel"])
@pytest.mark.parametrize("case", IN_PARTS)
def test_a_gradient_in_parts_is_that_of_the_whole(case, monkeypatch):
    series, settings = IN_PARTS[case]

    def objectives(work: float) -> list[float]:
        monkeypatch.setattr(gradient, "WORK", work)
        rnn = freerun.RNN(6, optimizer="adam", epochs=12, direct=False, restarts=1, holdout=0, **settings)
        return rnn.fit(series).history_.objective

    monkeypatch.setattr(gradient, "SEQUENCES", 4)
    monkeypatch.setattr(gradient, "cores", lambda: 2)
    parts = Mock(wraps=gradient._drawn)
    monkeypatch.setattr(gradient, "_drawn", parts)
    whole = objectives(np.inf)
    assert not parts.called
    np.testing.assert_allclose(objectives(0), whole, rtol=1e-9)
    assert parts.call_count == 12
