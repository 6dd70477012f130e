"""Reading and writing series: round trips, real files, and clear messages for bad ones."""

import contextlib
import random
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freerun import Series
from freerun.errors import OutputError, SeriesFileError, SeriesWarning
from fuzz import damage_case, good_series

SUNSPOTS = Path(__file__).parents[1] / "examples" / "sunspots.csv"


@pytest.fixture
def write(tmp_path):
    def write_text(text: str, name: str = "s.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return write_text


def test_sunspots_take_their_years_as_times():
    series = Series.read(SUNSPOTS)
    assert series.shape == (309, 1)
    assert series.channels == ("sunspots",)
    assert (series.times[0], series.times[-1], series.dt) == (1700.0, 2008.0, 1.0)
    assert series.values[:3, 0].tolist() == [5.0, 11.0, 16.0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
@pytest.mark.parametrize("dated", [False, True])
def test_every_digit_channel_and_time_survives_a_round_trip(tmp_path, suffix, dated):
    values = np.random.default_rng(0).normal(size=(20, 2)) * [1e-9, 1e9]
    times = pd.date_range("2024-02-27 12:00", periods=20, freq="6h").to_numpy() if dated else np.arange(20) * 0.01
    path = tmp_path / f"s{suffix}"
    Series(values, ("a", "b"), times).write(path)
    back = Series.read(path)
    np.testing.assert_array_equal(back.values, values)
    assert back.channels == ("a", "b")
    np.testing.assert_array_equal(back.times, times)


def test_npy_keeps_values(tmp_path):
    Series.of([[1.0, 2.0], [3.0, 4.0]]).write(tmp_path / "s.npy")
    np.testing.assert_array_equal(Series.read(tmp_path / "s.npy").values, [[1, 2], [3, 4]])


def test_a_parquet_file_of_pandas_with_a_datetime_index(tmp_path):
    index = pd.date_range("2001-01-01", periods=5, freq="D", name="day")
    pd.DataFrame({"flow": np.arange(5.0), "level": np.arange(5)}, index=index).to_parquet(tmp_path / "f.parquet")
    series = Series.read(tmp_path / "f.parquet", columns=["level"])
    assert series.channels == ("level",)
    np.testing.assert_array_equal(series.times, index.to_numpy())


def test_columns_are_chosen_in_the_order_given(write):
    path = write("city,b,a\nBonn,1,2\nUlm,3,4\n")
    np.testing.assert_array_equal(Series.read(path, columns=["a", "b"]).values, [[2, 1], [4, 3]])


@pytest.mark.parametrize(
    "text",
    [
        "1.5\n2.5\n",
        "x\n1.5\n2.5\n",
        '"x"\r\n"1.5"\r\n"2.5"\r\n',
        "time;x\n0;1.5\n1;2.5\n",
        "date\tx\n2020-01-01\t1.5\n2020-01-02\t2.5\n",
        "x\n\n 1.5 \n\n2.5",
    ],
)
def test_csv_of_usual_forms_has_the_same_values(write, text):
    np.testing.assert_array_equal(Series.read(write(text)).values, [[1.5], [2.5]])


def test_a_byte_order_mark_is_not_part_of_the_header(write):
    assert Series.read(write("x\n1\n2\n", encoding="utf-8-sig")).channels == ("x",)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "s.csv: the file is empty"),
        ("\n\n", {}, "s.csv: the file holds no rows"),
        ("a,b\n", {}, "s.csv: there is a header but no row of values below it"),
        ("a,b\n1,2\n3\n", {}, "s.csv, line 3: 1 columns, but the first line has 2"),
        ("a,b\n1,2\n3,4,5\n", {}, "s.csv, line 3: 3 columns, but the first line has 2"),
        ("a,b\n1,2\n3,four\n", {}, "s.csv, line 3, column 'b': 'four' is not a number"),
        (
            "a,b\n1,2\n\n3,\n",
            {"missing": "error"},
            "s.csv, line 4, column 'b': '' is missing or infinite; fill it with missing=",
        ),
        ("a,b\n1,inf\n", {}, "s.csv, line 2, column 'b': 'inf' is missing or infinite"),
        ("a,b\n1,2\n", {"columns": ["c"]}, "s.csv: no column 'c'; there are: a, b"),
        ("a,b\n1,2\n", {"time": "t"}, "s.csv: no column 't'"),
        ("a,a\n1,2\n", {}, "s.csv: two columns are named 'a'"),
        ("date,a\n2020-01-01,2\nsoon,3\n", {}, "s.csv, line 3, column 'date': 'soon' is not a time"),
        ("a\n1\n2\n", {"time": "a"}, "the only column, 'a', is the time"),
    ],
)
def test_bad_csv_is_refused_by_file_line_and_column(write, text, options, message):
    with pytest.raises(SeriesFileError, match=message):
        Series.read(write(text), **options)


def test_gaps_are_filled_on_request(write):
    series = Series.read(write("a,b\n1,2\nNA,3\n3,\n"), missing="interpolate")
    np.testing.assert_array_equal(series.values, [[1, 2], [2, 3], [3, 3]])


@pytest.mark.parametrize("name", ["s.parquet", "s.npy", "s.npz"])
def test_files_that_are_not_what_their_suffix_says(write, name):
    with pytest.raises(SeriesFileError, match=f"{name}: not a readable"):
        Series.read(write("hello", name))


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "s.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SeriesFileError, match="not a readable NumPy file"):
        Series.read(tmp_path / "s.npy")


def test_an_archive_without_values_says_what_there_is(tmp_path):
    np.savez(tmp_path / "s.npz", x=np.zeros(3), y=np.zeros(3))
    with pytest.raises(SeriesFileError, match=r"s.npz: no array named 'values'; there are: x, y"):
        Series.read(tmp_path / "s.npz")


def test_missing_files_folders_and_unknown_formats(tmp_path, write):
    with pytest.raises(SeriesFileError, match="no such file"):
        Series.read(tmp_path / "none.csv")
    with pytest.raises(SeriesFileError, match="is a folder"):
        Series.read(tmp_path)
    with pytest.raises(SeriesFileError, match=r"unknown format '.xls'; freerun reads .csv"):
        Series.read(write("1\n", "s.xls"))
    with pytest.raises(SeriesFileError, match=r"unknown format '.doc'; freerun writes .csv"):
        Series.of([1.0]).write(tmp_path / "s.doc")


def test_arrays_that_claim_more_than_there_is_take_no_memory(tmp_path):
    """A header that promises 8 TB, in npy and inside npz,
    and a member that unpacks to a thousand times its size."""
    np.save(tmp_path / "s.npy", np.ones(4))
    content = (tmp_path / "s.npy").read_bytes().replace(b"(4,), }            ", b"(1000000000000,), }")
    (tmp_path / "s.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as archive:
        archive.writestr("values.npy", content)
    np.savez_compressed(tmp_path / "bomb.npz", values=np.zeros(10**7))
    tracemalloc.start()
    for name, message in (("s.npy", "length is greater"), ("s.npz", "cut off"), ("bomb.npz", "unpack to 76 MiB")):
        with pytest.raises(SeriesFileError, match=message):
            Series.read(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_parquet_file_that_unpacks_beyond_measure_is_refused(tmp_path):
    pd.DataFrame({"x": np.zeros(10**7)}).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(SeriesFileError, match=r"unpack to 76 MiB, more than 200 times the size"):
        Series.read(tmp_path / "s.parquet")


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "s.csv"
    path.write_text("old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left on device"):
        Series.of([1.0, 2.0]).write(path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["s.csv"]


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        Series.of([1.0]).write(tmp_path / "none" / "s.csv")


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(0, 2**32))
def test_damaged_files_are_read_or_refused(good, tmp_path_factory, seed):
    """A taste of benchmarks/fuzz.py, which does so a hundred thousand times."""
    draw = random.Random(seed)
    content, suffix = damage_case(draw.choice(good), draw)
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(SeriesFileError), warnings.catch_warnings():
        warnings.simplefilter("ignore", SeriesWarning)
        Series.read(path)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return good_series(tmp_path_factory.mktemp("good"))
