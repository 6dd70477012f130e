"""The studio's way "What comes next?" without a browser: what is understood, asked,
forecast and taken away."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun.data.rows import ReadOptions
from freerun.errors import FreerunError, SettingError
from freerun.estimator import RNN
from freerun.reporting.outlook import outlook_of
from freerun.reporting.page import Report
from freerun.studio.forecast import worker
from freerun.studio.forecast.ask_pane import describe_known_inputs, describe_state, request_of, share_done
from freerun.studio.forecast.downloads import FILES, download
from freerun.studio.forecast.examples import EXAMPLES
from freerun.studio.forecast.pictures import correlation_chart, forecast_chart, occasions_chart, season_chart
from freerun.studio.forecast.questions import OTHERWISE, QUESTIONS, find_question
from freerun.studio.forecast.reading_pane import FOUND, IRREGULAR, NONE, reading_of
from freerun.studio.forecast.store import ForecastRecord, Forecasts, Request, named
from freerun.studio.reading import Reading, Understanding, understand
from freerun.studio.records import read_note, write_note

DAYS = pd.date_range("2024-03-01", periods=20)


@pytest.fixture
def table(tmp_path):
    def write(text: str | bytes, name: str = "table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def monthly(steps: int, begin: str = "2015-01") -> pd.DataFrame:
    t = np.arange(steps)
    months = pd.period_range(begin, periods=steps, freq="M").astype(str)
    return pd.DataFrame({"month": months, "sold": np.round(100 + t + 20 * np.sin(2 * np.pi * t / 12) + (7 * t) % 5, 1)})


def test_times_gaps_and_numbers_are_understood(table):
    frame = monthly(60).drop(index=[10, 11])
    frame.loc[20, "sold"] = np.nan
    found, series = understand(table(frame.to_csv(index=False, sep=";", decimal=",")), Reading())
    assert not found.error
    assert found.columns == {"month": "date", "sold": "number"}
    assert (found.rows, found.steps, found.word, found.times) == (58, 60, "month", ["month"])
    assert found.head[0] == ["2015-01", "100,0"]
    assert dict(found.facts)["missing values"] == "3; the longest gap has 2 months, in sold from 2015-11"
    assert found.horizon == 12
    assert series is not None
    dates = pd.DatetimeIndex(pd.to_datetime([point[0] for point in found.curves["sold"]], unit="ms"))
    assert list(dates) == list(series.index)
    assert any("2 of 60 steps (MS) have no row" in note for note in found.notes)


def test_several_series_and_columns_of_text_are_understood(table):
    shops = [
        pd.DataFrame({"day": DAYS, "shop": shop, "sold": np.arange(20), "why": "rain"}) for shop in ("north", "south")
    ]
    path = table(pd.concat(shops).to_csv(index=False))
    found, series = understand(path, Reading(), shown="south")
    assert (found.ids, found.count, found.shown) == (["north", "south"], 2, "south")
    assert found.left_out == ["why"]
    reading = Reading.of_json(found.reading)
    assert reading.options == ReadOptions(columns=("sold",), id="shop")
    assert series is not None
    assert len(series) == 20
    one, series = understand(path, Reading(single=True))
    assert series is None
    assert find_question(one.error)[0] == "id"


@pytest.mark.parametrize(("name", "count", "known"), [("Monthly sales", 1, 0), ("Two shops and their offers", 2, 14)])
def test_an_example_is_understood(table, name, count, known):
    file, text, inputs = EXAMPLES[name]
    found, series = understand(table(text(), file), Reading(inputs=inputs))
    assert series is not None, found.error
    assert series.input_names == inputs
    assert (found.count, found.known_ahead) == (count, known)
    if inputs:
        assert describe_known_inputs(found) == "After the last value of the series, offer: known for 14 days."


@pytest.mark.parametrize(
    ("text", "control", "words"),
    [
        ("day,x\n" + "".join(f"{d}.03.2024,{d}\n" for d in (1, 2, 5, 11, 12, 23)), "resample", "regular"),
        ("x,y\n1,2\n3,oops\n5,6\n7,8\n", None, "line 3, column 'y': 'oops' is not a number"),
        ("when,what\n2024-01-01,rain\n2024-01-02,sun\n", None, "no column holds numbers"),
        ("", None, "empty"),
        (b"PK\x03\x04 this is no table \x00\x01\x02", None, "zip file"),
    ],
)
def test_a_table_that_cannot_be_read_is_shown_and_asked_about(table, text, control, words):
    path = table(text)
    found, series = understand(path, Reading())
    assert series is None
    assert words in found.error
    assert str(path) not in found.error
    asked, question = find_question(found.error)
    if control is not None:
        assert asked == control
    assert question in (*QUESTIONS.values(), OTHERWISE)


def test_controls_say_how_a_table_is_read_and_leave_open_what_is_found(table):
    found, _ = understand(table(monthly(30).assign(warm=1.5).to_csv(index=False)), Reading())
    entries: dict[str, Any] = {"time": FOUND, "id": FOUND, "column": ["sold", "warm"], "input": [], "resample": FOUND}
    entries |= {"missing": "mask", "decimal": FOUND, "zone": " "}
    assert reading_of(entries, found) == Reading()
    chosen = reading_of(entries | {"column": ["sold"], "id": NONE, "resample": "QS"}, found)
    assert chosen == Reading(ReadOptions(columns=("sold",), resample="QS"), single=True)
    driven = reading_of(entries | {"column": ["sold"], "input": ["warm"]}, found)
    assert driven == Reading(inputs=("warm",))
    assert reading_of(entries | {"resample": IRREGULAR}, found) == Reading(ReadOptions(irregular=True))
    with pytest.raises(FreerunError, match="decimal"):
        reading_of(entries | {"decimal": ";"}, found)


def test_a_request_is_checked_and_kept_as_json():
    found = Understanding(ids=["a", "b"], count=2)
    entries = {"series": ["b"], "horizon": 6.0, "levels": "50, 90", "season": None, "coming": "last"}
    request = request_of("t.csv", found, entries)
    assert (request.series, request.horizon, request.levels) == (("b",), 6, (50.0, 90.0))
    assert Request.of_json(json.loads(json.dumps(request.to_json()))) == request
    for wrong, words in (
        ({"series": []}, "no series is chosen"),
        ({"horizon": 2.5}, r"steps 2\.5: give a whole number from 1 on"),
        ({"season": -1.0}, "season -1"),
        ({"levels": "eighty"}, "give percentages"),
        ({"levels": "0.8"}, "did you mean 80"),
    ):
        with pytest.raises(SettingError, match=words):
            request_of("t.csv", found, entries | wrong)
    assert named("t.csv", ("a", "b", "c")) == "t.csv: a, b and 1 more"
    driven = replace(found, reading=Reading(inputs=("u",)).to_json(), known_ahead=5, word="day")
    assert request_of("t.csv", driven, entries).coming == "last"
    with pytest.raises(SettingError, match=r"u: known for 5 days\. Forecast no more steps than that"):
        request_of("t.csv", driven, entries | {"coming": "file"})


def test_progress_counts_all_series_alike():
    progress = {"place": 1, "of": 4, "series": "b", "task": "backtest", "done": 1, "total": 2, "pace": ""}
    assert share_done(progress) == 1.5 / 4
    asked = ForecastRecord(1, "t.csv", 0.0, "running", "", Request("t.csv"))
    assert describe_state(asked, progress) == "b (2 of 4): backtest 1 of 2"
    assert (
        describe_state(ForecastRecord(1, "t.csv", 0.0, "failed", "too short", Request("t.csv")), None)
        == "t.csv: failed: too short"
    )


@pytest.mark.parametrize(("coming", "expected"), [("last", [11, 11, 11]), ("season", [5, 6, 7])])
def test_inputs_to_come_stay_or_repeat_their_season(coming, expected):
    days = pd.date_range("2024-01-01", periods=14)
    weekday = np.array([d.dayofweek for d in days], float)
    series = freerun.Series.of(pd.DataFrame({"y": weekday, "u": 5 + weekday}, index=days)).with_inputs(["u"])
    assert worker.with_assumed_inputs(series, 3, "file") is series
    driven = worker.with_assumed_inputs(series, 3, coming)
    np.testing.assert_array_equal(driven.inputs[14:, 0], expected)
    assert worker.with_assumed_inputs(driven, 2, coming) is driven


def test_inputs_to_come_at_unknown_times_are_refused():
    frame = pd.DataFrame({"y": np.arange(8.0), "u": 1.0}, index=np.arange(8) ** 1.5)
    series = freerun.Series.of(frame, irregular=True)
    assert worker.with_assumed_inputs(series, 3, "last") is series
    driven = series.channel("y").with_inputs(frame[["u"]])
    with pytest.raises(SettingError, match="times of future external inputs are not known; give rows"):
        worker.with_assumed_inputs(driven, 3, "last")


def test_a_table_of_irregular_times_is_understood_and_forecast(table):
    times = np.cumsum(np.random.default_rng(0).uniform(0.1, 0.9, 60))
    path = table(pd.DataFrame({"time": times, "x": np.cos(times)}).to_csv(index=False))
    refused, _ = understand(path, Reading())
    assert find_question(refused.error)[0] == "resample"
    found, series = understand(path, Reading(ReadOptions(irregular=True)))
    assert series is not None
    assert list(found.curves) == ["x"]
    assert f"irregular times, {np.median(np.diff(times)):.4g} apart (median)" in dict(found.facts)["times"]
    outlook = outlook_of(RNN(20, cell="memoryless", delays=1, optimizer="ridge").fit(series), series, 6, folds=0)
    assert outlook.forecast is not None
    np.testing.assert_allclose(np.diff(np.asarray(outlook.forecast.index, float)), np.median(np.diff(times)))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished forecast of two series of which one is too short,
    without pictures in its report."""
    folder = tmp_path_factory.mktemp("studio")
    shops = {"<b>a</b>": 40, "short": 2, "c": 30}
    frame = pd.concat([monthly(steps).assign(shop=name) for name, steps in shops.items()])
    frame.to_csv(folder / "long.csv", index=False)
    store = Forecasts(folder)
    request = Request("long.csv", Reading(ReadOptions(id="shop")), tuple(shops), 4, (50.0, 90.0))
    asked = store.add(request, folder / "long.csv")
    write_note(store.folder_of(asked.id), "job", request.to_json())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Report, "picture", lambda *_: None)
        worker.forecast(store.folder_of(asked.id))
    return store, asked


def test_a_forecast_is_that_of_the_library(made):
    store, asked = made
    view = read_note(store.place_of(asked.id, 0), "view")
    series = freerun.Series.of(monthly(40).set_index("month"))
    expected = freerun.RNN().fit(series).forecast(4, levels=(50, 90))
    ahead = view["by_channel"]["sold"]["ahead"]
    np.testing.assert_allclose([value for _, value in ahead["point"]], expected["sold"])
    np.testing.assert_allclose([low for _, low, _ in ahead["bands"]["90"]], expected["sold_low_90"])
    assert [pd.Timestamp(t, unit="ms").strftime("%Y-%m") for t, _ in ahead["point"]] == [
        "2018-05",
        "2018-06",
        "2018-07",
        "2018-08",
    ]
    assert view["by_channel"]["sold"]["past"]["sentences"][0].startswith(
        "On the last 5 occasions, forecasts of 4 months"
    )
    assert view["season"] == 12
    assert dict(view["facts"])["seasons"] == "12 months"
    assert "--id 'shop=<b>a</b>'" in view["again"]["command"]


def test_a_series_that_cannot_be_forecast_says_so_and_the_others_go_on(made):
    store, asked = made
    assert "has 2 values; a forecast needs 3 or more" in read_note(store.place_of(asked.id, 1), "view")["error"]
    result = read_note(store.folder_of(asked.id), "result")
    assert result["state"] == "done"
    assert "has 2 values" in result["message"]
    assert set(pd.read_csv(store.folder_of(asked.id) / "forecasts.csv")["shop"]) == {"<b>a</b>", "c"}


def test_charts_have_the_forecast_from_the_last_value_on(made):
    store, asked = made
    view = read_note(store.place_of(asked.id, 0), "view")
    drawn = {
        curve["name"]: np.asarray(curve["data"], float) for curve in forecast_chart(view, "sold", whole=True)["series"]
    }
    assert list(drawn) == ["sold", "90 % interval", "50 % interval", "forecast"]
    assert len(drawn["sold"]) == 40
    np.testing.assert_array_equal(drawn["forecast"][0], drawn["sold"][-1])
    assert len(drawn["forecast"]) == 5
    inner, outer = drawn["50 % interval"], drawn["90 % interval"]
    assert (outer[1:, 1] < inner[1:, 1]).all()
    assert (outer[1:, 2] > inner[1:, 2]).all()
    occasions = occasions_chart(view, "sold")["series"]
    assert sum(curve["name"] == "forecasts" for curve in occasions) == 5
    *_, last, ahead = season_chart(view, "sold")["series"]
    np.testing.assert_array_equal(np.asarray(last["data"])[:, 1], monthly(40)["sold"].to_numpy()[-12:])
    assert len(ahead["data"]) == 4
    assert [curve["name"] for curve in correlation_chart(view, "sold")["series"]] == ["chance", "autocorrelation"]


def test_only_files_of_a_forecast_are_taken_away(made):
    store, asked = made

    def status(number: Any, place: Any, suffix: str) -> int:
        request: Any = SimpleNamespace(path_params={"number": number, "place": place, "suffix": suffix})
        return download(store, request).status_code

    there = {suffix for suffix in FILES if status(asked.id, 0, suffix) == 200}
    assert there == {"csv", "all.csv", "png", "freerun", "html"}
    assert status(asked.id, 1, "csv") == 404
    for number, place, suffix in (
        (99, 0, "csv"),
        (asked.id, 7, "csv"),
        (asked.id, 0, "json"),
        (asked.id, 10**30, "csv"),
    ):
        assert status(number, place, suffix) == 404
    model = freerun.load(store.place_of(asked.id, 0) / "model.freerun")
    table = pd.read_csv(store.place_of(asked.id, 0) / "forecast.csv")
    np.testing.assert_allclose(model.forecast(4, levels=(50, 90))["sold"], table["sold"])
    page = (store.place_of(asked.id, 0) / "report.html").read_text()
    assert "The next 4 months" in page
    assert "<b>a" not in page
