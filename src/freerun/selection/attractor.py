"""How much long free runs of a network resemble a sample of a system,
and the judge that chooses by it.

Many runs of medium length side by side stand for a long one: they cover as much of the attractor,
and a network that leaves it is found out from many places. They run in single precision, whose
rounding is far below the noise in the data or in the inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freerun import metrics
from freerun.data.arrays import stays_near
from freerun.data.profile import NOISY, observation_noise
from freerun.data.scaling import Scaling
from freerun.data.series import Series
from freerun.network import numpy_runs, ridge
from freerun.network.network import Network
from freerun.network.numpy_runs import Readouts
from freerun.network.ridge import Triangle
from freerun.plan import SolvePlan
from freerun.selection.judge import RUNS as FORECASTS
from freerun.selection.judge import Judge
from freerun.settings import Settings

RUNS = 16
"""Runs side by side, each of a sixteenth of the series:
long enough for spectra as the measure smooths them."""

LEAD = 0.5
"""Share of its length that a run goes on before it counts,
so that it has left the place where it began."""

MOST_STEPS = 40_000
"""Steps of all runs of a candidate that has a part of its units."""

SMOOTHING = 20.0
"""Frequency bins over which D_H smooths the spectrum of the whole series, as published."""

ALIKE = 4.0
"""Runs resemble the series if they are at most this many times as unlike it as its second half is
unlike the first. For Mackey-Glass and Lorenz series of 8000 to 20000 steps without noise the ratio
is 0.2 to 3; runs that fail leave the range of the series, or are far above."""

LARGEST_DIVERGENCE = 20.0
"""D_stsp at most: that of runs which have left the attractor."""


@dataclass(frozen=True)
class Likeness:
    """The measure: sqrt(D_stsp D_H) of runs against the series,
    by the definitions of `freerun.metrics`.

    D_H compares spectra averaged over pieces as long as the runs. Neither of the two need be
    weighed against the other: a tenth less of one makes up for a tenth more of the other. From 6
    channels on, where the estimate of D_stsp is too coarse to choose by, it is D_H alone.

    Attributes:
        values: shape (T, D), the series.
        noise: shape (D,), standard deviation of the noise in it,
            which is added to runs before they are compared.
        steps: of the pieces whose spectra are averaged.
    """

    values: np.ndarray
    noise: np.ndarray
    steps: int

    def __call__(self, runs: np.ndarray) -> float:
        """That of runs, shape (S, L, D), L a multiple of `steps`;
        infinite when one leaves the range of the series."""
        if not stays_near(runs, self.values):
            return np.inf
        runs = runs.reshape(-1, self.steps, runs.shape[-1])
        if (self.noise > NOISY).any():
            runs = runs + self.noise * np.random.default_rng(0).normal(size=runs.shape)
        pieces = self.values[: len(self.values) // self.steps * self.steps].reshape(-1, self.steps, runs.shape[-1])
        spectra = metrics.spectrum_distance(pieces, runs, SMOOTHING * self.steps / len(self.values))
        if runs.shape[-1] > metrics.MOST_BINNED:
            return spectra
        divergence = metrics.state_space_divergence(self.values, runs.reshape(-1, runs.shape[-1]))
        return float(np.sqrt(spectra * min(LARGEST_DIVERGENCE, divergence)))


class AttractorJudge(Judge):
    """Judges candidates by the likeness of long runs times the
    error of free runs over the last part."""

    def __init__(self, settings: Settings, training: Sequence[Series]) -> None:
        super().__init__(settings, training)
        (self._series,) = training
        self._noise = observation_noise(self._series.values)

    def errors(
        self, plan: SolvePlan, network: Network, penalties: Sequence[float], runs: int
    ) -> tuple[list[np.ndarray], None]:
        """The product for each penalty, shape (penalties, 1).

        Long runs cover as many steps as the series, by a network that is fitted to its last steps.
        Where `runs` is more than that of forecasts (32) they cover `runs / 32` times as many, by
        the network that is fitted to all of it: what a network falls into after a long time, and
        never leaves again, shows only then.

        A network that learns the states behind noisy measurements is fitted to what comes before
        the part. Its long runs are runs of states. They are compared with the series as it was
        measured, as those of others are, once noise is added to them.
        """
        values, likeness = self._measure(plan.settings, len(self._series) if runs >= FORECASTS else MOST_STEPS)
        last = self.parts[0]
        if plan.measured:
            found = self.estimated(plan, network, penalties, last, runs)
            readouts = Readouts.of([one.network for one, _ in found])
            forecasts = np.array([errors for _, errors in found])
        else:
            rows = self.divided(plan, network, [last])
            readouts = rows.without[0].readouts(network, penalties)
            forecasts = self.panel(plan.settings).errors(network, readouts, last, runs)
            whole = self._whole(plan, network, values) if runs > FORECASTS else rows.whole()
            readouts = whole.readouts(network, penalties)
        several = _long_runs(network, readouts, values, likeness.steps * max(1, runs // FORECASTS))
        products = [likeness(one) * error for one, error in zip(several, forecasts.mean(axis=1), strict=True)]
        return [np.array(products)[:, None]], None

    def resembles(self, settings: Settings) -> bool:
        """Whether runs of four times the length of the series are like it,
        measured by how like its halves are.

        Args:
            settings: with nothing left open.
        """
        plan, network = self.drawn(settings)
        values, likeness = self._measure(settings, len(self._series))
        readouts = self._whole(plan, network, values).readouts(network, [plan.penalty])
        (runs,) = _long_runs(network, readouts, values, 4 * likeness.steps)
        half = likeness.steps * RUNS // 2
        first, second = values[:half], values[half : 2 * half]
        between = Likeness(first, np.zeros_like(likeness.noise), likeness.steps)
        found = likeness(runs)
        return bool(np.isfinite(found) and found <= ALIKE * between(second[None]))

    def _measure(self, settings: Settings, most: int) -> tuple[np.ndarray, Likeness]:
        """The series in the units of a network, and its measure by runs of `most` steps
        together."""
        scaling = Scaling.fitted([self._series], settings)
        values = scaling.apply(self._series)
        return values, Likeness(values, self._noise / scaling.scale, min(len(values), most) // RUNS)

    @staticmethod
    def _whole(plan: SolvePlan, network: Network, values: np.ndarray) -> Triangle:
        """The rows of all of the series."""
        washout = ridge.washout_of(plan.washout, [values])
        return Triangle.of(ridge.rows_of(network, [values], washout, plan.input_noise, plan.seed))


def _long_runs(network: Network, readouts: Readouts, values: np.ndarray, steps: int) -> np.ndarray:
    """Settled free runs of each of R readouts from places evenly spread over the series,
    (R, S, steps, D)."""
    starts = np.linspace(network.depth, len(values) - 1, RUNS).astype(int)
    single = numpy_runs.in_precision(network, np.float32)
    begin = numpy_runs.states_before(single, values, starts)
    some = readouts.in_precision(np.float32)
    lead = int(LEAD * steps)
    return numpy_runs.run(single, *begin, lead + steps, readouts=some).values[:, :, lead:].astype(np.float64)
