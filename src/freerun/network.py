"""`Network`: layers of cells, a readout and, if wanted, direct connections from input to output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from freerun import parallel, recurrence
from freerun.cells import CELLS, AnyCell, MemorylessCell, PiecewiseLinearCell
from freerun.recurrence import by_rows, mixed, shifted
from freerun.updates import Array, Carry


@dataclass(frozen=True)
class Shape:
    """What a network is built from.

    Attributes:
        channels: D.
        inputs: E, external inputs.
        hidden: units of each layer.
        cell: a name of `freerun.cells.CELLS`, `plrnn` or `clipped-plrnn`.
        lags: the delays of the values in a window, ascending; 0 is the current value.
        layers: number of layers.
        direct: direct connections or not.
        nonlinearity: of the hidden units.
        latent: latent variables M of a piecewise-linear cell.
        differences: lags of the differences that are taken of the values, one after the other.
    """

    channels: int
    hidden: int
    cell: str = "simple"
    lags: tuple[int, ...] = (0,)
    layers: int = 1
    direct: bool = False
    nonlinearity: str = "tanh"
    latent: int = 0
    inputs: int = 0
    differences: tuple[int, ...] = ()

    @property
    def window(self) -> int:
        """K = len(lags) * (D + E), the number of inputs of the first layer."""
        return len(self.lags) * (self.channels + self.inputs)


class State(NamedTuple):
    """What a network remembers between two steps.

    Attributes:
        cells: the carry of each layer.
        past: the last values read, latest last, shape (max(lags) + sum(differences), N).
    """

    cells: tuple[Carry, ...]
    past: Array

    def deepened(self, depth: int) -> State:
        """The same for a network that reaches back `depth` steps, but gives the values that are new to it no weight."""
        missing = np.zeros((max(0, depth - len(self.past)), self.past.shape[1]), self.past.dtype)
        return State(self.cells, np.concatenate([missing, self.past[max(0, len(self.past) - depth) :]]))


class Window(NamedTuple):
    """What a network makes of the latest values before anything else.

    Attributes:
        seen: the differenced values and the external inputs at each lag, one after the other, shape (*T, K).
        base: what the differences leave out, to be added to the output, shape (*T, D); None without differences.
    """

    seen: Array
    base: Array | None


class Network(eqx.Module):
    """Predicts the next step of a series: y_t = h_t @ readout + bias (+ w_t @ direct), an estimate of x_{t+1}.

    At step t it reads N = D + E numbers: the D values x_t, and E external inputs, those of step t + 1. The window w_t
    holds what was read at steps t - lag for each lag, one after the other; before the first step all is zero. It drives
    the first layer and the direct connections; each further layer is driven by the hidden state of the one below, and
    h_t is the hidden states of all layers side by side.

    With differences d1, d2, ... the window holds (1 - B^d1)(1 - B^d2) ... x instead of x, where B is the step back, and
    the output is the estimate of the next difference plus what the differences leave out of x_{t+1}.

    A plain pytree: all arrays in it are weights.

    Attributes:
        cells: the layers, from the bottom up.
        readout: shape (H, D), H the length of all hidden states together.
        bias: shape (D,).
        direct: shape (K, D) with K = len(lags) * N, from window to output, or None.
        lags: the delays of the values in a window, ascending.
        inputs: E, the number of external inputs.
        differences: the lags of the differences.
        parallel: whether data are read in pieces side by side, see `freerun.parallel`, or step by step.
    """

    cells: tuple[AnyCell, ...]
    readout: Float[Array, "H D"]
    bias: Float[Array, " D"]
    direct: Float[Array, "K D"] | None = None
    lags: tuple[int, ...] = eqx.field(static=True, default=(0,))
    inputs: int = eqx.field(static=True, default=0)
    differences: tuple[int, ...] = eqx.field(static=True, default=())
    parallel: bool = eqx.field(static=True, default=False)

    @property
    def weights(self) -> int:
        """The number of weights, biases included."""
        return sum(array.size for array in jax.tree.leaves(self))

    @property
    def memoryless(self) -> bool:
        """Whether it remembers nothing but the last values read."""
        return all(isinstance(cell, MemorylessCell) for cell in self.cells)

    @property
    def depth(self) -> int:
        """Steps before the current one that a window reaches back."""
        return max(self.lags) + sum(self.differences)

    def with_readout(self, readout: Array, bias: Array, direct: Array | None) -> Network:
        """The same network with another readout, bias and direct connections."""
        return replace(self, readout=readout, bias=bias, direct=direct)

    def plain(self, depth: int) -> Network:
        """The same network as one that reads all of the last values, and no differences.

        Both are affine maps of the last values, so they fold into the weights of the first layer and the direct
        connections (NumPy arrays). Networks that read different windows then share one compiled program.

        Args:
            depth: steps before the current one that it reaches back, at least its own `depth`; see `State.deepened`.
        """
        channels, width = self.bias.shape[0], self.bias.shape[0] + self.inputs
        taps = np.zeros((len(self.lags), width, depth + 1, width))
        for i, lag in enumerate(self.lags):
            for back, coefficient in enumerate(_polynomial(self.differences)):
                taps[i, range(channels), lag + back, range(channels)] += coefficient
            taps[i, range(channels, width), lag, range(channels, width)] = 1.0
        unfolded = taps.reshape(len(self.lags) * width, -1).T
        direct = np.zeros((depth + 1, width, channels))
        if self.differences:
            for back, coefficient in _left_out(self.differences):
                direct[back, range(channels), range(channels)] = coefficient
        direct = direct.reshape(-1, channels)
        if self.direct is not None:
            direct = direct + unfolded @ np.asarray(self.direct)
        first = eqx.tree_at(lambda cell: cell.input, self.cells[0], unfolded @ np.asarray(self.cells[0].input))
        return Network((first, *self.cells[1:]), self.readout, self.bias, direct, tuple(range(depth + 1)), self.inputs)

    def rest(self, several: tuple[int, ...] = ()) -> State:
        """The state before the first step; its past is that of one sequence, or of `several` side by side."""
        past = np.zeros((self.depth, *several, self.bias.shape[0] + self.inputs), self.bias.dtype)
        return State(tuple(cell.rest() for cell in self.cells), past)

    def windows(self, inputs: Float[Array, "T *S N"], past: Float[Array, "depth *S N"]) -> Window:
        """The window of each step of `inputs`, given what was read before the first of them, latest last."""
        steps, channels = inputs.shape[0], self.bias.shape[0]
        known = jnp.concatenate([past, inputs])
        values = known[..., :channels]
        base = None
        for back, coefficient in _left_out(self.differences):
            part = coefficient * values[self.depth - back : self.depth - back + steps]
            base = part if base is None else base + part
        for lag in self.differences:
            values = values[lag:] - values[:-lag]
        if self.inputs:
            values = jnp.concatenate([values, known[sum(self.differences) :, ..., channels:]], axis=-1)
        at = max(self.lags) + jnp.arange(steps)[:, None] - jnp.asarray(self.lags)
        return Window(jnp.moveaxis(values[at], 1, -2).reshape(*inputs.shape[:-1], -1), base)

    def output(self, hidden: Float[Array, "*T H"], window: Window) -> Float[Array, "*T D"]:
        """The estimate of the next value from the hidden states and the window that led to them."""
        outputs = by_rows(lambda rows: rows @ self.readout, hidden) + self.bias
        direct = self.direct
        if direct is not None:
            outputs = outputs + by_rows(lambda rows: rows @ direct, window.seen)
        return outputs if window.base is None else outputs + window.base

    def read(
        self, inputs: Float[Array, "T *S N"], state: State | None = None
    ) -> tuple[tuple[Carry, ...], Float[Array, "T *S H"], Window]:
        """Open loop, from `state` or from rest: the carries of all layers and the hidden states after each step."""
        state = self.rest(inputs.shape[1:-1]) if state is None else state
        window = self.windows(inputs, state.past)
        carries, driven_by = [], window.seen
        for cell, carry in zip(self.cells, state.cells, strict=True):
            carries.append((parallel if self.parallel else recurrence).open_loop(cell, driven_by, carry))
            driven_by = carries[-1][0]
        return tuple(carries), jnp.concatenate([carry[0] for carry in carries], axis=-1), window

    def read_on(self, inputs: Float[Array, "T N"], state: State) -> tuple[Float[Array, "T H"], Window, State]:
        """Open loop from `state`: the hidden states, the windows, and the state after the last step."""
        carries, hidden, window = self.read(inputs, state)
        return hidden, window, self.state_after(state, carries, inputs)

    def after(self, inputs: Float[Array, "T N"], piece: int) -> State:
        """Open loop from rest, `piece` steps at a time: the state after the last step."""
        return recurrence.in_pieces(lambda state, inputs: self.read_on(inputs, state)[2], self.rest(), inputs, piece)

    def predict(self, inputs: Float[Array, "T *S N"], state: State | None = None) -> Float[Array, "T *S D"]:
        """Open loop: the estimate of the step after each input, from `state` or from rest.

        Along one sequence, or along several side by side, S of them, each from a state of its own: carries of shape
        (S, H), and a past of shape (depth, S, N).
        """
        _, hidden, window = self.read(inputs, state)
        return self.output(hidden, window)

    def moments(
        self, inputs: Float[Array, "T N"], at: Int[Array, " S"], state: State | None = None
    ) -> tuple[State, Float[Array, "S D"]]:
        """Open loop, from `state` or rest: the states before each of the steps `at`, stacked, and the values there."""
        state = self.rest() if state is None else state
        carries = shifted(state.cells, self.read(inputs, state)[0])
        past = jnp.concatenate([state.past, inputs])[at[:, None] + jnp.arange(self.depth)]
        return State(jax.tree.map(lambda entry: entry[at], carries), past), inputs[at, : self.bias.shape[0]]

    def completed(
        self, inputs: Float[Array, "T N"], observed: Float[Array, "T D"], state: State | None = None
    ) -> Float[Array, "T N"]:
        """What the network reads, from `state` or rest, when its own output stands in for what is not observed.

        Args:
            inputs: any number where there is no value.
            observed: 1 where there is one, 0 where there is none.
        """
        first = jnp.zeros_like(self.bias)
        outputs = self._forced(self.rest() if state is None else state, first, inputs, observed)
        return mixed(inputs, shifted(first, outputs), observed)

    def read_gaps(
        self, state: State, inputs: Float[Array, "T N"], observed: Float[Array, "T D"]
    ) -> tuple[State, Float[Array, " D"]]:
        """Read on from `state`, own output standing in for what is not observed: the last value, and the state before.

        The first step of `inputs` must be observed, or hold what stands in for it.
        """
        state, read = recurrence.gappy_loop(self.step, state, inputs, observed)
        return state, read[: self.bias.shape[0]]

    def step(self, state: State, value: Float[Array, " N"]) -> tuple[State, Float[Array, " D"]]:
        """Read one value and the external inputs beside it: the state after it, and the estimate of the next value."""
        return self._advance(state, value, [partial(cell.update, cell.elementwise) for cell in self.cells])

    def _advance(self, state: State, value: Array, updates: Sequence[Callable[..., Carry]]) -> tuple[State, Array]:
        window = jax.tree.map(lambda entry: entry[0], self.windows(value[None], state.past))
        driven_by = window.seen
        carries: list[Carry] = []
        for cell, carry, update in zip(self.cells, state.cells, updates, strict=True):
            carries.append(update(carry, cell.mix(carry[0]), cell.drive(driven_by)))
            driven_by = carries[-1][0]
        hidden = jnp.concatenate([carry[0] for carry in carries])
        past = jnp.concatenate([state.past, value[None]])[1:]
        return State(tuple(carries), past), self.output(hidden, window)

    def carries_of(self, state: State) -> tuple[Carry, ...]:
        """See `recurrence.Steps`."""
        return state.cells

    def state_after(self, state: State, carries: tuple[Carry, ...], read: Float[Array, "T N"]) -> State:
        """See `recurrence.Steps`."""
        past = jnp.concatenate([state.past, read])[read.shape[0] :]
        return State(jax.tree.map(lambda entry: entry[-1], carries), past)

    def linearized(self, tangent: Network, state: State, carries: tuple[Carry, ...], values: Array) -> Linear:
        """See `recurrence.Steps`."""
        window = self.windows(values, state.past)
        driven_by = window.seen
        layers: list[tuple[Any, Carry]] = []
        hidden: list[Array] = []
        for cell, d_cell, before in zip(self.cells, tangent.cells, carries, strict=True):
            a, da = jax.jvp(lambda cell, h: cell.mix(h), (cell, before[0]), (d_cell, jnp.zeros_like(before[0])))
            u, du = jax.jvp(lambda cell, x: cell.drive(x), (cell, driven_by), (d_cell, jnp.zeros_like(driven_by)))
            after, linear, known = recurrence.linearized_updates(cell, d_cell, before, (a, u), (da, du))
            layers.append((linear, known))
            driven_by = after[0]
            hidden.append(driven_by)
        at = (jnp.concatenate(hidden, axis=1), window)
        _, known = jax.jvp(lambda network: network.output(*at), (self,), (tangent,))
        return Linear(tuple(layers), known)

    def linear_step(self, linear: Linear, state: State, value: Array) -> tuple[State, Array]:
        """See `recurrence.Steps`."""

        def updated(slope: Any, known: Carry) -> Callable[..., Carry]:
            return lambda *tangents: jax.tree.map(jnp.add, slope(*tangents), known)

        network = eqx.tree_at(lambda n: [n.bias, *[c.bias for c in n.cells]], self, replace_fn=jnp.zeros_like)
        state, output = network._advance(state, value, [updated(*layer) for layer in linear.layers])
        return state, output + linear.output

    def run_free(
        self, state: State, value: Float[Array, " D"], steps: int, known: Float[Array, "steps E"] | None = None
    ) -> Float[Array, "steps D"]:
        """Closed loop: the `steps` values that follow `value`; see `recurrence.forced_loop`.

        Args:
            state, value: the value of a step, and the state before it.
            steps: how many values to generate.
            known: the external inputs of the steps that are generated.
        """
        none = jnp.zeros((steps, value.shape[0]), self.bias.dtype)
        inputs = none if known is None or not known.shape[1] else jnp.concatenate([none, known], axis=1)
        return recurrence.forced_loop(self, state, value, inputs, none[:, :1])[1]

    def run_disturbed(
        self, state: State, value: Float[Array, " D"], shocks: Float[Array, "T D"], known: Float[Array, "T E"]
    ) -> Float[Array, "T D"]:
        """Closed loop with a shock added to each output before it is read; see `recurrence.disturbed_loop`."""
        return recurrence.disturbed_loop(self.step, state, value, shocks, known)

    def go_on(
        self, state: State, value: Float[Array, " D"], steps: int
    ) -> tuple[Float[Array, "steps D"], State, Float[Array, " D"]]:
        """Closed loop, with the state and the value from which it would go on; see `recurrence.closed_loop`."""
        return recurrence.closed_loop(self.step, state, value, steps)

    def run_forced(
        self, inputs: Float[Array, "T N"], strength: Float[Array, " T"], state: State | None = None
    ) -> Float[Array, "T D"]:
        """From `state` or rest, driven by a mixture of data and own output; see `recurrence.forced_loop`."""
        state = self.rest() if state is None else state
        return self._forced(state, inputs[0, : self.bias.shape[0]], inputs, strength[:, None])

    def _forced(self, state: State, output: Array, inputs: Array, strength: Array) -> Array:
        return (parallel if self.parallel else recurrence).forced_loop(self, state, output, inputs, strength)[1]


class Linear(NamedTuple):
    """Steps of a network, linearised.

    Attributes:
        layers: of each layer, the slopes of its update, and what the tangent of its weights adds to its carry.
        output: what the tangent of the readout adds to the output.
    """

    layers: tuple[tuple[Any, Carry], ...]
    output: Array


def _polynomial(differences: tuple[int, ...]) -> np.ndarray:
    """The coefficients of (1 - B^d1)(1 - B^d2) ... in the powers of B."""
    polynomial = np.ones(1, int)
    for lag in differences:
        polynomial = np.convolve(polynomial, [1, *[0] * (lag - 1), -1])
    return polynomial


def _left_out(differences: tuple[int, ...]) -> list[tuple[int, int]]:
    """Of x_{t+1} = (its difference) + sum of coefficient * x_{t - back}: the pairs (back, coefficient)."""
    return [(k - 1, -int(c)) for k, c in enumerate(_polynomial(differences)) if k and c]


Take = Callable[[str, tuple[int, ...]], Array]
"""Hands out the array of a name and a shape: `cells.0.input`, `readout`, ..."""


def assemble(shape: Shape, take: Take) -> Network:
    """A network of the given shape whose weights come from `take`, which is asked for each of them once."""

    def cell(layer: int) -> AnyCell:
        inputs = shape.window if layer == 0 else _hidden_state(shape)
        if shape.cell in CELLS:
            kind = CELLS[shape.cell]
            weights = {n: take(f"cells.{layer}.{n}", s) for n, s in kind.shapes(inputs, shape.hidden).items()}
            return kind(**weights, nonlinearity=shape.nonlinearity)
        shapes = PiecewiseLinearCell.shapes(inputs, shape.hidden, shape.latent)
        weights = {n: take(f"cells.{layer}.{n}", s) for n, s in shapes.items()}
        return PiecewiseLinearCell(**weights, clipped=shape.cell == "clipped-plrnn")

    return Network(
        tuple(cell(layer) for layer in range(shape.layers)),
        take("readout", (shape.layers * _hidden_state(shape), shape.channels)),
        take("bias", (shape.channels,)),
        take("direct", (shape.window, shape.channels)) if shape.direct else None,
        shape.lags,
        shape.inputs,
        shape.differences,
    )


def _hidden_state(shape: Shape) -> int:
    return shape.hidden + (0 if shape.cell in CELLS else shape.latent)
