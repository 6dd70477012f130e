"""Levenberg-Marquardt, against SciPy and closed forms."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from jax.flatten_util import ravel_pytree

import freerun
from freerun.compute.programs import computing
from freerun.errors import SettingError
from freerun.network import jax_runs
from freerun.network.initial import Start, initial_network
from freerun.network.shape import Shape
from freerun.training.forcing import Full
from freerun.training.objective import Objective, Regularization
from freerun.training.optimizers import LevenbergMarquardt, Population, minimize, stack, unstack
from freerun.training.optimizers import levenberg_marquardt as module
from freerun.training.supervised import SupervisedData

KEY = jax.random.key(0)


@pytest.fixture(autouse=True)
def double():
    with computing("float64"):
        yield


def minimized(objective, terms, network, epochs):
    reports = []
    optimizer = LevenbergMarquardt(epochs)
    beginning = optimizer.begin(Population(stack([network]), stack([terms])))
    ending = minimize(optimizer, lambda _: objective, beginning, KEY, lambda _, values: reports.append(values))
    return unstack(ending.population.networks)[0], np.concatenate(reports)[:, 0], ending.stopped[0]


def problem(l2=None, hidden=3, steps=200):
    series = freerun.systems.multiple_sines(steps, seed=0).values
    pairs = SupervisedData.of([np.asarray(series)], 1, 10)
    network = initial_network(Shape(1, hidden, "simple", (0,), 1, True), Start("glorot", seed=1))
    return Objective(pairs, Full()), Regularization(l2=l2), network


def test_levenberg_marquardt_reaches_the_minimum_that_scipy_finds():
    """A ridge penalty makes the minimum sharp; SciPy's trust-region method, from the same start,
    is the oracle."""
    objective, terms, network = problem(l2=jnp.asarray(1e-3), steps=100)
    theta, unravel = ravel_pytree(network)
    residuals = jax.jit(lambda weights: objective.residuals(unravel(weights), terms, KEY))
    slopes: Any = jax.jit(jax.jacfwd(residuals))
    oracle = scipy.optimize.least_squares(residuals, np.asarray(theta), jac=slopes, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    _, values, stopped = minimized(objective, terms, network, 1000)
    assert values[-1] == pytest.approx(2 * oracle.cost, rel=1e-4)
    assert np.all(np.diff(values) <= 0)
    assert stopped.reason.startswith(("no lower objective found", "the objective hardly falls any more"))
    assert not stopped.diverged


def test_a_linear_network_is_solved_in_a_few_iterations():
    """Least squares without a hidden layer's bend: the ridge solution is the exact minimum."""
    draw = np.random.default_rng(0)
    pairs = SupervisedData.of([draw.normal(size=(300, 1)).cumsum(axis=0) * 0.1], 1, 5)
    network = initial_network(Shape(1, 1, "memoryless", (0, 1, 2), 1, True, "identity"), Start("glorot"))
    _, values, _ = minimized(Objective(pairs, Full()), Regularization(), network, 30)
    windows = np.asarray(jax_runs.windows(network, pairs.inputs, jnp.zeros((2, 1))).seen)[5:]
    features = np.column_stack([windows, np.ones(len(windows))])
    _, rest, *_ = np.linalg.lstsq(features, np.asarray(pairs.targets)[5:], rcond=None)
    assert values[-1] == pytest.approx(float(rest[0]) / len(windows), rel=1e-9)


@pytest.mark.parametrize(("hidden", "steps"), [(8, 40), (3, 200)])
def test_the_first_step_is_that_of_the_normal_equations(hidden, steps):
    """Worked out in NumPy, with fewer and with more residuals than weights,
    for the first damping that helps."""
    objective, terms, network = problem(hidden=hidden, steps=steps)
    theta, unravel = ravel_pytree(network)
    residuals = jax.jit(lambda weights: objective.residuals(unravel(weights), terms, KEY))
    r, jacobian = np.asarray(residuals(theta)), np.asarray(jax.jit(jax.jacrev(residuals))(theta))
    assert (jacobian.shape[0] < jacobian.shape[1]) == (hidden == 8)
    scale = (jacobian**2).sum(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    candidates = [
        theta - np.linalg.solve(jacobian.T @ jacobian + damping * np.diag(scale), jacobian.T @ r)
        for damping in module.FIRST_DAMPING * np.array([1, 2, 8, 64, 1024])
    ]
    helps = next(weights for weights in candidates if float((residuals(weights) ** 2).sum()) < float(r @ r))
    fitted, _, _ = minimized(objective, terms, network, 1)
    np.testing.assert_allclose(ravel_pytree(fitted)[0], helps, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_several_networks_at_once_take_the_steps_of_each_alone():
    """Each with a penalty of its own."""
    objective, _, _ = problem()
    several = [Regularization(l2=jnp.asarray(l2)) for l2 in (1e-4, 1e-2)]
    networks = [initial_network(Shape(1, 3, "simple", (0,), 1, True), Start("glorot", seed=seed)) for seed in (1, 2)]
    optimizer = LevenbergMarquardt(15)
    beginning = optimizer.begin(Population(stack(networks), stack(several)))
    ending = minimize(optimizer, lambda _: objective, beginning, KEY, lambda *_: None)
    for network, terms, together in zip(networks, several, unstack(ending.population.networks), strict=True):
        alone, _, _ = minimized(objective, terms, network, 15)
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


def test_a_network_too_large_for_the_memory_bound_is_refused_with_its_size():
    with pytest.raises(
        SettingError, match=r"a Jacobian of 100000 residuals x 10\d+ weights, 7\.\d GiB, and the bound is 2 GiB"
    ):
        freerun.RNN(99, cell="simple", optimizer="levenberg-marquardt", restarts=1).fit(
            np.random.default_rng(0).normal(size=100_001)
        )


def test_fifteen_units_fit_the_tutorials_series_far_better_than_the_tutorial():
    """Gradient descent ends at 8.5e-4; the free run of the
    result holds for more than a hundred steps."""
    series = freerun.systems.mackey_glass(1700, seed=0)
    rnn = freerun.RNN(15, cell="memoryless", delays=18, forcing="full", epochs=30, restarts=1)
    rnn.fit(series.between(0, 1500))
    assert rnn.history_.training_mse[-1] < 1e-7
    assert rnn.evaluate(series, 1500).vpt > 100
