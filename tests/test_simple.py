"""Series too short for a network: a simple forecast, named as such, in everything that a network can do."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import freerun
from freerun.errors import SeriesError, SeriesWarning
from freerun.forecasting.simple import name_of

SHORT = "too few to choose a network by"


def fitted(values, name: str):
    with pytest.warns(SeriesWarning, match=f"{SHORT}; forecasts are {name}; give 20 steps or more"):
        rnn = freerun.RNN().fit(values)
    assert name_of(rnn.model_.best) == name
    return rnn


def quarters(count: int) -> pd.Series:
    index = pd.period_range("2015Q1", periods=count, freq="Q")
    return pd.Series(np.tile([10.0, 20.0, 35.0, 40.0], 5)[:count] + np.arange(count) % 3 / 10, index=index, name="q")


def test_three_points_get_the_last_value():
    rnn = fitted([3.0, 5.0, 4.0], "the last value")
    np.testing.assert_allclose(rnn.forecast(4)["x"], 4.0)


def test_a_line_goes_on_as_a_line():
    rnn = fitted(np.arange(10.0) * 3 + 7, "the last value and the mean change")
    np.testing.assert_allclose(rnn.forecast(5)["x"], np.arange(10.0, 15.0) * 3 + 7)


def test_noise_around_a_level_gets_its_mean():
    values = 50 + np.random.default_rng(3).normal(size=17)
    np.testing.assert_allclose(fitted(values, "the mean").forecast(3)["x"], values.mean())


def test_a_season_comes_again():
    history = quarters(18)
    forecast = fitted(history, "the value 4 steps before").forecast(6)
    np.testing.assert_allclose(forecast["q"], [*history.iloc[-4:], *history.iloc[-4:-2]])
    assert list(forecast.index) == list(pd.period_range("2019Q3", periods=6, freq="Q"))


def test_intervals_are_of_the_steps_before_and_widen_as_a_random_walk():
    """Four steps: 80 % are the largest of them, 95 % Student's t with four degrees of freedom."""
    values = np.array([3.0, 5.0, 4.0, 4.5, 3.5])
    table = fitted(values, "the last value").forecast(1, levels=(80, 95))
    widths = [(table[f"x_high_{level}"] - table[f"x_low_{level}"]).iloc[0] / 2 for level in (80, 95)]
    scale = np.sqrt((np.diff(values) ** 2).mean())
    np.testing.assert_allclose(widths, [2.0, scale * stats.t.ppf(0.975, 4)])
    spread = freerun.RNN.sample(fitted(values, "the last value"), 16, 4000, seed=1).std(axis=0)[:, 0]
    assert spread[15] / spread[0] == pytest.approx(4.0, rel=0.1)


def test_gaps_channels_and_logarithms():
    values = np.column_stack([np.arange(8.0) + 1, [5.0, np.nan, 5.5, 5, np.nan, 6, 5, 5.5]])
    rnn = fitted(values, "the last value and the mean change")
    np.testing.assert_allclose(rnn.forecast(2)["x0"], [9, 10])
    with pytest.warns(SeriesWarning, match=SHORT):
        growth = freerun.RNN(log=True).fit(2.0 ** np.arange(7))
    np.testing.assert_allclose(growth.forecast(3)["x"], [128, 256, 512])


def test_a_simple_model_is_saved_updated_and_predicts_as_a_network_does(tmp_path, run):
    rnn = fitted(quarters(18), "the value 4 steps before")
    rnn.save(tmp_path / "q.freerun")
    again = freerun.load(tmp_path / "q.freerun")
    pd.testing.assert_frame_equal(again.forecast(5, 80), rnn.forecast(5, 80))
    np.testing.assert_allclose(rnn.predict(quarters(18)).values[4:, 0], quarters(18).to_numpy()[1:-4])
    assert again.update(quarters(20)).forecast(1)["q"].iloc[0] == quarters(20).iloc[-4]
    code, out, _ = run(f"info {tmp_path / 'q.freerun'}")
    assert code == 0
    assert "the value 4 steps before; no network was trained" in " ".join(out.split())


def test_no_simple_model_replaces_a_network_whose_settings_are_given():
    with pytest.raises(SeriesError, match="too few to choose settings by free runs"):
        freerun.RNN(150, cell="memoryless").fit(np.sin(np.arange(10.0)))


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0, 2.0], "channel 'x' has 2 values; a forecast needs 3"), ([4.0] * 5, "channel 'x' is constant")],
)
def test_too_few_values_are_refused(values, message):
    with pytest.raises(SeriesError, match=message):
        freerun.RNN().fit(values)
