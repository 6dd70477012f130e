"""Many series at once: each as if it were alone, whatever the others are, however the table comes,
and once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest

import freerun
from freerun.compute.processes import ProcessEngine
from freerun.errors import OutputError, SearchError, SeriesError, SettingError
from freerun.many import running, tables
from freerun.many.chunks import divide
from freerun.many.tasks import run_chunk
from freerun.training.history import Progress

tolerant = pytest.mark.filterwarnings("ignore:.*(were refused|steps of different lengths)")
"""Where warnings are no matter of the test."""

SMALL: dict[str, Any] = {
    "optimizer": "ridge",
    "hidden": 10,
    "cell": "memoryless",
    "delays": 3,
    "input_scale": 0.5,
    "l2": 1e-4,
    "members": 1,
}
"""A network that is solved in milliseconds."""


def one(name: Any, steps: int, start: str = "2015-01-01", freq: str = "MS", seed: int = 0) -> pd.DataFrame:
    """A series of a long table: a season of 12 steps, and noise."""
    t, random = np.arange(steps), np.random.default_rng([seed, steps])
    values = 100 + 10 * np.sin(2 * np.pi * t / 12 + seed) + random.normal(0, 1, steps)
    return pd.DataFrame({"unique_id": name, "ds": pd.date_range(start, periods=steps, freq=freq), "y": values})


def several(count: int, steps: int = 12) -> pd.DataFrame:
    return pd.concat([one(f"s{i:03d}", steps, seed=i) for i in range(count)], ignore_index=True)


def alone(frame: pd.DataFrame, name: Any) -> pd.DataFrame:
    """The rows of one series, without its name and index."""
    return frame.loc[frame.unique_id == name, frame.columns != "unique_id"].reset_index(drop=True)


@pytest.fixture(scope="module")
def each_alone():
    """Series of several lengths and steps, and the forecast of each by itself."""
    frame = pd.concat([one("a", 60), one("b", 45, "2001-03-01", seed=1), one("weeks", 70, freq="W-SUN"), one("c", 9)])
    names = frame.unique_id.unique()
    return frame, {name: freerun.RNN().fit(alone(frame, name)).forecast(5, (80, 95)) for name in names}


@tolerant
@pytest.mark.parametrize("workers", [1, 2])
def test_each_series_gets_the_forecast_that_it_gets_alone(workers, each_alone):
    frame, forecasts = each_alone
    found = freerun.forecast_many(frame, 5, levels=(80, 95), workers=workers)
    assert list(found.forecasts.columns) == [
        "unique_id",
        "ds",
        "y",
        *(f"y_{e}_{p}" for p in (80, 95) for e in ("low", "high")),
    ]
    assert found.refused.reason.tolist() == []
    assert found.forecasts.unique_id.drop_duplicates().tolist() == ["a", "b", "weeks", "c"]
    for name, expected in forecasts.items():
        part = alone(found.forecasts, name).set_index("ds")
        np.testing.assert_array_equal(part.index, expected.index)
        np.testing.assert_allclose(part, expected, rtol=1e-9)
    summary = found.summary
    assert (summary.series, summary.done, summary.refused) == (4, 4, 0)
    assert summary.steps == {"MS": 3, "W-SUN": 1}
    assert sum(summary.methods.values()) == 4
    assert summary.methods["exponential smoothing"] >= 1


def bad(name: str) -> pd.DataFrame:
    """A series that cannot be forecast."""
    frame = one(name, 24)
    if name == "constant":
        frame["y"] = 5.0
    elif name == "empty":
        frame["y"] = np.nan
    elif name == "short":
        frame = frame.head(2)
    elif name == "twice":
        frame = pd.concat([frame, frame.iloc[[3]]])
    elif name == "uneven":
        frame["ds"] = frame["ds"] + pd.to_timedelta(np.arange(24) ** 2 % 17, unit="D")
    return frame


REASONS = {
    "constant": "is constant",
    "empty": "no value at all",
    "short": "2 steps",
    "twice": "2015-04-01 occurs twice",
    "uneven": "not regular",
}


@tolerant
@pytest.mark.parametrize("scattered", [False, True])
def test_bad_series_are_refused_with_their_reasons_and_the_others_go_on(tmp_path, scattered):
    frame = pd.concat([one("good", 24), *map(bad, REASONS), one(None, 24), one("last", 24)], ignore_index=True)
    frame = frame.sort_values("ds", kind="stable", ignore_index=True) if scattered else frame
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=30)
    with pytest.warns(freerun.errors.SeriesWarning, match="6 of 8 series were refused"):
        found = freerun.forecast_many(tmp_path / "t.parquet", 3, workers=1, **SMALL)
    assert set(found.forecasts.unique_id) == {"good", "last"}
    refused = found.refused.set_index("unique_id").reason
    assert "24 rows have no name" in refused[refused.index.isna()].item()
    assert {name: REASONS[name] in refused[name] for name in REASONS} == dict.fromkeys(REASONS, True)
    assert len(found.summary.reasons) == 6


@tolerant
def test_text_and_missing_inputs_are_the_fault_of_their_series_alone(tmp_path):
    frame = pd.concat([one("a", 30), one("b", 30), one("c", 30)], ignore_index=True)
    frame["promo"] = np.arange(90) % 4.0
    coming = frame.unique_id.isin(["a", "b"]) & (frame.groupby("unique_id").cumcount() >= 27)
    frame.loc[coming, "y"] = np.nan
    frame["y"] = frame.y.astype(object)
    frame.loc[35, "y"] = "n/k"
    frame.to_csv(tmp_path / "t.csv", index=False)
    for data in (frame, tmp_path / "t.csv"):
        found = freerun.forecast_many(data, 3, inputs="promo", workers=1, **SMALL)
        assert set(found.forecasts.unique_id) == {"a"}
        reasons = found.refused.set_index("unique_id").reason
        assert "'n/k' is not a number" in reasons["b"]
        assert "input" in reasons["c"]
    assert "line 37" in reasons["b"]


@pytest.mark.parametrize("kind", ["polars", "arrow", "csv", "folder", "index", "shuffled"])
def test_a_table_may_come_in_any_form(tmp_path, kind):
    frame = several(5, 24)
    expected = freerun.forecast_many(frame, 3, levels=80, workers=1, **SMALL).forecasts
    data: Any = frame
    if kind == "polars":
        data = polars.from_pandas(frame)
    elif kind == "arrow":
        data = pa.Table.from_pandas(frame)
    elif kind == "csv":
        data = tmp_path / "t.csv"
        frame.to_csv(data, index=False)
    elif kind == "folder":
        data = tmp_path
        frame[:50].to_parquet(tmp_path / "0.parquet")
        frame[50:].to_parquet(tmp_path / "1.parquet")
    elif kind == "index":
        data = frame.set_index(["unique_id", "ds"])
    else:
        data = frame.sample(frac=1, random_state=0)
    found = freerun.forecast_many(data, 3, levels=80, workers=1, **SMALL).forecasts
    assert type(found).__module__.partition(".")[0] == {"polars": "polars", "arrow": "pyarrow"}.get(kind, "pandas")
    table = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    table = table.sort_values("unique_id", kind="stable", ignore_index=True)
    assert table.unique_id.tolist() == expected.unique_id.tolist()
    np.testing.assert_array_equal(table.ds, expected.ds)
    np.testing.assert_allclose(
        table[["y", "y_low_80", "y_high_80"]], expected[["y", "y_low_80", "y_high_80"]], rtol=1e-9
    )


def test_names_and_times_that_are_integers_stay_integers():
    frame = pd.DataFrame({"shop": np.repeat([7, 3], 24), "t": np.tile(np.arange(24), 2), "y": several(4)["y"]})
    found = freerun.forecast_many(frame, 2, id="shop", workers=1, **SMALL).forecasts
    assert found.shop.tolist() == [7, 7, 3, 3]
    assert found.t.tolist() == [24, 25, 24, 25]
    assert (found.dtypes[["shop", "t"]] == np.int64).all()


def test_times_in_two_columns_are_found_beside_a_target():
    frame = several(2, 24)
    parts = frame.assign(year=frame.ds.dt.year, month=frame.ds.dt.month).drop(columns="ds")
    found = freerun.forecast_many(parts, 2, target="y", workers=1, **SMALL).forecasts
    expected = freerun.forecast_many(frame, 2, workers=1, **SMALL).forecasts.rename(columns={"ds": "time"})
    pd.testing.assert_frame_equal(found, expected)
    assert freerun.Series.of(alone(parts, "s000"), columns="y").calendar.frequency == "MS"


@tolerant
def test_a_series_with_times_of_another_kind_is_refused():
    frame = several(3, 24).astype({"ds": object})
    frame.loc[frame.unique_id == "s001", "ds"] = np.arange(24)
    found = freerun.forecast_many(frame, 2, workers=1, **SMALL)
    assert found.refused.unique_id.tolist() == ["s001"]
    assert "its times are numbers, those of other series dates" in found.refused.reason[0]


@pytest.mark.parametrize("rows", [10**6, 50])
def test_scattered_series_are_gathered_at_bounded_memory(tmp_path, monkeypatch, rows):
    """Rows in the order of their times: in memory, and by files of 50 rows each."""
    monkeypatch.setattr(tables, "IN_MEMORY", rows)
    monkeypatch.setattr(tables, "BATCH", 37)
    frame = several(12, 24)
    frame.to_parquet(tmp_path / "sorted.parquet")
    frame.sort_values(["ds", "y"]).to_parquet(tmp_path / "scattered.parquet")
    output = tmp_path / "f.parquet"
    expected = freerun.forecast_many(tmp_path / "sorted.parquet", 3, workers=1, **SMALL).forecasts
    found = freerun.forecast_many(tmp_path / "scattered.parquet", 3, workers=1, output=output, **SMALL).forecasts
    pd.testing.assert_frame_equal(found.sort_values(["unique_id", "ds"], ignore_index=True), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.parquet", "scattered.parquet", "sorted.parquet"]


@pytest.mark.slow
def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path):
    """10 million rows, of which a DataFrame takes 240 MB or more, in chunks:
    at most 200 MB more than at first."""
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema({"unique_id": pa.string(), "ds": pa.int64(), "y": pa.float64()})
    with ParquetWriter(tmp_path / "t.parquet", schema) as writer:
        for part in range(10):
            names = np.repeat([f"series number {i:06d}" for i in range(part * 1000, part * 1000 + 1000)], 1000)
            columns = {
                "unique_id": names,
                "ds": np.tile(np.arange(1000), 1000),
                "y": np.random.default_rng(0).random(10**6),
            }
            writer.write_table(pa.table(columns, schema))
    program = """
import re, sys
from pathlib import Path
from freerun.data.rows import ReadOptions
from freerun.many.chunks import chunks_of, divide
from freerun.many.columns import choose_columns
from freerun.many.tables import open_table

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

table, options = open_table("t.parquet"), ReadOptions(id="unique_id")
columns = choose_columns(table.head, options, ())
before = peak()
table.count(columns, options)
chunks = chunks_of(table, divide(table.rows), None)
print(sum(len(chunk.names) for chunk in chunks), peak() - before)
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    series, more = told.stdout.split()
    assert int(series) == 10_000
    assert float(more) < 200


def test_chunks_depend_on_the_table_alone():
    bounds = divide([60] * 1000)
    assert bounds[0] == (0, 16)
    assert [first for first, _ in bounds[1:]] == [last for _, last in bounds[:-1]]
    assert divide([30_000] * 3) == [(0, 1), (1, 2), (2, 3)]
    assert divide([]) == []


def read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path)


def wait_for_parts(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    while len(list(folder.glob("[0-9]*"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


LONG = "sales.parquet", "--horizon", "3", "--workers", "2", "-o", "f.parquet", "--json"


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    several(12, 40).to_parquet(tmp_path / "sales.parquet")
    return tmp_path


def test_a_killed_run_goes_on_and_does_each_series_once(launch, sales):
    expected = freerun.forecast_many(sales / "sales.parquet", 3, workers=1).forecasts
    victim = launch("forecast", *LONG)
    parts = sales / "f.parquet.parts"
    wait_for_parts(victim, parts, 3)
    victim.kill()
    victim.communicate()
    left = {path.name: path.stat().st_mtime_ns for path in parts.glob("[0-9]*")}
    assert 3 <= len(left) < 12
    assert not (sales / "f.parquet").exists()
    again = launch("forecast", *LONG)
    wait_for_parts(again, parts, len(left) + 2)
    assert {name: (parts / name).stat().st_mtime_ns for name in left} == left
    out, _ = again.communicate()
    assert json.loads(out)["resumed"] == len(left)
    assert not parts.exists()
    pd.testing.assert_frame_equal(read(sales / "f.parquet"), expected)


def test_ctrl_c_leaves_what_was_reached(launch, run, sales):
    victim = launch("forecast", *LONG)
    wait_for_parts(victim, sales / "f.parquet.parts", 2)
    victim.send_signal(signal.SIGINT)
    _, err = victim.communicate()
    assert victim.returncode == 130
    assert "what was reached is in f.parquet" in err
    reached = read(sales / "f.parquet")
    assert 2 <= reached.unique_id.nunique() < 12
    assert run(" ".join(["forecast", *LONG]))[0] == 0
    whole = read(sales / "f.parquet")
    assert whole.unique_id.nunique() == 12
    pd.testing.assert_frame_equal(whole.merge(reached[["unique_id", "ds"]]), reached)


class Stopped(Exception):  # noqa: N818 - as a KeyboardInterrupt is
    """Ends a run as a killed process would."""


def stop_after(count: int) -> Any:
    def progress(said: Progress) -> None:
        if said.done >= count:
            raise Stopped

    return progress


def test_changed_data_and_options_are_done_anew_and_it_is_said(tmp_path):
    frame, output = several(8, 24), tmp_path / "f.parquet"
    with pytest.raises(Stopped):
        freerun.forecast_many(frame, 3, workers=1, output=output, progress=stop_after(4), **SMALL)
    with pytest.raises(Stopped), pytest.warns(freerun.errors.SeriesWarning, match="made anew"):
        freerun.forecast_many(frame, 4, workers=1, output=output, progress=stop_after(6), **SMALL)
    frame.loc[frame.unique_id == "s001", "y"] += np.arange(24)
    with pytest.warns(freerun.errors.SeriesWarning, match="made anew"):
        found = freerun.forecast_many(frame, 4, workers=1, output=output, **SMALL)
    assert found.summary.resumed == 5
    pd.testing.assert_frame_equal(found.forecasts, freerun.forecast_many(frame, 4, workers=1, **SMALL).forecasts)


@tolerant
def test_forecasts_and_refusals_are_written_as_csv(tmp_path):
    frame = pd.concat([several(3, 24), bad("empty")])
    found = freerun.forecast_many(frame, 2, workers=1, output=tmp_path / "f.csv", levels=80, **SMALL)
    assert (tmp_path / "f.csv").read_text().startswith("unique_id,ds,y,y_low_80,y_high_80\ns000,2017-01-01,")
    assert found.refused_output == tmp_path / "f.refused.csv"
    assert pd.read_csv(tmp_path / "f.refused.csv").unique_id.tolist() == ["empty"]
    in_memory = freerun.forecast_many(frame, 2, workers=1, levels=80, **SMALL).forecasts
    pd.testing.assert_frame_equal(found.forecasts, in_memory, check_dtype=False)
    freerun.forecast_many(frame[frame.unique_id != "empty"], 2, workers=1, output=tmp_path / "f.csv", **SMALL)
    assert not (tmp_path / "f.refused.csv").exists()


def test_a_script_needs_no_guard_and_workers_do_not_read_the_folder(tmp_path):
    """Processes that share the work import neither the script nor a module of
    the folder that is named like another."""
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong module')")
    several(4, 24).to_csv(tmp_path / "t.csv", index=False)
    script = f"import freerun; print(len(freerun.forecast_many('t.csv', 3, workers=2, **{SMALL}).forecasts))"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "script.py").write_text(script)
    told = subprocess.run(
        [sys.executable, "folder/script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (told.stdout.strip(), told.returncode) == ("12", 0), told.stderr


def _die(task: int) -> int:
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    print("a task may print")
    return 2 * task


def _fail(task: int) -> None:
    raise OSError(f"task {task}")


def test_a_task_that_ends_its_process_is_given_up_and_errors_are_raised(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    engine = ProcessEngine(2)
    found = dict(engine.run_tasks(_die, range(4), threads=False, ahead=1))
    assert {number: found[number] for number in (0, 2, 3)} == {0: 0, 2: 4, 3: 6}
    assert isinstance(found[1], SearchError)
    with pytest.raises(RuntimeError, match="task 0"):
        list(engine.run_tasks(_fail, [0], threads=False))
    engine.close()


def test_tasks_are_taken_as_they_are_needed():
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    engine = ProcessEngine(1)
    found = engine.run_tasks(abs, tasks(), threads=False, ahead=2)
    assert next(found) in ((0, 0), (1, 1))
    assert len(taken) <= 3
    engine.close()
    found.close()  # pyright: ignore[reportAttributeAccessIssue] - a generator


def test_dask_workers_give_the_same():
    distributed = pytest.importorskip("distributed")
    frame = several(6, 24)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50, processes=False
    ) as cluster:
        found = freerun.forecast_many(frame, 3, scheduler=cluster.scheduler_address, **SMALL).forecasts
    pd.testing.assert_frame_equal(found, freerun.forecast_many(frame, 3, workers=1, **SMALL).forecasts)


@tolerant
def test_backtests_are_those_of_each_series(tmp_path):
    frame = pd.concat([several(3, 48), bad("constant")])
    found = freerun.backtest_many(frame, 6, folds=2, levels=80, workers=1, output=tmp_path / "s.parquet", **SMALL)
    for name in ("s000", "s002"):
        expected = freerun.RNN(**SMALL).backtest(alone(frame, name), 6, folds=2, levels=80).table()
        table = alone(found.scores, name).set_index("method")
        assert table.index.tolist() == expected.index.tolist()
        np.testing.assert_allclose(table[["MASE", "coverage 80 %"]], expected[["MASE", "coverage 80 %"]], rtol=1e-9)
    aggregate = found.aggregate()
    scores = found.scores
    assert set(aggregate.index) == {"freerun", "last value", "seasonal naive", "drift", "linear autoregression"}
    assert aggregate["best on %"].sum() == pytest.approx(100)
    assert aggregate.loc["freerun", "mean MASE"] == pytest.approx(scores[scores.method == "freerun"].MASE.mean())
    assert found.refused.unique_id.tolist() == ["constant"]


def test_arguments_are_checked_before_any_work(tmp_path):
    frame = several(2)
    wrong: list[tuple[type[Exception], dict[str, Any]]] = [
        (SettingError, {"horizon": 0}),
        (SettingError, {"levels": 0.8}),
        (SettingError, {"hidden": 0}),
        (SettingError, {"unknown": 1}),
        (SettingError, {"workers": 2, "scheduler": "tcp://nowhere:1"}),
        (SettingError, {"output": tmp_path / "f.xlsx"}),
        (OutputError, {"output": tmp_path / "nowhere" / "f.csv"}),
        (SeriesError, {"id": "shop"}),
        (SeriesError, {"target": "z"}),
        (SeriesError, {"time": "y", "target": "y"}),
    ]
    for error, given in wrong:
        with pytest.raises(error):
            freerun.forecast_many(frame, **{"horizon": 3, **given})
    read = tmp_path / "read.csv"
    frame.to_csv(read, index=False)
    with pytest.raises(OutputError, match="is read, and would be overwritten"):
        freerun.forecast_many(read, 3, output=tmp_path / ".." / tmp_path.name / "read.csv")
    with pytest.raises(SeriesError, match="unique_id"):
        freerun.forecast_many(alone(frame, "s000"), 3)
    with pytest.raises(SettingError, match="'y_low_80'"):
        freerun.forecast_many(frame.assign(y_low_80=frame.y), 3, levels=80)


@pytest.mark.filterwarnings("default")
def test_the_command_forecasts_many_series(run, tmp_path):
    pd.concat([several(3, 24), bad("empty"), bad("constant")]).to_csv(tmp_path / "t.csv", index=False)
    options = "--set optimizer=ridge --set hidden=10 --set cell=memoryless --set delays=3 --set l2=1e-4 --workers 1"
    code, out, err = run(f"forecast t.csv --horizon 3 --levels 80 -o f.parquet {options}")
    assert code == 0
    assert "warning: 2 of 5 series were refused" in err
    assert "series 5/5" in err
    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert rows["series"] == "5"
    assert rows["refused"] == "2: f.refused.csv"
    assert rows["methods"] == "100 % memoryless network"
    assert len(read(tmp_path / "f.parquet")) == 9
    code, out, err = run(f"forecast t.csv --horizon 3 --quiet {options}")
    assert out.splitlines()[0] == "unique_id,ds,y"
    assert len(out.splitlines()) == 10
    assert "series 5/5" not in err
    said = json.loads(run(f"forecast t.csv --horizon 3 --json {options}")[1])
    assert said["refused"] == 2
    assert said["forecasts"]["unique_id"] == [f"s{i:03d}" for i in range(3) for _ in range(3)]


@pytest.mark.filterwarnings("default")
def test_the_command_ends_with_status_2_if_no_series_could_be_forecast(run, tmp_path):
    pd.concat([bad("empty"), bad("constant"), bad("constant").assign(unique_id="still")]).to_csv(tmp_path / "t.csv")
    code, _, err = run("forecast t.csv --id unique_id --horizon 3 --time ds --target y -o f.csv --workers 1")
    assert code == 2
    assert "none of 3 series could be forecast; the commonest reason (2): channel 'y' is constant" in err
    assert not (tmp_path / "f.csv").exists()
    assert len(pd.read_csv(tmp_path / "f.refused.csv")) == 3


def test_the_command_forecasts_a_series_or_a_model(run, tmp_path):
    alone(several(1, 40), "s000").to_csv(tmp_path / "air.csv", index=False)
    code, out, _ = run("forecast air.csv --horizon 3 --levels 80 --set optimizer=ridge --set hidden=10 -q")
    assert code == 0
    assert out.splitlines()[0] == "time,y,y_low_80,y_high_80"
    assert run("fit air.csv --optimizer ridge --hidden 10 -o air.freerun -q")[0] == 0
    (tmp_path / "air.freerun").rename(tmp_path / "renamed")
    assert run("forecast renamed --horizon 3 --levels 80 -q")[1] == out
    for line, message in (
        ("renamed --set hidden=3", "--set: applies to data, and renamed is a model"),
        ("renamed --workers 2", "--workers: applies to data"),
        ("renamed --target y", "apply to the file of --after"),
        ("air.csv --after air.csv", "--after: continues another series by a model"),
        ("air.csv --refused r.csv", "--refused: applies to many series, and air.csv holds one"),
        ("nothing.csv", "no such file"),
        ("nothing.freerun", "nothing.freerun"),
    ):
        code, _, err = run(f"forecast {line} --horizon 3")
        assert code == 2
        assert message in err
    several(2, 24).to_csv(tmp_path / "t.csv", index=False)
    assert "--plot: shows one series" in run("forecast t.csv --horizon 3 --plot p.png")[2]
    assert (
        run("forecast t.csv --id unique_id=s001 --horizon 3 -q --set optimizer=ridge --set hidden=10")[1].count("\n")
        == 4
    )


@pytest.mark.filterwarnings("default")
def test_the_command_backtests_many_series(run, tmp_path):
    pd.concat([several(2, 48), bad("short")]).to_parquet(tmp_path / "t.parquet")
    options = "--set optimizer=ridge --set hidden=10 --set cell=memoryless --set delays=3 --set l2=1e-4 --workers 1"
    code, out, _ = run(f"backtest t.parquet --horizon 6 --folds 2 -o s.csv {options}")
    assert code == 0
    assert out.splitlines()[0].split()[:2] == ["method", "series"]
    assert "refused  1: s.refused.csv" in out
    assert len(pd.read_csv(tmp_path / "s.csv")) == 10
    said = json.loads(run(f"backtest t.parquet --horizon 6 --folds 2 --json {options}")[1])
    assert {row["method"] for row in said["methods"]} > {"freerun", "drift"}


def _run_or_die(work: Any) -> Any:
    if "s002" in work[1].names:
        os.kill(os.getpid(), signal.SIGKILL)
    return run_chunk(work)


@tolerant
def test_a_worker_that_dies_takes_its_own_series_along_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    frame, output = several(4, 24), tmp_path / "f.parquet"
    with monkeypatch.context() as deadly:
        deadly.setattr(running, "run_chunk", _run_or_die)
        with pytest.warns(freerun.errors.SeriesWarning, match="1 series were lost with their workers"):
            found = freerun.forecast_many(frame, 3, workers=2, output=output, **SMALL)
    assert found.refused.unique_id.tolist() == ["s002"]
    assert "died 2 times" in found.refused.reason[0]
    again = freerun.forecast_many(frame, 3, workers=2, output=output, **SMALL)
    assert again.summary.resumed == 3
    assert again.forecasts.unique_id.nunique() == 4
    assert not output.with_name("f.parquet.parts").exists()
