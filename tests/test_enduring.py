"""Long free runs: whether they stay in the range of the series, and vary as it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import freerun
from freerun.data.profile import Profile, keeps_varying
from freerun.forecasting.enduring import UNLIKE, endures, long_runs
from freerun.selection.choosing import as_good
from freerun.selection.judge import Candidate
from freerun.selection.policies import may_be_sample
from freerun.settings import Settings

QUICK: dict[str, Any] = {"hidden": 60, "cell": "memoryless", "delays": 2, "input_scale": 0.3, "optimizer": "ridge"}
"""Nothing is left to choose but the penalty."""

SINE = freerun.Series.of(np.sin(0.3 * np.arange(200.0)))
"""A free run of a network that learned it with hardly any penalty goes on for ever."""


def fitted(penalty):
    return freerun.RNN(**QUICK, l2=penalty).fit(SINE).model_.best


def test_runs_that_go_on_have_the_spectrum_of_the_series():
    assert long_runs(fitted(1e-8), [SINE]).distance < 0.1


def test_runs_that_come_to_rest_do_not():
    found = long_runs(fitted(10.0), [SINE])
    assert found.stay
    assert found.distance > UNLIKE


def test_a_short_series_is_run_for_many_more_steps_than_it_has():
    """The map x -> 1.01 x leaves the range of 50 values after some hundred steps only."""
    series = freerun.Series.of(1.01 ** np.arange(50.0))
    rnn = freerun.RNN(20, cell="memoryless", delays=1, input_scale=0.1, optimizer="ridge", l2=1e-12).fit(series)
    assert not endures(rnn.model_.best, [series])
    assert np.abs(rnn.generate(60).values).max() < 6


@pytest.mark.parametrize(("worse", "same"), [(0.0, True), (0.001, True), (0.1, False)])
def test_a_candidate_is_as_good_if_its_errors_are_no_larger_than_by_chance(worse, same):
    errors = np.random.default_rng(0).uniform(0.1, 0.3, 32)
    other = errors + worse + np.random.default_rng(1).normal(0, 0.02, 32)
    best = Candidate.of(Settings.checked(), errors.tolist())
    assert as_good(Candidate.of(Settings.checked(), other.tolist()), best) is same
    assert not as_good(Candidate.of(Settings.checked(), errors[:5].tolist()), best)


def test_samples_of_systems_are_told_from_noise_and_from_what_dies_away():
    noise = freerun.Series.of(np.random.default_rng(0).normal(size=200))
    assert may_be_sample(Profile.of([SINE], Settings.checked()))
    assert not may_be_sample(Profile.of([noise], Settings.checked()))
    assert keeps_varying(SINE)
    assert not keeps_varying(freerun.Series.of(SINE.values[:, 0] * np.exp(-np.arange(200) / 30)))
