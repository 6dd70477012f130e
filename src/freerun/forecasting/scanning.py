"""Finds anomalies: readings that networks did not expect.

Each reading is compared with what was expected of it 1, 5 and 15 steps before. The statistic of a
run is the absolute median of the errors of its steps, which a slow fault moves and a few readings
do not; of one step, it is the absolute error. Its p-value says how rare such a statistic was on
parts of the training series that were left out of the fit. The p-values of the runs that end with a
reading, and of its channels, are combined.

A reading is flagged if its p-value is at most the rate of false alarms. Where its error one step
ahead alone is as rare, the networks read their own forecast in its place, as for a missing value,
so that a fault does not change what they expect. After `MOST_REPLACED` of them, the networks read
the data for as many steps, or for the washout if that is longer: by then they have forgotten a
wrong forecast, and follow a level that stays. Readings that only longer runs flag are read, so that
the networks follow a slow fault, and soon follow the series after it.

Errors of forecasts after steps without readings are larger. They are compared with
the errors of such forecasts. After more than `MOST_REPLACED` steps without readings,
there is no p-value until the next reading.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from freerun.data.alignment import follows
from freerun.data.arrays import interpolated
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError, warn
from freerun.forecasting.anomalies import Anomalies
from freerun.forecasting.intervals import ensemble_of
from freerun.forecasting.model import Member, Model, ShortRuns
from freerun.forecasting.pvalues import Calibrated, combined
from freerun.forecasting.runs import COMBINED, require_washout
from freerun.forecasting.short_runs import LONGEST, MOST_REPLACED
from freerun.network import assimilation, numpy_runs
from freerun.network.network import State
from freerun.training.history import Progress, ProgressCallback

HORIZONS = (1, 5, LONGEST)
"""Numbers of steps of the runs that readings are compared with,
odd so that a median is one of the errors."""

MOSTLY_FLAGGED, FEWEST_JUDGED = 0.2, 100
"""Share of flagged steps from which on a series is unlike the one that was learned,
and fewest steps to say so."""

MOST_AT_ONCE = 256
"""Most steps that are compared at once, before one of them is flagged."""


def anomalies(
    model: Model, observed: Series, rate: float, start: int, progress: ProgressCallback | None = None
) -> Anomalies:
    """Find anomalies in a series, which may follow the steps that the networks have read;
    see `freerun.RNN.anomalies`.

    Raises:
        SettingError: there are no errors to calibrate p-values by.
        SeriesError: channels differ, or the series is not longer than the washout.
    """
    series, recent = model.matched(observed), model.recent
    if model.trained_on == 1 and follows(series, recent):
        read = len(recent)
        return scan(model, recent.joined(series), rate, read + start, progress).after(read)
    learned = model.learned_in(series)
    if learned > start and model.growth is None:
        warn(
            f"the network has learned from the first {learned} steps of the series, so that anomalies in them may be "
            f"missed; compare the steps after them (start={learned}, --from {learned}), or give the data without a "
            "model (crossfit=True)"
        )
    return scan(model, series, rate, start, progress)


def scan(
    model: Model, series: Series, rate: float, first: int = 0, progress: ProgressCallback | None = None
) -> Anomalies:
    """Compare the readings of a series with forecasts, and flag those that deviate.

    Args:
        model: the trained networks.
        series: the series, matched to the model.
        rate: the share of normal steps that are flagged.
        first: first step that is compared. Steps before it are read as they are,
            and so are those of the washout.
        progress: called as the comparison proceeds.

    Raises:
        SettingError: there are no errors to calibrate p-values by.
        SeriesError: the series is not longer than the washout,
            or ends before the first step that is compared.
    """
    if model.short_runs is None:
        raise SettingError(
            "there are no errors to calibrate p-values by: the model file is of an earlier version, or no part of the "
            "training series was left out of the fit; fit again, to a longer series or with holdout=0.25"
        )
    for member in model.members:
        require_washout(member, series)
    if first >= len(series):
        raise SeriesError(f"there is no step to compare from step {first} on: the series has {len(series)} steps")
    washout = max(member.washout for member in model.members)
    scanner = _Scanner(model, model.short_runs, series, rate, max(first, washout + 1, 2))
    _warn_if_unreachable(scanner.calibration, rate)
    scanner.run(progress)
    _warn_if_unlike(scanner.found, rate)
    return scanner.found


def _warn_if_unlike(found: Anomalies, rate: float) -> None:
    """Warn if so many steps are flagged that the networks no longer describe the series."""
    compared = int(np.isfinite(found.p).sum())
    flagged = int(found.flagged.sum())
    if compared >= FEWEST_JUDGED and flagged > max(MOSTLY_FLAGGED, 10 * rate) * compared:
        warn(
            f"{flagged} of {compared} steps are flagged, where {rate * compared:.3g} would be if all were normal: the "
            "series is unlike the one that was learned; fit to a longer or a later part of it"
        )


def _warn_if_unreachable(calibration: _Calibration, rate: float) -> None:
    """Warn if so few errors are known that no reading can be flagged."""
    known = calibration.calibrated(1, 0, 0)
    if known.smallest > rate:
        warn(
            f"p-values are calibrated by {len(known.known)} errors, and none is below {known.smallest:.2g}, so that no "
            f"reading is flagged at a rate of {rate:g}; learn a longer series, or accept more false alarms"
        )


class _Scanner:
    """A scan in progress. Steps before `at` have been compared, and the networks have read them."""

    def __init__(self, model: Model, errors: ShortRuns, series: Series, rate: float, first: int) -> None:
        self.series, self.rate, self.at, self.log = series, rate, first, model.best.scaling.log
        steps, channels = series.shape
        with np.errstate(divide="ignore"):  # a reading without a logarithm is below all that have one
            self.truth = np.log(np.maximum(series.values, 0.0)) if self.log else series.values
        readable = replace(series, values=np.where(np.isfinite(self.truth), series.values, np.nan))
        self.missing = np.isnan(readable.values)
        self.gaps = np.append(np.flatnonzero(self.missing.any(axis=1)), steps)
        self.readers = [_reader_of(member, readable, first) for member in model.members]
        self.rest = max(MOST_REPLACED, *(member.washout for member in model.members))
        self.combine = COMBINED[ensemble_of(model.members)]
        self.calibration = _Calibration(errors)
        self.replaced = np.zeros((steps, channels), bool)
        self.unread = np.zeros((steps, channels), int)
        for step in range(1, first):
            self._count_unread(step)
        self.ahead = np.full((LONGEST, LONGEST, channels), np.nan)
        self.found = Anomalies.nothing(series, rate)

    def run(self, progress: ProgressCallback | None) -> None:
        """Compare all steps. After a step that is flagged, few are compared at once,
        since others may follow."""
        size, first, total, began = 1, self.at, len(self.series), time.perf_counter()
        while self.at < total:
            gap = int(self.gaps[np.searchsorted(self.gaps, self.at)])
            flagged = self._compare(min(self.at + size, gap + 1, len(self.series)))
            size = 1 if flagged else min(2 * size, MOST_AT_ONCE)
            if progress is not None:
                done, seconds = self.at - first, time.perf_counter() - began
                progress(Progress("comparing readings", done, total - first, None, None, None, seconds))

    def _compare(self, stop: int) -> bool:
        """Compare the steps before `stop`, up to the first that is flagged; return whether one is.

        No value is missing in these steps, but for the last one.
        """
        steps = np.arange(self.at, stop)
        runs = self.combine(np.stack([reader.runs(self.at, stop) for reader in self.readers]))
        with np.errstate(all="ignore"):
            ahead = np.concatenate([self.ahead, np.log(runs) if self.log else runs])
        p = self._p_values(steps, ahead)
        total = combined(p, axis=(1, 2))
        flags = total <= self.rate
        count = int(flags.argmax()) + 1 if flags.any() else len(steps)
        self._note(steps[:count], p[:count], total[:count], ahead)
        last = int(steps[count - 1])
        for step in steps[:count].tolist():
            number = step - self.at
            hidden = self._deviating(step, p[number, 0]) if flags[number] else np.zeros(p.shape[2], bool)
            self.replaced[step] = hidden
            self._count_unread(step)
        for reader in self.readers:
            reader.advance(last, self.replaced[last])
        self.ahead = ahead[count : count + LONGEST]
        self.at = last + 1
        return bool(flags.any())

    def _p_values(self, steps: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """The p-values of the runs that end with n steps, shape (n, horizons, D).

        Args:
            steps: shape (n,).
            ahead: forecasts of the `LONGEST` steps after each step from `steps[0] - 1 - LONGEST`
                on.
        """
        p = np.full((len(steps), len(HORIZONS), self.truth.shape[1]), np.nan)
        for number, horizon in enumerate(HORIZONS):
            origins = steps - horizon
            truth = self.truth[np.maximum(origins[:, None] + np.arange(1, horizon + 1), 0)]
            with np.errstate(invalid="ignore"):
                errors = truth - ahead[origins - (steps[0] - 1 - LONGEST), :horizon]
                p[:, number] = self.calibration.p_values(
                    statistic(errors), horizon, self.unread[np.maximum(origins, 0)]
                )
        return p

    def _note(self, steps: np.ndarray, p: np.ndarray, total: np.ndarray, ahead: np.ndarray) -> None:
        """Store what was found of some steps."""
        found, rows = self.found, np.arange(len(steps))
        found.p[steps], found.channel_p[steps], found.flagged[steps] = total, combined(p, axis=1), total <= self.rate
        known = np.where(np.isnan(p), np.inf, p).reshape(len(steps), -1)
        number, channel = np.divmod(known.argmin(axis=1), p.shape[2])
        horizon = np.asarray(HORIZONS)[number]
        found.channel[steps] = channel
        expected = ahead[rows + LONGEST, 0]
        before = ahead[rows + 1 + LONGEST - horizon, horizon - 1, channel]
        found.expected[steps] = np.exp(expected) if self.log else expected
        found.run_expected[steps] = np.exp(before) if self.log else before
        for row in np.flatnonzero(found.flagged[steps]):
            run = ahead[row + 1 + LONGEST - horizon[row], : horizon[row], channel[row]]
            errors = self.truth[steps[row] - horizon[row] + 1 : steps[row] + 1, channel[row]] - run
            found.length[steps[row]] = deviating(errors)

    def _deviating(self, step: int, p: np.ndarray) -> np.ndarray:
        """The channels of a flagged step whose readings are replaced, shape (D,).

        Args:
            step: the step.
            p: p-values of the errors one step ahead, shape (D,).
        """
        lately = self.replaced[max(0, step - MOST_REPLACED - self.rest + 1) : step].sum(axis=0)
        return (p <= self.rate) & (lately < MOST_REPLACED)

    def _count_unread(self, step: int) -> None:
        """Count the steps since the last reading of each channel that was read."""
        hidden = self.missing[step] | self.replaced[step]
        self.unread[step] = np.where(hidden, self.unread[step - 1] + 1, 0)


def statistic(errors: np.ndarray) -> np.ndarray:
    """The statistic of runs: the absolute median of their errors.

    Args:
        errors: of N runs of H steps, shape (N, H, D).

    Returns:
        Shape (N, D); NaN where an error is missing.
    """
    return np.abs(np.median(errors, axis=1))


def deviating(errors: np.ndarray) -> int:
    """Count the last steps of a run that deviate.

    A step deviates if its error is at least half of their median, to the same side.
    Of the last steps of the run, as many are taken that the number of those that
    deviate exceeds that of the others by most.

    Args:
        errors: shape (H,).
    """
    median = np.median(errors)
    deviates = errors * np.sign(median) >= 0.5 * np.abs(median)
    return int(np.where(deviates, 1, -1)[::-1].cumsum().argmax()) + 1


class _Calibration:
    """The distributions of the statistic, by the length of a run and
    the steps without readings before it."""

    def __init__(self, errors: ShortRuns) -> None:
        self.errors = errors
        self.known: dict[tuple[int, int, int], Calibrated] = {}

    def p_values(self, statistics: np.ndarray, horizon: int, unread: np.ndarray) -> np.ndarray:
        """The p-values of runs of `horizon` steps, shape (n, D).

        Args:
            statistics: shape (n, D).
            horizon: steps of each run.
            unread: steps without readings before each run, shape (n, D).
        """
        p = np.full(statistics.shape, np.nan)
        alike = self.errors.runs.shape[2] == 1
        for before in np.unique(unread[unread <= MOST_REPLACED]).tolist():
            for channel in range(self.errors.runs.shape[2]):
                column = slice(None) if alike else slice(channel, channel + 1)
                there = unread[:, column] == before
                values = statistics[:, column][there]
                p[:, column][there] = self.calibrated(horizon, before, channel)(values)
        return p

    def calibrated(self, horizon: int, before: int, channel: int) -> Calibrated:
        """The distribution of the statistic of runs of `horizon` steps,
        after `before` steps without readings."""
        key = horizon, before, channel
        if key not in self.known:
            first = horizon == 1 and before == 0
            errors = self.errors.one_step[:, None] if first else self.errors.runs[:, before : before + horizon]
            self.known[key] = Calibrated.by(statistic(errors[:, :, channel : channel + 1])[:, 0])
        return self.known[key]


class _Reader:
    """A network that reads a series from the zero state,
    and its own forecasts where values are missing.

    Args:
        member: the network.
        series: what it reads, T steps.
        first: first step that is forecast.
    """

    def __init__(self, member: Member, series: Series, first: int) -> None:
        self.member, self.series = member, series
        self.channels = series.shape[1]
        self.rows = member.scaling.apply(series)
        if series.input_names:
            self.rows[:, self.channels :] = interpolated(self.rows[:, self.channels :])
        self.begin(first)

    def begin(self, first: int) -> None:
        """Read the steps before `first`."""
        network = self.member.network
        start = numpy_runs.start_of(network, self.rows)
        self.rows[:first] = numpy_runs.filled(network, self.rows[:first], start)
        self.state = numpy_runs.state_after(network, self.rows[: first - 1], start)

    def runs(self, first: int, stop: int) -> np.ndarray:
        """Forecast from the steps before `first` to `stop`, in the units of the series,
        shape (n, `LONGEST`, D)."""
        state, value = self.starts(first, stop)
        at = np.minimum(np.arange(first, stop)[:, None] + np.arange(LONGEST), len(self.rows) - 1)
        ahead = self.rows[at.T - 1, self.channels :]
        self.outputs = numpy_runs.run(self.member.network, state, value, LONGEST, future_inputs=ahead).values[0]
        self.first = first
        with np.errstate(over="ignore", invalid="ignore"):
            return self.member.scaling.undo(self.outputs.astype(np.float64), self.series.times[at])

    def starts(self, first: int, stop: int) -> tuple[State, np.ndarray]:
        """Where runs from the steps before `first` to `stop` start: a batch of states, and values,
        shape (n, D)."""
        rows = self.rows[first - 1 : stop]
        self.states, values = numpy_runs.states_before(self.member.network, rows, np.arange(len(rows)), self.state)
        return _of_batch(self.states, slice(len(rows) - 1)), values[:-1]

    def advance(self, step: int, replaced: np.ndarray) -> None:
        """Read the steps up to `step`, the last one without the channels that are replaced,
        shape (D,)."""
        row, output = self.rows[step, : self.channels], self.outputs[step - self.first, 0]
        row[:] = np.where((replaced & np.isfinite(output)) | np.isnan(row), np.nan_to_num(output), row)
        self.state = numpy_runs.alone(_of_batch(self.states, slice(step - self.first + 1, None)))


class _FilteringReader(_Reader):
    """A network that estimates the states behind noisy measurements, missing ones among them."""

    def begin(self, first: int) -> None:
        """Do nothing: states are estimated from the last measurements."""

    def starts(self, first: int, stop: int) -> tuple[State, np.ndarray]:
        """See `_Reader.starts`."""
        noise = self.member.noise
        assert noise is not None
        return assimilation.states_before(self.member.network, noise, self.rows, np.arange(first - 1, stop - 1))

    def advance(self, step: int, replaced: np.ndarray) -> None:
        """See `_Reader.advance`."""
        self.rows[step, : self.channels][replaced] = np.nan


def _reader_of(member: Member, series: Series, first: int) -> _Reader:
    return (_Reader if member.noise is None else _FilteringReader)(member, series, first)


def _of_batch(state: State, which: slice) -> State:
    """Some runs of a batch."""
    return State(tuple(tuple(entry[which] for entry in carry) for carry in state.cells), state.past[:, which])
