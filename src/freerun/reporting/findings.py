"""Describe an outlook in words: facts as pairs of a name and a text, and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freerun import metrics
from freerun.backtest import METHOD, Backtest
from freerun.data.oddities import oddities
from freerun.data.seasons import autocorrelation
from freerun.data.series import Series, longest_gap
from freerun.forecasting.model import Model
from freerun.forecasting.words import counted, network_in_words, why_chosen

if TYPE_CHECKING:
    from freerun.reporting.outlook import Outlook

Facts = list[tuple[str, str]]
"""Pairs of a name and a text."""

MEANINGS: Facts = [
    ("forecast", "the network reads its own output, step after step, from the end of the series on (a free run)"),
    ("80 % interval", "of 100 such intervals, about 80 hold the true value, if the series goes on as before"),
    ("MASE", "mean absolute error over that of repeating the last season inside the series; below 1 is better"),
    ("sMAPE", "mean of 200 |error| / (|value| + |forecast|); 0 is perfect, 200 the worst"),
    ("RMSE", "root mean square error, in the units of the series"),
    ("coverage", "share of the true values that lay in the interval, in percent"),
]
"""The terms of an outlook, explained."""

CHANCE = 1.96
"""95 % of the autocorrelations of white noise lie within this many standard errors (Bartlett,
1946)."""

TYPICAL = 80
"""Level of the interval that is compared with the spread of the past values, in percent."""

BASELINES = {
    "last value": "repeating the last value",
    "seasonal naive": "repeating the last season",
    "drift": "the line through the first and the last value",
    "linear autoregression": "a linear autoregression",
}
"""The baselines of a backtest in words."""

STEPS = {"D": "day", "h": "hour", "min": "minute", "s": "second", "B": "business day", "W": "week"}
STEPS |= dict.fromkeys(("MS", "ME", "M", "BMS", "BME"), "month") | dict.fromkeys(("QS", "QE", "Q"), "quarter")
STEPS |= dict.fromkeys(("YS", "YE", "Y", "A"), "year")
"""The word for one step by the pandas frequency, without its anchor."""


def step_name(series: Series) -> str:
    """Return the word for one step of a series: `month`, `day`,
    or `step` if it has no other name."""
    return STEPS.get((series.calendar.frequency or "").partition("-")[0], "step")


def format_time(series: Series, time: object) -> str:
    """Format a time of a series: months as `1949-01`, years as `1949`, others in full."""
    text, length = series.calendar.shown(time), {"month": 7, "quarter": 7, "year": 4}.get(step_name(series))
    return text if length is None or not text.endswith("-01") else text[:length]


def facts_of_series(series: Series) -> Facts:
    """List what was read: steps, times, channels, missing values, and readings that look wrong."""
    ranges = [
        f"{name}: {np.nanmin(column):.4g} to {np.nanmax(column):.4g}"
        for name, column in zip(series.channels, series.values.T, strict=True)
    ]
    facts = [
        ("steps", str(len(series))),
        ("times", _describe_times(series)),
        ("channels", "; ".join(ranges)),
        ("missing values", _describe_missing(series)),
    ]
    if series.own_input_names:
        known = f"known {counted(series.known_ahead, step_name(series))} beyond the series"
        facts.append(("external inputs", f"{', '.join(series.own_input_names)}; {known}"))
    return [*facts, *(("looks wrong", text) for text in oddities(series))]


def _describe_times(series: Series) -> str:
    if not series.timed:
        return "none were given; the steps are counted"
    first, last = format_time(series, series.times[0]), format_time(series, series.times[-1])
    return f"{first} to {last}, {_describe_spacing(series)}"


def _describe_missing(series: Series) -> str:
    missing = int(np.isnan(series.values).sum())
    if not missing:
        return "none"
    length, first, channel = longest_gap(series)
    gap = f"{counted(length, step_name(series))}, in {channel} from {format_time(series, series.times[first])}"
    return f"{missing}; the longest gap has {gap}"


def _describe_spacing(series: Series) -> str:
    """Describe the time between two steps: `one a month`, `every 0.1`."""
    word, dt = step_name(series), series.dt
    if series.irregular:
        length = f"{dt:.4g}" if isinstance(dt, float) else series.calendar.shown(dt)
        return f"at irregular times, {length} apart (median)"
    return f"one a {word}" if word != "step" else f"every {series.calendar.step or series.calendar.shown(dt)}"


def facts_of_model(model: Model, seasons: Sequence[int], word: str) -> Facts:
    """List what was chosen: the network, what it reads, how the series is transformed, and why.

    Args:
        model: the result of the fit.
        seasons: seasonal periods of the series in steps.
        word: the word for a step.
    """
    settings, history = model.best.settings, model.best.history
    done = [
        text
        for text, holds in (
            ("logarithm", bool(settings.log)),
            ("straight line removed", bool(settings.detrend)),
            (f"differences of {', '.join(map(str, settings.differences))} steps", bool(settings.differences)),
            ("results below zero become zero", bool(settings.nonnegative)),
        )
        if holds
    ]
    facts = [("network", network_in_words(model))]
    if len(model.members) > 1:
        facts.append(("forecast by", f"the trimmed mean of {len(model.members)} networks"))
    facts.append(("seasons", ", ".join(counted(season, word) for season in seasons) or "none found"))
    facts.append(("the series is changed by", ", ".join(done) or "scaling alone"))
    if (why := why_chosen(model)) is not None:
        facts.append(("chosen by", why))
    facts.append(("weights", str(model.best.network.weights)))
    facts.append(("fitted", f"by {settings.optimizer}, in {history.seconds:.1f} s; {history.stopped}"))
    return facts


def describe_backtest(result: Backtest, word: str) -> list[str]:
    """Say how close the forecasts of a backtest came, beside the best baseline,
    and how often intervals held the truth.

    Args:
        result: the backtest.
        word: the word for a step.
    """
    return [*_describe_errors(result, word), *_describe_coverage(result)]


def _describe_errors(result: Backtest, word: str) -> list[str]:
    """Compare the errors of the forecasts with those of the best baseline, and of the usual one."""
    errors = {name: np.abs(made - result.truth) for name, made in result.forecasts.items()}
    means = {name: float(np.nanmean(error)) for name, error in errors.items()}
    baselines = sorted((mean, name) for name, mean in means.items() if name != METHOD)
    count = len(result.origins)
    occasions = "On the last occasion" if count == 1 else f"On the last {count} occasions"
    forecasts = f"{occasions}, forecasts of {counted(result.truth.shape[1], word)}"
    if not baselines:
        return [f"{forecasts} were {means[METHOD]:.4g} off on average."]
    mean, best = baselines[0]
    closer = np.nanmean(errors[METHOD], axis=(1, 2)) < np.nanmean(errors[best], axis=(1, 2))
    sentences = [
        f"{forecasts} were {_compare(means[METHOD], mean)} {BASELINES.get(best, best)}, the best of "
        + counted(len(baselines), "simple forecast")
        + (f". They were closer on {int(closer.sum())} of {count}." if count > 1 else ".")
    ]
    usual = "seasonal naive" if "seasonal naive" in means else "last value"
    if usual != best and usual in means:
        sentences.append(f"They were {_compare(means[METHOD], means[usual])} {BASELINES[usual]}.")
    return sentences


def _describe_coverage(result: Backtest) -> list[str]:
    """Say for each level how many of the true values lay in the intervals."""
    known = np.isfinite(result.truth)
    count = int(known.sum())
    sentences = []
    for level, (low, high) in result.bounds.items():
        inside = int(((result.truth >= low) & (result.truth <= high))[known].sum())
        sentences.append(
            f"{inside} of {counted(count, 'true value')} lay in the {level:g} % intervals, which is "
            f"{100 * inside / count:.0f} %."
        )
    return sentences


def _compare(error: float, other: float) -> str:
    """Compare an error with another one, in words: `38 % closer than`."""
    if other == 0 or not np.isfinite([error, other]).all():
        return f"{error:.4g} off on average, which is to be compared with {other:.4g} for"
    share = round(100 * (1 - error / other))
    if share == 0:
        return "as close as"
    if share == 100:
        return "more than 99 % closer than"
    return f"{share} % closer than" if share > 0 else f"{-share} % further off than"


def describe_reach(outlook: Outlook) -> str | None:
    """Say for how many steps the forecast is more precise than the distribution of past values;
    None without intervals.

    The width of the 80 % interval is compared with the range from the 10 %
    to the 90 % quantile of the past values.
    """
    if outlook.forecast is None or TYPICAL not in outlook.levels:
        return None
    word, channel = step_name(outlook.series), outlook.series.channels[0]
    low, high = (bound[:, 0] for bound in outlook.forecast.bounds[TYPICAL])
    ends = np.nanquantile(outlook.series.values[:, 0], [(1 - TYPICAL / 100) / 2, (1 + TYPICAL / 100) / 2])
    wide = np.flatnonzero(high - low > ends[1] - ends[0])
    of = "" if len(outlook.series.channels) == 1 else f" of {channel}"
    spread = f"the range of the middle {TYPICAL} % of the past values"
    if not len(wide):
        return f"The {TYPICAL} % interval{of} is narrower than {spread} for all {counted(len(low), word)}."
    if not wide[0]:
        return f"The {TYPICAL} % interval{of} is as wide as {spread} at once: the forecast says little more than these."
    return (
        f"The {TYPICAL} % interval{of} is narrower than {spread} for {counted(int(wide[0]), word)}. From there on the "
        "forecast says little more than these."
    )


def describe_residuals(series: Series, predictions: Series) -> list[str]:
    """Say how large the errors of one-step predictions are, and whether they are correlated.
    Reads the first channel.

    Args:
        series: the series, T steps.
        predictions: its one-step predictions, of steps 1 to T - 1.
    """
    channel, truth = series.channels[0], np.where(np.isfinite(predictions.values[:, :1]), series.values[1:, :1], np.nan)
    errors = (truth - predictions.values[:, :1])[:, 0]
    known = errors[np.isfinite(errors)]
    if len(known) < 3:
        return []
    spread = float(np.nanvar(truth))
    explained = 1 - metrics.mean_squared_error(truth, predictions.values[:, :1]) / spread if spread else float("nan")
    sentences = [f"One-step predictions explain {100 * explained:.4g} % of the variance of {channel}."]
    correlation = autocorrelation(known, 2)[1]
    chance = CHANCE / np.sqrt(len(known))
    if abs(correlation) <= chance:
        sentences.append(f"Errors of neighbouring steps are not correlated beyond chance ({correlation:.2f}).")
    else:
        sentences.append(
            f"Errors of neighbouring steps are correlated ({correlation:.2f}, chance reaches {chance:.2f}): the series "
            "has structure that the network does not use."
        )
    return sentences
