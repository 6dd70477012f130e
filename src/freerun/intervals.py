"""Forecasts with prediction intervals, and sample paths of the future.

The half width of an interval comes from the errors of free runs on parts of the training series that were left out of
the fit, horizon by horizon. Where enough of these errors are independent for the level, it is a quantile of their
absolute values at that horizon and its neighbours, as in split conformal prediction (Vovk et al., 2005; for forecasts
Stankeviciute et al., 2021): the ceil((n + 1) * level)-th smallest of n. Where too few are, as on short series, it is
that of Student's t distribution about zero with their root mean square as its scale. If recipes were chosen by the same
parts, errors count a tenth more. Since errors of one series depend on each other, coverage is not guaranteed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from freerun.data.series import Series
from freerun.errors import SettingError
from freerun.forecasting import (
    COMBINED,
    base_of,
    generate,
    inputs_ahead,
    moments,
    one_step_outputs,
    require_known_inputs,
    runs_from,
)
from freerun.model import Member, Model
from freerun.network import numpy_runs
from freerun.selection.holdout import SHARE, recent
from freerun.settings import Ensemble

if TYPE_CHECKING:
    import pandas as pd

LONGEST, ORIGINS = 200, 32
"""Steps of the runs that calibrate, and runs on each part that was left out, at most."""

PANEL = 8
"""Series of a panel on which errors are taken at most."""

NEIGHBOURS = 8
"""Errors of a horizon are taken together with those of the horizons around it, one in so many to each side."""

OPTIMISM = 1.1
"""Errors on the parts by which recipes were chosen are smaller than those to come: by so much on 21 series that are in
no benchmark."""

FEW = 10
"""Residuals from which on their mean and their skewness are known; fewer are taken with either sign."""

FEWEST = 3
"""Fewest steps that the readout is solved by where a part is left out to calibrate intervals."""

PATHS = 200
"""Sample paths that tell how intervals widen beyond the horizons that are calibrated."""


def ensemble_of(members: Sequence[Member]) -> Ensemble:
    """How the runs of the members become a point forecast."""
    return "best" if len(members) == 1 else "trimmed"


def forecast(model: Model, horizon: int, levels: Sequence[float], after: Series | None, inputs: Any) -> pd.DataFrame:
    """See `freerun.RNN.forecast`."""
    import pandas as pd

    base = base_of(model, after, inputs, horizon)
    run = generate(model, horizon, after, inputs, ensemble_of(model.members))
    columns = {name: run.values[:, i] for i, name in enumerate(run.channels)}
    for level in levels:
        low, high = interval(model, base, run, level, after is not None)
        for i, name in enumerate(run.channels):
            for end, bound in (("low", low), ("high", high)):
                column = f"{name}_{end}_{level:g}"
                if column in columns:
                    raise SettingError(f"a channel is named {column!r}, as the end of an interval is; rename it")
                columns[column] = bound[:, i]
    return pd.DataFrame(columns, index=base.following_index(horizon))


def interval(model: Model, base: Series, run: Series, level: float, read: bool) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds at a level in percent, around a run that continues `base`, both of shape (steps, D).

    Beyond the horizons that are calibrated, intervals widen as sample paths do, in the units of the errors.

    Raises:
        SettingError: there are no errors to calibrate by.
    """
    if not model.errors.size:
        _refuse_uncalibrated(model)
    widths = half_widths(model.errors, level / 100.0)
    steps = len(run)
    if steps > len(widths):
        paths = _sampled(model, base, steps, PATHS, 0, read)
        spread = (np.log(paths) if model.settings.log else paths).std(axis=0)
        growth = spread[len(widths) :] / np.maximum(spread[len(widths) - 1], 1e-300)
        beyond = widths[-1] * np.maximum(1.0, np.maximum.accumulate(growth, axis=0))
        widths = np.concatenate([widths, beyond])
    widths = widths[:steps]
    if model.settings.log:
        return run.values * np.exp(-widths), run.values * np.exp(widths)
    return run.values - widths, run.values + widths


def _refuse_uncalibrated(model: Model) -> NoReturn:
    """Say what intervals need that the fit did not have."""
    if model.best.settings.method != "ridge":
        remedy = "hold a part of the training series out of the fit (holdout=0.25)"
    else:
        washout = max(member.washout for member in model.members)
        share = 1.0 - (SHARE if model.settings.holdout is None else model.settings.holdout)
        needed = max(math.ceil(FEWEST / (1.0 - share)) if share < 1 else 0, math.ceil((washout + FEWEST) / share))
        remedy = f"give a series of {needed} steps or more" if share < 1 else "leave holdout=0 out"
    raise SettingError(
        "there are no errors to calibrate intervals by, since no part of the training series was left out of the fit; "
        + remedy
    )


def half_widths(errors: np.ndarray, share: float) -> np.ndarray:
    """Half widths of intervals that are to hold a share of the truth, for each horizon, shape (H, D).

    Errors of runs that overlap are nearly the same. Where too few are independent for a quantile, Student's t
    distribution about zero, with as many degrees of freedom, takes its place.

    Args:
        errors: shape (N, H, D), NaN where one is not known.
        share: between 0 and 1.
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
            new = (alone + horizons) / (h + 2)
            if (new + 1) * share > new:
                scale = np.sqrt((known**2).mean()) if len(known) else np.nan
                widths[h, channel] = scale * stdtrit(new, (1 + share) / 2)
            else:
                rank = math.ceil((alone + 1) * share) / alone
                widths[h, channel] = known[math.ceil(rank * len(known)) - 1]
    return widths


def errors_left_out(
    members: Sequence[Member], without: Sequence[Sequence[Member]], training: Sequence[Series], count: int, chosen: bool
) -> np.ndarray:
    """Errors of the forecast on parts of the training series that are left out of the fit, shape (N, H, D).

    Args:
        members: the networks.
        without: each as it is without each of the last stretches of `count` steps in turn.
        training: the series.
        count: steps of a stretch.
        chosen: whether candidates were chosen by these parts; the errors are then raised by a tenth.

    Returns:
        Truth minus forecast, in the units of the series, or of its logarithm; empty where nothing can be left out.
    """
    shortest, channels = min(map(len, training)), training[0].shape[1]
    washout = max(member.washout for member in members)
    folds = min(map(len, without))
    horizon = max(1, min(LONGEST, 2 * count // 3))
    if count < 3 or not folds or shortest - count < washout + FEWEST:
        return np.empty((0, 0, channels))
    errors = []
    for fold in range(folds):
        fitted = [networks[fold] for networks in without]
        for series in recent(training, count)[:PANEL]:
            last = len(series) - fold * count
            starts = np.linspace(last - count, last - horizon, min(ORIGINS, count - horizon + 1)).astype(int)
            errors.append(_errors(fitted, series, starts, horizon))
    kept = np.concatenate(errors)
    return kept[np.isfinite(kept).any(axis=(1, 2))] * (OPTIMISM if chosen else 1.0)


def _errors(members: Sequence[Member], series: Series, starts: np.ndarray, horizon: int) -> np.ndarray:
    at = starts[:, None] + np.arange(horizon)
    with np.errstate(over="ignore", invalid="ignore"):
        runs = np.stack([m.scaling.undo(runs_from(m, series, starts, horizon), series.times[at]) for m in members])
        run = COMBINED[ensemble_of(members)](runs)
        truth = series.values[at]
        return np.log(truth) - np.log(run) if members[0].scaling.log else truth - run


def sample(model: Model, horizon: int, paths: int, after: Series | None, inputs: Any, seed: int) -> np.ndarray:
    """See `freerun.RNN.sample`."""
    base = base_of(model, after, inputs, horizon)
    require_known_inputs(base, horizon)
    return _sampled(model, base, horizon, paths, seed, after is not None)


def _sampled(model: Model, base: Series, steps: int, paths: int, seed: int, read: bool) -> np.ndarray:
    ((member, moment),) = moments(model, base, read, best=True)
    scaling, recent, channels = member.scaling, model.recent, len(moment.value)
    residuals = scaling.apply(recent)[1:, :channels] - one_step_outputs(member, recent)
    residuals = residuals[min(member.washout, len(residuals) // 2) :]
    residuals = residuals[np.isfinite(residuals).all(axis=1)]
    if len(residuals) < FEW:
        residuals = np.concatenate([residuals, -residuals])
    residuals = residuals - residuals.mean(axis=0)
    drawn = residuals[np.random.default_rng(seed).integers(len(residuals), size=(paths, steps))]
    known = scaling.scaled_inputs(inputs_ahead(base, steps))
    state = numpy_runs.beside(moment.state, paths)
    value = np.repeat(moment.value[None], paths, axis=0)
    shocks = drawn.transpose(1, 0, 2)
    runs = numpy_runs.run(member.network, state, value, steps, known=known, shocks=shocks).values[0].astype(np.float64)
    with np.errstate(over="ignore"):
        return scaling.undo(runs, np.broadcast_to(base.following_times(steps), (paths, steps)))
