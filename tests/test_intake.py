"""What users have their numbers in: columns of every kind, indexes of every kind,
tables and arrays of any library."""

import datetime
from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from freerun import RNN, Series
from freerun.data.panel import panel_of
from freerun.errors import FreerunError, SeriesError, SeriesWarning

NAN = np.nan
DAYS = pd.date_range("2024-01-01", periods=20)
MONTHS = pd.date_range("2015-01-01", periods=20, freq="MS")
VALUES = np.arange(20.0) ** 2


COLUMNS: dict[str, tuple[Any, list[float]]] = {
    "nullable whole": (pd.array([1, 2, None], dtype="Int64"), [1, 2, NAN]),
    "nullable": (pd.array([1.5, None, 2], dtype="Float64"), [1.5, NAN, 2]),
    "nullable truth": (pd.array([True, False, None], dtype="boolean"), [1, 0, NAN]),
    "truth": (np.array([True, False, True]), [1, 0, 1]),
    "objects of truth": (pd.Series([True, None, False], dtype=object), [1, NAN, 0]),
    "Arrow": (pd.array([1.5, None, 2], dtype="double[pyarrow]"), [1.5, NAN, 2]),
    "Arrow whole": (pd.array([1, None, 2], dtype="int64[pyarrow]"), [1, NAN, 2]),
    "Arrow truth": (pd.array([True, None, False], dtype="bool[pyarrow]"), [1, NAN, 0]),
    "Arrow decimal": (
        pd.array([Decimal("1.5"), None, Decimal(2)], dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
        [1.5, NAN, 2],
    ),
    "Arrow text": (pd.array(["1.5", None, "2"], dtype="string[pyarrow]"), [1.5, NAN, 2]),
    "Arrow nothing": (pd.array([None] * 3, dtype=pd.ArrowDtype(pa.null())), [NAN] * 3),
    "text": (["1.5", "", "2"], [1.5, NAN, 2]),
    "text with commas": (["1,5", "NA", "2"], [1.5, NAN, 2]),
    "words of truth": (["True", "False", "True"], [1, 0, 1]),
    "objects": ([1, "2", Decimal(3)], [1, 2, 3]),
    "nothing": ([None, None, None], [NAN] * 3),
    "decimals": ([Decimal("1.5"), None, Decimal(2)], [1.5, NAN, 2]),
    "fractions": ([Fraction(1, 2), Fraction(1, 4), Fraction(2)], [0.5, 0.25, 2]),
    "categories of numbers": (pd.Categorical([1, 2, 1]), [1, 2, 1]),
    "categories of text": (pd.Categorical(["1", "2", "1"]), [1, 2, 1]),
    "half precision": (np.array([1, 2, 4], "f2"), [1, 2, 4]),
    "bytes": (np.array([1, 2, 255], "u1"), [1, 2, 255]),
    "sparse": (pd.arrays.SparseArray([0.0, 1.0, 0.0]), [0, 1, 0]),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_holds_numbers_in_any_form(kind):
    column, expected = COLUMNS[kind]
    series = Series.of(pd.DataFrame({"y": column, "z": [5.0, 6, 7]}))
    np.testing.assert_array_equal(series.values, np.c_[expected, [5, 6, 7]])
    assert series.channels == ("y", "z")


@pytest.mark.parametrize(
    "column",
    [
        ["a", "b", "c"],
        pd.Categorical(["a", "b", "a"]),
        np.array([1j, 2, 3]),
        pd.to_timedelta([1, 2, 3], unit="h"),
        pd.interval_range(0, 3),
        [[1], [2], [3]],
        [b"1", b"2", b"3"],
        ["yes", "no", "yes"],
        [1.0, np.inf, 2.0],
    ],
    ids=["text", "categories", "complex", "spans", "intervals", "lists", "bytes", "yes and no", "infinite"],
)
def test_a_column_of_anything_else_is_refused_by_name(column):
    with pytest.raises(SeriesError, match="column 'y'"):
        Series.of(pd.DataFrame({"y": column, "z": [5.0, 6, 7]}))


DATED: dict[str, Any] = {
    "dates": DAYS,
    "text": DAYS.strftime("%Y-%m-%d"),
    "German text": DAYS.strftime("%d.%m.%Y"),
    "nullable text": pd.Index(DAYS.strftime("%Y-%m-%d"), dtype="string"),
    "date objects": pd.Index([day.date() for day in DAYS]),
    "datetime objects": pd.Index([day.to_pydatetime() for day in DAYS], dtype=object),
    "Arrow dates": pd.Index([day.date() for day in DAYS], dtype=pd.ArrowDtype(pa.date32())),
    "Arrow times": pd.Index(DAYS, dtype="timestamp[us][pyarrow]"),
    "Arrow text": pd.Index(DAYS.strftime("%Y-%m-%d"), dtype="string[pyarrow]"),
    "categories of dates": pd.CategoricalIndex(DAYS),
    "categories of text": pd.CategoricalIndex(DAYS.strftime("%Y-%m-%d")),
    "whole numbers": pd.Index([int(day.strftime("%Y%m%d")) for day in DAYS]),
    "periods": pd.period_range(DAYS[0], periods=20, freq="D"),
    "objects of periods": pd.Index(list(pd.period_range(DAYS[0], periods=20, freq="D")), dtype=object),
    "one level": pd.MultiIndex.from_arrays([DAYS]),
    "nanoseconds": pd.DatetimeIndex(DAYS, dtype="datetime64[ns]"),
    "seconds": pd.DatetimeIndex(DAYS, dtype="datetime64[s]"),
}


@pytest.mark.parametrize("kind", DATED)
def test_an_index_of_dates_is_the_time_whatever_holds_it(kind):
    frame = pd.DataFrame({"y": VALUES}, index=DATED[kind])
    series = Series.of(frame)
    assert series.times.astype("datetime64[s]").tolist() == DAYS.to_numpy().astype("datetime64[s]").tolist()
    assert series.calendar.frequency == "D"
    with pytest.warns(SeriesWarning, match="the rows are sorted from newest to oldest"):
        turned = Series.of(frame[::-1])
    np.testing.assert_array_equal(turned.values[:, 0], VALUES)
    with pytest.warns(SeriesWarning, match="1 of 20 steps"):
        holed = Series.of(frame.iloc[[*range(7), *range(8, 20)]])
    assert np.flatnonzero(np.isnan(holed.values[:, 0])).tolist() == [7]


NUMBERED: dict[str, Any] = {
    "range": pd.RangeIndex(7, 27),
    "nullable": pd.Index(np.arange(7, 27), dtype="Int64"),
    "Arrow": pd.Index(np.arange(7, 27), dtype="int64[pyarrow]"),
    "unsigned": pd.Index(np.arange(7, 27), dtype="uint64"),
    "objects": pd.Index(list(range(7, 27)), dtype=object),
    "categories": pd.CategoricalIndex(range(7, 27)),
    "decimals": pd.Index([Decimal(n) for n in range(7, 27)]),
    "floats": pd.Index(np.arange(7.0, 27)),
}


@pytest.mark.parametrize("kind", NUMBERED)
def test_an_index_of_numbers_is_the_time_whatever_holds_it(kind):
    series = Series.of(pd.DataFrame({"y": VALUES}, index=NUMBERED[kind]))
    assert series.timed
    np.testing.assert_array_equal(series.times, np.arange(7, 27))
    np.testing.assert_array_equal(series.following_times(2), [27, 28])


@pytest.mark.parametrize("kind", [object, "int8", "Int64", "int64[pyarrow]", "category"])
def test_an_index_that_counts_from_0_tells_no_times(kind):
    series = Series.of(pd.DataFrame({"y": VALUES}, index=pd.Index(range(20), dtype=kind)))
    assert not series.timed
    np.testing.assert_array_equal(series.times, np.arange(20))


@pytest.mark.parametrize("kind", ["timedelta64[ns]", "duration[ns][pyarrow]"])
def test_an_index_of_spans_is_in_seconds(kind):
    index = pd.Index(pd.to_timedelta(np.arange(20), unit="h"), dtype=kind)
    np.testing.assert_array_equal(Series.of(pd.Series(VALUES, index=index)).times, 3600 * np.arange(20))


def test_dates_of_a_zone_are_kept_in_it():
    index = pd.date_range("2024-03-25", periods=20, tz="Europe/Berlin")
    for kind in (index, pd.Index(index, dtype="timestamp[us, Europe/Berlin][pyarrow]")):
        series = Series.of(pd.Series(VALUES, index=kind))
        assert series.index.tolist() == index.tolist()
        assert str(series.following_index(1)[0]) == "2024-04-14 00:00:00+02:00"


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (pd.Index([f"r{i}" for i in range(20)]), "row 0 of the index, 'r0', is not a time"),
        (pd.CategoricalIndex([f"r{i}" for i in range(20)]), "row 0 of the index, 'r0', is not a time"),
        (pd.interval_range(0, 20), "is not a time"),
        (pd.Index(np.arange(20) + 1j), "is not a time"),
        (pd.Index([True, False] * 10), "true and false, which are not times"),
        (pd.Index([True, False] * 10, dtype="bool[pyarrow]"), "true and false, which are not times"),
        (pd.DatetimeIndex([pd.NaT, *DAYS[1:]]), "row 0 of the index has no time"),
        (pd.Index([*range(19), np.nan]), "row 19 of the index has no time"),
        (pd.Index([datetime.time(i) for i in range(20)]), "a time of day without a date"),
        (pd.MultiIndex.from_product([["p", "q"], DAYS[:10]]), "the index has 2 levels"),
    ],
)
def test_an_index_that_tells_no_times_is_refused(index, message):
    with pytest.raises(SeriesError, match=message):
        Series.of(pd.Series(VALUES, index=index))


def test_masked_values_are_missing():
    masked = np.ma.masked_equal(np.array([[1.0, -9.0], [2.0, 4.0]]), -9)
    np.testing.assert_array_equal(Series.of(masked).values, [[1, NAN], [2, 4]])


class Memory:
    """An array of a library that shares memory by DLPack alone."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


class Tensor(Memory):
    """An array that refuses to be converted, as one that takes part in a gradient does."""

    def __array__(self, *args: Any, **options: Any) -> np.ndarray:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("Can't export tensors that require gradient")


ARRAYS: dict[str, Any] = {
    "array": VALUES,
    "list": VALUES.tolist(),
    "tuple": tuple(VALUES),
    "deque": deque(VALUES),
    "objects": np.array(VALUES, object),
    "column": VALUES[:, None],
    "memoryview": VALUES.data,
    "shared memory": Memory(VALUES.copy()),
    "nullable": pd.array(VALUES, dtype="Float64"),
    "index": pd.Index(VALUES),
    "Arrow array": pa.array(VALUES),
    "Arrow chunks": pa.chunked_array([VALUES[:5], VALUES[5:]]),
    "Series without a name": pd.Series(VALUES),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_any_library_are_one_channel(kind):
    series = Series.of(ARRAYS[kind])
    np.testing.assert_array_equal(series.values[:, 0], VALUES)
    assert (series.channels, series.named, series.timed) == (("x",), False, False)


def test_a_tensor_that_cannot_be_converted_is_refused_in_its_own_words():
    with pytest.raises(
        SeriesError, match=r"the Tensor cannot be read as an array .*requires grad.*; give it as a NumPy"
    ):
        Series.of(Tensor(VALUES))


FRAME = pd.DataFrame({"ds": DAYS, "a": VALUES, "b": -VALUES})


@pytest.mark.parametrize(
    "table",
    [
        pa.table(FRAME),
        pa.Table.from_pandas(FRAME.set_index("ds")),
        pa.RecordBatch.from_pandas(FRAME),
        pa.table(FRAME).to_reader(),
        FRAME,
        FRAME.set_index("ds"),
        FRAME[["b", "ds", "a"]],
    ],
    ids=["table", "table with an index", "batch", "reader", "frame", "frame with an index", "date in the middle"],
)
def test_tables_of_any_library_keep_names_and_times(table):
    series = Series.of(table, columns=["a", "b"])
    np.testing.assert_array_equal(series.values, np.c_[VALUES, -VALUES])
    assert series.channels == ("a", "b")
    assert series.index.tolist() == DAYS.tolist()


def labelled(values: np.ndarray, dims: Any, coords: Any) -> Any:
    xarray = pytest.importorskip("xarray")
    return xarray.DataArray(values, dims=dims, coords=coords)


def test_labelled_arrays_are_read_along_their_times():
    both, names = np.c_[VALUES, -VALUES], ["a", "b"]
    for array in (
        labelled(both, ("time", "channel"), {"time": DAYS, "channel": names}),
        labelled(both.T, ("channel", "time"), {"time": DAYS, "channel": names}),
        labelled(both, ("row", "channel"), {"time": ("row", DAYS), "channel": names}),
    ):
        series = Series.of(array)
        np.testing.assert_array_equal(series.values, both)
        assert series.channels == ("a", "b")
        assert series.index.tolist() == DAYS.tolist()


def test_a_labelled_dataset_is_one_series_of_its_variables():
    xarray = pytest.importorskip("xarray")
    dataset = xarray.Dataset({"a": ("time", VALUES), "b": ("time", -VALUES)}, {"time": DAYS})
    (series,) = panel_of(dataset)
    np.testing.assert_array_equal(series.values, np.c_[VALUES, -VALUES])
    assert (series.channels, series.timed) == (("a", "b"), True)


def test_polars_tables_keep_names_and_times():
    polars = pytest.importorskip("polars")
    series = Series.of(polars.from_pandas(FRAME))
    np.testing.assert_array_equal(series.values, np.c_[VALUES, -VALUES])
    assert series.index.tolist() == DAYS.tolist()
    np.testing.assert_array_equal(Series.of(polars.Series("q", [1.0, None])).values[:, 0], [1, NAN])


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        "no-such-file.csv",
        b"123",
        [],
        {},
        {"a": [1, 2]},
        {1, 2},
        [[1.0], [1.0, 2.0]],
        [{"a": 1}],
        np.zeros((2, 2, 2)),
        np.array([1j]),
        DAYS,
        DAYS.to_numpy(),
        list(DAYS),
        pd.Timestamp("2024-01-01"),
        [pd.NA, 1.0],
        FRAME.groupby("a"),
        FRAME.a.rolling(3),
        FRAME[:0],
        pd.concat({"k": FRAME}, axis=1),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        pd.DataFrame,
        len,
    ],
    ids=lambda data: type(data).__name__,
)
def test_objects_without_a_series_are_refused_and_never_crash(data):
    with pytest.raises(FreerunError):
        RNN().fit(data)


@pytest.mark.parametrize(
    "times",
    [["a", "b", "c"], [False, True, True], [0.0, NAN, 2.0], [2.0, 1.0, 0.0], [DAYS[0], DAYS[0], DAYS[1]]],
)
def test_invalid_times_of_a_series_are_refused(times):
    with pytest.raises(SeriesError):
        Series(VALUES[:3], times=np.array(times))


@pytest.mark.parametrize("kind", ["dates", "date objects", "periods"])
def test_times_of_a_series_may_be_held_by_pandas(kind):
    series = Series(VALUES, times=np.array(DATED[kind]))
    assert series.following_times(1).astype("datetime64[D]") == np.datetime64("2024-01-21")


PARTS: dict[str, Any] = {"p": FRAME.set_index("ds")[:12], "q": FRAME.set_index("ds")[8:]}


def assert_parts(panel: Any) -> None:
    for series, part in zip(panel, PARTS.values(), strict=True):
        np.testing.assert_array_equal(series.values, part.to_numpy())
        assert pd.DatetimeIndex(series.times).tolist() == part.index.tolist()


@pytest.mark.parametrize("times", ["dates", "periods", "text", "categories"])
def test_levels_of_an_index_may_come_in_any_order(times):
    as_times: Any = {
        "dates": lambda index: index,
        "periods": lambda index: index.to_period("D"),
        "text": lambda index: index.strftime("%Y-%m-%d"),
        "categories": pd.CategoricalIndex,
    }[times]
    frame = pd.concat({name: part.set_axis(as_times(part.index)) for name, part in PARTS.items()})
    for one in (frame, frame.swaplevel()):
        assert_parts(panel_of(one))


def test_which_index_level_is_the_time_follows_from_text_or_from_level_names():
    parts = {name: part.set_axis(range(3, 3 + len(part))) for name, part in PARTS.items()}
    texts = pd.concat(parts)
    numbers = pd.concat({7: parts["p"], 8: parts["q"]}).rename_axis(index=["shop", "time"])
    for frame in (texts, texts.swaplevel(), numbers, numbers.swaplevel()):
        assert [len(series) for series in panel_of(frame)] == [12, 12]
        np.testing.assert_array_equal(panel_of(frame)[1].values, PARTS["q"])


def test_levels_that_both_hold_times_are_refused():
    years = pd.MultiIndex.from_product([range(2015, 2020), range(1, 5)], names=["year", "month"])
    dates = pd.MultiIndex.from_product([DAYS[:4], DAYS[:5]])
    for index in (years, dates):
        with pytest.raises(SeriesError, match=r"both levels of the index .* hold times"):
            panel_of(pd.DataFrame({"y": VALUES}, index=index))


def test_three_levels_are_refused():
    with pytest.raises(SeriesError, match="the index has 3 levels"):
        panel_of(pd.concat({"k": pd.concat(PARTS)}))


def test_shuffled_rows_of_several_series_are_sorted_in_each():
    frame = (
        pd.concat(PARTS, names=["id", "ds"]).sample(frac=1, random_state=2).sort_index(level="id", sort_remaining=False)
    )
    with pytest.warns(SeriesWarning, match="the rows are not sorted by time"):
        assert_parts(panel_of(frame))


def test_a_fault_names_the_series_of_the_panel():
    frame = pd.concat([pd.concat(PARTS), pd.concat(PARTS)[:1]])
    with pytest.raises(SeriesError, match="series p of the panel: the time 2024-01-01 occurs twice"):
        panel_of(frame)


def test_a_long_table_may_have_its_columns_in_any_order():
    long = pd.concat([part.reset_index().assign(unique_id=name) for name, part in PARTS.items()])
    for table in (
        long,
        long[["unique_id", "ds", "a", "b"]],
        long.set_index("ds"),
        long.astype({"unique_id": "category"}),
    ):
        assert_parts(panel_of(table))


def test_names_of_input_columns_go_for_all_series_of_a_panel():
    for given in ("b", ["b"]):
        for series in panel_of(pd.concat(PARTS), given):
            assert (series.channels, series.input_names) == (("a",), ("b",))


def test_inputs_of_a_panel_are_matched_by_the_names_of_the_series():
    y = {name: part[["a"]] for name, part in PARTS.items()}
    x = {name: part[["b"]] for name, part in reversed(PARTS.items())}
    for series, part in zip(panel_of(y, x), PARTS.values(), strict=True):
        np.testing.assert_array_equal(series.inputs[:, 0], part["b"])
    with pytest.raises(SeriesError, match="the external inputs are named p, r, and the series p, q; give them under"):
        panel_of(y, {"p": x["p"], "r": x["q"]})


def test_a_panel_by_levels_names_the_column_to_choose():
    frame = pd.concat(PARTS, names=["shop", "ds"])
    assert_parts(Series.panel(frame, id="shop").values())
    with pytest.raises(SeriesError, match="no column 'unique_id'; there are: shop, ds, a, b"):
        Series.panel(frame)
