"""Seasonal periods of a series, in steps."""

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
"""Usual seasonal periods in steps, by the pandas frequency without its anchor."""

LEAST = 0.3
"""Minimum autocorrelation at the seasonal period."""

CYCLES = 3
"""Minimum number of seasonal periods in a series."""


def season_of(series: Series) -> int | None:
    """Find the shortest seasonal period, in steps; None if there is none."""
    seasons = seasons_of(series)
    return seasons[0] if seasons else None


def seasons_of(series: Series) -> tuple[int, ...]:
    """Find the seasonal periods of a series.

    They follow from the frequency of the times if it is in `CALENDAR`. Otherwise the period is the lag of the highest
    peak of the autocorrelation of the first channel.

    Returns:
        The periods in steps, ascending; empty if there are none.
    """
    by_calendar = CALENDAR.get((series.calendar.frequency or "").partition("-")[0])
    if by_calendar is not None:
        return tuple(season for season in by_calendar if CYCLES * season <= len(series))
    found = _find_by_autocorrelation(series.values[:, 0])
    return () if found is None else (found,)


def _find_by_autocorrelation(values: np.ndarray) -> int | None:
    """Find the lag >= 2 of the highest peak of the autocorrelation of detrended values; None if there is none.

    Args:
        values: shape (T,); NaN where a value is missing.
    """
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
    """Compute the sums over t of x_t x_{t - lag} for lags 0 to `lags` - 1, by the fast Fourier transform.

    Args:
        values: shape (T,); no value is missing.
        lags: number of lags, at most T.

    Returns:
        Shape (lags,).
    """
    size = 2 ** (len(values) + lags).bit_length()  # zero padding, so that no lag wraps around
    return np.fft.irfft(np.abs(np.fft.rfft(values, size)) ** 2, size)[:lags]
