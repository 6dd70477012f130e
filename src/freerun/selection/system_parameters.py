"""Networks that read a parameter of a system:
candidates are judged at values of the parameter that they never read.

A parameter is an external input that is constant along each series and differs between series. A
network that learns several values of it can run at others (Kong, Fan, Grebogi and Lai, 2021). How
well it does so shows only at values that are left out of the fit: candidates that continue each
series equally well differ there by orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from freerun.data.profile import parameters_of
from freerun.data.series import Series
from freerun.network import ridge
from freerun.network.network import Network
from freerun.plan import SolvePlan
from freerun.selection.holdout import require_held_out
from freerun.selection.judge import Judge
from freerun.settings import Settings

FEWEST_VALUES = 3
"""Fewest values of a parameter of which one can be left out:
two tell in which direction the parameter works."""

LONGEST = 12
"""Most steps of a free run at a value that was left out. Runs of chaotic systems lose the data
there soon, and the mean of longer ones prefers networks that fall silent."""

MOST_LEFT_OUT = 5
"""Most values that are left out in turn."""


def judge_of(settings: Settings, training: Sequence[Series]) -> Judge:
    """The judge of forecasts: at parameters left out, if there are `FEWEST_VALUES` or more;
    else at later steps."""
    columns = parameters_of(training)
    if not columns:
        return Judge(settings, training)
    values = np.array([series.inputs[0, list(columns)] for series in training])
    _, which = np.unique(values, axis=0, return_inverse=True)
    which = which.ravel()
    if which.max() + 1 < FEWEST_VALUES:
        return Judge(settings, training)
    return ParameterJudge(settings, training, which)


class ParameterJudge(Judge):
    """Judges candidates by free runs along series whose value of the parameter is left out of the
    fit.

    Attributes:
        groups: numbers of the series of each value that is left out.
    """

    def __init__(self, settings: Settings, training: Sequence[Series], which: np.ndarray) -> None:
        """Divide the series.

        Args:
            settings: as the user gave them.
            training: the series.
            which: number of the value that each series has, shape (S,).

        Raises:
            SettingError, SeriesError: nothing is to be left out; see `holdout.require_held_out`.
        """
        super().__init__(settings, training)
        require_held_out(settings, list(map(len, training)))
        count = int(which.max()) + 1
        left_out = np.unique(np.linspace(0, count - 1, min(count, MOST_LEFT_OUT)).round().astype(int))
        self.groups = [np.flatnonzero(which == value).tolist() for value in left_out]

    def errors(
        self, plan: SolvePlan, network: Network, penalties: Sequence[float], runs: int
    ) -> tuple[list[np.ndarray], None]:
        """Errors at each value that is left out, shape (penalties, runs)."""
        panel, errors = self.panel(plan.settings), list[np.ndarray]()
        washout = ridge.washout_of(plan.washout, panel.values)
        without = ridge.without_each(network, panel.values, washout, self.groups, plan.input_noise, plan.seed)
        for triangle, group in zip(without, self.groups, strict=True):
            there = replace(panel, values=[panel.values[number] for number in group], longest=LONGEST)
            whole = min(map(len, there.values)) - washout - 1, 0
            errors.append(there.errors(network, triangle.readouts(network, penalties), whole, runs))
        return errors, None
