"""Measures of predictions and free runs: pure functions on arrays of shape (T, D) in the units of the series."""

from __future__ import annotations

import numpy as np


def mean_squared_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean of (truth - prediction)^2 over steps and channels, in squared units of the series."""
    return float(np.mean((truth - prediction) ** 2))


def nrmse(truth: np.ndarray, prediction: np.ndarray, deviation: np.ndarray) -> float:
    """Root mean square error over the standard deviation of the series; 1 is as good as predicting the mean.

    For several channels the squared errors and the variances are summed over channels first.

    Args:
        truth, prediction: shape (..., D).
        deviation: shape (D,), the standard deviations of the series.
    """
    error = ((truth - prediction) ** 2).sum(axis=-1).mean()
    return float(np.sqrt(error / (deviation**2).sum()))


def valid_prediction_time(
    truth: np.ndarray, prediction: np.ndarray, deviation: np.ndarray, threshold: float = 0.4
) -> int:
    """VPT: the number of steps of a free run before its error first exceeds `threshold` standard deviations.

    For several channels the error is Euclidean, over the root of the summed variances (Vlachas et al., 2020).
    A run that never exceeds the threshold yields its full length, which is then a lower bound.

    Args:
        truth, prediction: shape (T, D).
        deviation: shape (D,), the standard deviations of the series.
        threshold: in standard deviations.
    """
    error = np.sqrt(((truth - prediction) ** 2).sum(axis=-1) / (deviation**2).sum())
    wrong = ~(error <= threshold)
    return int(np.argmax(wrong)) if wrong.any() else len(wrong)


def smape(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Symmetric mean absolute percentage error, 0 to 200: the mean of 200 |y - p| / (|y| + |p|) (as in dysts).

    Where both are zero the error is zero.
    """
    size = np.abs(truth) + np.abs(prediction)
    error = np.divide(200.0 * np.abs(truth - prediction), size, out=np.zeros_like(size), where=size > 0)
    return float(error.mean())
