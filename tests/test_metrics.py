"""Measures, against values worked out by hand."""

import numpy as np
import pytest

from freerun import metrics


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
