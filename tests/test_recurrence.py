"""The scans and their derivative rule, against hand-written
NumPy loops and against plain `lax.scan`."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freerun
from freerun.compute.programs import computing
from freerun.network import jax_runs, recurrence
from freerun.network.cells import AffineCell, Cell
from freerun.network.initial import Start, initial_network
from freerun.network.jax_runs import forced_loop
from freerun.network.network import Network, State
from freerun.network.recurrence import open_loop
from freerun.network.shape import Shape
from freerun.network.updates import NONLINEARITIES
from freerun.training import supervised
from references import plain, plainly_forced

CELLS = ["simple", "leaky", "gru", "lstm", "memoryless", "plrnn", "clipped-plrnn"]


def random_network(cell="simple", nonlinearity="tanh", lags=(0,), layers=1, direct=True, hidden=5, scale=1.0):
    """A network whose weights are all random, biases and direct connections too."""
    shape = Shape(2, hidden, cell, lags, layers, direct, nonlinearity, latent=3)
    draw = np.random.default_rng(0)
    return jax.tree.map(
        lambda w: scale * (w + 0.3 * draw.normal(size=w.shape)),
        initial_network(shape, Start("glorot", seed=1, leak=0.4)),
    )


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def by_hand(kind, cell, h, c, x):
    """One step of a cell in NumPy, from its published equations."""
    u = x @ cell.input + cell.bias
    if kind == "memoryless":
        return np.tanh(u), c
    if kind == "simple":
        return np.tanh(h @ cell.recurrent + u), c
    if kind == "leaky":
        leak = sigmoid(np.asarray(cell.logit))
        return (1 - leak) * h + leak * np.tanh(h @ cell.recurrent + u), c
    if kind == "gru":
        (wr, wz, wn), (ur, uz, un) = np.split(np.asarray(cell.recurrent), 3, axis=1), np.split(np.asarray(u), 3)
        r, z = sigmoid(h @ wr + ur), sigmoid(h @ wz + uz)
        return (1 - z) * np.tanh(un + r * (h @ wn + cell.candidate)) + z * h, c
    if kind == "lstm":
        i, f, g, o = np.split(np.asarray(h @ cell.recurrent + u), 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    z, phi = h[:3], h[3:]
    z = cell.diagonal * z + phi @ cell.shrink + u
    s = z @ cell.expand
    phi = np.maximum(s + cell.threshold, 0) - (np.maximum(s, 0) if kind == "clipped-plrnn" else 0)
    return np.concatenate([z, phi]), c


@pytest.fixture(autouse=True)
def double():
    with computing("float64"):
        yield


def test_a_cell_of_a_kind_that_no_loop_knows_is_refused():
    class Forgetful(Cell):
        """Does not say that it is recurrent."""

    cell = Forgetful(jnp.ones((2, 3)), jnp.zeros(3), "tanh")
    with pytest.raises(TypeError, match="JAX has no rule for Forgetful"):
        open_loop(cell, jnp.ones((5, 2)), cell.rest())


def with_derivatives(run, *arguments):
    """What `run` returns, and the derivatives of the sum of its sines backwards and forwards,
    by one program."""
    places = tuple(range(len(arguments)))

    def total(*arguments):
        return jnp.sin(run(*arguments)).sum()

    def computed(*arguments):
        return run(*arguments), *(derivative(total, places)(*arguments) for derivative in (jax.grad, jax.jacfwd))

    return jax.jit(computed)(*arguments)


@pytest.mark.quick(kind=["lstm", "plrnn"])
@pytest.mark.parametrize("kind", CELLS)
def test_values_and_derivatives_are_those_of_a_plain_scan(kind):
    cell = random_network(kind).cells[0]
    inputs = jnp.asarray(np.random.default_rng(1).normal(size=(40, 2)))

    def ours(cell, inputs):
        return open_loop(cell, inputs, cell.rest())[0]

    (mine, *derivatives), (expected, *plainly) = (with_derivatives(run, cell, inputs) for run in (ours, plain))
    np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-13)
    for a, b in zip(jax.tree.leaves(derivatives), jax.tree.leaves(plainly), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.quick(kind=["plrnn"])
@pytest.mark.parametrize("kind", CELLS)
def test_sequences_side_by_side_are_driven_as_each_alone(kind):
    cell = random_network(kind).cells[0]
    inputs = jnp.asarray(np.random.default_rng(1).normal(size=(20, 3, 2)))

    def ours(cell, inputs):
        return open_loop(cell, inputs, cell.rest())[0]

    def theirs(cell, inputs):
        return jnp.stack([plain(cell, inputs[:, i]) for i in range(3)], axis=1)

    (mine, *derivatives), (expected, *plainly) = (with_derivatives(run, cell, inputs) for run in (ours, theirs))
    np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-13)
    for a, b in zip(jax.tree.leaves(derivatives), jax.tree.leaves(plainly), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
@pytest.mark.quick(kind=["simple"])
@pytest.mark.parametrize("kind", CELLS)
def test_several_steps_in_a_turn_as_on_a_gpu_give_the_same(kind, monkeypatch):
    network = random_network(kind, scale=0.5)
    draw = np.random.default_rng(6)
    several, inputs = jnp.asarray(draw.normal(size=(21, 3, 2))), jnp.asarray(draw.normal(size=(13, 2)))
    mixture = network.rest(), inputs[0], inputs, jnp.full((13, 1), 0.4)

    def ours(network):
        cell = network.cells[0]
        hidden = [open_loop(cell, read, cell.rest())[0] for read in (several, several[:, 1])]
        return sum(jnp.sin(values).sum() for values in (*hidden, forced_loop(network, *mixture)[1]))

    def theirs(network):
        hidden = [plain(network.cells[0], several[:, i]) for i in (0, 1, 2, 1)]
        return sum(jnp.sin(values).sum() for values in (*hidden, plainly_forced(network, *mixture)))

    monkeypatch.setattr(recurrence, "current_device", lambda: SimpleNamespace(platform="gpu"))
    for derivative in (jax.grad, jax.jacfwd):
        mine, expected = (jax.tree.leaves(jax.jit(derivative(f))(network)) for f in (ours, theirs))
        for a, b in zip(mine, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_a_network_reads_sequences_side_by_side_as_each_alone():
    """Several layers, delays, differences and external inputs,
    each sequence from a state of its own."""
    shape = Shape(2, 5, "gru", (0, 1, 4), 2, True, inputs=1, differences=(1, 3))
    draw = np.random.default_rng(0)
    network = jax.tree.map(
        lambda w: w + 0.3 * draw.normal(size=w.shape), initial_network(shape, Start("glorot", seed=1))
    )
    before, inputs = draw.normal(size=(9, 4, 3)), jnp.asarray(draw.normal(size=(20, 4, 3)))
    reached = jax.jit(lambda inputs: jax_runs.read_on(network, inputs, network.rest())[2])
    predict = jax.jit(partial(jax_runs.predict, network))
    states = [reached(before[:, i]) for i in range(4)]
    carries = jax.tree.map(lambda *entries: jnp.stack(entries), *[state.cells for state in states])
    together = State(carries, jnp.stack([state.past for state in states], axis=1))
    for i, state in enumerate(states):
        alone = predict(inputs[:, i], state)
        np.testing.assert_allclose(predict(inputs, together)[:, i], alone, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(predict(inputs)[:, i], predict(inputs[:, i]), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_every_nonlinearity_is_what_its_name_says(nonlinearity):
    functions = {
        "tanh": np.tanh,
        "sigmoid": sigmoid,
        "relu": lambda a: np.maximum(a, 0),
        "softplus": lambda a: np.log1p(np.exp(a)),
        "identity": lambda a: a,
    }
    cell = random_network(nonlinearity=nonlinearity).cells[0]
    inputs, h = np.random.default_rng(1).normal(size=(10, 2)), np.zeros(5)
    for x in inputs:
        h = functions[nonlinearity](h @ cell.recurrent + x @ cell.input + cell.bias)
    np.testing.assert_allclose(open_loop(cell, jnp.asarray(inputs), cell.rest())[0][-1], h, rtol=1e-10)


def test_second_derivatives_agree_too():
    cell = random_network(hidden=3).cells[0]
    inputs = jnp.asarray(np.random.default_rng(2).normal(size=(6, 2)))
    ours = jax.jit(jax.hessian(lambda cell: (open_loop(cell, inputs, cell.rest())[0] ** 2).sum()))(cell)
    theirs = jax.jit(jax.hessian(lambda cell: (plain(cell, inputs) ** 2).sum()))(cell)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.quick(layers=[2])
@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(("lags", "layers", "direct"), [((0,), 1, True), ((0, 1, 4), 2, True), ((1, 2), 1, False)])
def test_open_loop_free_run_and_forced_run_are_the_hand_written_loop(kind, lags, layers, direct):
    """Read data, or a mixture, then feed back: the first generated value
    is the output after the last step read."""
    network = random_network(kind, lags=lags, layers=layers, direct=direct)
    inputs = np.random.default_rng(3).normal(size=(12, 2))
    strength = np.array([1, 1, 0.5, 0, 0.3, 1, 0, 0, 0, 0.9, 1, 1.0])

    def loop(strength, free):
        hidden = network.cells[0].hidden
        states = [(np.zeros(hidden), np.zeros(hidden)) for _ in network.cells]
        past, y, outputs = [np.zeros(2)] * 5, np.asarray(inputs[0]), []
        for t in range(len(inputs) + free):
            x = strength[t] * inputs[t] + (1 - strength[t]) * y if t < len(inputs) else y
            past = [x, *past[:-1]]
            driven = window = np.concatenate([past[lag] for lag in lags])
            for layer, cell in enumerate(network.cells):
                states[layer] = by_hand(kind, cell, *states[layer], driven)
                driven = np.asarray(states[layer][0])
            y = np.concatenate([h for h, _ in states]) @ network.readout + network.bias
            y = np.asarray(y + window @ network.direct if network.direct is not None else y)
            outputs.append(y)
        return np.array(outputs)

    @jax.jit
    def computed(network, inputs, strength, unseen):
        states, values = jax_runs.run_starts(network, inputs, jnp.asarray([4, 11]))
        first, last = (jax.tree.map(lambda entry, i=i: entry[i], states) for i in (0, 1))
        begun, (state, value) = jax_runs.forced_on(network, last, values[1], *unseen)
        ended = jax_runs.run_free(network, state, value, 12)
        return (
            values,
            jax_runs.predict(network, inputs),
            jax_runs.step(network, first, values[0])[1],
            jax_runs.run_free(network, last, values[1], 20),
            jnp.concatenate([begun, ended]),
            jax_runs.run_forced(network, inputs, strength),
        )

    outputs = loop(np.ones(12), 20)
    unseen = np.zeros((8, 2)), np.zeros((8, 1))
    values, predicted, stepped, free, in_two, forced = computed(network, inputs, strength, unseen)
    np.testing.assert_allclose(values, inputs[[4, 11]])
    np.testing.assert_allclose(predicted, outputs[:12], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(stepped, outputs[4], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(free, outputs[11:31], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(in_two, outputs[11:31], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(forced, loop(strength, 0), rtol=1e-10, atol=1e-12)


def test_a_network_of_numpy_arrays_runs_too():
    network = jax.tree.map(np.asarray, random_network("leaky"))
    assert isinstance(network, Network)
    assert jax_runs.predict(network, jnp.ones((4, 2))).shape == (4, 2)


DRIVEN = [
    *[(kind, (0, 1, 4), 2, True) for kind in CELLS],
    ("simple", (0,), 1, True),
    ("gru", (1, 2), 1, False),
]


@pytest.mark.quick(kind=["gru"], layers=[1])
@pytest.mark.parametrize(("kind", "lags", "layers", "direct"), DRIVEN)
@pytest.mark.parametrize("free", [False, True])
def test_derivatives_of_forced_and_free_runs_are_those_of_a_plain_scan(kind, lags, layers, direct, free):
    network = random_network(kind, lags=lags, layers=layers, direct=direct, scale=0.5)  # no run explodes
    draw = np.random.default_rng(4)
    inputs = jnp.asarray(draw.normal(size=(15, 2)))
    strength = jnp.zeros((15, 1)) if free else jnp.asarray(draw.choice([0.0, 0.4, 1.0], size=(15, 2)))
    states, values = jax_runs.run_starts(network, inputs, jnp.asarray([9]))
    state, output = jax.tree.map(lambda entry: entry[0], states), values[0]
    arguments = (network, state, output, inputs, strength)

    def ours(network, state, output, inputs, strength):
        if free:
            return jax_runs.run_free(network, state, output, len(strength))
        return forced_loop(network, state, output, inputs, strength)[1]

    direction = jax.tree.map(lambda a: jnp.asarray(draw.normal(size=a.shape)), arguments)
    if free:
        direction = (*direction[:3], jnp.zeros_like(inputs), jnp.zeros_like(strength))

    def derivatives(run):
        outputs, tangents = jax.jvp(run, arguments, direction)
        gradients = jax.grad(lambda *a: (jnp.sin(run(*a)) * jnp.cos(inputs)).sum(), tuple(range(3 if free else 5)))
        return outputs, tangents, gradients(*arguments)

    mine, expected = (jax.tree.leaves(jax.jit(derivatives, static_argnums=0)(run)) for run in (ours, plainly_forced))
    for a, b in zip(mine, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.quick(steps=[26])
@pytest.mark.parametrize("kind", ["lstm", "memoryless"])
@pytest.mark.parametrize("steps", [7, 20, 26])
def test_a_long_series_read_in_pieces_gives_the_same(kind, steps, monkeypatch):
    network = random_network(kind, lags=(0, 3), layers=2)
    values = jnp.asarray(np.random.default_rng(5).normal(size=(steps + 1, 2)))
    monkeypatch.setattr(supervised, "STEPS_AT_ONCE", 10)
    residuals = np.asarray(jax.jit(jax_runs.predict)(network, values[:-1]) - values[1:])[4:]
    pairs = supervised.SupervisedData.of([np.asarray(values)], 2, 4)
    np.testing.assert_allclose(pairs.squared_errors(network), (residuals**2).mean(axis=0), rtol=1e-12)


def test_gaps_inputs_and_differences_against_a_loop_by_hand():
    """A memoryless network on lags 0 and 2 of first differences and an external input,
    with one value missing."""
    draw = np.random.default_rng(0)
    values, inputs = draw.normal(size=12).cumsum(), draw.normal(size=16)
    values[7] = np.nan
    rnn = freerun.RNN(
        5,
        cell="memoryless",
        delays=(0, 2),
        difference=1,
        optimizer="ridge",
        l2=1e-2,
        input_scale=0.5,
        standardize=False,
    ).fit(values, inputs=inputs)
    network, scaling = rnn.model_.best.network, rnn.model_.best.scaling
    assert network.direct is not None
    known = (inputs - scaling.input_mean) / scaling.input_scale

    cell = network.cells[0]
    assert isinstance(cell, AffineCell)

    def output(read: list[float]) -> float:
        """The estimate of step t from the values of steps 0 to t - 1."""
        t = len(read)
        padded = np.concatenate([[read[0]] * 3, read])  # before the series its first value
        rises = np.diff(padded)
        window = np.array([rises[-1], known[t], rises[-3], known[t - 2]])
        hidden = np.tanh(window @ np.asarray(cell.input) + np.asarray(cell.bias))
        return float((hidden @ network.readout + network.bias + window @ network.direct)[0] + read[-1])

    read: list[float] = []
    for t, value in enumerate(values):
        read.append(value if np.isfinite(value) else output(read[:t]))
    for _ in range(4):
        read.append(output(read))
    np.testing.assert_allclose(rnn.generate(4).values[:, 0], read[-4:], rtol=1e-9)
    predicted = [output(read[:t]) for t in range(3, 12)]
    np.testing.assert_allclose(
        rnn.predict(freerun.Series.of(values, inputs=inputs)).values[2:, 0], predicted, rtol=1e-9
    )
