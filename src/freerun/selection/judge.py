"""The judge: free runs over parts of the training series, each left out of the fit in its turn.

No later data, and no one-step error, has a say. Candidates that differ only in the penalty come
from one factorisation, and all their free runs go side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from freerun.data.scaling import Units
from freerun.data.series import Series
from freerun.errors import TrainingDiverged
from freerun.network import assimilation, numpy_runs, ridge
from freerun.network.assimilation import Noise
from freerun.network.cells import CELLS
from freerun.network.errors_in_variables import Estimate, estimate
from freerun.network.network import Network
from freerun.network.numpy_runs import Readouts
from freerun.network.ridge import Divided
from freerun.plan import SolvePlan, solve_plan
from freerun.selection.holdout import before_part, held_out, parts_left_out, recent, require_held_out
from freerun.selection.smoothers import smoothed
from freerun.settings import Settings

RUNS, LONGEST_RUN = 32, 200
"""Free runs over a part that is left out, over all series together, and the most steps of each."""

SHORTEST = 12
"""Fewest steps of a free run, where the part is long enough:
divergence shows only after some steps."""

LEAST, MOST = 1e-12, 1e-3
"""Smallest and largest penalty of readouts that are solved on the states behind noisy
measurements. Of the Roessler system with noise of 0.03 standard deviations, forecasts by 1e-10 had
a third of the error of those by 1e-8."""

TRIED = 8
"""Rounds in which such a readout is solved to be judged."""

LOST = 1.0
"""Cap of an error, in standard deviations of the series: there the run has lost the data."""


GROWING = tuple(name for name, kind in CELLS.items() if kind.grows)
"""The cells whose runs grow beyond all bounds: polynomials."""

GROWTH = 2.0
"""The error of polynomials counts twice. Outside of the data they grow beyond all bounds, so
that they do worse on what follows than on the parts left out. Of 15 series of dysts and
flows on which theirs was the least error, those with more than 0.7 of the error of tanh
units were worse on what followed. Fields are spared: their sites are many rows, and one
equation, often a polynomial, rules all of them."""


@dataclass(frozen=True)
class Candidate:
    """Settings with nothing left to choose, and the errors of their free runs.

    Attributes:
        error: mean of `errors`, times `GROWTH` for polynomials of no field;
            infinite where there is no run.
        settings: nothing left to choose.
        errors: of each free run on the parts left out, in standard deviations of the series, capped
            at 1. All candidates run from the same places, so that they can be compared run by run.
        finalist: whether it was judged with the most effort.
        rows: of the least-squares problem that it was judged by, without each part left out, so
            that the final fit need not reduce them again.
    """

    error: float
    settings: Settings
    errors: tuple[float, ...] = ()
    finalist: bool = True
    rows: Divided | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, settings: Settings, errors: Sequence[float], rows: Divided | None = None) -> Candidate:
        """Make a candidate from the errors of its free runs."""
        mean = sum(errors) / len(errors) if len(errors) else math.inf
        doubted = settings.cell in GROWING and not settings.is_field
        return cls(mean * (GROWTH if doubted else 1.0), settings, tuple(errors), rows=rows)

    @property
    def kind(self) -> tuple[object, ...]:
        """Cell, lags, differences and logarithm: what makes candidates differ."""
        return self.settings.cell, self.settings.lags, self.settings.differences, self.settings.log


class Judge:
    """Judges candidates whose readout is solved by ridge regression. Threads may share it."""

    def __init__(self, settings: Settings, training: Sequence[Series]) -> None:
        self._settings, self._lengths = settings, list(map(len, training))
        self._training = recent(training, held_out(settings, min(self._lengths), choosing=True))
        self._units = Units(self._training, fitted_to=training)

    @property
    def parts(self) -> list[tuple[int, int]]:
        """First and last step of each part that is left out, counted from the end of the series.

        Raises:
            SettingError, SeriesError: nothing can be left out; see `holdout.require_held_out`.
        """
        return parts_left_out(min(self._lengths), require_held_out(self._settings, self._lengths))

    def __call__(self, settings: Settings, penalties: Sequence[float], runs: int = RUNS) -> Candidate:
        """Judge settings with each of some penalties, and keep the best penalty.

        Args:
            settings: a candidate.
            penalties: to choose from.
            runs: how many free runs over each part that is left out.
        """
        plan, network = self.drawn(settings)
        penalties = for_states(penalties) if plan.measured else penalties
        try:
            errors, rows = self.errors(plan, network, penalties, runs)
        except TrainingDiverged:
            return Candidate.of(settings.with_(l2=penalties[-1]), ())
        together = np.concatenate(errors, axis=1)
        best = int(np.argmin(together.mean(axis=1)))
        return Candidate.of(settings.with_(l2=penalties[best]), together[best].tolist(), rows)

    def errors(
        self, plan: SolvePlan, network: Network, penalties: Sequence[float], runs: int
    ) -> tuple[list[np.ndarray], Divided | None]:
        """Errors over each part that is left out, shape (penalties, runs),
        and the rows that others can reuse.

        Raises:
            TrainingDiverged: no readout can be solved.
        """
        if plan.measured:
            found = [self.estimated(plan, network, penalties, part, runs) for part in self.parts]
            return [np.array([errors for _, errors in several]) for several in found], None
        rows = self.divided(plan, network, self.parts)
        readouts = [triangle.readouts(network, penalties) for triangle in rows.without]
        panel = self.panel(plan.settings)
        return [panel.errors(network, r, part, runs) for r, part in zip(readouts, self.parts, strict=True)], rows

    def estimated(
        self, plan: SolvePlan, network: Network, penalties: Sequence[float], part: tuple[int, int], runs: int
    ) -> list[tuple[Estimate, np.ndarray]]:
        """Estimate the states behind what comes before a part,
        and the errors of free runs over the part.

        Runs start from states that earlier measurements tell.
        The search for states with a smaller penalty begins at those with a larger one.

        Returns:
            For each penalty the estimate, and the errors, shape (runs,).
        """
        panel = self.panel(plan.settings)
        (values,) = panel.values
        before = before_part(values, part[0])
        measured = plan.measured_variance(values)
        found: dict[float, tuple[Estimate, np.ndarray]] = {}
        rounds, guess = TRIED, None
        for penalty in sorted(penalties, reverse=True):
            one = estimate(network, before, measured, penalty, rounds, plan.seed, guess)
            found[penalty] = one, panel.errors(one.network, Readouts.of([one.network]), part, runs, one.noise)[0]
            rounds, guess = TRIED // 2, one.states.mean
        return [found[penalty] for penalty in penalties]

    def of_smoothers(self, several: Sequence[Settings], runs: int) -> np.ndarray:
        """Errors of the mean forecast of networks of smoothers,
        from the places from which candidates run.

        Args:
            several: settings of the networks, with nothing left to choose.
            runs: how many free runs over each part that is left out.
        """
        (series,) = self._training
        panel, scaling = self.panel(self._settings), self._units.of(self._settings).scaling
        values = np.log(series.values) if scaling.log else series.values
        errors = list[np.ndarray]()
        for part in self.parts:
            starts, horizon = panel.places(len(series), part, runs)
            before = series.between(0, len(series) - part[0])
            following = starts[:, None] + 1 + np.arange(horizon)
            ran = np.mean([smoothed(one, before, series, starts, following) for one in several], axis=0)
            ran = np.log(ran) if scaling.log else ran
            errors.append(panel.means(ran / scaling.scale, values[following] / scaling.scale))
        return np.concatenate(errors)

    def drawn(self, settings: Settings) -> tuple[SolvePlan, Network]:
        """The plan of a candidate, whose penalty does not matter here,
        and its network with its known model."""
        first = self._training[0]
        plan = solve_plan(settings, first.shape[1], first.inputs.shape[1])
        return plan, replace(plan.draw(), known=self._units.of(settings).scaling.of_model(settings.model))

    def divided(self, plan: SolvePlan, network: Network, parts: Sequence[tuple[int, int]]) -> Divided:
        """The rows of a network without each of the parts that are left out;
        see `ridge.divided`."""
        values = self._units.of(plan.settings).values
        return ridge.divided(
            network, values, ridge.washout_of(plan.washout, values), parts, plan.input_noise, plan.seed
        )

    def panel(self, settings: Settings) -> Panel:
        """The series in the units of the network, which depend
        on what is done with the values first."""
        standardized = self._units.of(settings)
        return Panel(standardized.values, standardized.deviation)


def for_states(penalties: Sequence[float]) -> Sequence[float]:
    """The penalties that suit readouts solved on the states behind measurements;
    the first where none does."""
    return [p for p in penalties if LEAST <= p <= MOST] or penalties[:1]


@dataclass(frozen=True)
class Panel:
    """The training series in the units of a network.

    Attributes:
        values: each of shape (steps, N).
        unit: the standard deviation of each channel, shape (D,).
        longest: most steps of a free run.
    """

    values: list[np.ndarray]
    unit: np.ndarray
    longest: int = LONGEST_RUN

    def errors(
        self, network: Network, readouts: Readouts, part: tuple[int, int], runs: int, noise: Noise | None = None
    ) -> np.ndarray:
        """Errors of free runs over a part of each series, shape (R, runs).

        Args:
            network: the network.
            readouts: R of them.
            part: first and last step, counted from the end.
            runs: how many runs over all series together.
            noise: in the measurements, which say in what states the runs begin;
                None reads the values as they are.
        """
        return np.concatenate(
            [self._errors(network, readouts, one, part, runs, noise) for one in self._some(runs)], axis=1
        )

    def _some(self, runs: int) -> list[int]:
        """The numbers of the series over which there are runs: all, or at most `runs`,
        evenly spread."""
        return np.unique(np.linspace(0, len(self.values) - 1, min(runs, len(self.values))).astype(int)).tolist()

    def _errors(
        self,
        network: Network,
        readouts: Readouts,
        number: int,
        part: tuple[int, int],
        runs: int,
        noise: Noise | None,
    ) -> np.ndarray:
        """Errors of free runs over a part of one series, shape (R, runs)."""
        values = self.values[number]
        starts, horizon = self.places(len(values), part, runs)
        at = starts + 1 + np.arange(horizon)[:, None]
        channels = len(self.unit)
        ahead = values[at - 1, channels:] if network.inputs else None
        with np.errstate(all="ignore"):
            if noise is None:
                known = numpy_runs.filled_by(network, readouts, values)
                begin = numpy_runs.states_before(network, known, starts)
            else:
                begin = assimilation.states_before(network, noise, values, starts)
            ran = numpy_runs.run(network, *begin, horizon, future_inputs=ahead, readouts=readouts).values
            return self.means(ran, values[at, :channels].transpose(1, 0, 2))

    def places(self, steps: int, part: tuple[int, int], runs: int) -> tuple[np.ndarray, int]:
        """The last step before each run over a part that is left out, shape (S,),
        and the steps of a run.

        Args:
            steps: of the series.
            part: first and last step of the part, counted from the end.
            runs: how many runs over all series together.
        """
        first, last = (steps - count for count in part)
        held_out = last - first
        horizon = max(1, min(self.longest, max(held_out // 3, min(SHORTEST, held_out - 1))))
        count = max(1, min(runs // len(self._some(runs)), 3 * held_out // horizon, held_out - horizon + 1))
        return np.linspace(first - 1, last - 1 - horizon, count).astype(int), horizon

    def means(self, ran: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """The mean error of each run in standard deviations, capped at `LOST` in each step,
        shape (*R, S).

        Args:
            ran: the runs, shape (*R, S, steps, D).
            truth: shape (S, steps, D), NaN where a value is missing.
        """
        with np.errstate(all="ignore"):
            squares = ((ran - truth) / self.unit) ** 2
            there = np.isfinite(truth)
            mean = np.where(there, squares, 0.0).sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)
            errors = np.where(mean < LOST**2, np.sqrt(mean), LOST)
        counts = there.any(axis=-1)
        return (errors * counts).sum(axis=-1) / np.maximum(counts.sum(axis=-1), 1)
