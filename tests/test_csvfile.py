"""CSV in the forms that people have it."""

import time

import numpy as np
import pandas as pd
import pytest

from freerun import Series
from freerun.errors import SeriesFileError


@pytest.fixture
def write(tmp_path):
    def write_bytes(content: bytes | str, name: str = "s.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_bytes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings_that_spreadsheets_write(write, encoding):
    series = Series.read(write("year;Höhe\n2001;1,5\n2002;2,5\n".encode(encoding)))
    assert series.channels == ("Höhe",)
    assert series.times.tolist() == [2001, 2002]
    assert series.values.tolist() == [[1.5], [2.5]]


@pytest.mark.parametrize(
    "text",
    [
        "0,5;1,25\n-1,5;2e-3\n",
        "0,5\t1,25\n-1,5\t2e-3\n",
        "0.5;1.25\n-1.5;2e-3\n",
        "0.5,1.25\n-1.5,2e-3\n",
        "0.5 1.25\n-1.5   2e-3\n",
        "  0.5\t 1.25\r\n -1.5\t2e-3\r\n",
        "# written by NumPy\n# x y\n0.5 1.25\n-1.5 2e-3\n",
        "a b\n0.5 1.25\n-1.5 2e-3\n",
        '"a, in m";"b, in s"\n0,5;1,25\n-1,5;2e-3\n',
        '"a;b",c\n0.5,1.25\n-1.5,2e-3\n',
        "wind [m/s; mean],rain\n0.5,1.25\n-1.5,2e-3\n",
    ],
)
def test_separators_and_decimal_commas(write, text):
    np.testing.assert_array_equal(Series.read(write(text)).values, [[0.5, 1.25], [-1.5, 0.002]])


def test_what_numpy_writes_is_read(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 3))
    np.savetxt(tmp_path / "s.txt", values, header="a b c")
    np.testing.assert_array_equal(Series.read(tmp_path / "s.txt").values, np.loadtxt(tmp_path / "s.txt"))


def test_a_quoted_cell_over_two_lines_keeps_the_numbers_of_lines(write):
    with pytest.raises(SeriesFileError, match=r"s\.csv, line 4, column 'b': 'oops' is not a number"):
        Series.read(write('"a\nlong",b\n1,2\n3,oops\n'))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n3,\x00\n", r"s\.csv, line 3: the file is not text, since it has a NUL character"),
        (b"\x81\x8d\x8f\n", r"not text in UTF-8; save it as CSV in UTF-8"),
        (b"\xff\xfe1\x00\xd8", r"not UTF-16; save it as CSV in UTF-8"),
        (b"a;b\n1,5;2.5\n", r"line 2, column 'a': '1,5' is not a number"),
        (b"a;b\n1.23,45;2\n", r"line 2, column 'a': '1.23,45' is not a number"),
        (b"a,b\n1_000,2\n", r"line 2, column 'a': '1_000' is not a number"),
        (b'a,b\n1,"2\n', r"line 2: unexpected end of data"),
        (b"a,b\n1,5\n12:30,5\n", r"line 3, column 'a': '12:30' is not a number"),
        (b"when,b\nnow,5\n", r"line 2, column 'when': 'now' is not a number"),
        (b"a,b\n" + b"9" * 200_000 + b",1\n", r"line 2: field larger than field limit"),
    ],
)
def test_a_csv_file_without_a_valid_table_is_refused_with_the_place(write, content, message):
    with pytest.raises(SeriesFileError, match=message):
        Series.read(write(content))


@pytest.mark.quick(count=[10**5])
@pytest.mark.parametrize("count", [10**5, 10**6])
def test_very_many_columns_are_read_in_seconds(write, count):
    """And named in a message without naming them all."""
    path = write(",".join(f"c{i}" for i in range(count)) + "\n" + ",".join(["1.5"] * count) + "\n")
    began = time.process_time()
    assert Series.read(path, columns=[f"c{count - 1}"]).values.tolist() == [[1.5]]
    with pytest.raises(SeriesFileError, match=rf"no column 'x'; there are: c0, .*, c19, \.\.\. \({count} in all\)"):
        Series.read(path, columns=["x"])
    assert time.process_time() - began < 60e-6 * count


@pytest.mark.parametrize(
    ("written", "begin", "freq"),
    [
        ("%d.%m.%Y", "2024-01-01", "D"),
        ("%d.%m.%Y", "2020-01-01", "MS"),
        ("%d.%m.%y %H:%M", "2024-02-28 12:00", "h"),
        ("%d/%m/%Y", "2024-01-05", "W-FRI"),
        ("%d/%m/%Y", "2020-01-01", "MS"),
        ("%d-%m-%Y", "2020-03-01", "QS-MAR"),
        ("%m/%d/%Y", "2024-01-01", "D"),
        ("%m/%d/%Y", "2020-01-01", "MS"),
        ("%m/%d/%Y", "2024-01-01", "7D"),
        ("%Y/%m/%d", "2020-01-01", "MS"),
    ],
)
def test_dates_in_the_usual_orders(write, written, begin, freq):
    times = pd.date_range(begin, periods=30, freq=freq)
    rows = "".join(f"{time};{i},5\n" for i, time in enumerate(times.strftime(written)))
    series = Series.read(write(f"Datum;Wert\n{rows}"))
    np.testing.assert_array_equal(series.times, times.to_numpy())


def test_dates_in_several_orders_are_refused(write):
    with pytest.raises(
        SeriesFileError,
        match="line 3, column 'date': '1/14/2024' is not a time in the order of the other rows, with the day",
    ):
        Series.read(write("date,x\n13/1/2024,1\n1/14/2024,2\n"))
