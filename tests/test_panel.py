"""Several series learned together: which forms they come in,
and how their external inputs are matched."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from freerun.data.panel import fingerprint, panel_of
from freerun.data.series import Series
from freerun.errors import SeriesError

DAYS = pd.date_range("2024-01-01", periods=6)
A, B = np.arange(6.0), 10 + np.arange(4.0)
U, V = A[:, None] ** 2, -B[:, None]


def values_of(panel):
    return [series.values[:, 0].tolist() for series in panel]


def inputs_of(panel):
    return [series.inputs[:, 0].tolist() for series in panel]


BOTH = [A.tolist(), B.tolist()]
EXTERNAL = [U[:, 0].tolist(), V[:, 0].tolist()]


@pytest.mark.parametrize(
    "data",
    [
        [A, B],
        (A, B),
        {"a": A, "b": B},
        [Series.of(A), pd.Series(B)],
        {"a": pd.DataFrame({"y": A}), "b": Series.of(B)},
    ],
    ids=["list", "tuple", "dict", "mixed list", "mixed dict"],
)
def test_a_collection_of_series_is_a_panel_in_its_order(data):
    assert values_of(panel_of(data)) == BOTH


def test_a_list_of_the_numbers_of_numpy_is_one_series():
    assert values_of(panel_of(list(A), list(A**2))) == [A.tolist()]


def test_one_series_is_a_panel_of_one():
    for data in (A, A.tolist(), pd.Series(A), Series.of(A)):
        assert values_of(panel_of(data)) == [A.tolist()]


def test_a_table_with_a_column_of_names_is_a_panel_in_the_order_of_their_first_rows():
    frame = pd.DataFrame({"unique_id": ["b"] * 4 + ["a"] * 6, "y": [*B, *A]})
    assert values_of(panel_of(frame)) == BOTH[::-1]


def test_an_index_of_names_and_times_is_a_panel_with_these_times():
    frame = pd.concat({"a": pd.DataFrame({"y": A}, DAYS), "b": pd.DataFrame({"y": B}, DAYS[2:])})
    panel = panel_of(frame)
    assert values_of(panel) == BOTH
    assert [str(series.times[0])[:10] for series in panel] == ["2024-01-01", "2024-01-03"]


def test_inputs_of_a_list_are_matched_by_position_whatever_they_are_called():
    for inputs in ([U, V], (U, V), {"x": U, "y": V}):
        assert inputs_of(panel_of([A, B], inputs)) == EXTERNAL


def test_inputs_of_a_dict_are_matched_by_name_in_any_order():
    panel = panel_of({"a": A, "b": B}, {"b": V, "a": U})
    assert values_of(panel) == BOTH
    assert inputs_of(panel) == EXTERNAL


def test_columns_are_taken_as_inputs_by_their_name():
    frame = pd.concat(
        {"a": pd.DataFrame({"y": A, "u": U[:, 0]}, DAYS), "b": pd.DataFrame({"y": B, "u": V[:, 0]}, DAYS[:4])}
    )
    for inputs in ("u", ["u"]):
        panel = panel_of(frame, inputs)
        assert values_of(panel) == BOTH
        assert inputs_of(panel) == EXTERNAL
        assert {series.input_names for series in panel} == {("u",)}


@pytest.mark.parametrize(
    ("data", "inputs", "message"),
    [
        ({}, None, "the panel is empty; give at least one series"),
        ({"a": [1.0, 2.0], "b": [3.0, 4.0]}, None, "'a' of the dict is a list, .* give a DataFrame for a table"),
        ({"a": A, "b": "later"}, None, "'b' of the dict is a str"),
        ([A, B], [U], "1 of external inputs for 2 series; give one for each"),
        ([A, B], [U, V, U], "3 of external inputs for 2 series; give one for each"),
        ([A, B], U, "one set of external inputs for 2 series; give one for each"),
        ({"a": A, "b": B}, [U, V], "the external inputs are named 0, 1, and the series a, b; give them"),
        ({"a": A, "b": B}, {"a": U, "c": V}, "the external inputs are named a, c, and the series a, b"),
        ({"a": A, "shop": np.full(4, np.inf)}, None, "series shop of the panel: "),
        ([A, B], [U, V[:2]], "series 1 of the panel: "),
        ({"a": A, "b": B}, ["u"], "series a of the panel: "),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_panel_is_said(data, inputs, message):
    with pytest.raises(SeriesError, match=message):
        panel_of(data, inputs)


def test_a_row_of_an_index_without_a_name_is_counted_from_0():
    index = pd.MultiIndex.from_arrays([["a", "a", None, "b"], DAYS[:4]])
    with pytest.raises(SeriesError, match="row 2 of the index has no name of a series; fill it in"):
        panel_of(pd.DataFrame({"y": B}, index))


def test_a_fingerprint_is_the_same_for_the_same_series_and_for_no_other():
    def of(values: Any = A, inputs: Any = U, **options: Any) -> str:
        return fingerprint([Series(values, inputs=inputs, **options), Series(B, inputs=V)])

    one, two = Series(A, inputs=U), Series(B, inputs=V)
    others = [
        of(np.nextafter(A, 9)),
        of(inputs=U + 1e-12),
        of(inputs=np.empty((0, 0))),
        of(dt=2.0),
        of(channels=("y",)),
        of(input_names=("rain",)),
        fingerprint([two, one]),
        fingerprint([one]),
    ]
    assert of() == of(A.copy()) == fingerprint([one, two])
    assert len({of(), *others}) == 1 + len(others)
