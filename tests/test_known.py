"""A known model beside the network: the network corrects it, in whatever way it is run,
saved and loaded."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun import metrics
from freerun.errors import SettingError
from freerun.known import KnownModel

DT, SUBSTEPS = 0.02, 2
"""A step of the Lorenz series, and the steps of Runge-Kutta in it."""

QUICK: dict[str, Any] = {
    "cell": "leaky",
    "leak": 0.5,
    "spectral_radius": 0.9,
    "delays": 1,
    "input_scale": 0.5,
    "l2": 1e-6,
}
"""Nothing is left to choose."""


def lorenz(rho, values):
    """Lorenz (1963) after a step of `DT`, by the fourth-order Runge-Kutta method."""

    def slope(at):
        x, y, z = at[..., 0], at[..., 1], at[..., 2]
        return np.stack([10 * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z], axis=-1)

    step = DT / SUBSTEPS
    for _ in range(SUBSTEPS):
        first = slope(values)
        second = slope(values + step / 2 * first)
        third = slope(values + step / 2 * second)
        fourth = slope(values + step * third)
        values = values + step / 6 * (first + 2 * second + 2 * third + fourth)
    return values


def truth(values):
    return lorenz(28.0, values)


def imperfect(values):
    """Its parameter is off by 5 %."""
    return lorenz(1.05 * 28.0, values)


def pull(values, inputs):
    """The imperfect model of `driven`: the force counts a tenth too much."""
    return 0.9 * values + 1.1 * inputs


def followed(model, values, steps):
    """The run of a model alone, shape (steps, D)."""
    run = []
    for _ in range(steps):
        values = model(values)
        run.append(values)
    return np.array(run)


def sample(seed, steps):
    """A piece of the attractor, shape (steps, 3)."""
    start = np.random.default_rng(seed).normal((0, 0, 25))
    return followed(truth, followed(truth, start, 500)[-1], steps)


def driven(steps, seed=0):
    """x_{t+1} = 0.9 x_t + sin(x_t) / 5 + u_{t+1}, and u."""
    force = np.random.default_rng(seed).normal(size=(steps, 1))
    values = np.zeros((steps, 1))
    for t in range(1, steps):
        values[t] = 0.9 * values[t - 1] + np.sin(values[t - 1]) / 5 + force[t]
    return values, force


@pytest.fixture(scope="module")
def hybrid():
    return freerun.RNN(100, model=imperfect, **QUICK).fit(sample(0, 600))


def test_hybrids_hold_longer_than_the_model_and_than_the_network():
    """As Pathak et al. (2018) found for a Lorenz system whose parameter is off by 5 %."""
    steps, horizon = 500, 1000
    times: dict[str, list[int]] = {"model": [], "network": [], "hybrid": []}
    for seed in range(5):
        values = sample(seed, steps + horizon)
        train, test = values[:steps], values[steps:]
        runs = {
            "model": followed(imperfect, train[-1], horizon),
            "network": freerun.RNN(100, optimizer="ridge", seed=seed, **QUICK).fit(train).generate(horizon).values,
            "hybrid": freerun.RNN(100, model=imperfect, seed=seed, **QUICK).fit(train).generate(horizon).values,
        }
        for name, run in runs.items():
            times[name].append(metrics.valid_prediction_time(test, run, values.std(axis=0)))
    median = {name: np.median(several) for name, several in times.items()}
    assert median["hybrid"] > 1.5 * max(median["model"], median["network"])


@pytest.mark.parametrize("more", [{}, {"difference": 1}, {"log": True}, {"delays": 3, "direct": False}])
def test_an_exact_model_leaves_errors_near_rounding(more):
    values = sample(1, 800)
    shift = 1.0 - values.min() if more.get("log") else 0.0
    model = lambda x: truth(x - shift) + shift  # noqa: E731 - of this shift
    rnn = freerun.RNN(60, model=model, **QUICK | more).fit(values[:600] + shift)
    errors = rnn.predict(values + shift).values - (values[1:] + shift)
    assert np.abs(errors).max() < 1e-10 * np.abs(values).max()
    np.testing.assert_allclose(rnn.generate(100).values, values[600:700] + shift, rtol=1e-6, atol=1e-6)


def test_the_readout_solves_for_the_error_of_the_model():
    """A linear network without memory: least squares of what the model leaves, on values,
    estimates and a constant."""
    random = np.random.default_rng(0)
    values = random.normal(size=(300, 2)).cumsum(axis=0) / 10
    model = partial(np.multiply, 0.5)
    settings: dict[str, Any] = {
        "cell": "memoryless",
        "nonlinearity": "identity",
        "standardize": False,
        "input_scale": 1e-9,
    }
    rnn = freerun.RNN(1, model=model, delays=1, difference=0, l2=0.0, washout=0, holdout=0, **settings).fit(values)
    rows = np.column_stack([values[:-1], np.ones(299)])
    expected = rows @ np.linalg.lstsq(rows, values[1:], rcond=None)[0]  # estimates are multiples of the values
    np.testing.assert_allclose(rnn.predict(values).values, expected, rtol=1e-7, atol=1e-9)


def test_a_model_of_two_arguments_gets_the_external_inputs_of_the_next_step():
    values, force = driven(500)
    known = freerun.RNN(50, model=pull, **QUICK).fit(values[:400], inputs=force[:400])
    exact = freerun.RNN(50, model=lambda x, u: 0.9 * x + np.sin(x) / 5 + u, **QUICK)
    exact.fit(values[:400], inputs=force[:400])
    np.testing.assert_allclose(exact.generate(100, inputs=force[400:]).values, values[400:], atol=1e-10)
    alone = [values[399]]
    for step in force[400:]:
        alone.append(pull(alone[-1], step))
    errors = [np.abs(run - values[400:]).mean() for run in (known.generate(100, inputs=force[400:]).values, alone[1:])]
    assert errors[0] < errors[1] / 3


def test_a_default_with_a_default_argument_is_not_asked_for_inputs():
    assert freerun.RNN(20, model=lambda values, dt=0.1: values * dt, **QUICK).fit(np.sin(np.arange(200.0)))


def test_forecasts_intervals_samples_updates_and_backtests(hybrid):
    values = sample(0, 700)
    table = hybrid.forecast(20, (80,))
    assert (table.iloc[:, 3] < table.iloc[:, 0]).all()
    paths = hybrid.sample(5, 30, seed=1)
    assert paths.shape == (30, 5, 3)
    after = hybrid.generate(50, after=values[:600]).values
    np.testing.assert_allclose(after[:20], hybrid.generate(20).values, rtol=1e-5, atol=1e-5)
    scores = freerun.RNN(50, model=imperfect, **QUICK).backtest(values, 20, folds=2).table()
    assert scores.index[0] == "freerun"


def test_settings_that_are_open_are_chosen_with_the_model_beside():
    values = sample(3, 400)
    rnn = freerun.RNN(40, model=imperfect, restarts=1).fit(values[:300])
    assert rnn.model_.best.settings.method == "ridge"
    alone = followed(imperfect, values[299], 40)
    assert np.abs(rnn.generate(40).values - values[300:340]).max() < np.abs(alone - values[300:340]).max()


def test_missing_values_are_filled_by_the_hybrid(hybrid):
    values = sample(0, 600)
    gappy = values.copy()
    gappy[500:505] = np.nan
    np.testing.assert_allclose(hybrid.predict(gappy).values[-20:], hybrid.predict(values).values[-20:], atol=0.05)


def test_a_model_file_names_the_model_and_asks_for_it(hybrid, tmp_path):
    path = tmp_path / "hybrid.freerun"
    hybrid.save(path)
    with pytest.raises(SettingError, match=r"corrects a known model, 'test_known:imperfect'.*model=function"):
        freerun.load(path)
    back = freerun.load(path, model=imperfect)
    assert back.get_params() == hybrid.get_params()
    np.testing.assert_array_equal(back.generate(50).values, hybrid.generate(50).values)
    back.fit(sample(0, 600), warm_start=True)
    np.testing.assert_allclose(back.generate(9).values, hybrid.generate(9).values)
    freerun.RNN(20, optimizer="ridge", **QUICK).fit(np.sin(np.arange(200.0))).save(path)
    with pytest.raises(SettingError, match="without a known model; leave it out"):
        freerun.load(path, model=imperfect)


@pytest.mark.slow
def test_an_interrupted_fit_goes_on_with_its_model(tmp_path):
    values, seen = sample(4, 300), []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 4:
            raise KeyboardInterrupt

    other: dict[str, Any] = {"model": KnownModel("test_known:imperfect", truth), "optimizer": "ridge", "restarts": 1}
    asked: dict[str, Any] = {"model": imperfect, "optimizer": "ridge", "restarts": 1}
    rnn = freerun.RNN(30, **asked)
    with pytest.raises(KeyboardInterrupt):
        rnn.fit(values, progress=stop, checkpoint=tmp_path / "c", checkpoint_every=0)
    rnn.fit(values, checkpoint=tmp_path / "c")
    np.testing.assert_array_equal(rnn.generate(9).values, freerun.RNN(30, **asked).fit(values).generate(9).values)
    freerun.RNN(30, **asked).fit(values, checkpoint=tmp_path / "d")
    with pytest.raises(freerun.errors.CheckpointError, match="known model"):
        freerun.RNN(30, **other).fit(values, checkpoint=tmp_path / "d")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda values: values[..., :1], r"returned shape \(199, 1\) for values of shape \(199, 2\)"),
        (lambda values: np.where(values > 0.9, np.nan, values), r"returned \[.*nan.*\] for the values"),
        (lambda values: values / 0, "has to return finite numbers"),
        (lambda values: {}[0], "raised KeyError"),
        (lambda values: None, r"returned shape \(\)"),
        (lambda values, inputs: values, "takes external inputs, and the series has none"),
        ("package:function", r"is a name; give the function itself"),
        (3, "must be a function from values"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(model, message):
    series = np.column_stack([np.sin(np.arange(200.0)), np.cos(np.arange(200.0))])
    with pytest.raises(SettingError, match=message):
        freerun.RNN(20, model=model, holdout=0, **QUICK).fit(series)


@pytest.mark.parametrize(
    "asked", [{"optimizer": "adam"}, {"cell": "smoothing"}, {"detrend": True}, {"optimizer": "levenberg-marquardt"}]
)
def test_what_does_not_go_with_a_model_is_refused(asked):
    with pytest.raises(SettingError, match="model"):
        freerun.RNN(model=imperfect, **asked).fit(sample(0, 100))


def test_calls_that_cannot_run_a_model_say_so(hybrid, tmp_path):
    with pytest.raises(SettingError, match="Lyapunov exponents need derivatives"):
        hybrid.lyapunov_exponents()
    with pytest.raises(SettingError, match="cannot be exported"):
        hybrid.export(tmp_path / "p", 5)
    frame = pd.DataFrame({"unique_id": "a", "ds": range(50), "y": np.sin(np.arange(50.0))})
    with pytest.raises(SettingError, match="forecast_many takes no known model"):
        freerun.forecast_many(frame, 3, model=imperfect)


def test_a_run_far_away_is_not_asked_of_the_model():
    """A model that would fail there never sees it."""

    def nearby(values):
        assert np.abs(values).max() < 2e4
        return 1.5 * values

    settings: dict[str, Any] = QUICK | {"l2": 1e3}
    rnn = freerun.RNN(20, model=nearby, washout=0, holdout=0, **settings).fit(np.arange(1.0, 50.0))
    with pytest.raises(freerun.errors.SeriesError, match="diverged"):
        rnn.generate(2000)


def test_the_command_line_imports_the_model(run, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "halving.py").write_text("def half(values):\n    return values / 2\n")
    pd.DataFrame({"y": np.sin(np.arange(100.0))}).to_csv(tmp_path / "s.csv", index=False)
    fit = "fit s.csv -o m.freerun --hidden 20 --cell memoryless --delays 2 --input-scale 0.3 --l2 1e-6 --model "
    assert run(fit + "halving:half")[0] == 0
    assert len(run("generate m.freerun -n 3 --model halving:half")[1].strip().splitlines()) == 4
    assert "halving:half" in run("info m.freerun")[1]
    code, _, err = run("generate m.freerun -n 3")
    assert code == 2
    assert "--model package.module:function" in err
    for wrong in ("halving", "halving:third", "nowhere:half"):
        code, _, err = run(fit + wrong)
        assert code == 2
        assert wrong in err
    given = "--set hidden=20 --set cell=memoryless --set delays=2 --set input_scale=0.3 --set l2=1e-6"
    assert run(f"forecast s.csv -n 3 --model halving:half {given}")[0] == 0
    assert run(f"backtest s.csv --horizon 3 --folds 2 --set model=halving:half {given}")[0] == 0
