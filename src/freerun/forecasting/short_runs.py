"""Errors of short runs, by which p-values of readings are calibrated.

Prediction intervals need errors of few runs over many horizons. p-values need errors of many runs
over few horizons, since the readings that matter are rarer than the bounds of an interval. Both
come from the same parts of the training series, which were left out of the fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from freerun.data.series import Series
from freerun.forecasting.intervals import kept_errors, parts_left_out, run_errors
from freerun.forecasting.model import Member, ShortRuns

LONGEST = 15
"""Most steps of a run that is compared with readings."""

MOST_REPLACED = 8
"""Most steps that a network goes on without readings before such a run. Errors after that are not
calibrated. With 16, networks of chaotic systems raise more false alarms after a fault, and those of
seasons no fewer (`benchmarks/anomalies.py`, the works on which rules were settled)."""

MOST_ONE_STEP = 5_000
"""Most errors one step ahead that are kept."""

MOST_RUNS = 600
"""Most runs whose errors are kept: with ten times as many as are kept for intervals,
a fit takes longer."""

MOST_OF_FIELD = 40
"""The same for a field, each of whose sites is a run by itself."""

FITTED = 4
"""What a fit of smoothers costs, in steps: after T steps,
errors are larger than inside by sqrt(1 + `FITTED` / T)."""


def short_runs_left_out(
    members: Sequence[Member], without: Sequence[Sequence[Member]], training: Sequence[Series], count: int, chosen: bool
) -> ShortRuns | None:
    """Compute the errors of short runs on parts of the training series that were left out of the
    fit.

    Args:
        members: the networks.
        without: for each member, the networks that were fitted
            without one of the last stretches in turn.
        training: the training series.
        count: number of steps of a stretch.
        chosen: whether settings were chosen on these stretches;
            see `freerun.forecasting.intervals.OPTIMISM`.

    Returns:
        The errors; None if the series are too short to leave out a stretch.
    """
    parts = list(parts_left_out(members, without, training, count))
    if not parts:
        return None
    most = MOST_RUNS if members[0].network.lattice is None else MOST_OF_FIELD
    both: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    for fitted, series in parts:
        for errors, (limit, horizon) in zip(both, ((MOST_ONE_STEP, 1), (most, LONGEST + MOST_REPLACED)), strict=True):
            starts = _starts(len(series) - count, len(series), max(1, limit // len(parts)))
            errors.append(run_errors(fitted, series, starts, horizon))
    one_step, runs = (kept_errors(errors, training, members, chosen) for errors in both)
    return ShortRuns(one_step[:, 0], runs)


def short_runs_in_sample(members: Sequence[Member], series: Series) -> ShortRuns:
    """Compute the errors of short runs of smoothers along the training series.

    Smoothers predict each step from those before it. What they learn from the
    whole series are a few gains, so that nothing is left out of the fit.
    Errors are enlarged to those of further steps.

    Args:
        members: networks of smoothers.
        series: the training series.
    """
    first = max(1, min(members[0].washout, len(series) - 2))
    wider = math.sqrt(1 + FITTED / len(series))
    one_step, runs = (
        kept_errors(
            [run_errors(members, series, _starts(first, len(series), limit), horizon) * wider],
            [series],
            members,
            chosen=False,
        )
        for limit, horizon in ((MOST_ONE_STEP, 1), (MOST_RUNS, LONGEST + MOST_REPLACED))
    )
    return ShortRuns(one_step[:, 0], runs)


def _starts(first: int, last: int, most: int) -> np.ndarray:
    """At most `most` steps from `first` to `last` (excluded), evenly spread, shape (n,)."""
    return np.unique(np.linspace(first, last - 1, min(most, last - first)).astype(int))
