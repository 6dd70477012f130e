"""Fields: one network for all sites, against equations whose next step is known,
and against a loop over the sites."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

import freerun
from freerun import RNN, Series, plots
from freerun.errors import SeriesError, SettingError
from freerun.network import numpy_runs, ridge
from freerun.network.cells import AffineCell
from freerun.network.initial import Start, initial_network
from freerun.network.lattice import Lattice, lattice_of
from freerun.network.shape import Shape

LINEAR: dict[str, Any] = {"cell": "memoryless", "delays": 1, "input_scale": 0.01, "l2": 1e-12, "difference": 0}
"""A network whose direct connections can be any linear map of a window."""


def moving(sites: int, steps: int, seed: int = 0) -> np.ndarray:
    """A pattern that moves around a ring, one site in each step."""
    first = np.random.default_rng(seed).normal(size=sites)
    return np.array([np.roll(first, step) for step in range(steps)])


def diffusion(first: np.ndarray, steps: int, mode: Literal["wrap", "symmetric"]) -> np.ndarray:
    """Explicit steps of the heat equation on a grid, edges as `numpy.pad` makes them."""
    values = [first]
    for _ in range(steps - 1):
        u = np.pad(values[-1], 1, mode=mode)
        values.append(values[-1] + 0.05 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * values[-1]))
    return np.array(values).reshape(steps, -1)


def test_a_ring_closes_and_a_grid_is_numbered_row_by_row():
    np.testing.assert_array_equal(Lattice((5,), 1).around()[[0, 4]], [[4, 0, 1], [3, 4, 0]])
    np.testing.assert_array_equal(Lattice((3, 4), 1).around()[0], [11, 8, 9, 3, 0, 1, 7, 4, 5])
    np.testing.assert_array_equal(Lattice((3, 4), 1, "no-flux").around()[0], [0, 0, 1, 0, 0, 1, 4, 4, 5])


@pytest.mark.parametrize("cell", ["memoryless", "leaky", "lstm"])
def test_a_field_runs_as_each_site_does_that_reads_its_neighbourhood(cell):
    """The network of one site, driven by hand along the windows
    that it gets from the sites around it."""
    lattice, lags = Lattice((6,), 1), (0, 2)
    shape = Shape(6, 7, cell, lags, direct=True, inputs=1, lattice=lattice)
    network = initial_network(shape, Start("glorot", 3))
    alone = initial_network(Shape(1, 7, cell, (0,), direct=True, inputs=shape.window - 1), Start("glorot", 3))
    alone = alone.with_readout(network.readout, network.bias, network.direct)
    alone = replace(alone, cells=network.cells)
    random = np.random.default_rng(0)
    values, inputs = random.normal(size=(9, 6)), random.normal(size=(14, 1))
    read = np.concatenate([values, inputs[:9]], axis=1)
    state, value = numpy_runs.states_before(network, read, np.array([8]))
    run = numpy_runs.run(network, state, value, 5, future_inputs=inputs[8:13]).values[0, 0]

    known, carries = [np.zeros(7)] * 2 + list(read[:8]), [alone.rest()] * 6
    following = [values[8]]
    for step in range(13):
        now = read[step] if step < 8 else np.append(following[-1], inputs[step])
        known = known if step < 8 else [*known, now]
        outputs = np.empty(6)
        for site in range(6):
            near = [(site + k) % 6 for k in (-1, 0, 1)]
            window = np.concatenate([known[step + 2 - lag][[*near, 6]] for lag in lags])
            reading = numpy_runs.read(alone, window[None], carries[site])
            carries[site] = reading.state
            outputs[site] = numpy_runs.output(alone, reading.hidden, reading.window)[0, 0]
        if step >= 8:
            following.append(outputs)
    np.testing.assert_allclose(run, following[1:], rtol=1e-10, atol=1e-12)


def test_a_pattern_that_moves_is_continued_exactly_on_rings_of_any_size():
    rnn = RNN(5, neighbours=1, **LINEAR).fit(moving(20, 60))
    np.testing.assert_allclose(rnn.generate(40).values, moving(20, 100)[60:], atol=1e-6)
    larger = moving(33, 50, seed=1)
    other = rnn.transfer(larger[:10])
    np.testing.assert_allclose(other.generate(40).values, larger[10:], atol=1e-6)
    assert other.forecast(3, levels=[80]).shape == (3, 3 * 33)


@pytest.mark.parametrize(("boundary", "mode"), [("periodic", "wrap"), ("no-flux", "symmetric")])
def test_heat_on_a_grid_spreads_as_by_finite_differences(boundary, mode):
    truth = diffusion(np.random.default_rng(0).normal(size=(5, 6)), 60, mode)
    rnn = RNN(5, neighbours=1, grid=(5, 6), boundary=boundary, **LINEAR).fit(truth[:40])
    np.testing.assert_allclose(rnn.generate(20).values, truth[40:], atol=1e-6)


def test_external_inputs_reach_all_sites():
    drive = np.sin(np.arange(101) ** 1.2 / 3)
    values = [np.random.default_rng(0).normal(size=8)]
    for source in drive[1:]:
        values.append(0.5 * values[-1] + 0.3 * np.roll(values[-1], 1) + source)
    rnn = RNN(5, neighbours=1, **LINEAR).fit(np.array(values)[:80], inputs=drive[:80, None])
    run = rnn.generate(21, inputs=drive[80:, None])
    np.testing.assert_allclose(run.values, np.array(values)[80:], atol=1e-6)


def test_all_sites_have_the_same_weights_scaling_and_intervals(tmp_path):
    train, _ = freerun.systems.lorenz96(260, sites=8).split(250)
    rnn = RNN(40, cell="memoryless", delays=1, neighbours=2, input_scale=0.3, l2=1e-8).fit(train)
    shifted = train.values[:, [3, 4, 5, 6, 7, 0, 1, 2]]
    run = rnn.generate(10, after=train.values[-20:]).values
    np.testing.assert_allclose(
        rnn.generate(10, after=shifted[-20:]).values, run[:, [3, 4, 5, 6, 7, 0, 1, 2]], rtol=1e-9
    )
    scaling = rnn.model_.best.scaling
    np.testing.assert_allclose(scaling.mean, train.values.mean())
    np.testing.assert_allclose(scaling.scale, train.values.std())
    table = rnn.forecast(5, levels=[80])
    widths = [table[f"x{i}_high_80"] - table[f"x{i}"] for i in range(8)]
    np.testing.assert_allclose(widths[1:], [widths[0]] * 7)
    rnn.save(tmp_path / "ring.freerun")
    again = freerun.load(tmp_path / "ring.freerun")
    np.testing.assert_array_equal(again.generate(10).values, rnn.generate(10).values)
    np.testing.assert_array_equal(again.forecast(5, levels=[80]), table)


def test_of_many_rows_steps_far_apart_are_taken():
    """The readout is that of least squares over the steps that are taken, all sites of each."""
    values = np.random.default_rng(0).normal(size=(400, 10)).cumsum(axis=0) / 20
    network = initial_network(
        Shape(10, 3, "memoryless", direct=True, lattice=lattice_of(10, 1, None, "periodic")), Start("reservoir")
    )
    stride = ridge.stride_of(network, [values])
    assert stride == 399 * 10 // (ridge.ROWS_PER_FEATURE * 7) > 1
    solved = ridge.solve(network, [values], 0, 0.0).network
    cell = network.cells[0]
    assert isinstance(cell, AffineCell)
    rows, targets = [], []
    for step in range(0, 399, stride):
        for site in range(10):
            window = values[step, [(site - 1) % 10, site, (site + 1) % 10]]
            rows.append([*np.tanh(window @ cell.input + cell.bias), 1.0, *window])
            targets.append(values[step + 1, site])
    expected = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    assert solved.direct is not None
    found = np.concatenate([solved.readout[:, 0], solved.bias, solved.direct[:, 0]])
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.slow
def test_a_width_that_is_left_open_is_chosen_by_free_runs():
    train, test = freerun.systems.lorenz96(620, sites=10).split(600)
    rnn = RNN(100, neighbours="auto").fit(train)
    assert rnn.model_.best.settings.neighbours in range(1, 5)
    error = np.sqrt(((rnn.generate(10).values - test.values[:10]) ** 2).mean(axis=1)) / train.values.std()
    assert error[-1] < 0.2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"neighbours": 5}, "a neighbourhood spans 11 sites, and the field has 8 sites; give 3 neighbours or fewer"),
        ({"neighbours": -1}, "a site reads 0 or more sites on each side"),
        ({"neighbours": 1, "grid": (3, 3)}, "grid=3,3 has 9 sites, and the series has 8 channels"),
        ({"neighbours": 2, "grid": (2, 4)}, "the grid has 2 x 4 sites; give 0 neighbours or fewer"),
        ({"grid": (2, 4)}, "grid has no effect with neighbours=None; it needs a field"),
        ({"neighbours": 1, "optimizer": "adam"}, "neighbours has no effect with optimizer='adam'"),
        ({"neighbours": "auto", "select": "attractor"}, "fields are selected by forecasts"),
    ],
)
def test_fields_that_cannot_be_learned_are_refused(parameters, message):
    with pytest.raises(SettingError, match=message):
        RNN(20, **parameters).fit(moving(8, 60))


def test_one_channel_is_no_field():
    with pytest.raises(SettingError, match="the series has one channel, and a field has one for each of its sites"):
        RNN(20, neighbours=1).fit(np.sin(np.arange(50)))


def test_gaps_in_a_field_are_refused():
    values = moving(8, 60)
    values[7, 2] = np.nan
    with pytest.raises(SeriesError, match=r"channel 'x2' has no value at step 7.*missing='interpolate'"):
        RNN(20, neighbours=1, **LINEAR).fit(values)


def test_what_needs_jax_is_refused(tmp_path):
    rnn = RNN(5, neighbours=1, **LINEAR).fit(moving(8, 60))
    with pytest.raises(SettingError, match="Lyapunov exponents are not computed for the network of a field"):
        rnn.lyapunov_exponents()
    with pytest.raises(SettingError, match="the network of a field cannot be exported"):
        rnn.export(tmp_path / "ring.hlo", 5)


def test_only_fields_can_be_put_on_other_fields():
    rnn = RNN(5, optimizer="ridge", **LINEAR).fit(moving(8, 60))
    with pytest.raises(SettingError, match="only the networks of a field"):
        rnn.transfer(moving(9, 20))
    with pytest.raises(SettingError, match="a neighbourhood spans 5 sites, and the field has 4 sites"):
        RNN(5, neighbours=2, **LINEAR).fit(moving(8, 60)).transfer(moving(4, 20))


def test_many_channels_are_drawn_as_images():
    field = Series(moving(20, 60))
    figure = plots.free_run(field.between(40), field.between(0, 40), field.between(40), vpt=5)
    images = [axes for axes in figure.axes if axes.collections and axes.get_ylabel()]
    assert [axes.get_ylabel() for axes in images] == ["data", "free run", "difference"]
    drawn = [np.asarray(axes.collections[0].get_array()).reshape(20, 20) for axes in images]
    np.testing.assert_array_equal(drawn[0], field.values[40:].T)
    np.testing.assert_array_equal(drawn[2], 0.0)
    assert {axes.collections[0].get_clim() for axes in images} == {images[0].collections[0].get_clim()}
