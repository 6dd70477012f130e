"""The extended Kalman filter of noisy measurements in ONNX;
see `freerun.network.assimilation.filtered`.

The state is the belief about the last K = depth + 1 values: their mean, shape (K, D), the current
one first, and their covariance, shape (K D, K D). Both are in double precision. Networks whose
measurements are filtered have no recurrent weights, so that all derivatives follow from one window.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from freerun.errors import SettingError
from freerun.network import monomials, numpy_runs
from freerun.network.assimilation import Noise
from freerun.network.cells import MemorylessCell, PolynomialCell
from freerun.network.network import Network
from freerun.network.onnx_cells import RULES
from freerun.network.onnx_graph import Tensor
from freerun.network.onnx_steps import outputs_of, window_of

SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda value: 1.0 - value * value,
    "sigmoid": lambda value: value * (1.0 - value),
    "relu": lambda value: value.graph.apply("Sign", value),
    "softplus": lambda value: 1.0 - value.graph.apply("Exp", 0.0 - value),
    "identity": lambda value: value * 0.0 + 1.0,
}
"""The derivatives of the non-linearities by name, as functions of the value f(a)."""


def _slopes(cell: MemorylessCell | PolynomialCell, inputs: Tensor, hidden: Tensor, slopes: Tensor) -> Tensor:
    """The derivatives of the hidden state of a cell by a window, shape (H, W).

    Args:
        cell: the cell.
        inputs: what it reads, shape (1, D).
        hidden: its hidden state after that, shape (1, H).
        slopes: the derivatives of its input by the window, shape (D, W).
    """
    if isinstance(cell, PolynomialCell):
        return _polynomial_slopes(cell, inputs, slopes)
    weights = inputs.graph.constant(np.asarray(cell.input).T, inputs.dtype)
    return SLOPES[cell.nonlinearity](hidden).shaped(-1, 1) * inputs.graph.apply("MatMul", weights, slopes)


def _polynomial_slopes(cell: PolynomialCell, inputs: Tensor, slopes: Tensor) -> Tensor:
    """The product rule, from the monomials of each degree to those of the next."""
    graph, last, by_window, found, begin = inputs.graph, inputs, slopes, list[Tensor](), 0
    size = cell.inputs
    for products in monomials.products(cell.inputs, cell.degree):
        factors = np.concatenate([np.full(end - first, factor) for factor, first, end in products])
        others = np.concatenate([np.arange(first, end) for _, first, end in products]) - begin
        factor, other = (one.shaped(-1, 1) for one in (inputs.taken(factors, axis=1), last.taken(others, axis=1)))
        by_window = slopes.taken(factors) * other + by_window.taken(others) * factor
        last = inputs.taken(factors, axis=1) * last.taken(others, axis=1)
        found.append(by_window)
        begin, size = begin + size, len(others)
    return graph.joined(found, axis=0)


def predicted(network: Network, noise: Noise, mean: Tensor, covariance: Tensor, inputs: Tensor | None) -> list[Tensor]:
    """Predict the next value from a belief, by the network linearized at its mean.

    Args:
        network: the network.
        noise: of the measurements and of the network.
        mean: of the last K values, shape (K, D).
        covariance: of them, shape (K D, K D).
        inputs: external inputs at these steps, oldest first, shape (K, E).

    Returns:
        Mean and covariance of the last K values after the step, the predicted one first.
    """
    graph, count, channels = mean.graph, network.depth + 1, network.channels
    known = mean.taken(np.arange(count)[::-1])
    window, base = window_of(network, known if inputs is None else graph.joined([known, inputs], axis=1))
    to_window, to_base = _linear_windows(network)
    slopes, hidden, driven_by = graph.constant(to_window, mean.dtype), list[Tensor](), window
    by_mean = graph.constant(to_base, mean.dtype)
    rows = np.cumsum([cell.hidden for cell in network.cells])[:-1]
    for cell, readout in zip(network.cells, np.split(np.asarray(network.readout), rows), strict=True):
        if not isinstance(cell, MemorylessCell | PolynomialCell):
            raise SettingError(f"ONNX has no derivative for {type(cell).__name__}; fit without measurement_noise")
        read, (driven_by, _) = driven_by, RULES[type(cell)].step(cell, [], driven_by)
        slopes = _slopes(cell, read, driven_by, slopes)
        hidden.append(driven_by)
        by_mean = by_mean + graph.apply("MatMul", graph.constant(readout.T, mean.dtype), slopes)
    if network.direct is not None:
        by_mean = by_mean + np.asarray(network.direct).T @ to_window
    output = outputs_of(network, hidden, window, base)
    shift = graph.joined(
        [by_mean, graph.constant(np.eye((count - 1) * channels, count * channels), mean.dtype)], axis=0
    )
    back = graph.apply("Transpose", shift, perm=[1, 0])
    spread = graph.apply("MatMul", graph.apply("MatMul", shift, covariance), back)
    spread = spread + np.diag(np.concatenate([noise.model, np.zeros((count - 1) * channels)]))
    spread = (spread + graph.apply("Transpose", spread, perm=[1, 0])) * 0.5
    return [graph.joined([output, *([mean.part(0, count - 1, axis=0)] if count > 1 else [])], axis=0), spread]


def measured(noise: Noise, mean: Tensor, covariance: Tensor, values: Tensor, missing: Tensor) -> list[Tensor]:
    """Correct a belief by the measurements of its current step, one channel after the other.

    That is the same as all channels at once, since their noises are independent.

    Args:
        noise: see `predicted`.
        mean, covariance: the belief.
        values: shape (1, D).
        missing: which of them are missing, shape (1, D).
    """
    graph, channels = mean.graph, len(noise.measured)
    size = values.graph.counts(-1, channels)
    column = mean.shaped(-1, 1)
    zero = graph.constant(np.zeros((1, 1)), mean.dtype)
    for channel, variance in enumerate(noise.measured):
        row = covariance.part(channel, channel + 1, axis=0)
        absent = missing.part(channel, channel + 1, axis=1)
        certain = row.part(channel, channel + 1, axis=1) + float(variance)
        gain = graph.apply("Transpose", row, perm=[1, 0]) / certain
        error = values.part(channel, channel + 1, axis=1) - column.part(channel, channel + 1, axis=0)
        column = column + gain * graph.where(absent, zero, error)
        covariance = covariance - graph.where(absent, zero, gain * row)
    return [graph.apply("Reshape", column, size), covariance]


def _linear_windows(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """How the window, shape (W, K D), and what is added to the output, (D, K D),
    follow from the last K values."""
    count, channels = network.depth + 1, network.channels
    known = np.zeros((count, count * channels, channels + network.inputs))
    known[:, :, :channels] = np.eye(count * channels).reshape(-1, count, channels).transpose(1, 0, 2)[::-1]
    window = numpy_runs.windows(network, known[-1:], known[:-1])
    base = np.zeros((channels, count * channels)) if window.base is None else np.asarray(window.base)[0].T
    return np.asarray(window.seen)[0].T, base
