"""Series that are read a part at a time: the parts are those of the whole,
and networks learn all of it."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun import StoredSeries, fitting
from freerun.compute.programs import computing
from freerun.data import stored as storedseries
from freerun.errors import SeriesError, SeriesFileError, SettingError
from freerun.network import ridge
from freerun.network.cells import AffineCell
from freerun.network.initial import Start, initial_network
from freerun.network.shape import Shape
from freerun.training import sources

SMALL: dict[str, Any] = {
    "cell": "memoryless",
    "optimizer": "ridge",
    "input_scale": 1.0,
    "l2": 1e-8,
    "restarts": 1,
    "members": 1,
}
"""A network whose readout is solved, nothing left to choose."""


@pytest.fixture
def write(tmp_path):
    """Write a table or an array to a file, tables in row groups of 70 steps."""

    def written(data) -> str:
        if isinstance(data, pd.DataFrame):
            path = tmp_path / "s.parquet"
            data.to_parquet(path, row_group_size=70)
        else:
            path = tmp_path / "s.npy"
            np.save(path, data)
        return str(path)

    return written


TABLES = {
    "dates": lambda table: table.assign(day=pd.date_range("2020-01-30", periods=len(table), freq="D"))[
        ["day", "a", "b"]
    ],
    "index": lambda table: table.set_index(pd.date_range("2020-01-30", periods=len(table), freq="h", tz="Asia/Tokyo")),
    "numbers": lambda table: table.assign(t=np.arange(len(table)) * 0.5 + 7)[["t", "b", "a"]],
    "a mere count": lambda table: table,
    "array": lambda table: table.to_numpy(),
    "single precision": lambda table: table.to_numpy(np.float32),
    "columns first": lambda table: np.asfortranarray(table.to_numpy()),
    "one channel": lambda table: table["a"].to_numpy(),
}


@pytest.mark.parametrize("kind", TABLES)
def test_any_part_of_a_stored_series_equals_that_part_of_the_whole_series(write, kind):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 2)), columns=["a", "b"])
    table.iloc[100:103, 0] = np.nan
    path = write(TABLES[kind](table))
    whole, stored = freerun.Series.read(path), StoredSeries(path)
    assert len(stored) == 300
    assert stored.channels == whole.channels
    for first, last in ((0, 300), (0, 10), (69, 71), (70, 140), (65, 215), (295, 300), (99, 101)):
        part, expected = stored.between(first, last), whole.between(first, last)
        np.testing.assert_array_equal(part.values, expected.values)
        np.testing.assert_array_equal(part.times, expected.times)
        assert part.dt == expected.dt
        assert part.calendar.zone == expected.calendar.zone
    np.testing.assert_array_equal(stored.ending().values, whole.values)


def test_parts_that_stand_for_the_whole_are_spread_over_it_and_change(write, monkeypatch):
    monkeypatch.setattr(storedseries, "SAMPLED", 10)
    monkeypatch.setattr(storedseries, "SAMPLE", 20)
    values = np.arange(1000.0)
    values[210:240] = 5.0
    parts = StoredSeries(write(values)).sample()
    starts = [part.values[0, 0] for part in parts]
    assert starts == [0, 108, 326, 435, 544, 653, 762, 871, 980]
    assert {len(part) for part in parts} == {20}


def test_files_that_cannot_be_read_in_parts_are_refused(write, tmp_path):
    text = tmp_path / "s.csv"
    text.write_text("1\n2\n")
    with pytest.raises(
        SeriesFileError, match=r"'.csv' files cannot be read in parts; write the series as npy or Parquet"
    ):
        StoredSeries(text)
    with pytest.raises(SeriesFileError, match=r"absent.npy: no such file"):
        StoredSeries(tmp_path / "absent.npy")
    path = write(np.zeros((3, 4, 5)))
    with pytest.raises(SeriesFileError, match=r"s.npy, in the part that begins at step 0: values have shape"):
        StoredSeries(path)
    path = write(np.array(["a", "b"]))
    with pytest.raises(SeriesFileError, match="not all numbers"):
        StoredSeries(path)
    with pytest.raises(SeriesFileError, match="no steps between 0 and 2 in a series of 0 steps"):
        StoredSeries(write(np.empty(0)))
    values = np.ones(300)
    values[222] = np.inf
    stored = StoredSeries(write(values))
    with pytest.raises(SeriesFileError, match=r"in the part that begins at step 200: infinite at step 22 of 'x'"):
        stored.between(200, 300)
    with pytest.raises(SeriesError, match=r"cannot end at step 300: the series has 300 steps"):
        stored.until(300)
    with pytest.raises(SeriesFileError, match="no column 'c'; there are: a"):
        StoredSeries(write(pd.DataFrame({"a": np.ones(9)})), columns=["c"])


def test_row_groups_that_memory_cannot_hold_are_refused(write, monkeypatch):
    monkeypatch.setattr(storedseries, "LARGEST_GROUP", 1000)
    with pytest.raises(SeriesFileError, match=r"a row group takes .* GiB in memory; .*row_group_size"):
        StoredSeries(write(pd.DataFrame({"a": np.ones(300), "b": np.ones(300)})))


def test_a_readout_solved_part_by_part_is_that_of_the_whole(write, monkeypatch):
    values = freerun.systems.mackey_glass(2000, seed=0).values
    whole = freerun.RNN(30, delays=12, input_noise=0.0, **SMALL).fit(values)
    monkeypatch.setattr(fitting, "PART", 300)
    parts = freerun.RNN(30, delays=12, input_noise=0.0, **SMALL).fit(StoredSeries(write(values)))
    for name in ("readout", "bias", "direct"):
        np.testing.assert_allclose(
            getattr(parts.model_.best.network, name), getattr(whole.model_.best.network, name), rtol=1e-6, atol=1e-9
        )
    np.testing.assert_allclose(parts.generate(100).values, whole.generate(100).values, atol=1e-6)


def test_channels_that_miss_values_in_different_parts_are_problems_of_their_own():
    """Against NumPy's least squares for each channel, over the rows that count for it."""
    random = np.random.default_rng(0)
    values = random.normal(size=(600, 3))
    values[50:90, 0], values[310:330, 1:] = np.nan, np.nan
    values[500, 2] = np.nan
    network = initial_network(Shape(3, 4, "memoryless", direct=False), Start("glorot", 0))
    triangle = ridge.Triangle()
    for first in (0, 200, 400):
        for rows in ridge.rows_of(network, [values[first : first + 201]], 0):
            triangle = triangle.joined(rows)
    solved = triangle.solved(network, 0.0)
    assert sorted(triangle.groups) == [(0,), (1,), (2,)]
    whole = np.isfinite(values[:-1]).all(axis=1)
    read = np.nan_to_num(values[:-1])
    cell = network.cells[0]
    assert isinstance(cell, AffineCell)
    hidden = np.tanh(read @ cell.input + cell.bias)
    rows = np.column_stack([hidden, np.ones(len(hidden))])
    weights = np.concatenate([solved.readout, solved.bias[None]])
    for channel in range(3):
        counts = whole & np.isfinite(values[1:, channel])
        expected = np.linalg.lstsq(rows[counts], values[1:][counts, channel], rcond=None)[0]
        np.testing.assert_allclose(weights[:, channel], expected, atol=1e-10)


@pytest.mark.slow
def test_windows_of_a_series_that_is_one_stretch_are_those_of_the_series_in_memory(write):
    values = freerun.systems.mackey_glass(1500, seed=0).values
    settings: dict[str, Any] = {
        "hidden": 6,
        "cell": "gru",
        "optimizer": "adam",
        "window": 40,
        "batch": 4,
        "epochs": 30,
        "holdout": 0.2,
    }
    whole, stored = (freerun.RNN(**settings).fit(data) for data in (values, StoredSeries(write(values))))
    assert stored.history_.objective == whole.history_.objective
    np.testing.assert_array_equal(stored.generate(20).values, whole.generate(20).values)


def test_stretches_come_from_all_places_but_those_held_out(write, monkeypatch):
    monkeypatch.setattr(sources, "STRETCH", 50)
    stored = StoredSeries(write(np.arange(1000.0)))
    scaling = freerun.RNN(5, **SMALL).fit(np.sin(np.arange(200))).model_.best.scaling
    stretches = sources.Stretches(sources.Stored(stored, scaling, 900), seed=0)
    with computing("float64"):
        drawn = [stretches(0, done) for done in range(60)]
        again = stretches(0, 7)
    steps = np.concatenate([np.asarray(pairs.targets).ravel() for pairs in drawn]) * scaling.scale + scaling.mean
    counts, _ = np.histogram(steps, bins=9, range=(0.5, 899.5))
    assert 890 < steps.max() < 899.5
    assert counts.min() > 0.4 * counts.max()
    np.testing.assert_array_equal(again.inputs, drawn[7].inputs)


@pytest.mark.parametrize("trained", [{"window": 30, "optimizer": "adam", "epochs": 400}, {"optimizer": "ridge"}])
def test_all_of_a_stored_series_is_learned_not_its_end_alone(write, monkeypatch, trained: dict[str, Any]):
    """One frequency in the first four fifths, another in the end, by which networks are judged."""
    for name, value in (("ENDING", 400), ("SAMPLE", 5)):
        monkeypatch.setattr(storedseries, name, value)
    monkeypatch.setattr(sources, "STRETCH", 200)
    steps = np.arange(2000)
    values = np.where(steps < 1600, np.sin(steps), np.sin(steps / 9))
    rnn = freerun.RNN(20, **{**SMALL, **trained, "delays": 4, "initial": "reservoir"})
    stored = rnn.fit(StoredSeries(write(values)))
    assert stored.score(values[:1600]) > 0.95
    assert stored.score(values[1600:]) > 0.95
    ending = freerun.RNN(20, **{**SMALL, "delays": 4}).fit(values[1600:])
    assert ending.score(values[:1600]) < 0.9


@pytest.mark.slow
def test_settings_are_chosen_on_the_end_of_a_stored_series_and_solved_on_all_of_it(write, monkeypatch):
    monkeypatch.setattr(storedseries, "ENDING", 300)
    values = freerun.systems.mackey_glass(1500, seed=0).values
    open_delays: dict[str, Any] = {**SMALL, "members": 2, "restarts": 2}
    rnn = freerun.RNN(50, **open_delays).fit(StoredSeries(write(values)))
    chosen = freerun.RNN(50, **open_delays).fit(values[-300:])
    assert [m.settings for m in rnn.model_.members] == [m.settings for m in chosen.model_.members]
    assert rnn.score(values[:1000]) > chosen.score(values[:1000])
    assert rnn.forecast(10, [80]).shape == (10, 3)


def test_ctrl_c_keeps_what_the_parts_so_far_have_taught(write, monkeypatch):
    monkeypatch.setattr(fitting, "PART", 300)

    def interrupt(progress):
        if progress.total > 1 and progress.done == 2:
            raise KeyboardInterrupt

    values = freerun.systems.mackey_glass(2000, seed=0).values
    rnn = freerun.RNN(30, delays=12, **SMALL)
    with pytest.raises(KeyboardInterrupt):
        rnn.fit(StoredSeries(write(values)), progress=interrupt)
    assert rnn.score(values) > 0.999


def test_a_stored_series_goes_on_from_its_checkpoint_to_the_same_bits(write, monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "STRETCH", 200)
    settings: dict[str, Any] = {"hidden": 5, "cell": "gru", "optimizer": "adam", "window": 30, "batch": 2, "epochs": 60}
    stored = StoredSeries(write(freerun.systems.mackey_glass(1000, seed=0).values))

    def interrupt(progress):
        if progress.done >= 30:
            raise KeyboardInterrupt

    straight = freerun.RNN(**settings).fit(stored)
    with pytest.raises(KeyboardInterrupt):
        freerun.RNN(**settings).fit(stored, checkpoint=tmp_path / "c", checkpoint_every=0, progress=interrupt)
    resumed = freerun.RNN(**settings).fit(stored, checkpoint=tmp_path / "c")
    assert resumed.history_.objective == straight.history_.objective
    np.testing.assert_array_equal(resumed.generate(9).values, straight.generate(9).values)


def test_what_needs_the_whole_series_is_refused(write):
    stored = StoredSeries(write(np.sin(np.arange(400) / 3)))
    for rnn in (freerun.RNN(5), freerun.RNN(optimizer="bfgs"), freerun.RNN(optimizer="adam")):
        with pytest.raises(SettingError, match=r"needs all of the series at once.*train in windows"):
            rnn.fit(stored)
    with pytest.raises(SettingError, match="is read in parts, which does not work with external inputs"):
        freerun.RNN(optimizer="ridge").fit(stored, inputs=np.ones(400))


@pytest.mark.slow
def test_a_large_file_is_read_in_parts_by_the_command_line(write, monkeypatch, run):
    path = write(freerun.systems.mackey_glass(2000, seed=0).values)

    def fit(*options: str) -> tuple[int, str, str]:
        return run(" ".join(("fit", path, "-o", "m.freerun", *options)))

    monkeypatch.setattr(storedseries, "LARGE", 2000 * 8 + 1)
    assert "is read in parts" not in fit("--hidden", "8", "--optimizer", "adam", "--window", "30", "--epochs", "5")[2]
    monkeypatch.setattr(storedseries, "LARGE", 2000 * 8)
    monkeypatch.setattr(sources, "STRETCH", 400)
    in_windows = ("--optimizer", "adam", "--window", "30")
    code, out, err = fit("--hidden", "8", *in_windows, "--epochs", "50", "--split", "1500", "--json")
    assert code == 0
    assert "s.npy is read in parts" in err
    assert json.loads(out)["validation_mse"] < 0.02
    code, _, err = fit("--resample", "2", *in_windows)
    assert (code, "--resample: " in err, "too large to be read whole" in err) == (2, True, True)
    code, _, err = fit("--hidden", "8")
    assert (code, "train in windows" in err) == (2, True)
    code, _, err = fit("--split", "2000", *in_windows)
    assert (code, "cannot end at step 2000" in err) == (2, True)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (1_500_000_000,) * 2)
import freerun
rnn = freerun.RNN(16, cell="gru", optimizer="adam", window=100, batch=16, epochs=100, seed=1).fit(sys.argv[1])
print(rnn.history_.training_mse[-1])
"""


@pytest.mark.slow
def test_more_than_memory_holds_is_learned(tmp_path):
    """A file of 1.6 GB, in a process that is not given as much."""
    period = freerun.systems.mackey_glass(1_000_000, seed=0).values[:, 0]
    stored = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.float64, (200_000_000,))
    for i in range(200):
        stored[i * 1_000_000 : (i + 1) * 1_000_000] = period
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "large.npy")], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 0.01
