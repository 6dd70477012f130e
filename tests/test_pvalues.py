"""p-values: exact where they are ranks, near the truth in the tail, and combined as SciPy would."""

import numpy as np
import pytest
from scipy import stats

from freerun.forecasting.pvalues import TINY, Calibrated, combined, fit_pareto


def test_p_values_of_few_errors_are_ranks_and_never_below_one_over_n_plus_one() -> None:
    calibrated = Calibrated.by(np.array([3.0, 1.0, np.nan, 2.0]))
    assert calibrated(np.array([0.5, 1.0, 1.5, 3.0, 1e9])).tolist() == [1.0, 1.0, 0.75, 0.5, 0.25]
    assert calibrated.smallest == 0.25
    assert np.isnan(calibrated(np.array([np.nan]))).all()


@pytest.mark.parametrize("rank", [1, 3, 12])
def test_alarms_by_ranks_have_the_exact_distribution(rank: int) -> None:
    """Of m new errors after n calibrating ones, the number with p <= k / (n + 1) is beta-binomial
    (Vovk, 2012)."""
    random, n, m, repeats = np.random.default_rng(0), 24, 10, 4000
    counts = np.zeros(m + 1)
    for _ in range(repeats):
        errors = np.abs(random.normal(size=n + m))
        alarms = Calibrated.by(errors[:n])(errors[n:]) <= rank / (n + 1) + 1e-12
        counts[alarms.sum()] += 1
    expected = repeats * stats.betabinom.pmf(np.arange(m + 1), m, rank, n + 1 - rank)
    often = expected >= 5
    rest = counts[~often].sum(), expected[~often].sum()
    observed, expected = np.append(counts[often], rest[0]), np.append(expected[often], rest[1])
    assert stats.chisquare(observed[expected > 0], expected[expected > 0]).pvalue > 0.001


@pytest.mark.parametrize("distribution", [stats.norm, stats.laplace, stats.t(4)], ids=["normal", "laplace", "t4"])
def test_alarms_in_the_tail_are_as_rare_as_the_p_values_say(distribution: stats.rv_continuous) -> None:
    """How often thresholds for p = 0.0002 of 1000 errors are exceeded is known exactly.
    Light tails are not trusted."""
    random, rate, chances = np.random.default_rng(1), 2e-4, []
    grid = np.linspace(0, 60, 60001)
    for _ in range(60):
        calibrated = Calibrated.by(np.abs(distribution.rvs(size=1000, random_state=random)))
        assert calibrated.smallest == TINY
        chances.append(2 * distribution.sf(grid[np.argmax(calibrated(grid) <= rate)]))
    assert 0.1 * rate < np.mean(chances) < 1.5 * rate


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.4])
def test_the_tail_of_many_excesses_is_that_of_scipy(shape: float) -> None:
    excesses = np.sort(stats.genpareto(shape, scale=2.0).rvs(20000, random_state=np.random.default_rng(2)))
    scale, found = fit_pareto(excesses)
    by_likelihood, _, by_likelihood_scale = stats.genpareto.fit(excesses, floc=0)
    assert found == pytest.approx(by_likelihood, abs=0.01)
    assert scale == pytest.approx(by_likelihood_scale, rel=0.02)


def test_p_values_in_the_tail_are_those_of_the_fitted_distribution() -> None:
    calibrated = Calibrated.by(np.abs(np.random.default_rng(3).normal(size=1000)))
    x = calibrated.begin + np.array([0.1, 0.5, 1.0])
    in_tail = stats.genpareto(calibrated.shape, scale=calibrated.scale).sf(x - calibrated.begin)
    np.testing.assert_allclose(calibrated(x), in_tail * (1 + np.sum(calibrated.known > calibrated.begin)) / 1001)


def test_anomalies_among_the_calibrating_errors_do_not_hide_others() -> None:
    errors = np.abs(np.random.default_rng(6).normal(size=500))
    clean, polluted = Calibrated.by(errors), Calibrated.by(np.append(errors, [40.0, 45.0, 50.0]))
    assert polluted(np.array([40.0])) == clean(np.array([40.0]))
    heavy = np.abs(stats.t(4).rvs(500, random_state=np.random.default_rng(7)))
    assert len(Calibrated.by(heavy).known) == 500


def test_the_combination_is_that_of_cauchy_variables() -> None:
    p = np.random.default_rng(4).uniform(0.0, 0.98, (50, 4))
    expected = stats.cauchy.sf(stats.cauchy.isf(p).mean(axis=1))
    np.testing.assert_allclose(combined(p, axis=1), expected, rtol=1e-9)
    np.testing.assert_allclose(combined(p[:, :1], axis=1), p[:, 0])


def test_missing_p_values_are_left_out_and_one_does_not_hide_another() -> None:
    assert combined(np.array([[0.01, np.nan, 0.2]]), axis=1) == pytest.approx(combined(np.array([[0.01, 0.2]]), axis=1))
    assert np.isnan(combined(np.full((1, 3), np.nan), axis=1)).all()
    assert combined(np.array([[1e-5, 1.0]]), axis=1)[0] < 3e-5


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.99])
def test_small_combined_p_values_are_valid_under_dependence(correlation: float) -> None:
    """Liu and Xie, 2020, theorem 1: about as many are below 0.01 as should be,
    whatever the correlation."""
    random, n = np.random.default_rng(5), 40000
    common, own = random.normal(size=(n, 1)), random.normal(size=(n, 5))
    z = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    count = int((combined(2 * stats.norm.sf(np.abs(z)), axis=1) <= 0.01).sum())
    assert stats.binomtest(count, n, 0.012, alternative="greater").pvalue > 0.001
    assert stats.binomtest(count, n, 0.008, alternative="less").pvalue > 0.001
