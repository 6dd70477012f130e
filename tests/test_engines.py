"""The two engines have one meaning: NumPy's runs are those of JAX to rounding, for every cell."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freerun.compute.programs import computing
from freerun.network import engines, jax_runs, numpy_runs, smoothing
from freerun.network.cells import CELLS
from freerun.network.initial import Start, initial_network
from freerun.network.network import Network, State
from freerun.network.nonlinearities import NONLINEARITIES
from freerun.network.shape import Shape
from freerun.training.forcing import free_runs

NAMES = [name for name in CELLS if name != "smoothing"]
"""All cells but smoothers, whose weights are no drawn ones."""

SHAPES: tuple[dict[str, Any], ...] = (
    {"channels": 1, "direct": True},
    {"channels": 2, "lags": (0, 1, 2), "layers": 2, "inputs": 2, "differences": (1,)},
    {"channels": 2, "lags": (0, 3, 6), "inputs": 1, "differences": (1, 3), "direct": True, "nonlinearity": "sigmoid"},
    {"channels": 1, "lags": (1, 4, 5), "layers": 2, "direct": True, "nonlinearity": "softplus"},
)
"""Windows with even and uneven lags, layers, differences, external inputs and non-linearities."""

STEPS, AHEAD = 40, 9


def drawn(cell: str, shape: dict[str, Any], dtype: str = "float64") -> Network:
    """A network with all its weights away from zero."""
    latent = 3 if "plrnn" in cell else 0
    if cell == "polynomial":  # one layer of few monomials, since runs of many grow beyond all bounds
        shape = {**shape, "layers": 1, "degree": 2}
    network = initial_network(Shape(hidden=6, cell=cell, latent=latent, **shape), Start("glorot", 1), dtype)
    random = np.random.default_rng(0)
    return jax.tree.map(lambda a: (np.asarray(a) + 0.1 * random.normal(size=a.shape)).astype(dtype), network)


def agree(ours: Any, theirs: Any, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tolerance, atol=tolerance)


def agree_in_all(ours: State, theirs: State) -> None:
    """Every array of two states."""
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        agree(one, other)


def run_by_steps(
    network: Network, state: State, value: np.ndarray, known: np.ndarray, shocks: np.ndarray
) -> tuple[np.ndarray, tuple[State, np.ndarray]]:
    """A free run in JAX, a step at a time, with a shock added to every output before it is read.

    Args:
        value: shape (D,), the first value that is read.
        known: shape (steps, E).
        shocks: shape (steps, D).

    Returns:
        The values, shape (steps, D), and the state and the value from which the run would go on.
    """
    step, values = jax.jit(jax_runs.step), []
    for inputs, shock in zip(known, shocks, strict=True):
        state, estimate = step(network, state, np.concatenate([value, inputs]))
        value = np.asarray(estimate + shock)
        values.append(value)
    return np.array(values), (state, value)


@pytest.mark.quick(shape=SHAPES[1:3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", NAMES)
def test_both_engines_run_every_network_alike(cell, shape):
    """Open loop, free runs from several places, own output in gaps, shocks,
    and the state at the end of a run."""
    random = np.random.default_rng(2)
    network = drawn(cell, shape)
    channels, inputs = shape["channels"], shape.get("inputs", 0)
    values = 0.5 * random.normal(size=(STEPS, channels + inputs))
    at = np.array([0, 5, 17, STEPS - 1])
    known = random.normal(size=(len(at), AHEAD, inputs))
    observed = random.uniform(size=(STEPS, channels)) > 0.2
    gappy = values.copy()
    gappy[:, :channels][~observed] = np.nan
    shocks = 0.1 * random.normal(size=(AHEAD, channels))
    rest = numpy_runs.beside(network.rest())

    @jax.jit
    def theirs(network, values, known, gappy, observed):
        return (
            jax_runs.predict(network, values),
            free_runs(network, values, at, AHEAD, known),
            jax_runs.completed(network, gappy, observed),
        )

    with computing("float64"):
        predicted, free, completed = theirs(network, values, known, np.nan_to_num(gappy), observed.astype(float))
        agree(numpy_runs.predict(network, values), predicted)
        state, value = numpy_runs.states_before(network, values, at)
        runs = numpy_runs.run(network, state, value, AHEAD, future_inputs=known.transpose(1, 0, 2)).values[0]
        agree(runs, free)
        agree(numpy_runs.filled(network, gappy), completed)
        disturbed = numpy_runs.run(
            network, rest, values[:1, :channels], AHEAD, future_inputs=known[0], shocks=shocks[:, None]
        )
        stepped, (after, last) = run_by_steps(network, network.rest(), values[0, :channels], known[0], shocks)
        agree(disturbed.values[0, 0], stepped)
        agree(disturbed.value[0], last)
        agree_in_all(numpy_runs.alone(disturbed.state), after)
        begun = numpy_runs.run(
            network, rest, values[:1, :channels], 4, future_inputs=known[0, :4], shocks=shocks[:4, None]
        )
        ended = numpy_runs.run(
            network, begun.state, begun.value, AHEAD - 4, future_inputs=known[0, 4:], shocks=shocks[4:, None]
        )
        agree(np.concatenate([begun.values, ended.values], axis=2)[0, 0], stepped)
        agree_in_all(numpy_runs.alone(ended.state), after)


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
@pytest.mark.parametrize("cell", ["simple", "lstm"])
def test_both_engines_have_the_same_nonlinearities(cell, nonlinearity):
    network = drawn(cell, {"channels": 2, "lags": (0, 2), "nonlinearity": nonlinearity})
    values = 0.5 * np.random.default_rng(2).normal(size=(STEPS, 2))
    at = np.array([4, 31])

    @jax.jit
    def theirs(network, values, known):
        return jax_runs.predict(network, values), free_runs(network, values, at, AHEAD, known)

    with computing("float64"):
        predicted, free = theirs(network, values, np.empty((2, AHEAD, 0)))
    agree(numpy_runs.predict(network, values), predicted)
    agree(numpy_runs.run(network, *numpy_runs.states_before(network, values, at), AHEAD).values[0], free)


@pytest.mark.parametrize("cell", NAMES)
def test_both_engines_go_on_from_what_was_read_before(cell):
    """A state that is not at rest: predictions, gaps, states on the way and free runs from it."""
    random = np.random.default_rng(4)
    network = drawn(cell, SHAPES[2])
    before, values = 0.5 * random.normal(size=(2, STEPS, 3))
    known = random.normal(size=(AHEAD, 1))
    gappy = values.copy()
    gappy[[5, 6, 20], 1] = np.nan
    observed = np.isfinite(gappy[:, :2]).astype(float)
    at = np.array([0, 3, 30])

    @jax.jit
    def theirs(network, before, values, observed, known):
        reached = jax_runs.read_on(network, before, network.rest())[2]
        return (
            reached,
            jax_runs.predict(network, values, reached),
            jax_runs.completed(network, values, observed, reached),
            jax_runs.run_free(network, reached, values[0, :2], AHEAD, known),
            free_runs(network, values, at, AHEAD, jnp.stack([known] * 3), reached),
        )

    with computing("float64"):
        reached, predicted, completed, ahead, free = theirs(network, before, values, observed, known)
    state = numpy_runs.state_after(network, before)
    agree_in_all(state, reached)
    agree(numpy_runs.predict(network, values, state), predicted)
    agree(numpy_runs.filled(network, gappy, state), completed)
    run = numpy_runs.run(network, numpy_runs.beside(state), values[:1, :2], AHEAD, future_inputs=known)
    agree(run.values[0, 0], ahead)
    begin = numpy_runs.states_before(network, values, at, state)
    agree(numpy_runs.run(network, *begin, AHEAD, future_inputs=known).values[0], free)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("cell", NAMES)
def test_a_run_is_the_same_whichever_engine_is_quicker(cell, dtype, monkeypatch):
    network = drawn(cell, SHAPES[1], dtype)
    random = np.random.default_rng(5)
    value, known = random.normal(size=2), random.normal(size=(AHEAD, 2))
    short = engines.free_run(network, network.rest(), value, AHEAD, known)
    monkeypatch.setattr(engines, "COMPILED", AHEAD)
    long = engines.free_run(network, network.rest(), value, AHEAD, known)
    assert short.dtype == long.dtype == np.float64
    agree(long, short, 1e-9 if dtype == "float64" else 1e-4)


@pytest.mark.parametrize("cell", NAMES)
def test_both_engines_run_in_single_precision(cell):
    network = drawn(cell, SHAPES[1], "float32")
    random = np.random.default_rng(2)
    values, known = 0.5 * random.normal(size=(STEPS, 4)), random.normal(size=(2, AHEAD, 2))
    at = np.array([0, 25])

    @jax.jit
    def theirs(network, values, known):
        return jax_runs.predict(network, values), free_runs(network, values, at, AHEAD, known)

    with computing("float32"):
        predicted, free = theirs(network, values.astype(np.float32), known.astype(np.float32))
    ours = numpy_runs.predict(network, values)
    begin = numpy_runs.states_before(network, values, at)
    runs = numpy_runs.run(network, *begin, AHEAD, future_inputs=known.transpose(1, 0, 2)).values[0]
    assert ours.dtype == runs.dtype == free.dtype == np.float32
    agree(ours, predicted, 1e-4)
    agree(runs, free, 1e-4)


def test_readouts_side_by_side_run_as_each_alone():
    network = drawn("leaky", SHAPES[0])
    random = np.random.default_rng(3)
    networks = [
        network.with_readout(network.readout * factor, network.bias, network.direct) for factor in (0.3, 0.6, 0.9)
    ]
    values = random.normal(size=(STEPS, 1))
    begin = numpy_runs.states_before(network, values, np.array([3, 30]))
    together = numpy_runs.run(network, *begin, AHEAD, readouts=numpy_runs.Readouts.of(networks)).values
    for one, runs in zip(networks, together, strict=True):
        agree(runs, numpy_runs.run(one, *begin, AHEAD).values[0], 1e-12)


def test_a_series_is_read_in_pieces_as_at_once(monkeypatch):
    network = drawn("lstm", SHAPES[1])
    values = np.random.default_rng(2).normal(size=(STEPS, 4))
    at = np.array([0, 7, 8, 20, 39])
    whole = numpy_runs.predict(network, values), numpy_runs.states_before(network, values, at)
    monkeypatch.setattr(numpy_runs.read_in_pieces, "__defaults__", (None, 8))
    parts = numpy_runs.predict(network, values), numpy_runs.states_before(network, values, at)
    for ours, theirs in zip(jax.tree.leaves(parts), jax.tree.leaves(whole), strict=True):
        agree(ours, theirs, 1e-12)


@pytest.mark.parametrize("periods", [(), (3,), (2, 5)])
def test_both_engines_run_smoothers_alike(periods):
    """From the state in which NumPy's engine begins to read: its reading,
    and a free run from there."""
    random = np.random.default_rng(3)
    grid = smoothing.gains(max(periods, default=0), slopes=True)
    network = smoothing.network_of(Shape(2, 2 * len(grid), "smoothing", periods=periods), grid, "float64")
    values = random.normal(size=(STEPS, 2)) + 0.3 * np.arange(STEPS)[:, None]
    values[STEPS // 2 :: 5] += 20.0
    values[-9:-5] -= 30.0
    network = smoothing.limited(network, values)
    begun = numpy_runs.start_of(network, values)
    reading = numpy_runs.read(network, values, begun)
    ran = numpy_runs.run(network, numpy_runs.beside(reading.state), values[-1:], AHEAD).values[0, 0]
    with computing("float64"):
        state, step = begun, jax.jit(jax_runs.step)
        for value in values:
            state, _ = step(network, state, value)
        free = jax_runs.run_free(network, state, values[-1], AHEAD, np.empty((AHEAD, 0)))
    agree_in_all(reading.state, state)
    agree(ran, free)
