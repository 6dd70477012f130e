"""How to draw: options of ECharts, as plain dicts, from plain numbers.

Points go out as NumPy arrays: NiceGUI watches every list that it is given, which for thousands of
points takes longer than all else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Okabe and Ito's palette; the grey of the data is readable on white and on black
TRUTH, NETWORK, MARK, SECOND = "#7d7d7d", "#D55E00", "#2f8fd0", "#009E73"
RUNS = (NETWORK, MARK, SECOND, "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of runs that are compared."""

_TEXT = "#808080"

LONGEST_NAME = 200
"""Pixels of a name beside an axis or in a legend, which ends in three dots where it is longer."""

Points = Sequence[Sequence[float | None]] | np.ndarray


@dataclass(frozen=True)
class Curve:
    """A curve, or a cloud of points.

    Attributes:
        name: for the legend.
        points: pairs (x, y), or triples for a view in space; None or NaN where there is no value.
        color: of the palette.
        kind: `line` for values over time; `back` for one that others are drawn over; `orbit` for a line that may turn
            back; `scatter` for points.
    """

    name: str
    points: Points
    color: str
    kind: str = "line"


def chart(
    curves: Sequence[Curve],
    x: str,
    y: str,
    log: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    empty: str = "",
) -> dict[str, Any]:
    """Curves over a common axis.

    Args:
        curves: what to draw.
        x, y: names of the axes, with units.
        log: whether the ordinate is logarithmic.
        marks: places on the abscissa with a word for each, drawn as upright lines.
        empty: what stands there while there is no curve.
    """
    drawn = [_flat(curve) for curve in curves]
    if marks:
        drawn[0]["markLine"] = {
            "symbol": "none",
            "silent": True,
            "lineStyle": {"color": MARK, "type": "dashed", "width": 1.5},
            "data": [{"xAxis": at, "label": {"formatter": word, "color": MARK}} for at, word in marks],
        }
    if not drawn:
        style = {"color": _TEXT, "fontSize": 13, "fontWeight": "normal"}
        return {"title": {"text": empty, "left": "center", "top": "middle", "textStyle": style}, "series": []}
    return {
        "animation": False,
        "legend": _legend(curves),
        "grid": {"left": 66, "right": 24, "top": 44, "bottom": 42},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": _axis(x) | _BELOW | ({"scale": True} if curves[0].kind in ("orbit", "scatter") else _WHOLE),
        "yAxis": _axis(y, _decades(curves) if log else 0.0) | {"scale": True, "nameLocation": "middle", "nameGap": 48},
        "series": drawn,
    }


_BELOW = {"nameLocation": "middle", "nameGap": 26, "splitLine": {"show": False}}
_WHOLE = {"min": "dataMin", "max": "dataMax"}


def in_space(curves: Sequence[Curve], names: tuple[str, str, str]) -> dict[str, Any]:
    """Curves of triples in a box that can be turned."""
    axes = [
        {"type": "value", "scale": True, "name": name, "axisLabel": {"color": _TEXT}, "nameTextStyle": {"color": _TEXT}}
        for name in names
    ]
    return {
        "legend": _legend(curves),
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


def over_steps(values: Sequence[float | None] | np.ndarray, first: int = 0, every: int = 1) -> np.ndarray:
    """Values of every so many steps as points."""
    return np.column_stack([first + every * np.arange(len(values)), np.array(values, np.float64)])


def _legend(curves: Sequence[Curve]) -> dict[str, Any]:
    names = [curve.name for curve in curves]
    look = {"icon": "roundRect", "itemHeight": 4, "itemWidth": 18}
    style = {"color": _TEXT, "width": LONGEST_NAME, "overflow": "truncate", "lineHeight": 16}
    return {"top": 0, "type": "scroll", "textStyle": style, "data": names} | look


def _flat(curve: Curve) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": "scatter" if curve.kind == "scatter" else "line",
        "name": curve.name,
        "data": np.array(curve.points, np.float64),
        "color": curve.color,
        "itemStyle": {"color": curve.color},
    }
    if curve.kind == "scatter":
        return shown | {"symbolSize": 4}
    style = {"width": 3 if curve.kind == "back" else 1.4, "opacity": 0.55 if curve.kind == "back" else 1.0}
    shown |= {"showSymbol": False, "lineStyle": style | {"color": curve.color}}
    return shown if curve.kind == "orbit" else shown | {"sampling": "lttb"}


def _decades(curves: Sequence[Curve]) -> float:
    """Over how many powers of ten the ordinates reach, at least one."""
    values = np.concatenate([np.reshape(np.array(curve.points, np.float64), (-1, 2))[:, 1] for curve in curves])
    values = values[values > 0]
    return max(1.0, math.log10(values.max() / values.min())) if values.size else 1.0


def _axis(name: str, decades: float = 0.0) -> dict[str, Any]:
    """An axis; a logarithmic one, over so many decades, has labels at powers of ten, at all of them if they are few."""
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
