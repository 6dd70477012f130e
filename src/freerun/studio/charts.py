"""Charts: options of ECharts as dicts, made from numbers.

Points are NumPy arrays. NiceGUI tracks changes of every list,
which for thousands of points takes longer than drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Options = dict[str, Any]
"""Options of ECharts."""

# the palette of Okabe and Ito (2008); the grey of the data is readable on white and on black
TRUTH, NETWORK, MARK, SECOND = "#7d7d7d", "#D55E00", "#2f8fd0", "#009E73"
RUNS = (NETWORK, MARK, SECOND, "#CC79A7", "#E69F00", "#56B4E9")
"""Colors of runs that are compared, in this order."""

_TEXT = "#808080"
"""Color of text and axes: readable on white and on black."""

LONGEST_NAME = 200
"""Largest width of a name at an axis or in a legend, in pixels; a longer name is truncated."""

LONGEST_WHOLE = 24
"""Most characters of a name in a legend that is certain to fit;
otherwise all names have the largest width."""

Points = Sequence[Sequence[float | None]] | np.ndarray


@dataclass(frozen=True)
class Curve:
    """A curve, or a cloud of points.

    Attributes:
        name: in the legend.
        points: pairs (x, y), or triples (x, y, z) in 3-D; None or NaN for a missing value.
        color: CSS color.
        kind: `line` for values over time, `back` for a line in the background, `orbit` for a line
            whose x is not monotonic, `scatter` for points, `bar` for bars, `band` for the area
            between the y values of triples (x, low, high).
        opacity: opacity of a line in the background, or of a band.
    """

    name: str
    points: Points
    color: str
    kind: str = "line"
    opacity: float = 0.55


def chart(
    curves: Sequence[Curve],
    x: str,
    y: str,
    log: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    empty: str = "",
    dated: bool = False,
    named: Sequence[str] | None = None,
) -> Options:
    """Make the options of a 2-D chart.

    Args:
        curves: curves over a common x axis.
        x: name of the x axis, with its unit.
        y: name of the y axis, with its unit.
        log: whether the y axis is logarithmic.
        marks: vertical lines, as pairs of an x value and a label.
        empty: text that is shown if there are no curves.
        dated: whether x values are dates, in milliseconds since 1970; they are shown as they are,
            in no time zone.
        named: names in the legend; None for all.
    """
    drawn = [_series_of(curve) for curve in curves]
    if marks:
        drawn[0]["markLine"] = {
            "symbol": "none",
            "silent": True,
            "lineStyle": {"color": MARK, "type": "dashed", "width": 1.5 if any(word for _, word in marks) else 0.8},
            "data": [{"xAxis": at, "label": {"formatter": word, "color": MARK}} for at, word in marks],
        }
    if not drawn:
        style = {"color": _TEXT, "fontSize": 13, "fontWeight": "normal"}
        return {"title": {"text": empty, "left": "center", "top": "middle", "textStyle": style}, "series": []}
    horizontal = _axis(x) | _BELOW
    horizontal |= _DATES if dated else {"axisLabel": horizontal["axisLabel"] | {":formatter": _ROUND}}
    ends = _SCALED if curves[0].kind in ("orbit", "scatter") else _WHOLE
    return {
        "animation": False,
        "useUTC": True,
        "legend": _legend([curve.name for curve in curves] if named is None else named),
        "grid": {"left": 66 if y else 52, "right": 24, "top": 44, "bottom": 42 if x else 26},
        "tooltip": {"trigger": "axis", "confine": True, ":valueFormatter": _SHORT},
        "xAxis": horizontal | ends,
        "yAxis": _axis(y, _decades(curves) if log else 0.0) | {"scale": True, "nameLocation": "middle", "nameGap": 48},
        "series": drawn,
    }


def chart_over_time(
    curves: Sequence[Curve],
    axis: str,
    marks: Sequence[tuple[float, str]] = (),
    named: Sequence[str] | None = None,
) -> Options:
    """Make the options of a 2-D chart of values over time; see `chart`.

    Args:
        curves: curves over times; see `freerun.studio.reading.axis_values`.
        axis: name of the axis of times; empty for dates, which need none.
        marks: vertical lines, as pairs of a time and a label.
        named: names in the legend; None for all.
    """
    return chart(curves, axis, "", marks=marks, dated=not axis, named=named)


_BELOW = {"nameLocation": "middle", "nameGap": 26, "splitLine": {"show": False}}
_WHOLE = {"min": "dataMin", "max": "dataMax"}
_SCALED = {"scale": True}
_DATES = {"type": "time"}

_SHORT = "v => [v].flat().map(x => x == null ? '' : String(Number(Number(x).toPrecision(5)))).join(' to ')"
"""JavaScript: a number, or the two ends of a band, with five digits."""

_ROUND = "x => String(Math.abs(x) < 1e4 ? Number(x.toPrecision(4)) : Math.round(x))"
"""JavaScript: a number on an axis, also at its ends, which are those of the data."""

_AREA = """(params, api) => {
  if (params.dataIndexInside) return;
  const low = [], high = [];
  for (let i = 0; i < params.dataInsideLength; i++) {
    low.push(api.coord([api.value(0, i), api.value(1, i)]));
    high.unshift(api.coord([api.value(0, i), api.value(2, i)]));
  }
  return {type: 'polygon', shape: {points: low.concat(high)}, style: {fill: '%s', opacity: %s}};
}"""
"""JavaScript: the area between the two ends of a band."""


def chart_3d(curves: Sequence[Curve], names: tuple[str, str, str]) -> Options:
    """Make the options of a 3-D chart that can be rotated.

    Args:
        curves: curves of triples.
        names: names of the three axes.
    """
    axes = [
        {"type": "value", "scale": True, "name": name, "axisLabel": {"color": _TEXT}, "nameTextStyle": {"color": _TEXT}}
        for name in names
    ]
    return {
        "legend": _legend([curve.name for curve in curves]),
        "grid3D": {"viewControl": {"distance": 230}, "axisLine": {"lineStyle": {"color": _TEXT}}},
        "xAxis3D": axes[0],
        "yAxis3D": axes[1],
        "zAxis3D": axes[2],
        "series": [
            {
                "type": "line3D",
                "name": curve.name,
                "data": np.array(curve.points, np.float64),
                "lineStyle": {"color": curve.color, "width": 1, "opacity": 0.7},
            }
            for curve in curves
        ],
    }


def to_points(values: Sequence[float | None] | np.ndarray, first: int = 0, every: int = 1) -> np.ndarray:
    """Turn values into points (step, value).

    Args:
        values: one value per point, shape (N,).
        first: step of the first value.
        every: steps between two values.
    """
    return np.column_stack([first + every * np.arange(len(values)), np.array(values, np.float64)])


def _legend(names: Sequence[str]) -> Options:
    look = {"icon": "roundRect", "itemHeight": 4, "itemWidth": 18}
    style: Options = {"color": _TEXT}
    if any(len(name) > LONGEST_WHOLE for name in names):
        style |= {"width": LONGEST_NAME, "overflow": "truncate", "lineHeight": 16}
    return {"top": 0, "type": "scroll", "textStyle": style, "data": list(names)} | look


def _series_of(curve: Curve) -> Options:
    """Make the ECharts series of a curve in 2-D."""
    if curve.kind == "band":
        return {
            "type": "custom",
            "name": curve.name,
            "data": np.array(curve.points, np.float64),
            "color": curve.color,
            "itemStyle": {"color": curve.color, "opacity": curve.opacity},
            "encode": {"x": 0, "y": [1, 2], "tooltip": [1, 2]},
            ":renderItem": _AREA % (curve.color, curve.opacity),
            "clip": True,
            "z": 1,
        }
    shown: Options = {
        "type": curve.kind if curve.kind in ("scatter", "bar") else "line",
        "name": curve.name,
        "data": np.array(curve.points, np.float64),
        "color": curve.color,
        "itemStyle": {"color": curve.color},
    }
    if curve.kind in ("scatter", "bar"):
        return shown | {"symbolSize": 4, "barMaxWidth": 14}
    style = {"width": 3 if curve.kind == "back" else 1.4, "opacity": curve.opacity if curve.kind == "back" else 1.0}
    shown |= {"showSymbol": False, "lineStyle": style | {"color": curve.color}}
    return shown if curve.kind == "orbit" else shown | {"sampling": "lttb"}


def _decades(curves: Sequence[Curve]) -> float:
    """Count the powers of ten that the positive y values span, at least 1."""
    values = np.concatenate([np.reshape(np.array(curve.points, np.float64), (-1, 2))[:, 1] for curve in curves])
    values = values[values > 0]
    return max(1.0, math.log10(values.max() / values.min())) if values.size else 1.0


def _axis(name: str, decades: float = 0.0) -> Options:
    """Make an axis: linear, or logarithmic over `decades` powers of ten,
    with about four labels at powers of ten."""
    every = max(1, math.ceil(decades / 4))
    powers = {":formatter": f"x => Math.round(Math.log10(x)) % {every} ? '' : x.toExponential(0)"} if decades else {}
    return {
        "type": "log" if decades else "value",
        "name": name,
        "nameTextStyle": {"color": _TEXT},
        "nameTruncate": {"maxWidth": LONGEST_NAME},
        "axisLabel": {"color": _TEXT, "hideOverlap": True} | powers,
        "axisLine": {"lineStyle": {"color": _TEXT}},
        "splitLine": {"lineStyle": {"color": _TEXT, "opacity": 0.18}},
    }
