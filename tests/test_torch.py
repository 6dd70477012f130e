"""Weights of PyTorch run in freerun as its documentation says that they run in PyTorch,
and come back as they went."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import freerun
from freerun.errors import SeriesError, SettingError
from freerun.torch import from_state_dict, to_state_dict

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
"""Gates of `nn.RNN`, `nn.GRU` and `nn.LSTM`."""

HIDDEN = 5

SETTINGS: dict[str, Any] = {
    "delays": 1,
    "difference": 0,
    "direct": False,
    "optimizer": "ridge",
    "l2": 1e-3,
    "input_noise": 0.0,
    "input_scale": 0.5,
    "spectral_radius": 0.5,
    "holdout": 0.0,
}
"""Those of a network that has a counterpart in PyTorch."""


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def of_torch(kind: str, x: np.ndarray, state: dict[str, Any], layers: int, nonlinearity: Any = np.tanh) -> np.ndarray:
    """The equations of https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html,
    and those of GRU and RNN."""
    for layer in range(layers):
        w_ih, w_hh, b_ih, b_hh = (
            state[f"net.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h, c, outputs = np.zeros(HIDDEN), np.zeros(HIDDEN), []
        for row in x:
            read, kept = np.split(w_ih @ row + b_ih, GATES[kind]), np.split(w_hh @ h + b_hh, GATES[kind])
            if kind == "lstm":
                i, f, g, o = (a + b for a, b in zip(read, kept, strict=True))
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
            elif kind == "gru":
                r, z = (sigmoid(a + b) for a, b in zip(read[:2], kept[:2], strict=True))
                n = np.tanh(read[2] + r * kept[2])
                h = (1 - z) * n + z * h
            else:
                h = nonlinearity(read[0] + kept[0])
            outputs.append(h)
        x = np.array(outputs)
    return x @ state["head.weight"].T + state["head.bias"]


def drawn(kind: str, features: int = 2, outputs: int = 2, layers: int = 1) -> dict[str, Any]:
    """A state dict of random weights."""
    random, state = np.random.default_rng(0), dict[str, Any]()
    rows = GATES[kind] * HIDDEN
    for layer in range(layers):
        reads = features if layer == 0 else HIDDEN
        shapes = {"weight_ih": (rows, reads), "weight_hh": (rows, HIDDEN), "bias_ih": (rows,), "bias_hh": (rows,)}
        state |= {f"net.{name}_l{layer}": random.normal(0, 0.5, shape) for name, shape in shapes.items()}
    return state | {"head.weight": random.normal(size=(outputs, HIDDEN)), "head.bias": random.normal(size=outputs)}


@pytest.fixture(scope="module")
def values():
    return np.cumsum(np.random.default_rng(1).normal(size=(60, 2)), axis=0) + np.array([5.0, -300.0])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", GATES)
def test_a_module_computes_the_same_in_both(kind, layers, values):
    state, mean, scale = drawn(kind, layers=layers), np.array([4.0, -200.0]), np.array([2.0, 50.0])
    rnn = from_state_dict(state, values, mean=mean, scale=scale)
    predicted = of_torch(kind, (values - mean) / scale, state, layers) * scale + mean
    np.testing.assert_allclose(rnn.predict(values).values, predicted[:-1], rtol=1e-12)
    read = values
    for _ in range(3):  # the closed loop, by reading all of it again
        read = np.vstack([read, (of_torch(kind, (read - mean) / scale, state, layers) * scale + mean)[-1]])
    np.testing.assert_allclose(rnn.generate(3).values, read[-3:], rtol=1e-12)


def test_nn_rnn_with_relu(values):
    state = {name: 0.3 * value for name, value in drawn("rnn").items()}
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    predicted = of_torch("rnn", standard, state, 1, lambda x: np.maximum(x, 0))
    found = from_state_dict(state, values, nonlinearity="relu").predict(values).values
    np.testing.assert_allclose(found, (predicted * values.std(axis=0) + values.mean(axis=0))[:-1], rtol=1e-12)


def test_external_inputs_follow_the_values(values):
    y, u = values[:, :1], values[:, 1:]
    state = drawn("gru", outputs=1)
    rnn = from_state_dict(state, y, inputs=u, mean=[5, -300], scale=[1, 2])
    read = np.hstack([y[:-1] - 5, (u[1:] + 300) / 2])  # a value with the input of the step that follows
    np.testing.assert_allclose(rnn.predict(y, inputs=u).values, of_torch("gru", read, state, 1) + 5, rtol=1e-12)


@pytest.mark.parametrize(
    ("cell", "nonlinearity"), [("simple", "tanh"), ("simple", "relu"), ("gru", "tanh"), ("lstm", "tanh")]
)
def test_there_and_back(cell, nonlinearity, values):
    rnn = freerun.RNN(HIDDEN, cell=cell, nonlinearity=nonlinearity, **SETTINGS).fit(values)
    again = from_state_dict(to_state_dict(rnn), values, nonlinearity=nonlinearity)
    np.testing.assert_allclose(again.generate(20).values, rnn.generate(20).values, rtol=1e-9)


def test_state_dicts_come_back_as_they_went(values):
    state = drawn("lstm", layers=2)
    back = to_state_dict(from_state_dict(state, values), "net", "head")
    assert back.keys() == state.keys()
    for name in ("net.weight_ih_l0", "net.weight_hh_l1", "head.weight", "head.bias"):
        np.testing.assert_array_equal(back[name], state[name])
    np.testing.assert_allclose(back["net.bias_ih_l1"], state["net.bias_ih_l1"] + state["net.bias_hh_l1"])


def test_the_network_is_saved_and_calibrated(values, tmp_path):
    rnn = from_state_dict(drawn("lstm"), values, holdout=0.4)
    rnn.save(tmp_path / "m.freerun")
    table = freerun.load(tmp_path / "m.freerun").forecast(5, levels=80)
    assert (table["x0_low_80"] < table["x0"]).all()


@pytest.mark.slow  # compiles
def test_the_network_is_trained_further(values):
    rnn = from_state_dict(drawn("lstm"), values)
    before = rnn.score(values)
    assert rnn.set_params(epochs=50, learning_rate=0.05).fit(values, warm_start=True).score(values) > before


def test_intervals_need_steps_that_were_not_trained_on(values):
    with pytest.raises(SettingError, match="no errors to calibrate"):
        from_state_dict(drawn("lstm"), values).forecast(5, levels=80)


def test_one_bias_or_none(values):
    state = {name: value for name, value in drawn("lstm").items() if "bias" not in name}
    zeros = {name: np.zeros(20) for name in ("net.bias_ih_l0", "net.bias_hh_l0")}
    expected = from_state_dict(state | zeros | {"head.bias": np.zeros(2)}, values)
    np.testing.assert_array_equal(from_state_dict(state, values).generate(9).values, expected.generate(9).values)


def changed(**given: Any) -> dict[str, Any]:
    return drawn("lstm") | given


REFUSED = {
    "has 0 recurrent modules": {"head.weight": np.ones((2, 5))},
    "has 2 recurrent modules": changed(**{"b.weight_hh_l0": np.ones((20, 5))}),
    "net.weight_hr_l0": changed(**{"net.weight_hr_l0": np.ones((3, 5))}),
    "net.weight_ih_l0_reverse": changed(**{"net.weight_ih_l0_reverse": np.ones((20, 2))}),
    "other.weight": changed(**{"other.weight": np.ones((5, 5))}),
    "has nothing": {name: value for name, value in drawn("lstm").items() if name.startswith("net")},
    "must read the 5 hidden units": changed(**{"head.weight": np.ones((2, 10))}),
    "reads 3 features and predicts 2": drawn("lstm", features=3),
    "give module.cpu": changed(**{"head.bias": object()}),
}


@pytest.mark.parametrize(("message", "state"), REFUSED.items(), ids=REFUSED)
def test_other_state_dicts_are_refused(message, state, values):
    with pytest.raises(SettingError, match=message):
        from_state_dict(state, values)


def test_arguments_that_do_not_suit_are_refused(values):
    with pytest.raises(SettingError, match="both mean and scale"):
        from_state_dict(drawn("lstm"), values, mean=[0, 0])
    with pytest.raises(SettingError, match="each of the 2 features"):
        from_state_dict(drawn("lstm"), values, mean=[0, 0], scale=[1, 0])
    with pytest.raises(SettingError, match="tanh alone in an LSTM"):
        from_state_dict(drawn("lstm"), values, nonlinearity="relu")
    with pytest.raises(SeriesError, match="the given series has 1 steps"):
        from_state_dict(drawn("lstm"), values[:1], mean=[0, 0], scale=[1, 1])


def test_networks_that_pytorch_does_not_have_are_refused(values):
    solved = freerun.RNN(HIDDEN, cell="leaky", **(SETTINGS | {"delays": 3, "direct": True, "leak": 0.5})).fit(values)
    with pytest.raises(SettingError, match=r"cell='leaky', delays=3, direct=True"):
        to_state_dict(solved)
    two = freerun.RNN(HIDDEN, cell="gru", layers=2, **SETTINGS).fit(values)
    with pytest.raises(SettingError, match="layers=2, whose readout reads all of them"):
        to_state_dict(two)
    with pytest.raises(freerun.errors.NotFittedError):
        to_state_dict(freerun.RNN())
