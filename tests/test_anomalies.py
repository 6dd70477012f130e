"""Anomalies: false alarms at the rate that is asked for,
and faults that are found and mislead no network."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

import freerun
from freerun.cli import app
from freerun.errors import SeriesError, SeriesWarning, SettingError
from freerun.forecasting.anomalies import alarm_rate
from freerun.forecasting.scanning import HORIZONS, deviating
from freerun.forecasting.short_runs import LONGEST, MOST_REPLACED

QUICK: dict[str, Any] = {
    **{"cell": "memoryless", "initial": "reservoir", "hidden": 20, "delays": 2, "l2": 1e-2, "input_scale": 0.3},
    **{"difference": 0, "optimizer": "ridge"},
}
"""A small network with nothing left to choose."""

WAVES: dict[str, Any] = {**QUICK, "delays": 8}
"""The same for `waves`."""


def white_noise(steps: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=steps)


def autoregression(steps: int, seed: int) -> np.ndarray:
    x = white_noise(steps, seed)
    for t in range(1, steps):
        x[t] += 0.8 * x[t - 1]
    return x


def waves(steps: int, seed: int = 0) -> np.ndarray:
    t = np.arange(steps)
    return np.sin(0.2 * t) + np.sin(0.311 * t) + 0.05 * white_noise(steps, seed)


@pytest.fixture(scope="module")
def fitted() -> freerun.RNN:
    return freerun.RNN(**WAVES).fit(waves(1000))


@pytest.mark.parametrize(
    ("make", "settings"),
    [(white_noise, {"cell": "smoothing"}), (autoregression, QUICK)],
    ids=["smoothers of white noise", "network of an autoregression"],
)
def test_false_alarms_are_as_frequent_as_was_asked_for(make, settings) -> None:
    """Runs that do not overlap have independent errors,
    so that the alarms at their ends have a binomial distribution.

    The rate itself varies with the calibrating errors,
    which the models of several series average out.
    """
    rate, alarms, trials = 0.05, 0, 0
    for seed in range(3):
        values = make(1600, seed)
        rnn = freerun.RNN(**settings).fit(values[:1000])
        found = rnn.anomalies(values, start=1000, false_alarms=rate)
        apart = found.p[1000 + LONGEST :: LONGEST]
        alarms, trials = alarms + int((apart <= rate).sum()), trials + len(apart)
    assert stats.binomtest(alarms, trials, rate).pvalue > 0.001


def test_a_spike_is_found_where_it_is_with_its_values(fitted: freerun.RNN) -> None:
    values = waves(2000)
    values[1500] += 4.0
    found = fitted.anomalies(values, start=1000)
    (spike,) = [one for one in found.intervals if one.score > 5]
    assert (spike.start, spike.end, spike.steps, spike.channel, spike.peak) == (1500.0, 1500.0, 1, "x", 1500.0)
    assert spike.observed == values[1500]
    assert spike.expected == pytest.approx(values[1500] - 4.0, abs=0.3)


def test_what_is_flagged_is_not_read(fitted: freerun.RNN) -> None:
    """After a spike the network expects what it expects if the reading is missing."""
    values = waves(1500)
    values[1200] = 50.0
    missing = values.copy()
    missing[1200] = np.nan
    spiked, gapped = (fitted.anomalies(one, start=1000) for one in (values, missing))
    assert spiked.flagged[1200]
    np.testing.assert_allclose(spiked.expected[1201:], gapped.expected[1201:], rtol=1e-9)


def test_one_channel_that_deviates_does_not_hide_the_others() -> None:
    random = np.random.default_rng(0)
    values = pd.DataFrame({"a": waves(2000), "b": waves(2000, 1)[::-1] + 0.05 * random.normal(size=2000)})
    rnn = freerun.RNN(**WAVES).fit(values[:1000])
    values.loc[1500, "b"] += 4.0
    found = rnn.anomalies(values[["b", "a"]], start=1000)
    (spike,) = [one for one in found.intervals if one.score > 4]
    assert (spike.channel, spike.peak) == ("b", 1500.0)
    assert found.series.channels == ("a", "b")
    step = found.to_frame().loc[1500]
    assert step["b_p"] < 1e-4
    assert step["a_p"] > 1e-3


def test_a_level_that_stays_is_followed() -> None:
    values = white_noise(2000, 3)
    rnn = freerun.RNN(cell="smoothing", detrend=False).fit(values[:1000])
    values[1200:] += 20.0
    found = rnn.anomalies(values, start=1000)
    assert found.flagged[1200 : 1200 + MOST_REPLACED].all()
    assert found.flagged[1500:].mean() < 0.01
    assert np.abs(found.expected[1500:] - 20.0).max() < 3.0


def test_after_a_fault_alarms_are_soon_as_rare_as_before(fitted: freerun.RNN) -> None:
    values = waves(6000, 5)
    for start in range(1500, 5500, 500):
        values[start : start + 30] += 1.0
    found = fitted.anomalies(values, start=1000)
    since = (np.arange(6000) - 1500) % 500
    assert all(found.flagged[start : start + 30].any() for start in range(1500, 5500, 500))
    assert found.flagged[1500:][since[1500:] > 80].mean() < 0.005


def test_gaps_are_no_anomalies_and_are_not_compared(fitted: freerun.RNN) -> None:
    values = waves(2000, 6)
    values[1200:1205] = np.nan
    values[1500:1550] = np.nan
    found = fitted.anomalies(values, start=1000, false_alarms=0.0001)
    assert not found.flagged.any()
    assert np.isnan(found.p[1200:1205]).all()
    assert np.isfinite(found.p[1205])
    assert np.isnan(found.p[1500:1551]).all(), "nothing is known of forecasts after so long a gap"
    assert np.isfinite(found.p[1551])


def test_forecasts_after_a_gap_are_compared_with_such_forecasts() -> None:
    """The forecast of an autoregression is less certain after a gap, by a factor that is known."""
    rate, alarms, trials = 0.05, 0, 0
    for seed in range(4):
        values = autoregression(2000, seed)
        rnn = freerun.RNN(**QUICK).fit(values[:1000])
        values[1000:][np.arange(1000) % 10 >= 7] = np.nan
        p = rnn.anomalies(values, start=1000, false_alarms=1e-9).p[1010::10]
        alarms, trials = alarms + int((p <= rate).sum()), trials + len(p)
    assert stats.binomtest(alarms, trials, rate).pvalue > 0.001


def test_the_steps_that_follow_a_model_are_compared_from_the_first_on() -> None:
    times = pd.date_range("2026-01-01", periods=1600, freq="h")
    series = pd.Series(waves(1600), index=times, name="flow")
    series.iloc[1200] += 4.0
    rnn = freerun.RNN(**WAVES).fit(series[:1200])
    found = rnn.anomalies(series[1200:])
    assert np.isfinite(found.p).all()
    assert found.intervals[0].start == times[1200]
    whole = rnn.anomalies(series, start=1200)
    np.testing.assert_allclose(found.p, whole.p[1200:], rtol=1e-6)


def test_a_series_unlike_the_learned_one_is_named_by_a_warning(fitted: freerun.RNN) -> None:
    with pytest.warns(SeriesWarning, match=r"of 492 steps are flagged, where 0.492 .* unlike the one that was learned"):
        fitted.anomalies(5 * waves(500, seed=1))


def test_steps_that_were_learned_from_are_named_by_a_warning(fitted: freerun.RNN) -> None:
    with pytest.warns(SeriesWarning, match="learned from the first 1000 steps"):
        fitted.anomalies(waves(1500))


def test_each_half_is_compared_with_what_the_other_half_expects() -> None:
    values = waves(1600)
    values[[300, 1200]] += 4.0
    rnn = freerun.RNN(**WAVES)
    found = rnn.anomalies(values, crossfit=True)
    assert found.flagged[[300, 1200]].all()
    assert 0.0 < found.flagged.mean() < 0.02
    assert not hasattr(rnn, "model_")
    late = freerun.RNN(**WAVES).fit(values[800:]).anomalies(values[:800])
    np.testing.assert_array_equal(found.p[:800], late.p)
    assert np.isfinite(found.p[800:]).all()


@pytest.mark.parametrize("reading", [0.0, -3.0])
def test_a_reading_without_a_logarithm_is_an_anomaly(reading: float) -> None:
    values = np.exp(0.3 * autoregression(1500, 0))
    rnn = freerun.RNN(**QUICK, log=True).fit(values[:1000])
    values[1200] = reading
    found = rnn.anomalies(values, start=1000)
    assert found.flagged[1200]
    assert any(begin <= 1200 <= end for begin, end in found.spans)


def test_states_behind_noisy_measurements_are_estimated_without_what_is_flagged() -> None:
    values = waves(240)
    rnn = freerun.RNN(**WAVES, measurement_noise=0.05).fit(values[:200])
    values[220] = 30.0
    missing = values.copy()
    missing[220] = np.nan
    spiked, gapped = (rnn.anomalies(one, start=210) for one in (values, missing))
    assert spiked.flagged[220]
    np.testing.assert_allclose(spiked.expected[221:], gapped.expected[221:], rtol=1e-9)


@pytest.mark.parametrize(
    ("given", "expected"), [(0.01, 0.01), ("0.01", 0.01), ("1/D", 1 / 24), ("2/7D", 2 / 168), ("1/12h", 1 / 12)]
)
def test_false_alarms_are_a_share_or_a_number_in_a_span_of_time(given: float | str, expected: float) -> None:
    hours = freerun.Series.of(pd.Series(np.arange(9.0), index=pd.date_range("2026-01-01", periods=9, freq="h")))
    assert alarm_rate(given, hours) == pytest.approx(expected)


def test_false_alarms_in_units_of_times_that_are_numbers() -> None:
    assert alarm_rate("1/100", freerun.Series.of(np.arange(9.0))) == pytest.approx(0.01)


@pytest.mark.parametrize("given", [0, 1.0, -0.1, "x", "1/D", "3/1", True, "1/0"])
def test_other_rates_are_refused(given: object) -> None:
    with pytest.raises(SettingError, match="false_alarms="):
        alarm_rate(given, freerun.Series.of(np.arange(9.0)))  # pyright: ignore[reportArgumentType] - what is refused


def test_a_series_too_short_to_calibrate_by_is_named() -> None:
    values = white_noise(50, 0)
    rnn = freerun.RNN(cell="smoothing").fit(values[:20])
    with pytest.warns(SeriesWarning, match="calibrated by 18 errors"):
        rnn.anomalies(values, start=20)


def test_models_keep_what_p_values_need_and_older_ones_say_that_they_have_not(
    fitted: freerun.RNN, tmp_path: Path
) -> None:
    values = waves(1500, 7)
    fitted.save(tmp_path / "new.freerun")
    again = freerun.load(tmp_path / "new.freerun").anomalies(values, start=1000)
    np.testing.assert_array_equal(again.p, fitted.anomalies(values, start=1000).p)
    old = freerun.load(tmp_path / "new.freerun")
    old.model_ = replace(old.model_, short_runs=None)
    old.save(tmp_path / "old.freerun")
    with pytest.raises(SettingError, match="fit again"):
        freerun.load(tmp_path / "old.freerun").anomalies(values)


def test_steps_of_a_run_that_deviate() -> None:
    assert deviating(np.array([3.0])) == 1
    assert deviating(np.array([2.0, 0.1, -0.2, 0.1, 2.0, 2.2, 1.9, 2.0, 2.1])) == 5
    assert deviating(-np.array([2.0, 2.1, 1.9, 2.0, 0.0])) == 5


def test_the_lengths_of_runs_are_odd() -> None:
    assert all(horizon % 2 for horizon in HORIZONS)


def test_the_command_writes_what_it_finds(tmp_path: Path) -> None:
    times = pd.date_range("2026-01-01", periods=1200, freq="h")
    values = waves(1200)
    values[1100] += 4.0
    pd.DataFrame({"time": times, "flow": values}).to_csv(tmp_path / "flow.csv", index=False)
    settings = [f"--set={name}={value}" for name, value in WAVES.items()]
    arguments = [
        *["anomalies", str(tmp_path / "flow.csv"), "--from", "1000", "--false-alarms", "1/30D", "--json", "-q"],
        *["-o", str(tmp_path / "found.csv"), "--p-values", str(tmp_path / "p.parquet")],
        *["--plot", str(tmp_path / "found.png")],
    ]
    done = CliRunner().invoke(app, [*arguments, *settings])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert (printed["steps"], printed["compared"]) == (1200, 200)
    assert printed["false_alarms"] == pytest.approx(1 / 720)
    (spike,) = [one for one in printed["intervals"] if one["score"] > 4]
    assert spike["start"] == str(times[1100])
    table = pd.read_csv(tmp_path / "found.csv")
    assert table.start.tolist() == [one["start"] for one in printed["intervals"]]
    p = freerun.Series.read(tmp_path / "p.parquet")
    assert p.channels == ("p", "flow_p")
    assert np.nanargmin(p.values[:, 0]) == 1100
    assert (tmp_path / "found.png").stat().st_size > 10_000


def test_a_table_of_intervals_has_one_form_in_all_formats(fitted: freerun.RNN, tmp_path: Path) -> None:
    values = waves(1500)
    values[1200] += 4.0
    found = fitted.anomalies(values, start=1000)
    for name, reader in (("a.csv", pd.read_csv), ("a.parquet", pd.read_parquet), ("a.json", pd.read_json)):
        found.write(tmp_path / name)
        read = reader(tmp_path / name)
        assert list(read.columns) == list(found.table().columns)
        assert read.observed.tolist() == pytest.approx(found.table().observed.tolist())
    with pytest.raises(OSError, match="unknown format"):
        found.write(tmp_path / "a.xyz")


def test_bad_calls_are_refused(fitted: freerun.RNN) -> None:
    with pytest.raises(SettingError, match="start has no effect"):
        fitted.anomalies(waves(100), start=3, crossfit=True)
    with pytest.raises(SeriesError, match="no step to compare from step 100 on: the series has 100 steps"):
        fitted.anomalies(waves(100), start=100)
    with pytest.raises(SeriesError, match="give 8"):
        fitted.anomalies(waves(3))
