"""Simple forecasts, for series that are too short to choose a network by: last value, drift, season or mean.

Each is a network of one unit whose readout has no weights: what is left of it are the differences that it reads and a
bias. So everything that works with a network works with these. Definitions and the growth of their errors: Hyndman and
Athanasopoulos, Forecasting (2021), 5.2 and 5.5.
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
from freerun.forecasting import moment_after, one_step_outputs
from freerun.history import History
from freerun.model import RECENT, Member, Model
from freerun.plan import solve_plan
from freerun.selection.policies import FILLED_IN
from freerun.settings import Settings

FEWEST, ENOUGH = 3, 20
"""Known values of a channel that a simple forecast needs, and steps of a series from which on networks are chosen."""

TRUSTED = 6
"""Steps from which on the errors of past forecasts say which one is better; before, it is the last value."""

BETTER = 0.9
"""Share of the error of the last value below which another forecast is taken; settled by `benchmarks/short.py`."""

HORIZON = 6
"""Steps ahead over which past forecasts are compared, at most."""


@dataclass(frozen=True)
class Simple:
    """A simple forecast.

    Attributes:
        name: in words.
        lag: the difference that the network learns; 0 for none.
        slope: of values, shape (T, D): what each step adds, shape (D,).
        growth: how much larger errors are h steps ahead than one step ahead, of h, shape (H,), and the steps T.
    """

    name: str
    lag: int
    slope: Callable[[np.ndarray], np.ndarray]
    growth: Callable[[np.ndarray, int], np.ndarray]

    def run(self, values: np.ndarray, horizon: int) -> np.ndarray:
        """The forecast of the steps after `values`, shape (horizon, D)."""
        if not self.lag:
            return np.repeat(values.mean(axis=0)[None], horizon, axis=0)
        steps = np.arange(1, horizon + 1)
        last = values[len(values) - self.lag + (steps - 1) % self.lag]
        return last + steps[:, None] * self.slope(values)


def _none(values: np.ndarray) -> np.ndarray:
    return np.zeros(values.shape[1])


LAST_VALUE = Simple("the last value", 1, _none, lambda h, _: np.sqrt(h))
DRIFT = Simple(
    "the last value and the mean change",
    1,
    lambda values: (values[-1] - values[0]) / (len(values) - 1),
    lambda h, steps: np.sqrt(h * (1 + h / (steps - 1))),
)
MEAN = Simple("the mean", 0, _none, lambda h, steps: np.full(len(h), np.sqrt(1 + 1 / steps)))


def seasonal(season: int) -> Simple:
    """The value one season before."""
    return Simple(f"the value {season} steps before", season, _none, lambda h, _: np.sqrt((h - 1) // season + 1))


def best(values: np.ndarray, season: int | None, better: float = BETTER) -> Simple:
    """The forecast that did best on the past of values, shape (T, D); the last value where that says little."""
    if len(values) < TRUSTED:
        return LAST_VALUE
    methods = [DRIFT, MEAN, *([seasonal(season)] if season else [])]
    first = max(2, season or 0)
    errors = [_past_error(method, values, first) for method in methods]
    found = int(np.argmin(errors))
    return methods[found] if errors[found] < better * _past_error(LAST_VALUE, values, first) else LAST_VALUE


def is_for(settings: Settings, training: Sequence[Series]) -> bool:
    """Whether a series is too short for networks to be chosen, where nothing is said of the network."""
    return may_replace_networks(settings, training) and len(training[0]) < ENOUGH


def may_replace_networks(settings: Settings, training: Sequence[Series]) -> bool:
    """Whether nothing is said of the network, so that a simple forecast may take its place."""
    free = settings.method == "ridge" and all(getattr(settings, name) is None for name in (*FILLED_IN, "hidden", "l2"))
    return free and len(training) == 1


def fitted(settings: Settings, series: Series, reason: str = "") -> Model:
    """The model of the simple forecast that did best on the past of a series.

    Args:
        settings: as given.
        series: the training series.
        reason: why no network is fitted, as a sentence begins; empty where the series is too short.

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
    member = Member(resolved, network, scaling, moment_after(network, scaling, series), history)
    residuals = _residuals(member, series)
    history.training_mse.append(float(np.mean((residuals * scaling.scale) ** 2)))
    horizons = np.arange(1, len(residuals) + 1)
    errors = residuals[:, None] * method.growth(horizons, len(series))[:, None] * scaling.scale
    return Model(settings, (member,), series.between(max(0, len(series) - RECENT)), 1, errors)


def name_of(member: Member) -> str | None:
    """What a simple forecast is called; None for a network that has learned weights."""
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
    """The mean absolute error of the forecasts that would have been made after each of the steps from `first` on."""
    errors = []
    for origin in range(first, len(values)):
        truth = values[origin : origin + HORIZON]
        errors.append(np.abs(method.run(values[:origin], len(truth)) - truth).mean())
    return float(np.mean(errors)) if errors else np.inf


def _residuals(member: Member, series: Series) -> np.ndarray:
    """Errors of one step ahead, standardised, shape (N, D), those before the first difference left out."""
    channels = series.shape[1]
    errors = member.scaling.apply(series)[1:, :channels] - one_step_outputs(member, series)
    errors = errors[max(0, member.washout - 1) :]
    return errors[np.isfinite(errors).all(axis=1)]
