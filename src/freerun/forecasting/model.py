"""`Model`: the result of a fit, with all that predictions, free runs and model files need."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from freerun.data.alignment import require_same_clock
from freerun.data.scaling import Scaling
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.network.assimilation import Noise
from freerun.network.network import Network, State
from freerun.network.ridge import Triangle
from freerun.network.smoothing import SmootherErrors
from freerun.plan import Plan, plan_of
from freerun.settings import Settings
from freerun.training.history import History


@dataclass(frozen=True)
class RunStart:
    """The start of a free run: the last step of a series, before the network reads it.

    Attributes:
        state: the state of the network before that step, as NumPy arrays.
        value: the standardized value of that step, shape (D,).
    """

    state: State
    value: np.ndarray


@dataclass(frozen=True)
class Member:
    """One trained network.

    Attributes:
        settings: the settings that it was trained with, all of them chosen.
        network: the weights, as NumPy arrays.
        scaling: conversion from the units of the series to those of the network.
        run_start: start of a free run after the training series, or after the steps read since.
        history: training history.
        statistics: the sums that determine the readout, for on-line learning;
            None if they were not kept.
        noise: in the measurements and in the network, if it was fitted to the states
            behind noisy measurements. It then reads what the measurements say of the
            states, and not the measurements themselves.
    """

    settings: Settings
    network: Network
    scaling: Scaling
    run_start: RunStart
    history: History
    statistics: Triangle | SmootherErrors | None = None
    noise: Noise | None = None

    @property
    def washout(self) -> int:
        """Number of first steps of a series whose predictions do not count."""
        return self.plan.washout

    @property
    def plan(self) -> Plan:
        """The plan that it was made and trained by."""
        return plan_of(self.settings, self.network.channels, self.network.inputs)


@dataclass(frozen=True)
class ErrorGrowth:
    """How the errors of forecasts grow with the horizon, for models of smoothers.

    The error h steps ahead is scale * h^exponent times a number drawn from Student's t
    distribution.

    Attributes:
        scale: of the errors one step ahead, shape (D,),
            in the units of the series or of its logarithm.
        exponent: 0 for a level that never changes, 0.5 for a random walk; shape (D,).
        freedom: degrees of freedom.
    """

    scale: np.ndarray
    exponent: np.ndarray
    freedom: float

    def half_widths(self, steps: int, share: float) -> np.ndarray:
        """Compute the half widths of intervals that cover a share of the true values,
        shape (steps, D)."""
        from scipy.special import stdtrit

        ahead = np.arange(1, steps + 1)[:, None]
        return self.scale * ahead**self.exponent * stdtrit(self.freedom, (1 + share) / 2)


@dataclass(frozen=True)
class ShortRuns:
    """Errors of runs of few steps, by which p-values of readings are calibrated;
    see `freerun.forecasting.short_runs`.

    They are in the units of the series or of its logarithm, truth minus forecast, NaN where a value
    is missing. The last axis has length 1 for a field, whose sites have them in common.

    Attributes:
        one_step: errors one step ahead, shape (M, D).
        runs: errors of runs, by horizon, shape (N, H, D).
    """

    one_step: np.ndarray
    runs: np.ndarray

    def scaled(self, factor: np.ndarray) -> ShortRuns:
        """Multiply the errors of each channel by a factor, shape (D,)."""
        return ShortRuns(self.one_step * factor, self.runs * factor)


@dataclass(frozen=True)
class Model:
    """The result of a fit.

    Attributes:
        settings: the settings as the user gave them.
        members: the trained networks, the best first.
        recent: the last steps that were read, at most `RECENT`, in their own units.
        trained_on: number of training series.
        errors: errors of free runs on parts of the training series that were left out of the fit,
            by horizon, shape (N, H, D), or (N, H, 1) for a field, whose sites have them in common.
            They are in the units of the series or of its logarithm; NaN where a value is missing.
        growth: the growth of errors with the horizon, for smoothers; None for networks,
            whose intervals `errors` give.
        short_runs: errors of short runs, by which p-values of readings are calibrated;
            None if no part of the training series was left out.
    """

    settings: Settings
    members: tuple[Member, ...]
    recent: Series
    trained_on: int = 1
    errors: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 1)))
    growth: ErrorGrowth | None = None
    short_runs: ShortRuns | None = None

    @property
    def best(self) -> Member:
        """The member with the best free runs."""
        return self.members[0]

    def matched(self, series: Series) -> Series:
        """Bring the channels and external inputs of a series into the order of training.

        Raises:
            SeriesError: channels, external inputs or, if a trend was removed, time steps differ;
                or all values are missing.
        """
        if not np.isfinite(series.values).any():
            raise SeriesError("the series has no value at all: give one of which some values are known")
        try:
            matched = series.like(self.recent)
            if any(member.scaling.slope.any() for member in self.members):
                require_same_clock(series, self.recent)
        except SeriesError as error:
            raise SeriesError(f"the network was trained on another kind of series: {error}") from error
        return matched

    def require_same_shape(self, settings: Settings) -> Settings:
        """Fill in the settings of the weights where the given settings are None, for a warm start.

        Args:
            settings: the settings to continue training with.

        Returns:
            The settings, with all parameters that shape the network.

        Raises:
            SettingError: a parameter that shapes the network differs.
        """
        have = self.best.settings
        shaping = Settings.named(shapes_weights=True)
        for name in shaping:
            old, new = getattr(have, name), getattr(settings, name)
            same = {
                "delays": settings.lags == have.lags,
                "difference": settings.differences == have.differences,
                "neighbours": settings.is_left("neighbours"),
            }
            if new is not None and new != old and not same.get(name, False):
                raise SettingError(f"{name}={new!r}: the weights to go on from have {name}={old!r}; give the same")
        kept = {n: getattr(have, n) for n in shaping if Settings.model_fields[n].default is None}
        method = settings.optimizer or have.optimizer
        if method == "ridge" and settings.l2 is None:
            kept["l2"] = have.l2
        return settings.with_(**kept, optimizer=method)

    def learned_in(self, series: Series) -> int:
        """Count the first steps of a series up to the end of the training series.

        Returns:
            The number of steps; 0 if the series does not contain the end of the training series.
        """
        ends = np.flatnonzero(series.times == self.recent.times[-1])
        if not len(ends):
            return 0
        learned = int(ends[0]) + 1
        values = series.values[max(0, learned - len(self.recent)) : learned]
        return learned if np.array_equal(values, self.recent.values, equal_nan=True) else 0

    def boundary_in(self, series: Series) -> int | None:
        """Find the first step of a series that follows the training series.

        Returns:
            Its index; None if the series does not contain the end of the training series,
            or ends with it.
        """
        return self.learned_in(series) % len(series) or None


RECENT = 1000
"""Most last steps of the training series that a model keeps, for plots and for residuals."""
