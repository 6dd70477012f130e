"""Files of other formats and origins: compressed, piped, spreadsheets, JSON,
and text with or without a header."""

import gzip
import io
import json
import os
import sys
import threading
from datetime import datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from freerun import Series
from freerun.errors import MissingExtraError, SeriesFileError, SeriesWarning

DAYS = pd.date_range("2024-02-27", periods=6)
FRAME = pd.DataFrame({"a": np.arange(6) + 0.25, "b": np.arange(6) * 1e9 + 0.5}, index=DAYS)

RECORDS = [{"date": str(day)[:10], "a": a, "b": b} for day, a, b in FRAME.itertuples()]


@pytest.fixture
def write(tmp_path):
    def write_file(content: bytes | str, name: str = "s.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def assert_frame(series: Series, channels: tuple[str, ...] = ("a", "b")) -> None:
    np.testing.assert_array_equal(series.values, FRAME.to_numpy())
    np.testing.assert_array_equal(series.times, DAYS.to_numpy())
    assert series.channels == channels


OPTIONS: list[dict[str, Any]] = [
    *({}, {"sep": ";"}, {"sep": "\t"}, {"sep": "|"}, {"sep": " "}, {"sep": ";", "decimal": ","}),
    *({"sep": "\t", "decimal": ","}, {"decimal": ","}, {"quoting": 1}, {"quoting": 2}, {"lineterminator": "\r\n"}),
    *({"lineterminator": "\r"}, {"index_label": "when"}, {"date_format": "%d.%m.%Y"}, {"date_format": "%m/%d/%Y"}),
    *({"date_format": "%Y%m%d"}, {"float_format": "%.2f"}, {"float_format": "%.17g"}, {"index_label": False}),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_pandas_writes_with_its_options(write, options):
    text = FRAME.to_csv(**options)
    assert_frame(Series.read(write(text)))
    if "sep" not in options:
        assert_frame(Series.read(write(FRAME.reset_index().to_csv(**{**options, "index_label": None}))))


def test_what_pandas_writes_without_a_header(write):
    assert_frame(Series.read(write(FRAME.to_csv(header=False))), ("x0", "x1"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_text_with_a_byte_order_mark(write, encoding):
    assert_frame(Series.read(write(FRAME.to_csv(sep="\t").encode(encoding), "s.txt")))


@pytest.mark.parametrize(
    "text",
    [
        '"","date","x"\n"1",2024-01-01,1.5\n"2",2024-01-02,2.5\n',
        '"";"date";"x"\n"1";2024-01-01;1,5\n"2";2024-01-02;2,5\n',
        '"date" "x"\n"1" 2024-01-01 1.5\n"2" 2024-01-02 2.5\n',
        '"x"\n"2024-01-01" 1.5\n"2024-01-02" 2.5\n',
        "date\tx\n1\t2024-01-01\t1.5\n2\t2024-01-02\t2.5\n",
    ],
)
def test_what_r_writes_with_names_of_rows(write, text):
    series = Series.read(write(text))
    assert series.channels == ("x",)
    assert series.values[:, 0].tolist() == [1.5, 2.5]
    assert [str(day)[:10] for day in series.times] == ["2024-01-01", "2024-01-02"]


ROWS = "date,x\n2024-01-01,1.5\n2024-01-02,2.5\n"


@pytest.mark.parametrize(
    "text",
    [
        f"# made by a logger\n\n# on Monday\n{ROWS}",
        f"% made by a logger\n{ROWS}",
        f"// made by a logger\n{ROWS}",
        f"Category: All categories\n\n{ROWS}",
        f"Report\nby someone\n\n{ROWS}",
        f"sep=,\n{ROWS}",
        "sep=;\n" + ROWS.replace(",", ";"),
        ROWS.replace("\n", ",\n"),
        ROWS.replace("\n", ",,,\n"),
        ROWS.replace("x\n", "x\n,\n") + ",\n,\n",
        ROWS.replace(",", ", "),
        ROWS.replace(",", ' , "').replace("\n", '"\n'),
        ROWS.replace("\n", "\n\n"),
        "date x\n2024-01-01  00:00  1.5\n2024-01-02  00:00  2.5\n",
        "date time x\n2024-01-01 00:00 1.5\n2024-01-02 00:00 2.5\n",
    ],
)
def test_what_is_around_a_table_is_left_out(write, text):
    series = Series.read(write(text))
    assert series.channels == ("x",)
    assert series.values[:, 0].tolist() == [1.5, 2.5]
    assert [str(day)[:10] for day in series.times] == ["2024-01-01", "2024-01-02"]


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("# T is in 0.1 degC\n# STN,YYYYMMDD,   HH,    T\n#\n", "  260,{:%Y%m%d,   %H},{:5d}\n"),
        ("#YY MM DD hh T\n#yr mo dy hr degC\n", "{:%Y %m %d %H} {}\n"),
        ("#YY MM DD hh T U\n#yr mo dy hr m/s m/s\n", "{:%Y %m %d %H} 0 {}\n"),
        ("% made by hand\n% YY\tMM\tDD\thh\tT\n", "{:%Y\t%m\t%d\t%H}\t{}\n"),
    ],
)
def test_names_in_a_comment_above_the_rows_name_the_columns(write, head, row):
    hours = pd.date_range("2024-01-30", periods=60, freq="h")
    series = Series.read(write(head + "".join(row.format(hour, i) for i, hour in enumerate(hours))))
    np.testing.assert_array_equal(series.times, hours.to_numpy())
    np.testing.assert_array_equal(series.values[:, -1], np.arange(60))


def test_other_comments_name_nothing(write):
    assert Series.read(write("# made by me\n0.5 1.5\n1.5 2.5\n")).channels == ("x0", "x1")
    assert Series.read(write("# 1 2\n0.5 1.5\n1.5 2.5\n")).channels == ("x0", "x1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROWS + "Total,4\n", r"line 4, column 'date': 'Total' is not a time"),
        (ROWS + "\nSource: someone\n", r"line 5: 1 columns, .* remove lines .*'Source: someone'"),
        (ROWS.replace("x\n", "x\n,degC\n"), r"line 2, column 'date': '' is not a time"),
        ("a,b\n" + ROWS, r"line 2, column 'a': 'date' is not a number|'date' is not a time"),
        ("date,x,x\n2024-01-01,1,2\n", r"two columns are named 'x'"),
        ("<html><body>404</body></html>\n", r"there is a header but no row of values"),
        ("date,x\n", r"there is a header but no row of values"),
    ],
)
def test_lines_that_are_not_rows_are_refused_with_their_number(write, text, message):
    with pytest.raises(SeriesFileError, match=message):
        Series.read(write(text))


@pytest.mark.parametrize(
    ("text", "values", "channels"),
    [
        ("0,1\n1.5,2.5\n3.5,4.5\n", [[1.5, 2.5], [3.5, 4.5]], ("0", "1")),
        (",0\n0,1.5\n1,2.5\n", [[1.5], [2.5]], ("0",)),
        ("1.5,2.5\n3.5,4.5\n", [[1.5, 2.5], [3.5, 4.5]], ("x0", "x1")),
        ("1.5\n2.5\n", [[1.5], [2.5]], ("x",)),
        ("NA,2.5\n3.5,4.5\n", [[np.nan, 2.5], [3.5, 4.5]], ("x0", "x1")),
        ("True\nFalse\nTrue\n", [[1], [0], [1]], ("x",)),
        ("$1,5%\n$2,6%\n", [[1, 5], [2, 6]], ("x0", "x1")),
        ("true,guess\n1,2\n3,4\n", [[1, 2], [3, 4]], ("true", "guess")),
        ("2m,10m wind\n1,2\n3,4\n", [[1, 2], [3, 4]], ("2m", "10m wind")),
    ],
)
def test_a_header_is_distinguished_from_a_first_row_of_values(write, text, values, channels):
    series = Series.read(write(text))
    np.testing.assert_array_equal(series.values, values)
    assert series.channels == channels


@pytest.mark.parametrize(
    "text", ["0\n1\n2\n3\n", "0,1\n1,5\n2,6\n", "2023,2024\n1,2\n3,4\n", "<0.5\n0.7\n0.8\n", "1.5*\n2\n3\n"]
)
def test_a_first_row_that_may_be_either_is_refused(write, text):
    with pytest.raises(SeriesFileError, match=r"line 1: .* may be a header or the first row of values"):
        Series.read(write(text))


def test_one_column_of_decimal_commas_is_not_two_columns(write):
    assert Series.read(write("x\n7,5\n8,25\n6,0\n")).values[:, 0].tolist() == [7.5, 8.25, 6.0]
    assert Series.read(write("-7,5\n-8,25\n")).shape == (2, 2)  # commas between columns, as usual


@pytest.mark.parametrize(
    "text", ["x\n1,5\n2,5\n3,5\n", "date,x\n2024-01-01,1,5\n2024-01-02,2,5\n", "a,b\n7,1,5\n8,2,5\n"]
)
def test_commas_that_may_be_separators_or_decimal_signs_are_refused(write, text):
    with pytest.raises(
        SeriesFileError, match=r"line 2: .* may end in a number with a decimal comma, or have one column"
    ):
        Series.read(write(text))


@pytest.mark.parametrize("kind", ["csv", "CSV", "tsv", "json", "parquet", "npz", "xlsx"])
def test_every_format_may_be_compressed(tmp_path, write, kind):
    name = f"s.{kind}.gz"
    plain = tmp_path / name[:-3].lower()
    if plain.suffix == ".xlsx":
        pytest.importorskip("openpyxl")
        FRAME.to_excel(plain)
    elif plain.suffix in (".csv", ".tsv"):
        FRAME.to_csv(plain)
    elif plain.suffix == ".json":
        plain.write_text(FRAME.reset_index().astype({"index": str}).to_json(orient="records"))
    else:
        Series.of(FRAME).write(plain)
    assert_frame(Series.read(write(gzip.compress(plain.read_bytes(), mtime=0), name)))


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (gzip.compress(ROWS.encode(), mtime=0)[:-6], "s.csv.gz", r"not a readable gzip file \(Compressed file ended"),
        (ROWS.encode(), "s.csv.gz", r"not a readable gzip file"),
        (gzip.compress(b"", mtime=0), "s.csv.gz", r"the file holds no rows"),
        (gzip.compress(ROWS.encode(), mtime=0), "s.gz", r"unknown format ''; freerun reads \.csv"),
        (gzip.compress(ROWS.encode(), mtime=0), "s.csv", r"the content is a gzip file \(\.csv\.gz\); rename"),
        (b"PK\x03\x04 and more", "s.csv", r"the content is a zip file or a spreadsheet \(\.xlsx\); rename"),
        (b"PK\x03\x04 and more", "s.xlsx", r"not a readable spreadsheet"),
        (gzip.compress(bytes(2**27), mtime=0), "s.csv.gz", r"unpack to .* MiB, more than 200 times the size"),
    ],
)
def test_damaged_and_misnamed_files_are_refused(write, content, name, message):
    if name == "s.xlsx":
        pytest.importorskip("openpyxl")
    with pytest.raises(SeriesFileError, match=message):
        Series.read(write(content, name))


def contents(tmp_path: Path) -> dict[str, bytes]:
    """The same series in every format that is recognised by its first bytes."""
    found = {"csv": FRAME.to_csv().encode(), "gz": gzip.compress(FRAME.to_csv().encode(), mtime=0)}
    found["json"] = json.dumps(RECORDS).encode()
    for suffix in ("parquet", "npz"):
        Series.of(FRAME).write(tmp_path / f"s.{suffix}")
        found[suffix] = (tmp_path / f"s.{suffix}").read_bytes()
    return found


@pytest.mark.parametrize("kind", ["csv", "gz", "json", "parquet", "npz"])
def test_standard_input_holds_any_format(tmp_path, monkeypatch, kind):
    content = contents(tmp_path)[kind]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert_frame(Series.read("-"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_pipe_is_read_to_its_end(tmp_path, kind):
    content = contents(tmp_path)[kind]
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    assert_frame(Series.read(tmp_path / "pipe"))
    writer.join(10)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the input is empty"), (b"a,b\n1,2\n3,x\n", "line 3, column 'b': 'x' is not a number")],
)
def test_messages_name_standard_input(monkeypatch, content, message):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(SeriesFileError, match=f"standard input.*{message}"):
        Series.read("-")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (json.dumps(RECORDS), "s.json"),
        (json.dumps(RECORDS, indent=2), "s.json"),
        ("\ufeff" + json.dumps(RECORDS), "s.json"),
        ("\n".join(map(json.dumps, RECORDS)), "s.jsonl"),
        ("\n\n".join(map(json.dumps, RECORDS)) + "\n", "s.ndjson"),
        (json.dumps({name: [record[name] for record in RECORDS] for name in RECORDS[0]}), "s.json"),
        (json.dumps([{name: str(value) for name, value in record.items()} for record in RECORDS]), "s.json"),
    ],
)
def test_json_of_records_lines_and_columns(write, text, name):
    assert_frame(Series.read(write(text, name)))


def test_missing_values_in_json(write):
    text = '{"t": 1, "x": 1.5}\n{"t": 2}\n{"t": 3, "x": null}\n{"t": 4, "x": NaN}\n{"t": 5, "x": "NA"}\n'
    assert np.isnan(Series.read(write(text, "s.jsonl")).values[:, 0]).tolist() == [False, True, True, True, True]
    assert np.isnan(Series.read(write("[1.5, null, 2]", "s.json")).values[:, 0]).tolist() == [False, True, False]


def test_true_and_false_in_json(write):
    assert Series.read(write('[{"x": true}, {"x": false}]', "s.json")).values.tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"s\.json: the file holds no rows"),
        ('[{"t": 1, "x": 2, "x": 3}]', r"s\.json: an object has the name 'x' twice"),
        ('{"t": 1, "x": 2}\n{"t": 2, "t": 3}', r"line 2: an object has the name 't' twice"),
        ("{}", r"the objects have no names"),
        ("{,}", r"line 1: not JSON"),
        ('{"x": 1}\n{"x": 2\n', r"line 2: not JSON"),
        ('"text"', r"line 1: 'text' is not an object"),
        ("[[1, 2], [3, 4]]", r"line 1: '\[1, 2\]' is not an object; write one object with names for each row"),
        ('[{"x": {"y": 1}}]', r"is not a number; write one object for each row .*orient='records'"),
        ('{"a": [1, 2], "b": [1]}', r"a, b are not lists of equal length; write one object for each row"),
        ('[{"x": 1}, {"x": "high"}]', r"line 2, column 'x': 'high' is not a number"),
        ("[" * 100_000, r"not a table in JSON"),
        ('[{"x": 1' + "0" * 400 + '}, {"x": 1}]', r"line 1, column 'x': '1000.* is missing or infinite"),
        ('[{"x": 1' + "0" * 5000 + "}]", r"line 1: not JSON"),
        (FRAME.to_json(orient="split", date_format="iso"), r"not lists of equal length"),
        (FRAME.to_json(date_format="iso"), r"orient='records'"),
    ],
)
def test_json_that_does_not_hold_a_table_is_refused(write, text, message):
    with pytest.raises(SeriesFileError, match=message):
        Series.read(write(text, "s.json"))


@pytest.fixture
def sheet(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")

    def write_sheets(*sheets: list[list[Any]]) -> Path:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for rows in sheets:
            page = book.create_sheet()
            for row in rows:
                page.append(row)
        book.save(tmp_path / "s.xlsx")
        return tmp_path / "s.xlsx"

    return write_sheets


TABLE: list[list[Any]] = [["date", "a", "b"], *([day.to_pydatetime(), a, b] for day, a, b in FRAME.itertuples())]


def test_a_spreadsheet_that_pandas_writes(tmp_path):
    pytest.importorskip("openpyxl")
    FRAME.to_excel(tmp_path / "s.xlsx")
    assert_frame(Series.read(tmp_path / "s.xlsx"))


@pytest.mark.parametrize(
    "rows",
    [
        TABLE,
        [["Report"], [], ["by someone"], *TABLE],
        [[], [], *([None, None, *row] for row in TABLE)],
        [*TABLE, [], []],
    ],
)
def test_the_table_in_a_sheet_is_found(sheet, rows):
    assert_frame(Series.read(sheet(rows)))


def test_text_in_a_sheet_is_read_as_in_a_file(sheet):
    rows = [["date", "a", "b"], *([f"{day:%d.%m.%Y}", f"{a:.2f}".replace(".", ","), b] for day, a, b in TABLE[1:])]
    assert_frame(Series.read(sheet(rows)))


def test_days_and_times_of_day_in_cells_of_a_sheet(sheet):
    rows = [["date", "time", "x"], *([datetime(2024, 1, 1), time(hour), hour] for hour in range(4))]
    series = Series.read(sheet(rows))
    assert [str(stamp)[:16] for stamp in series.times] == [f"2024-01-01T{hour:02d}:00" for hour in range(4)]


def test_empty_cells_and_errors_of_a_sheet_are_missing(sheet):
    rows = [["t", "x"], [1, 1.5], [2, None], [3, "#N/A"], [4, "#DIV/0!"], [5, 2.5]]
    assert np.isnan(Series.read(sheet(rows)).values[:, 0]).tolist() == [False, True, True, True, False]


def test_a_formula_without_a_stored_result_is_refused(sheet):
    with pytest.raises(SeriesFileError, match=r"line 3, cell 2: the file has no value of this formula; open"):
        Series.read(sheet([["t", "x"], [1, 1.5], [2, "=1+1"], [3, 2.5]]))


def test_the_first_sheet_with_rows_is_read_and_the_others_are_named(sheet):
    path = sheet([], TABLE, [["other"]])
    with pytest.warns(SeriesWarning, match=r"s\.xlsx: sheet 'Sheet1' is read, and not 'Sheet2'"):
        assert_frame(Series.read(path))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"no sheet holds any rows"),
        ([["a", "a"], [1, 2]], r"two columns are named 'a'"),
        ([["date", "x"], [datetime(2024, 1, 1), 1], ["Total", 1]], r"line 3, column 'date': 'Total' is not a time"),
        ([["t", "x"], [1, 1], [2, "high"], [3, 3]], r"line 3, column 'x': 'high' is not a number"),
    ],
)
def test_sheets_that_do_not_hold_a_table_are_refused(sheet, rows, message):
    with pytest.raises(SeriesFileError, match=message):
        Series.read(sheet(rows))


def test_without_openpyxl_the_message_says_what_to_install(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"freerun\[excel\]"):
        Series.read(write(b"PK\x03\x04", "s.xlsx"))
