"""Rolling-origin evaluation: forecasts from several origins in a series,
compared with simple baselines.

Each fold has an origin. A network that has read the steps before the
origin alone forecasts the steps from it on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from freerun import metrics
from freerun.arguments import whole_number
from freerun.data.seasons import season_of
from freerun.data.series import Series
from freerun.errors import SeriesError
from freerun.fitting import fit
from freerun.forecasting.baselines import BASELINES
from freerun.forecasting.intervals import ensemble_of, interval
from freerun.forecasting.model import Model
from freerun.forecasting.runs import generate, update
from freerun.settings import Settings
from freerun.training.history import Progress, ProgressCallback

if TYPE_CHECKING:
    import pandas as pd

METHOD = "freerun"
"""Name of the network in tables that also show baselines."""

FOLDS = 5
"""Default number of folds."""


@dataclass(frozen=True)
class Backtest:
    """The forecasts of a rolling-origin evaluation, with N folds, horizon H and D channels.

    Attributes:
        channels: names of the channels.
        season: season of the seasonal naive forecast and of MASE, in steps; 1 for none.
        origins: first step of each forecast, shape (N,).
        truth: true values, shape (N, H, D); NaN where a value is missing.
        forecasts: by method, shape (N, H, D).
        scales: mean absolute error of the seasonal naive forecast in the training part of each
            fold, shape (N, D). MASE divides by it.
        bounds: by level in percent, lower and upper bounds of the intervals of the network,
            each of shape (N, H, D).
        seconds: by method, the time for all folds.
    """

    channels: tuple[str, ...]
    season: int
    origins: np.ndarray
    truth: np.ndarray
    forecasts: dict[str, np.ndarray]
    scales: np.ndarray
    bounds: dict[float, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def channel(self, *names: str) -> Backtest:
        """The forecasts of the named channels, in the given order."""
        places = [self.channels.index(name) for name in names]
        return replace(
            self,
            channels=names,
            truth=self.truth[..., places],
            forecasts={name: made[..., places] for name, made in self.forecasts.items()},
            scales=self.scales[:, places],
            bounds={level: (low[..., places], high[..., places]) for level, (low, high) in self.bounds.items()},
        )

    def table(self) -> pd.DataFrame:
        """Compute the scores of all methods.

        Returns:
            One row per method, the lowest MASE first. The columns are MASE, sMAPE (0 to
            200), RMSE (in the units of the series), the coverage of the intervals in
            percent, and seconds. See `freerun.metrics`.
        """
        import pandas as pd

        rows = []
        for name, forecast in self.forecasts.items():
            row: dict[str, float | str] = {
                "method": name,
                "MASE": float(np.nanmean(self._scaled(forecast))),
                "sMAPE": metrics.smape(self.truth, forecast),
                "RMSE": float(np.sqrt(metrics.mean_squared_error(self.truth, forecast))),
            }
            for level in self.bounds:
                row[f"coverage {level:g} %"] = self.coverage(level) if name == METHOD else np.nan
            row["seconds"] = self.seconds.get(name, np.nan)
            rows.append(row)
        return pd.DataFrame(rows).set_index("method").sort_values("MASE", kind="stable")

    def by_horizon(self) -> pd.DataFrame:
        """Compute MASE at each horizon, mean over folds and channels.

        Returns:
            One row per horizon, 1 to H, and one column per method.
        """
        import pandas as pd

        columns = {name: np.nanmean(self._scaled(f), axis=(0, 2)) for name, f in self.forecasts.items()}
        horizons = np.arange(1, self.truth.shape[1] + 1)
        return pd.DataFrame(columns, index=pd.Index(horizons, name="horizon"))

    def coverage(self, level: float) -> float:
        """Share of the true values that lie within the intervals, in percent.

        Args:
            level: level of the intervals in percent, a key of `bounds`.
        """
        low, high = self.bounds[level]
        known = np.isfinite(self.truth)
        return 100.0 * float(((self.truth >= low) & (self.truth <= high))[known].mean())

    def _scaled(self, forecast: np.ndarray) -> np.ndarray:
        """Absolute errors divided by the scales of MASE, shape (N, H, D)."""
        return np.abs(forecast - self.truth) / self.scales[:, None]


def backtest(
    settings: Settings,
    series: Series,
    horizon: int,
    folds: int = FOLDS,
    stride: int | None = None,
    sliding: int | None = None,
    refit: bool = True,
    levels: Sequence[float] = (),
    baselines: bool = True,
    progress: ProgressCallback | None = None,
) -> Backtest:
    """Forecast a series from several origins.

    Args:
        settings: settings of the network.
        series: the series.
        horizon, folds, stride, sliding, refit, levels, baselines, progress:
            see `freerun.RNN.backtest`.

    Returns:
        The forecasts, the true values and the scores.

    Raises:
        SeriesError: the series is too short for these forecasts.
        SettingError: a number is out of range.
    """
    origins = _origins(series, horizon, folds, stride, sliding)
    parts = [series.between(max(0, int(o) - sliding) if sliding else 0, int(o)) for o in origins]
    season = season_of(parts[0]) or 1
    scales = np.stack([metrics.naive_error(part.values, season) for part in parts])
    truth = np.stack([series.values[o : o + horizon] for o in origins])
    if not np.isfinite(truth).any():
        raise SeriesError(
            f"there is no value to score forecasts by from {series.calendar.shown(series.times[origins[0]])} on; leave "
            "out the steps after the last value"
        )
    runs, bounds, began = [], {level: ([], []) for level in levels}, time.perf_counter()
    model: Model | None = None
    for number, part in enumerate(parts):
        if model is None or refit:
            model = _fitted(settings, part, number, folds, int(origins[number]))
        else:
            model = update(model, series.between(int(origins[number - 1]), int(origins[number])))
        run = generate(model, horizon, ensemble=ensemble_of(model.members))
        runs.append(run.values)
        for level, (lows, highs) in bounds.items():
            low, high = interval(model, model.recent, run, level, read=False)
            lows.append(low)
            highs.append(high)
        if progress is not None:
            progress(Progress("backtest", number + 1, folds, None, None, None, time.perf_counter() - began))
    forecasts = {METHOD: np.stack(runs)}
    seconds = {METHOD: time.perf_counter() - began}
    for name, method in BASELINES.items() if baselines else ():
        if name == "seasonal naive" and season == 1:
            continue
        began = time.perf_counter()
        forecasts[name] = np.stack([method(part.values, horizon, season) for part in parts])
        seconds[name] = time.perf_counter() - began
    stacked = {level: (np.stack(lows), np.stack(highs)) for level, (lows, highs) in bounds.items()}
    return Backtest(series.channels, season, origins, truth, forecasts, scales, stacked, seconds)


def _fitted(settings: Settings, part: Series, number: int, folds: int, origin: int) -> Model:
    """Fit the model of a fold.

    Raises:
        SeriesError: the series is not fit for training; the message names the fold.
    """
    try:
        return fit(settings, part).model
    except SeriesError as error:
        raise SeriesError(
            f"forecast {number + 1} of {folds}, from the first {origin} steps: {error}; choose fewer folds, or a "
            "part of the series"
        ) from error


def _origins(series: Series, horizon: int, folds: int, stride: int | None, sliding: int | None) -> np.ndarray:
    """Compute the first step of each forecast, ascending, shape (folds,).
    The last forecast ends with the series.

    Raises:
        SeriesError: nothing is left to train on before the first origin.
        SettingError: a number is not a positive whole number.
    """
    stride = horizon if stride is None else stride
    for name, count in (("horizon", horizon), ("folds", folds), ("stride", stride)):
        whole_number(name, count)
    if sliding is not None:
        whole_number("sliding", sliding)
    origins = len(series) - horizon - stride * np.arange(folds)[::-1]
    if origins[0] < max(1, sliding or 1):
        raise SeriesError(
            f"{folds} forecasts of {horizon} steps, {stride} steps apart, leave {max(0, int(origins[0]))} of "
            f"{len(series)} steps to train the first network on; choose fewer folds, a smaller horizon or stride, or a "
            "shorter sliding window"
        )
    return origins
