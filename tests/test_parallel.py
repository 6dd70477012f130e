"""Pieces side by side give what step by step gives, on a GPU too where there is one."""

from dataclasses import replace
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freerun
from freerun.compute.programs import computing
from freerun.network import jax_runs, parallel, recurrence
from freerun.network.cells import SimpleCell
from freerun.network.initial import Start, initial_network
from freerun.network.jax_cells import drive
from freerun.network.network import Network
from freerun.network.shape import Shape
from freerun.settings import CellName
from references import plain

DEVICES = ["cpu", pytest.param("gpu", marks=pytest.mark.skipif(jax.default_backend() != "gpu", reason="no GPU"))]


@pytest.fixture(autouse=True, params=DEVICES)
def device(request):
    with computing("float64", request.param):
        yield request.param


def network_of(kind: str, **shape) -> Network:
    draw = np.random.default_rng(0)
    drawn = initial_network(Shape(2, 5, kind, latent=3, direct=True, **shape), Start("glorot", seed=1))
    return jax.tree.map(lambda w: jnp.asarray(w + 0.2 * draw.normal(size=w.shape)), drawn)


def values_of(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(1).normal(size=shape))


def assert_close(mine, expected, rtol=1e-9):
    for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1e-30, float(np.abs(b).max())))


@pytest.mark.quick(kind=["simple", "lstm"])
@pytest.mark.parametrize(
    ("kind", "steps"), [*[(kind, 100) for kind in get_args(CellName)], ("simple", 1), ("simple", 64)]
)
def test_values_and_derivatives_are_those_of_a_plain_scan(kind, steps):
    cell, inputs = network_of(kind).cells[0], values_of(steps, 2)

    def ours(cell, inputs):
        return parallel.open_loop(cell, inputs, cell.rest())[0]

    def derivatives(run):
        direction = jax.tree.map(jnp.cos, (cell, inputs))
        gradients = jax.grad(lambda *a: jnp.sin(run(*a)).sum(), (0, 1))(cell, inputs)
        return *jax.jvp(run, (cell, inputs), direction), gradients

    mine, expected = (jax.jit(derivatives, static_argnums=0)(run) for run in (ours, plain))
    assert_close(mine, expected)


def test_a_batch_of_sequences_runs_as_by_the_loop():
    cell, inputs = network_of("lstm").cells[0], values_of(70, 3, 2)
    expected = recurrence.open_loop(cell, inputs, cell.rest())
    assert_close(jax.jit(parallel.open_loop)(cell, inputs, cell.rest()), expected)


@pytest.mark.slow
def test_gradients_of_networks_under_vmap_are_those_of_the_loop():
    several, inputs = jax.tree.map(lambda w: jnp.stack([w, 0.5 * w]), network_of("simple")), values_of(70, 2)

    def gradients(side_by_side):
        def loss(network):
            return jnp.sin(jax_runs.predict(replace(network, parallel=side_by_side), inputs)).sum()

        return jax.jit(jax.vmap(jax.grad(loss)))(several)

    assert_close(gradients(True), gradients(False))


def run_over_gaps(network, inputs, strength):
    observed = np.random.default_rng(2).random((len(inputs), 2)) > 0.1
    return jax_runs.completed(network, inputs, strength[:, None] * observed)


@pytest.mark.quick(kind=["leaky"])
@pytest.mark.parametrize(
    ("kind", "shape", "run"),
    [
        ("leaky", {"lags": (0, 2, 5), "layers": 2}, jax_runs.run_forced),
        ("lstm", {"lags": (1, 3), "differences": (1, 4), "inputs": 1}, run_over_gaps),
    ],
)
def test_a_network_forced_by_a_mixture_and_over_gaps(kind, shape, run):
    network = network_of(kind, **shape)
    inputs = values_of(70, 2 + network.inputs)

    def derivatives(network):
        def total(network, inputs, strength):
            values = run(network, inputs, strength)
            return jnp.sin(values).sum(), values

        gradient, values = jax.grad(total, (0, 1, 2), has_aux=True)(network, inputs, jnp.full(70, 0.6))
        return values, replace(gradient[0], parallel=False), gradient[1:]

    assert_close(jax.jit(derivatives)(replace(network, parallel=True)), jax.jit(derivatives)(network), 1e-8)


@pytest.mark.slow
def test_a_chaotic_network_is_run_one_piece_after_the_other():
    """Newton's method runs away; what comes out obeys the recurrence at every step,
    across pieces too."""
    recurrent = jnp.asarray(np.random.default_rng(0).normal(size=(40, 40)) * 3.0 / np.sqrt(40))
    cell = SimpleCell(jnp.ones((2, 40)), jnp.zeros(40), "tanh", recurrent)
    inputs = 0.1 * values_of(1000, 2)
    (hidden,) = parallel.open_loop(cell, inputs, cell.rest())
    (other,) = recurrence.open_loop(cell, inputs.at[0].add(1e-9), cell.rest())
    assert float(jnp.abs(hidden - other)[-100:].max()) > 0.1, "it is not chaotic"
    before = jnp.concatenate([jnp.zeros((1, 40)), hidden[:-1]])
    np.testing.assert_allclose(jnp.tanh(before @ cell.recurrent + drive(cell, inputs)), hidden, atol=1e-12)


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_a_linear_recurrence_and_its_transpose(pieces):
    draw = np.random.default_rng(3)
    slopes, known, other = (draw.normal(size=(pieces, *rest)) for rest in ((3, 3), (3,), (3,)))
    d = [known[0]]
    for k in range(1, pieces):
        d.append(d[-1] @ slopes[k - 1] + known[k])

    @jax.jit
    def solved(known):
        found, back = jax.vjp(lambda known: parallel.solve_recurrence(jnp.asarray(slopes), known), known)
        return found, back(jnp.asarray(other))[0]

    found, returned = solved(known)
    np.testing.assert_allclose(found, d, rtol=1e-12)
    np.testing.assert_allclose((np.array(d) * other).sum(), (known * returned).sum(), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "parameters"),
    [
        ("bfgs", {"epochs": 10, "forcing": "generalized", "forcing_strength": 0.5}),
        ("adam", {"epochs": 30, "layers": 2}),
        ("adam", {"epochs": 20, "window": 100, "batch": 4, "cell": "lstm", "restarts": 2}),
        ("lbfgs", {"epochs": 10, "forcing": "segments", "segment_lengths": (5, 10), "cell": "gru"}),
    ],
)
def test_training_comes_to_the_same(optimizer, parameters, device):
    series, validation = freerun.systems.mackey_glass(400, seed=0).split(300)

    def fit(side_by_side):
        rnn = freerun.RNN(6, optimizer=optimizer, **parameters, device=device, parallel=side_by_side)
        return rnn.fit(series, validation=validation)

    mine, theirs = fit(True), fit(False)
    np.testing.assert_allclose(mine.history_.objective, theirs.history_.objective, rtol=1e-6)
    assert not mine.model_.best.network.parallel
    np.testing.assert_allclose(mine.generate(20).values, theirs.generate(20).values, rtol=1e-4)


def test_single_precision_keeps_all_of_its_bits(device):
    """On a GPU too, where products may be rounded to the ten bits of TF32."""
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(2, 64, 64)).astype(np.float32)
    with computing("float32", device):
        product = np.asarray(jnp.asarray(a) @ jnp.asarray(b))
    np.testing.assert_allclose(product, a.astype(float) @ b.astype(float), atol=2e-5)
