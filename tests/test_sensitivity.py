"""The Jacobian that is put together from pieces, against forward mode through the whole run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from freerun.compute.programs import computing
from freerun.network.initial import Start, initial_network
from freerun.network.shape import Shape
from freerun.training.forcing import Full, Mixed, Scheduled, Segments
from freerun.training.objective import Objective, Regularization
from freerun.training.sensitivity import by_passes
from freerun.training.supervised import SupervisedData

KEY = jax.random.key(0)
STEPS = 53
DRAW = np.random.default_rng(0)
VALUES = DRAW.normal(size=(STEPS + 1, 3))

WHOLE, SEVERAL = [VALUES], [VALUES, VALUES[:40] + 0.1]
GAPS = [np.where(DRAW.random(VALUES.shape) < [0.1, 0.1, 0.0], np.nan, VALUES)]


@pytest.fixture(autouse=True)
def double():
    with computing("float64"):
        yield


@pytest.mark.quick(kind=["simple"])
@pytest.mark.parametrize(
    ("kind", "differences", "panel", "forced"),
    [
        ("lstm", (), WHOLE, Full),
        ("simple", (), SEVERAL, Full),
        ("memoryless", (2,), WHOLE, Full),
        ("gru", (), WHOLE, lambda: Mixed(jnp.full(STEPS, 0.6))),
        ("memoryless", (2,), WHOLE, lambda: Scheduled(jnp.full(STEPS, 0.5))),
        ("leaky", (), WHOLE, lambda: Segments.over(STEPS, 6, 7)),
        ("plrnn", (), SEVERAL, lambda: Segments.over(STEPS, 6, 3)),
        ("simple", (), GAPS, Full),
    ],
)
def test_the_jacobian_in_pieces_equals_forward_mode_through_the_whole_run(kind, differences, panel, forced):
    """Two channels and an external input, two layers, a length that is no multiple of a piece's."""
    shape = Shape(2, 3, kind, (0, 1, 4), 2, True, latent=2, inputs=1, differences=differences)
    network = jax.tree.map(lambda w: 0.5 * jnp.asarray(w), initial_network(shape, Start("glorot", seed=1, leak=0.4)))
    objective, terms = (
        Objective(SupervisedData.of(panel, 2, 6), forced()),
        Regularization(jnp.asarray(0.1), jnp.asarray(0.2)),
    )
    theta, unravel = ravel_pytree(network)

    def residuals(theta):
        return objective.residuals(unravel(theta), terms, KEY)

    expected = jax.jit(jax.jacfwd(residuals))(theta)
    found = jax.jit(lambda theta: objective.jacobian(unravel(theta), terms, KEY))(theta)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("rows", [3, 40])
def test_a_jacobian_by_passes_is_exact_with_more_and_with_fewer_results_than_weights(rows):
    """Of a function with a closed form, with more and with fewer results than weights."""
    matrix, theta = jnp.asarray(DRAW.normal(size=(rows, 10))), jnp.asarray(DRAW.normal(size=10))
    found = by_passes(lambda theta: jnp.sin(matrix @ theta), theta, 1)
    np.testing.assert_allclose(found, jnp.cos(matrix @ theta)[:, None] * matrix, rtol=1e-12)
