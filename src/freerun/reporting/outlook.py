"""`Outlook`: what a fit says about the future of a series,
and how well it would have forecast its past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from freerun.arguments import percentages, whole_number
from freerun.backtest import FOLDS, Backtest
from freerun.data.seasons import seasons_of
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.estimator import RNN
from freerun.forecasting import intervals
from freerun.forecasting.forecast import Forecast
from freerun.forecasting.words import to_sentence
from freerun.training.history import ProgressCallback

LEVELS = (80.0, 95.0)
"""Default levels of the prediction intervals, in percent."""

HORIZON_SHARE = 10
"""A default horizon is at most one part in this many of the series."""

LONGEST_HORIZON = 100
"""Largest default horizon of a series without a season, in steps."""

LONGEST_SEASON = 1000
"""Largest default horizon of a series with seasons, in steps."""

LEAST_LENGTH = 2
"""Fewest steps of a series for each step that a backtest forecasts:
half of the series stays to learn from."""

REFIT_STEPS = 2000
"""Longest series, in steps, for which a backtest fits anew before each origin. On a longer one it
fits once, before the first origin, and the network reads the steps up to each origin."""


@dataclass(frozen=True)
class Outlook:
    """The forecast of a series by a fitted network,
    and the errors that the network made on the past.

    Attributes:
        rnn: the fitted estimator.
        series: the series that it was fitted to.
        seasons: its seasonal periods in steps, ascending.
        horizon: number of steps that are forecast.
        forecast: the forecast, with intervals if they are calibrated; None if there is none.
        no_forecast: why there is no forecast, or none with intervals; empty if there is one.
        backtest: forecasts of the same horizon from earlier origins; None if there are none.
        no_backtest: why there is no backtest; empty if there is one.
        predictions: one-step predictions of the series, steps 1 to T - 1;
            NaN where the network has not read a whole window yet.
    """

    rnn: RNN
    series: Series
    seasons: tuple[int, ...]
    horizon: int
    forecast: Forecast | None
    no_forecast: str
    backtest: Backtest | None
    no_backtest: str
    predictions: Series

    def channel(self, *names: str) -> Outlook:
        """Return the outlook on the named channels, in the given order."""
        return replace(
            self,
            series=self.series.channel(*names),
            forecast=None if self.forecast is None else self.forecast.channel(*names),
            backtest=None if self.backtest is None else self.backtest.channel(*names),
            predictions=self.predictions.channel(*names),
        )

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the intervals of the forecast, in percent; empty if it has none."""
        return () if self.forecast is None else tuple(self.forecast.bounds)


def outlook_of(
    rnn: RNN,
    series: Series,
    horizon: int | None = None,
    folds: int = FOLDS,
    levels: Sequence[float] = LEVELS,
    progress: ProgressCallback | None = None,
) -> Outlook:
    """Forecast a series, and backtest the settings of the estimator on it.

    Args:
        rnn: an estimator that was fitted to the series.
        series: the series.
        horizon: number of steps to forecast; None means the longest season that fits ten times in
            the series, else the shortest season, else a tenth of the series, at most 100.
        folds: most forecasts of the backtest; 0 for none. Fewer are made on a short series.
        levels: levels of the prediction intervals, in percent.
        progress: called after each forecast of the backtest.

    Raises:
        SettingError: the horizon, the number of folds or a level is out of range.
        NotFittedError: the estimator is not fitted.
        SeriesError: the estimator was fitted to another kind of series.
    """
    if folds:
        whole_number("folds", folds)
    asked = percentages("levels", levels)
    predictions = _mask_partial_windows(rnn, rnn.predict(series))
    seasons = rnn.model_.best.settings.seasons or seasons_of(series)
    steps = default_horizon(len(series), seasons) if horizon is None else whole_number("horizon", horizon)
    ahead, no_forecast = _forecast(rnn, series, steps, asked)
    result, no_backtest = _backtest(rnn, series, steps, folds, asked, progress)
    return Outlook(rnn, series, seasons, steps, ahead, no_forecast, result, no_backtest, predictions)


def _mask_partial_windows(rnn: RNN, predictions: Series) -> Series:
    """Replace the one-step predictions of windows that reach back before the series by NaN:
    they are not judged."""
    settings = rnn.model_.best.settings
    begin = max(settings.lags) + sum(settings.differences)
    values = np.where(np.arange(len(predictions))[:, None] < begin, np.nan, predictions.values)
    return replace(predictions, values=values)


def default_horizon(steps: int, seasons: Sequence[int]) -> int:
    """Return the number of steps that are forecast by default; see `outlook_of`.

    Args:
        steps: length of the series.
        seasons: its seasonal periods in steps.
    """
    fitting = [season for season in seasons if season * HORIZON_SHARE <= steps] or list(seasons)[:1]
    if fitting:
        return min(max(fitting), LONGEST_SEASON)
    return max(1, min(steps // HORIZON_SHARE, LONGEST_HORIZON))


def _forecast(rnn: RNN, series: Series, horizon: int, levels: Sequence[float]) -> tuple[Forecast | None, str]:
    """Forecast with intervals if they are calibrated, else without.

    Returns:
        The forecast, or None. A text says why the forecast or its intervals are missing;
        empty if both are there.
    """
    if series.own_input_names and series.known_ahead < horizon:
        return None, (
            f"The external inputs are known {series.known_ahead} steps ahead, and {horizon} would be forecast. "
            "Give their future values."
        )
    try:
        return intervals.forecast(rnn.model_, horizon, levels, None, None), ""
    except SettingError as error:
        reason = f"There are no intervals: {error}."
    except SeriesError as error:
        return None, to_sentence(str(error))
    try:
        return intervals.forecast(rnn.model_, horizon, (), None, None), reason
    except SeriesError as error:
        return None, to_sentence(str(error))


def _backtest(
    rnn: RNN, series: Series, horizon: int, folds: int, levels: Sequence[float], progress: ProgressCallback | None
) -> tuple[Backtest | None, str]:
    """Backtest the settings on the second half of the series, on as many folds as it holds.

    Returns:
        The backtest, or None and a text that says why there is none.
    """
    if not folds:
        return None, "It was not asked for."
    count = min(folds, len(series) // LEAST_LENGTH // horizon)
    if count < 1:
        return None, (
            f"A forecast of {horizon} steps is compared with what followed it. The series has {len(series)} steps, "
            f"and needs {LEAST_LENGTH * horizon}: half of them to learn from."
        )
    refit = len(series) <= REFIT_STEPS
    try:
        return rnn.backtest(series, horizon, folds=count, refit=refit, levels=levels, progress=progress), ""
    except (SeriesError, SettingError) as error:
        return None, to_sentence(str(error))
