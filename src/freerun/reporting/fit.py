"""Write the report of a fit: the forecast, a backtest, what was read and chosen,
and how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun import plots
from freerun.backtest import FOLDS
from freerun.data.series import Series
from freerun.errors import FreerunError
from freerun.estimator import RNN
from freerun.forecasting.evaluation import lyapunov_exponents
from freerun.forecasting.words import counted
from freerun.reporting import findings
from freerun.reporting.outlook import LEVELS, Outlook, outlook_of
from freerun.reporting.page import Report
from freerun.reporting.tables import forecast_table, score_table
from freerun.training.history import ProgressCallback

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_STEPS = 12
"""Most forecast steps in the table."""

DRAWN_CHANNELS = 6
"""Most channels that are drawn."""

ONE_STEP_SHOWN = 300
"""Most steps at the end of the series that are drawn beside their one-step predictions."""

SYSTEM_STEPS = 500
"""Fewest steps of a series that is compared with a long free run, as a sample of a system."""

LONG_RUN = 10_000
"""Most steps of this free run."""


def report_of(outlook: Outlook, name: str, notes: Sequence[str] = (), repeat: Sequence[str] = ()) -> Report:
    """Put an outlook on a page.

    Args:
        outlook: of the fit.
        name: name of the series, such as its file.
        notes: notes of the reader of the series, one sentence each.
        repeat: commands and code that repeat the fit, one block each.
    """
    report = Report(f"What comes next in {name}")
    shown = _limit_channels(outlook)
    _add_forecast(report, outlook, shown)
    _add_backtest(report, outlook, shown)
    report.heading("What was read")
    report.facts([*findings.facts_of_series(outlook.series), *(("note", note) for note in notes)])
    report.picture(plots.data(shown), f"The series {name}")
    report.heading("What was chosen")
    model, word = outlook.rnn.model_, findings.step_name(outlook.series)
    report.facts(findings.facts_of_model(model, outlook.seasons, word))
    _add_pattern(report, outlook, shown)
    _add_one_step(report, outlook, shown)
    report.heading("What the words mean")
    report.facts(findings.MEANINGS)
    if repeat:
        report.heading("Do it again")
        for block in repeat:
            report.code(block)
    return report


def _limit_channels(outlook: Outlook) -> Series:
    return outlook.series.channel(*outlook.series.channels[:DRAWN_CHANNELS])


def _add_forecast(report: Report, outlook: Outlook, shown: Series) -> None:
    word = findings.step_name(outlook.series)
    report.heading(f"The next {counted(outlook.horizon, word)}")
    if outlook.no_forecast:
        report.text(outlook.no_forecast)
    if outlook.forecast is None:
        return
    ahead = outlook.forecast.channel(*shown.channels)
    report.picture(
        plots.forecast(ahead, shown, outlook.levels),
        f"The last values of the series, and the forecast of {counted(outlook.horizon, word)}",
    )
    if (far := findings.describe_reach(outlook)) is not None:
        report.text(far)
    report.table(*forecast_table(outlook.channel(*shown.channels), SHOWN_STEPS))
    if outlook.horizon > SHOWN_STEPS:
        report.text(f"The table has the first {SHOWN_STEPS} of {counted(outlook.horizon, word)}.")


def _add_backtest(report: Report, outlook: Outlook, shown: Series) -> None:
    report.heading("Would it have worked before?")
    result = outlook.backtest
    if result is None:
        report.text(outlook.no_backtest)
        return
    for sentence in findings.describe_backtest(result, findings.step_name(outlook.series)):
        report.text(sentence)
    if outlook.series.channels == shown.channels:
        report.picture(plots.occasions(outlook.series, result), "Earlier forecasts over the values that came")
    report.table(*score_table(result))
    report.picture(plots.backtest(result), "Error by the number of steps ahead, beside simple forecasts")


def _add_pattern(report: Report, outlook: Outlook, shown: Series) -> None:
    """Add the season of a seasonal series, or the long run of a
    series that may be a sample of a system."""
    if outlook.seasons:
        season = outlook.seasons[-1]
        ahead = None if outlook.forecast is None else outlook.forecast.channel(*shown.channels).point
        report.heading("The season")
        report.picture(plots.seasons(shown, season, ahead), f"The cycles of {season} steps over each other")
    elif _may_be_system(outlook):
        _add_long_run(report, outlook)


def _may_be_system(outlook: Outlook) -> bool:
    """Whether the series may be a sample of a dynamical system: long, complete, without dates,
    inputs and smoothers."""
    series = outlook.series
    return (
        len(series) >= SYSTEM_STEPS
        and series.complete
        and series.times.dtype.kind != "M"
        and not series.input_names
        and outlook.rnn.model_.best.settings.cell != "smoothing"
    )


def _add_long_run(report: Report, outlook: Outlook) -> None:
    series = outlook.series
    report.heading("The long run")
    report.text(
        "After some time a free run of a chaotic system leaves the data, however good the network is. Compare then the "
        "states that are visited, and the frequencies."
    )
    try:
        run = outlook.rnn.generate(min(len(series), LONG_RUN))
    except FreerunError as error:
        report.text(f"The long run failed: {error}.")
        return
    pictures: list[tuple[Figure, str]] = [
        (plots.attractor(series, run), "States of the series and of the free run"),
        (plots.spectra(series, run), "Power spectra of the series and of the free run"),
    ]
    for figure, description in pictures:
        report.picture(figure, description)
    exponent = lyapunov_exponents(outlook.rnn.model_, None, min(len(series), LONG_RUN), 1)[0]
    if exponent > 0:
        report.text(
            f"The largest Lyapunov exponent of the network is {exponent:.3g} per step. Small errors grow tenfold in "
            f"about {np.log(10) / exponent:.0f} steps: the network is chaotic."
        )
    else:
        report.text(f"The largest Lyapunov exponent of the network is {exponent:.3g} per step: it is not chaotic.")


def _add_one_step(report: Report, outlook: Outlook, shown: Series) -> None:
    report.heading("One step ahead")
    for sentence in findings.describe_residuals(outlook.series, outlook.predictions):
        report.text(sentence)
    predictions = outlook.predictions.channel(*shown.channels)
    last = min(ONE_STEP_SHOWN, len(shown))
    report.picture(
        plots.one_step(shown.between(len(shown) - last), predictions.between(len(predictions) - last + 1)),
        f"The last {last} values, and what was predicted one step before",
    )
    report.picture(plots.residuals(shown, predictions), "Errors over time, their autocorrelation and distribution")


def report(
    rnn: RNN,
    series: Any,
    path: str | Path,
    *,
    name: str = "the series",
    horizon: int | None = None,
    folds: int = FOLDS,
    levels: Sequence[float] = LEVELS,
    notes: Sequence[str] = (),
    repeat: Sequence[str] = (),
    progress: ProgressCallback | None = None,
) -> Outlook:
    """Write a page on a fit: the forecast, how earlier forecasts did,
    what was read and what was chosen.

    It is one HTML file with its pictures. The backtest fits the settings of the estimator again
    before each of its origins, or once on series of more than 2000 steps.

    Args:
        rnn: an estimator that was fitted to the series.
        series: the series; see `RNN.fit`.
        path: file to write.
        name: name of the series on the page.
        horizon: number of steps to forecast; None means a season, or a tenth of the series,
            at most 100 steps.
        folds: most forecasts of the backtest; 0 for none.
        levels: levels of the prediction intervals, in percent.
        notes: notes of the reader of the series, one sentence each.
        repeat: commands and code that repeat the fit, one block each.
        progress: called after each forecast of the backtest.

    Returns:
        The forecast, the backtest and the one-step predictions on the page.

    Raises:
        NotFittedError: the estimator is not fitted.
        SettingError: the horizon, the number of folds or a level is out of range.
        SeriesError: the estimator was fitted to another kind of series.
        OutputError: the page cannot be written.
    """
    outlook = outlook_of(rnn, Series.of(series), horizon, folds, levels, progress)
    report_of(outlook, name, notes, repeat).save(path)
    return outlook
