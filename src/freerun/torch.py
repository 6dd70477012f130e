"""Weights of PyTorch: `nn.RNN`, `nn.GRU` or `nn.LSTM` with an `nn.Linear` on top,
to freerun and back.

Both libraries compute the same cells
(https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers), with their gates in the same
order: input, forget, cell and output of an LSTM; reset, update and candidate of a GRU.
PyTorch keeps the transposes of the matrices. It has a bias beside the input and one beside
the hidden state, which are added, but for the candidate of a GRU. Its linear module reads the
top layer, and the readout of freerun all layers.

PyTorch itself is not imported. A state dict may hold its tensors or NumPy arrays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from freerun.data.scaling import Scaling
from freerun.data.series import Series, SeriesLike
from freerun.errors import NotFittedError, SettingError
from freerun.estimator import RNN
from freerun.fitting import adopted
from freerun.forecasting.model import Member
from freerun.network.cells import GRUCell, LSTMCell, RecurrentCell, SimpleCell
from freerun.settings import CellName, Settings

GATES: dict[int, CellName] = {1: "simple", 3: "gru", 4: "lstm"}
"""Cells by their number of gates."""

RECURRENT = re.compile(r"(?P<module>.*?)\.?(?P<name>(weight|bias)_(ih|hh)_l\d+)")
"""The name of a weight of a recurrent module, with the name of the module before it."""

READ = (
    "freerun reads one nn.RNN, nn.GRU or nn.LSTM, in one direction and without projections, and one nn.Linear on its "
    "hidden states"
)


def from_state_dict(
    state: Mapping[str, Any],
    series: SeriesLike,
    *,
    inputs: SeriesLike = None,
    mean: Sequence[float] | np.ndarray | None = None,
    scale: Sequence[float] | np.ndarray | None = None,
    nonlinearity: Literal["tanh", "relu"] = "tanh",
    holdout: float = 0.0,
) -> RNN:
    """Make a network of the weights of a PyTorch module,
    and let it read a series from the zero state.

    The module has one `nn.RNN`, `nn.GRU` or `nn.LSTM` of any number of layers, and one
    `nn.Linear` on the hidden states of the top layer. It was trained to predict the next step:
    from D values of step t, and E external inputs of step t + 1 after them, to the D values of
    step t + 1. It read (value - mean) / scale.

    `RNN.fit(..., warm_start=True)` trains the network further.

    Args:
        state: what `module.state_dict()` returns, on the CPU.
        series: the series that free runs continue, D channels, in its own units.
        inputs: external inputs of the series, in their own units.
        mean: of each of the D + E features, in their own units; None is the mean of the series.
        scale: the same; None is the standard deviation of the series (divided by T, not by T - 1).
        nonlinearity: that of `nn.RNN`. It is no part of a state dict.
        holdout: share of the series, at its end, that the module was not trained on. By free runs
            over it, intervals are calibrated. 0: there are no intervals.

    Returns:
        The network. Its weights are in double precision.

    Raises:
        SettingError: the state dict has other weights than these, or they do not suit the series.
        SeriesError: a series cannot be read, or has too few steps.
    """
    read, weights = Series.of(series, inputs=inputs), _weights(state)
    cell, hidden, layers = _architecture(weights)
    if cell != "simple" and nonlinearity != "tanh":
        raise SettingError(f"nonlinearity={nonlinearity!r}: PyTorch has tanh alone in an {cell.upper()}; leave it out")
    channels, features = read.shape[1], read.shape[1] + len(read.input_names)
    found = weights["cells.0.input"].shape[0], weights["readout"].shape[1]
    if found != (features, channels):
        raise SettingError(
            f"the module reads {found[0]} features and predicts {found[1]}, and the series has {channels} channels and "
            f"{features - channels} external inputs; it must read {features} and predict {channels}"
        )
    rnn = RNN(
        hidden,
        cell=cell,
        layers=layers,
        nonlinearity=nonlinearity,
        direct=False,
        delays=1,
        optimizer="adam",
        holdout=holdout,
    )
    settings = Settings.checked(**rnn.get_params())
    rnn.model_ = adopted(settings, weights, _scaling(read, settings, mean, scale), read)
    return rnn


def to_state_dict(rnn: RNN, recurrent: str = "lstm", linear: str = "linear") -> dict[str, np.ndarray]:
    """Give the weights of the best network as a state dict of a PyTorch module.

    The module has an `nn.RNN`, `nn.GRU` or `nn.LSTM`, and an `nn.Linear` on the hidden states of
    its top layer. It reads and predicts standardized values: `rnn.model_.best.scaling` has the
    `mean` and the `scale` of the channels, and `input_mean` and `input_scale` of the external
    inputs, which follow the values among the features.

    Args:
        rnn: a trained network with a simple, GRU or LSTM cell, `delays=1`,
            `difference=0` and `direct=False`.
        recurrent: name of the recurrent module.
        linear: name of the linear module.

    Returns:
        Arrays in double precision by the names of PyTorch.
        The bias beside the hidden state is zero, but for the candidate of a GRU.

    Raises:
        NotFittedError: the network is not trained.
        SettingError: PyTorch has no module that computes the same.
    """
    if not hasattr(rnn, "model_"):
        raise NotFittedError("this RNN is not trained yet; call fit(series) first")
    member = rnn.model_.best
    _require_counterpart(member)
    network, state = member.network.dense(), dict[str, np.ndarray]()
    for layer, cell in enumerate(network.cells):
        assert isinstance(cell, RecurrentCell)
        beside = np.zeros(cell.columns)
        if isinstance(cell, GRUCell):
            beside[-cell.hidden :] = cell.candidate
        arrays = {"weight_ih": cell.input.T, "weight_hh": cell.recurrent.T, "bias_ih": cell.bias, "bias_hh": beside}
        state |= {f"{recurrent}.{name}_l{layer}": np.array(array) for name, array in arrays.items()}
    top = network.readout[-network.cells[-1].hidden :]
    return state | {f"{linear}.weight": np.array(top.T), f"{linear}.bias": np.array(network.bias)}


def _weights(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The weights of a state dict by their names in freerun (`cells.0.input`, ..., `readout`,
    `bias`).

    Raises:
        SettingError: the state dict has others.
    """
    arrays = {name: _array(name, value) for name, value in state.items()}
    matches = {name: match for name in arrays if (match := RECURRENT.fullmatch(name))}
    modules = {match["module"] for match in matches.values()}
    if len(modules) != 1:
        raise SettingError(f"the state dict has {len(modules)} recurrent modules: {', '.join(state)}. {READ}")
    own = {match["name"]: arrays[name] for name, match in matches.items()}
    hidden, layers = own["weight_hh_l0"].shape[1], sum(name.startswith("weight_hh") for name in own)
    weights = {}
    for layer in range(layers):
        weights |= {f"cells.{layer}.{name}": array for name, array in _layer(own, layer).items()}
    linear = _linear({name: array for name, array in arrays.items() if name not in matches}, hidden)
    below = np.zeros(((layers - 1) * hidden, len(linear["weight"])))
    weights["readout"] = np.concatenate([below, linear["weight"].T])
    weights["bias"] = linear.get("bias", np.zeros(len(linear["weight"])))
    return weights


def _array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"{name} is no array of numbers ({error}); give module.cpu().state_dict()") from error


def _layer(own: Mapping[str, np.ndarray], layer: int) -> dict[str, np.ndarray]:
    """The weights of a layer of a recurrent module, by their names in a cell of freerun."""
    recurrent = own[f"weight_hh_l{layer}"]
    columns, hidden = recurrent.shape
    read, beside = (own.get(f"bias_{side}_l{layer}", np.zeros(columns)) for side in ("ih", "hh"))
    found = {"input": own[f"weight_ih_l{layer}"].T, "recurrent": recurrent.T}
    if GATES.get(columns // hidden) != "gru":
        return found | {"bias": read + beside}
    outside = np.where(np.arange(columns) < 2 * hidden, beside, 0.0)
    return found | {"bias": read + outside, "candidate": beside[2 * hidden :]}


def _linear(rest: Mapping[str, np.ndarray], hidden: int) -> dict[str, np.ndarray]:
    """The weights of the linear module.

    Args:
        rest: all weights but those of the recurrent module.
        hidden: the number of units that it must read.

    Raises:
        SettingError: there are others, or it reads something else.
    """
    modules = {name.rpartition(".")[0] for name in rest}
    found = {name.rpartition(".")[2]: array for name, array in rest.items()}
    if len(modules) != 1 or "weight" not in found or not found.keys() <= {"weight", "bias"}:
        raise SettingError(f"beside the recurrent module, the state dict has {', '.join(rest) or 'nothing'}. {READ}")
    if found["weight"].ndim != 2 or found["weight"].shape[1] != hidden:
        raise SettingError(
            f"{next(iter(modules))}.weight has shape {found['weight'].shape}; it must read the {hidden} hidden units "
            "of the top layer"
        )
    return found


def _architecture(weights: Mapping[str, np.ndarray]) -> tuple[CellName, int, int]:
    """The cell, the number of units of a layer, and the number of
    layers of weights in the names of freerun."""
    hidden, columns = weights["cells.0.recurrent"].shape
    return GATES[columns // hidden], hidden, len(weights["readout"]) // hidden


def _scaling(series: Series, settings: Settings, mean: Any, scale: Any) -> Scaling:
    """The scaling by mean and scale of each feature, or that of the series.

    Raises:
        SettingError: only one of them is given, or they do not suit the series.
    """
    if mean is None and scale is None:
        return Scaling.fitted([series], settings)
    if mean is None or scale is None:
        raise SettingError("give both mean and scale, or neither: the network read (value - mean) / scale")
    channels, size = series.shape[1], series.shape[1] + len(series.input_names)
    both = [np.asarray(one, np.float64).reshape(-1) for one in (mean, scale)]
    if any(one.shape != (size,) or not np.isfinite(one).all() for one in both) or not (both[1] > 0).all():
        raise SettingError(
            f"mean={mean}, scale={scale}: give a finite number for each of the {size} features, and scales above 0"
        )
    (center, ahead), (width, spread) = (np.split(one, [channels]) for one in both)
    return Scaling(
        center,
        width,
        np.zeros(channels),
        0.0,
        log=False,
        input_mean=ahead,
        input_scale=spread,
        nonnegative=np.zeros(channels, bool),
    )


def _require_counterpart(member: Member) -> None:
    """Refuse a network that no module of PyTorch equals.

    Raises:
        SettingError: the message says what it has that the module has not.
    """
    network, settings = member.network, member.settings
    lower = network.readout[: -network.cells[-1].hidden]
    names = ("tanh", "relu") if settings.cell == "simple" else ("tanh",)
    faults = {
        f"cell={settings.cell!r}": not isinstance(network.cells[0], SimpleCell | GRUCell | LSTMCell),
        f"nonlinearity={settings.nonlinearity!r}": settings.nonlinearity not in names,
        f"delays={settings.delays!r}": network.lags != (0,),
        "direct=True": network.direct is not None,
        f"difference={settings.difference!r}": bool(network.differences),
        f"layers={settings.layers}, whose readout reads all of them": bool(lower.any()),
        "log=True": member.scaling.log,
        "detrend=True": bool(member.scaling.slope.any()),
        "a known model": network.known is not None,
        "neighbours": network.lattice is not None,
    }
    found = [fault for fault, there in faults.items() if there]
    if found:
        raise SettingError(
            f"an nn.LSTM, nn.GRU or nn.RNN with an nn.Linear has no counterpart of {', '.join(found)}; fit with "
            "cell='lstm', 'gru' or 'simple', delays=1, difference=0 and direct=False"
        )
