"""Simple forecasts for series that are too short to choose a network: last value, drift, seasonal naive, or mean.

Each is represented by a network of one unit whose readout weights are zero. Its output consists of a bias and of the
differences that it learns. Functions that take a network therefore work with simple forecasts too.

The definitions, and the growth of errors with the horizon, are those of Hyndman and Athanasopoulos, Forecasting:
Principles and Practice (2021), sections 5.2 and 5.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from freerun.data.arrays import interpolated
from freerun.data.scaling import Scaling
from freerun.data.seasons import season_of
from freerun.data.series import Series
from freerun.errors import SeriesError, warn
from freerun.forecasting.model import RECENT, Member, Model
from freerun.forecasting.runs import one_step_outputs, run_start_after
from freerun.plan import solve_plan
from freerun.selection.policies import FILLED_IN
from freerun.settings import Settings
from freerun.training.history import History

FEWEST = 3
"""Fewest values of a channel that a simple forecast needs."""

ENOUGH = 20
"""Number of steps of a series from which on a network is chosen."""

TRUSTED = 6
"""Number of steps from which on past errors choose the method; shorter series get the last value."""

BETTER = 0.9
"""A method replaces the last value if its error is below this share of that error; see `benchmarks/short.py`."""

HORIZON = 6
"""Most steps ahead over which past forecasts are compared."""


@dataclass(frozen=True)
class Simple:
    """A method of simple forecasting.

    Attributes:
        name: what it predicts, as messages say it.
        lag: lag of the difference that the network learns, in steps; 0 for none.
        slope: returns the change per step, shape (D,), given the values, shape (T, D).
        growth: returns the standard error h steps ahead divided by that of the residuals, given h, shape (H,), and T.
    """

    name: str
    lag: int
    slope: Callable[[np.ndarray], np.ndarray]
    growth: Callable[[np.ndarray, int], np.ndarray]

    def run(self, values: np.ndarray, horizon: int) -> np.ndarray:
        """Forecast the steps after `values`, shape (T, D); return shape (horizon, D)."""
        if not self.lag:
            return np.repeat(values.mean(axis=0)[None], horizon, axis=0)
        steps = np.arange(1, horizon + 1)
        last = values[len(values) - self.lag + (steps - 1) % self.lag]
        return last + steps[:, None] * self.slope(values)


def _no_slope(values: np.ndarray) -> np.ndarray:
    """A slope of zero in each channel, shape (D,)."""
    return np.zeros(values.shape[1])


LAST_VALUE = Simple("the last value", 1, _no_slope, lambda h, _: np.sqrt(h))
"""The last value (naive forecast): errors grow as sqrt(h)."""

DRIFT = Simple(
    "the last value and the mean change",
    1,
    lambda values: (values[-1] - values[0]) / (len(values) - 1),
    lambda h, steps: np.sqrt(h * (1 + h / (steps - 1))),
)
"""The last value and the mean change (drift): errors grow as sqrt(h (1 + h / (T - 1)))."""

MEAN = Simple("the mean", 0, _no_slope, lambda h, steps: np.full(len(h), np.sqrt(1 + 1 / steps)))
"""The mean: errors are sqrt(1 + 1 / T) at every horizon."""


def seasonal(season: int) -> Simple:
    """Make the seasonal naive method: errors grow as the root of the number of seasons, floor((h - 1) / m) + 1.

    Args:
        season: m, in steps.
    """
    return Simple(f"the value {season} steps before", season, _no_slope, lambda h, _: np.sqrt((h - 1) // season + 1))


def best(values: np.ndarray, season: int | None, better: float = BETTER) -> Simple:
    """Choose the method with the lowest mean absolute error on the past of a series.

    Args:
        values: the series, shape (T, D).
        season: the season in steps; None for none.
        better: share of the error of the last value below which another method is chosen.

    Returns:
        The method; the last value if no other is clearly better, or if the series is shorter than `TRUSTED`.
    """
    if len(values) < TRUSTED:
        return LAST_VALUE
    methods = [DRIFT, MEAN, *([seasonal(season)] if season else [])]
    first = max(2, season or 0)
    errors = [_past_error(method, values, first) for method in methods]
    found = int(np.argmin(errors))
    return methods[found] if errors[found] < better * _past_error(LAST_VALUE, values, first) else LAST_VALUE


def is_for(settings: Settings, training: Sequence[Series]) -> bool:
    """Whether the series is too short to choose a network, and no parameter of the network is set."""
    return may_replace_networks(settings, training) and len(training[0]) < ENOUGH


def may_replace_networks(settings: Settings, training: Sequence[Series]) -> bool:
    """Whether a simple forecast may replace a network: one series, ridge, and no parameter of the network is set."""
    free = settings.method == "ridge" and all(getattr(settings, name) is None for name in (*FILLED_IN, "hidden", "l2"))
    return free and len(training) == 1


def fitted(settings: Settings, series: Series, reason: str = "") -> Model:
    """Fit the simple forecast with the lowest error on the past of a series, and warn that it is one.

    Args:
        settings: the settings as the user gave them.
        series: the training series.
        reason: beginning of the warning that says why no network is fitted; empty if the series is too short.

    Returns:
        A model with one member, which represents the simple forecast.

    Raises:
        SeriesError: a channel has fewer than three values.
    """
    for name, column in zip(series.channels, series.values.T, strict=True):
        known = int(np.isfinite(column).sum())
        if known < FEWEST:
            raise SeriesError(f"channel {name!r} has {known} values; a forecast needs {FEWEST} or more")
    scaling = Scaling.fitted([series], settings)
    values = interpolated(scaling.apply(series)[:, : series.shape[1]])
    method = best(values, season_of(series))
    resolved = settings.with_(
        hidden=1,
        cell="memoryless",
        delays=1,
        difference=method.lag,
        initial="reservoir",
        optimizer="ridge",
        input_scale=1.0,
        l2=0.0,
        input_noise=0.0,
        members=1,
        restarts=1,
        washout=method.lag,
    )
    why = f"{reason or f'{len(series)} steps are too few to choose a network by'}; forecasts are {method.name}"
    warn(why if reason else f"{why}; give {ENOUGH} steps or more for a network")
    scaling = Scaling.fitted([series], resolved)
    values = interpolated(scaling.apply(series)[:, : series.shape[1]])
    network = solve_plan(resolved, series.shape[1]).draw()
    direct = None if network.direct is None else np.zeros_like(network.direct)
    bias = method.slope(values).astype(network.bias.dtype)
    network = network.with_readout(np.zeros_like(network.readout), bias, direct)
    history = History(epochs=[0], stopped=why)
    member = Member(resolved, network, scaling, run_start_after(network, scaling, series), history)
    residuals = _residuals(member, series)
    history.training_mse.append(float(np.mean((residuals * scaling.scale) ** 2)))
    horizons = np.arange(1, len(residuals) + 1)
    errors = residuals[:, None] * method.growth(horizons, len(series))[:, None] * scaling.scale
    return Model(settings, (member,), series.between(max(0, len(series) - RECENT)), 1, errors)


def name_of(member: Member) -> str | None:
    """The name of the simple forecast that a member represents; None if its readout has weights."""
    network = member.network
    if np.any(network.readout) or (network.direct is not None and np.any(network.direct)):
        return None
    lag = sum(network.differences)
    if not lag:
        return MEAN.name
    if lag > 1:
        return seasonal(lag).name
    return DRIFT.name if np.any(network.bias) else LAST_VALUE.name


def _past_error(method: Simple, values: np.ndarray, first: int) -> float:
    """Mean absolute error of the forecasts of up to `HORIZON` steps from each origin, `first` or later."""
    errors = []
    for origin in range(first, len(values)):
        truth = values[origin : origin + HORIZON]
        errors.append(np.abs(method.run(values[:origin], len(truth)) - truth).mean())
    return float(np.mean(errors)) if errors else np.inf


def _residuals(member: Member, series: Series) -> np.ndarray:
    """Standardized errors of one-step predictions from the first complete difference on, shape (N, D)."""
    channels = series.shape[1]
    errors = member.scaling.apply(series)[1:, :channels] - one_step_outputs(member, series)
    errors = errors[max(0, member.washout - 1) :]
    return errors[np.isfinite(errors).all(axis=1)]
