"""Measures of predictions and free runs: pure functions on arrays of shape (T, D) in the units of the series.

Scores of single steps first, then those of the long run, which compare a generated series with a true one as two
samples of a system. Published variants of the latter differ; compare only what the same function computed.
"""

from __future__ import annotations

import numpy as np

from freerun.errors import SeriesError

LOST = 0.4
"""Standard deviations beyond which a free run has lost the data: the threshold of the VPT."""

BINS = 30
"""Bins of each axis in the state space divergence."""

BOUND = 1e100
"""A run with values beyond this has no power spectrum."""

MOST_BINNED = 5
"""Most channels for which states are binned; from there on Gaussian mixtures are compared."""


def _pair(
    truth: np.ndarray, prediction: np.ndarray, steps: bool = True, pieces: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of numbers that go together: of one shape, or, where steps may differ, of as many channels.

    Args:
        truth, prediction: the arrays.
        steps: whether they have to have as many steps.
        pieces: whether they may be pieces of series, shape (S, T, D), where steps may differ.

    Raises:
        SeriesError: they do not, so that NumPy would compare every step with every other one, or fail.
    """
    try:
        first, second = np.asarray(truth, np.float64), np.asarray(prediction, np.float64)
    except (TypeError, ValueError) as error:
        raise SeriesError(f"truth and prediction are to be arrays of numbers ({error})") from error
    if steps:
        same, wanted = first.shape == second.shape, "the same shape"
    else:
        same = first.ndim == second.ndim and first.ndim in (2, 2 + pieces) and first.shape[-1] == second.shape[-1]
        wanted = f"as (steps, channels){' or (pieces, steps, channels)' if pieces else ''}, with the same channels"
    if not same:
        raise SeriesError(
            f"the truth has shape {first.shape}, what is compared with it {second.shape}; give both {wanted}"
        )
    return first, second


def mean_squared_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean of (truth - prediction)^2 over steps and channels, in squared units of the series.

    Missing true values are left out.
    """
    truth, prediction = _pair(truth, prediction)
    known = np.isfinite(truth)
    return float(np.mean((truth - prediction)[known] ** 2))


def nrmse(truth: np.ndarray, prediction: np.ndarray, deviation: np.ndarray) -> float:
    """Root mean square error over the standard deviation of the series; 1 is as good as predicting the mean.

    For several channels the squared errors and the variances are summed over channels first.

    Args:
        truth: shape (..., D).
        prediction: shape (..., D).
        deviation: shape (D,), the standard deviations of the series.
    """
    truth, prediction = _pair(truth, prediction)
    error = ((truth - prediction) ** 2).sum(axis=-1).mean()
    return float(np.sqrt(error / (deviation**2).sum()))


def valid_prediction_time(
    truth: np.ndarray, prediction: np.ndarray, deviation: np.ndarray, threshold: float = LOST
) -> int:
    """VPT: the number of steps of a free run before its error first exceeds `threshold` standard deviations.

    For several channels the error is Euclidean, over the root of the summed variances (Vlachas et al., 2020).
    Steps with a missing true value are passed over. A run that never exceeds the threshold yields its full length,
    which is then a lower bound. In Lyapunov times: the result times the largest Lyapunov exponent per step.

    Args:
        truth: shape (T, D).
        prediction: shape (T, D).
        deviation: shape (D,), the standard deviations of the series.
        threshold: in standard deviations.
    """
    wrong = ~(error_growth(truth, prediction, deviation) <= threshold) & np.isfinite(truth).all(axis=-1)
    return int(np.argmax(wrong)) if wrong.any() else len(wrong)


def error_growth(truth: np.ndarray, prediction: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The error of each step in standard deviations, shape (..., T): what VPT is read from.

    Args:
        truth: shape (..., T, D).
        prediction: shape (..., T, D).
        deviation: shape (D,), the standard deviations of the series.
    """
    truth, prediction = _pair(truth, prediction)
    with np.errstate(over="ignore"):  # a run that went beyond all bounds has an infinite error
        return np.sqrt(((truth - prediction) ** 2).sum(axis=-1) / (deviation**2).sum())


def smape(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Symmetric mean absolute percentage error, 0 to 200: the mean of 200 |y - p| / (|y| + |p|) (as in dysts).

    Where both are zero the error is zero; missing true values are left out. A prediction beyond all bounds has an
    error of 200, to which it tends.
    """
    truth, prediction = _pair(truth, prediction)
    known = np.isfinite(truth)
    truth, prediction = truth[known], prediction[known]
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.abs(truth) + np.abs(prediction)
        share = np.divide(np.abs(truth - prediction), size, out=np.zeros_like(size), where=size != 0)
    return 200.0 * float(np.where(np.isfinite(size), share, 1.0).mean())


def naive_error(training: np.ndarray, season: int = 1) -> np.ndarray:
    """Mean absolute error of the seasonal naive forecast one season ahead on a series: the scale of MASE.

    Args:
        training: shape (T, D), NaN where a value is missing.
        season: in steps; 1 is the naive forecast.

    Returns:
        Shape (D,).
    """
    return np.nanmean(np.abs(training[season:] - training[:-season]), axis=0)


def mase(truth: np.ndarray, prediction: np.ndarray, training: np.ndarray, season: int = 1) -> float:
    """Mean absolute scaled error (Hyndman and Koehler, 2006): the mean absolute error over `naive_error`.

    Args:
        truth: shape (T, D); missing values are left out.
        prediction: shape (T, D).
        training: shape (S, D), the series before.
        season: in steps.
    """
    truth, prediction = _pair(truth, prediction)
    return float(np.nanmean(np.abs(truth - prediction) / naive_error(training, season)))


def state_space_divergence(truth: np.ndarray, generated: np.ndarray, seed: int = 0) -> float:
    """D_stsp, the Kullback-Leibler divergence KL(p_true || p_generated) of the states that two series visit.

    Up to 5 channels from histograms (Hess et al., 2023): 30 bins an axis over [min - 0.1 sd, max + 0.1 sd] of the true
    series, generated states outside them left out, 1e-5 added to every bin before normalising. From 6 channels on by
    Monte Carlo between Gaussian mixtures with one component of covariance I at each step (Koppe et al., 2019): the
    first 10000 steps, 1000 samples drawn with `seed`.

    Args:
        truth: shape (T, D).
        generated: shape (S, D).

    Returns:
        At least 0 for histograms, up to sampling error for mixtures; infinity when the generated series is not finite
        or never enters the bins.
    """
    truth, generated = _pair(truth, generated, steps=False)
    if not np.isfinite(generated).all():
        return float("inf")
    if truth.shape[1] > MOST_BINNED:
        return _mixture_divergence(truth[:10_000], generated[:10_000], seed)
    margin = 0.1 * truth.std(axis=0)
    low, high = truth.min(axis=0) - margin, truth.max(axis=0) + margin
    bins, p_counts = _histogram(truth, low, high)
    other, q_counts = _histogram(generated, low, high)
    if not len(other):
        return float("inf")
    # Most bins are empty in both series: they are counted, not stored.
    visited = np.union1d(bins, other)
    p, q = np.full(len(visited), 1e-5), np.full(len(visited), 1e-5)
    p[np.searchsorted(visited, bins)] += p_counts
    q[np.searchsorted(visited, other)] += q_counts
    total = BINS ** truth.shape[1]
    empty = total - len(visited)
    p_sum, q_sum = p_counts.sum() + 1e-5 * total, q_counts.sum() + 1e-5 * total
    divergence = (p / p_sum * np.log((p / p_sum) / (q / q_sum))).sum()
    return float(divergence + empty * 1e-5 / p_sum * np.log(q_sum / p_sum))


def _histogram(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the bins that are visited, ascending, and how often."""
    place = np.floor((values - low) / (high - low) * BINS)
    inside = ((place >= 0) & (place < BINS)).all(axis=1)
    bins = tuple(place[inside].astype(np.int64).T)
    return np.unique(np.ravel_multi_index(bins, (BINS,) * values.shape[1]), return_counts=True)


def _mixture_divergence(truth: np.ndarray, generated: np.ndarray, seed: int) -> float:
    from scipy.special import logsumexp

    draw = np.random.default_rng(seed)
    samples = truth[draw.integers(len(truth), size=1000)] + draw.normal(size=(1000, truth.shape[1]))

    def log_density(centres: np.ndarray) -> np.ndarray:
        squared = (samples**2).sum(axis=1)[:, None] - 2.0 * samples @ centres.T + (centres**2).sum(axis=1)
        return logsumexp(-0.5 * squared, axis=1) - np.log(len(centres))

    return float((log_density(truth) - log_density(generated)).mean())


def power_spectrum(values: np.ndarray, smoothing: float = 20.0) -> np.ndarray:
    """Power spectra as D_H compares them, shape (T // 2 + 1, D), each of sum 1.

    Each channel is standardised; the squared magnitudes of its real Fourier transform are smoothed by a Gaussian of
    standard deviation `smoothing` bins, cut off at 4 of them and reflected at the ends.

    Args:
        values: shape (T, D), or pieces of one series, shape (S, T, D): each channel is standardised over all of them,
            and the squared magnitudes are averaged over pieces before they are smoothed.
        smoothing: in frequency bins.
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
    """Whether all values are finite, and small enough that their squares and sums are."""
    return float(np.abs(values).max()) <= BOUND  # false for NaN, too


def spectrum_distance(truth: np.ndarray, generated: np.ndarray, smoothing: float = 20.0) -> float:
    """D_H, the Hellinger distance of two power spectra, 0 to 1, mean over channels (Mikhaeil et al., 2022).

    Both series are cut to the length of the shorter one; see `power_spectrum`.

    Args:
        truth: shape (T, D), or pieces of a series, shape (N, T, D).
        generated: shape (S, D), or pieces, shape (M, S, D).
        smoothing: in frequency bins.

    Returns:
        1 when the generated series is constant, not finite, or beyond all bounds.
    """
    truth, generated = _pair(truth, generated, steps=False, pieces=True)
    steps = min(truth.shape[-2], generated.shape[-2])
    if not within_bounds(generated):
        return 1.0
    p, q = (power_spectrum(series[..., :steps, :], smoothing) for series in (truth, generated))
    return float(np.sqrt(np.clip(1.0 - np.sqrt(p * q).sum(axis=0), 0.0, 1.0)).mean())


def return_map(values: np.ndarray) -> np.ndarray:
    """Each local maximum of a channel with the one before it, shape (N, 2) (Lorenz, 1963).

    A maximum is refined by the parabola through it and its two neighbours.

    Args:
        values: shape (T,), one channel.
    """
    left, middle, right = values[:-2], values[1:-1], values[2:]
    peak = (middle > left) & (middle >= right)
    curvature = (left - 2.0 * middle + right)[peak]
    maxima = middle[peak] - (right - left)[peak] ** 2 / (8.0 * curvature)
    return np.column_stack([maxima[:-1], maxima[1:]])


def quarter_period(values: np.ndarray) -> int:
    """A quarter of the period of most power of a channel, shape (T,), in steps: a delay to embed it with."""
    power = power_spectrum(values[:, None], smoothing=0.0)[1:, 0]
    return max(1, min(len(values) // 4, round(len(values) / (np.argmax(power) + 1) / 4)))


def embedded(values: np.ndarray, dimension: int, delay: int) -> np.ndarray:
    """Delay vectors (x_t, x_{t - delay}, ...) of one channel, shape (T - (dimension - 1) * delay, dimension)."""
    last = (dimension - 1) * delay
    return np.column_stack([values[last - k * delay : len(values) - k * delay] for k in range(dimension)])


def correlation_dimension(states: np.ndarray, seed: int = 0) -> float:
    """The correlation dimension of the set that states lie on (Grassberger and Procaccia, 1983).

    The slope of log C(r) over log r, where C(r) is the share of pairs of states closer than r, over the radii that
    hold between 1e-4 and 1e-2 of all pairs. Of long series 5000 states are drawn with `seed`, which also keeps
    neighbours in time from counting as neighbours in space.

    Args:
        states: shape (T, D): several channels, or the delay vectors of one (`embedded`).
        seed: of the draw.
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
    """The largest Lyapunov exponent per step, from data alone (Rosenstein, Collins and De Luca, 1993).

    Each state is followed together with its nearest neighbour that is more than `exclude` steps away in time; the
    result is the slope of the mean logarithm of their distance over the first `horizon` steps.

    Args:
        states: shape (T, D): several channels, or the delay vectors of one (`embedded`).
        horizon: steps over which neighbours separate exponentially, before they are far apart; at least 2.
        exclude: at least a mean period, so that neighbours are not on the same piece of the trajectory.
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
