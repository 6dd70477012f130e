"""Sweeps: every combination once, the same as fitted by hand, resumed after a kill."""

import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun.errors import SearchError, SettingError
from freerun.search import sweep
from freerun.search.spec import read_spec

SPEC = """
train = 240
test = 60
seeds = 2

[[series]]
system = "multiple-sines"
steps = 400
parameters = {seed = 0}

[[series]]
file = "data/*.csv"
apart = true

[settings]
optimizer = "ridge"
cell = "memoryless"
input_scale = 0.5
l2 = 1e-6
restarts = 1

[grid]
hidden = [10, 30]
delays = [[0, 1, 4], 5]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    freerun.systems.lorenz_dop853(320, dt=0.05).write(tmp_path / "data" / "lorenz.csv")
    (tmp_path / "spec.toml").write_text(SPEC)
    return tmp_path


def test_every_combination_is_there_once_with_the_scores_of_a_fit_by_hand(run, folder):
    assert run("sweep spec.toml -q")[0] == 0
    table = pd.read_parquet(folder / "spec.parquet")
    assert len(table) == 4 * 4 * 2
    assert not table.duplicated(["series", "hidden", "delays", "seed"]).any()
    assert set(table.series) == {"multiple-sines", "lorenz x", "lorenz y", "lorenz z"}
    assert (table.failure == "").all()
    row = table[(table.series == "lorenz y") & (table.hidden == 30) & (table.delays == "[0, 1, 4]") & (table.seed == 1)]
    series = freerun.Series.read(folder / "data" / "lorenz.csv").channel("y").between(0, 300)
    rnn = freerun.RNN(
        30, cell="memoryless", optimizer="ridge", delays=(0, 1, 4), input_scale=0.5, l2=1e-6, restarts=1, seed=1
    ).fit(series.between(0, 240))
    scores = rnn.evaluate(series, 240)
    assert row.vpt.item() == scores.vpt
    assert row.smape.item() == pytest.approx(scores.smape, rel=1e-9)
    assert row.one_step_mse.item() == pytest.approx(scores.one_step_mse, rel=1e-9)


@pytest.mark.slow
def test_a_killed_sweep_does_what_is_missing(launch, run, folder):
    victim = launch("sweep", "spec.toml", "-q")
    output = folder / "spec.parquet"
    while not output.exists():
        assert victim.poll() is None
        time.sleep(0.02)
    victim.kill()
    victim.communicate()
    before = pd.read_parquet(output)
    assert 1 <= len(before) < 32
    assert run("sweep spec.toml -q")[0] == 0
    after = pd.read_parquet(output)
    assert len(after) == 32
    pd.testing.assert_frame_equal(after.head(len(before)), before, check_dtype=False)


def test_a_grid_that_has_grown_keeps_what_is_there(tmp_path):
    """First two numbers of delays, then a list of lags too, so that the column becomes text."""
    series = {"sines": freerun.systems.multiple_sines(300, seed=0)}
    shared = {"optimizer": "ridge", "cell": "memoryless", "input_scale": 0.5, "l2": 1e-6, "hidden": 10}
    output = tmp_path / "t.parquet"
    first = sweep(series, output, train=240, settings=shared, grid={"delays": [3, 5]})
    grown = sweep(series, output, train=240, settings=shared, grid={"delays": [3, 5, [0, 2]]})
    assert first.delays.tolist() == [3, 5]
    assert grown.delays.tolist() == ["3", "5", "[0, 2]"]
    assert grown.seconds[:2].tolist() == first.seconds.tolist()
    assert len(pd.read_parquet(output)) == 3
    again = sweep(series, output, train=240, settings=shared, grid={"delays": [5]})
    assert again.seconds.tolist() == [first.seconds[1]]
    assert len(pd.read_parquet(output)) == 3


@pytest.mark.slow
def test_workers_fill_the_same_table(tmp_path):
    series = {"sines": freerun.systems.multiple_sines(300, seed=0)}
    shared = {"optimizer": "ridge", "cell": "memoryless", "input_scale": 0.5, "l2": 1e-6, "delays": 4}
    tables = [
        sweep(
            series,
            tmp_path / f"{workers}.parquet",
            train=0.8,
            settings=shared,
            grid={"hidden": [10, 20]},
            workers=workers,
        )
        for workers in (None, 2)
    ]
    columns = ["series", "hidden", "seed", "vpt"]
    pd.testing.assert_frame_equal(tables[0][columns], tables[1][columns])
    np.testing.assert_allclose(tables[0].smape, tables[1].smape, rtol=1e-6)


def test_a_fit_that_fails_is_a_row_with_a_reason_and_not_an_end(tmp_path):
    series = {"good": np.sin(np.arange(200) / 3), "constant": np.ones(200)}
    table = sweep(series, tmp_path / "t.parquet", train=150, settings={"hidden": 5, "optimizer": "adam", "epochs": 5})
    by_name = table.set_index("series")
    assert by_name.failure["good"] == ""
    assert "constant" in by_name.failure["constant"]
    assert np.isnan(by_name.smape["constant"])
    assert by_name.smape["good"] > 0


def test_results_of_other_data_or_versions_are_refused(tmp_path, monkeypatch):
    from freerun.search import sweeping

    values, shared = np.sin(np.arange(200) / 3), {"hidden": 5, "optimizer": "adam", "epochs": 5}
    sweep({"a": values}, tmp_path / "t.parquet", train=150, settings=shared)
    with pytest.raises(SearchError, match="results for other data of series 'a'"):
        sweep({"a": values + 1}, tmp_path / "t.parquet", train=150, settings=shared)
    monkeypatch.setattr(sweeping, "__version__", "99.0")
    with pytest.raises(SearchError, match=r"results of freerun .*, and this is 99\.0"):
        sweep({"a": values}, tmp_path / "t.parquet", train=150, settings=shared)
    assert len(pd.read_parquet(tmp_path / "t.parquet")) == 1
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(SearchError, match="holds no results of a sweep"):
        sweep({"a": values}, tmp_path / "text.parquet", train=150, settings=shared)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("train = 240", "train = 240\ntrian = 1"), "trian: extra inputs are not permitted"),
        (("seeds = 2", "seeds = 0"), "seeds.*greater than or equal to 1"),
        (("test = 60", "test = "), "cannot be read as TOML"),
        (("data/*.csv", "nothing/*.csv"), "no file matches"),
        (('system = "multiple-sines"', 'name = "x"'), "either a file or a system"),
        (("hidden = [10, 30]", "hidden = [10, 30]\nl2 = [1e-3]"), "l2: it is set to 1e-06 and is in the grid as well"),
        (("hidden = [10, 30]", "hidden = [10, -3]"), "hidden=-3"),
        (("hidden = [10, 30]", "hidden = [10]\nleek = [1]"), "there is no parameter 'leek'"),
        (("test = 60", "test = 600"), "too few to train on 240 and score 600"),
    ],
)
def test_an_invalid_sweep_file_is_refused_with_the_place_of_the_error(run, folder, change, message):
    (folder / "spec.toml").write_text(SPEC.replace(*change))
    status, _, said = run("sweep spec.toml -q")
    assert status == 2
    assert re.search(message, said)
    assert "Traceback" not in said
    assert not (folder / "spec.parquet").exists()


def test_a_missing_sweep_file_is_refused(tmp_path):
    with pytest.raises(SettingError, match="there is no such file"):
        read_spec(tmp_path / "none.toml")
