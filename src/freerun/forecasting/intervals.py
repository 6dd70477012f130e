"""Forecasts with prediction intervals, and sample paths.

The half widths of intervals of networks come from errors of free runs on parts of the training
series that were left out of the fit. There is one half width for each horizon and channel. Those of
smoothers follow a power law; see `growth_in_sample`.

If n errors are independent and n is large enough for the level, the half width is a quantile of the
absolute errors at this horizon and its neighbors: the ceil((n + 1) * level)-th smallest of n. This
is split conformal prediction (Vovk et al., 2005; for forecasts: Stankeviciute et al., 2021).

Otherwise, as on short series, the half width is a quantile of Student's t distribution with mean
zero. Its scale is the root mean square of the errors.

If settings were chosen on the same parts, errors are multiplied by 1.1. The errors of one series
are dependent, so that coverage is not guaranteed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np

from freerun.data.arrays import NEAR, interpolated
from freerun.data.irregular import lengths
from freerun.data.scaling import Scaling
from freerun.data.series import Series
from freerun.errors import SettingError, warn
from freerun.forecasting.forecast import Forecast
from freerun.forecasting.model import ErrorGrowth, Member, Model
from freerun.forecasting.runs import (
    COMBINED,
    ahead_of,
    base_of,
    inputs_ahead,
    one_step_outputs,
    require_known_inputs,
    run_along,
    run_starts,
    runs_from,
)
from freerun.network import numpy_runs
from freerun.network.smoothing import largest_usual
from freerun.selection.holdout import SHARE, recent
from freerun.settings import Ensemble

MOST_CALIBRATED = 200
"""Most steps of the free runs that calibrate intervals."""

ORIGINS = 32
"""Most such runs on each part that was left out."""

ORIGINS_OF_FIELD, SITES = 4, 16
"""Most such runs of a field, and most of its sites whose errors are kept;
the intervals of all sites are the same."""

PANEL = 8
"""Most series of a panel on which intervals are calibrated, since each takes time."""

NEIGHBOURS = 8
"""Errors at horizon h are pooled with those of h // 8 horizons on each side,
since neighbors have similar errors."""

OPTIMISM = 1.1
"""Ratio of future errors to errors on parts that settings were chosen on,
measured on 21 series of no benchmark."""

WIDER = 1.15
"""Ratio of the scale of errors after a series to their mean absolute size inside it. This
and the next five constants were chosen by the quantile losses and the coverage of
intervals on M1 and half of M3. On the other half of M3, losses are 1.4 % lower than by
root mean squares without weights and prior."""

TAILS, LIGHTER = 2, 60
"""Degrees of freedom of errors: 2, and one more for every 60 steps of the series."""

MEMORY, SHARE_OF_MEMORY = 15, 1 / 8
"""Steps in which the weight of an error falls by the factor e: at least 15, and an
eighth of the series. M1 and M3 have hardly a series that is longer than 130 steps;
longer ones need more errors for a steady scale."""

USUAL, PRIOR = 0.7, 100
"""Usual exponent of the growth of errors, and its weight in errors at horizons a factor e apart."""

STEEPEST = 1.2
"""Largest exponent of the growth of errors."""

IN_SAMPLE = 100
"""Most steps from which smoothers forecast inside the training series."""

FEW = 10
"""Number of residuals from which on their distribution may be skewed; fewer are made symmetric."""

FEWEST_LEFT = 3
"""Fewest steps to solve the readout on when a part is left out to calibrate intervals."""

FAR_VALUE = 1000.0
"""Distance of a forecast from the range of the series, in lengths of that range,
from which on it is not believed."""

PATHS = 200
"""Number of sample paths that show how intervals widen beyond the calibrated horizons."""


def ensemble_of(members: Sequence[Member]) -> Ensemble:
    """How the runs of members are combined to a point forecast: the trimmed mean,
    if there are several."""
    return "best" if len(members) == 1 else "trimmed"


def forecast(
    model: Model,
    horizon: int | None,
    levels: Sequence[float],
    after: Series | None,
    inputs: object,
    times: object = None,
) -> Forecast:
    """Forecast the next steps with prediction intervals; see `freerun.RNN.forecast`."""
    ahead = ahead_of(model, horizon, after, inputs, times)
    run = run_along(model, ahead, after is not None, ensemble_of(model.members))
    _warn_of_far_values(ahead.base, run)
    kept = slice(None) if ahead.kept is None else ahead.kept
    bounds = {}
    for level in levels:
        low, high = interval(model, ahead.base, run, level, after is not None)
        bounds[level] = low[kept], high[kept]
    return Forecast(run.channels, run.index[kept], run.values[kept], bounds)


def _warn_of_far_values(base: Series, run: Series) -> None:
    """Say that a forecast is far from all values of the series that it continues."""
    for name, before, ahead in zip(base.channels, base.values.T, run.values.T, strict=True):
        known = before[np.isfinite(before)]
        least, largest = (known.min(), known.max()) if len(known) else (-np.inf, np.inf)
        away = np.maximum(ahead - largest, least - ahead)
        far = int(away.argmax())
        if away[far] > FAR_VALUE * (largest - least) > 0:
            warn(
                f"the forecast of {name!r} is {ahead[far]:g} at {run.calendar.shown(run.times[far])}, and the values "
                f"before it lie between {least:g} and {largest:g}; do not trust it: forecast fewer steps, or fit with "
                "other settings"
            )


def interval(model: Model, base: Series, run: Series, level: float, read: bool) -> tuple[np.ndarray, np.ndarray]:
    """Compute prediction intervals around a free run.

    Beyond the calibrated horizons, half widths grow in proportion to the
    standard deviation of sample paths. Of irregular times, the horizon is the
    time since the end of the series in median steps.

    Args:
        model: the trained networks.
        base: the series that the run continues.
        run: the point forecast.
        level: level in percent.
        read: whether the networks read `base` first; otherwise,
            they continue from their last state.

    Returns:
        Lower and upper bounds, each of shape (steps, D).

    Raises:
        SettingError: there are no errors to calibrate intervals by.
    """
    steps, ahead = len(run), _horizons(base, len(run))
    widths = half_widths_of(model, int(ahead[-1]), level / 100.0)
    calibrated = int((ahead <= len(widths)).sum())
    found = widths[np.minimum(ahead, len(widths)) - 1]
    if calibrated < steps:
        paths = _sample_paths(model, base, steps, PATHS, 0, read)
        spread = (np.log(np.maximum(paths, 1e-300)) if model.best.scaling.log else paths).std(axis=0)
        growth = spread[calibrated:] / np.maximum(spread[max(0, calibrated - 1)], 1e-300)
        found[calibrated:] *= np.maximum(1.0, np.maximum.accumulate(growth, axis=0))
    return around(run.values, found, model.best.scaling)


def _horizons(base: Series, steps: int) -> np.ndarray:
    """The horizon of each of the next steps, from 1 on, shape (steps,)."""
    if not base.irregular:
        return np.arange(1, steps + 1)
    usual = lengths(base.times[:1], base.dt)[0]
    return np.maximum(1, np.rint(np.cumsum(inputs_ahead(base, steps)[:, -1]) / usual)).astype(int)


def around(values: np.ndarray, widths: np.ndarray, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper bounds around values,
    from half widths in the units of the series or of its logarithm."""
    if scaling.log:
        return values * np.exp(-widths), values * np.exp(widths)
    return np.maximum(values - widths, scaling.least), values + widths


def half_widths_of(model: Model, steps: int, share: float) -> np.ndarray:
    """Compute the half widths of the intervals of a model.

    Args:
        model: the trained networks.
        steps: number of steps of the forecast.
        share: share of true values that intervals should cover, 0 to 1.

    Returns:
        Shape (H, D). H is `steps` for smoothers, and the number of calibrated horizons for
        networks.

    Raises:
        SettingError: there are no errors to calibrate intervals by.
    """
    if model.growth is not None:
        return model.growth.half_widths(steps, share)
    if not model.errors.size:
        _refuse_uncalibrated(model)
    widths = half_widths(model.errors, share)
    unknown = np.isnan(widths).any(axis=0)
    if unknown.any():
        raise SettingError(
            f"channel {model.recent.channels[int(unknown.argmax())]!r} has no values on the parts of the training "
            "series that calibrate intervals; leave it out, or ask for no intervals (levels=())"
        )
    return np.broadcast_to(widths, (len(widths), model.recent.shape[1]))


def _refuse_uncalibrated(model: Model) -> NoReturn:
    """Raise an error that says how to fit so that intervals can be calibrated."""
    if model.best.settings.method != "ridge":
        remedy = "hold a part of the training series out of the fit (holdout=0.25)"
    else:
        washout = max(member.washout for member in model.members)
        share = 1.0 - (SHARE if model.settings.holdout is None else model.settings.holdout)
        needed = max(
            math.ceil(FEWEST_LEFT / (1.0 - share)) if share < 1 else 0, math.ceil((washout + FEWEST_LEFT) / share)
        )
        remedy = f"give a series of {needed} steps or more" if share < 1 else "leave holdout=0 out"
    raise SettingError(
        "there are no errors to calibrate intervals by, since no part of the training series was left out of the fit; "
        + remedy
    )


def half_widths(errors: np.ndarray, share: float) -> np.ndarray:
    """Compute the half widths of intervals; see the docstring of this module.

    Errors of overlapping runs are nearly equal. Of N runs, (N + H) / (h + 2) count as independent
    at index h, but no more than there are. If these are too few for a quantile, Student's t
    distribution replaces it, with as many degrees of freedom.

    Args:
        errors: shape (N, H, D), NaN where an error is missing.
        share: share of true values that intervals should cover, 0 to 1.

    Returns:
        Shape (H, D). Horizons without an error have the widths between those of their neighbors,
        a channel without any has NaN.
    """
    from scipy.special import stdtrit

    horizons, channels = errors.shape[1:]
    widths = np.empty((horizons, channels))
    for h in range(horizons):
        around = (h + 1) // NEIGHBOURS
        near = np.abs(errors[:, max(0, h - around) : h + around + 1])
        for channel in range(channels):
            known = np.sort(near[:, :, channel], axis=None)
            known = known[np.isfinite(known)]
            alone = int(np.isfinite(errors[:, h, channel]).sum())
            new = min(alone, (alone + horizons) / (h + 2))
            if not alone:
                widths[h, channel] = np.nan
            elif (new + 1) * share > new:
                widths[h, channel] = np.sqrt((known**2).mean()) * stdtrit(new, (1 + share) / 2)
            else:
                rank = math.ceil((alone + 1) * share) / alone
                widths[h, channel] = known[math.ceil(rank * len(known)) - 1]
    return interpolated(widths)


def errors_left_out(
    members: Sequence[Member], without: Sequence[Sequence[Member]], training: Sequence[Series], count: int, chosen: bool
) -> np.ndarray:
    """Compute the errors of forecasts on parts of the training series that were left out of the
    fit.

    Args:
        members: the networks.
        without: for each member, the networks that were fitted
            without one of the last stretches in turn.
        training: the training series.
        count: number of steps of a stretch.
        chosen: whether settings were chosen on these stretches.
            Errors are then multiplied by `OPTIMISM`.

    Returns:
        Truth minus forecast, shape (N, H, D), or (N, H, 1) for a field, in the units of the series
        or of its logarithm. Empty if the series is too short to leave out a stretch.
    """
    channels = training[0].shape[1]
    horizon = max(1, min(MOST_CALIBRATED, 2 * count // 3))
    origins = ORIGINS if members[0].network.lattice is None else ORIGINS_OF_FIELD
    errors = [
        run_errors(
            fitted,
            series,
            np.linspace(len(series) - count, len(series) - horizon, min(origins, count - horizon + 1)).astype(int),
            horizon,
        )
        for fitted, series in parts_left_out(members, without, training, count)
    ]
    return kept_errors(errors, training, members, chosen) if errors else np.empty((0, 0, channels))


def parts_left_out(
    members: Sequence[Member], without: Sequence[Sequence[Member]], training: Sequence[Series], count: int
) -> Iterator[tuple[list[Member], Series]]:
    """The parts of the training series that were left out of the fit;
    see `errors_left_out` for the arguments.

    Yields:
        Networks that were fitted without the last `count` steps of a series, and that series.
        Nothing if the series are too short to leave out a part.
    """
    shortest = min(map(len, training))
    washout = max(member.washout for member in members)
    if count < FEWEST_LEFT or shortest - count < washout + FEWEST_LEFT:
        return
    for fold in range(min(map(len, without))):
        fitted = [networks[fold] for networks in without]
        for series in recent(training, count)[:PANEL]:
            yield fitted, series.between(0, len(series) - fold * count)


def kept_errors(
    errors: Sequence[np.ndarray], training: Sequence[Series], members: Sequence[Member], chosen: bool
) -> np.ndarray:
    """Join the errors of several parts, shape (N, H, D) each;
    see `errors_left_out` for the other arguments.

    Errors beyond the range of the series are clipped. Of a field, those of some sites are kept,
    as one channel.
    """
    channels = training[0].shape[1]
    most = _largest_error(training, members[0].scaling.log)
    kept = np.clip(np.concatenate(errors), -most, most)
    if members[0].network.lattice is not None:
        some = np.unique(np.linspace(0, channels - 1, min(SITES, channels)).astype(int))
        kept = np.concatenate([kept[:, :, site : site + 1] for site in some])
    return kept[np.isfinite(kept).any(axis=(1, 2))] * (OPTIMISM if chosen else 1.0)


def _largest_error(training: Sequence[Series], log: bool) -> np.ndarray:
    """The largest error of a run that stays within `NEAR` standard
    deviations of the range of the series, shape (D,).

    Runs of networks that are kept stay there. One that is fitted
    without a part of the series may diverge.
    """
    values = np.concatenate([series.values for series in training])
    values = np.log(values) if log else values
    return np.nanmax(values, axis=0) - np.nanmin(values, axis=0) + NEAR * np.nanstd(values, axis=0)


def rescaled(model: Model, errors: np.ndarray, weights: np.ndarray, weight: float) -> Model:
    """Rescale the errors that calibrate intervals by one-step errors on further steps.

    The mean square of the errors one step ahead becomes the weighted mean of what it was and of the
    new ones. Errors at all horizons are multiplied by the same factor for each channel.

    Args:
        model: the trained networks, which have not learned from the further steps yet.
        errors: their one-step errors, in the units of the series or of its logarithm, shape (n, D);
            NaN where a value is missing.
        weights: of the new squared errors, shape (n,).
        weight: of the mean square of the errors so far, in steps.
    """
    old = _one_step_power(model)
    if old is None:
        return model
    known = np.isfinite(errors)
    power = (weights[:, None] * np.where(known, errors, 0.0) ** 2).sum(axis=0)
    new = (weight * old + power) / (weight + weights @ known)
    factor = np.sqrt(np.divide(new, old, out=np.ones_like(old), where=old > 0))
    if model.short_runs is not None:
        model = replace(model, short_runs=model.short_runs.scaled(factor))
    if model.growth is not None:
        return replace(model, growth=replace(model.growth, scale=factor * model.growth.scale))
    most = np.maximum(
        _largest_error([model.recent], model.best.scaling.log), np.abs(np.nan_to_num(model.errors)).max(axis=(0, 1))
    )
    return replace(model, errors=np.clip(factor * model.errors, -most, most))


def _one_step_power(model: Model) -> np.ndarray | None:
    """Mean square of the errors one step ahead by which intervals are calibrated, shape (D,);
    None without them."""
    if model.growth is not None:
        return model.growth.scale**2
    if not model.errors.size:
        return None
    one_step = model.errors[:, 0]
    known = np.isfinite(one_step)
    return (np.where(known, one_step, 0.0) ** 2).sum(axis=0) / np.maximum(1, known.sum(axis=0))


def growth_in_sample(members: Sequence[Member], series: Series) -> ErrorGrowth:
    """Fit the growth of errors with the horizon to forecasts from many steps of the training
    series.

    Smoothers have a few gains and the state in which they begin, so that nothing is left out of the
    fit. A line is fitted to the logarithm of the mean absolute errors against that of the horizon.
    Late errors count more than early ones, since the size of errors changes; see `MEMORY`. Outliers
    count as the largest error at their horizon that is usual. The slope of the line is shrunk to
    `USUAL`, the less the more errors there are. Steps before the first change of a series, as the
    zeros of a product that comes later, say nothing of the errors after it, and are left out.

    Args:
        members: networks of smoothers.
        series: the training series, T steps.
    """
    steps, channels = series.shape
    changes = _first_changes(series.values)
    begins = int(changes.min())
    lived = steps - begins
    horizon = min(MOST_CALIBRATED, max(1, lived // 2))
    first = min(max(members[0].washout, begins), steps - 2)
    starts = np.unique(np.linspace(first, steps - 1, min(IN_SAMPLE, steps - first)).astype(int))
    errors = np.abs(run_errors(members, series, starts, horizon))
    ahead = starts[:, None] + np.arange(horizon)
    errors = np.where(ahead[..., None] < changes, np.nan, errors)
    errors = np.minimum(errors, largest_usual(errors))
    weights = np.exp(-np.maximum(steps - 1 - ahead, 0) / max(MEMORY, SHARE_OF_MEMORY * lived))
    laws = np.array([_power_law(errors[..., channel], weights) for channel in range(channels)])
    return ErrorGrowth(WIDER * laws[:, 0], laws[:, 1], TAILS + lived / LIGHTER)


def _first_changes(values: np.ndarray) -> np.ndarray:
    """The first step of each channel whose value is not that of the steps before, shape (D,);
    at least 1.

    Args:
        values: shape (T, D), NaN where a value is missing; no channel is constant.
    """
    known = np.isfinite(values)
    first = np.take_along_axis(values, known.argmax(axis=0)[None], axis=0)
    return np.maximum(1, (known & (values != first)).argmax(axis=0))


def _power_law(errors: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Fit scale and exponent to absolute errors and their weights, both of shape (N, H);
    see `growth_in_sample`.

    Errors are NaN where a value is missing. Those at horizon h share most of their steps with their
    neighbors, so that 1 / sqrt(h) of them count as independent.
    """
    weights = np.where(np.isfinite(errors), weights, 0.0)
    total = weights.sum(axis=0)
    mean = np.nansum(weights * np.nan_to_num(errors), axis=0) / np.maximum(total, np.finfo(float).tiny)
    counts = np.isfinite(errors).sum(axis=0)
    known = (counts >= min(FEWEST_LEFT, counts.max())) & (mean > 0)
    if not known.any():
        return 0.0, USUAL
    ahead = np.arange(1, len(mean) + 1)[known]
    effective = (total**2 / np.maximum((weights**2).sum(axis=0), np.finfo(float).tiny))[known] / np.sqrt(ahead)
    logarithm, ahead = np.log(mean[known]), np.log(ahead)
    middle, center = np.average(logarithm, weights=effective), np.average(ahead, weights=effective)
    power = effective @ (ahead - center) ** 2
    slope = (effective @ ((ahead - center) * (logarithm - middle)) + PRIOR * USUAL) / (power + PRIOR)
    exponent = min(max(float(slope), 0.0), STEEPEST)
    return float(np.exp(middle - exponent * center)), exponent


def run_errors(members: Sequence[Member], series: Series, starts: np.ndarray, horizon: int) -> np.ndarray:
    """Compute the errors of the combined free runs from N starts.

    Args:
        members: the networks.
        series: the series, longer than the last start.
        starts: the first step of each run, at least 1, shape (N,).
        horizon: number of steps of each run.

    Returns:
        Truth minus forecast, in the units of the series or of its logarithm, shape (N, horizon, D);
        NaN after the end of the series.
    """
    steps = starts[:, None] + np.arange(horizon)
    at = np.minimum(steps, len(series) - 1)
    with np.errstate(over="ignore", invalid="ignore"):
        runs = np.stack([m.scaling.undo(runs_from(m, series, starts, horizon), series.times[at]) for m in members])
        run = COMBINED[ensemble_of(members)](runs)
        truth = np.where((steps < len(series))[..., None], series.values[at], np.nan)
        return np.log(truth) - np.log(run) if members[0].scaling.log else truth - run


def sample(model: Model, horizon: int, paths: int, after: Series | None, inputs: object, seed: int) -> np.ndarray:
    """Draw sample paths; see `freerun.RNN.sample`."""
    base = base_of(model, after, inputs, horizon)
    require_known_inputs(base, horizon)
    return _sample_paths(model, base, horizon, paths, seed, after is not None)


def _sample_paths(model: Model, base: Series, steps: int, paths: int, seed: int, read: bool) -> np.ndarray:
    """Sample paths that continue `base`, shape (paths, steps, D).

    What is random is drawn from the residuals of the last training steps. In a network that reads
    states behind noisy measurements it is normal: its own error is added in each step, and the
    noise to what is measured of the path.
    """
    ((member, start),) = run_starts(model, base, read, best=True)
    scaling, random, size = member.scaling, np.random.default_rng(seed), (paths, steps)
    noise = member.noise
    if noise is None:
        residuals = _residuals(model, member)
        drawn = residuals[random.integers(len(residuals), size=size)]
    else:
        drawn = np.sqrt(noise.model) * random.normal(size=(*size, len(start.value)))
    known = scaling.scaled_inputs(inputs_ahead(base, steps))
    state = numpy_runs.beside(start.state, paths)
    value = np.repeat(start.value[None], paths, axis=0)
    shocks = drawn.transpose(1, 0, 2)
    runs = (
        numpy_runs.run(member.network, state, value, steps, future_inputs=known, shocks=shocks)
        .values[0]
        .astype(np.float64)
    )
    if noise is not None:
        runs += np.sqrt(noise.measured) * random.normal(size=runs.shape)
    with np.errstate(over="ignore"):
        return scaling.undo(runs, np.broadcast_to(base.following_times(steps), size))


def _residuals(model: Model, member: Member) -> np.ndarray:
    """Standardized errors of one-step predictions of the last training steps, with mean zero,
    shape (N, D).

    A network that learns on line fits the last steps more closely than it predicts
    further ones, the more so the faster it forgets. Its residuals get the mean
    square of the errors that calibrate intervals.
    """
    recent, scaling = model.recent, member.scaling
    residuals = scaling.apply(recent)[1:, : recent.shape[1]] - one_step_outputs(member, recent)
    residuals = residuals[min(member.washout, len(residuals) // 2) :]
    residuals = residuals[np.isfinite(residuals).all(axis=1)]
    if member.statistics is not None:
        residuals = residuals[-max(1, math.ceil(member.statistics.steps)) :]
    if len(residuals) < FEW:
        residuals = np.concatenate([residuals, -residuals])
    residuals = residuals - residuals.mean(axis=0)
    power = None if member.statistics is None else _one_step_power(model)
    if power is None:
        return residuals
    of_residuals = (residuals**2).mean(axis=0)
    return residuals * np.sqrt(power / np.where(of_residuals > 0, of_residuals, np.inf)) / scaling.scale
