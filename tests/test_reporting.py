"""The report of a fit says in sentences what its numbers say, and its page holds what was read,
chosen and forecast."""

import html
import shlex
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import freerun
from freerun import RNN, Series, plots
from freerun.backtest import Backtest
from freerun.cli import app
from freerun.data.rows import ReadOptions
from freerun.errors import NotFittedError, SettingError
from freerun.reporting import findings
from freerun.reporting.fit import report_of
from freerun.reporting.outlook import default_horizon, outlook_of
from freerun.reporting.page import Report
from freerun.reporting.recipe import Recipe


def monthly(steps=72, missing=()):
    random, t = np.random.default_rng(0), np.arange(steps)
    values = np.round(100 + t + 20 * np.sin(2 * np.pi * t / 12) + random.normal(size=steps), 1)
    values[list(missing)] = np.nan
    index = pd.date_range("2015-01-01", periods=steps, freq="MS", name="month")
    return Series.of(pd.DataFrame({"<b>air & sea</b>": values}, index=index))


@pytest.fixture(scope="module")
def fitted():
    series = monthly()
    rnn = RNN(cell="smoothing").fit(series)
    return rnn, series, outlook_of(rnn, series)


def made_backtest(ours, naive):
    truth = np.arange(8.0).reshape(2, 4, 1)
    bounds = {80.0: (truth - [[[1.0]], [[-1.0]]], truth + 2.0)}
    forecasts = {"freerun": truth + ours, "last value": truth + 2 * naive, "drift": truth - naive}
    return Backtest(("x",), 1, np.array([10, 14]), truth, forecasts, np.ones((2, 1)), bounds)


def test_a_backtest_is_compared_with_the_best_simple_forecast():
    first, second, *coverage = findings.describe_backtest(made_backtest(ours=0.5, naive=2.0), "day")
    assert first == (
        "On the last 2 occasions, forecasts of 4 days were 75 % closer than the line through the first and the last "
        "value, the best of 2 simple forecasts. They were closer on 2 of 2."
    )
    assert second == "They were 88 % closer than repeating the last value."
    assert coverage == ["4 of 8 true values lay in the 80 % intervals, which is 50 %."]


def test_a_worse_forecast_is_called_further_off():
    first, *_ = findings.describe_backtest(made_backtest(ours=3.0, naive=2.0), "step")
    assert "50 % further off than the line" in first
    assert "closer on 0 of 2" in first


def test_occasions_without_simple_forecasts_have_errors_in_units_of_the_series():
    result = made_backtest(ours=3.0, naive=2.0)
    alone = Backtest(
        result.channels, 1, result.origins, result.truth, {"freerun": result.forecasts["freerun"]}, result.scales
    )
    assert findings.describe_backtest(alone, "step") == [
        "On the last 2 occasions, forecasts of 4 steps were 3 off on average."
    ]


@pytest.mark.parametrize(
    ("steps", "seasons", "horizon"),
    [
        (144, (12,), 12),
        (60, (12,), 12),
        (2000, (24, 168), 168),
        (500, (24, 168), 24),
        (50, (), 5),
        (8, (), 1),
        (10**5, (), 100),
    ],
)
def test_the_usual_horizon_is_a_season_or_a_tenth_of_the_series(steps, seasons, horizon):
    assert default_horizon(steps, seasons) == horizon


def test_facts_of_a_series_name_times_and_gaps():
    facts = dict(findings.facts_of_series(monthly(missing=[30, 31, 50])))
    assert facts["times"] == "2015-01 to 2020-12, one a month"
    assert facts["missing values"] == "3; the longest gap has 2 months, in <b>air & sea</b> from 2017-07"
    assert dict(findings.facts_of_series(Series(np.arange(5.0))))["times"] == "none were given; the steps are counted"


def test_how_far_a_forecast_reaches_is_where_its_interval_is_as_wide_as_the_past(fitted):
    _, series, outlook = fitted
    low, high = np.nanquantile(series.values[:, 0], [0.1, 0.9])
    upper = (high - low) * np.linspace(0.5, 1.7, 12)[:, None]
    wider = replace(outlook.forecast, bounds={80.0: (np.zeros((12, 1)), upper)})
    reached = findings.describe_reach(replace(outlook, forecast=wider))
    assert reached is not None
    assert "for 5 months. From there on" in reached  # 0.5 + 1.2 * 5 / 11 is above 1


def test_noise_is_taken_for_structure_as_rarely_as_its_band_says():
    random, truth = np.random.default_rng(1), Series(10 * np.sin(np.arange(201) / 5))

    def finds_structure(errors):
        _, sentence = findings.describe_residuals(truth, Series(truth.values[1:] - errors[:, None]))
        return "structure that the network does not use" in sentence

    noises = random.normal(size=(400, 201))
    assert 0.02 < np.mean([finds_structure(noise[1:]) for noise in noises]) < 0.08  # 0.05 +- 0.011
    assert np.mean([finds_structure(noise[1:] + 0.9 * noise[:-1]) for noise in noises[:40]]) > 0.95


def test_residuals_are_drawn_with_their_autocorrelation():
    random = np.random.default_rng(2)
    errors = np.convolve(random.normal(size=300), [1.0, 0.8], mode="valid")
    series = Series(np.zeros(300))
    figure = plots.residuals(series, Series(-errors[:, None], dt=1.0, times=np.arange(1.0, 300)))
    over_time, by_lag, _ = figure.axes
    np.testing.assert_allclose(np.asarray(over_time.lines[1].get_ydata()), errors)
    drawn: Any = by_lag.collections[0]
    first = drawn.get_segments()[0][1]
    assert first[0] == 1
    assert first[1] == pytest.approx(np.corrcoef(errors[1:], errors[:-1])[0, 1], abs=0.01)


def test_occasions_are_drawn_at_their_origins():
    result = made_backtest(ours=0.5, naive=2.0)
    series = Series(np.arange(20.0) % 7)
    drawn = [np.asarray(line.get_xdata()) for line in plots.occasions(series, result).axes[0].lines]
    drawn = [times for times in drawn if len(times) == 4]
    np.testing.assert_array_equal(np.asarray(drawn), [np.arange(10, 14), np.arange(14, 18)])


def test_cycles_of_a_season_end_with_the_series():
    series = Series(np.arange(30.0))
    *_, last = plots.seasons(series, 12).axes[0].lines
    np.testing.assert_array_equal(np.asarray(last.get_ydata()), np.arange(18.0, 30.0))


def test_the_page_has_forecast_backtest_and_pictures_with_names_as_text(fitted, tmp_path):
    *_, outlook = fitted
    path = tmp_path / "out.html"
    report_of(outlook, "<script>x</script>", notes=["1 step has no row"], repeat=["freerun fit a.csv"]).save(path)
    page = path.read_text()
    for text in (
        "The next 12 months",
        "On the last 3 occasions",
        "The season",
        "1 step has no row",
        "freerun fit a.csv",
    ):
        assert text in page
    assert "<script>" not in page
    assert "<b>air" not in page
    assert page.count("<img ") == page.count('alt="') == 7
    value = outlook.forecast.point[0, 0]
    assert f"<td>2021-01</td><td>{value:.5g}</td>" in page


def test_a_series_too_short_for_a_backtest_says_so():
    series = Series(np.random.default_rng(0).normal(size=9))
    outlook = outlook_of(RNN().fit(series), series, horizon=5)
    assert outlook.backtest is None
    assert "needs 10" in outlook.no_backtest


def test_unknown_future_inputs_leave_the_forecast_out():
    t = np.arange(80.0)
    series = Series(np.sin(t / 3)).with_inputs(np.cos(t / 3))
    rnn = RNN(20, optimizer="ridge", delays=2, l2=1e-6).fit(series)
    outlook = outlook_of(rnn, series, horizon=4, folds=0)
    assert outlook.forecast is None
    assert "known 0 steps ahead, and 4 would be forecast" in outlook.no_forecast
    report_of(outlook, "waves")


def test_a_report_needs_a_fit(tmp_path):
    with pytest.raises(NotFittedError):
        freerun.report(RNN(), np.arange(30.0), tmp_path / "out.html")
    with pytest.raises(SettingError, match="folds"):
        freerun.report(RNN(cell="smoothing").fit(np.arange(30.0) % 5), np.arange(30.0) % 5, tmp_path / "x", folds=-1)


def test_the_command_writes_the_page_and_refuses_what_it_cannot_show(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monthly().to_pandas().to_csv("air.csv")
    run = CliRunner().invoke
    done = run(
        app, ["fit", "air.csv", "--cell", "smoothing", "-o", "m.freerun", "--report", "out.html", "--horizon", "6"]
    )
    assert done.exit_code == 0, done.output
    page = (tmp_path / "out.html").read_text()
    assert "The next 6 months" in page
    assert "freerun.RNN(cell=&#x27;smoothing&#x27;).fit(series)" in page
    several = run(app, ["fit", "air.csv", "air.csv", "-o", "n.freerun", "--report", "two.html"])
    assert isinstance(several.exception, SettingError)
    assert "--report shows one series" in str(several.exception)
    for option in (("--horizon", "6"), ("--levels", "50")):
        alone = run(app, ["fit", "air.csv", "-o", "n.freerun", *option])
        assert f"{option[0]}: applies to the report; add --report FILE" in str(alone.exception)
    assert not (tmp_path / "n.freerun").exists()


def test_the_command_and_the_code_of_a_recipe_repeat_the_fit(tmp_path, monkeypatch):
    """Both read one of two series, with an input, and write pages that show the same forecast."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Report, "picture", lambda *_: None)
    t, name = np.arange(52), "two words.csv"
    rows = pd.DataFrame({"when": pd.date_range("2020-01-01", periods=52, freq="MS"), "warm": np.cos(t / 2)})
    sold = np.where(t < 48, t + 10 * rows["warm"], np.nan)
    shops = [rows.assign(shop=shop, sold=factor * sold) for shop, factor in (("a b", 1), ("c", 3))]
    pd.concat(shops).to_csv(name, index=False)
    options = ReadOptions(columns=("sold", "warm"), time="when", id="shop=a b", decimal=".")
    settings = {"hidden": 5, "delays": 2, "optimizer": "ridge", "l2": 1e-3}
    recipe = Recipe(name, options, ("warm",), settings, 4, (50.0, 90.0))
    assert recipe.stem == "a-b"
    exec(recipe.code, (names := {}))
    series: Any = names["series"]
    np.testing.assert_allclose(series.values[:, 0], sold[:48])
    assert series.input_names == ("warm",)
    assert names["rnn"].get_params()["hidden"] == 5
    (tmp_path / "a-b.html").rename("code.html")
    words = shlex.split(recipe.command)
    assert words[:3] == ["freerun", "fit", name]
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    by_code, by_command = ((tmp_path / page).read_text().split("Would it")[0] for page in ("code.html", "a-b.html"))
    assert by_code == by_command
    assert recipe.code.splitlines()[2:4] == [
        line
        for line in html.unescape((tmp_path / "a-b.html").read_text()).splitlines()
        if line[:7] in ("series ", "rnn = f")
    ]


def test_predictions_count_once_a_whole_window_was_read():
    """Of lags 0 to 7 of differences of one step,
    the window before step 9 reaches back before the series."""
    steps = np.arange(60.0)
    series = Series(100 + 10 * np.sin(steps))
    outlook = outlook_of(RNN(20, optimizer="ridge", delays=8, difference=1, l2=1e-9).fit(series), series, 3, folds=0)
    known = np.isfinite(outlook.predictions.values[:, 0])
    np.testing.assert_array_equal(np.flatnonzero(~known), np.arange(8))
    assert "explain 100 % of the variance" in findings.describe_residuals(series, outlook.predictions)[0]
