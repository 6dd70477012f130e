"""Runs of a network in NumPy: open loop, closed loop, and closed loop with given values,
in batches.

This engine serves everything that needs no derivative. It compiles nothing and
does not import JAX. `freerun.network.jax_runs` computes the same with
derivatives. A test compares the two for every cell.

A batch has S runs: carries have shape (S, H), and the past has shape (depth, S, N). A step of a
batch is one matrix product. Networks that differ in their readouts alone also run in one batch, for
instance those of several penalties. The sites of a field are one more axis, after that of the runs:
carries of shape (S, sites, H).

Shapes: T steps; N = D + E numbers read in a step, D channels and E external inputs; H hidden states
of all layers. *S stands for a batch axis that may be absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from freerun.data.arrays import interpolated
from freerun.network.cells import AnyCell
from freerun.network.network import Network, State, Window, left_out
from freerun.network.sparse import Sparse

if TYPE_CHECKING:
    from freerun.network.updates import Array, Carry

NUMBERS_AT_ONCE = 10_000_000
"""Most numbers of the carries along a series that are in memory at once (80 MB):
10000 steps of 1000 units."""


class Readouts(NamedTuple):
    """R candidate readouts of one network.

    Attributes:
        hidden: shape (R, H, D).
        bias: shape (R, 1, D).
        direct: shape (R, K, D); None without direct connections.
    """

    hidden: Array
    bias: Array
    direct: Array | None

    @classmethod
    def of(cls, networks: list[Network]) -> Readouts:
        """Stack the readouts of networks that are otherwise equal."""
        first = networks[0]
        direct = None if first.direct is None else np.stack([np.asarray(n.direct) for n in networks])
        return cls(np.stack([n.readout for n in networks]), np.stack([n.bias[None] for n in networks]), direct)

    def in_precision(self, dtype: type[np.floating]) -> Readouts:
        """Convert to another precision."""
        direct = None if self.direct is None else np.asarray(self.direct, dtype)
        return Readouts(np.asarray(self.hidden, dtype), np.asarray(self.bias, dtype), direct)

    def of_network(self, network: Network, candidate: int) -> Network:
        """Return the network with the readout of one candidate."""
        direct = None if self.direct is None else self.direct[candidate]
        return network.with_readout(self.hidden[candidate], self.bias[candidate, 0], direct)


class FreeRun(NamedTuple):
    """The result of a closed loop.

    Attributes:
        values: the generated values, shape (R, S, steps, D).
        state: the state before the last step. Its batch has R * S runs.
        value: the value of the last step, shape (R * S, D).
    """

    values: np.ndarray
    state: State
    value: np.ndarray


def windows(network: Network, inputs: Array, past: Array) -> Window:
    """Compute the window of each step.

    Args:
        network: the network.
        inputs: what the network reads, shape (T, *S, N).
        past: what it read in the steps before, oldest first, shape (depth, *S, N).
    """
    steps, channels = len(inputs), network.channels
    known = np.concatenate([past, inputs])
    values = known[..., :channels]
    base = None
    for back, coefficient in left_out(network.differences):
        part = coefficient * values[network.depth - back : network.depth - back + steps]
        base = part if base is None else base + part
    for lag in network.differences:
        values = values[lag:] - values[:-lag]
    if network.inputs:
        values = np.concatenate([values, known[sum(network.differences) :, ..., channels:]], axis=-1)
    deep = max(network.lags)
    seen = np.stack([values[deep - lag : deep - lag + steps] for lag in network.lags], axis=-2)
    seen = network.seen(seen)
    if network.known is None:
        return Window(seen, base)
    estimate = network.known.along(np.asarray(inputs[..., :channels]), np.asarray(inputs[..., channels:]))
    estimate = estimate.astype(seen.dtype)
    return Window(np.concatenate([seen, estimate if base is None else estimate - base], axis=-1), estimate)


def output(network: Network, hidden: Array, window: Window) -> Array:
    """Compute predictions of the next values, shape (*T, D).

    Args:
        network: the network.
        hidden: hidden states, shape (*T, H).
        window: the windows of the same steps.
    """
    outputs = hidden @ network.readout + network.bias
    if network.direct is not None:
        outputs += window.seen @ network.direct
    outputs = network.over_channels(outputs)
    return outputs if window.base is None else outputs + window.base


def start_of(network: Network, inputs: Array) -> State:
    """The state in which the network begins to read a series: zero,
    except that smoothers begin close to the series.

    Args:
        network: the network.
        inputs: what the network will read, shape (T, *S, N); NaN where a value is missing.
    """
    cells = tuple(network.at_sites(cell.start(inputs, network.bias.dtype)) for cell in network.cells)
    return State(cells, network.rest(inputs.shape[1:-1]).past)


class Reading(NamedTuple):
    """The result of an open loop over T steps.

    Attributes:
        carries: for each layer, the carry after each step. Each entry has shape (T, *S, H).
        hidden: the hidden states of all layers, concatenated, shape (T, *S, H).
        window: the windows.
        state: the state after the last step.
    """

    carries: tuple[Carry, ...]
    hidden: Array
    window: Window
    state: State


def read(network: Network, inputs: Array, state: State | None = None) -> Reading:
    """Run in open loop.

    Args:
        network: the network.
        inputs: what the network reads, shape (T, *S, N).
        state: the state before the first step; None is that of `start_of`.
    """
    inputs = np.asarray(inputs, network.bias.dtype)
    state = start_of(network, inputs) if state is None else state
    window = windows(network, inputs, state.past)
    driven_by = window.seen
    carries: list[Carry] = []
    with np.errstate(all="ignore"):  # the caller checks for overflow
        for cell, carry in zip(network.cells, state.cells, strict=True):
            carries.append(_open_loop(cell, driven_by, carry))
            driven_by = carries[-1][0]
    hidden = carries[0][0] if len(carries) == 1 else np.concatenate([carry[0] for carry in carries], axis=-1)
    past = np.concatenate([state.past, inputs[max(0, len(inputs) - network.depth) :]])
    last = tuple(tuple(entry[-1] for entry in carry) for carry in carries) if len(inputs) else state.cells
    return Reading(tuple(carries), hidden, window, State(last, past[len(past) - network.depth :]))


def _open_loop(cell: AnyCell, inputs: Array, carry: Carry) -> Carry:
    """Run a cell over T steps; return the carry after each step.
    Each entry has a leading axis of length T."""
    drive = cell.drive(inputs)
    if cell.memoryless:
        return cell.step(carry, drive)
    shape = inputs.shape[:-1]
    after = tuple(np.empty((*shape, entry.shape[-1]), drive.dtype) for entry in carry)
    for t in range(len(inputs)):
        carry = cell.step(carry, drive[t])
        for kept, entry in zip(after, carry, strict=True):
            kept[t] = entry
    return after


def predict(network: Network, inputs: Array, state: State | None = None) -> np.ndarray:
    """Predict the next value after each step, in open loop.

    Args:
        network: the network.
        inputs: what the network reads, shape (T, *S, N).
        state: the state before the first step; None is that of `start_of`.

    Returns:
        Shape (T, *S, D).
    """
    return follow(network, inputs, state)[0]


def follow(network: Network, inputs: Array, state: State | None = None) -> tuple[np.ndarray, State]:
    """Predict as `predict` does; return also the state after the last step."""
    state = start_of(network, inputs) if state is None else state
    pieces: list[Array] = [np.empty((0, *inputs.shape[1:-1], network.channels), network.bias.dtype)]
    for reading in read_in_pieces(network, inputs, state):
        pieces.append(output(network, reading.hidden, reading.window))
        state = reading.state
    return np.concatenate(pieces), state


def read_in_pieces(
    network: Network, inputs: Array, state: State | None = None, piece: int | None = None
) -> Iterator[Reading]:
    """Run in open loop, and yield a `Reading` for each `piece` steps;
    None takes as many as fit `NUMBERS_AT_ONCE`."""
    state = start_of(network, inputs) if state is None else state
    if piece is None:
        numbers = sum(entry.size for carry in state.cells for entry in carry)
        piece = max(1, NUMBERS_AT_ONCE // max(1, numbers))
    for first in range(0, len(inputs), piece):
        reading = read(network, inputs[first : first + piece], state)
        state = reading.state
        yield reading


def state_after(network: Network, inputs: Array, state: State | None = None) -> State:
    """Run in open loop over `inputs`, shape (T, N), and return the state after the last step."""
    if network.memoryless and len(inputs) > network.depth:
        inputs = inputs[len(inputs) - network.depth - 1 :]  # the state depends on these alone
    state = start_of(network, inputs) if state is None else state
    for reading in read_in_pieces(network, inputs, state):
        state = reading.state
    return state


def states_before(network: Network, inputs: Array, at: Array, state: State | None = None) -> tuple[State, np.ndarray]:
    """Compute where free runs start, in open loop along one sequence.

    Args:
        network: the network.
        inputs: what the network reads, shape (T, N).
        at: the first step of each of S runs, shape (S,), in any order.
        state: the state before the first step of `inputs`; None is that of `start_of`.

    Returns:
        The states before the steps `at`, as a batch, and the values of these steps, shape (S, D).
    """
    inputs = np.asarray(inputs, network.bias.dtype)
    state = start_of(network, inputs) if state is None else state
    known = np.concatenate([state.past, inputs])
    past = known[at[None, :] + np.arange(network.depth)[:, None]]
    if network.memoryless:
        cells = tuple(tuple(np.broadcast_to(e, (len(at), *e.shape)) for e in carry) for carry in state.cells)
    else:
        kept = [[np.empty((len(at), *entry.shape), inputs.dtype) for entry in carry] for carry in state.cells]
        first, before = 0, state
        for reading in read_in_pieces(network, inputs[: int(at.max())], state):
            _keep(kept, before.cells, at == first)
            steps = len(reading.hidden)
            inside = np.flatnonzero((at > first) & (at < first + steps))
            for layer, carry in zip(kept, reading.carries, strict=True):
                for entry, values in zip(layer, carry, strict=True):
                    entry[inside] = values[at[inside] - first - 1]
            first, before = first + steps, reading.state
        _keep(kept, before.cells, at == first)
        cells = tuple(tuple(layer) for layer in kept)
    return State(cells, past), inputs[at, : network.channels]


def _keep(kept: list[list[np.ndarray]], cells: tuple[Carry, ...], where: Array) -> None:
    """Copy the carries of a single state to some places of a batch, which `where` selects."""
    for layer, carry in zip(kept, cells, strict=True):
        for entry, value in zip(layer, carry, strict=True):
            entry[where] = value


def run(
    network: Network,
    state: State,
    value: Array,
    steps: int,
    *,
    future_inputs: Array | None = None,
    given: Array | None = None,
    shocks: Array | None = None,
    readouts: Readouts | None = None,
) -> FreeRun:
    """Run a batch of S runs in closed loop.

    Args:
        network: the network.
        state: the state of each run before the step of `value`.
        value: the last known value of each run, shape (S, D).
        steps: number of values to generate.
        future_inputs: external inputs of the generated steps, shape (steps, E) for all runs,
            or (steps, S, E).
        given: values that replace outputs, shape (steps, S, D). NaN keeps the output.
        shocks: numbers that are added to the outputs before the network reads them, shape (steps,
            S, D).
        readouts: R readouts, each of which makes all S runs; None is the readout of the network,
            R = 1.

    Returns:
        The generated values, shape (R, S, steps, D), and the state at the end.
        A run that overflows continues with infinity or NaN.
    """
    loop = _Loop(network, state, value, steps, future_inputs, readouts)
    with np.errstate(all="ignore"):
        for step in range(steps):
            loop.step(step, None if given is None else given[step], None if shocks is None else shocks[step])
    return loop.result()


class _Loop:
    """A batch of closed loops.

    One array holds all that the networks read, the latest step first.
    A window of evenly spaced lags is a slice of it.
    """

    def __init__(
        self,
        network: Network,
        state: State,
        value: Array,
        steps: int,
        future_inputs: Array | None,
        readouts: Readouts | None,
    ) -> None:
        self.network, self.steps = network, steps
        self.readouts = Readouts.of([network]) if readouts is None else readouts
        self.candidates, self.starts = len(self.readouts.hidden), len(value)
        runs, self.channels = self.candidates * self.starts, value.shape[-1]
        dtype = network.bias.dtype
        self.carries: list[Carry] = [
            tuple(np.concatenate([np.asarray(entry, dtype)] * self.candidates) for entry in carry)
            for carry in state.cells
        ]
        depth, width = network.depth, self.channels + network.inputs
        self.read = np.zeros((runs, depth + 1 + steps, width), dtype)  # latest first
        past = np.asarray(state.past, dtype).transpose(1, 0, 2)[:, ::-1]
        self.read[:, steps + 1 :] = np.tile(past, (self.candidates, 1, 1))
        self.read[:, steps, : self.channels] = np.tile(np.asarray(value, dtype), (self.candidates, 1))
        if network.inputs and future_inputs is not None:
            ahead = np.asarray(future_inputs, dtype)
            ahead = np.broadcast_to(ahead[:, None], (steps, self.starts, network.inputs)) if ahead.ndim == 2 else ahead
            self.read[:, 1 : steps + 1, self.channels :] = np.tile(
                ahead.transpose(1, 0, 2)[:, ::-1], (self.candidates, 1, 1)
            )
        self.seen = self.read
        if network.differences:
            values = self.read[:, steps:, : self.channels]
            for lag in network.differences:
                values = values[:, :-lag] - values[:, lag:]
            self.seen = self.read[:, : steps + max(network.lags) + 1].copy()
            self.seen[:, steps:, : self.channels] = values
        self.left_out = left_out(network.differences)
        spacing = np.diff(network.lags)
        even = len(spacing) == 0 or (spacing == spacing[0]).all()
        apart = int(spacing[0]) if len(spacing) else 1
        first, last = network.lags[0], network.lags[-1]
        self.window = slice(first, last + 1, apart) if even else np.array(network.lags)

    def step(self, step: int, given: Array | None, shock: Array | None) -> None:
        """Compute the output of a step, and store what the next step reads."""
        at = self.steps - step
        window = self.window
        lags = slice(at + window.start, at + window.stop, window.step) if isinstance(window, slice) else at + window
        seen = self.network.seen(self.seen[:, lags])
        left_out: Array | float = 0.0
        for back, coefficient in self.left_out:
            left_out = left_out + coefficient * self.read[:, at + back, : self.channels]
        base = left_out
        if self.network.known is not None:
            now = self.read[:, at]
            base = self.network.known(now[:, : self.channels], now[:, self.channels :]).astype(seen.dtype)
            seen = np.concatenate([seen, base - left_out], axis=1)
        driven_by = seen
        hidden: list[Array] = []
        for layer, cell in enumerate(self.network.cells):
            self.carries[layer] = cell.step(self.carries[layer], cell.drive(driven_by))
            driven_by = self.carries[layer][0]
            hidden.append(driven_by)
        output = self._output(hidden[0] if len(hidden) == 1 else np.concatenate(hidden, axis=-1), seen)
        output = output + base
        if given is not None:
            output = np.where(np.isnan(given), output, given)
        if shock is not None:
            output = output + shock
        self.read[:, at - 1, : self.channels] = output
        if self.network.differences:
            self.seen[:, at - 1, : self.channels] = output - left_out

    def _output(self, hidden: Array, seen: Array) -> Array:
        """The outputs of all readouts, shape (R * S, D), without the base of the window."""

        def by_readout(rows: Array) -> Array:
            return rows.reshape(self.candidates, -1, rows.shape[-1])

        output = by_readout(hidden) @ self.readouts.hidden
        output += self.readouts.bias
        if self.readouts.direct is not None:
            output += by_readout(seen) @ self.readouts.direct
        return output.reshape(-1, self.channels)

    def result(self) -> FreeRun:
        """The generated values, and the state at the end."""
        values = self.read[:, : self.steps, : self.channels][:, ::-1]
        past = self.read[:, 1 : 1 + self.network.depth][:, ::-1].transpose(1, 0, 2)
        shaped = values.reshape(self.candidates, self.starts, self.steps, self.channels)
        return FreeRun(shaped, State(tuple(self.carries), past), self.read[:, 0, : self.channels].copy())


def in_precision(network: Network, dtype: type[np.floating]) -> Network:
    """Convert the weights of a network to another precision, in which it then runs."""

    def cast(array: Array) -> Array:
        return array.astype(dtype) if isinstance(array, Sparse) else np.asarray(array, dtype)

    cells = tuple(
        replace(cell, **{n: cast(getattr(cell, n)) for n in (f.name for f in fields(cell)) if n not in cell.static})
        for cell in network.cells
    )
    direct = None if network.direct is None else cast(network.direct)
    return replace(network, cells=cells, readout=cast(network.readout), bias=cast(network.bias), direct=direct)


def beside(state: State, times: int = 1) -> State:
    """Make a batch of `times` copies of a single state."""
    cells = tuple(tuple(np.repeat(entry[None], times, axis=0) for entry in carry) for carry in state.cells)
    return State(cells, np.repeat(state.past[:, None], times, axis=1))


def alone(state: State) -> State:
    """The state of the first run of a batch, the inverse of `beside`."""
    return State(tuple(tuple(entry[0] for entry in carry) for carry in state.cells), state.past[:, 0])


def filled(network: Network, inputs: Array, state: State | None = None) -> np.ndarray:
    """Fill missing values with the predictions of the network.

    Args:
        network: the network.
        inputs: what the network reads, shape (T, N), NaN where a value is missing.
            External inputs must be complete.
        state: the state before the first step; None is that of `start_of`.

    Returns:
        The inputs without missing values, shape (T, N).
        A value that is missing in the first step is zero, the mean.
    """
    channels = network.channels
    inputs = np.array(inputs, network.bias.dtype)
    gaps = np.flatnonzero(np.isnan(inputs[:, :channels]).any(axis=1))
    if not len(gaps):
        return inputs
    state = start_of(network, inputs) if state is None else state
    inputs[0, :channels] = np.nan_to_num(inputs[0, :channels])
    first, last = max(0, int(gaps[0]) - 1), int(gaps[-1])
    if last == 0:
        return inputs
    before = state_after(network, inputs[:first], state) if first else state
    following = slice(first + 1, last + 1)
    ran = run(
        network,
        beside(before),
        inputs[first : first + 1, :channels],
        last - first,
        future_inputs=inputs[first:last, channels:] if network.inputs else None,
        given=inputs[following, None, :channels],
    )
    inputs[following, :channels] = ran.values[0, 0]
    return inputs


def filled_by(network: Network, readouts: Readouts, inputs: Array) -> np.ndarray:
    """Fill missing values with the predictions of the candidate in the middle,
    and external inputs by interpolation.

    Args:
        network: the network.
        readouts: its candidate readouts.
        inputs: what the network reads, shape (T, N), NaN where a value is missing.
    """
    channels = network.channels
    values = np.array(inputs)
    values[:, channels:] = interpolated(values[:, channels:])
    if np.isfinite(values).all():
        return values
    return filled(readouts.of_network(network, len(readouts.hidden) // 2), values)
