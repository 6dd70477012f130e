"""On-line learning: recursive least squares against least squares on all data,
and forecasts of systems that drift."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import freerun
from freerun.errors import ModelFileError, SettingError
from freerun.files.archive import read_archive, write_archive
from freerun.network.smoothing import SmootherErrors

RESERVOIR = {
    "hidden": 40,
    "cell": "leaky",
    "leak": 0.4,
    "spectral_radius": 0.8,
    "optimizer": "ridge",
    "input_scale": 0.5,
    "l2": 1e-6,
    "washout": 20,
    "delays": 1,
    "difference": 0,
    "input_noise": 0.0,
    "online": True,
}
"""A reservoir with nothing left to choose."""

WINDOW = {**RESERVOIR, "cell": "memoryless", "leak": None, "spectral_radius": None, "delays": (0, 1, 3)}


def logistic(parameters, start=0.4) -> np.ndarray:
    """The logistic map, one step for each parameter."""
    values = [start]
    for r in parameters:
        values.append(r * values[-1] * (1.0 - values[-1]))
    return np.array(values[1:])


@pytest.fixture(scope="module")
def values():
    t = np.arange(400)
    return np.column_stack([np.sin(0.3 * t) + 0.3 * np.sin(0.11 * t * t / 60), np.cos(0.23 * t)])


def states_by_hand(network, values) -> np.ndarray:
    """Hidden state, 1 and window of a leaky reservoir after each step,
    written out from its equation."""
    cell, h, rows = network.cells[0], np.zeros(network.readout.shape[0]), []
    leak = 1.0 / (1.0 + np.exp(-cell.logit))
    for x in values:
        h = (1.0 - leak) * h + leak * np.tanh(h @ cell.recurrent + x @ cell.input + cell.bias)
        rows.append(np.concatenate([h, [1.0], x]))
    return np.array(rows)


def weighted_ridge(rows, targets, weights, penalty) -> np.ndarray:
    """Least squares with the square roots of the weights and of the penalty in further rows."""
    total = weights.sum() * targets.shape[1]
    root = np.sqrt(weights)[:, None]
    a = np.concatenate([root * rows, np.sqrt(penalty * total) * np.eye(rows.shape[1])])
    b = np.concatenate([root * targets, np.zeros((rows.shape[1], targets.shape[1]))])
    return np.linalg.lstsq(a, b, rcond=None)[0]


def best(rnn) -> Any:
    """The best member of an estimator, whose network and statistics may be of any kind."""
    return rnn.model_.best


def weights_of(rnn) -> np.ndarray:
    network = best(rnn).network
    return np.concatenate([network.readout, network.bias[None], network.direct])


@pytest.mark.parametrize("forgetting", [1.0, 0.97])
@pytest.mark.parametrize("block", [1, 7, 150])
def test_learning_is_least_squares_on_all_steps_each_weighted_by_its_age(values, forgetting, block):
    rnn = freerun.RNN(**RESERVOIR).fit(values[:250])
    for first in range(250, 400, block):
        rnn.update(values[first : first + block], learn=True, forgetting=forgetting)
    scaling = rnn.model_.best.scaling
    scaled = (values - scaling.mean) / scaling.scale
    rows = states_by_hand(rnn.model_.best.network, scaled[:-1])[20:]
    age = np.minimum(150, np.arange(len(rows) - 1.0, -1.0, -1.0))  # the steps of the fit have the same weight
    expected = weighted_ridge(rows, scaled[21:], forgetting**age, 1e-6)
    np.testing.assert_allclose(weights_of(rnn), expected, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("settings", [RESERVOIR, WINDOW, {**RESERVOIR, "difference": 1}, {**RESERVOIR, "layers": 2}])
def test_learning_without_forgetting_is_a_fit_to_all_steps(values, settings):
    begun = freerun.RNN(**settings).fit(values[:300])
    whole = freerun.RNN(**settings).fit(values[:300]).fit(values, warm_start=True)
    begun.update(values[300:340], learn=True).update(values[340:], learn=True)
    np.testing.assert_allclose(weights_of(begun), weights_of(whole), atol=1e-7 * np.abs(weights_of(whole)).max())
    np.testing.assert_allclose(begun.generate(20).values, whole.generate(20).values, atol=1e-5)


def test_forgetting_goes_on_without_end(values):
    """Where nothing new comes, the weights of directions that are no
    longer seen stay bounded by the penalty."""
    rnn = freerun.RNN(**RESERVOIR).fit(values[:300])
    t = np.arange(500)
    rnn.update(np.column_stack([np.sin(t * 0.3), np.sin(t * 0.3 + 1)]), learn=True, forgetting=0.9)
    assert np.abs(weights_of(rnn)).max() < 1e3
    assert best(rnn).statistics.steps == pytest.approx(1 / (1 - 0.9))
    np.testing.assert_allclose(rnn.generate(5).values[:, 0], np.sin(0.3 * np.arange(500, 505)), atol=1e-2)


def test_missing_values_are_not_learned(values):
    rnn, gappy = freerun.RNN(**RESERVOIR).fit(values[:300]), values[300:].copy()
    gappy[10:14, 1] = gappy[50, 0] = np.nan
    before = best(rnn).statistics.counted
    rnn.update(gappy, learn=True)
    np.testing.assert_array_equal(best(rnn).statistics.counted - before, [99, 96])
    assert len(best(rnn).statistics.groups) == 2
    np.testing.assert_allclose(rnn.generate(10).values[:, 1], np.cos(0.23 * np.arange(400, 410)), atol=0.1)


def test_external_inputs_are_learned():
    random = np.random.default_rng(0)
    u = random.normal(size=600)
    x = np.zeros(600)
    for t in range(1, 600):
        x[t] = 0.5 * x[t - 1] + (u[t] if t < 300 else -u[t])
    rnn = freerun.RNN(**RESERVOIR).fit(x[:300], inputs=u[:300])
    rnn.update(x[300:595], inputs=u[300:595], learn=True, forgetting=0.9)
    assert rnn.generate(5, inputs=u[595:]).values[0, 0] == pytest.approx(x[595], abs=0.05)


def test_smoothers_are_weighted_by_the_likelihood_of_all_errors():
    values = 10 + np.random.default_rng(0).normal(size=120).cumsum()[:, None]
    rnn = freerun.RNN(cell="smoothing", season=0, online=True).fit(values[:80])
    rnn.update(values[80:100], learn=True).update(values[100:], learn=True)
    for member in rnn.model_.members:
        inputs = member.scaling.apply(freerun.Series.of(values))
        whole = SmootherErrors.along(member.network, inputs).solved(member.network)
        np.testing.assert_allclose(member.network.readout, whole.readout, atol=1e-12)


def test_smoothers_that_forget_turn_to_other_gains():
    """First a level with noise, which calls for a small gain; then a random walk,
    which calls for a large one."""
    random = np.random.default_rng(1)
    level = 10 + random.normal(size=300)
    walk = level[-1] + random.normal(size=200).cumsum()
    rnn = freerun.RNN(cell="smoothing", season=0, online=True, log=False, detrend=True).fit(level)
    member = best(rnn)
    gains = member.network.cells[0].level
    before = gains @ member.network.readout
    rnn.update(walk, learn=True, forgetting=0.95)
    assert before[0] < 0.3
    assert (gains @ rnn.model_.best.network.readout)[0] > 0.7


def test_a_map_that_drifts_is_followed():
    """One-step errors beside those of an oracle that was told the parameter,
    and of the network as it was."""
    parameters = np.linspace(3.6, 3.95, 3000)
    x = logistic(parameters)
    still = freerun.RNN(**WINDOW, seed=1).fit(x[:1000])
    learning = freerun.RNN(**WINDOW, seed=1).fit(x[:1000])
    errors = {"still": [], "learning": []}
    for first in range(1000, 3000, 20):
        block = x[first : first + 20]
        for name, rnn in (("still", still), ("learning", learning)):
            read = np.concatenate([x[first - 30 : first], block])
            errors[name].append(rnn.predict(read).values[-20:, 0] - block)
        still.update(block)
        learning.update(block, learn=True, forgetting=0.98)
    rms = {name: np.sqrt(np.mean(np.square(found[-50:]))) for name, found in errors.items()}
    assert rms["learning"] < 0.1 * rms["still"]
    assert rms["learning"] < 0.01  # 20 steps change the parameter by 0.002


def test_intervals_cover_what_they_say_also_after_the_noise_has_grown():
    random = np.random.default_rng(3)
    noise = np.concatenate([0.1 * random.normal(size=600), random.normal(size=900)])
    x = np.zeros(1500)
    for t in range(2, 1500):
        x[t] = 1.5 * x[t - 1] - 0.8 * x[t - 2] + noise[t]
    rnn = freerun.RNN(**{**RESERVOIR, "l2": 1e-2}).fit(x[:600])
    rnn.update(x[600:900], learn=True, forgetting=0.99)
    inside, spread = [], []
    for first in range(900, 1480, 4):
        low_50, high_50, low_80, high_80 = rnn.forecast(1, (50, 80)).iloc[0, 1:]
        inside.append((low_50 <= x[first] <= high_50, low_80 <= x[first] <= high_80))
        if first % 5 == 0:
            spread.append(rnn.sample(1, 200).std())
        rnn.update(x[first : first + 4], learn=True, forgetting=0.99)
    np.testing.assert_allclose(np.mean(inside, axis=0), [0.5, 0.8], atol=0.1)
    assert np.mean(spread) == pytest.approx(1.0, abs=0.15)


def test_all_members_learn(values):
    rnn = freerun.RNN(**{**RESERVOIR, "restarts": 2, "members": 2}).fit(values[:300, 0])
    before = [member.network.readout for member in rnn.model_.members]
    rnn.update(values[300:, 0], learn=True, forgetting=0.95)
    assert all((m.network.readout != old).any() for m, old in zip(rnn.model_.members, before, strict=True))


def test_a_file_goes_on_to_learn_where_the_network_was(tmp_path, values):
    rnn = freerun.RNN(**RESERVOIR).fit(values[:300])
    rnn.save(tmp_path / "a.freerun")
    loaded = freerun.load(tmp_path / "a.freerun").update(values[300:], learn=True)
    np.testing.assert_array_equal(weights_of(loaded), weights_of(rnn.update(values[300:], learn=True)))


def test_a_damaged_triangle_is_refused(tmp_path, values):
    file = tmp_path / "a.freerun"
    freerun.RNN(**RESERVOIR).fit(values[:300]).save(file)
    header, arrays = read_archive(file)
    header["members"][0]["groups"] = [[0]]
    write_archive(file, header, arrays)
    with pytest.raises(ModelFileError, match="triangular factors"):
        freerun.load(file)


def test_what_cannot_learn_says_what_to_do(values):
    small = {**RESERVOIR, "online": False}
    with pytest.raises(SettingError, match="online=True"):
        freerun.RNN(**small).fit(values).update(values[:5], learn=True)
    with pytest.raises(SettingError, match="online has no effect with optimizer='adam'"):
        freerun.RNN(5, optimizer="adam", online=True).fit(values)
    trained = freerun.RNN(**small).fit(values)
    member = replace(
        trained.model_.best, settings=freerun.RNN(5, optimizer="adam", epochs=1).fit(values[:50]).model_.settings
    )
    trained.model_ = replace(trained.model_, members=(member,))
    with pytest.raises(SettingError, match="warm_start=True"):
        trained.update(values[:5], learn=True)
    with pytest.raises(SettingError, match=r"forgetting=1\.5"):
        trained.update(values[:5], learn=True, forgetting=1.5)
    with pytest.raises(SettingError, match="no effect without learn=True"):
        trained.update(values[:5], forgetting=0.9)
    with pytest.raises(SettingError, match="trained on 2 series"):
        freerun.RNN(**RESERVOIR).fit([values, values + 1]).update(values[:5], learn=True)


def test_the_command_learns_and_leaves_the_file_as_it_was_after_an_error(run, tmp_path, values):
    np.savetxt("a.csv", values[:300], delimiter=",", header="x,y", comments="")
    np.savetxt("b.csv", values[300:], delimiter=",", header="x,y", comments="")
    fit = "fit a.csv --hidden 40 --cell memoryless --optimizer ridge --input-scale 0.5 --l2 1e-6 --delays 3"
    assert run(f"{fit} -o plain.freerun")[0] == 0
    assert run(f"{fit} --online -o m.freerun")[0] == 0
    before = (tmp_path / "plain.freerun").read_bytes()
    code, _, err = run("update plain.freerun b.csv --learn")
    assert code == 2
    assert "--online" in err
    assert (tmp_path / "plain.freerun").read_bytes() == before
    assert run("update m.freerun b.csv --learn --forgetting 0.99")[0] == 0
    learned = best(freerun.load("m.freerun"))
    assert learned.statistics.steps == pytest.approx(297 * 0.99**100 + (1 - 0.99**100) / 0.01, rel=0.02)
