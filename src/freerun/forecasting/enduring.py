"""Whether long free runs of a network stay in the range of the training series,
and vary as it does.

A network that follows the next steps may leave the system later: its run grows, comes to rest, or
settles into another rhythm. Many runs from places spread over the series find that out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from freerun import metrics
from freerun.data.arrays import stays_near
from freerun.data.scaling import differenced
from freerun.data.series import Series
from freerun.forecasting.model import Member
from freerun.forecasting.runs import states_before
from freerun.network import numpy_runs
from freerun.selection.judge import GROWING

MUST_HOLD = 200
"""Steps for which the free run from the end of training must stay near the series; a third of a
shorter series. The judge of candidates looks as far."""

STARTS = 16
"""Number of free runs that test whether a network stays in the range of the training series."""

LONGEST_RUN = 5000
"""Most steps of each of these runs."""

SHORTEST_RUN = 1000
"""Fewest steps of each of these runs after samples of a system.
A network of 100 rows may leave their range after some hundred steps."""

STARTS_OF_FIELD, LONGEST_RUN_OF_FIELD = 2, 1000
"""The same for a field, each of whose sites is a run by itself."""

SMOOTHING = 0.01
"""Width over which spectra are smoothed, as a share of the length of their pieces."""

UNLIKE = 0.3
"""D_H from which on runs do not vary as the series does. On windows of 100 rows of the Lorenz
system with noise, runs of networks that scored well on later rows had 0.1 to 0.24; those that came
to rest or to a cycle had 0.34 to 0.9."""


class LongRuns(NamedTuple):
    """What long free runs of a network come to.

    Attributes:
        stay: whether they stay within 3 standard deviations of the range of the training series.
        distance: D_H, the distance of their spectrum from that of the series;
            1 if they do not stay, or a value of the series is missing.
    """

    stay: bool
    distance: float


def long_runs(member: Member, training: Sequence[Series], shortest: int = 1) -> LongRuns:
    """Run a network free for long from several places of the training series.

    One run starts at the end of the training series. `STARTS` others start at steps that
    are evenly spread over the series. If the network learns differences, those of the
    runs are compared with those of the series.

    Args:
        member: the network.
        training: its training series.
        shortest: fewest steps of a run. A run is as long as the longest series,
            and `shortest` to `LONGEST_RUN` steps.
    """
    field = member.network.lattice is not None
    count, longest = (STARTS_OF_FIELD, LONGEST_RUN_OF_FIELD) if field else (STARTS, LONGEST_RUN)
    steps = min(longest, max(shortest, *map(len, training)))
    if not holds(member, training, steps):
        return LongRuns(False, 1.0)
    differences, seen = member.network.differences, _seen(member, training)
    several: list[np.ndarray] = []
    for series in training[:count]:
        values = member.scaling.apply(series)[:, : len(member.run_start.value)]
        first = min(member.washout, len(values) - 2)
        starts = np.linspace(first, len(values) - 2, max(1, count // len(training))).astype(int)
        runs = numpy_runs.run(member.network, *states_before(member, values, starts), steps).values[0]
        runs = np.stack([differenced(run, differences) for run in runs])
        if not all(stays_near(run, seen) for run in runs):
            return LongRuns(False, 1.0)
        several.append(runs)
    return LongRuns(True, _distance(seen, np.concatenate(several)))


def endures(member: Member, training: Sequence[Series]) -> bool:
    """Whether long free runs stay in the range of the training series; see `long_runs`."""
    return long_runs(member, training).stay


def _distance(seen: np.ndarray, runs: np.ndarray) -> float:
    """D_H of the second half of runs, shape (S, steps, D), and a series, shape (T, D),
    by pieces of one length."""
    if not np.isfinite(seen).all():
        return 1.0
    later = runs[:, runs.shape[1] // 2 :]
    steps = min(len(seen), later.shape[1])
    return metrics.spectrum_distance(_pieces(seen[None], steps), _pieces(later, steps), SMOOTHING * steps)


def _pieces(several: np.ndarray, steps: int) -> np.ndarray:
    """Cut series, shape (S, T, D), into pieces of `steps` steps;
    what is left at their ends is dropped."""
    whole = several[:, : several.shape[1] // steps * steps]
    return whole.reshape(-1, steps, several.shape[2]).astype(np.float64)


def holds(member: Member, training: Sequence[Series], steps: int) -> bool:
    """Test whether the free run after the training series stays in its range for `steps` steps;
    see `endures`."""
    network = member.network
    run = numpy_runs.run(
        network, numpy_runs.beside(member.run_start.state), member.run_start.value[None], steps
    ).values[0, 0]
    return stays_near(differenced(run, network.differences), _seen(member, training))


def holds_at_first(member: Member, training: Sequence[Series]) -> bool:
    """Test whether the free run after the training series stays in its range for `MUST_HOLD` steps.

    It is taken to where there are external inputs, which are not known for the run. Polynomials
    must endure, since their runs overflow soon after they leave the range of the series.
    """
    if training[0].input_names:
        return True
    if member.settings.cell in GROWING:
        return endures(member, training)
    return holds(member, training, min(MUST_HOLD, max(map(len, training)) // 3))


def _seen(member: Member, training: Sequence[Series]) -> np.ndarray:
    """The standardized values of the training series, or their differences, concatenated,
    shape (N, D)."""
    channels = len(member.run_start.value)
    return np.concatenate(
        [differenced(member.scaling.apply(series)[:, :channels], member.network.differences) for series in training]
    )
