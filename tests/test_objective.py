"""What training minimises, against the formula and a plain `lax.scan`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from freerun.compute.programs import computing
from freerun.network.initial import Start, initial_network
from freerun.network.jax_cells import elementwise_of, update_of
from freerun.network.shape import Shape
from freerun.training.forcing import Full
from freerun.training.objective import Objective, Regularization
from freerun.training.supervised import SupervisedData


@pytest.mark.quick(hidden=[15], kind=["simple"])
@pytest.mark.parametrize(
    ("kind", "hidden"), [("simple", 14), ("simple", 15), ("simple", 16), ("simple", 20), ("leaky", 15), ("gru", 15)]
)
def test_the_objective_and_its_gradient_are_those_of_the_formula(kind, hidden):
    """For widths that fill the vectors of a processor and that do not; softplus,
    of which no unit is ever idle."""
    values = np.random.default_rng(0).normal(size=(41, 1))
    start = Start("glorot", seed=1, leak=0.4)
    l1, l2 = 1e-3, 1e-2

    def formula(network):
        (cell,) = network.cells

        def step(carry, x):
            carry = update_of(cell)(elementwise_of(cell), carry, carry[0] @ cell.recurrent, x @ cell.input + cell.bias)
            return carry, carry[0] @ network.readout + network.bias + x @ network.direct

        outputs = lax.scan(step, (jnp.zeros(hidden),), jnp.asarray(values[:-1]))[1]
        weights = jnp.concatenate([w.ravel() for w in jax.tree.leaves(network)])
        return ((outputs - values[1:]) ** 2).mean() + l1 * jnp.abs(weights).sum() + l2 * (weights**2).sum()

    with computing("float64"):
        network = initial_network(Shape(1, hidden, kind, nonlinearity="softplus", direct=True), start)
        objective = Objective(SupervisedData.of([values], 1, 0), Full())
        terms = Regularization(jnp.asarray(l1), jnp.asarray(l2))
        value, gradient = jax.jit(jax.value_and_grad(lambda n: objective(n, terms, jax.random.key(0))))(network)
        expected, slopes = jax.jit(jax.value_and_grad(formula))(network)
    assert float(value) == pytest.approx(float(expected), rel=1e-12)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(slopes), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
