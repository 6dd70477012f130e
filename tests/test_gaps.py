"""Channels that are missing for long, and channels that are measured at different rates,
against a closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import expm

import freerun
from freerun.errors import SeriesError

STEPS, AHEAD = 600, 60

MAP = expm(0.5 * np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.3], [0.0, -0.3, 0.0]]))
"""A step of three coupled oscillating coordinates."""

TRUTH = np.stack([np.linalg.matrix_power(MAP, t) @ [1.0, 0.0, 1.0] for t in range(STEPS + AHEAD)])

QUICK: dict[str, Any] = {"hidden": 60, "cell": "memoryless", "delays": 1, "input_scale": 0.2, "optimizer": "ridge"}
"""Nothing is left to choose but the penalty."""


def with_gaps(channel, where):
    values = TRUTH[:STEPS].copy()
    values[where, channel] = np.nan
    return values


def error_of(rnn):
    """The largest error of the free run after the series."""
    return np.abs(rnn.generate(AHEAD).values - TRUTH[STEPS:]).max()


def test_a_channel_that_is_missing_for_long_is_learned_from_the_rest():
    values = with_gaps(1, slice(100, 400))
    assert error_of(freerun.RNN(**QUICK, l2=1e-10).fit(values)) < 1e-3


def test_a_gap_in_all_channels_is_still_refused():
    with pytest.raises(SeriesError, match=r"missing in all channels, from step 100 on"):
        freerun.RNN(**QUICK, l2=1e-10).fit(with_gaps(slice(None), slice(100, 400)))


def test_training_of_all_weights_refuses_it():
    with pytest.raises(SeriesError, match=r"missing in channel 'x1', from step 100 on"):
        freerun.RNN(6, optimizer="bfgs").fit(with_gaps(1, slice(100, 400)))


@pytest.mark.parametrize("dated", [False, True])
def test_steps_before_the_first_value_change_nothing(dated):
    rng = np.random.default_rng(0)
    values = np.where(np.arange(60) < 30, np.nan, np.arange(60) + rng.normal(size=60))
    series = pd.Series(values, pd.date_range("2015-01-01", periods=60, freq="MS") if dated else None)
    whole, known = (freerun.RNN().fit(one).forecast(5, (80,)) for one in (series, series[30:]))
    pd.testing.assert_frame_equal(whole, known)


def test_a_channel_that_begins_late_is_learned():
    values = with_gaps(1, slice(0, 100))[:140]
    assert error_of(freerun.RNN(**QUICK, l2=1e-10).fit(with_gaps(1, slice(0, 300)))) < 1e-3
    forecast = freerun.RNN().fit(values).forecast(3)
    assert np.isfinite(forecast.to_numpy()).all()


def test_a_channel_may_begin_after_a_part_that_is_left_out():
    """Then the networks without that part have nothing to learn it by,
    which is no reason to refuse the others."""
    values = with_gaps(1, slice(0, 560))
    forecast = freerun.RNN(**QUICK, l2=1e-6).fit(values).forecast(3, (80,))
    assert np.isfinite(forecast.to_numpy()).all()


def test_a_gap_is_named_by_its_time():
    values = with_gaps(slice(None), np.r_[0:20, 120:400])
    dates = pd.date_range("2020-01-01", periods=STEPS)
    with pytest.raises(SeriesError, match=r"missing in all channels, from step 120 on"):
        freerun.RNN(**QUICK).fit(values)
    with pytest.raises(SeriesError, match=r"missing in all channels, from 2020-04-30 on"):
        freerun.RNN(**QUICK).fit(pd.DataFrame(values, dates))


@pytest.mark.slow
def test_a_channel_measured_at_a_fifth_of_the_rate_is_learned_with_the_states_behind_it():
    values = with_gaps(1, np.arange(STEPS) % 5 != 0)
    rnn = freerun.RNN(**QUICK, l2=1e-8, measurement_noise=0.003).fit(values)
    assert error_of(rnn) < 0.1
    states = rnn.smooth(values).values
    assert np.abs(states - TRUTH[:STEPS]).max() < 0.05
