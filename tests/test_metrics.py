"""Measures, against values worked out by hand, closed forms and other libraries."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import sklearn.metrics
import sktime.performance_metrics.forecasting

from freerun import metrics
from freerun.errors import SeriesError, SettingError


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


def drawn_series(steps, channels=2):
    return np.random.default_rng(steps).normal(size=(steps, channels)).cumsum(axis=0)


@pytest.mark.parametrize("season", [1, 4])
def test_scaled_errors_are_those_of_sktime(season):
    """Of each channel: sktime combines several in another way."""
    training, truth, prediction = drawn_series(40), drawn_series(7), drawn_series(8)[:7]
    others = sktime.performance_metrics.forecasting
    scaled = []
    for i in range(2):
        one, before = (truth[:, i : i + 1], prediction[:, i : i + 1]), training[:, i : i + 1]
        root = others.mean_squared_scaled_error(*one, y_train=before, sp=season, square_root=True)
        assert metrics.rmsse(*one, before, season) == pytest.approx(root)
        scaled.append(others.mean_absolute_scaled_error(*one, y_train=before, sp=season))
        assert metrics.mase(*one, before, season) == pytest.approx(scaled[-1])
    assert metrics.mase(truth, prediction, training, season) == pytest.approx(np.mean(scaled))


def test_rmsse_of_several_channels_takes_the_root_last():
    training = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 0.0]])  # mean squared steps 1 and 4
    assert metrics.rmsse(np.zeros((1, 2)), np.array([[1.0, 6.0]]), training) == pytest.approx(np.sqrt((1 + 36 / 4) / 2))


def test_the_naive_forecast_of_a_series_that_goes_on_has_a_scaled_error_of_one():
    """Steps of 3, up and down: each naive error is 3."""
    training = column(0, 3, 0, 3, 6, 3)
    assert metrics.mase(column(6), column(3), training) == 1
    assert metrics.rmsse(column(6), column(3), training) == 1


@pytest.mark.parametrize("measure", [metrics.mase, metrics.rmsse])
def test_scaled_errors_leave_missing_values_out(measure):
    training, truth, prediction = column(0, 1, 3, 2), column(4, np.nan, 5), column(3, 3, 3)
    assert measure(truth, prediction, training) == measure(column(4, 5), column(3, 3), training)
    gappy = column(7, np.nan, 0, 1, 3, 2)
    assert measure(truth, prediction, gappy) == measure(truth, prediction, training)
    assert np.isnan(measure(truth, column(3, 3, np.nan), training))  # the forecast has to be there
    assert measure(truth, column(3, 3, np.inf), training) == np.inf


@pytest.mark.parametrize("measure", [metrics.mase, metrics.rmsse])
@pytest.mark.parametrize(
    ("training", "season", "message"),
    [
        (column(5, 5, 5, 5), 1, "repeats itself exactly after 1 steps"),
        (column(1, 2, 1, 2), 2, "repeats itself exactly after 2 steps"),
        (column(1, 2, 1, 2), 4, "no two known values of channel 0 lie a season of 4 steps apart in its 4 steps"),
        (column(1, np.nan, 2), 1, "no two known values"),
        (np.ones((4, 2)), 1, r"training has shape \(4, 2\)"),
    ],
)
def test_scaled_errors_need_something_to_divide_by(measure, training, season, message):
    with pytest.raises(SeriesError, match=message):
        measure(column(1, 2), column(1, 3), training, season)


def test_a_season_is_a_whole_number():
    with pytest.raises(SettingError, match="season=0"):
        metrics.mase(column(1), column(1), column(1, 2), 0)


def test_the_pinball_loss_is_that_of_scikit_learn():
    truth, levels = drawn_series(9), (0.05, 0.5, 0.9)
    quantiles = np.stack([drawn_series(20)[:9], drawn_series(21)[:9], drawn_series(22)[:9]])
    expected = [sklearn.metrics.mean_pinball_loss(truth, q, alpha=a) for q, a in zip(quantiles, levels, strict=True)]
    assert metrics.pinball_loss(truth, quantiles, levels) == pytest.approx(np.mean(expected))
    assert metrics.pinball_loss(truth, quantiles[2], 0.9) == pytest.approx(expected[2])
    assert metrics.pinball_loss(truth, quantiles[1], 0.5) == pytest.approx(np.abs(truth - quantiles[1]).mean() / 2)


def test_the_weighted_quantile_loss_of_two_series_by_hand():
    """Losses at 0.1: 0.1 * 2 and 0.9 * 1; at 0.5: 0.5 * 1 and 0.5 * 3. Values: 10 and 30."""
    truths, quantiles = [column(10), column(-30)], [column(8, 9)[..., None], column(-29, -33)[..., None]]
    assert metrics.wql(truths, quantiles, (0.1, 0.5)) == pytest.approx((2 * 1.1 / 40 + 2 * 2 / 40) / 2)


def test_the_weighted_quantile_loss_of_medians_is_the_share_of_the_absolute_error():
    truths, medians = [drawn_series(5), drawn_series(9)], [drawn_series(6)[:5], drawn_series(10)[:9]]
    errors = sum(np.abs(y - p).sum() for y, p in zip(truths, medians, strict=True))
    size = sum(np.abs(y).sum() for y in truths)
    assert metrics.wql(truths, [p[None] for p in medians], [0.5]) == pytest.approx(errors / size)


def normal_crps(deviation, truth):
    """The score of a normal distribution with mean 0, in closed form (Gneiting and Raftery, 2007,
    equation 5)."""
    z = truth / deviation
    return deviation * (z * (2 * scipy.stats.norm.cdf(z) - 1) + 2 * scipy.stats.norm.pdf(z) - 1 / np.sqrt(np.pi))


@pytest.mark.parametrize("truth", [0.0, 1.3, -4.0])
def test_the_score_of_samples_approaches_that_of_their_distribution(truth):
    samples = 2.0 * np.random.default_rng(0).normal(size=(200_000, 1, 1))
    for fair in (True, False):
        assert metrics.crps(column(truth), samples, fair) == pytest.approx(normal_crps(2.0, truth), abs=0.02)


def test_the_fair_score_of_few_samples_is_right_on_average():
    """100000 steps with three samples each: the fair estimator has the expected score,
    the standard one more."""
    samples = np.random.default_rng(0).normal(size=(3, 100_000, 1))
    truth = np.full((100_000, 1), 0.7)
    assert metrics.crps(truth, samples) == pytest.approx(normal_crps(1.0, 0.7), abs=0.01)
    excess = (1 / np.sqrt(np.pi)) / 3  # half the mean difference of two samples, over M
    assert metrics.crps(truth, samples, fair=False) == pytest.approx(normal_crps(1.0, 0.7) + excess, abs=0.01)


def test_the_standard_score_is_the_integral_of_the_squared_difference_of_distribution_functions():
    samples, truth = np.array([-1.0, 0.5, 0.7, 3.0]), 1.2
    steps = np.sort([*samples, truth])

    def squared(x):
        return ((samples <= x).mean() - (truth <= x)) ** 2

    pieces = [scipy.integrate.quad(squared, a, b)[0] for a, b in itertools.pairwise(steps)]
    assert metrics.crps(column(truth), samples[:, None, None], fair=False) == pytest.approx(sum(pieces))


def test_twice_the_pinball_loss_over_many_levels_is_the_score_of_the_distribution():
    levels = (np.arange(2000) + 0.5) / 2000
    quantiles = scipy.special.ndtri(levels)[:, None, None]
    assert 2 * metrics.pinball_loss(column(0.4), quantiles, levels) == pytest.approx(normal_crps(1.0, 0.4), abs=1e-3)


def test_scores_of_distributions_leave_missing_values_out():
    truth, samples = column(1, np.nan, 3), np.random.default_rng(0).normal(size=(5, 3, 1))
    known, some = column(1, 3), samples[:, [0, 2]]
    levels = (0.1, 0.3, 0.5, 0.7, 0.9)
    assert metrics.crps(truth, samples) == metrics.crps(known, some)
    assert metrics.pinball_loss(truth, samples, levels) == metrics.pinball_loss(known, some, levels)
    assert metrics.wql([truth], [samples], levels) == metrics.wql([known], [some], levels)
    samples[0, 2, 0] = np.nan
    assert np.isnan(metrics.crps(truth, samples))
    samples[0, 2, 0] = np.inf
    assert metrics.crps(truth, samples) == np.inf
    assert metrics.pinball_loss(truth, samples, levels) == np.inf


def test_what_has_no_score_of_a_distribution_is_refused():
    one, paths = column(1, 2), np.zeros((3, 2, 1))
    with pytest.raises(SeriesError, match="1 of at least 2 paths"):
        metrics.crps(one, paths[:1])
    with pytest.raises(SeriesError, match="0 of at least 1 paths"):
        metrics.crps(one, paths[:0], fair=False)
    assert metrics.crps(one, paths[:1], fair=False) == 1.5
    with pytest.raises(SeriesError, match=r"samples as \(3, steps, channels\)"):
        metrics.crps(one[:, 0], paths)
    with pytest.raises(SeriesError, match="no known value"):
        metrics.crps(one * np.nan, paths)
    with pytest.raises(SeriesError, match="all zero"):
        metrics.wql([one * 0], [paths], (0.1, 0.5, 0.9))
    with pytest.raises(SeriesError, match="2 series and forecasts of 1"):
        metrics.wql([one, one], [paths], (0.1, 0.5, 0.9))
    with pytest.raises(SeriesError, match=r"quantiles have shape \(3, 2, 1\)"):
        metrics.pinball_loss(one, paths, (0.1, 0.9))
    for levels in ((10, 50, 90), (), (0.1, np.nan)):
        with pytest.raises(SettingError, match="above 0 and below 1"):
            metrics.pinball_loss(one, paths, levels)


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
    """Two pieces with a sine each have half the power at each frequency,
    as the sum of the two sines has."""
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


def test_correlation_dimensions_are_those_of_known_sets():
    """A plane has 2, a circle 1; the Henon attractor 1.21 to 1.25 (Grassberger and Procaccia,
    1983)."""
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
