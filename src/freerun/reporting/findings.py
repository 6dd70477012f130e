"""What an outlook means: facts as pairs of a name and a text, and sentences for people who read no code."""

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
    ("80 % interval", "of 100 such intervals, about 80 hold the value that comes, if the series goes on as before"),
    ("MASE", "mean absolute error over that of repeating the last season inside the series; below 1 is better"),
    ("sMAPE", "mean of 200 |error| / (|value| + |forecast|); 0 is perfect, 200 the worst"),
    ("RMSE", "root mean square error, in the units of the series"),
    ("coverage", "share of the values that came which lay in the interval, in percent"),
]
"""What the words of an outlook mean."""

CHANCE = 1.96
"""Standard errors within which 95 % of the autocorrelations of white noise lie (Bartlett, 1946)."""

TYPICAL = 80
"""Level of the interval that is compared with the spread of the past values, in percent."""

BASELINES = {
    "last value": "repeating the last value",
    "seasonal naive": "repeating the last season",
    "drift": "the line through the first and the last value",
    "linear autoregression": "a linear autoregression",
}
"""The simple forecasts of a backtest in words."""

STEPS = {"D": "day", "h": "hour", "min": "minute", "s": "second", "B": "business day", "W": "week"}
STEPS |= dict.fromkeys(("MS", "ME", "M", "BMS", "BME"), "month") | dict.fromkeys(("QS", "QE", "Q"), "quarter")
STEPS |= dict.fromkeys(("YS", "YE", "Y", "A"), "year")
"""Words for a step, by the pandas frequency without its anchor."""


def step_name(series: Series) -> str:
    """The word for one step of a series: `month`, `day`, or `step` where no word is known."""
    return STEPS.get((series.calendar.frequency or "").partition("-")[0], "step")


def label_of(series: Series, time: object) -> str:
    """A time of a series in words: months as `1949-01`, years as `1949`."""
    text, length = series.calendar.shown(time), {"month": 7, "quarter": 7, "year": 4}.get(step_name(series))
    return text if length is None or not text.endswith("-01") else text[:length]


def facts_of_series(series: Series) -> Facts:
    """What was read: steps, times, channels, what is missing and what looks wrong."""
    word = step_name(series)
    facts = [("steps", str(len(series)))]
    if series.timed:
        facts.append(
            ("times", f"{label_of(series, series.times[0])} to {label_of(series, series.times[-1])}, {_pace(series)}")
        )
    else:
        facts.append(("times", "none were given; the steps are counted"))
    ranges = [
        f"{name}: {np.nanmin(column):.4g} to {np.nanmax(column):.4g}"
        for name, column in zip(series.channels, series.values.T, strict=True)
    ]
    facts.append(("channels", "; ".join(ranges)))
    missing = int(np.isnan(series.values).sum())
    if missing:
        length, first, channel = longest_gap(series)
        where = f"in {channel} from {label_of(series, series.times[first])}"
        facts.append(
            (
                "missing values",
                f"{missing}; the longest gap has {counted(length, word)}, {where}",
            )
        )
    else:
        facts.append(("missing values", "none"))
    if series.own_input_names:
        facts.append(
            (
                "external inputs",
                f"{', '.join(series.own_input_names)}; known {counted(series.known_ahead, word)} beyond the series",
            )
        )
    facts.extend(("looks wrong", text) for text in oddities(series))
    return facts


def _pace(series: Series) -> str:
    """How often there is a value: `one a month`, `every 0.1`."""
    word, dt = step_name(series), series.dt
    if series.irregular:
        length = f"{dt:.4g}" if isinstance(dt, float) else series.calendar.shown(dt)
        return f"at irregular times, {length} apart (median)"
    return f"one a {word}" if word != "step" else f"every {series.calendar.step or series.calendar.shown(dt)}"


def facts_of_model(model: Model, seasons: Sequence[int], word: str) -> Facts:
    """What was chosen: the network, what it reads, what is done to the series, and why.

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


def on_the_past(result: Backtest, word: str) -> list[str]:
    """Sentences on a backtest: how close the forecasts came, beside the best simple one, and how often bands held.

    Args:
        result: the backtest.
        word: the word for a step.
    """
    steps = result.truth.shape[1]
    errors = {name: np.abs(made - result.truth) for name, made in result.forecasts.items()}
    means = {name: float(np.nanmean(error)) for name, error in errors.items()}
    others = sorted((mean, name) for name, mean in means.items() if name != METHOD)
    count = len(result.origins)
    occasions = "On the last occasion" if count == 1 else f"On the last {count} occasions"
    sentences = []
    if not others:
        sentences.append(f"{occasions}, forecasts of {counted(steps, word)} were {means[METHOD]:.4g} off on average.")
    else:
        mean, best = others[0]
        closer = np.nanmean(errors[METHOD], axis=(1, 2)) < np.nanmean(errors[best], axis=(1, 2))
        sentences.append(
            f"{occasions}, forecasts of {counted(steps, word)} were {_compared(means[METHOD], mean)} "
            f"{BASELINES.get(best, best)}, the best of {counted(len(others), 'simple forecast')}"
            + (f". They were closer on {int(closer.sum())} of {count}." if count > 1 else ".")
        )
        usual = "seasonal naive" if "seasonal naive" in means else "last value"
        if usual not in (best, METHOD) and usual in means:
            sentences.append(f"They were {_compared(means[METHOD], means[usual])} {BASELINES[usual]}.")
    for level, (low, high) in result.bounds.items():
        known = np.isfinite(result.truth)
        inside = int(((result.truth >= low) & (result.truth <= high))[known].sum())
        sentences.append(
            f"{inside} of {counted(int(known.sum()), 'true value')} lay in the {level:g} % intervals, which is "
            f"{100 * inside / known.sum():.0f} %."
        )
    return sentences


def _compared(error: float, other: float) -> str:
    """An error beside another one: `38 % closer than`."""
    if other == 0 or not np.isfinite([error, other]).all():
        return f"{error:.4g} off on average, which is to be compared with {other:.4g} for"
    share = round(100 * (1 - error / other))
    if share == 0:
        return "as close as"
    if share == 100:
        return "more than 99 % closer than"
    return f"{share} % closer than" if share > 0 else f"{-share} % further off than"


def how_far(outlook: Outlook) -> str | None:
    """For how many steps the forecast says more than the past values do; None without intervals.

    The interval that holds 80 % is compared with the range from the 10 % to the 90 % quantile of the past values, which
    a forecast that knows nothing but these values would give.
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


def on_residuals(series: Series, predictions: Series) -> list[str]:
    """Sentences on the errors of one-step predictions of the training series, for its first channel.

    Args:
        series: the series, T steps.
        predictions: its one-step predictions, steps 1 to T - 1.
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
