"""The sktime forecaster is what sktime says a forecaster is,
and matches exogenous data by name and by time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sktime.utils.estimator_checks import check_estimator

import freerun
from freerun.errors import SeriesError, SeriesWarning
from freerun.sktime import RNNForecaster

SMALL = freerun.RNN(10, cell="memoryless", delays=12, difference=0, optimizer="ridge", input_scale=0.3, l2=1e-2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_sktimes_own_checks():
    """Their warnings about data they make themselves are not ours to answer for."""
    results = check_estimator(RNNForecaster, raise_exceptions=False, verbose=False)
    failed = {name: result for name, result in results.items() if result != "PASSED"}
    assert failed == {}
    assert len(results) > 600


def test_the_sktime_forecaster_forecasts_as_the_network_does():
    index = pd.period_range("2010-01", periods=120, freq="M")
    values = np.sin(np.arange(120) * np.pi / 6) + 0.1 * np.random.default_rng(0).normal(size=120)
    train, test = pd.Series(values, index)[:108], index[108:]
    forecaster: Any = RNNForecaster(rnn=SMALL).fit(train, fh=np.arange(1, 13))
    expected = freerun.RNN(**SMALL.get_params()).fit(train).forecast(12, (80,))
    found = forecaster.predict()
    assert found.index.equals(test)
    np.testing.assert_allclose(found, expected.iloc[:, 0])
    bounds = forecaster.predict_interval(coverage=0.8)
    np.testing.assert_allclose(bounds, expected.iloc[:, 1:3])


STEPS, SEEN = 150, 130
DRIVE = np.random.default_rng(0).normal(size=(STEPS, 2))
DRIVEN = 5 + 3 * DRIVE[:, 0] - 2 * DRIVE[:, 1]
"""What the exogenous data make of the series; a small network finds it to 0.1."""

INDEXES = {
    "periods": pd.period_range("2010-01", periods=STEPS, freq="M"),
    "days": pd.date_range("2020-01-01", periods=STEPS),
    "numbers": pd.RangeIndex(STEPS),
    "later numbers": pd.RangeIndex(50, 50 + STEPS),
}


@pytest.fixture(scope="module", params=list(INDEXES))
def driven(request) -> Any:
    index = INDEXES[request.param]
    y, x = pd.Series(DRIVEN, index=index), pd.DataFrame(DRIVE, index=index, columns=["x", "z"])
    rnn = freerun.RNN(10, cell="memoryless", optimizer="ridge", delays=2, input_scale=0.3, l2=1e-6, difference=0)
    return RNNForecaster(rnn).fit(y[:SEEN], X=x[:SEEN]), y, x


def test_exogenous_data_are_matched_by_name_and_time(driven):
    forecaster, _, x = driven
    for given in (x[SEEN:], x, x[["z", "x"]][SEEN:], x[SEEN : SEEN + 3]):
        np.testing.assert_allclose(forecaster.predict(fh=[1, 2, 3], X=given), DRIVEN[SEEN : SEEN + 3], atol=0.1)


def test_exogenous_data_that_do_not_fit_are_refused_by_their_own_names(driven):
    forecaster, _, x = driven
    with pytest.raises(SeriesError, match=r"external inputs \(x, z\) are known for 2 steps .* and 3 are asked for"):
        forecaster.predict(fh=[1, 2, 3], X=x[SEEN : SEEN + 2])
    with pytest.raises(SeriesError, match=r"have a row for .*, but the next step is"):
        forecaster.predict(fh=[1, 2, 3], X=x[SEEN : SEEN + 4].drop(x.index[SEEN + 1]))
    with pytest.raises(SeriesError, match="'z' is missing"):
        forecaster.predict(fh=[1, 2, 3], X=x[["x"]][SEEN:])
    with pytest.raises(SeriesError):
        forecaster.predict(fh=[1, 2, 3], X=x[SEEN : SEEN + 3].to_numpy())


def test_horizons_in_any_order_and_in_sample_are_at_their_steps(driven):
    forecaster, y, x = driven
    found = forecaster.predict(fh=[3, -4, 0, 1], X=x)
    np.testing.assert_allclose(found, y[found.index], atol=0.1)
    assert set(found.index) == set(y.index[[SEEN - 5, SEEN - 1, SEEN, SEEN + 2]])


def test_steps_before_the_first_one_seen_are_refused(driven):
    """Counted from the end of an array they would be those of the last steps."""
    forecaster, _, x = driven
    for step in (-SEEN, -SEEN - 1, -2 * SEEN):
        with pytest.raises(SeriesError, match=rf"fh={step} lies before the first step seen"):
            forecaster.predict(fh=[step], X=x[:SEEN])


def test_quantiles_lie_about_their_median(driven):
    forecaster, _, x = driven
    table = forecaster.predict_quantiles(fh=[1, 2], X=x[SEEN:], alpha=[0.9, 0.5, 0.1]).to_numpy()
    assert (table[:, 0] > table[:, 1]).all()
    assert (table[:, 1] > table[:, 2]).all()
    np.testing.assert_allclose(table[:, 1], forecaster.predict(fh=[1, 2], X=x[SEEN:]))


@pytest.mark.parametrize("first", [SEEN, SEEN - 10, 0])
@pytest.mark.parametrize("anew", [False, True])
def test_updates_may_repeat_steps_that_were_seen(driven, first, anew):
    fitted, y, x = driven
    forecaster: Any = RNNForecaster(fitted.rnn).fit(y[:SEEN], X=x[:SEEN])
    forecaster.update(y[first : SEEN + 10], X=x[["z", "x"]][first : SEEN + 10], update_params=anew)
    found = forecaster.predict(fh=[1, 2], X=x[SEEN + 10 :])
    np.testing.assert_allclose(found, DRIVEN[SEEN + 10 : SEEN + 12], atol=0.1)
    assert found.index.tolist() == y.index[SEEN + 10 : SEEN + 12].tolist()


def test_an_update_that_leaves_steps_out_is_refused(driven):
    fitted, y, x = driven
    forecaster: Any = RNNForecaster(fitted.rnn).fit(y[:SEEN], X=x[:SEEN])
    with pytest.raises(SeriesError, match=r"the new steps begin at .*, but the next step is"):
        forecaster.update(y[SEEN + 2 : SEEN + 9], X=x[SEEN + 2 : SEEN + 9], update_params=False)


def test_days_without_a_row_are_missing_and_the_forecast_goes_on_by_days():
    y = pd.Series(DRIVEN, index=INDEXES["days"]).drop(INDEXES["days"][50])
    with pytest.warns(SeriesWarning, match=r"1 of 150 steps \(D\) have no row"):
        forecaster: Any = RNNForecaster(SMALL).fit(y)
    found = forecaster.predict(fh=[0, 1, 2])
    assert found.index.tolist() == [y.index[-1], *pd.date_range("2020-05-30", periods=2)]
