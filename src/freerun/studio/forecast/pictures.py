"""Charts of a view, as options of ECharts."""

from __future__ import annotations

from freerun.files.writing import JSON
from freerun.studio.charts import MARK, NETWORK, TRUTH, Curve, Options, chart, chart_over_time

HISTORY_RATIO = 3
"""Steps of the series that are drawn before a forecast, for each step of the forecast."""

FEWEST_DRAWN = 50
"""Fewest steps of the series that are drawn before a forecast."""

BAND_OPACITY = 0.4
"""Opacity of the narrowest band; wider ones are paler."""


def forecast_chart(view: JSON, channel: str, whole: bool) -> Options:
    """Draw the end of a series, or the whole of it,
    and its forecast with bands that begin at the last value.

    Args:
        view: of the series; see `freerun.studio.forecast.view`.
        channel: channel to draw.
        whole: whether the whole series is drawn.
    """
    shown = view["by_channel"][channel]
    before = shown["values"] if whole else shown["values"][-max(HISTORY_RATIO * view["horizon"], FEWEST_DRAWN) :]
    curves = []
    if shown["ahead"] is not None:
        time, last = before[-1]
        joined = [] if last is None else [[time, last]]
        bands = sorted(shown["ahead"]["bands"].items(), key=lambda band: -float(band[0]))
        for number, (level, band) in enumerate(bands, 1):
            opacity = BAND_OPACITY * number / len(bands)
            begin = [[*point, last] for point in joined]
            curves.append(Curve(f"{level} % interval", begin + band, NETWORK, "band", opacity))
        curves.append(Curve("forecast", joined + shown["ahead"]["point"], NETWORK))
    curves.insert(0, Curve(channel, before, TRUTH))
    return chart_over_time(curves, view["axis"])


def occasions_chart(view: JSON, channel: str) -> Options:
    """Draw earlier forecasts with their bands over the true values."""
    shown = view["by_channel"][channel]
    past = shown["past"]
    if past is None:
        return chart([], "", "", empty="there are no earlier forecasts")
    curves = [Curve(channel, [point for point in shown["values"] if point[0] >= past["first"]], TRUTH)]
    for made in past["made"]:
        curves.append(Curve("forecasts", made["point"], NETWORK))
        if made["band"] is not None:
            curves.append(Curve(f"{past['level']:g} % intervals", made["band"], NETWORK, "band", 0.2))
    marks = [(made["point"][0][0], "") for made in past["made"]]
    names = list(dict.fromkeys(curve.name for curve in curves))
    return chart_over_time(curves, view["axis"], marks, names)


def errors_chart(view: JSON, channel: str) -> Options:
    """Draw the errors of one-step predictions over time."""
    errors = view["by_channel"][channel]["residuals"]["errors"]
    return chart_over_time([Curve("error", errors, NETWORK)], view["axis"])


def correlation_chart(view: JSON, channel: str) -> Options:
    """Draw the autocorrelation of one-step errors, and the band of white noise."""
    found = view["by_channel"][channel]["residuals"]
    lags, chance = len(found["correlation"]), found["chance"]
    bars = [[lag, value] for lag, value in enumerate(found["correlation"], 1)]
    band = [[0, -chance, chance], [lags + 1, -chance, chance]]
    return chart(
        [Curve("chance", band, MARK, "band", 0.25), Curve("autocorrelation", bars, NETWORK, "bar")], "lag (steps)", ""
    )


def distribution_chart(view: JSON, channel: str) -> Options:
    """Draw the distribution of one-step errors."""
    counts = view["by_channel"][channel]["residuals"]["counts"]
    return chart([Curve("number of steps", counts, NETWORK, "bar")], "error", "")


def season_chart(view: JSON, channel: str) -> Options:
    """Draw the last cycles of the longest season over each other,
    and the forecast of the next one."""
    shown = view["by_channel"][channel]
    cycles = shown["cycles"]
    curves = []
    for number, cycle in enumerate(cycles, 1):
        points = [[step, value] for step, value in enumerate(cycle, 1)]
        last = number == len(cycles)
        name = "last cycle" if last else "earlier cycles"
        curves.append(Curve(name, points, TRUTH, "line" if last else "back", 0.15 + 0.35 * number / len(cycles)))
    if shown["ahead"] is not None:
        ahead = [[step, value] for step, (_, value) in enumerate(shown["ahead"]["point"][: len(cycles[0])], 1)]
        curves.append(Curve("forecast", ahead, NETWORK))
    names = list(dict.fromkeys(curve.name for curve in curves))
    return chart(curves, f"{view['word']} of the season", "", named=names)
