"""`RNN`: scikit-learn's manners, units, alignment, and clear refusals."""

import pickle
from importlib.resources import files
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import freerun
from freerun.errors import NotFittedError, SeriesError, SeriesWarning, SettingError


def reservoir(**parameters):
    defaults: dict[str, Any] = {
        "hidden": 60,
        "cell": "simple",
        "delays": 1,
        "optimizer": "ridge",
        "input_scale": 0.5,
        "spectral_radius": 0.9,
        "l2": 1e-9,
        "washout": 50,
    }
    return freerun.RNN(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def series():
    return freerun.systems.mackey_glass(700, seed=1)


@pytest.fixture(scope="module")
def rnn(series):
    return reservoir().fit(series.between(0, 500))


def by_hand(rnn, values, steps):
    """Open loop over `values`, then a free run, in NumPy and in the units of the series."""
    network, scaling = rnn.model_.best.network, rnn.model_.best.scaling
    cell = network.cells[0]
    h, y, predictions = np.zeros(cell.hidden), None, []
    for x in (values - scaling.mean) / scaling.scale:
        h = np.tanh(h @ cell.recurrent + x @ cell.input + cell.bias)
        y = h @ network.readout + network.bias + x @ network.direct
        predictions.append(y)
    run = []
    for _ in range(steps):
        run.append(y)
        h = np.tanh(h @ cell.recurrent + y @ cell.input + cell.bias)
        y = h @ network.readout + network.bias + y @ network.direct
    return np.array(predictions) * scaling.scale + scaling.mean, np.array(run) * scaling.scale + scaling.mean


def test_predictions_and_free_run_are_aligned_with_the_series(rnn, series):
    predictions, run = by_hand(rnn, series.values[:500], 20)
    np.testing.assert_allclose(rnn.predict(series.between(0, 500)).values, predictions[:-1], atol=1e-9)
    np.testing.assert_array_equal(rnn.predict(series).times, np.arange(1, 700))
    generated = rnn.generate(20)
    np.testing.assert_allclose(generated.values, run, atol=1e-7)
    np.testing.assert_array_equal(generated.times, np.arange(500, 520))


def test_the_first_generated_step_uses_the_last_observed_one(rnn, series):
    changed = series.values[:500].copy()
    changed[-1] += 0.1
    assert abs(rnn.generate(1, after=changed).values - rnn.generate(1, after=series.values[:500]).values) > 0.01


def test_generate_continues_the_training_series_by_default(rnn, series):
    np.testing.assert_array_equal(rnn.generate(30).values, rnn.generate(30, after=series.between(0, 500)).values)


def test_the_free_run_of_a_well_trained_network_holds(series):
    rnn = freerun.RNN(150, cell="memoryless", delays=18, input_scale=0.5, optimizer="ridge", l2=1e-11)
    assert rnn.fit(series.between(0, 500)).evaluate(series, start=500).vpt > 150


def test_the_same_seed_gives_the_same_result(series):
    a, b = (freerun.RNN(optimizer="bfgs", epochs=20, seed=3).fit(series).generate(5).values for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert (a != freerun.RNN(optimizer="bfgs", epochs=20, seed=4).fit(series).generate(5).values).any()


def test_results_come_back_in_the_units_of_the_series(series):
    """With the scale inside, a series in other units gives the same run in those units."""
    small = reservoir().fit(series.values).generate(40).values
    large = reservoir().fit(1e6 + 2000 * series.values).generate(40).values
    np.testing.assert_allclose((large - 1e6) / 2000, small, atol=1e-4)


def test_all_kinds_of_input_give_the_same(series, tmp_path):
    values = series.values[:300]
    series.between(0, 300).write(tmp_path / "s.csv")
    kinds = [
        values,
        values[:, 0],
        values[:, 0].tolist(),
        pd.Series(values[:, 0]),
        pd.DataFrame(values),
        tmp_path / "s.csv",
    ]
    runs = [reservoir().fit(kind).generate(5).values for kind in kinds]
    for run in runs[1:]:
        np.testing.assert_array_equal(run, runs[0])


def test_dates_go_on_in_the_free_run():
    index = pd.date_range("2000-01-01", periods=120, freq="MS")
    data = pd.Series(np.sin(np.arange(120) * 0.5), index=index, name="tide")
    run = reservoir(washout=20).fit(data).generate(3)
    assert run.channels == ("tide",)
    np.testing.assert_array_equal(run.times, pd.date_range("2010-01-01", periods=3, freq="MS").to_numpy())


def test_parameters_are_only_stored_and_can_be_cloned():
    rnn = freerun.RNN(hidden=-1, l2=0.5)
    copy: Any = clone(rnn)
    assert copy is not rnn
    assert copy.get_params() == rnn.get_params()
    assert rnn.set_params(hidden=7).hidden == 7
    assert repr(rnn) == "RNN(hidden=7, l2=0.5)"
    with pytest.raises(SettingError, match="no parameter 'units'"):
        rnn.set_params(units=3)


def test_fit_returns_self_and_checks_parameters(series):
    rnn = reservoir()
    assert rnn.fit(series) is rnn
    with pytest.raises(SettingError, match="hidden=-1"):
        freerun.RNN(hidden=-1).fit(series)


def test_a_fitted_network_pickles(rnn):
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rnn)).generate(5).values, rnn.generate(5).values)


def test_score_is_the_coefficient_of_determination(rnn, series):
    from sklearn.metrics import r2_score

    part = series.between(400)
    predictions = rnn.predict(part)
    assert rnn.score(part) == pytest.approx(r2_score(part.values[51:], predictions.values[50:]), rel=1e-9)


def test_warm_start_goes_on_and_keeps_the_scaling(series):
    rnn = freerun.RNN(optimizer="adam", epochs=100).fit(series)
    reached, scaling = rnn.history_.objective[-1], rnn.model_.best.scaling
    rnn.fit(series, warm_start=True)
    assert rnn.history_.objective[0] <= reached * 1.01
    assert rnn.model_.best.scaling is scaling
    with pytest.raises(SettingError, match="hidden=9: the weights to go on from have hidden=15"):
        rnn.set_params(hidden=9).fit(series, warm_start=True)


def test_evaluate_by_hand(rnn, series):
    scores = rnn.evaluate(series, start=500)
    _, run = by_hand(rnn, series.values[:500], 200)
    everything, _ = by_hand(rnn, series.values, 1)
    truth, deviation = series.values[500:], series.values.std()
    assert scores.one_step_mse == pytest.approx(np.mean((everything[499:-1] - truth) ** 2), rel=1e-6)
    assert scores.nrmse84_starts == 6
    errors = [by_hand(rnn, series.values[:s], 84)[1][-1] - series.values[s + 83] for s in range(500, 617, 20)]
    assert scores.nrmse84 == pytest.approx(np.sqrt(np.mean(np.square(errors))) / deviation, rel=1e-3)
    assert rnn.error_growth(series, 500, 84)[:, -1] == pytest.approx(np.abs(errors).ravel() / deviation, rel=1e-3)
    wrong = np.abs(run - truth)[:, 0] > 0.4 * deviation
    assert scores.vpt == (int(np.argmax(wrong)) if wrong.any() else 200)


def test_evaluate_leaves_out_what_does_not_fit(rnn, series):
    scores = rnn.evaluate(series, start=650)
    assert (scores.nrmse84, scores.nrmse84_starts, scores.steps) == (None, 0, 50)


def test_a_lorenz_system_of_three_channels_is_followed_for_100_steps():
    series = freerun.systems.lorenz_dop853(1200, dt=0.02, washout=500)
    rnn = reservoir(hidden=150)
    scores = rnn.fit(series.between(0, 1000)).evaluate(series, start=1000)
    assert scores.vpt > 100
    assert rnn.generate(5).channels == ("x", "y", "z")


def test_misuse_of_the_estimator_is_refused_with_a_message(rnn, series):
    with pytest.raises(NotFittedError, match="call fit"):
        freerun.RNN().predict(series)
    with pytest.raises(
        SeriesError, match=r"trained on another kind of series: the series has 2 channels .* but 1 .* needed"
    ):
        rnn.predict(np.zeros((100, 2)))
    with pytest.raises(SeriesError, match="has 10 steps; with a washout of 50 give 51 or more"):
        rnn.generate(5, after=np.zeros(10))
    with pytest.raises(SettingError, match="steps=0"):
        rnn.generate(0)
    with pytest.raises(SeriesError, match="cannot split at step 700"):
        rnn.evaluate(series, start=700)
    with pytest.raises(SeriesError, match="channel 'x' is constant"):
        freerun.RNN().fit(np.full(100, 3.3))
    with pytest.raises(
        SeriesError, match=r"constant up to rounding: all values lie within \d+ of 9.0072e.15; subtract"
    ):
        freerun.RNN().fit(2**53 + 9 * np.arange(12))
    with pytest.raises(SeriesError, match="series 1 of those learned together: channel 'x' is constant"):
        freerun.RNN().fit([np.sin(np.arange(100)), np.full(100, 3.3)])
    with pytest.raises(SeriesError, match=r"the validation series does not go .* 2 channels \(x0, x1\)"):
        freerun.RNN(hidden=15).fit(series, np.zeros((100, 2)))
    with pytest.raises(SeriesError, match="the validation series has no value at all"):
        freerun.RNN(hidden=15).fit(series, np.full(100, np.nan))
    with pytest.raises(SeriesError, match="channel 'x' has 1 values; a forecast needs 3"):
        freerun.RNN(standardize=False).fit([1.0])


def test_a_series_that_varies_little_beside_others_is_named():
    small, large = np.sin(np.arange(100)), 1000 * np.cos(np.arange(100))
    quick = {"hidden": 20, "cell": "memoryless", "delays": 2, "optimizer": "ridge", "l2": 1e-4}
    with pytest.warns(SeriesWarning, match=r"series 0: channel 'x' varies by 0.70., and by 70. in another series"):
        freerun.RNN(**quick).fit([small, large])
    freerun.RNN(**quick).fit([small + 1e6, small])  # no warning
    freerun.RNN(**quick, log=True).fit([small + 2, 1000 * (small + 2)])


def test_a_free_run_that_leaves_the_floating_point_range_says_so():
    growing = reservoir(hidden=1, nonlinearity="identity", washout=0, l2=0.0)
    growing.fit(2.0 ** np.arange(20))
    with pytest.raises(SeriesError, match="the free run diverged at step"):
        growing.generate(5000)


def test_jax_keeps_its_global_settings(rnn, series):
    rnn.predict(series)
    assert not jax.config.read("jax_enable_x64")
    assert jax.numpy.ones(2).dtype == np.float32


def test_a_measured_laser_is_predicted_one_step_ahead():
    """A measured series: the far-infrared laser of the Santa Fe competition,
    when reservoirpy brings it."""
    pytest.importorskip("reservoirpy", reason="reservoirpy is not installed")
    series = freerun.Series.read(str(files("reservoirpy.datasets") / "santafe_laser.npy"))
    assert series.shape[1] == 1
    rnn = reservoir(hidden=200, l2=1e-6, washout=100, direct=False)
    rnn.fit(series.between(0, 2000))
    assert rnn.score(series.between(1800, 2500)) > 0.95
    assert rnn.generate(200).values.max() < 1000
