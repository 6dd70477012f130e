"""Metrics of predictions and free runs: pure functions on arrays of shape (T, D), in the units of the series.

First come metrics of single steps. Long-term metrics follow: they compare the statistics of a generated series with
those of a true one. Published variants of the long-term metrics differ, so compare only values of the same function.
"""

from __future__ import annotations

import numpy as np

from freerun.errors import SeriesError

LOST = 0.4
"""Default threshold of the valid prediction time, in standard deviations."""

BINS = 30
"""Bins per axis of the histograms of the state space divergence (Hess et al., 2023)."""

BOUND = 1e100
"""Largest absolute value of a run that has a power spectrum, small enough that sums of squares stay finite."""

MOST_BINNED = 5
"""Most channels for which histograms are compared, since bins grow as 30^D; beyond, Gaussian mixtures are."""


def _check_pair(
    truth: np.ndarray, prediction: np.ndarray, steps: bool = True, pieces: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Convert two arrays to float64, and check that their shapes match.

    Without the check, NumPy may broadcast them and compare each step with all others.

    Args:
        truth: array of numbers.
        prediction: array of numbers.
        steps: whether they must have the same shape; otherwise, only the same number of channels.
        pieces: whether shape (S, T, D), pieces of series, is allowed if `steps` is false.

    Raises:
        SeriesError: they are not numbers, or do not match.
    """
    try:
        first, second = np.asarray(truth, np.float64), np.asarray(prediction, np.float64)
    except (TypeError, ValueError) as error:
        raise SeriesError(f"truth and prediction must be arrays of numbers ({error})") from error
    if steps:
        same, wanted = first.shape == second.shape, "the same shape"
    else:
        same = first.ndim == second.ndim and first.ndim in (2, 2 + pieces) and first.shape[-1] == second.shape[-1]
        wanted = f"as (steps, channels){' or (pieces, steps, channels)' if pieces else ''}, with the same channels"
    if not same:
        raise SeriesError(f"truth has shape {first.shape}, prediction has shape {second.shape}; give both {wanted}")
    return first, second


def mean_squared_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean of (truth - prediction)^2 over steps and channels, in squared units of the series.

    Args:
        truth: shape (T, D); missing values (NaN) are left out.
        prediction: shape (T, D).
    """
    truth, prediction = _check_pair(truth, prediction)
    known = np.isfinite(truth)
    return float(np.mean((truth - prediction)[known] ** 2))


def nrmse(truth: np.ndarray, prediction: np.ndarray, deviation: np.ndarray) -> float:
    """Root mean square error divided by the standard deviation of the series; predicting the mean gives 1.

    For several channels, squared errors and variances are summed over channels first.

    Args:
        truth: shape (..., D).
        prediction: shape (..., D).
        deviation: shape (D,), the standard deviations of the series.
    """
    truth, prediction = _check_pair(truth, prediction)
    error = ((truth - prediction) ** 2).sum(axis=-1).mean()
    return float(np.sqrt(error / (deviation**2).sum()))


def valid_prediction_time(
    truth: np.ndarray, prediction: np.ndarray, deviation: np.ndarray, threshold: float = LOST
) -> int:
    """VPT: the number of steps of a free run before its error first exceeds `threshold` standard deviations.

    For several channels, the error is the Euclidean norm divided by the root of the summed variances (Vlachas et al.,
    2020). Steps with a missing true value are ignored. A run that never exceeds the threshold gives its full length,
    which is a lower bound. Multiply by the largest Lyapunov exponent per step to convert to Lyapunov times.

    Args:
        truth: shape (T, D).
        prediction: shape (T, D).
        deviation: shape (D,), the standard deviations of the series.
        threshold: in standard deviations.

    Returns:
        A number of steps, 0 to T.
    """
    wrong = ~(error_growth(truth, prediction, deviation) <= threshold) & np.isfinite(truth).all(axis=-1)
    return int(np.argmax(wrong)) if wrong.any() else len(wrong)


def error_growth(truth: np.ndarray, prediction: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Error of each step in standard deviations: the quantity that the VPT compares with its threshold.

    Args:
        truth: shape (..., T, D).
        prediction: shape (..., T, D).
        deviation: shape (D,), the standard deviations of the series.

    Returns:
        Shape (..., T).
    """
    truth, prediction = _check_pair(truth, prediction)
    with np.errstate(over="ignore"):  # a divergent run has an infinite error
        return np.sqrt(((truth - prediction) ** 2).sum(axis=-1) / (deviation**2).sum())


def smape(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Symmetric mean absolute percentage error, 0 to 200: the mean of 200 |y - p| / (|y| + |p|) (as in dysts).

    A step on which both are zero has an error of zero. An infinite prediction has an error of 200, its limit.

    Args:
        truth: y, shape (T, D); missing values (NaN) are left out.
        prediction: p, shape (T, D).
    """
    truth, prediction = _check_pair(truth, prediction)
    known = np.isfinite(truth)
    truth, prediction = truth[known], prediction[known]
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.abs(truth) + np.abs(prediction)
        share = np.divide(np.abs(truth - prediction), size, out=np.zeros_like(size), where=size != 0)
    return 200.0 * float(np.where(np.isfinite(size), share, 1.0).mean())


def naive_error(training: np.ndarray, season: int = 1) -> np.ndarray:
    """Mean of |y_t - y_{t - season}| over a series: the error of the seasonal naive forecast, by which MASE divides.

    Args:
        training: shape (T, D), NaN where a value is missing.
        season: in steps; 1 is the naive forecast.

    Returns:
        One value per channel, shape (D,).
    """
    return np.nanmean(np.abs(training[season:] - training[:-season]), axis=0)


def mase(truth: np.ndarray, prediction: np.ndarray, training: np.ndarray, season: int = 1) -> float:
    """Mean absolute scaled error (Hyndman and Koehler, 2006): mean of |y - p| / `naive_error` over steps and channels.

    Args:
        truth: shape (T, D); missing values are left out.
        prediction: shape (T, D).
        training: shape (S, D), the series before the forecast.
        season: in steps.
    """
    truth, prediction = _check_pair(truth, prediction)
    return float(np.nanmean(np.abs(truth - prediction) / naive_error(training, season)))


def state_space_divergence(truth: np.ndarray, generated: np.ndarray, seed: int = 0) -> float:
    """D_stsp, the Kullback-Leibler divergence KL(p_true || p_generated) of the distributions of states.

    Up to 5 channels, the distributions are histograms (Hess et al., 2023). They have 30 bins per axis over
    [min - 0.1 sd, max + 0.1 sd] of the true series. Generated states outside are left out, and 1e-5 is added to every
    bin before normalizing.

    From 6 channels on, they are Gaussian mixtures with one component of covariance I at each of the first 10000 steps
    (Koppe et al., 2019). The divergence is then estimated from 1000 samples.

    Args:
        truth: shape (T, D).
        generated: shape (S, D).
        seed: seed of the samples from 6 channels on.

    Returns:
        The divergence in nats. It is at least 0 for histograms; for mixtures, sampling error can make it negative.
        Infinity if the generated series is not finite or never enters the bins.
    """
    truth, generated = _check_pair(truth, generated, steps=False)
    if not np.isfinite(generated).all():
        return float("inf")
    if truth.shape[1] > MOST_BINNED:
        return _estimate_mixture_divergence(truth[:10_000], generated[:10_000], seed)
    margin = 0.1 * truth.std(axis=0)
    low, high = truth.min(axis=0) - margin, truth.max(axis=0) + margin
    bins, p_counts = _count_bins(truth, low, high)
    other, q_counts = _count_bins(generated, low, high)
    if not len(other):
        return float("inf")
    # Most bins are empty in both series, so they are counted and not stored.
    visited = np.union1d(bins, other)
    p, q = np.full(len(visited), 1e-5), np.full(len(visited), 1e-5)
    p[np.searchsorted(visited, bins)] += p_counts
    q[np.searchsorted(visited, other)] += q_counts
    total = BINS ** truth.shape[1]
    empty = total - len(visited)
    p_sum, q_sum = p_counts.sum() + 1e-5 * total, q_counts.sum() + 1e-5 * total
    divergence = (p / p_sum * np.log((p / p_sum) / (q / q_sum))).sum()
    return float(divergence + empty * 1e-5 / p_sum * np.log(q_sum / p_sum))


def _count_bins(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count states per bin: indices of the bins that are not empty, ascending, and their counts."""
    place = np.floor((values - low) / (high - low) * BINS)
    inside = ((place >= 0) & (place < BINS)).all(axis=1)
    bins = tuple(place[inside].astype(np.int64).T)
    return np.unique(np.ravel_multi_index(bins, (BINS,) * values.shape[1]), return_counts=True)


def _estimate_mixture_divergence(truth: np.ndarray, generated: np.ndarray, seed: int) -> float:
    """Estimate the divergence of two Gaussian mixtures by Monte Carlo, see `state_space_divergence`."""
    from scipy.special import logsumexp

    draw = np.random.default_rng(seed)
    samples = truth[draw.integers(len(truth), size=1000)] + draw.normal(size=(1000, truth.shape[1]))

    def log_density(centres: np.ndarray) -> np.ndarray:
        squared = (samples**2).sum(axis=1)[:, None] - 2.0 * samples @ centres.T + (centres**2).sum(axis=1)
        return logsumexp(-0.5 * squared, axis=1) - np.log(len(centres))

    return float((log_density(truth) - log_density(generated)).mean())


def power_spectrum(values: np.ndarray, smoothing: float = 20.0) -> np.ndarray:
    """Smoothed power spectra of the channels, normalized to sum 1, as D_H compares them.

    Each channel is standardized. The squared magnitudes of its real Fourier transform are smoothed by a Gaussian, which
    is truncated at 4 standard deviations and reflected at the ends.

    Args:
        values: shape (T, D), or pieces of one series, shape (S, T, D). Pieces are standardized together, and their
            squared magnitudes are averaged before smoothing.
        smoothing: standard deviation of the Gaussian, in frequency bins; 0 means no smoothing.

    Returns:
        Shape (T // 2 + 1, D), from frequency 0 to half a cycle per step.
    """
    from scipy.ndimage import gaussian_filter1d

    pieces = values.ndim == 3
    over = (0, 1) if pieces else 0
    deviation = values.std(axis=over)
    standard = (values - values.mean(axis=over)) / np.where(deviation > 0, deviation, 1.0)
    power = np.abs(np.fft.rfft(standard, axis=1 if pieces else 0)) ** 2
    if pieces:
        power = power.mean(axis=0)
    if smoothing > 0:
        power = gaussian_filter1d(power, smoothing, axis=0, mode="reflect", truncate=4.0)
    total = power.sum(axis=0)
    return power / np.where(total > 0, total, 1.0)


def within_bounds(values: np.ndarray) -> bool:
    """Whether all values are finite, and at most `BOUND`, so that sums of their squares are finite too."""
    return float(np.abs(values).max()) <= BOUND  # false for NaN


def spectrum_distance(truth: np.ndarray, generated: np.ndarray, smoothing: float = 20.0) -> float:
    """D_H, the Hellinger distance of two power spectra, 0 to 1, mean over channels (Mikhaeil et al., 2022).

    For spectra p and q it is sqrt(1 - sum sqrt(p q)). Both series are cut to the length of the shorter one; see
    `power_spectrum`.

    Args:
        truth: shape (T, D), or pieces of a series, shape (N, T, D).
        generated: shape (S, D), or pieces, shape (M, S, D).
        smoothing: in frequency bins.

    Returns:
        A distance from 0 to 1; 1 if the generated series is constant, or not `within_bounds`.
    """
    truth, generated = _check_pair(truth, generated, steps=False, pieces=True)
    steps = min(truth.shape[-2], generated.shape[-2])
    if not within_bounds(generated):
        return 1.0
    p, q = (power_spectrum(series[..., :steps, :], smoothing) for series in (truth, generated))
    return float(np.sqrt(np.clip(1.0 - np.sqrt(p * q).sum(axis=0), 0.0, 1.0)).mean())


def return_map(values: np.ndarray) -> np.ndarray:
    """Successive local maxima of a channel (Lorenz, 1963).

    A maximum is refined by the parabola through it and its two neighbors.

    Args:
        values: shape (T,), one channel.

    Returns:
        Pairs of a maximum and the next one, shape (N, 2).
    """
    left, middle, right = values[:-2], values[1:-1], values[2:]
    peak = (middle > left) & (middle >= right)
    curvature = (left - 2.0 * middle + right)[peak]
    maxima = middle[peak] - (right - left)[peak] ** 2 / (8.0 * curvature)
    return np.column_stack([maxima[:-1], maxima[1:]])


def quarter_period(values: np.ndarray) -> int:
    """Quarter of the period with the largest power, a delay for embeddings.

    Args:
        values: shape (T,), one channel.

    Returns:
        At least 1 step, at most T // 4.
    """
    power = power_spectrum(values[:, None], smoothing=0.0)[1:, 0]
    return max(1, min(len(values) // 4, round(len(values) / (np.argmax(power) + 1) / 4)))


def embedded(values: np.ndarray, dimension: int, delay: int) -> np.ndarray:
    """Delay vectors (x_t, x_{t - delay}, ...) of one channel (Takens, 1981).

    Args:
        values: shape (T,), one channel.
        dimension: length of a vector.
        delay: in steps.

    Returns:
        Shape (T - (dimension - 1) * delay, dimension).
    """
    last = (dimension - 1) * delay
    return np.column_stack([values[last - k * delay : len(values) - k * delay] for k in range(dimension)])


def correlation_dimension(states: np.ndarray, seed: int = 0) -> float:
    """Correlation dimension of an attractor (Grassberger and Procaccia, 1983).

    It is the slope of log C(r) over log r, where C(r) is the share of pairs of states that are closer than r. Only
    radii with C(r) between 1e-4 and 1e-2 are used. Of a longer series, 5000 states are drawn at random. Then few
    pairs are close only because they are close in time.

    Args:
        states: shape (T, D), several channels or the delay vectors of one (`embedded`).
        seed: seed of the draw.
    """
    from scipy.spatial import KDTree

    if len(states) > 5000:
        states = states[np.random.default_rng(seed).choice(len(states), 5000, replace=False)]
    tree = KDTree(states)
    radii = np.geomspace(1e-3, 1.0, 60) * np.linalg.norm(states.std(axis=0))
    pairs = (tree.count_neighbors(tree, radii) - len(states)) / (len(states) * (len(states) - 1.0))
    within = (pairs >= 1e-4) & (pairs <= 1e-2)
    return float(np.polyfit(np.log(radii[within]), np.log(pairs[within]), 1)[0])


def largest_lyapunov_exponent(states: np.ndarray, horizon: int, exclude: int) -> float:
    """Largest Lyapunov exponent per step, estimated from data (Rosenstein, Collins and De Luca, 1993).

    Each state is paired with its nearest neighbor that is more than `exclude` steps away in time. The exponent is the
    slope of the mean logarithm of their distance over the next `horizon` steps.

    Args:
        states: shape (T, D), several channels or the delay vectors of one (`embedded`).
        horizon: number of steps over which neighbors separate exponentially, at least 2.
        exclude: in steps, at least a mean period, so that neighbors lie on different parts of the trajectory.
    """
    from scipy.spatial import KDTree

    usable = len(states) - horizon
    tree = KDTree(states[:usable])
    found_distances, found_neighbours = tree.query(states[:usable], k=min(usable, 2 * exclude + 2))
    distances, neighbours = np.asarray(found_distances), np.asarray(found_neighbours)
    apart = (np.abs(neighbours - np.arange(usable)[:, None]) > exclude) & (distances > 0)
    found = apart.any(axis=1)
    first = np.flatnonzero(found)
    partner = np.take_along_axis(neighbours[first], apart[first].argmax(axis=1)[:, None], axis=1)[:, 0]
    steps = np.arange(horizon + 1)
    gaps = np.linalg.norm(states[first[:, None] + steps] - states[partner[:, None] + steps], axis=2)
    with np.errstate(divide="ignore"):
        logarithms = np.log(gaps)
    separation = np.where(np.isfinite(logarithms), logarithms, np.nan)
    return float(np.polyfit(steps, np.nanmean(separation, axis=0), 1)[0])
