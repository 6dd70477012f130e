"""Make the tables of an outlook: the forecast step by step, and the scores of a backtest."""

from __future__ import annotations

import numpy as np

from freerun.backtest import Backtest
from freerun.forecasting.forecast import Forecast
from freerun.reporting.findings import format_time
from freerun.reporting.outlook import Outlook

Cells = tuple[list[str], list[list[str]]]
"""The header of a table, and its rows. The first cell of a row is its name."""


def forecast_table(outlook: Outlook, steps: int) -> Cells:
    """Tabulate the first steps of a forecast with its intervals.
    Without a forecast the table has no rows."""
    ahead, series = outlook.forecast, outlook.series
    parts = ["forecast", *(f"{level:g} % interval" for level in outlook.levels)]
    columns = [f"{part} of {c}" if len(series.channels) > 1 else part for c in series.channels for part in parts]
    if ahead is None:
        return ["time", *columns], []
    times = series.following_times(min(steps, outlook.horizon))
    return ["time", *columns], [
        [format_time(series, time), *_format_step(ahead, step)] for step, time in enumerate(times)
    ]


def _format_step(ahead: Forecast, step: int) -> list[str]:
    """Format the forecast of one step and its intervals, channel by channel."""
    cells = []
    for place, value in enumerate(ahead.point[step]):
        cells.append(f"{value:.5g}")
        cells.extend(f"{low[step, place]:.5g} to {high[step, place]:.5g}" for low, high in ahead.bounds.values())
    return cells


def score_table(result: Backtest) -> Cells:
    """Tabulate the scores of the methods of a backtest, the best first."""
    scores = result.table()
    rows = [
        [str(name), *("" if np.isnan(value) else f"{value:.3g}" for value in row)]
        for name, row in zip(scores.index, scores.to_numpy(dtype=float), strict=True)
    ]
    return ["forecast", *map(str, scores.columns)], rows
