"""Metrics of predictions and free runs: pure functions on arrays of shape (T, D),
in the units of the series.

First come metrics of single steps, for points, quantiles and sample paths. Long-term metrics
follow: they compare the statistics of a generated series with those of a true one. Published
variants of the long-term metrics differ, so compare only values of the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from freerun.arguments import whole_number
from freerun.errors import SeriesError, SettingError

LOST = 0.4
"""Default threshold of the valid prediction time, in standard deviations."""

BINS = 30
"""Bins per axis of the histograms of the state space divergence (Hess et al., 2023)."""

BOUND = 1e100
"""Largest absolute value of a run that has a power spectrum,
small enough that sums of squares stay finite."""

MOST_BINNED = 5
"""Most channels for which histograms are compared, since bins grow as 30^D; beyond,
Gaussian mixtures are."""


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
    """Root mean square error divided by the standard deviation of the series;
    predicting the mean gives 1.

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
    """VPT: the number of steps of a free run before its error first
    exceeds `threshold` standard deviations.

    For several channels, the error is the Euclidean norm divided by the root of the summed
    variances (Vlachas et al., 2020). Steps with a missing true value are ignored. A run that never
    exceeds the threshold gives its full length, which is a lower bound. Multiply by the largest
    Lyapunov exponent per step to convert to Lyapunov times.

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
    """Error of each step in standard deviations:
    the quantity that the VPT compares with its threshold.

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
    """Symmetric mean absolute percentage error, 0 to 200:
    the mean of 200 |y - p| / (|y| + |p|) (as in dysts).

    A step on which both are zero has an error of zero. An infinite prediction has an error of 200,
    its limit.

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
    """Mean of |y_t - y_{t - season}| over a series: the error of the seasonal naive forecast,
    by which MASE divides.

    Args:
        training: shape (T, D), NaN where a value is missing.
        season: in steps; 1 is the naive forecast.

    Returns:
        One value per channel, shape (D,); NaN where no value and the one a season before are known.
    """
    errors = np.abs(training[season:] - training[:-season])
    known = np.isfinite(errors)
    count = known.sum(axis=0)
    return np.divide(np.where(known, errors, 0.0).sum(axis=0), count, out=np.full(len(count), np.nan), where=count > 0)


def mase(truth: np.ndarray, prediction: np.ndarray, training: np.ndarray, season: int = 1) -> float:
    """Mean absolute scaled error (Hyndman and Koehler, 2006):
    mean of |y - p| / `naive_error` over steps and channels.

    Args:
        truth: y, shape (T, D); missing values (NaN) are left out.
        prediction: p, shape (T, D).
        training: shape (S, D), the series before the forecast, NaN where a value is missing.
        season: in steps; 1 is the naive forecast.

    Returns:
        A value without unit, at least 0. The seasonal naive
        forecast gives about 1 over its first season.

    Raises:
        SeriesError: the shapes do not match, no true value is known, or the seasonal naive forecast
            has no error in `training`, so that there is nothing to divide by: it is constant,
            repeats each season, or is too short.
        SettingError: the season is not a whole number of at least 1.
    """
    truth, prediction, known = _check_known(truth, prediction)
    scale = _check_scale(naive_error, training, season, truth)
    return float((np.abs(truth - prediction) / scale)[known].mean())


def rmsse(truth: np.ndarray, prediction: np.ndarray, training: np.ndarray, season: int = 1) -> float:
    """Root mean squared scaled error (Hyndman and Koehler, 2006;
    with season 1 that of the M5 competition).

    It is the root of the mean of (y - p)^2 / q over steps and channels. For each channel, q is the
    mean of (y_t - y_{t - season})^2 over the training series. Unlike in M5 (Makridakis et al.,
    2022), zeros at the start of the training series count.

    Args:
        truth: y, shape (T, D); missing values (NaN) are left out.
        prediction: p, shape (T, D).
        training: shape (S, D), the series before the forecast, NaN where a value is missing.
        season: in steps; 1 is the naive forecast.

    Returns:
        A value without unit, at least 0. The seasonal naive
        forecast gives about 1 over its first season.

    Raises:
        SeriesError, SettingError: as `mase`.
    """
    truth, prediction, known = _check_known(truth, prediction)
    scale = _check_scale(_naive_squared_error, training, season, truth)
    with np.errstate(over="ignore"):  # a divergent run has an infinite error
        return float(np.sqrt(((truth - prediction) ** 2 / scale)[known].mean()))


def _naive_squared_error(training: np.ndarray, season: int) -> np.ndarray:
    """Mean of (y_t - y_{t - season})^2 over a series, shape (D,); see `naive_error`."""
    return np.nanmean((training[season:] - training[:-season]) ** 2, axis=0)


def _check_known(truth: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Convert and check two arrays, see `_check_pair`, and tell which true values are known.

    Raises:
        SeriesError: they do not match, or no true value is known.
    """
    truth, prediction = _check_pair(truth, prediction)
    return truth, prediction, _check_some(truth)


def _check_some(truth: np.ndarray) -> np.ndarray:
    """Tell which true values are known.

    Raises:
        SeriesError: none is.
    """
    known = np.isfinite(truth)
    if not known.any():
        raise SeriesError(f"truth of shape {truth.shape} has no known value; give at least one to compare with")
    return known


def _check_scale(
    error: Callable[[np.ndarray, int], np.ndarray], training: np.ndarray, season: int, truth: np.ndarray
) -> np.ndarray:
    """Compute the error of the seasonal naive forecast in a training series,
    and check that it can be divided by.

    Args:
        error: computes it from the training series and the season, one value per channel.
        training: shape (S, D).
        season: in steps.
        truth: shape (T, D), the values after the training series.

    Raises:
        SeriesError: the training series has another shape,
            or the error of a channel is zero or unknown.
        SettingError: the season is not a whole number of at least 1.
    """
    season = whole_number("season", season)
    try:
        training = np.asarray(training, np.float64)
    except (TypeError, ValueError) as problem:
        raise SeriesError(f"training must be an array of numbers ({problem})") from problem
    if training.ndim != truth.ndim or training.shape[1:] != truth.shape[1:]:
        raise SeriesError(
            f"truth has shape {truth.shape}, training has shape {training.shape}; give both the same channels"
        )
    pairs = np.isfinite(training[season:] - training[:-season]).any(axis=0)
    if not pairs.all():
        raise SeriesError(
            f"training: no two known values of channel {np.argmin(pairs)} lie a season of {season} steps apart in its "
            f"{len(training)} steps, so there is no naive error to divide by; give a longer series or a shorter season"
        )
    scale = error(training, season)
    if not (scale > 0).all():
        raise SeriesError(
            f"training: channel {np.argmin(scale > 0)} repeats itself exactly after {season} steps, so the naive error "
            "to divide by is zero and scaled errors are undefined; leave such series out, or use mean_squared_error"
        )
    return scale


def pinball_loss(truth: np.ndarray, quantiles: np.ndarray, levels: float | Sequence[float] | np.ndarray) -> float:
    """Pinball loss of quantile forecasts (Koenker and Bassett, 1978): its mean over levels,
    steps and channels.

    For a quantile q of level a, the loss is a (y - q) where y is above q, and (1 - a) (q - y)
    elsewhere. It is least in expectation for the true quantile. At level 0.5 it is half the
    absolute error. Over many levels that are evenly spaced from 0 to 1, twice the mean approaches
    the CRPS (Gneiting and Ranjan, 2011), see `crps`.

    Args:
        truth: y, shape (T, D); missing values (NaN) are left out.
        quantiles: shape (Q, T, D), one forecast per level; shape (T, D) for a single level.
        levels: Q levels, above 0 and below 1; a single number for one level.

    Returns:
        A loss in the units of the series, at least 0.

    Raises:
        SeriesError: the shapes do not match, or no true value is known.
        SettingError: a level is not between 0 and 1.
    """
    if isinstance(levels, int | float):
        return pinball_loss(truth, np.asarray(quantiles)[None], (levels,))
    shares = _check_quantile_levels(levels)
    truth, quantiles = _check_stack(truth, quantiles, "quantiles", len(shares))
    return float(_pinball(truth, quantiles, shares)[:, _check_some(truth)].mean())


def wql(truths: Sequence[np.ndarray], quantiles: Sequence[np.ndarray], levels: Sequence[float] | np.ndarray) -> float:
    """Weighted quantile loss of a set of series: 2 (sum of pinball losses) / (sum of |y|),
    mean over levels.

    Both sums are over all steps and channels of all series, so series with large values weigh more.
    For one level this is the rho-risk of Salinas et al. (2020); the mean over the levels 0.1, ...,
    0.9 is that of Ansari et al. (2024). With the level 0.5 alone, it is the sum of absolute errors
    over the sum of |y|.

    Args:
        truths: y of each series, shapes (T, D); T may differ,
            and missing values (NaN) are left out.
        quantiles: forecasts for each series, shapes (Q, T, D), one per level. For one series,
            give `[truth]` and `[quantiles]`.
        levels: Q levels, above 0 and below 1.

    Returns:
        A value without unit, at least 0.

    Raises:
        SeriesError: the shapes do not match, no true value is known, or all are zero,
            so that there is nothing to divide by.
        SettingError: a level is not between 0 and 1.
    """
    shares = _check_quantile_levels(levels)
    if len(truths) != len(quantiles):
        raise SeriesError(f"there are {len(truths)} series and forecasts of {len(quantiles)}; give one for each series")
    loss, size = 0.0, 0.0
    for one, forecasts in zip(truths, quantiles, strict=True):
        truth, stack = _check_stack(one, forecasts, "quantiles", len(shares))
        known = np.isfinite(truth)
        loss += float(_pinball(truth, stack, shares)[:, known].sum()) / len(shares)
        size += float(np.abs(truth[known]).sum())
    if not size > 0:
        raise SeriesError("the known true values are all zero, so the quantile loss has no size to be divided by")
    return 2.0 * loss / size


def _pinball(truth: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The pinball loss of each quantile at each step, shape (Q, T, D);
    NaN where the true value is missing."""
    above = truth - quantiles
    shares = levels[:, None, None]
    return np.maximum(shares * above, (shares - 1.0) * above)


def crps(truth: np.ndarray, samples: np.ndarray, fair: bool = True) -> float:
    """Continuous ranked probability score of sample paths (Gneiting and Raftery, 2007),
    mean over steps and channels.

    For samples x_1, ..., x_M of a step it is mean |x_i - y| - (sum over i and j of |x_i - x_j|) /
    (2 M (M - 1)). This is the fair estimator (Ferro, 2014). Its expectation is the score of the
    distribution that the samples are drawn from, for any M. Single values can be below 0. The
    standard estimator divides by 2 M^2 instead. It is the score of the samples themselves, as if
    the truth could be nothing else, and its expectation falls with M.

    Args:
        truth: y, shape (T, D); missing values (NaN) are left out.
        samples: shape (M, T, D), as `RNN.sample` returns them.
        fair: use the fair estimator, which needs at least 2 samples; otherwise the standard one.
            With one sample, the standard one is the mean absolute error.

    Returns:
        A score in the units of the series; lower is better. Infinity if a sample is infinite.

    Raises:
        SeriesError: the shapes do not match, no true value is known, or there are too few samples.
    """
    count, least = np.shape(samples)[0] if np.ndim(samples) else 0, 2 if fair else 1
    if count < least:
        raise SeriesError(f"samples: {count} of at least {least} paths; give more, or fair=False for a single one")
    truth, samples = _check_stack(truth, samples, "samples", count)
    known = _check_some(truth)
    drawn = np.sort(samples[:, known], axis=0)
    if np.isinf(drawn).any():
        return float("inf")
    # In ascending order, x_i is the larger one of i - 1 pairs and the smaller one of M - i.
    weights = 2.0 * np.arange(1, count + 1) - count - 1.0
    spread = weights @ drawn / (count * (count - 1.0 if fair else count))
    return float((np.abs(drawn - truth[known]).mean(axis=0) - spread).mean())


def _check_quantile_levels(levels: Sequence[float] | np.ndarray) -> np.ndarray:
    """Convert the levels of quantiles to an array, shape (Q,).

    Raises:
        SettingError: there is none, or one is not between 0 and 1.
    """
    try:
        shares = np.asarray(levels, np.float64)
    except (TypeError, ValueError):
        shares = np.array(np.nan)
    if shares.ndim != 1 or not len(shares) or not ((shares > 0) & (shares < 1)).all():
        raise SettingError(f"levels={levels!r}: give levels of quantiles above 0 and below 1, such as 0.1, 0.5, 0.9")
    return shares


def _check_stack(truth: np.ndarray, stack: np.ndarray, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Convert true values and several forecasts of them to float64, shapes (T, D) and (count, T,
    D).

    Raises:
        SeriesError: they are not numbers, or have other shapes.
    """
    try:
        one, several = np.asarray(truth, np.float64), np.asarray(stack, np.float64)
    except (TypeError, ValueError) as error:
        raise SeriesError(f"truth and {name} must be arrays of numbers ({error})") from error
    if one.ndim != 2 or several.shape != (count, *one.shape):
        raise SeriesError(
            f"truth has shape {one.shape}, {name} have shape {several.shape}; give truth as (steps, channels), and "
            f"{name} as ({count}, steps, channels)"
        )
    return one, several


def state_space_divergence(truth: np.ndarray, generated: np.ndarray, seed: int = 0) -> float:
    """D_stsp, the Kullback-Leibler divergence KL(p_true || p_generated) of the distributions of
    states.

    Up to 5 channels, the distributions are histograms (Hess et al., 2023). They have 30 bins per
    axis over [min - 0.1 sd, max + 0.1 sd] of the true series. Generated states outside are left
    out, and 1e-5 is added to every bin before normalizing.

    From 6 channels on, they are Gaussian mixtures with one component of covariance I at each of the
    first 10000 steps (Koppe et al., 2019). The divergence is then estimated from 1000 samples.

    Args:
        truth: shape (T, D).
        generated: shape (S, D).
        seed: seed of the samples from 6 channels on.

    Returns:
        The divergence in nats. It is at least 0 for histograms; for mixtures, sampling error can
        make it negative. Infinity if the generated series is not finite or never enters the bins.
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
    """Estimate the divergence of two Gaussian mixtures by Monte Carlo,
    see `state_space_divergence`."""
    from scipy.special import logsumexp

    draw = np.random.default_rng(seed)
    samples = truth[draw.integers(len(truth), size=1000)] + draw.normal(size=(1000, truth.shape[1]))

    def log_density(centres: np.ndarray) -> np.ndarray:
        squared = (samples**2).sum(axis=1)[:, None] - 2.0 * samples @ centres.T + (centres**2).sum(axis=1)
        return logsumexp(-0.5 * squared, axis=1) - np.log(len(centres))

    return float((log_density(truth) - log_density(generated)).mean())


def power_spectrum(values: np.ndarray, smoothing: float = 20.0) -> np.ndarray:
    """Smoothed power spectra of the channels, normalized to sum 1, as D_H compares them.

    Each channel is standardized. The squared magnitudes of its real Fourier transform are smoothed
    by a Gaussian, which is truncated at 4 standard deviations and reflected at the ends.

    Args:
        values: shape (T, D), or pieces of one series, shape (S, T, D). Pieces are standardized
            together, and their squared magnitudes are averaged before smoothing.
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
    """Whether all values are finite, and at most `BOUND`,
    so that sums of their squares are finite too."""
    return float(np.abs(values).max()) <= BOUND  # false for NaN


def spectrum_distance(truth: np.ndarray, generated: np.ndarray, smoothing: float = 20.0) -> float:
    """D_H, the Hellinger distance of two power spectra, 0 to 1,
    mean over channels (Mikhaeil et al., 2022).

    For spectra p and q it is sqrt(1 - sum sqrt(p q)).
    Both series are cut to the length of the shorter one; see `power_spectrum`.

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

    It is the slope of log C(r) over log r, where C(r) is the share of pairs of states that are
    closer than r. Only radii with C(r) between 1e-4 and 1e-2 are used. Of a longer series, 5000
    states are drawn at random. Then few pairs are close only because they are close in time.

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
    """Largest Lyapunov exponent per step, estimated from data (Rosenstein, Collins and De Luca,
    1993).

    Each state is paired with its nearest neighbor that is more than `exclude` steps away in time.
    The exponent is the slope of the mean logarithm of their distance over the next `horizon` steps.

    Args:
        states: shape (T, D), several channels or the delay vectors of one (`embedded`).
        horizon: number of steps over which neighbors separate exponentially, at least 2.
        exclude: in steps, at least a mean period, so that neighbors
            lie on different parts of the trajectory.
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
