"""Forcings, against hand-written loops, and their derivatives against finite differences."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freerun
from freerun.compute.programs import computing
from freerun.errors import SettingError
from freerun.network import jax_runs
from freerun.network.initial import Start, initial_network
from freerun.network.shape import Shape
from freerun.plan import TrainPlan, train_plan
from freerun.settings import Settings
from freerun.training.forcing import Full, Mixed, Scheduled, Segments, forcing_schedule
from freerun.training.objective import Objective, Regularization
from freerun.training.supervised import SupervisedData

KEY = jax.random.key(0)


@pytest.fixture(autouse=True)
def double():
    with computing("float64"):
        yield


def network(cell="simple", lags=(0, 2)):
    """A network whose weights are all random, and large enough that what it reads matters."""
    draw = np.random.default_rng(0)
    fresh = initial_network(Shape(2, 4, cell, lags, 1, True, latent=3), Start("glorot", seed=3))
    return jax.tree.map(lambda w: w + 0.2 * draw.normal(size=w.shape), fresh)


@pytest.fixture
def pairs():
    with computing("float64"):
        return SupervisedData.of([np.random.default_rng(0).normal(size=(31, 2))], 2, 4)


def test_full_forcing_is_one_step_prediction(pairs):
    errors, weight = Full().errors(network(), pairs, KEY)
    np.testing.assert_allclose(errors, jax_runs.predict(network(), pairs.inputs) - pairs.targets)
    np.testing.assert_array_equal(weight, [[0, 0]] * 4 + [[1, 1]] * 26)


def test_strength_one_is_full_forcing_and_zero_a_free_run(pairs):
    full, _ = Full().errors(network(), pairs, KEY)
    np.testing.assert_allclose(Mixed(jnp.ones(30)).errors(network(), pairs, KEY)[0], full, atol=1e-13)
    # From the fifth step on without data: the run that follows the first four.
    strength = jnp.asarray([1.0] * 4 + [0.0] * 26)
    states, values = jax_runs.run_starts(network(), pairs.inputs, jnp.asarray([3]))
    run = jax_runs.run_free(network(), jax.tree.map(lambda entry: entry[0], states), values[0], 27)
    errors, _ = Mixed(strength).errors(network(), pairs, KEY)
    np.testing.assert_allclose(errors[3:] + pairs.targets[3:], run, atol=1e-12)


def test_scheduled_sampling_reads_the_data_as_often_as_it_should(pairs):
    """Each step's input is the data or the output:
    the mixture of one or the other explains every output."""
    long = SupervisedData.of([np.random.default_rng(1).normal(size=(2001, 2))], 2, 0)
    drawn = jax.random.bernoulli(KEY, jnp.full(2000, 0.3))
    errors, _ = Scheduled(jnp.full(2000, 0.3)).errors(network(), long, KEY)
    expected, _ = Mixed(drawn.astype(float)).errors(network(), long, KEY)
    np.testing.assert_allclose(errors, expected)
    assert drawn.mean() == pytest.approx(0.3, abs=0.04)
    other, _ = Scheduled(jnp.full(2000, 0.3)).errors(network(), long, jax.random.key(1))
    assert not np.allclose(errors, other)


def test_segments_are_free_runs_from_states_of_the_forced_pass(pairs):
    forcing = Segments.over(30, 4, 7)
    np.testing.assert_array_equal(forcing.starts, [4, 9, 14, 19])
    errors, weight = forcing.errors(network(), pairs, KEY)
    assert errors.shape == (4, 7, 2)
    assert weight.all()
    states, values = jax_runs.run_starts(network(), pairs.inputs, jnp.asarray([14]))
    run = jax_runs.run_free(network(), jax.tree.map(lambda entry: entry[0], states), values[0], 7)
    np.testing.assert_allclose(errors[2], run - pairs.targets[14:21], atol=1e-13)


def test_windows_are_pieces_of_the_series(pairs):
    objective = Objective(pairs, Full(), length=8, batch=5, washout=3)
    pieces = pairs.windows(KEY, 400, 8, 3)
    parts = {np.asarray(pairs.targets[i : i + 8]).tobytes(): i for i in range(23)}
    starts = [parts[np.asarray(piece).tobytes()] for piece in pieces.targets]
    assert set(starts) == set(range(23))
    np.testing.assert_array_equal(pieces.inputs[7], pairs.inputs[starts[7] : starts[7] + 8])
    predict = jax.jit(partial(jax_runs.predict, network()))
    alone = [predict(pairs.inputs[i : i + 8]) - pairs.targets[i : i + 8] for i in range(23)]
    every = np.mean(np.concatenate([errors[max(3, 4 - i) :] for i, errors in enumerate(alone)]) ** 2)
    values = jax.jit(jax.vmap(objective, in_axes=(None, None, 0)))(
        network(), Regularization(), jax.random.split(KEY, 300)
    )
    assert np.mean(values) == pytest.approx(every, rel=0.1)


@pytest.mark.quick(cell=["lstm"])
@pytest.mark.parametrize("cell", ["simple", "lstm", "memoryless", "plrnn"])
@pytest.mark.parametrize("forcing", [Full(), Mixed(jnp.ones(8)), Segments(jnp.asarray([0, 3]), 4)])
def test_windows_that_carry_states_are_parts_of_one_pass_over_the_series(pairs, cell, forcing):
    states = pairs.states(network(cell), 3)
    pieces = pairs.windows(KEY, 60, 8, 0, states, 3)
    parts = {np.asarray(pairs.targets[i : i + 8]).tobytes(): i for i in range(23)}
    starts = [parts[np.asarray(piece).tobytes()] for piece in pieces.targets]
    assert set(starts) == {0, 3, 6, 9, 12, 15, 18, 21}
    errors = jax.jit(lambda pieces: forcing.errors(network(cell), pieces, KEY)[0])(pieces)
    if isinstance(forcing, Segments):
        at = (forcing.starts + jnp.asarray(starts)[:, None]).ravel()
        expected = Segments(at, 4).errors(network(cell), pairs, KEY)[0].reshape(errors.shape)
    else:
        whole, _ = Full().errors(network(cell), pairs, KEY)
        expected = np.stack([whole[start : start + 8] for start in starts])
    np.testing.assert_allclose(errors, expected, atol=1e-12)


@pytest.mark.slow
def test_windows_of_several_series_carry_the_states_of_their_own_series():
    random = np.random.default_rng(0)
    gappy = random.normal(size=(31, 2))
    gappy[10:14, 0] = np.nan
    several = SupervisedData.of([random.normal(size=(31, 2)), gappy], 2, 0)
    states = jax.jit(lambda several: several.states(network(), 4))(several)
    pieces = several.windows(KEY, 40, 8, 0, states, 4)
    whole = list(map(jax.jit(lambda one: one.completed(network())), several.unstacked()))
    passes = {np.asarray(one.targets[i : i + 8]).tobytes(): (one, i) for one in whole for i in range(23)}
    predict = jax.jit(lambda one: Full().errors(network(), one.completed(network()), KEY)[0])
    compared = 0
    for piece in pieces.unstacked():
        one, start = passes[np.asarray(piece.targets).tobytes()]
        assert piece.observed is not None
        if piece.observed[0].all():  # a window that begins in a gap reads zero there, as a series does
            np.testing.assert_allclose(predict(piece), predict(one)[start : start + 8], atol=1e-12)
            compared += 1
    assert compared > 30


def _plan(**parameters: Any) -> TrainPlan:
    return train_plan(Settings.checked(**parameters), 1)


def test_the_stages_of_each_forcing(pairs):
    def made(**parameters: Any):
        return [stage(network()) for stage in forcing_schedule(_plan(hidden=4, washout=4, **parameters), pairs)]

    assert [type(f) for f in made(forcing="full")] == [Full]
    lengths = [f.length for f in made()[1:] if isinstance(f, Segments)]
    assert lengths == [5, 20]  # 50 and 100 do not fit, and were not asked for
    sparse = made(forcing="sparse", forcing_interval=7)[1]
    assert isinstance(sparse, Mixed)
    np.testing.assert_array_equal(np.flatnonzero(sparse.strength), [0, 7, 14, 21, 28])
    strengths = [float(f.strength[0]) for f in made(forcing="generalized") if isinstance(f, Mixed)]
    assert strengths == [1.0, 0.5, 0.25, 0.1, 0.05]
    with pytest.raises(SettingError, match="a free run of 40 steps does not fit in the 26 steps"):
        made(segment_lengths=(5, 40))
    with pytest.raises(SettingError, match="forcing_interval=99: longer than the 30 steps"):
        made(forcing="sparse", forcing_interval=99)


def test_a_schedule_that_cannot_fit_is_refused_before_any_work():
    """Before delays are looked for, which takes a while."""
    said: list[Any] = []
    with pytest.raises(SettingError, match="a free run of 400 steps does not fit in the 299 steps"):
        freerun.RNN(15, segment_lengths=(5, 400)).fit(np.sin(np.arange(300) / 5), progress=said.append)
    assert said == []


def test_adaptive_strength_comes_from_the_jacobians():
    """A network that doubles its input stretches errors by 2 a step: strength 1 - 1/2."""
    values = np.random.default_rng(0).normal(size=(101, 1))
    linear = jax.tree.map(jnp.zeros_like, initial_network(Shape(1, 2, direct=True), Start("glorot")))
    doubling = jax.tree.map(
        lambda a: a[None], type(linear)(linear.cells, linear.readout, linear.bias, jnp.array([[2.0]]))
    )
    plan = _plan(hidden=2, forcing="generalized", forcing_strength="adaptive")
    forcing = forcing_schedule(plan, SupervisedData.of([values], 1, 0))[1](doubling)
    assert isinstance(forcing, Mixed)
    np.testing.assert_allclose(forcing.strength, 0.5, rtol=1e-6)


EPOCHS = {"levenberg-marquardt": 20, "lbfgs": 60, "adam": 500}


@pytest.mark.quick(forcing=["segments"], optimizer=["lbfgs"])
@pytest.mark.parametrize("forcing", ["generalized", "sparse", "scheduled", "segments"])
@pytest.mark.parametrize("optimizer", EPOCHS)
def test_any_forcing_goes_with_any_optimiser(forcing, optimizer):
    series = freerun.systems.multiple_sines(160, seed=0)
    strength = {"generalized": (1.0, 0.5, 0.3), "scheduled": (1.0, 0.8)}.get(forcing)
    rnn = freerun.RNN(
        5,
        cell="simple",
        delays=2,
        optimizer=optimizer,
        forcing=forcing,
        forcing_strength=strength,
        segment_lengths=(2, 5) if forcing == "segments" else None,
        forcing_interval=3 if forcing == "sparse" else None,
        epochs=EPOCHS[optimizer],
        restarts=1,
        washout=5,
    ).fit(series)
    assert rnn.history_.objective[-1] < 0.5  # predicting the mean would score 1
