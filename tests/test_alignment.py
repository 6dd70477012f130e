"""What belongs together: channels and inputs by name, rows by time,
and by position where there is neither."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun import Series
from freerun.errors import SeriesError, SeriesWarning

QUICK: Any = {"hidden": 10, "cell": "memoryless", "optimizer": "ridge", "delays": 2, "input_scale": 0.3, "l2": 1e-6}
QUICK["difference"] = 0

T, H = 120, 6
STEPS = T + 2 * H + 4
DRIVE = np.random.default_rng(0).normal(size=(STEPS, 2))
DRIVEN = np.c_[3 * DRIVE[:, 0] + 5, 1000 - 50 * DRIVE[:, 1]]
"""What the inputs make of the channels; a network of these settings finds it to 0.3 %."""

INDEXES = {
    "days": pd.date_range("2020-01-01", periods=STEPS),
    "months": pd.date_range("2000-01-01", periods=STEPS, freq="MS"),
    "periods": pd.period_range("2000-01", periods=STEPS, freq="M"),
    "zone": pd.date_range("2020-03-20", periods=STEPS, freq="h", tz="Europe/Berlin"),
    "numbers": pd.RangeIndex(500, 500 + STEPS),
    "spans": pd.timedelta_range("0s", periods=STEPS, freq="10min"),
    "count": pd.RangeIndex(STEPS),
}


def channels(index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(DRIVEN, index=index, columns=["a", "b"])


def drives(index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(DRIVE, index=index, columns=["u", "v"])


@pytest.fixture(scope="module", params=list(INDEXES))
def fitted(request) -> tuple[freerun.RNN, pd.DataFrame, pd.DataFrame]:
    y, x = channels(INDEXES[request.param]), drives(INDEXES[request.param])
    return freerun.RNN(**QUICK).fit(y[:T], inputs=x[:T]), y, x


@pytest.fixture(scope="module")
def days() -> tuple[freerun.RNN, pd.DataFrame, pd.DataFrame]:
    y, x = channels(INDEXES["days"]), drives(INDEXES["days"])
    return freerun.RNN(**QUICK).fit(y[:T], inputs=x[:T]), y, x


def assert_near(found: Any, begin: int) -> None:
    """Forecasts are what the inputs of these steps make of the channels, channel by channel."""
    truth = DRIVEN[begin : begin + len(found)]
    assert (np.abs(np.asarray(found) - truth).max(axis=0) < 0.01 * DRIVEN.std(axis=0)).all()


WAYS = {
    "other columns first": lambda x: x[["v", "u"]],
    "shuffled": lambda x: x.sample(frac=1, random_state=1),
    "newest first": lambda x: x[::-1],
}


@pytest.mark.parametrize("way", WAYS)
def test_coming_inputs_are_found_by_name_and_time(fitted, way):
    rnn, _, x = fitted
    for first in (T, 0):
        assert_near(rnn.forecast(H, inputs=WAYS[way](x[first : T + H])), T)


def test_coming_inputs_may_go_on_beyond_what_is_asked(fitted):
    rnn, _, x = fitted
    assert_near(rnn.forecast(H, inputs=x[T : T + H + 3]), T)


def test_coming_inputs_without_a_step_are_refused(fitted):
    rnn, _, x = fitted
    with pytest.raises(SeriesError, match=r"have a row for .*, but the next step is"):
        rnn.forecast(H, inputs=x[T : T + H].drop(x.index[T + 2]))


def test_coming_inputs_that_begin_late_are_refused(fitted):
    rnn, _, x = fitted
    with pytest.raises(SeriesError, match=r"have a row for .*, but the next step is"):
        rnn.forecast(H, inputs=x[T + 1 : T + 1 + H])


def test_two_rows_for_a_coming_step_are_refused(fitted):
    rnn, _, x = fitted
    with pytest.raises(SeriesError, match="two rows for"):
        rnn.forecast(H, inputs=pd.concat([x[T : T + H], x[T + 2 : T + 3]]))


def test_an_input_that_is_missing_or_too_much_is_named(days):
    rnn, _, x = days
    with pytest.raises(SeriesError, match="'v' is missing"):
        rnn.forecast(H, inputs=x[["u"]][T : T + H])
    with pytest.raises(SeriesError, match="'w' is not needed"):
        rnn.forecast(H, inputs=x.assign(w=1.0)[T : T + H])


def test_an_array_of_coming_inputs_is_a_row_for_each_step(fitted):
    rnn, _, x = fitted
    assert_near(rnn.forecast(H, inputs=x[T : T + H].to_numpy()), T)


@pytest.mark.parametrize("rows", [slice(0, T + H), slice(T, T + H + 1)])
def test_an_array_with_more_rows_than_steps_to_come_is_refused(fitted, rows):
    """Nothing tells which of them are meant."""
    rnn, _, x = fitted
    with pytest.raises(SeriesError, match="rows without times, but there are 6 future steps"):
        rnn.forecast(H, inputs=x[rows].to_numpy())


def test_inputs_are_found_by_time_in_a_fit(fitted):
    _, y, x = fitted
    beside = {"earlier": x[:T], "shuffled": x[:T].sample(frac=1, random_state=2), "newest first": x[:T][::-1]}
    for given in beside.values():
        rnn = freerun.RNN(**QUICK).fit(y[20:T], inputs=given)
        assert_near(rnn.forecast(H, inputs=x[T : T + H]), T)


def test_inputs_known_ahead_change_nothing_of_the_fit(days):
    _, y, x = days
    known = freerun.RNN(**QUICK).fit(y[:T], inputs=x[: T + H]).forecast(H)
    given_later = freerun.RNN(**QUICK).fit(y[:T], inputs=x[:T]).forecast(H, inputs=x[T : T + H])
    pd.testing.assert_frame_equal(known, given_later)


def test_inputs_that_begin_late_or_have_holes_are_refused(fitted):
    _, y, x = fitted
    for lacking in (x[1:T], x[1 : T + 1], x[:T].drop(x.index[50])):
        with pytest.raises(SeriesError, match="have no row for"):
            Series.of(y[:T], inputs=lacking)


def test_hours_beside_days_are_refused(days):
    _, y, _ = days
    hours = pd.DataFrame({"u": 1.0}, index=pd.date_range("2020-01-01", periods=24 * STEPS, freq="h"))
    with pytest.raises(SeriesError, match=r"between two steps of the series .D."):
        Series.of(y[:T], inputs=hours)


def test_times_of_another_kind_are_refused():
    values = np.arange(8.0)
    kinds = {
        "dates without a time zone": pd.date_range("2024-01-01", periods=8),
        "dates in a time zone": pd.date_range("2024-01-01", periods=8, tz="UTC"),
        "numbers as times": pd.RangeIndex(3, 11),
        "durations": pd.timedelta_range("0s", periods=8, freq="s"),
    }
    for have, index in kinds.items():
        for other, others in kinds.items():
            if have != other:
                with pytest.raises(SeriesError, match=f"the series has {have} and the external inputs have {other}"):
                    Series.of(pd.Series(values, index=index), inputs=pd.Series(values, index=others))


def test_dated_inputs_for_an_array_are_refused():
    with pytest.raises(SeriesError, match="the series has no times and the external inputs have dates"):
        Series.of(np.arange(8.0), inputs=pd.Series(np.arange(8.0), index=pd.date_range("2024-01-01", periods=8)))


def test_a_series_to_continue_is_read_by_the_names_of_its_columns(fitted):
    rnn, y, x = fitted
    after = Series.of(y[["b", "a"]][: T + H], inputs=x[["v", "u"]][: T + 2 * H])
    run = rnn.forecast(H, after=after)
    assert list(run.columns) == ["a", "b"]
    assert_near(run, T + H)
    assert_near(rnn.generate(H, after).values, T + H)


def test_predictions_and_scores_are_by_name(days):
    rnn, y, x = days
    turned, driven = y[["b", "a"]], x[["v", "u"]]
    np.testing.assert_allclose(rnn.predict(turned, inputs=driven).values, rnn.predict(y, inputs=x).values)
    assert rnn.score(turned, inputs=driven) == pytest.approx(rnn.score(y, inputs=x))
    assert rnn.evaluate(turned, T, inputs=driven) == rnn.evaluate(y, T, inputs=x)


@pytest.mark.slow
def test_further_training_is_by_name():
    days = pd.date_range("2024-01-01", periods=80)
    y = pd.DataFrame({"a": np.sin(np.arange(80) / 3), "b": 50 + np.cos(np.arange(80) / 5)}, index=days)
    forecasts = []
    for order in (["a", "b"], ["b", "a"]):
        rnn = freerun.RNN(5, optimizer="adam", cell="gru", epochs=2).fit(y[:60])
        forecasts.append(rnn.fit(y[order], warm_start=True).forecast(3))
    pd.testing.assert_frame_equal(*forecasts)


def test_series_learned_together_are_matched_by_name(days):
    _, y, _ = days
    for form in (list, tuple, lambda parts: dict(enumerate(parts))):
        together = freerun.RNN(**QUICK).fit(form([y[:60], y[50:T]])).forecast(2, after=y[:T])
        turned = freerun.RNN(**QUICK).fit(form([y[:60], y[["b", "a"]][50:T]])).forecast(2, after=y[["b", "a"]][:T])
        pd.testing.assert_frame_equal(turned, together)


def test_a_validation_series_is_matched_by_name(days):
    _, y, _ = days
    curves = [freerun.RNN(**QUICK).fit(y[:80], y[order][80:]).history_ for order in (["a", "b"], ["b", "a"])]
    assert curves[0].validation_mse == curves[1].validation_mse
    with pytest.raises(SeriesError, match=r"the validation series does not go with .* 'b' is missing"):
        freerun.RNN(**QUICK).fit(y[:80], y[["a"]][80:])


def wave(count: int) -> np.ndarray:
    return 10 + np.sin(np.arange(count) / 3) + np.random.default_rng(1).normal(0, 0.05, count)


@pytest.mark.parametrize("kind", INDEXES)
def test_an_update_reads_the_steps_that_follow_and_no_others(kind):
    y = pd.Series(wave(60), index=INDEXES[kind][:60], name="y")
    one, whole = Series.of(y[:40]), Series.of(y)
    for given in (y[40:], y[30:], y, whole, np.asarray(y)[40:], np.asarray(y)):
        joined = one.joined(Series.of(given))
        np.testing.assert_array_equal(joined.values, whole.values)
        assert joined.index.equals(whole.index)


@pytest.mark.parametrize("kind", INDEXES)
def test_an_update_that_leaves_steps_out_is_refused(kind):
    y = pd.Series(wave(60), index=INDEXES[kind][:60], name="y")
    for given in (y[41:], y[42:43]):
        with pytest.raises(SeriesError, match=r"the new steps begin at .*, but the next step is"):
            Series.of(y[:40]).joined(Series.of(given))


@pytest.mark.parametrize("kind", INDEXES)
def test_an_update_with_what_was_read_before_is_refused(kind):
    y = pd.Series(wave(60), index=INDEXES[kind][:60], name="y")
    with pytest.raises(SeriesError, match="no step follows"):
        Series.of(y).joined(Series.of(y[40:]))


@pytest.mark.parametrize("kind", [kind for kind in INDEXES if kind != "count"])
def test_revised_values_are_reported_and_the_values_read_first_are_kept(kind):
    y = pd.Series(wave(60), index=INDEXES[kind][:60], name="y")
    revised = y.copy()
    revised.iloc[20] += 1
    with pytest.warns(SeriesWarning, match="1 steps that were read before have other values now"):
        joined = Series.of(y[:40]).joined(Series.of(revised))
    np.testing.assert_array_equal(joined.values[:, 0], y)


def test_revised_values_without_times_are_refused():
    y = wave(60)
    revised = y.copy()
    revised[20] += 1
    with pytest.raises(SeriesError, match="39 of the first 40 steps were read before, but step 20 has changed"):
        Series.of(y[:40]).joined(Series.of(revised))


def test_new_steps_without_times_that_repeat_the_last_ones_are_reported():
    y = wave(60)
    with pytest.warns(
        SeriesWarning, match="the first 10 new steps have the values of the last 10 steps that were read"
    ):
        joined = Series.of(y[:40]).joined(Series.of(y[30:]))
    assert len(joined) == 70


def test_numbered_steps_of_another_length_do_not_follow_an_array():
    rnn = freerun.RNN(cell="smoothing").fit(wave(60))
    with pytest.raises(SeriesError, match="the new steps are 2 apart, and those before them 1"):
        rnn.update(pd.Series(wave(10), index=range(60, 80, 2)))
    rnn.update(pd.Series(wave(10), index=range(60, 70)))
    assert rnn.forecast(1).index[0] == 70


def test_an_update_off_the_steps_is_refused():
    """Were it read, all further dates would lie off them, too."""
    y = pd.Series(wave(60), index=INDEXES["days"][:60], name="y")
    for count in (1, 2, 10):
        late: Any = y[40 : 40 + count]
        with pytest.raises(SeriesError, match="begin at 2020-02-10T01:00, but the next step is 2020-02-10"):
            Series.of(y[:40]).joined(Series.of(late.set_axis(late.index + pd.Timedelta("1h"))))


@pytest.mark.parametrize("frequency", ["Q", "D"])
def test_periods_of_another_length_are_refused_even_one_alone(frequency):
    y = pd.Series(wave(60), index=INDEXES["periods"][:60], name="y")
    for count in (1, 3):
        others = pd.period_range("2003-05-01", periods=count, freq=frequency)
        with pytest.raises(SeriesError, match="steps of M are needed"):
            Series.of(y[:40]).joined(Series.of(pd.Series(1.0, index=others, name="y")))


def test_month_ends_do_not_follow_month_starts():
    y = pd.Series(wave(60), index=INDEXES["months"][:60], name="y")
    ends = pd.Series(1.0, index=pd.date_range("2003-05-31", periods=5, freq="ME"), name="y")
    with pytest.raises(SeriesError, match=r"steps of ME, .*, but steps of MS are needed"):
        Series.of(y[:40]).joined(Series.of(ends))


def test_a_trend_over_dates_is_not_continued_without_them():
    values = wave(90) + 0.5 * np.arange(90)
    y = pd.Series(values, index=pd.date_range("2024-01-01", periods=90), name="y")
    dated = freerun.RNN(**{**QUICK, "detrend": True}).fit(y)
    counted = freerun.RNN(**{**QUICK, "detrend": True}).fit(values)
    with pytest.raises(SeriesError, match=r"the series has no times, but the trend .detrend. was fitted to dates"):
        dated.forecast(3, after=values)
    with pytest.raises(
        SeriesError, match=r"the series has dates without a time zone, but the trend .detrend. was fitted to no"
    ):
        counted.forecast(3, after=y)
    with pytest.raises(SeriesError, match=r"the series has no times, but the trend .detrend. was fitted to dates"):
        freerun.RNN(**{**QUICK, "detrend": True}).fit(y, validation=values)
    for again in (dated.forecast(3, after=y), counted.forecast(3, after=values)):
        np.testing.assert_allclose(again, dated.forecast(3), rtol=1e-6)


def test_new_steps_without_times_go_on_with_a_trend_over_dates():
    values = wave(90) + 0.5 * np.arange(90)
    y = pd.Series(values, index=pd.date_range("2024-01-01", periods=90), name="y")
    forecasts = [
        freerun.RNN(**{**QUICK, "detrend": True}).fit(y[:80]).update(new).forecast(3)
        for new in (y[80:], values[80:], values)
    ]
    for one in forecasts[1:]:
        pd.testing.assert_frame_equal(one, forecasts[0])


def test_column_names_are_refused_as_future_inputs(days):
    rnn, _, _ = days
    with pytest.raises(SeriesError, match=r"given as names .u, v., which hold no values of future steps"):
        rnn.forecast(H, inputs=["u", "v"])


def test_two_columns_of_one_name_are_refused():
    values = np.c_[wave(30), wave(30)]
    for call in (lambda: Series.of(pd.DataFrame(values, columns=["v", "v"])), lambda: Series(values, ("v", "v"))):
        with pytest.raises(SeriesError, match=r"two .* are named 'v'; give each a name of its own"):
            call()


def test_names_that_freerun_gave_are_matched_when_they_come_back():
    y = np.c_[wave(80), 50 - 3 * wave(80)]
    rnn = freerun.RNN(**QUICK).fit(y)
    frame = pd.DataFrame(y, columns=["x0", "x1"])
    turned = rnn.forecast(3, after=frame[["x1", "x0"]])
    pd.testing.assert_frame_equal(turned, rnn.forecast(3, after=y))


def test_inputs_that_stand_for_missing_values_are_refused(days):
    """They have to be known; were they read as they are, a forecast would be off by thousands."""
    rnn, y, x = days
    broken = x.copy()
    broken.iloc[[50, 51, T + 1, T + 2], 0] = -9999
    with pytest.raises(SeriesError, match="external inputs: 2 values of 'u' are -9999, the first in row 50"):
        Series.of(y[:T], inputs=broken[:T])
    with pytest.raises(SeriesError, match="2 values of 'u' are -9999, the first in row 121"):
        rnn.forecast(H, inputs=broken[T : T + H])


def test_inputs_far_from_all_that_were_read_are_said(days):
    rnn, _, x = days
    ahead = x[T : T + H].copy()
    ahead.iloc[2, 1] = 500
    with pytest.warns(SeriesWarning) as caught:
        rnn.forecast(H, inputs=ahead)
    assert len(caught) == 1
    assert "external input 'v' is 500 at 2020-05-02; in training it was" in str(caught[0].message)
    ahead.iloc[2, 1] = 3 * DRIVE[:T, 1].max()  # a new extreme is no fault
    rnn.forecast(H, inputs=ahead)


@pytest.mark.filterwarnings("ignore:the external input 'w' is 3 at all steps, so that nothing can be learned")
def test_an_input_that_never_varied_and_then_does_is_said():
    y, x = channels(INDEXES["days"]), drives(INDEXES["days"]).assign(w=3.0)
    rnn = freerun.RNN(**QUICK).fit(y[:T], inputs=x[:T])
    assert_near(rnn.forecast(H, inputs=x[T : T + H]), T)
    with pytest.warns(SeriesWarning, match=r"'w' is 3.5 at 2020-04-30; in training it was 3 at all steps"):
        rnn.forecast(H, inputs=x[T : T + H].assign(w=3.5))


def test_a_series_to_continue_has_a_value(days):
    rnn, y, x = days
    with pytest.raises(SeriesError, match="the series has no value at all"):
        rnn.forecast(3, after=Series.of(y * np.nan, inputs=x))


def test_a_forecast_far_from_its_series_is_said():
    values = np.exp(0.3 * np.arange(40))
    rnn = freerun.RNN(cell="smoothing", log=True, season=0).fit(values)
    rnn.forecast(5, (80,))
    with pytest.warns(
        SeriesWarning, match=r"the forecast of 'x' is .*, and the values before it lie between 1 and 120572"
    ):
        rnn.forecast(60, (80,))


def test_a_long_array_that_has_grown_follows_a_series_with_dates_where_it_goes_on():
    """A model keeps the last steps it has read, so these lie within what comes."""
    values = wave(80)
    read = pd.Series(values[:60], index=pd.date_range("2024-01-01", periods=60), name="y")
    joined = Series.of(read[20:]).joined(Series.of(values))
    np.testing.assert_array_equal(joined.values[:, 0], values[20:])
    assert joined.index[-1] == pd.Timestamp("2024-03-20")


def test_messages_show_times_as_the_clocks_of_the_zone_do():
    index = pd.date_range("2024-04-01", periods=60, tz="Europe/Berlin")
    y = pd.Series(wave(60), index=index, name="y")
    with pytest.raises(SeriesError, match="begin at 2024-05-13, but the next step is 2024-05-11;"):
        Series.of(y[:40]).joined(Series.of(y[42:]))
    with pytest.raises(SeriesError, match="no row for 1 of the 60 steps of the series, the first of them 2024-04-06"):
        Series.of(y, inputs=y.drop(index[5]))
    with pytest.warns(SeriesWarning, match=r"1 of 60 steps \(D\) have no row, the first of them 2024-04-06;"):
        Series.of(y.drop(index[5]))
