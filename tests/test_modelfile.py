"""Model files: whole round trips, and clear refusals of everything else."""

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

import freerun
from freerun.archive import read_archive, write_archive
from freerun.errors import ModelFileError, OutputError
from freerun.modelfile import FORMAT


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
def test_everything_comes_back(rnn, tmp_path, dtype):
    rnn = freerun.RNN(**{**rnn.get_params(), "dtype": dtype}).fit(rnn.model_.recent)
    rnn.save(tmp_path / "m.freerun")
    back = freerun.load(tmp_path / "m.freerun")
    assert back.get_params() == rnn.get_params()
    run, again = rnn.generate(20), back.generate(20)
    np.testing.assert_array_equal(again.values, run.values)
    np.testing.assert_array_equal(again.times, run.times)
    assert again.channels == run.channels
    assert back.history_ == rnn.history_


@pytest.mark.parametrize("cell", ["simple", "leaky", "gru", "lstm", "memoryless", "plrnn", "clipped-plrnn"])
def test_every_cell_comes_back(tmp_path, cell):
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
def test_a_truncated_file(file, size):
    content = file.read_bytes()
    file.write_bytes(content[:size])
    with pytest.raises(ModelFileError, match=r"m\.freerun: truncated, or not a freerun file"):
        freerun.load(file)


def test_not_a_model_file_at_all(file):
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


def test_other_versions(file):
    rewrite(file, lambda header, _: header.update(format=FORMAT + 1, version="9.0"))
    with pytest.raises(ModelFileError, match=r"written by freerun 9.0 in format 4, .* upgrade freerun"):
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
def test_a_damaged_file(file, change):
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
