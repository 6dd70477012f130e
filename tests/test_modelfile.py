"""Model files: whole round trips, and clear refusals of everything else."""

import contextlib
import json
import random
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import freerun
from freerun.errors import FreerunError, ModelFileError, OutputError
from freerun.files.archive import read_archive, write_archive
from freerun.forecasting.modelfile import FORMAT
from freerun.settings import CellName
from fuzz import damage_case


@pytest.fixture(scope="module")
def rnn():
    index = pd.date_range("2000-01-01", periods=150, freq="D")
    values = np.column_stack([np.sin(np.arange(150) * 0.3), np.cos(np.arange(150) * 0.2)])
    series = pd.DataFrame(values, index=index, columns=["a", "b"])
    rnn = freerun.RNN(hidden=8, optimizer="bfgs", nonlinearity="sigmoid", epochs=15, washout=3)
    return rnn.fit(series[:120], series[120:])


@pytest.fixture
def file(rnn, tmp_path):
    rnn.save(tmp_path / "m.freerun")
    return tmp_path / "m.freerun"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_loaded_model_has_everything_of_the_saved_one(rnn, tmp_path, dtype):
    rnn = freerun.RNN(**{**rnn.get_params(), "dtype": dtype}).fit(rnn.model_.recent)
    rnn.save(tmp_path / "m.freerun")
    back = freerun.load(tmp_path / "m.freerun")
    assert back.get_params() == rnn.get_params()
    run, again = rnn.generate(20), back.generate(20)
    np.testing.assert_array_equal(again.values, run.values)
    np.testing.assert_array_equal(again.times, run.times)
    assert again.channels == run.channels
    assert back.history_ == rnn.history_


@pytest.mark.quick(cell=["lstm"])
@pytest.mark.parametrize("cell", [name for name in get_args(CellName) if name != "smoothing"])
def test_a_loaded_model_has_the_cells_of_the_saved_one(tmp_path, cell):
    series = np.sin(np.arange(120) * 0.3) + np.sin(np.arange(120) * 0.5)
    rnn = freerun.RNN(
        6, cell=cell, layers=2, delays=(0, 2, 5), optimizer="adam", epochs=5, restarts=2, members=2, holdout=0.2
    )
    rnn.fit(series)
    rnn.save(tmp_path / "m.freerun")
    back = freerun.load(tmp_path / "m.freerun")
    np.testing.assert_array_equal(back.generate(20).values, rnn.generate(20).values)
    np.testing.assert_array_equal(back.generate(20, ensemble="mean").values, rnn.generate(20, ensemble="mean").values)


def test_a_loaded_network_can_be_trained_further(file, rnn):
    back = freerun.load(file).set_params(epochs=5)
    back.fit(rnn.model_.recent, warm_start=True)
    assert back.history_.objective[-1] < rnn.history_.objective[-1]


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(file, size):
    content = file.read_bytes()
    file.write_bytes(content[:size])
    with pytest.raises(ModelFileError, match=r"m\.freerun: truncated, or not a freerun file"):
        freerun.load(file)


def test_files_of_other_kinds_are_refused(file):
    file.write_text("hello")
    with pytest.raises(ModelFileError, match="not a freerun file"):
        freerun.load(file)
    file.write_bytes(safetensors.numpy.save({"a": np.ones(3)}))
    with pytest.raises(ModelFileError, match="a safetensors file, but none of freerun's"):
        freerun.load(file)


def rewrite(file, change):
    """Change a model file as someone would who knows of the checksum."""
    header, arrays = read_archive(file)
    change(header, arrays)
    write_archive(file, header, arrays)


def test_smoothers_of_older_files_have_no_limits(tmp_path):
    """A file of format 6 is made of one whose limits are too large to matter."""
    file = tmp_path / "model.freerun"
    values = np.tile([0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 5.0], 8)
    rnn = freerun.RNN(cell="smoothing").fit(values)
    rnn.save(file)

    def older(header, arrays):
        header.update(format=6)
        for member in range(len(header["members"])):
            assert (arrays.pop(f"{member}.network.cells.0.limit") > 1e300).all()
            carry = sum(name.startswith(f"{member}.ending.cells.") for name in arrays)
            assert (arrays[f"{member}.ending.cells.3"] == 0).all()
            for entry in range(3, carry - 1):
                arrays[f"{member}.ending.cells.{entry}"] = arrays[f"{member}.ending.cells.{entry + 1}"]
            del arrays[f"{member}.ending.cells.{carry - 1}"]

    rewrite(file, older)
    np.testing.assert_array_equal(freerun.load(file).generate(20).values, rnn.generate(20).values)


def test_an_older_file_says_for_all_channels_whether_they_are_nonnegative(tmp_path):
    """A file of format 7 is made of one whose channels agree."""
    file = tmp_path / "model.freerun"
    values = np.random.default_rng(0).poisson(0.5, (80, 2))
    rnn = freerun.RNN(hidden=5, cell="leaky", l2=1e-4).fit(values)
    rnn.save(file)

    def older(header, _):
        header.update(format=7)
        for member in header["members"]:
            assert member["nonnegative"] == [True, True]
            member["nonnegative"] = True

    rewrite(file, older)
    found = freerun.load(file).forecast(10, 95)
    pd.testing.assert_frame_equal(found, rnn.forecast(10, 95))
    assert (found["x0_low_95"] == 0).any()


def test_files_of_newer_and_of_the_first_format_are_refused(file):
    rewrite(file, lambda header, _: header.update(format=FORMAT + 1, version="9.0"))
    with pytest.raises(ModelFileError, match=rf"written by freerun 9.0 in format {FORMAT + 1}, .* upgrade freerun"):
        freerun.load(file)
    rewrite(file, lambda header, _: header.update(format=1, version="0.0"))
    with pytest.raises(ModelFileError, match=r"in format 1, .* fit the network again"):
        freerun.load(file)


@pytest.mark.parametrize(
    "change",
    [
        lambda header, arrays: arrays.pop("0.network.readout"),
        lambda header, arrays: arrays.update({"0.network.readout": np.zeros((3, 3))}),
        lambda header, arrays: header["members"][0]["settings"].update(hidden=9),
        lambda header, arrays: header["members"][0]["settings"].update(nonlinearity="exec"),
        lambda header, arrays: header["members"][0]["settings"].update(layers=10**9),
        lambda header, arrays: header["members"].clear(),
        lambda header, arrays: header.pop("channels"),
        lambda header, arrays: header.update(channels=3),
        lambda header, arrays: arrays.update({"recent.values": np.full((3, 2), np.inf)}),
    ],
)
def test_a_damaged_file_is_refused(file, change):
    rewrite(file, change)
    with pytest.raises(ModelFileError, match="the model file is damaged"):
        freerun.load(file)


def test_missing_files_and_folders(tmp_path, rnn):
    with pytest.raises(ModelFileError, match="no such file"):
        freerun.load(tmp_path / "none.freerun")
    with pytest.raises(ModelFileError, match="is a folder"):
        freerun.load(tmp_path)
    with pytest.raises(OutputError, match="there is no folder"):
        rnn.save(tmp_path / "none" / "m.freerun")


def test_every_format_that_was_published_is_still_read():
    """The file was written by freerun 0.1.0 in format 2, and the runs beside it were made then."""
    folder = Path(__file__).parent / "models"
    rnn, then = freerun.load(folder / "format-2.freerun"), json.loads((folder / "format-2.json").read_text())
    run = rnn.generate(12, inputs=np.zeros((12, 1)))
    np.testing.assert_allclose(run.values, then["run"], rtol=1e-9)
    assert [str(time) for time in run.times] == then["times"]
    forecast = rnn.forecast(3, (80,), inputs=np.zeros((3, 1)))
    for name, values in then["forecast"].items():
        np.testing.assert_allclose(forecast[name], values, rtol=1e-9)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.data())
def test_a_file_with_a_single_bit_changed_is_refused(rnn, tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    rnn.save(folder / "bit.freerun")
    content = bytearray((folder / "bit.freerun").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "bit.freerun").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"bit\.freerun: "):
        freerun.load(folder / "bit.freerun")


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.integers(0, 2**32))
def test_what_is_changed_inside_under_a_right_checksum_is_read_or_refused(file_content, tmp_path_factory, seed):
    """A taste of benchmarks/fuzz.py, which does so a million times."""
    draw = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "changed.freerun"
    path.write_bytes(damage_case((file_content, ".freerun"), draw)[0])
    with contextlib.suppress(FreerunError):
        freerun.load(path)


@pytest.fixture(scope="module")
def file_content(rnn, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.freerun"
    rnn.save(path)
    return path.read_bytes()
