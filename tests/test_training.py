"""Training, against the tutorial's own graph and against the closed form of a linear network."""

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

import freerun
from freerun.errors import SeriesError, TrainingDiverged
from freerun.training import monitor
from freerun.training.history import Progress

TUTORIAL: dict[str, Any] = {
    "hidden": 15,
    "cell": "simple",
    "direct": False,
    "initial": "tutorial",
    "optimizer": "sgd",
    "learning_rate": 0.3,
    "epochs": 1001,
    "l2": 1e-4,
    "standardize": False,
    "seed": 0,
}


@pytest.fixture(scope="module")
def tutorial_series():
    return freerun.systems.mackey_glass(2000, seed=0).split(1500)


@pytest.fixture(scope="module")
def tutorial_rnn(tutorial_series):
    train, valid = tutorial_series
    return freerun.RNN(**TUTORIAL).fit(train, valid)


def test_gradient_descent_repeats_the_tutorial(tutorial_rnn):
    """Computed with the tutorial's own graph under PyTensor, float64."""
    history = tutorial_rnn.history_
    assert history.objective[0] == pytest.approx(5.110126984960e-02, rel=1e-9)
    assert history.objective[500] == pytest.approx(1.431187400806e-03, rel=1e-9)
    assert history.training_mse[-1] == pytest.approx(8.536407549431e-04, rel=1e-9)
    assert history.validation_mse[-1] == pytest.approx(8.835674080892e-04, rel=1e-9)
    assert len(history.objective) == 1001
    assert history.epochs[-1] == 1001


def test_float32_agrees_with_float64_as_far_as_it_can(tutorial_series, tutorial_rnn):
    train, valid = tutorial_series
    single = freerun.RNN(**{**TUTORIAL, "dtype": "float32"}).fit(train, valid)
    assert single.model_.best.network.readout.dtype == np.float32
    assert single.history_.training_mse[-1] == pytest.approx(tutorial_rnn.history_.training_mse[-1], rel=1e-3)


def test_divergence_names_the_epoch_and_keeps_the_last_good_weights(tutorial_series):
    train, _ = tutorial_series
    rnn = freerun.RNN(hidden=15, optimizer="sgd", learning_rate=1e3, nonlinearity="identity", epochs=200, direct=False)
    with pytest.raises(
        TrainingDiverged, match=r"training diverged at epoch \d+ with learning_rate=1000; try learning_rate=100"
    ):
        rnn.fit(train)
    assert np.isfinite(rnn.history_.objective).all()
    assert np.isfinite(rnn.predict(train).values).all()


def test_initial_weights_with_hidden_states_that_overflow_are_refused(tutorial_series):
    train, _ = tutorial_series
    rnn = freerun.RNN(
        nonlinearity="identity", initial="reservoir", spectral_radius=9.0, hidden=50, optimizer="adam", cell="simple"
    )
    with pytest.raises(TrainingDiverged, match=r"the hidden states are not finite at the weights drawn"):
        rnn.fit(train)


def test_ctrl_c_keeps_the_weights_reached(tutorial_series):
    train, _ = tutorial_series

    def interrupt(progress):
        if progress.done >= 100:
            raise KeyboardInterrupt

    rnn = freerun.RNN(**TUTORIAL)
    with pytest.raises(KeyboardInterrupt):
        rnn.fit(train, progress=interrupt)
    assert rnn.history_.epochs[-1] == 100
    assert rnn.history_.training_mse[-1] < rnn.history_.training_mse[0]
    assert rnn.generate(10).shape == (10, 1)


@pytest.mark.slow
def test_windows_that_carry_states_reach_as_far_back_as_the_whole_series(tutorial_series):
    """A network whose memory is far longer than the windows:
    their mean error is that of the whole series."""
    train, _ = tutorial_series
    slow = freerun.RNN(
        30, cell="leaky", leak=0.02, delays=1, spectral_radius=0.9, optimizer="ridge", l2=1e-8, washout=300, restarts=1
    ).fit(train)
    path = {"optimizer": "sgd", "learning_rate": 1e-12, "epochs": 1, "window": 20, "batch": 300, "initial": None}
    unset = {"leak": None, "spectral_radius": None, "l2": 0.0, "input_scale": None}

    def objective(**parameters: Any) -> float:
        again = freerun.RNN(**slow.get_params()).set_params(**path | unset, **parameters)
        again.model_ = slow.model_
        return again.fit(train, warm_start=True).history_.objective[0]

    mse = slow.history_.training_mse[-1] / train.deviation[0] ** 2
    assert objective(washout=300, stateful=True) == pytest.approx(mse, rel=0.25)
    assert objective(washout=0, stateful=False) > 10 * mse


def test_progress_reaches_the_last_epoch(tutorial_series):
    train, valid = tutorial_series
    seen = []
    freerun.RNN(optimizer="adam", epochs=33).fit(train, valid, progress=seen.append)
    assert seen[-1].done == seen[-1].total == 33
    assert all(p.validation_mse is not None for p in seen)
    assert {p.task for p in seen} == {"training"}


@pytest.mark.parametrize(
    ("done", "begun", "seconds", "pace"),
    [
        (0, 0, 1.0, ""),
        (50, 50, 1.0, ""),
        (30, 0, 10.0, "3/s  23 s left"),
        (60, 50, 40.0, "4.0 s each  3 min left"),
        (10, 0, 2400.0, "4 min each  6.0 h left"),
    ],
)
def test_progress_tells_its_pace_and_the_time_left(done, begun, seconds, pace):
    assert Progress("training", done, 100, None, None, None, seconds, begun=begun).pace == pace


def test_progress_says_that_a_gpu_was_taken(tutorial_series, monkeypatch):
    monkeypatch.setattr(monitor, "current_device", lambda: SimpleNamespace(platform="gpu"))
    seen = []
    freerun.RNN(optimizer="adam", epochs=20, restarts=2, holdout=0.1).fit(tutorial_series[0], progress=seen.append)
    assert {p.task for p in seen} == {"training 2 networks on a GPU"}


@pytest.mark.parametrize("given", [{"optimizer": "ridge", "hidden": 20}, {"optimizer": "adam", "epochs": 1}])
def test_a_series_shorter_than_its_differences_is_refused_with_any_washout(given):
    rnn = freerun.RNN(difference=(1, 49), washout=0, **given)
    with pytest.raises(SeriesError, match="has 51 steps, and these differences need 52 or more"):
        rnn.fit(np.sin(np.arange(51.0)))


def test_a_series_shorter_than_the_washout_is_refused(tutorial_series):
    train, valid = tutorial_series
    with pytest.raises(SeriesError, match="the validation series has 500 steps; with a washout of 600"):
        freerun.RNN(washout=600, optimizer="adam").fit(train, valid)


@pytest.mark.parametrize(
    ("parameters", "advice"),
    [
        ({"hidden": 200, "window": 1000, "batch": 10**7}, r"batch=10000000 windows of 1000 steps.*choose batch=\d+ or"),
        ({"hidden": 10**8}, r"all 2000 steps at once.*choose window=\d+ or less"),
    ],
)
def test_what_does_not_fit_in_memory_is_refused_with_a_size_that_does(parameters, advice):
    with pytest.raises(freerun.errors.SettingError, match=advice):
        freerun.RNN(optimizer="adam", **parameters).fit(np.sin(np.arange(2000) / 5))


@pytest.mark.quick(cell=["simple"])
@pytest.mark.parametrize("cell", ["simple", "lstm"])
def test_many_networks_at_once_end_where_each_ends_alone(tutorial_series, cell):
    """Eleven seeds: groups that are trained in one program, of unequal size."""
    parameters: dict[str, Any] = {"hidden": 5, "cell": cell, "optimizer": "adam", "epochs": 40}
    series = tutorial_series[0].between(0, 300)
    together = freerun.RNN(**parameters, members=11, restarts=11, holdout=0.0).fit(series)
    ended = {member.settings.seed: member.network for member in together.model_.members}
    assert sorted(ended) == list(range(11))
    for seed in (0, 4, 10):
        alone = freerun.RNN(**parameters, seed=seed).fit(series).model_.best.network
        for a, b in zip(jax.tree.leaves(ended[seed]), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)
