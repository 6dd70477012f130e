"""The season of a series: after how many steps it repeats itself, if it does."""

from __future__ import annotations

import numpy as np

from freerun.data.series import Series

CALENDAR: dict[str, tuple[int, ...]] = {
    "h": (24, 168),
    "D": (7,),
    "B": (5,),
    "W": (52,),
    **dict.fromkeys(("M", "MS", "ME", "BMS", "BME"), (12,)),
    **dict.fromkeys(("Q", "QS", "QE"), (4,)),
}
"""Steps after which a series of this frequency usually repeats itself, by the first part of its pandas name."""

LEAST = 0.3
"""Autocorrelation from which on a peak counts as a season."""

CYCLES = 3
"""A season occurs so many times in the series at least."""


def season_of(series: Series) -> int | None:
    """The shortest season; None without one."""
    seasons = seasons_of(series)
    return seasons[0] if seasons else None


def seasons_of(series: Series) -> tuple[int, ...]:
    """The seasons by the calendar, ascending, or else the highest peak of the autocorrelation; empty without one."""
    by_calendar = CALENDAR.get((series.calendar.frequency or "").partition("-")[0])
    if by_calendar is not None:
        return tuple(season for season in by_calendar if CYCLES * season <= len(series))
    found = _by_autocorrelation(series.values[:, 0])
    return () if found is None else (found,)


def _by_autocorrelation(values: np.ndarray) -> int | None:
    """The lag of the highest local maximum of the autocorrelation of the detrended values, from lag 2 on."""
    steps = np.arange(len(values))
    known = np.isfinite(values)
    longest = len(values) // CYCLES
    if known.sum() < 10 or longest < 3:
        return None
    rest = np.where(known, values - np.polyval(np.polyfit(steps[known], values[known], 1), steps), 0.0)
    power = float(rest @ rest)
    if power == 0:
        return None
    correlation = autocovariance(rest / np.sqrt(power), longest + 2)
    inner = correlation[2:-1]
    peaks = np.flatnonzero((inner > correlation[1:-2]) & (inner >= correlation[3:]) & (inner > LEAST))
    return int(peaks[np.argmax(inner[peaks])]) + 2 if len(peaks) else None


def autocovariance(values: np.ndarray, lags: int) -> np.ndarray:
    """The sums over t of x_t x_{t - lag} for lags 0 to `lags` - 1, by the Fourier transform.

    Args:
        values: shape (T,); no value is missing.
        lags: how many, at most T.

    Returns:
        Shape (lags,).
    """
    size = 2 ** (len(values) + lags).bit_length()  # filled up with zeros, so that no lag wraps around
    return np.fft.irfft(np.abs(np.fft.rfft(values, size)) ** 2, size)[:lags]
