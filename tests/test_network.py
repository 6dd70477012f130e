"""What a network is, apart from what runs it."""

import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

from freerun.network.cells import CELLS
from freerun.network.initial import Start, initial_network
from freerun.network.network import Network, left_out
from freerun.network.shape import Shape
from freerun.settings import CellName


@pytest.mark.parametrize("module", ["network", "cells", "initial"])
def test_networks_are_there_without_jax(module):
    script = f"import sys, freerun.network.{module}; print(*[m for m in ('jax', 'equinox') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


@pytest.mark.parametrize("kind", ["simple", "leaky", "gru", "lstm", "memoryless", "plrnn"])
def test_every_number_in_a_network_is_a_weight_and_of_the_precision_asked_for(kind):
    import jax

    import freerun.network.pytrees  # noqa: F401 - registers networks as pytrees

    network = initial_network(Shape(2, 5, kind, latent=3, layers=2, direct=True), Start("glorot"), "float32")
    leaves = jax.tree.leaves(network)
    assert {leaf.dtype for leaf in leaves} == {np.dtype("float32")}
    assert network.weights == sum(leaf.size for leaf in leaves)
    back = jax.tree.map(lambda leaf: leaf, network)
    assert isinstance(back, Network)
    assert (back.lags, back.cells[0].static) == (network.lags, network.cells[0].static)


def test_differences_leave_out_these_earlier_values_with_their_coefficients():
    """Of (1 - B)(1 - B^3) x_{t+1}: x_t + x_{t-2} - x_{t-3}."""
    assert left_out((1, 3)) == [(0, 1), (2, 1), (3, -1)]
    assert left_out(()) == []


def test_every_cell_that_can_be_asked_for_has_a_class():
    assert tuple(CELLS) == get_args(CellName)
