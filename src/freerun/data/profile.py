"""`Profile`: what a training series is, measured once, for policies to decide by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freerun.data.scaling import deviation_or_zero
from freerun.data.seasons import seasons_of
from freerun.data.series import Series
from freerun.settings import Settings

NOISY = 1e-2
"""Observation noise, in standard deviations of the series,
that does the work of noise on the inputs."""

SEGMENT, SHORTEST_SEGMENT = 256, 16
"""Most and fewest steps of the segments whose spectra are averaged to estimate noise; an eighth of
the series between them. A series of fewer than two segments says nothing of its noise."""


@dataclass(frozen=True)
class Profile:
    """What the training series are.

    Attributes:
        steps: of the longest series.
        shortest: steps of the shortest series.
        series: how many are learned together.
        channels: D.
        inputs: E, external inputs.
        complete: whether no value is missing.
        dated: whether its times are dates, as those of business and weather are.
        noises: standard deviation of the noise in each channel of the first series,
            in standard deviations of it.
        seasons: after how many steps the first series repeats itself, ascending;
            empty for no season.
        positive: whether all values are positive.
        parameters: how many external inputs are parameters of a system; see `parameters_of`.
        varies: whether the first series varies to its end; see `keeps_varying`.
        in_memory: whether these are all steps that are learned,
            and not the end of a series larger than memory.
    """

    steps: int
    shortest: int
    series: int
    channels: int
    inputs: int
    complete: bool
    dated: bool
    noises: tuple[float, ...]
    seasons: tuple[int, ...]
    positive: bool
    parameters: int = 0
    varies: bool = True
    in_memory: bool = True

    @property
    def noise(self) -> float:
        """The noise in the noisiest channel, in standard deviations of it."""
        return max(self.noises)

    @classmethod
    def of(cls, training: Sequence[Series], settings: Settings) -> Profile:
        """The profile of series that are learned together.

        Args:
            training: the series.
            settings: as the user gave them; a season that is given is not searched for.
        """
        first = training[0]
        return cls(
            max(map(len, training)),
            min(map(len, training)),
            len(training),
            first.shape[1],
            first.inputs.shape[1],
            all(series.complete for series in training),
            first.times.dtype.kind == "M",
            tuple(noise_shares(first).tolist()),
            seasons_of(first) if settings.season is None else settings.seasons,
            all(bool((np.nan_to_num(series.values, nan=1.0) > 0).all()) for series in training),
            len(parameters_of(training)),
            keeps_varying(first),
        )


def parameters_of(training: Sequence[Series]) -> tuple[int, ...]:
    """Find the external inputs that are constant along each series and differ between series."""
    inputs = [series.inputs[: len(series)] for series in training]
    if not training[0].input_names:
        return ()
    constant = np.all([(one == one[0]).all(axis=0) for one in inputs], axis=0)
    first = np.array([one[0] for one in inputs])
    return tuple(np.flatnonzero(constant & (first != first[0]).any(axis=0)).tolist())


def keeps_varying(series: Series) -> bool:
    """Whether each channel varies as much in the last third of a series as before,
    within a factor of 2."""
    last = series.values[-max(2, len(series) // 3) :]
    return bool((deviation_or_zero(last) > series.deviation / 2).all())


def noise_shares(series: Series) -> np.ndarray:
    """Estimate the noise in each channel, in standard deviations of the channel, shape (D,).

    It is zero for irregular times, whose values have no power spectrum by steps.
    """
    if series.irregular:
        return np.zeros(series.shape[1])
    return observation_noise(series.values) / np.maximum(series.deviation, np.finfo(float).tiny)


def observation_noise(values: np.ndarray) -> np.ndarray:
    """Estimate the standard deviation of white noise in each channel of values: an upper bound.

    It is the level of the upper quarter of the power spectrum (Welch's method, Hann window, halves
    of segments shared), where a smooth system has no power.

    Args:
        values: shape (T, D); segments in which one is missing are left out.

    Returns:
        Shape (D,); zeros if there are fewer than two segments.
    """
    steps = min(SEGMENT, max(SHORTEST_SEGMENT, len(values) // 8))
    starts = np.arange(0, len(values) - steps + 1, steps // 2)
    segments = values[starts[:, None] + np.arange(steps)]
    segments = segments[np.isfinite(segments).all(axis=(1, 2))]
    if len(segments) < 2:
        return np.zeros_like(values[0])
    window = np.hanning(steps)[:, None]
    centred = (segments - segments.mean(axis=1, keepdims=True)) * window
    power = (np.abs(np.fft.rfft(centred, axis=1)) ** 2).mean(axis=0) / (window**2).sum()
    return np.sqrt(np.median(power[-steps // 8 :], axis=0))
