"""States behind noisy measurements, against the Kalman filter and the smoother of Rauch,
Tung and Striebel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import freerun
from freerun.errors import SettingError
from freerun.network import assimilation, errors_in_variables
from freerun.network.assimilation import Noise
from freerun.network.network import Network
from freerun.plan import settled, solve_plan
from freerun.settings import Settings

TURN = 0.98 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
"""A rotation that shrinks: x_{t+1} = TURN @ x_t + noise."""

SMALL: dict[str, Any] = {"hidden": 7, "cell": "memoryless"}

NOISE = Noise(np.array([0.3, 0.2]), np.array([0.01, 0.02]))


def linear(matrix: np.ndarray) -> Network:
    """The network whose output is `matrix` times the values read."""
    return Network((), np.empty((0, len(matrix))), np.zeros(len(matrix)), matrix.T)


@pytest.fixture(scope="module")
def measured() -> np.ndarray:
    random, states = np.random.default_rng(0), np.zeros((200, 2))
    for t in range(1, len(states)):
        states[t] = TURN @ states[t - 1] + np.sqrt(NOISE.model) * random.normal(size=2)
    values = states + np.sqrt(NOISE.measured) * random.normal(size=states.shape)
    values[50:58] = np.nan
    values[90, 1] = np.nan
    return values


def kalman(values, mean, covariance, noise=NOISE):
    """Filtered means and covariances from a prior of the first state, and -2 log likelihood."""
    means, covariances, surprise = [], [], 0.0
    for measurement in values:
        known = np.isfinite(measurement)
        pick = np.eye(len(measurement))[known]
        innovation = measurement[known] - pick @ mean
        spread = pick @ covariance @ pick.T + np.diag(noise.measured[known])
        gain = covariance @ pick.T @ np.linalg.inv(spread)
        mean, covariance = mean + gain @ innovation, covariance - gain @ pick @ covariance
        surprise += np.linalg.slogdet(spread)[1] + innovation @ np.linalg.solve(spread, innovation)
        means.append(mean)
        covariances.append(covariance)
        mean, covariance = TURN @ mean, TURN @ covariance @ TURN.T + np.diag(noise.model)
    return np.array(means), np.array(covariances), surprise


def rauch_tung_striebel(means, covariances, noise=NOISE):
    """Smoothed means and covariances."""
    means, covariances = means.copy(), covariances.copy()
    for t in reversed(range(len(means) - 1)):
        ahead = TURN @ covariances[t] @ TURN.T + np.diag(noise.model)
        gain = covariances[t] @ TURN.T @ np.linalg.inv(ahead)
        means[t], covariances[t] = (
            means[t] + gain @ (means[t + 1] - TURN @ means[t]),
            covariances[t] + gain @ (covariances[t + 1] - ahead) @ gain.T,
        )
    return means, covariances


def after_the_first(values):
    """The prior of the second state that a flat prior and the first measurement leave."""
    return TURN @ values[0], TURN @ np.diag(NOISE.measured) @ TURN.T + np.diag(NOISE.model)


def test_states_of_a_linear_network_are_those_of_rauch_tung_and_striebel(measured):
    found = assimilation.posterior(linear(TURN), NOISE, measured)
    means, covariances, _ = kalman(measured[1:], *after_the_first(measured))
    means, covariances = rauch_tung_striebel(means, covariances)
    np.testing.assert_allclose(found.mean[1:], means, rtol=0, atol=1e-9)
    deviations = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    np.testing.assert_allclose(found.deviation()[1:], deviations, rtol=1e-9)


def test_draws_from_the_posterior_have_its_mean_and_deviation(measured):
    found, random = assimilation.posterior(linear(TURN), NOISE, measured), np.random.default_rng(0)
    draws = np.array([found.drawn(random) for _ in range(2000)])
    np.testing.assert_allclose(draws.mean(axis=0), found.mean, atol=0.05)
    np.testing.assert_allclose(draws.std(axis=0), found.deviation(), rtol=0.1)


def test_the_likelihood_of_variances_is_that_of_the_kalman_filter(measured):
    other = Noise(NOISE.measured * 1.5, NOISE.model * 3)
    found = [assimilation.posterior(linear(TURN), noise, measured).surprise for noise in (NOISE, other)]
    exact = [
        kalman(
            measured[1:],
            TURN @ measured[0],
            TURN @ np.diag(noise.measured) @ TURN.T + np.diag(noise.model),
            noise,
        )[2]
        for noise in (NOISE, other)
    ]
    assert found[1] - found[0] == pytest.approx(exact[1] - exact[0], abs=1e-6)


def test_filtered_states_of_a_linear_network_are_those_of_kalman(measured):
    means, _, _ = kalman(measured, np.zeros(2), np.eye(2))
    np.testing.assert_allclose(assimilation.filtered(linear(TURN), NOISE, measured).means[:, 0], means, atol=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        SMALL | {"delays": (0, 2, 3), "difference": 1},
        SMALL | {"delays": 2, "layers": 2, "difference": (1, 3)},
        SMALL | {"delays": 1, "direct": False, "nonlinearity": "sigmoid"},
        SMALL | {"delays": 2, "nonlinearity": "softplus"},
        {"delays": 2, "cell": "polynomial", "degree": 3},
    ],
)
def test_slopes_are_those_of_finite_differences(settings):
    plan = solve_plan(settled(Settings.checked(optimizer="ridge", **settings), 1000), 3)
    random, network = np.random.default_rng(0), plan.draw()
    direct = None if network.direct is None else random.normal(size=network.direct.shape)
    network = network.with_readout(random.normal(size=network.readout.shape), random.normal(size=3), direct)
    values, step = random.normal(size=(network.depth + 1, 1, 3)), 1e-6
    slopes = assimilation.linearized(network, values[-1:], values[:-1]).slopes[0]
    for back in range(network.depth + 1):
        for channel in range(3):
            moved = [values.copy(), values.copy()]
            moved[0][network.depth - back, 0, channel] += step
            moved[1][network.depth - back, 0, channel] -= step
            above, below = (assimilation.linearized(network, one[-1:], one[:-1]).outputs[0] for one in moved)
            np.testing.assert_allclose(slopes[back, :, channel], (above - below) / (2 * step), atol=1e-7)


def test_noise_does_not_flatten_what_is_learned():
    """A rotation learned from noisy values by ridge regression shrinks by 1 / (1 + noise / signal);
    by EM, not."""
    random, angle = np.random.default_rng(0), 0.3 * np.arange(3000)
    turn = TURN / 0.98
    values = np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.5 * random.normal(size=(3000, 2))
    plan = solve_plan(
        settled(Settings.checked(hidden=1, cell="memoryless", optimizer="ridge", nonlinearity="identity"), 3000), 2
    )
    network = plan.draw()
    found = errors_in_variables.estimate(network, values, np.full(2, 0.25), 1e-10, 30)
    slopes = assimilation.linearized(found.network, values[:1, None], np.empty((0, 1, 2))).slopes[0, 0]
    np.testing.assert_allclose(slopes, turn, atol=0.01)  # ridge regression alone is off by 0.19
    np.testing.assert_allclose(found.noise.measured, 0.25, rtol=0.1)


@pytest.fixture(scope="module")
def lorenz() -> tuple[freerun.Series, freerun.Series]:
    """A Lorenz series, and the same with noise of a tenth of its standard deviation."""
    true = freerun.systems.lorenz_dop853(800, dt=0.05)
    noise = 0.1 * true.deviation * np.random.default_rng(0).normal(size=true.shape)
    return true, replace(true, values=true.values + noise)


HOW = {"cell": "memoryless", "input_scale": 0.3, "l2": 1e-6, "measurement_noise": 0.1, "input_noise": 0.0}


@pytest.fixture(scope="module")
def rnn(lorenz) -> freerun.RNN:
    """Fitted to all but the last 100 steps."""
    return freerun.RNN(100, optimizer="ridge", delays=3, **HOW).fit(lorenz[1].between(0, 700))


def test_smoothing_a_chaotic_series_takes_most_of_its_noise_away(rnn, lorenz):
    true, noisy = lorenz
    left = np.sqrt(((rnn.smooth(noisy).values - true.values) ** 2).mean(axis=0)) / true.deviation
    assert (left < 0.045).all()
    deviations = rnn.smooth(noisy, deviation=True)
    assert deviations.channels[-1] == f"{true.channels[-1]}_deviation"


def test_gaps_are_bridged(rnn, lorenz):
    true, noisy = lorenz
    values = noisy.values.copy()
    values[500:505] = np.nan
    smoothed = rnn.smooth(replace(noisy, values=values)).values
    assert np.abs(smoothed - true.values)[500:505].max() < 0.25 * true.deviation.max()


def test_a_model_of_states_forecasts_updates_and_keeps_in_a_file(rnn, lorenz, tmp_path):
    true, noisy = lorenz
    rnn.save(tmp_path / "m.freerun")
    back = freerun.load(tmp_path / "m.freerun")
    np.testing.assert_array_equal(back.generate(5).values, rnn.generate(5).values)
    np.testing.assert_array_equal(back.smooth(noisy).values, rnn.smooth(noisy).values)
    table = rnn.forecast(10, 80)
    assert np.isfinite(table.to_numpy()).all()
    ahead = back.update(noisy.between(700, 790)).generate(5).values
    assert np.abs(ahead - true.values[790:795]).max() < 0.5 * true.deviation.max()
    assert back.sample(5, 20).shape == (20, 5, true.shape[1])


def test_one_step_predictions_are_made_from_the_past_alone(rnn, lorenz):
    _, noisy = lorenz
    whole, part = rnn.predict(noisy).values, rnn.predict(noisy.between(0, 300)).values
    np.testing.assert_allclose(whole[:299], part, atol=1e-9)


def test_smoothing_needs_a_fit_that_knows_noise(lorenz):
    plain = freerun.RNN(50, optimizer="ridge", cell="memoryless", delays=3, input_scale=0.3, l2=1e-6)
    plain.fit(lorenz[1].between(0, 200))
    with pytest.raises(SettingError, match=r"measurement_noise=0\.1"):
        plain.smooth(lorenz[1])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"measurement_noise": 0.1, "cell": "leaky"}, "cell='memoryless'"),
        ({"measurement_noise": 1.5, "cell": "memoryless"}, "between 0 and 1"),
        ({"measurement_noise": 0.1, "cell": "memoryless", "difference": 1}, "measurement_noise=0"),
        ({"measurement_noise": (0.1, 0.1), "cell": "memoryless", "delays": 1, "l2": 1e-6}, "one for each of the 3"),
    ],
)
def test_noise_that_does_not_fit_is_refused(settings, said, lorenz):
    with pytest.raises(SettingError, match=said):
        freerun.RNN(50, optimizer="ridge", **settings).fit(lorenz[1])
