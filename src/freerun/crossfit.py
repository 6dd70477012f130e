"""Anomalies of a series without a model: each half is compared with
forecasts of networks that learned the other."""

from __future__ import annotations

from freerun.data.series import Series
from freerun.errors import SeriesError
from freerun.fitting import fit
from freerun.forecasting.anomalies import Anomalies
from freerun.forecasting.model import Model
from freerun.forecasting.scanning import scan
from freerun.settings import Settings
from freerun.training.history import ProgressCallback


def find_anomalies(settings: Settings, series: Series, rate: float, progress: ProgressCallback | None) -> Anomalies:
    """Fit networks to each half of a series, and compare the other half with their forecasts.

    No reading is compared with a network that has learned from it (cross-fitting; Chernozhukov et
    al., 2018). Networks of the first half read it once more before they forecast the second, so
    that its first steps are compared too.

    Args:
        settings: settings of the networks.
        series: the series.
        rate: the share of normal steps that are flagged.
        progress: called as the fits and the comparisons proceed.

    Raises:
        SeriesError: a half cannot be learned; the message says which.
        SettingError: a setting is out of range, or no part of a half was left out of the fit.
    """
    half = len(series) // 2
    early, late = (_fitted(settings, series, part, progress) for part in (slice(0, half), slice(half, None)))
    first = series.between(0, half)
    return scan(late, late.matched(first), rate, 0, progress).followed_by(
        scan(early, early.matched(series), rate, half, progress)
    )


def _fitted(settings: Settings, series: Series, part: slice, progress: ProgressCallback | None) -> Model:
    which = "second" if part.start else "first"
    try:
        fitted = fit(settings, series.between(part.start, part.stop), progress=progress)
    except SeriesError as error:
        raise SeriesError(
            f"the {which} half of {len(series)} steps: {error}; give a longer series, or a model that learned another"
        ) from error
    if fitted.failure is not None:
        raise fitted.failure
    return fitted.model
