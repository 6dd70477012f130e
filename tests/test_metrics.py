"""Measures, against values worked out by hand."""

import numpy as np
import pytest

from freerun import metrics
from freerun.errors import SeriesError


def column(*values):
    return np.array(values, float)[:, None]


def test_mean_squared_error():
    assert metrics.mean_squared_error(column(1, 2), column(1, 5)) == 4.5


def test_nrmse_of_predicting_the_mean_is_one():
    truth = np.random.default_rng(0).normal(size=(500, 3)) * [1, 10, 100]
    assert metrics.nrmse(truth, np.broadcast_to(truth.mean(axis=0), truth.shape), truth.std(axis=0)) == pytest.approx(1)


def test_nrmse_sums_channels_before_it_divides():
    assert metrics.nrmse(np.array([[3.0, 4.0]]), np.zeros((1, 2)), np.array([6.0, 8.0])) == pytest.approx(0.5)


@pytest.mark.parametrize(("errors", "steps"), [((0.1, 0.4, 0.41, 0.0), 2), ((0.5,), 0), ((0.1, 0.2, 0.3), 3)])
def test_valid_prediction_time_counts_the_steps_before_the_first_wrong_one(errors, steps):
    truth = np.zeros((len(errors), 1))
    assert metrics.valid_prediction_time(truth, column(*errors), np.ones(1)) == steps


def test_valid_prediction_time_of_several_channels_takes_the_euclidean_error():
    deviation = np.array([0.6, 0.8])  # the root of the summed variances is 1
    assert metrics.valid_prediction_time(np.zeros((2, 2)), np.array([[0.3, 0.2], [0.3, 0.3]]), deviation) == 1


def test_a_run_that_is_not_a_number_does_not_hold():
    assert metrics.valid_prediction_time(np.zeros((3, 1)), column(0, np.nan, 0), np.ones(1)) == 1


def test_smape():
    assert metrics.smape(column(1, -1, 0, 2), column(3, 1, 0, 2)) == pytest.approx((100 + 200 + 0 + 0) / 4)


def binned_divergence(truth, generated):
    """D_stsp written down as it is defined, with dense histograms."""
    margin = 0.1 * truth.std(axis=0)
    edges = [np.linspace(a, b, 31) for a, b in zip(truth.min(0) - margin, truth.max(0) + margin, strict=True)]
    p, q = (np.histogramdd(series, edges)[0] + 1e-5 for series in (truth, generated))
    p, q = p / p.sum(), q / q.sum()
    return (p * np.log(p / q)).sum()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_state_space_divergence_is_that_of_dense_histograms(channels):
    draw = np.random.default_rng(channels)
    truth, generated = draw.normal(size=(5000, channels)), 0.3 + 1.2 * draw.normal(size=(4000, channels))
    assert metrics.state_space_divergence(truth, generated) == pytest.approx(
        binned_divergence(truth, generated), rel=1e-9
    )
    assert metrics.state_space_divergence(truth, truth) == pytest.approx(0.0, abs=1e-9)


def test_state_space_divergence_in_six_dimensions_is_that_of_two_normal_distributions():
    """One state each: KL(N(0, I) || N(m, I)) = |m|^2 / 2, up to the error of 1000 samples."""
    mean = np.array([[0.5, -0.5, 1.0, 0.0, 0.3, 0.7]])
    expected, error = (mean**2).sum() / 2, np.sqrt((mean**2).sum() / 1000)
    assert metrics.state_space_divergence(np.zeros((1, 6)), mean) == pytest.approx(expected, abs=4 * error)


def test_a_run_that_left_the_data_is_infinitely_far():
    truth = np.random.default_rng(0).normal(size=(100, 2))
    assert metrics.state_space_divergence(truth, truth + 100.0) == np.inf
    assert metrics.state_space_divergence(truth, truth * np.nan) == np.inf
    assert metrics.spectrum_distance(truth, truth * np.nan) == 1.0


def test_spectrum_distance_of_sines():
    t = np.arange(1000)[:, None]
    slow, fast, shifted = np.sin(0.02 * np.pi * t), np.sin(0.2 * np.pi * t), 5 + 3 * np.cos(0.02 * np.pi * t)
    assert metrics.spectrum_distance(slow, shifted, smoothing=0) == pytest.approx(0.0, abs=1e-6)
    assert metrics.spectrum_distance(slow, fast, smoothing=0) == pytest.approx(1.0, abs=1e-6)
    single = slow.astype(np.float32), fast.astype(np.float32)
    assert metrics.spectrum_distance(*single, smoothing=0) == pytest.approx(1.0, abs=1e-6)
    # Half the power at each of two frequencies against all of it at one: sqrt(1 - sqrt(1/2))
    both = metrics.spectrum_distance(slow, slow + fast, smoothing=0)
    assert both == pytest.approx(np.sqrt(1 - np.sqrt(0.5)), abs=1e-6)


def test_spectra_are_smoothed_by_a_reflected_gaussian():
    values = np.random.default_rng(0).normal(size=(801, 1))
    power = np.abs(np.fft.rfft((values[:, 0] - values.mean()) / values.std())) ** 2
    kernel = np.exp(-0.5 * (np.arange(-80, 81) / 20) ** 2)
    mirrored = np.concatenate([power[:80][::-1], power, power[-80:][::-1]])
    expected = np.convolve(mirrored, kernel / kernel.sum(), "valid")
    np.testing.assert_allclose(metrics.power_spectrum(values)[:, 0], expected / expected.sum(), rtol=1e-9)


def test_spectra_of_pieces_are_averaged_before_they_are_compared():
    """Two pieces with a sine each have half the power at each frequency, as the sum of the two sines has."""
    t = np.arange(1000)[:, None]
    slow, fast = np.sin(0.02 * np.pi * t), np.sin(0.2 * np.pi * t)
    apart, together = np.stack([slow, fast]), np.stack([slow + fast] * 3)
    spectrum = metrics.power_spectrum(apart, smoothing=0)
    np.testing.assert_allclose(spectrum[[10, 100], 0], 0.5)
    np.testing.assert_allclose(metrics.power_spectrum(together), metrics.power_spectrum(slow + fast), atol=1e-12)
    assert metrics.spectrum_distance(apart, together, smoothing=0) == pytest.approx(0.0, abs=1e-6)
    assert metrics.spectrum_distance(np.stack([slow] * 2), apart[:, :900], smoothing=0) == pytest.approx(
        np.sqrt(1 - np.sqrt(0.5)), abs=1e-6
    )
    assert metrics.spectrum_distance(apart, np.ones((2, 1000, 1))) == 1.0
    with pytest.raises(SeriesError, match="pieces, steps, channels"):
        metrics.spectrum_distance(apart, slow)


def test_the_return_map_of_a_logistic_envelope():
    """Bumps whose heights follow the logistic map give that map back."""
    heights = [0.3]
    for _ in range(60):
        heights.append(3.9 * heights[-1] * (1 - heights[-1]))
    t = np.arange(-10, 11)
    bump = np.cos(np.pi * t / 20) ** 2
    pairs = metrics.return_map(np.concatenate([h * bump for h in heights]))
    np.testing.assert_allclose(pairs[:, 1], 3.9 * pairs[:, 0] * (1 - pairs[:, 0]), atol=1e-9)


def henon(steps):
    x, y, values = 0.1, 0.1, []
    for _ in range(steps):
        x, y = 1 - 1.4 * x * x + y, 0.3 * x
        values.append(x)
    return np.array(values)


def test_correlation_dimensions():
    """A plane has 2, a circle 1; the Henon attractor 1.21 to 1.25 (Grassberger and Procaccia, 1983)."""
    draw = np.random.default_rng(0)
    angle = draw.uniform(0, 2 * np.pi, 5000)
    assert metrics.correlation_dimension(draw.uniform(size=(5000, 2))) == pytest.approx(2.0, abs=0.1)
    assert metrics.correlation_dimension(np.column_stack([np.cos(angle), np.sin(angle)])) == pytest.approx(1, abs=0.03)
    states = metrics.embedded(henon(20_000), 2, 1)
    assert metrics.correlation_dimension(states) == pytest.approx(1.22, abs=0.06)


def test_the_largest_exponent_of_the_henon_map_from_its_data():
    """0.419 per step (Wolf et al., 1985)."""
    states = metrics.embedded(henon(5000), 2, 1)
    assert metrics.largest_lyapunov_exponent(states, horizon=5, exclude=10) == pytest.approx(0.419, abs=0.03)


def test_delay_vectors_have_the_latest_value_first():
    np.testing.assert_array_equal(metrics.embedded(np.arange(6), 3, 2), [[4, 2, 0], [5, 3, 1]])
