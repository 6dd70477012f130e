"""Bringing series to the units of a network, and back: logarithm, trend, and standardising per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freerun.data.series import Series
from freerun.errors import SeriesError
from freerun.settings import Settings

ROUNDING = 1e-13
"""What varies by less than this share of its size is constant."""

LARGEST = 1e150
"""Numbers beyond this size have no square in double precision; nor have those below its reciprocal."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """(f(x) - mean - slope * time) / scale of each channel, where f is the logarithm or nothing.

    External inputs are brought to mean 0 and standard deviation 1 by themselves.

    Attributes:
        mean: shape (D,), in the units of the series, or of its logarithm, as slope and scale.
        scale: shape (D,), positive.
        slope: shape (D,), per unit of time since `origin`; zeros without detrending.
        origin: the time from which the trend counts.
        log: whether the logarithm is taken.
        input_mean, input_scale: shape (E,), in the units of the external inputs.
    """

    mean: np.ndarray
    scale: np.ndarray
    slope: np.ndarray
    origin: float
    log: bool
    input_mean: np.ndarray
    input_scale: np.ndarray

    @classmethod
    def fitted(cls, panel: Sequence[Series], settings: Settings) -> Scaling:
        """The scaling that the settings ask for, from all series together; missing values do not count.

        Where differences are taken, `scale` is the standard deviation of the differences, if they are not constant.

        Raises:
            SeriesError: a channel is constant, or not positive where its logarithm is to be taken.
        """
        for series in panel:
            refuse_constant(series)
            _refuse_values_without_logarithm(series, settings.log)
        values = [np.log(series.values) if settings.log else series.values for series in panel]
        times = np.concatenate([_numbers(series.times) for series in panel])
        origin = float(times[0])
        mean, slope = _line(times - origin, np.concatenate(values), settings.detrend)
        rest = [v - mean - slope * (_numbers(s.times) - origin)[:, None] for v, s in zip(values, panel, strict=True)]
        rest = [differenced(v, settings.differences) for v in rest]
        whole = np.nanstd(np.concatenate(values), axis=0)
        scale = _deviation(np.concatenate(rest))
        scale = np.where(scale > ROUNDING * whole, scale, whole)
        inputs = np.concatenate([series.inputs[: len(series)] for series in panel])
        if not settings.standardize:
            mean = mean if settings.detrend else np.zeros_like(mean)
            scale = np.ones_like(scale)
        spread = inputs.std(axis=0)
        return cls(mean, scale, slope, origin, settings.log, inputs.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def apply(self, series: Series) -> np.ndarray:
        """What a network reads, shape (T, N): the standardised values, and the external inputs of the step after each.

        Missing values, and the inputs of the step after the last where they are not known, are NaN.
        """
        _refuse_values_without_logarithm(series, self.log)
        values = np.log(series.values) if self.log else series.values
        values = (values - self._trend(series.times)) / self.scale
        if not len(self.input_mean):
            return values
        known = self.scaled_inputs(series.inputs[1 : len(series) + 1])
        ahead = np.full((len(series), len(self.input_mean)), np.nan)
        ahead[: len(known)] = known
        return np.concatenate([values, ahead], axis=1)

    def scaled_inputs(self, inputs: np.ndarray) -> np.ndarray:
        """External inputs, shape (..., E), standardised."""
        return (inputs - self.input_mean) / self.input_scale

    def undo(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """From standardised values, shape (*T, D), of these times, shape (*T,), to the units of the series."""
        values = values * self.scale + self._trend(times)
        return np.exp(values) if self.log else values

    def _trend(self, times: np.ndarray) -> np.ndarray:
        if not self.slope.any():
            return self.mean
        return self.mean + self.slope * (_numbers(times) - self.origin)[..., None]


def differenced(values: np.ndarray, differences: tuple[int, ...]) -> np.ndarray:
    """(1 - B^d1)(1 - B^d2) ... of values, shape (T, D), where B is the step back: shape (T - d1 - d2 - ..., D)."""
    for lag in differences:
        values = values[lag:] - values[:-lag]
    return values


def refuse_constant(series: Series) -> np.ndarray:
    """The standard deviation of each channel, shape (D,), missing values left out.

    Raises:
        SeriesError: a channel is constant up to rounding, so there is nothing to learn from it, or all missing, or its
            numbers are so large or small that their squares are lost.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = series.deviation
    size = np.nanmax(np.abs(series.values), axis=0)
    for name, value, largest in zip(series.channels, deviation, size, strict=True):
        if largest > LARGEST or 0 < largest < 1.0 / LARGEST:
            raise SeriesError(
                f"channel {name!r} has numbers of the size of {largest:.0e}, whose squares are beyond double "
                "precision; give it in other units"
            )
        if not value > ROUNDING * largest:
            raise SeriesError(f"channel {name!r} is constant; leave it out")
    return deviation


def _deviation(values: np.ndarray) -> np.ndarray:
    """The standard deviation of each channel; 0 where no value is known, as of differences between gaps."""
    known = np.isfinite(values).any(axis=0)
    return np.where(known, np.nanstd(np.where(known, values, 0.0), axis=0), 0.0)


def _numbers(times: np.ndarray) -> np.ndarray:
    """Times as numbers; dates as days since 1970."""
    if times.dtype.kind == "M":
        return (times - np.datetime64(0, "D")) / np.timedelta64(1, "D")
    return np.asarray(times, np.float64)


def _line(times: np.ndarray, values: np.ndarray, detrend: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean and slope of each channel by least squares; without detrending the slope is zero."""
    slope = np.zeros(values.shape[1])
    if detrend:
        for channel, column in enumerate(values.T):
            known = np.isfinite(column)
            slope[channel] = np.polyfit(times[known], column[known], 1)[0]
    return np.nanmean(values - slope * times[:, None], axis=0), slope


def _refuse_values_without_logarithm(series: Series, log: bool) -> None:
    if log and not (np.nan_to_num(series.values, nan=1.0) > 0).all():
        row, channel = np.argwhere(~(np.nan_to_num(series.values, nan=1.0) > 0))[0]
        raise SeriesError(
            f"the value {series.values[row, channel]:g} at step {row} of {series.channels[channel]!r} has no "
            "logarithm; leave log out, or shift the series"
        )
