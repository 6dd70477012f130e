"""`Anomalies`: the p-values of the readings of a series,
and the intervals of time in which they deviate."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freerun.data.series import Series
from freerun.errors import SettingError
from freerun.files.writing import write_table

if TYPE_CHECKING:
    import pandas as pd


RATE = 0.001
"""Default share of normal steps that are flagged."""


@dataclass(frozen=True)
class Anomaly:
    """An interval of time in which readings deviate.

    Attributes:
        start: time of the first step of the runs that deviate.
        end: time of the last step that is flagged.
        steps: number of steps from `start` to `end`.
        p: the smallest p-value in the interval.
        score: -log10 of that: 3 is a reading that is expected once in 1000 steps.
        channel: the channel that deviates most at the step of that p-value.
        peak: the time of that step.
        expected: what was expected of that channel at that step,
            before the run that deviates most began.
        observed: the reading.
    """

    start: object
    end: object
    steps: int
    p: float
    score: float
    channel: str
    peak: object
    expected: float
    observed: float


@dataclass(frozen=True)
class Anomalies:
    """What was found in a series of T steps of D channels; see `freerun.forecasting.scanning`.

    Attributes:
        series: the series.
        rate: the share of normal steps that are flagged.
        p: p-values, all channels combined, shape (T,); NaN where a step is not compared.
        channel_p: p-values of each channel, shape (T, D).
        expected: one-step forecasts, shape (T, D).
        flagged: whether a step is flagged, shape (T,).
        channel: the index of the channel of the run that deviates most and ends with a step,
            shape (T,).
        length: how many of the last steps of that run deviate, shape (T,);
            0 where a step is not flagged.
        run_expected: what was expected of that channel before that run began, shape (T,).
    """

    series: Series
    rate: float
    p: np.ndarray
    channel_p: np.ndarray
    expected: np.ndarray
    flagged: np.ndarray
    channel: np.ndarray
    length: np.ndarray
    run_expected: np.ndarray

    @classmethod
    def nothing(cls, series: Series, rate: float) -> Anomalies:
        """The result before any step is compared."""
        steps, channels = series.shape
        unknown, whole = np.full((steps, channels), np.nan), np.zeros(steps, int)
        p = unknown[:, 0].copy()
        return cls(
            series, rate, p, unknown, unknown.copy(), np.zeros(steps, bool), whole, whole.copy(), unknown[:, 0].copy()
        )

    def after(self, step: int) -> Anomalies:
        """What was found in the steps from `step` on."""
        arrays = {name: getattr(self, name)[step:] for name in self._arrays()}
        return replace(self, series=self.series.between(step), **arrays)

    @classmethod
    def _arrays(cls) -> list[str]:
        return [f.name for f in fields(cls) if f.name not in ("series", "rate")]

    def followed_by(self, later: Anomalies) -> Anomalies:
        """Join the first steps of a series, and all of it,
        of which the steps after these are taken."""
        arrays = {
            name: np.concatenate([getattr(self, name), getattr(later, name)[len(self.p) :]]) for name in self._arrays()
        }
        return replace(later, **arrays)

    @property
    def compared(self) -> int:
        """Number of steps that have a p-value."""
        return int(np.isfinite(self.p).sum())

    @cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """First and last step of each interval.

        An interval has the steps of a run that ends with a flagged step;
        those that overlap or touch are one.
        """
        parts: list[tuple[int, int]] = []
        for end in np.flatnonzero(self.flagged).tolist():
            begin = max(0, end - int(self.length[end]) + 1)
            while parts and begin <= parts[-1][1] + 1:
                begin = min(begin, parts.pop()[0])
            parts.append((begin, end))
        return tuple(parts)

    @cached_property
    def intervals(self) -> tuple[Anomaly, ...]:
        """The intervals of time in which readings deviate."""
        return tuple(self._interval(begin, end) for begin, end in self.spans)

    def _interval(self, begin: int, end: int) -> Anomaly:
        steps = np.flatnonzero(self.flagged[begin : end + 1]) + begin
        peak = int(steps[np.argmin(self.p[steps])])
        channel, index, p = int(self.channel[peak]), self.series.index, float(self.p[peak])
        expected, observed = float(self.run_expected[peak]), float(self.series.values[peak, channel])
        name = self.series.channels[channel]
        return Anomaly(
            index[begin], index[end], end - begin + 1, p, -np.log10(p), name, index[peak], expected, observed
        )

    def to_frame(self) -> pd.DataFrame:
        """Make the table of all steps.

        Returns:
            One row per step, with its time as index: `p`, `flagged`, then for each channel `x` the
            reading `x`, its one-step forecast `x_expected`, and `x_p`.
        """
        import pandas as pd

        table = pd.DataFrame({"p": self.p, "flagged": self.flagged}, index=self.series.index)
        for i, name in enumerate(self.series.channels):
            table[name] = self.series.values[:, i]
            table[f"{name}_expected"] = self.expected[:, i]
            table[f"{name}_p"] = self.channel_p[:, i]
        return table

    def table(self) -> pd.DataFrame:
        """Make the table of intervals: one row for each,
        with the attributes of `Anomaly` as columns."""
        import pandas as pd

        names = [f.name for f in fields(Anomaly)]
        return pd.DataFrame([asdict(one) for one in self.intervals], columns=names)

    def p_values(self) -> Series:
        """The p-values as a series: `p`, and `x_p` for each channel `x`;
        NaN where a step is not compared."""
        values = np.concatenate([self.p[:, None], self.channel_p], axis=1)
        return replace(self.series, values=values, channels=("p", *(f"{name}_p" for name in self.series.channels)))

    def write(self, path: str | Path) -> None:
        """Write the table of intervals to a CSV, Parquet or JSON file.
        The suffix of `path` selects the format.

        Raises:
            OutputError: the suffix is unknown, or the file cannot be written.
        """
        write_table(self.table(), path)


def alarm_rate(given: float | str, series: Series) -> float:
    """The share of normal steps that are flagged.

    Args:
        given: that share; or a number of false alarms in a span of time, such as `1/D`.
        series: the series, whose time step turns the span into steps.

    Raises:
        SettingError: it is neither, or not between 0 and 1.
    """
    rate = given if not isinstance(given, str) else _rate_of(given, series)
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 < float(rate) < 1:
        more = f", and {given!r} is {rate:g} of the steps" if isinstance(given, str) else ""
        raise SettingError(f"false_alarms={given!r}: give a share of the steps between 0 and 1{more}")
    return float(rate)


def _rate_of(text: str, series: Series) -> float:
    """The share of steps that a text such as `0.001`, `1/D` or `1/1000` says."""
    import pandas as pd

    number, slash, span = (part.strip() for part in text.partition("/"))
    try:
        if not slash:
            return float(number)
        if isinstance(series.dt, np.timedelta64):
            length = pd.to_timedelta([span if span[:1].isdigit() else f"1{span}"]).to_numpy()[0]
            return float(number) * float(series.dt / length)
        return float(number) * float(series.dt) / float(span)
    except (ValueError, ZeroDivisionError) as error:
        example = "1/D, 2/7D or 3/12h" if isinstance(series.dt, np.timedelta64) else "1/1000, since times are numbers"
        raise SettingError(
            f"false_alarms={text!r}: give a share of the steps, such as 0.001, or a number in a span of time, such as "
            f"{example}"
        ) from error
