"""The sktime forecaster is what sktime says a forecaster is: its own conformance tests, all of them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sktime.utils.estimator_checks import check_estimator

import freerun
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


def test_it_forecasts_what_the_network_forecasts():
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
