"""`Scaling`: takes the logarithm, removes a linear trend and standardises each channel;
and the inverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock

import numpy as np

from freerun.data.series import Series, refuse_empty
from freerun.errors import SeriesError
from freerun.known import KnownModel
from freerun.settings import Settings

ROUNDING = 1e-13
"""A channel is constant if its standard deviation is at most
this share of its largest absolute value."""

LARGEST = 1e150
"""Largest absolute value; the square of larger values, or of values below the reciprocal,
leaves double precision."""

TREATMENT = ("log", "detrend", "differences", "standardize", "nonnegative", "is_field")
"""What of the settings of a network decides its units."""

FAR = 1e3
"""A known model is asked about values up to this many standard deviations from the mean;
a run beyond has diverged."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """The map x -> (f(x) - mean - slope * (time - origin)) / scale of each channel;
    f is the logarithm or the identity.

    External inputs are standardised separately, to mean 0 and standard deviation 1.

    Attributes:
        mean: shape (D,), in the units of f(x).
        scale: shape (D,), positive, in the units of f(x).
        slope: shape (D,), in the units of f(x) per unit of time (days for dates);
            zeros without detrending.
        origin: time at which the trend is zero, as a number (days since 1970 for dates).
        log: whether f is the logarithm.
        nonnegative: shape (D,), whether negative results become zero.
        input_mean: shape (E,), in the units of the external inputs.
        input_scale: shape (E,), positive, in the units of the external inputs.
    """

    mean: np.ndarray
    scale: np.ndarray
    slope: np.ndarray
    origin: float
    log: bool
    input_mean: np.ndarray
    input_scale: np.ndarray
    nonnegative: np.ndarray

    @classmethod
    def fitted(cls, panel: Sequence[Series], settings: Settings) -> Scaling:
        """Fit one scaling to all series; missing values are ignored.

        The sites of a field have one scaling in common:
        the mean and the standard deviation over all of them.

        Where `nonnegative` is left open, it is set for channels of counts;
        for those of a field together.

        With differencing, `scale` is the standard deviation of the differences,
        unless they are constant.

        Args:
            panel: series with equal channels and external inputs.
            settings: `log`, `detrend`, `differences`, `standardize`,
                `nonnegative` and `neighbours` are used.

        Raises:
            SeriesError: a channel is constant, has values that are not positive and `log` is set,
                or negative values and `nonnegative` is set.
        """
        for series in panel:
            refuse_constant(series)
            _require_positive(series, settings.log)
            _refuse_negative(series, bool(settings.nonnegative))
        values = [np.log(series.values) if settings.log else series.values for series in panel]
        times = np.concatenate([to_numbers(series.times) for series in panel])
        origin = float(times[0])
        mean, slope = _fit_line(times - origin, np.concatenate(values), settings.detrend)
        if settings.is_field:
            mean, slope = (np.full_like(one, one.mean()) for one in (mean, slope))
        rest = [v - mean - slope * (to_numbers(s.times) - origin)[:, None] for v, s in zip(values, panel, strict=True)]
        rest = [differenced(v, settings.differences) for v in rest]
        whole, scale = (_deviation(np.concatenate(one), settings.is_field) for one in (values, rest))
        scale = np.where(scale > ROUNDING * whole, scale, whole)
        inputs = np.concatenate([series.inputs[: len(series)] for series in panel])
        if not settings.standardize:
            mean = mean if settings.detrend else np.zeros_like(mean)
            scale = np.ones_like(scale)
        input_std = inputs.std(axis=0)
        input_scale = np.where(input_std > 0, input_std, 1.0)
        counts = np.all([are_counts(series) for series in panel], axis=0)
        counts = np.full_like(counts, counts.all()) if settings.is_field else counts
        nonnegative = counts if settings.nonnegative is None else np.full_like(counts, settings.nonnegative)
        return cls(mean, scale, slope, origin, settings.log, inputs.mean(axis=0), input_scale, nonnegative)

    def apply(self, series: Series) -> np.ndarray:
        """Compute the inputs of a network: the standardised values,
        and the external inputs of the next step.

        Returns:
            Shape (T, D + E). Missing values are NaN. The external
            inputs of step T are NaN if they are unknown.

        Raises:
            SeriesError: a value has no logarithm, and `log` is set.
        """
        _require_positive(series, self.log)
        values = np.log(series.values) if self.log else series.values
        values = (values - self._trend(series.times)) / self.scale
        if not len(self.input_mean):
            return values
        known = self.scaled_inputs(series.inputs[1 : len(series) + 1])
        ahead = np.full((len(series), len(self.input_mean)), np.nan)
        ahead[: len(known)] = known
        return np.concatenate([values, ahead], axis=1)

    def scaled_inputs(self, inputs: np.ndarray) -> np.ndarray:
        """Standardise external inputs, shape (..., E)."""
        return (inputs - self.input_mean) / self.input_scale

    def undo(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Convert standardised values back to the units of the series.

        Args:
            values: shape (*T, D), standardised.
            times: shape (*T,), the times of the values.

        Returns:
            Shape (*T, D), in the units of the series.
        """
        values = values * self.scale + self._trend(times)
        values = np.exp(values) if self.log else values
        return np.maximum(values, self.least)

    @property
    def least(self) -> np.ndarray:
        """The least result of each channel, shape (D,): zero, or none at all."""
        return np.where(self.nonnegative, 0.0, -np.inf)

    def of_model(self, model: KnownModel | None) -> ScaledModel | None:
        """A known model in standardised units; None for None."""
        return None if model is None else ScaledModel(model, self)

    def on_sites(self, sites: int) -> Scaling:
        """The scaling of a field with another number of sites."""
        common = ("mean", "scale", "slope", "nonnegative")
        return replace(self, **{name: np.full(sites, getattr(self, name)[0]) for name in common})

    def _trend(self, times: np.ndarray) -> np.ndarray:
        if not self.slope.any():
            return self.mean
        return self.mean + self.slope * (to_numbers(times) - self.origin)[..., None]


@dataclass(frozen=True, eq=False)
class Standardized:
    """Series in the units of a network.

    Attributes:
        scaling: between the series and these units.
        values: of each series, shape (T, D + E), read-only; see `Scaling.apply`.
    """

    scaling: Scaling
    values: list[np.ndarray]

    @cached_property
    def deviation(self) -> np.ndarray:
        """The standard deviation of each channel over all series, shape (D,); 1 where it is 0."""
        channels = len(self.scaling.scale)
        deviation = np.nanstd(np.concatenate([one[:, :channels] for one in self.values]), axis=0)
        return np.where(deviation > 0, deviation, 1.0)


class Units:
    """Brings series to the units of networks, once for each way to treat their values.
    Threads may share it.

    Args:
        panel: the series.
        scaling: the scaling of all networks, where training goes on;
            None fits one for each treatment.
        fitted_to: the series that scalings are fitted to, of which `panel` has parts;
            None takes `panel`.
    """

    def __init__(
        self, panel: Sequence[Series], scaling: Scaling | None = None, fitted_to: Sequence[Series] | None = None
    ) -> None:
        self._panel, self._scaling = panel, scaling
        self._fitted_to = panel if fitted_to is None else fitted_to
        self._made: dict[tuple[object, ...], Standardized] = {}
        self._making = Lock()

    def of(self, settings: Settings) -> Standardized:
        """The series in the units of a network with these settings.

        Raises:
            SeriesError: see `Scaling.fitted`.
        """
        treatment = tuple(getattr(settings, name) for name in TREATMENT)
        with self._making:
            if treatment not in self._made:
                scaling = self._scaling or Scaling.fitted(self._fitted_to, settings)
                self._made[treatment] = Standardized(scaling, [_fixed(scaling.apply(one)) for one in self._panel])
            return self._made[treatment]


def _fixed(values: np.ndarray) -> np.ndarray:
    """The values, which nobody can change from here on."""
    values.flags.writeable = False
    return values


@dataclass(frozen=True, eq=False)
class ScaledModel:
    """A known model in standardised units, as a network runs it.

    Attributes:
        model: the model in the units of the series.
        scaling: of the series, without a trend.
    """

    model: KnownModel
    scaling: Scaling

    def __call__(self, values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Estimate the next values in closed loop.

        The model is asked only about values within `FAR` standard deviations.
        A run that is beyond has diverged.

        Args:
            values: standardised, shape (S, D).
            inputs: standardised external inputs of the next step, shape (S, E).

        Returns:
            Standardised, shape (S, D); NaN for a run that has diverged.
        """
        near = (np.abs(values) <= FAR).all(axis=-1)
        if near.all():
            return self._estimate(values, inputs)
        estimate = np.full(values.shape, np.nan)
        if near.any():
            estimate[near] = self._estimate(values[near], inputs[near])
        return estimate

    def along(self, values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Estimate the next values along data, shape (*T, D).

        Raises:
            SettingError: an estimate is not finite.
        """
        estimate = self._estimate(values, inputs)
        faults = np.isfinite(values).all(axis=-1) & ~np.isfinite(estimate).all(axis=-1)
        if faults.any():
            at = tuple(np.argwhere(faults)[0])
            self.model.refuse_value(*self._asked(values[at], inputs[at]))
        return estimate

    def _asked(self, values: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The values in the units of the series, and what the model returns for them."""
        scaling = self.scaling
        values = np.asarray(values, np.float64) * scaling.scale + scaling.mean
        values = np.exp(values) if scaling.log else values
        return values, self.model(values, np.asarray(inputs, np.float64) * scaling.input_scale + scaling.input_mean)

    def _estimate(self, values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            _, estimate = self._asked(values, inputs)
            estimate = np.log(estimate) if self.scaling.log else estimate
            return (estimate - self.scaling.mean) / self.scaling.scale


def are_counts(series: Series) -> np.ndarray:
    """Whether all values of a channel are whole numbers from zero on, shape (D,),
    where some of such channels are zero.

    Whole numbers of which none is zero may be rounded measurements.
    """
    values = series.values
    whole = (np.isnan(values) | ((values >= 0) & (values == np.rint(values)))).all(axis=0)
    return whole & (values[:, whole] == 0).any()


def differenced(values: np.ndarray, differences: tuple[int, ...]) -> np.ndarray:
    """Apply (1 - B^d1)(1 - B^d2) ... to values, where B is the backshift operator.

    Args:
        values: shape (T, D).
        differences: lags d1, d2, ... in steps.

    Returns:
        Shape (T - d1 - d2 - ..., D).
    """
    for lag in differences:
        values = values[lag:] - values[:-lag]
    return values


def varies(series: Series) -> np.ndarray:
    """Whether each channel varies by more than rounding, shape (D,);
    one without any value does not."""
    with np.errstate(over="ignore", invalid="ignore"):
        return deviation_or_zero(series.values) > ROUNDING * _largest(series)


def _largest(series: Series) -> np.ndarray:
    """The largest absolute value of each channel, shape (D,); 0 if all are missing."""
    return np.abs(np.nan_to_num(series.values)).max(axis=0)


def refuse_constant(series: Series) -> None:
    """Raise an error if a channel is constant; missing values are ignored.

    Raises:
        SeriesError: a channel is constant up to rounding, all its values are missing, or their
            squares overflow or underflow double precision.
    """
    refuse_empty(series)
    for name, varied, largest in zip(series.channels, varies(series), _largest(series), strict=True):
        if largest > LARGEST or 0 < largest < 1.0 / LARGEST:
            raise SeriesError(
                f"channel {name!r} has values as large as {largest:.0e}, whose squares are beyond double precision; "
                "give it in other units"
            )
        if not varied:
            raise SeriesError(
                f"channel {name!r} is constant{_but_for_rounding(series.channel(name).values)} leave it out"
            )


def _but_for_rounding(values: np.ndarray) -> str:
    """What to say of a constant whose values are not all the same."""
    least, largest = np.nanmin(values), np.nanmax(values)
    if least == largest:
        return ";"
    return f" up to rounding: all values lie within {largest - least:g} of {largest:g}; subtract that number, or"


def _deviation(values: np.ndarray, common: bool) -> np.ndarray:
    """The standard deviation of each channel, or the one that all have in common, shape (D,)."""
    if not common:
        return deviation_or_zero(values)
    return np.full(values.shape[1], deviation_or_zero(values.reshape(-1, 1))[0])


def deviation_or_zero(values: np.ndarray) -> np.ndarray:
    """Compute the standard deviation of each channel without missing values;
    0 if all values are missing.

    All differences of a channel can be missing even if some of its values are not.
    """
    known = np.isfinite(values).any(axis=0)
    return np.where(known, np.nanstd(np.where(known, values, 0.0), axis=0), 0.0)


def to_numbers(times: np.ndarray) -> np.ndarray:
    """Convert times to floating-point numbers; dates become days since 1970-01-01."""
    if times.dtype.kind == "M":
        return (times - np.datetime64(0, "D")) / np.timedelta64(1, "D")
    return np.asarray(times, np.float64)


def _fit_line(times: np.ndarray, values: np.ndarray, detrend: bool) -> tuple[np.ndarray, np.ndarray]:
    """Fit a line to each channel by least squares;
    return its intercept and slope (0 without `detrend`)."""
    slope = np.zeros(values.shape[1])
    if detrend:
        for channel, column in enumerate(values.T):
            known = np.isfinite(column)
            slope[channel] = np.polyfit(times[known], column[known], 1)[0]
    return np.nanmean(values - slope * times[:, None], axis=0), slope


def _refuse_negative(series: Series, nonnegative: bool) -> None:
    if nonnegative and (series.values < 0).any():
        row, channel = np.argwhere(series.values < 0)[0]
        raise SeriesError(
            f"the value {series.values[row, channel]:g} at step {row} of {series.channels[channel]!r} is negative; "
            "leave nonnegative out, or correct the value"
        )


def _require_positive(series: Series, log: bool) -> None:
    if log and not (np.nan_to_num(series.values, nan=1.0) > 0).all():
        row, channel = np.argwhere(~(np.nan_to_num(series.values, nan=1.0) > 0))[0]
        raise SeriesError(
            f"the value {series.values[row, channel]:g} at step {row} of {series.channels[channel]!r} has no "
            "logarithm; leave log out, or shift the series"
        )
