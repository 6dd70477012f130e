"""Convert an outlook to what a page shows, in JSON: curves, sentences, tables and facts,
channel by channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from freerun.data.seasons import autocorrelation, cycles
from freerun.data.timeline import drawn_times
from freerun.files.writing import JSON
from freerun.reporting import findings
from freerun.reporting.outlook import Outlook
from freerun.reporting.tables import forecast_table, score_table
from freerun.studio.reading import axis_name, axis_values, to_pairs

SHOWN_STEPS = 3000
"""Most steps of a series that are sent to the page, the last ones."""

MOST_CYCLES = 12
"""Most cycles of a season that are drawn, the last ones."""

MOST_LAGS = 40
"""Most lags of an autocorrelation that are drawn."""


def view_of(outlook: Outlook, series: str, notes: Sequence[str] = ()) -> JSON:
    """Describe an outlook.

    Args:
        outlook: of the fit.
        series: name of the series; empty where there is only one.
        notes: warnings while the series was read.
    """
    word = findings.step_name(outlook.series)
    return {
        "series": series,
        "channels": list(outlook.series.channels),
        "word": word,
        "horizon": outlook.horizon,
        "axis": axis_name(outlook.series),
        "season": outlook.seasons[-1] if outlook.seasons else None,
        "no_forecast": outlook.no_forecast,
        "no_backtest": outlook.no_backtest,
        "read": [*findings.facts_of_series(outlook.series), *(("note", note) for note in notes)],
        "facts": findings.facts_of_model(outlook.rnn.model_, outlook.seasons, word),
        "by_channel": {name: _channel_view(outlook.channel(name)) for name in outlook.series.channels},
    }


def _channel_view(outlook: Outlook) -> JSON:
    """Describe an outlook on one channel."""
    series = outlook.series
    times = axis_values(series.drawn_times)
    head, rows = forecast_table(outlook, outlook.horizon)
    return {
        "values": to_pairs(times[-SHOWN_STEPS:], series.values[-SHOWN_STEPS:, 0]),
        "ahead": _forecast_view(outlook),
        "table": {"head": head, "rows": rows},
        "reach": findings.describe_reach(outlook) or "",
        "past": _backtest_view(outlook, times),
        "residuals": _residual_view(outlook),
        "cycles": _last_cycles(outlook),
    }


def _forecast_view(outlook: Outlook) -> JSON | None:
    """Convert the forecast and its bands to points (time, value) and (time, low, high)."""
    ahead = outlook.forecast
    if ahead is None:
        return None
    times = axis_values(drawn_times(ahead.index))
    bands = {f"{level:g}": _to_band(times, low[:, 0], high[:, 0]) for level, (low, high) in ahead.bounds.items()}
    return {"point": to_pairs(times, ahead.point[:, 0]), "bands": bands}


def _backtest_view(outlook: Outlook, times: np.ndarray) -> JSON | None:
    """Convert the forecasts of the backtest and their widest bands to curves,
    with sentences on them."""
    result = outlook.backtest
    if result is None:
        return None
    horizon, (ours, *_) = result.truth.shape[1], result.forecasts.values()
    level = max(result.bounds, default=None)
    made = []
    for number, origin in enumerate(result.origins):
        ahead = times[origin : origin + horizon]
        bounds = None if level is None else [bound[number, :, 0] for bound in result.bounds[level]]
        made.append({"point": to_pairs(ahead, ours[number, :, 0]), "band": bounds and _to_band(ahead, *bounds)})
    head, rows = score_table(result)
    sentences = findings.describe_backtest(result, findings.step_name(outlook.series))
    return {
        "level": level,
        "first": float(times[max(0, int(result.origins[0]) - max(50, horizon))]),
        "made": made,
        "sentences": sentences,
        "table": {"head": head, "rows": rows},
    }


def _residual_view(outlook: Outlook) -> JSON:
    """Convert the errors of one-step predictions,
    their autocorrelation and their distribution to curves."""
    errors = outlook.series.values[1:, 0] - outlook.predictions.values[:, 0]
    times = axis_values(outlook.predictions.drawn_times)
    known = errors[np.isfinite(errors)]
    lags = max(1, min(MOST_LAGS, len(known) // 3))
    correlation = autocorrelation(known, lags + 1)[1:] if len(known) else np.zeros(lags)
    counts, edges = np.histogram(known, bins=min(30, max(5, len(known) // 8)))
    return {
        "errors": to_pairs(times[-SHOWN_STEPS:], errors[-SHOWN_STEPS:]),
        "correlation": [float(x) for x in correlation],
        "chance": findings.CHANCE / np.sqrt(max(1, len(known))),
        "counts": [[float(x), int(n)] for x, n in zip((edges[1:] + edges[:-1]) / 2, counts, strict=True)],
        "sentences": findings.describe_residuals(outlook.series, outlook.predictions),
    }


def _last_cycles(outlook: Outlook) -> list[list[float | None]]:
    """Return the last cycles of the longest season, the oldest first; empty without a season."""
    if not outlook.seasons:
        return []
    drawn = cycles(outlook.series.values[:, 0], outlook.seasons[-1])[-MOST_CYCLES:]
    return [[float(x) if np.isfinite(x) else None for x in cycle] for cycle in drawn]


def _to_band(times: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[list[float]]:
    """Convert a band to points (time, low, high)."""
    return np.column_stack([times, low, high]).tolist()
