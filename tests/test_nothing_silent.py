"""However rows and columns come, the forecast is the same, or it is refused, or it is said;
it is never another one."""

import copy
import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import freerun
from freerun import Series
from freerun.errors import FreerunError, SeriesWarning

T, H, NEW, BEGIN = 60, 4, 5, 20
"""Steps of the training series, of a forecast and of an update,
and the first step that is read again."""

STEPS = T + NEW + H + 6

DRIVE = np.random.default_rng(3).normal(size=(STEPS, 2))
NOISE = np.random.default_rng(4).normal(0, 0.1, (STEPS, 2))
VALUES = np.c_[3 * DRIVE[:, 0] + 5, 1000 - 50 * DRIVE[:, 1]] + NOISE

INDEXES: dict[str, Any] = {
    "days": pd.date_range("2020-01-01", periods=STEPS),
    "hours": pd.date_range("2024-03-30", periods=STEPS, freq="h", tz="Europe/Berlin"),
    "weeks": pd.date_range("2020-01-01", periods=STEPS, freq="W-WED"),
    "working days": pd.date_range("2020-01-01", periods=STEPS, freq="B"),
    "month starts": pd.date_range("2000-01-01", periods=STEPS, freq="MS"),
    "month ends": pd.date_range("2000-01-31", periods=STEPS, freq="ME"),
    "quarters": pd.period_range("2000Q1", periods=STEPS, freq="Q"),
    "months": pd.period_range("2000-01", periods=STEPS, freq="M"),
    "numbers": pd.RangeIndex(1000, 1000 + STEPS),
    "spans": pd.timedelta_range("1h", periods=STEPS, freq="15min"),
    "count": pd.RangeIndex(STEPS),
}

EXAMPLES = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Case(NamedTuple):
    """A series and its inputs, and a network that has learned the first `T` steps."""

    y: pd.DataFrame
    x: pd.DataFrame
    rnn: freerun.RNN


@cache
def case(kind: str) -> Case:
    y = pd.DataFrame(VALUES, index=INDEXES[kind], columns=["a", "b"])
    x = pd.DataFrame(DRIVE, index=INDEXES[kind], columns=["u", "v"])
    rnn = freerun.RNN(
        8, cell="memoryless", optimizer="ridge", delays=2, input_scale=0.3, l2=1e-4, difference=0, members=1
    )
    return Case(y, x, rnn.fit(y[:T], inputs=x[:T]))


class Rows(NamedTuple):
    """Which rows of a table are given, and in which order its rows and columns come."""

    places: tuple[int, ...]
    turned: bool

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.iloc[list(self.places), :: -1 if self.turned else 1]

    def holds(self, first: int, last: int) -> bool:
        return set(range(first, last)) <= set(self.places)


@st.composite
def rows(draw: st.DrawFn, first: int, last: int, before: int = 6, after: int = 5, fewer: int = 1) -> Rows:
    """Rows from about the first to the last, one within them perhaps left out or given twice.

    Args:
        draw: of Hypothesis.
        first: the first row that is needed.
        last: the row after the last one that is needed.
        before: so many rows more at the beginning, at most.
        after: so many more at the end, at most.
        fewer: so many rows fewer at either end, at most.
    """
    begin = draw(st.integers(max(0, first - before), first + fewer))
    places = list(range(begin, draw(st.integers(last - fewer, min(STEPS, last + after)))))
    change = draw(st.sampled_from(["none", "none", "left out", "twice"]))
    if change == "left out" and len(places) > 2:
        places.remove(draw(st.sampled_from(places[1:-1])))
    if change == "twice":
        places.append(draw(st.sampled_from(places)))
    order = draw(st.sampled_from(["as they are", "newest first", "shuffled"]))
    if order == "newest first":
        places.reverse()
    if order == "shuffled":
        places = draw(st.permutations(places))
    return Rows(tuple(places), draw(st.booleans()))


def same_or_said(call: Any, expected: pd.DataFrame, whole: bool) -> None:
    """The forecast is the expected one; if not, freerun refuses
    the data or says that steps have no row.

    Args:
        call: makes the forecast.
        expected: what it has to be.
        whole: whether all rows that are needed are there,
            so that nothing less than the forecast will do.
    """
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            found = call()
        except FreerunError:
            return
    said = [str(warning.message) for warning in seen if issubclass(warning.category, SeriesWarning)]
    if any("have no row" in text for text in said):
        return
    assert whole, "rows that are needed are not there, and nothing is said"
    assert len(said) == len(seen), "a warning of another library"
    pd.testing.assert_frame_equal(found, expected, check_freq=False, rtol=1e-6)


@cache
def expected(kind: str) -> pd.DataFrame:
    y, x, rnn = case(kind)
    forecast = rnn.forecast(H, inputs=x[T : T + H])
    truth = VALUES[T : T + H]
    assert (np.abs(forecast.to_numpy() - truth) < 0.2 * VALUES.std(axis=0)).all()
    assert forecast.index.equals(y.index[T : T + H].rename("time").astype(forecast.index.dtype))
    return forecast


@given(kind=st.sampled_from(list(INDEXES)), given_rows=rows(T, T + H))
@EXAMPLES
def test_coming_inputs_in_any_form_make_the_same_forecast_or_none(kind, given_rows):
    _, x, rnn = case(kind)
    same_or_said(lambda: rnn.forecast(H, inputs=given_rows.of(x)), expected(kind), given_rows.holds(T, T + H))


@given(kind=st.sampled_from(list(INDEXES)), beside=rows(BEGIN, T + H), read=rows(BEGIN, T, 0, 0, 0))
@EXAMPLES
def test_a_series_to_continue_in_any_form_makes_the_same_forecast_or_none(kind, beside, read):
    y, x, rnn = case(kind)
    whole = read.holds(BEGIN, T) and beside.holds(BEGIN, T + H)
    same_or_said(
        lambda: rnn.forecast(H, after=Series.of(read.of(y), inputs=beside.of(x))),
        rnn.forecast(H, after=Series.of(y[BEGIN:T], inputs=x[BEGIN : T + H])),
        whole,
    )


@given(kind=st.sampled_from(list(INDEXES)), beside=rows(T, T + NEW + H), new=rows(T, T + NEW, after=0, fewer=0))
@EXAMPLES
def test_an_update_in_any_form_makes_the_same_forecast_or_none(kind, beside, new):
    y, x, rnn = case(kind)
    whole = new.holds(T, T + NEW) and beside.holds(T, T + NEW + H)

    def updated(y: Any, x: Any) -> pd.DataFrame:
        return copy.copy(rnn).update(y, inputs=x).forecast(H)

    same_or_said(lambda: updated(new.of(y), beside.of(x)), updated(y[T : T + NEW], x[T : T + NEW + H]), whole)


@pytest.mark.parametrize("kind", INDEXES)
def test_a_fit_to_rows_in_any_order_is_the_same(kind):
    """Columns keep their order here: they are what the random weights of a network go with."""
    y, x, rnn = case(kind)
    order = np.random.default_rng(5).permutation(T)
    turned = freerun.RNN(**rnn.get_params())
    with pytest.warns(SeriesWarning, match="they are sorted"):
        turned.fit(y.iloc[order], inputs=x[: T + H].iloc[::-1])
    pd.testing.assert_frame_equal(turned.forecast(H), expected(kind), check_freq=False)


@given(kind=st.sampled_from(list(INDEXES)), rows=st.integers(1, STEPS - T), named=st.booleans(), turned=st.booleans())
@EXAMPLES
def test_coming_inputs_without_times_are_a_row_for_each_step_or_none(kind, rows, named, turned):
    """Without names their order counts, so only named ones are turned."""
    _, x, rnn = case(kind)
    part = x[T : T + rows].reset_index(drop=True)
    data: Any = part.iloc[:, :: -1 if turned else 1] if named else part.to_numpy()
    same_or_said(lambda: rnn.forecast(H, inputs=data), expected(kind), rows == H)


@pytest.mark.parametrize("rows", [H - 1, H, H + 1, T + H])
def test_arrays_are_taken_by_position_or_not_at_all(rows):
    _, _, rnn = case("count")
    plain = freerun.RNN(**rnn.get_params()).fit(VALUES[:T], inputs=DRIVE[:T])
    begin = T if rows <= H + 1 else 0
    same_or_said(
        lambda: plain.forecast(H, inputs=DRIVE[begin : begin + rows]),
        plain.forecast(H, inputs=DRIVE[T : T + H]),
        rows == H,
    )
    np.testing.assert_allclose(plain.forecast(H, inputs=DRIVE[T : T + H]), expected("count"))
