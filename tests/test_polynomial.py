"""Networks of monomials of delays: the monomials, what they learn exactly,
and the published free runs of Lorenz-63."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp
from sklearn.preprocessing import PolynomialFeatures

import freerun
from freerun import fitting
from freerun.errors import FreerunError, SettingError
from freerun.forecasting.words import network_in_words
from freerun.network import monomials, numpy_runs
from freerun.network.initial import Start, initial_network
from freerun.network.shape import Shape
from freerun.plan import settled
from freerun.settings import Settings


@pytest.mark.parametrize(("numbers", "degree"), [(1, 2), (1, 5), (4, 2), (4, 3), (3, 6)])
def test_monomials_are_those_of_scikit_learn(numbers, degree):
    values = np.random.default_rng(0).normal(size=(2, 5, numbers))
    expected = PolynomialFeatures(degree, include_bias=False).fit_transform(values.reshape(10, -1))[:, numbers:]
    found = monomials.values(values, degree)
    assert found.shape == (2, 5, monomials.count(numbers, degree))
    np.testing.assert_allclose(found.reshape(10, -1), expected, rtol=1e-12)


def test_a_network_reads_the_monomials_of_its_window():
    """Two channels and an input at two lags, differenced, by hand."""
    shape = Shape(2, 0, "polynomial", (0, 2), inputs=1, differences=(1,), degree=2)
    values = np.random.default_rng(1).normal(size=(20, 3))
    hidden = numpy_runs.read(initial_network(shape, Start("reservoir")), values).hidden
    changes = values[9:, :2] - values[8:-1, :2]
    window = np.concatenate([changes[2], values[11, 2:], changes[0], values[9, 2:]])
    expected = [window[i] * window[j] for i in range(6) for j in range(i, 6)]
    np.testing.assert_allclose(hidden[11], expected)


def recovered(series: np.ndarray, delays: int) -> np.ndarray:
    """One-step errors on the last 50 steps of a network that is fitted to the steps before,
    without a penalty."""
    rnn = freerun.RNN(cell="polynomial", l2=0.0, difference=0, delays=delays).fit(series[:-50])
    return rnn.predict(series).values[-50:] - series[-50:]


def test_quadratic_maps_are_recovered_exactly():
    henon, logistic = np.zeros((300, 1)), np.full((300, 1), 0.3)
    for t in range(2, 300):
        henon[t] = 1 - 1.4 * henon[t - 1] ** 2 + 0.3 * henon[t - 2]
        logistic[t] = 3.9 * logistic[t - 1] * (1 - logistic[t - 1])
    assert np.abs(recovered(henon, delays=2)).max() < 1e-8
    assert np.abs(recovered(logistic[2:], delays=1)).max() < 1e-8


def test_a_map_that_is_driven_by_an_input_is_recovered_exactly():
    random = np.random.default_rng(0)
    drive, values = random.uniform(-1, 1, 400), np.zeros(400)
    for t in range(1, 400):
        values[t] = 0.5 * values[t - 1] + 0.4 * values[t - 1] * drive[t] - 0.3 * drive[t] ** 2 + 0.1
    table = pd.DataFrame({"x": values, "u": drive})
    series = freerun.Series.of(table[:300], inputs=["u"])
    rnn = freerun.RNN(cell="polynomial", delays=1, l2=0.0, difference=0).fit(series)
    run = rnn.generate(100, inputs=drive[300:, None]).values[:, 0]
    assert np.abs(run - values[300:]).max() < 1e-8


LORENZ_EXPONENT = 0.9056
"""Largest Lyapunov exponent of Lorenz-63, per unit of time (Viswanath, 1998)."""


def lorenz(steps: int) -> np.ndarray:
    """Lorenz-63 at the steps of 0.025 of Gauthier et al., after a transient, shape (steps, 3)."""

    def flow(_: float, x: np.ndarray) -> list[float]:
        return [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]]

    times = 10 + 0.025 * np.arange(steps)
    start = [17.67715816276679, 12.931379185960404, 43.91404334248268]
    return solve_ivp(flow, (0, times[-1]), start, t_eval=times, rtol=1e-10, atol=1e-10).y.T


def test_lorenz_is_forecast_as_published():
    """Gauthier et al. (2021): k = 2, s = 1, degree 2, 400 training steps, ridge 2.5e-6.

    They report an NRMSE of one-step predictions of 1.06e-4,
    and free runs that follow for about 5 Lyapunov times.
    """
    values = lorenz(1400)
    training = values[:400]
    rnn = freerun.RNN(cell="polynomial", degree=2, delays=2, difference=0, l2=1e-9).fit(training)
    assert rnn.model_.best.network.readout.shape == (21, 3)
    errors = rnn.predict(training).values[2:] - training[3:]
    assert np.sqrt((errors**2).mean() / training.var(axis=0).sum()) < 2e-4
    lasted = []
    for start in range(400, 1100, 50):
        run = rnn.generate(300, after=values[start - 10 : start]).values
        off = np.sqrt(((run - values[start : start + 300]) ** 2).mean(axis=1)) / np.sqrt(training.var(axis=0).mean())
        lasted.append((off > 0.4).argmax() if (off > 0.4).any() else 300)
    assert np.median(lasted) * 0.025 * LORENZ_EXPONENT > 5


def test_too_many_monomials_are_refused_with_their_number():
    values = np.random.default_rng(0).normal(size=(500, 3))
    with pytest.raises(SettingError, match=r"10 delays of 3 channels and inputs have 46345 monomials of degree 2 to 4"):
        freerun.RNN(cell="polynomial", degree=4, delays=10).fit(values)


@pytest.mark.parametrize(
    "parameters", [{"hidden": 50}, {"nonlinearity": "relu"}, {"input_scale": 1.0}, {"layers": 2}, {"leak": 0.2}]
)
def test_what_belongs_to_units_has_no_effect(parameters):
    with pytest.raises(SettingError, match="has no effect with cell='polynomial'"):
        freerun.RNN(cell="polynomial", **parameters).fit(np.arange(100.0))


def test_the_degree_belongs_to_polynomials():
    with pytest.raises(SettingError, match="degree has no effect"):
        freerun.RNN(cell="memoryless", degree=3).fit(np.arange(100.0))


def test_a_run_that_explodes_is_an_error():
    """A cubic map that is unstable outside of the data."""
    values = np.sin(np.arange(300) / 5)[:, None]
    rnn = freerun.RNN(cell="polynomial", degree=3, delays=2, l2=1e-6, difference=0).fit(values)
    with pytest.raises(FreerunError, match="diverged at step"):
        rnn.generate(300, after=30 * values[:50])


def test_ten_thousand_steps_of_hundreds_of_monomials_take_less_than_a_second():
    values = lorenz(400).repeat(25, axis=0)[:, :1] + 0.1 * np.random.default_rng(0).normal(size=(10_000, 1))
    network = initial_network(Shape(1, 0, "polynomial", tuple(range(8)), degree=4), Start("reservoir"))
    assert network.cells[0].hidden == 486
    began = time.process_time()
    hidden = numpy_runs.read(network, (values - values.mean()) / values.std()).hidden
    assert hidden.shape == (10_000, 486)
    assert time.process_time() - began < 1


def test_polynomials_whose_runs_explode_are_passed_over():
    values = np.sin(np.arange(200) / 4)[:, None] + 0.05 * np.random.default_rng(0).normal(size=(200, 1))
    polynomial = Settings.checked(cell="polynomial", degree=5, delays=4, l2=1e-12, difference=0)
    bounded = Settings.checked(hidden=30, optimizer="ridge", cell="memoryless", delays=8, l2=1e-3, difference=0)
    choices = [settled(one, len(values)) for one in (polynomial, bounded)]
    fitted = fitting.fit(Settings.checked(), values, choices=choices)
    assert fitted.model.best.settings.cell == "memoryless"


def test_a_polynomial_is_described_by_its_monomials():
    model = freerun.RNN(cell="polynomial", degree=3, delays=2, l2=1e-6, difference=0).fit(lorenz(200)[:, :1]).model_
    assert network_in_words(model) == "polynomial, 7 monomials, reads lags 0, 1"
