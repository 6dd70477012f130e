"""Properties of all networks: independence of units, batches and chunks, exact derivatives,
the same bits again."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

import freerun
from freerun.compute.programs import computing
from freerun.data.scaling import Scaling
from freerun.errors import FreerunError, SeriesError
from freerun.network import ridge
from freerun.plan import train_plan
from freerun.settings import CellName, Settings
from freerun.training.forcing import forcing_schedule
from freerun.training.loop import regularization_of
from freerun.training.objective import Objective
from freerun.training.optimizers import stack
from freerun.training.supervised import SupervisedData

TRAINABLE = [cell for cell in get_args(CellName) if cell not in ("smoothing", "polynomial")]

SLOW = settings(deadline=None, max_examples=25, derandomize=True)

STAGES: list[dict[str, Any]] = [
    {"forcing": "full"},
    {"forcing": "segments", "segment_lengths": (6,)},
    {"forcing": "generalized", "forcing_strength": (0.3,)},
    {"forcing": "generalized", "forcing_strength": "adaptive"},
    {"forcing": "sparse", "forcing_interval": 4},
    {"forcing": "scheduled", "forcing_strength": (0.5,)},
]

SERIES = freerun.Series.of(np.random.default_rng(0).normal(size=(24, 2)).cumsum(axis=0) * 0.3)


@pytest.mark.quick(cell=["simple"], given_forcing=[STAGES[3]])
@pytest.mark.parametrize("cell", TRAINABLE)
@pytest.mark.parametrize("given_forcing", STAGES)
def test_gradient_and_jacobian_agree_with_finite_differences(cell, given_forcing):
    """With both penalties and noise on weights and inputs;
    central differences along a random direction."""
    settings = Settings.checked(
        hidden=3,
        washout=3,
        cell=cell,
        delays=(0, 2),
        optimizer="adam",
        seed=1,
        l1=1e-3,
        l2=1e-2,
        weight_noise=0.01,
        input_noise=0.02,
        **given_forcing,
    )
    asked = train_plan(settings, 2)
    key = jax.random.key(5)
    with computing("float64"):
        pairs = SupervisedData.of([SERIES.values], 2, 3)
        draw = np.random.default_rng(1)
        network = jax.tree.map(lambda w: jnp.asarray(w + 0.1 * draw.normal(size=w.shape)), asked.draw())
        regularization = jax.tree.map(lambda a: a[0], regularization_of([asked]))
        forcing = forcing_schedule(asked, pairs)[-1](stack([network]))
        objective = Objective(pairs, forcing)
        theta, unravel = ravel_pytree(network)
        direction = jnp.asarray(draw.normal(size=theta.size))

        def value(weights):
            return objective(unravel(weights), regularization, key)

        @jax.jit
        def measured(weights):
            return value(weights), objective.residuals(unravel(weights), regularization, key)

        @jax.jit
        def derivatives(weights):
            return jax.grad(value)(weights), objective.jacobian(unravel(weights), regularization, key)

        step = 1e-6
        gradient, jacobian = derivatives(theta)
        (at, r), above, below = map(measured, (theta, theta + step * direction, theta - step * direction))
        slope, slopes = ((one - other) / (2 * step) for one, other in zip(above, below, strict=True))
        assert float(gradient @ direction) == pytest.approx(float(slope), rel=1e-6, abs=1e-9)
        np.testing.assert_allclose(jacobian @ direction, slopes, rtol=1e-5, atol=1e-8)
        assert float(r @ r) == pytest.approx(float(at), rel=1e-6)


finite = st.floats(-3.0, 3.0)
shapes = st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[finite] * width), min_size=5, max_size=30))


@SLOW
@given(shapes, st.floats(-140, 140), st.floats(-3, 3), st.floats(-12, 12), st.booleans(), st.booleans())
def test_scaling_goes_there_and_back(rows, exponent, offset, dt_exponent, detrend, log):
    """In units from 1e-140 to 1e140 and steps from 1e-12 to 1e12:
    to twelve digits of the size of the numbers."""
    values = (np.array(rows) + offset + (10.0 if log else 0.0)) * 10.0**exponent
    series = freerun.Series(values, times=np.arange(len(values)) * 10.0**dt_exponent)
    try:
        scaling = Scaling.fitted([series], Settings.checked(detrend=detrend, log=log))
    except SeriesError as error:
        refused = str(error)
        assume("constant" not in refused and "no logarithm" not in refused and "beyond double precision" not in refused)
        raise
    inside = scaling.apply(series)
    assert np.abs(inside).max() < 10 * np.sqrt(len(values))
    np.testing.assert_allclose(
        scaling.undo(inside, series.times), values, rtol=1e-9 if log else 1e-12, atol=1e-12 * np.abs(values).max()
    )


@pytest.fixture(scope="module")
def wave():
    return freerun.systems.mackey_glass(220, seed=0).values


RIDGE: dict[str, Any] = {
    "hidden": 30,
    "cell": "leaky",
    "delays": 3,
    "optimizer": "ridge",
    "l2": 1e-6,
    "leak": 0.5,
    "spectral_radius": 0.9,
    "input_scale": 0.5,
    "input_noise": 0.0,
    "difference": 0,
    "members": 1,
    "restarts": 1,
}


@pytest.fixture(scope="module")
def plain(wave):
    return freerun.RNN(**RIDGE).fit(wave).generate(30).values


@pytest.mark.parametrize(("factor", "offset"), [(1e-140, 0.0), (1e140, 0.0), (1e-3, 1e3), (2.5, 7.0)])
def test_a_network_knows_nothing_of_units(wave, plain, factor, offset):
    run = freerun.RNN(**RIDGE).fit(wave * factor + offset).generate(30).values
    np.testing.assert_allclose((run - offset) / factor, plain, atol=1e-5)


@pytest.mark.parametrize("dt", [1e-12, 1e12])
def test_a_network_knows_nothing_of_the_length_of_a_step(wave, plain, dt):
    run = freerun.RNN(**RIDGE).fit(freerun.Series(wave, dt=dt)).generate(30)
    np.testing.assert_array_equal(run.values, plain)
    assert run.times[0] == pytest.approx(220 * dt)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_numbers_whose_squares_are_lost_are_refused(wave, size):
    with pytest.raises(SeriesError, match="squares are beyond double precision; give it in other units"):
        freerun.RNN(**RIDGE).fit(wave * size)


def test_a_series_that_hardly_varies_is_learned_and_one_that_varies_by_rounding_is_refused(wave, plain):
    run = freerun.RNN(**RIDGE).fit(1e6 + 1e-3 * wave).generate(30).values
    np.testing.assert_allclose((run - 1e6) * 1e3, plain, atol=0.02)
    with pytest.raises(SeriesError, match="is constant"):
        freerun.RNN(**RIDGE).fit(1e6 + 1e-8 * wave)


def test_the_readout_does_not_depend_on_the_chunks(wave, plain, monkeypatch):
    monkeypatch.setattr(ridge, "ROWS_AT_ONCE", 37)
    np.testing.assert_allclose(freerun.RNN(**RIDGE).fit(wave).generate(30).values, plain, atol=1e-6)


@SLOW
@given(st.integers(23, 219))
def test_a_prediction_does_not_depend_on_what_comes_later(wave, cut):
    rnn = _fitted_once(wave)
    whole = rnn.predict(wave).values
    np.testing.assert_allclose(rnn.predict(wave[:cut]).values, whole[: cut - 1], atol=1e-12)


@SLOW
@given(st.integers(1, 29))
def test_a_free_run_can_be_made_in_two_pieces(wave, first):
    """The second goes on from what was read of the first."""
    rnn = _fitted_once(wave)
    whole = rnn.generate(30).values
    begun = freerun.Series.of(np.concatenate([wave, whole[:first]]))
    np.testing.assert_allclose(rnn.generate(30 - first, after=begun).values, whole[first:], atol=1e-7)


_kept: list[freerun.RNN] = []


def _fitted_once(wave):
    if not _kept:
        _kept.append(freerun.RNN(**RIDGE).fit(wave))
    return _kept[0]


@pytest.mark.quick(cell=["lstm"])
@pytest.mark.parametrize("cell", [cell for cell in TRAINABLE if cell != "plrnn"])
def test_single_precision_agrees_as_far_as_it_goes(wave, cell):
    """Of bounded cells: the states of the plain piecewise-linear
    one grow without bound over the series."""
    parameters: dict[str, Any] = {"hidden": 5, "cell": cell, "delays": 2, "optimizer": "adam", "epochs": 20}
    double = freerun.RNN(**parameters).fit(wave)
    single = freerun.RNN(**parameters, dtype="float32").fit(wave)
    np.testing.assert_allclose(single.predict(wave).values, double.predict(wave).values, atol=2e-3)
    assert single.history_.training_mse[-1] == pytest.approx(double.history_.training_mse[-1], rel=1e-2)


SAME = """
import freerun, hashlib, numpy as np, jax
rnn = freerun.RNN(5, cell="gru", optimizer="adam", epochs=30, restarts=3, holdout=0.2, input_noise=0.01, window=40)
rnn.fit(freerun.systems.mackey_glass(200, seed=0))
print(hashlib.sha256(b"".join(np.asarray(w).tobytes() for w in jax.tree.leaves(rnn.model_.best.network))).hexdigest())
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_in_another_process():
    said = {subprocess.run([sys.executable, "-c", SAME], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(said) == 1


@pytest.mark.slow
@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    st.sampled_from(["sgd", "momentum", "adam", "rmsprop"]),
    st.sampled_from(["relu", "identity", "softplus"]),
    st.floats(-3, 8),
    st.floats(0, 3),
)
def test_divergence_is_always_noticed(wave, method, nonlinearity, rate, spread):
    _assert_divergence_is_noticed(wave, method, nonlinearity, rate, spread)


@pytest.mark.parametrize(("rate", "spread"), [(-2.0, 0.0), (0.0, 0.2), (8.0, 0.0), (-1.0, 3.0)])
def test_divergence_is_noticed_with_steps_and_weights_of_any_size(wave, rate, spread):
    """Four of the cases of the test above, by one program."""
    _assert_divergence_is_noticed(wave, "sgd", "identity", rate, spread)


def _assert_divergence_is_noticed(wave, method, nonlinearity, rate, spread):
    """Whatever happens, the weights that are kept are finite, and a run that is handed out is."""
    rnn = freerun.RNN(
        4,
        cell="simple",
        optimizer=method,
        nonlinearity=nonlinearity,
        learning_rate=10.0**rate,
        epochs=25,
        initial="reservoir",
        spectral_radius=10.0**spread,
        input_scale=1.0,
    )
    raised = _raised(lambda: rnn.fit(wave[:80]))
    assert raised is None or re.search("diverged|training error", raised)
    if not hasattr(rnn, "model_"):
        assert raised is not None
        return
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(rnn.model_.best.network))
    assert np.isfinite(rnn.history_.training_mse).all()
    runs: list[np.ndarray] = []
    refused = _raised(lambda: runs.append(rnn.generate(200).values))
    assert np.isfinite(runs).all() if refused is None else "the free run diverged at step" in refused


def _raised(work: Callable[[], Any]) -> str | None:
    """What our own errors say of it."""
    try:
        work()
    except FreerunError as error:
        return str(error)
    return None
