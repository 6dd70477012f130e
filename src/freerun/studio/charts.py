"""How to draw: options of ECharts, as plain dicts, from plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Okabe and Ito's palette; the grey of the data is readable on white and on black
TRUTH, NETWORK, MARK, SECOND = "#7d7d7d", "#D55E00", "#2f8fd0", "#009E73"
RUNS = (NETWORK, MARK, SECOND, "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of runs that are compared."""

_TEXT = "#808080"

Points = Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class Curve:
    """A curve, or a cloud of points.

    Attributes:
        name: for the legend.
        points: pairs (x, y), or triples for a view in space.
        color: of the palette.
        kind: `line` or `scatter`.
    """

    name: str
    points: Points
    color: str
    kind: str = "line"


def chart(
    curves: Sequence[Curve], x: str, y: str, log: bool = False, marks: Sequence[tuple[float, str]] = ()
) -> dict[str, Any]:
    """Curves over a common axis.

    Args:
        curves: what to draw.
        x, y: names of the axes, with units.
        log: whether the ordinate is logarithmic.
        marks: places on the abscissa with a word for each, drawn as upright lines.
    """
    drawn = [_flat(curve) for curve in curves]
    if marks and drawn:
        drawn[0]["markLine"] = {
            "symbol": "none",
            "silent": True,
            "lineStyle": {"color": MARK, "type": "dashed", "width": 1.5},
            "data": [{"xAxis": at, "label": {"formatter": word, "color": MARK}} for at, word in marks],
        }
    return {
        "animation": False,
        "aria": {"enabled": True},
        "legend": {"top": 0, "textStyle": {"color": _TEXT}, "data": [curve.name for curve in curves]},
        "grid": {"left": 56, "right": 24, "top": 44, "bottom": 42},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": _axis(x, "value") | {"nameLocation": "middle", "nameGap": 26, "splitLine": {"show": False}},
        "yAxis": _axis(y, "log" if log else "value") | {"scale": True},
        "series": drawn,
    }


def in_space(curves: Sequence[Curve], names: tuple[str, str, str]) -> dict[str, Any]:
    """Curves of triples in a box that can be turned."""
    axes = [
        {"type": "value", "scale": True, "name": name, "axisLabel": {"color": _TEXT}, "nameTextStyle": {"color": _TEXT}}
        for name in names
    ]
    return {
        "aria": {"enabled": True},
        "legend": {"top": 0, "textStyle": {"color": _TEXT}, "data": [curve.name for curve in curves]},
        "grid3D": {"viewControl": {"distance": 230}, "axisLine": {"lineStyle": {"color": _TEXT}}},
        "xAxis3D": axes[0],
        "yAxis3D": axes[1],
        "zAxis3D": axes[2],
        "series": [
            {
                "type": "line3D",
                "name": curve.name,
                "data": list(curve.points),
                "lineStyle": {"color": curve.color, "width": 1, "opacity": 0.7},
            }
            for curve in curves
        ],
    }


def over_steps(values: Sequence[float | None], first: int = 0, every: int = 1) -> list[list[float | None]]:
    """Values of every so many steps as points."""
    return [[first + i * every, _known(value)] for i, value in enumerate(values)]


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _flat(curve: Curve) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": curve.kind,
        "name": curve.name,
        "data": list(curve.points),
        "color": curve.color,
        "itemStyle": {"color": curve.color},
    }
    if curve.kind == "line":
        shown |= {"showSymbol": False, "lineStyle": {"width": 1.4, "color": curve.color}, "sampling": "lttb"}
    else:
        shown |= {"symbolSize": 4}
    return shown


def _axis(name: str, kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "name": name,
        "nameTextStyle": {"color": _TEXT},
        "axisLabel": {"color": _TEXT, "hideOverlap": True},
        "axisLine": {"lineStyle": {"color": _TEXT}},
        "splitLine": {"lineStyle": {"color": _TEXT, "opacity": 0.18}},
    }
