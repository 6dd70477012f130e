"""Irregular times: steps of any length are learned as they are, against closed forms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import expm

import freerun
from freerun.errors import SeriesError, SeriesWarning, SettingError

OSCILLATOR = np.array([[-0.02, 1.0], [-1.0, -0.02]])
"""A damped oscillator, dx/dt = A x."""

QUICK: dict[str, Any] = {"cell": "memoryless", "delays": 1, "input_scale": 0.3, "l2": 1e-10, "hidden": 120}
"""Nothing is left to choose."""

LEARNED = 250


def at(times):
    """The oscillator at times, shape (T, 2): the closed form."""
    return np.stack([expm(OSCILLATOR * t) @ [2.0, 0.0] for t in times])


def random_times(count, seed=0):
    return np.cumsum(np.random.default_rng(seed).uniform(0.1, 0.9, count))


@pytest.fixture(scope="module")
def times():
    return random_times(LEARNED + 60)


@pytest.fixture(scope="module")
def series(times):
    return freerun.Series(at(times[:LEARNED]), ("position", "speed"), times[:LEARNED], irregular=True)


@pytest.fixture(scope="module")
def fitted(series):
    return freerun.RNN(**QUICK).fit(series)


def test_a_free_run_at_given_times_follows_the_closed_form(fitted, times):
    run = fitted.generate(times=times[LEARNED:])
    assert np.array_equal(run.times, times[LEARNED:])
    assert np.abs(run.values - at(run.times)).max() < 1e-3


def test_it_is_closer_than_a_network_that_learned_values_interpolated_to_a_grid(fitted, series, times):
    step = series.dt
    grid = np.arange(times[0], times[LEARNED - 1], step)
    values = np.stack([np.interp(grid, series.times, column) for column in series.values.T], axis=1)
    run = freerun.RNN(**QUICK).fit(freerun.Series(values, times=grid)).generate(60)
    ours = fitted.generate(60)
    error = np.abs(ours.values - at(ours.times)).max()
    assert error < 0.1 * np.abs(run.values - at(run.times)).max()


def test_without_times_a_run_goes_on_by_the_median_step(fitted, series):
    run = fitted.generate(20)
    assert run.times == pytest.approx(series.times[-1] + np.median(np.diff(series.times)) * np.arange(1, 21))
    assert np.abs(run.values - at(run.times)).max() < 1e-3


def test_a_step_longer_than_those_learned_is_divided(fitted, series):
    later = series.times[-1] + np.array([3.0, 7.5])
    run = fitted.generate(times=later)
    assert np.abs(run.values - at(later)).max() < 1e-3


def test_the_part_after_a_split_is_run_at_its_own_times(times):
    whole = freerun.Series(at(times), times=times, irregular=True)
    before, after = whole.split(LEARNED)
    rnn = freerun.RNN(**QUICK).fit(before)
    assert rnn.generate(60).times == pytest.approx(after.times)
    scores = rnn.evaluate(whole, LEARNED)
    assert scores.vpt == 60
    assert scores.one_step_mse < 1e-7
    predicted = rnn.predict(whole)
    assert np.array_equal(predicted.times, times[1:])
    assert np.abs(predicted.values - at(times[1:])).max() < 1e-3


def test_a_model_file_keeps_them(fitted, series, times, tmp_path):
    fitted.save(tmp_path / "a.freerun")
    loaded = freerun.load(tmp_path / "a.freerun")
    for rnn in (loaded, fitted):
        rnn.update(freerun.Series(at(times[LEARNED:-10]), series.channels, times[LEARNED:-10], irregular=True))
    assert np.array_equal(loaded.generate(times=times[-10:]).values, fitted.generate(times=times[-10:]).values)
    assert np.abs(loaded.generate(times=times[-10:]).values - at(times[-10:])).max() < 1e-3
    fitted.fit(series)


def test_intervals_follow_the_time_since_the_end(fitted, series):
    far = fitted.forecast(times=[series.times[-1] + 10.0], levels=80)
    near = fitted.forecast(times=[series.times[-1] + 0.5], levels=80)

    def width(table):
        return float(table["position_high_80"].iloc[0] - table["position_low_80"].iloc[0])

    assert far.index.tolist() == [series.times[-1] + 10.0]
    assert width(far) > 2 * width(near)


def test_another_series_is_continued_from_its_own_times_and_from_a_regular_grid(fitted):
    grid = 3.0 + 0.25 * np.arange(30)
    for after in (
        freerun.Series(at(grid), ("position", "speed"), grid),
        freerun.Series(at(grid[::3]), ("position", "speed"), grid[::3], irregular=True),
    ):
        run = fitted.generate(times=[11.0, 11.3, 12.0], after=after)
        assert np.abs(run.values - at(run.times)).max() < 5e-3  # of 1.6


def test_dates_and_external_inputs_are_matched_by_time():
    rng = np.random.default_rng(1)
    hours = np.cumsum(rng.uniform(0.2, 1.8, 340))
    index = pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(np.rint(hours * 3600), "s")
    force = rng.normal(size=340)
    state = np.zeros(340)
    for i in range(1, 340):  # decays by the length of the step, and is pushed at its end
        state[i] = state[i - 1] * np.exp(-(index[i] - index[i - 1]).total_seconds() / 7200) + force[i]
    table = pd.DataFrame({"state": state, "force": force}, index=index)
    training = freerun.Series.of(table[["state"]].iloc[:300], inputs=table[["force"]].iloc[:300], irregular=True)
    rnn = freerun.RNN(**QUICK).fit(training)
    run = rnn.generate(times=index[300:], inputs=table[["force"]].iloc[300:])
    assert (run.index == index[300:]).all()
    assert np.abs(run.values[:, 0] - state[300:]).max() < 0.05
    by_inputs = rnn.generate(40, inputs=table[["force"]])
    assert (by_inputs.index == index[300:]).all()
    with pytest.raises(SeriesError, match="rows for other times"):
        rnn.generate(times=index[301:], inputs=table[["force"]].iloc[300:])


def test_a_pause_is_bridged_and_said(times):
    values = pd.DataFrame(at(times), index=times)
    values = values.drop(values.index[100:140])
    with pytest.warns(SeriesWarning, match=r"pauses .* rows without values are added"):
        series = freerun.Series.of(values, irregular=True)
    assert np.diff(series.times).max() < 1.0
    assert np.isnan(series.values).all(axis=1).sum() == len(series) - len(values)
    rnn = freerun.RNN(**QUICK).fit(series)
    later = times[-1] + np.array([0.4, 1.5])
    assert np.abs(rnn.generate(times=later).values - at(later)).max() < 1e-2


def test_steps_of_two_lengths_are_no_pauses():
    times = np.cumsum(np.tile([1.0, 1.0, 1.0, 30.0], 40))
    series = freerun.Series.of(pd.Series(np.sin(times), index=times), irregular=True)
    assert len(series) == 160


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda rnn, series: freerun.Series.of(series.values, irregular=True), "irregular times without times"),
        (lambda rnn, series: freerun.Series(series.values, irregular=True), "irregular times without times"),
        (lambda rnn, series: rnn.predict(series.values), "irregular times without times"),
        (lambda rnn, series: rnn.generate(times=[1.0]), "does not follow"),
        (lambda rnn, series: rnn.generate(times=series.times[-1] + np.array([2.0, 1.0])), "does not follow"),
        (lambda rnn, series: rnn.generate(times=pd.to_datetime(["2024-01-01"])), "times of the next steps are dates"),
        (
            lambda rnn, series: series.with_inputs(pd.DataFrame({"time_step": 1.0}, index=series.times)),
            "named 'time_step'",
        ),
        (
            lambda rnn, series: freerun.Series(series.values[:3], times=np.array([1.0, 3.0, 2.0]), irregular=True),
            "must ascend",
        ),
    ],
)
def test_what_does_not_fit_is_refused(fitted, series, wrong, said):
    with pytest.raises(SeriesError, match=said):
        wrong(fitted, series)


def test_the_number_of_steps_or_their_times_are_needed(fitted, series):
    with pytest.raises(SettingError, match="steps=None: give a whole number"):
        fitted.generate()
    with pytest.raises(SettingError, match="steps and times: give one of them"):
        fitted.generate(3, times=[1e3])
    with pytest.raises(SettingError, match="resampling makes the steps equal"):
        freerun.Series.of(series, irregular=True, resample="1")
    regular = freerun.RNN(**QUICK).fit(np.sin(np.arange(100.0)))
    with pytest.raises(SettingError, match="trained on regular steps"):
        regular.generate(times=[100.5])
    with pytest.raises(SeriesError, match="regular steps of 1 are needed"):
        regular.predict(freerun.Series(series.values[:, :1], ("x",), series.times, irregular=True))


def test_the_command_line(run, times, tmp_path):
    table = pd.DataFrame(at(times), index=pd.Index(times, name="time"), columns=["position", "speed"])
    table.iloc[:LEARNED].to_csv(tmp_path / "a.csv")
    table.to_csv(tmp_path / "all.csv")
    fit = "fit a.csv -o a.freerun -q --cell memoryless --delays 1 --input-scale 0.3 --l2 1e-10 --hidden 120"
    code, _, err = run(fit)
    assert code == 2
    assert "--irregular" in err
    assert run(f"{fit} --irregular")[0] == 0
    asked = ",".join(map(str, times[LEARNED : LEARNED + 3]))
    values = json.loads(run(f"generate a.freerun --times {asked} --json")[1])["values"]
    assert np.abs(np.array(values) - at(times[LEARNED : LEARNED + 3])).max() < 1e-3
    assert json.loads(run(f"forecast a.freerun --times {asked} --levels 80 --json")[1])["horizon"] == 3
    assert json.loads(run("evaluate a.freerun all.csv --irregular --json")[1])["vpt"] == 60
    assert "irregular times" in run("info a.freerun")[1]
    for wrong in ("", "--times soon", f"--steps 3 --times {asked}"):
        assert run(f"generate a.freerun {wrong}")[0] == 2


def test_a_parameter_of_the_series_survives_reading_it_again(series):
    again = freerun.Series.of(series, columns=["speed"])
    assert again.irregular
    assert np.array_equal(again.times, series.times)
    regular = freerun.Series.of(series, resample="1")
    assert not regular.irregular
    assert not regular.input_names
    assert replace(series, values=-series.values).input_names == ("time_step",)
