"""Scores of free runs and of long runs, from Python and from the command line,
against their definitions."""

import json

import numpy as np
import pytest

import freerun
from freerun import metrics
from freerun.data.arrays import stays_near
from freerun.errors import SettingError
from freerun.forecasting import evaluation


@pytest.fixture(scope="module")
def series():
    return freerun.systems.lorenz_dop853(3000, dt=0.02, washout=200)


@pytest.fixture(scope="module")
def rnn(series):
    rnn = freerun.RNN(200, cell="memoryless", delays=1, optimizer="ridge", input_scale=0.3, l2=1e-11)
    return rnn.fit(series.between(0, 2000))


def test_errors_ahead_are_those_of_single_free_runs(rnn, series):
    starts = np.array([2000, 2011, 2500])
    errors = evaluation.errors_ahead(rnn.model_, series, starts, 6)
    for start, row in zip(starts.tolist(), errors, strict=True):
        run = rnn.generate(6, after=series.between(0, start)).values
        np.testing.assert_allclose(
            row, np.sqrt(((run - series.values[start : start + 6]) ** 2).mean(axis=1)), rtol=1e-6, atol=1e-9
        )


def test_long_term_scores_are_the_metrics_of_one_long_run(rnn, series):
    scores = rnn.evaluate_long_term(series, 2000)
    truth = series.values[2000:]
    run = rnn.generate(1250, after=series.between(0, 2000)).values[250:]
    assert scores.steps == 1000
    assert scores.state_space_divergence == pytest.approx(metrics.state_space_divergence(truth, run))
    assert scores.state_space_floor == pytest.approx(metrics.state_space_divergence(truth, series.values[:2000]))
    assert scores.spectrum_distance == pytest.approx(metrics.spectrum_distance(truth, run))
    assert scores.endured
    vpt = rnn.evaluate(series, 2000).vpt
    assert scores.vpt_lyapunov_times == pytest.approx(vpt * scores.lyapunov[0])


def test_pe20_is_the_mean_over_every_start(rnn, series):
    short = series.between(0, 2024)
    ahead = [
        ((rnn.generate(20, after=series.between(0, start)).values[-1] - series.values[start + 19]) ** 2).mean()
        for start in range(2000, 2005)
    ]
    assert rnn.evaluate_long_term(short, 2000).pe20 == pytest.approx(np.mean(ahead), rel=1e-4)


def test_the_exponents_of_a_trained_network_are_those_of_the_lorenz_system(rnn):
    """0.906, 0 and -14.572 per time unit (Sprott, 2003), learned from 2000 values 0.02 apart."""
    first, second, third = np.array(rnn.lyapunov_exponents(3, steps=20_000)) / 0.02
    assert first == pytest.approx(0.906, abs=0.03)
    assert second == pytest.approx(0.0, abs=0.02)
    assert third == pytest.approx(-14.572, abs=0.3)


def test_a_mean_over_one_member_is_refused(rnn):
    with pytest.raises(SettingError, match="the model has one network; fit with members=2"):
        rnn.generate(5, ensemble="mean")


def test_evaluate_long_term_on_the_command_line(rnn, series, tmp_path, run):
    rnn.save("l.freerun")
    series.write("l.csv")

    def evaluate(options: str) -> str:
        status, out, _ = run(f"evaluate l.freerun l.csv --from 2000 --long-term {options}")
        assert status == 0
        return out

    table = evaluate("--plots pictures")
    assert "D_stsp" in table
    assert "floor" in table
    assert {p.name for p in (tmp_path / "pictures").iterdir()} == {
        "free-run.png",
        "error-growth.png",
        "attractor.png",
        "spectra.png",
        "return-map.png",
    }
    scores = json.loads(evaluate("--json"))["long_term"]
    assert scores["state_space_divergence"] == pytest.approx(
        rnn.evaluate_long_term(series, 2000).state_space_divergence
    )
    assert len(scores["lyapunov"]) == 3


@pytest.fixture(scope="module")
def doubling():
    """A network that has learned 1, 2, 4, ...: its free runs double the
    last value that it read at every step."""
    linear = freerun.RNN(
        1, cell="memoryless", nonlinearity="identity", optimizer="ridge", delays=1, input_scale=1, l2=0
    )
    return linear.fit(2.0 ** np.arange(20))


def test_a_run_beyond_all_bounds_is_scored_as_lost(doubling):
    """Against the closed form: 2^1100 is beyond the range of floating-point numbers."""
    wave = 1.001 + np.sin(0.01 * np.arange(2000))
    scores = doubling.evaluate(wave, 472)
    run, truth = np.ldexp(wave[471], np.arange(1, 1529).clip(max=1000)), wave[472:]
    assert scores.vpt == np.argmax(np.abs(run - truth) > 0.4 * wave.std()) > 5
    assert scores.smape == pytest.approx(np.mean(200 * np.abs(run - truth) / (run + truth)), rel=1e-6)
    long = doubling.evaluate_long_term(wave, 472)
    assert long.state_space_divergence == np.inf
    assert long.spectrum_distance == 1
    assert not long.endured


def test_errors_beyond_all_bounds_are_infinite(doubling):
    wave = 1.5 + np.sin(0.01 * np.arange(2000))
    errors = evaluation.errors_ahead(doubling.model_, freerun.Series.of(wave), np.array([500, 600]), 1200)
    np.testing.assert_allclose(errors[:, 9], np.abs(np.ldexp(wave[[499, 599]], 10) - wave[[509, 609]]), rtol=1e-6)
    assert np.isinf(errors[:, -1]).all()


def test_the_command_scores_and_draws_a_run_beyond_all_bounds(doubling, run, tmp_path):
    doubling.save(tmp_path / "doubling.freerun")
    freerun.Series.of(1.001 + np.sin(0.01 * np.arange(2000))).write(tmp_path / "wave.csv")
    status, out, err = run("evaluate doubling.freerun wave.csv --from 472 --long-term --plots pictures --json")
    assert status == 0, err
    scores = json.loads(out, parse_constant=pytest.fail)
    assert scores["long_term"]["state_space_divergence"] is None
    assert not scores["long_term"]["endured"]
    assert (tmp_path / "pictures" / "attractor.png").exists()


def test_a_run_is_near_within_three_standard_deviations_of_the_known_range():
    """Channels of range -1 to 1 and 0 to 2 with a standard deviation of 1:
    bounds -4 to 4 and -3 to 5."""
    values = np.array([[-1.0, 0.0], [1.0, np.nan], [-1.0, 2.0], [1.0, np.nan]])
    runs = np.zeros((2, 5, 2))
    for value, near in (([4.0, -3.0], True), ([-4.0, 5.0], True), ([4.1, 0.0], False), ([0.0, 5.1], False)):
        runs[1, 3] = value
        assert stays_near(runs, values) == stays_near(runs[1], values) == near
    runs[1, 3] = [np.nan, 0.0]
    assert not stays_near(runs, values)
