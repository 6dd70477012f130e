"""Topologies of reservoirs by their definitions,
and sparse weights that mean the same as dense ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import freerun
from freerun.errors import MachineError, ModelFileError, SettingError
from freerun.files.archive import read_archive, write_archive
from freerun.network import numpy_runs, sparse
from freerun.network.initial import Start, initial_network
from freerun.network.shape import Shape
from freerun.network.sparse import Sparse
from freerun.network.topologies import JUMP, TOPOLOGIES
from freerun.plan import plan_of, settled
from freerun.settings import RESERVOIRS, Settings

Draw = np.random.RandomState


def drawn(name: str, size: int, connections: int = 10) -> np.ndarray:
    return TOPOLOGIES[name](Draw(0), size, connections).dense()


def eigenvalues(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.eigvals(matrix)


def test_settings_name_the_topologies():
    assert set(RESERVOIRS) == set(TOPOLOGIES)


def test_the_eigenvalues_of_a_cycle_are_the_roots_of_unity():
    found = eigenvalues(drawn("cycle", 12))
    np.testing.assert_allclose(np.sort_complex(found**12), np.ones(12), atol=1e-10)
    assert len(np.unique(np.round(found, 6))) == 12


def test_a_delay_line_forgets_after_as_many_steps_as_it_has_units():
    line = drawn("delay-line", 9)
    assert np.linalg.matrix_power(line, 8).any()
    assert not np.linalg.matrix_power(line, 9).any()


@pytest.mark.parametrize(("size", "jumps"), [(12, 4), (13, 4), (14, 4)])
def test_a_cycle_with_jumps_adds_jumps_both_ways_between_each_third_unit(size, jumps):
    """Rodan and Tino (2012): floor(N / l) jumps;
    the last one closes the circle where l divides N."""
    matrix = drawn("cycle-jumps", size)
    weight = matrix.max()
    expected = np.zeros((size, size))
    expected[np.arange(size), (np.arange(size) + 1) % size] = weight
    for start in range(0, jumps * JUMP, JUMP):
        expected[start, (start + JUMP) % size] = expected[(start + JUMP) % size, start] = weight
    np.testing.assert_array_equal(matrix, expected)
    assert np.abs(eigenvalues(matrix)).max() == pytest.approx(1)


def test_each_unit_of_a_random_reservoir_has_as_many_incoming_connections():
    matrix = drawn("reservoir", 250, 7)
    np.testing.assert_array_equal((matrix != 0).sum(axis=0), 7)
    outgoing = (matrix != 0).sum(axis=1)
    assert outgoing.var() == pytest.approx(7, rel=0.4)  # binomial
    assert np.abs(eigenvalues(matrix)).max() == pytest.approx(1)
    np.testing.assert_array_equal((drawn("reservoir", 20, 15) != 0).sum(axis=0), 15)


def test_a_small_world_has_the_edges_of_a_ring_of_which_a_tenth_leads_anywhere():
    size, degree = 400, 10
    matrix = drawn("small-world", size, degree)
    edges = matrix != 0
    np.testing.assert_array_equal(edges, edges.T)
    assert not edges.diagonal().any()
    assert edges.sum() == size * degree
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    far = np.minimum(apart, size - apart) > degree // 2
    assert (edges & far).sum() / edges.sum() == pytest.approx(0.1, abs=0.02)
    degrees = edges.sum(axis=0)
    assert degrees.mean() == degree
    assert degrees.min() >= degree // 2  # each unit keeps the edges that begin at it
    assert 0 < degrees.var() < degree / 2


def test_a_small_world_in_which_all_are_neighbours_is_drawn():
    assert (drawn("small-world", 5, 10) != 0).sum() == 20


@pytest.mark.parametrize("size", [200, 700])
def test_the_spectral_radius_of_a_sparse_matrix_is_that_of_the_dense_one(size, monkeypatch):
    monkeypatch.setattr(sparse, "EXACT", 10)
    matrix = TOPOLOGIES["reservoir"](Draw(1), size, 10)
    assert np.abs(eigenvalues(matrix.dense())).max() == pytest.approx(1, abs=1e-8)


def test_products_are_those_of_the_dense_matrix():
    random = np.random.default_rng(0)
    blocks = [TOPOLOGIES["reservoir"](Draw(seed), 30, 4) for seed in range(3)]
    wide = Sparse.beside(blocks)
    dense = np.concatenate([block.dense() for block in blocks], axis=1)
    np.testing.assert_array_equal(wide.dense(), dense)
    for shape in ((30,), (5, 30), (2, 5, 30)):
        hidden = random.normal(size=shape)
        np.testing.assert_allclose(hidden @ wide, hidden @ dense, atol=1e-14)


@pytest.mark.parametrize("cell", ["simple", "leaky", "gru", "lstm"])
@pytest.mark.parametrize("name", RESERVOIRS)
def test_sparse_networks_run_as_dense_ones(name, cell):
    shape = Shape(2, 220, cell, direct=True, layers=2)
    network = initial_network(shape, Start(name, 3, connectivity=0.05))
    assert network.sparse
    random = np.random.default_rng(0)
    network = network.with_readout(random.normal(size=(440, 2)) / 50, np.zeros(2), np.zeros((2, 2)))
    values = random.normal(size=(30, 2))
    for one, other in ((network, network.dense()), (numpy_runs.in_precision(network, np.float32), network)):
        tolerance = 1e-12 if one.bias.dtype == np.float64 else 1e-4
        np.testing.assert_allclose(
            numpy_runs.predict(one, values), numpy_runs.predict(other, values), rtol=tolerance, atol=tolerance
        )
    assert network.dense().weights > network.weights


def test_connections_by_default_are_all_or_ten():
    def share(**given: Any) -> float:
        return plan_of(settled(Settings.checked(optimizer="ridge", **given), 500), 1).start.connectivity

    assert share(hidden=1000, cell="leaky") == 1.0
    assert share(hidden=4000, cell="leaky") == 10 / 4000
    assert share(hidden=100, cell="leaky", initial="small-world") == 0.1
    assert share(hidden=4000, cell="leaky", connectivity=0.5) == 0.5


def test_what_has_no_effect_is_refused():
    for given in (
        {"cell": "memoryless"},
        {"cell": "leaky", "initial": "cycle"},
        {"cell": "leaky", "initial": "glorot"},
        {"cell": "leaky", "connectivity": 0.0},
        {"cell": "leaky", "connectivity": 1.1},
    ):
        asked: dict[str, Any] = {"optimizer": "ridge", "connectivity": 0.1} | given
        with pytest.raises(SettingError, match="connectivity"):
            Settings.checked(**asked)


def test_a_sparse_reservoir_is_fitted_saved_and_run(tmp_path):
    series = freerun.systems.mackey_glass(600, seed=0)
    asked: dict[str, Any] = {"cell": "leaky", "leak": 0.5, "delays": 1, "input_scale": 0.5, "spectral_radius": 0.9}
    rnn = freerun.RNN(300, connectivity=0.03, l2=1e-8, **asked).fit(series)
    path = tmp_path / "sparse.freerun"
    rnn.save(path)
    assert path.stat().st_size < 300 * 300 * 8 / 2
    back = freerun.load(path)
    np.testing.assert_array_equal(back.generate(50).values, rnn.generate(50).values)
    recurrent = back.model_.best.network.cells[0].arrays()[2]
    assert isinstance(recurrent, Sparse)
    assert recurrent.size == 300 * 9
    exponent = back.lyapunov_exponents(1, steps=50)[0]  # JAX, by the dense matrix
    assert np.isfinite(exponent)

    header, arrays = read_archive(path, without_checksum=2)
    for change in ({"rows": 300}, {"pointers": -1}):
        ((part, value),) = change.items()
        name = f"0.network.cells.0.recurrent.{part}"
        broken = arrays[name].copy()
        broken[5] = value
        write_archive(tmp_path / "broken.freerun", header, arrays | {name: broken})
        with pytest.raises(ModelFileError, match="damaged"):
            freerun.load(tmp_path / "broken.freerun")


def test_training_by_gradients_starts_from_the_dense_matrix():
    settings = Settings.checked(
        hidden=220, cell="simple", optimizer="adam", initial="small-world", connectivity=0.05, spectral_radius=0.5
    )
    network = plan_of(settled(settings, 300), 1).draw()
    assert not network.sparse
    matrix = np.asarray(network.cells[0].arrays()[2])
    assert np.abs(eigenvalues(matrix)).max() == pytest.approx(0.5)


def test_a_dense_matrix_beyond_memory_is_refused(monkeypatch):
    monkeypatch.setattr(sparse, "physical_memory", lambda: 10**6)
    with pytest.raises(MachineError, match="as a dense matrix"):
        initial_network(Shape(1, 300), Start("cycle")).dense()
