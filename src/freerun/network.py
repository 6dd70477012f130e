"""`Network`: layers of cells, a readout and, if wanted, direct connections from input to output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from freerun.cells import CELLS, AnyCell, Array, Carry, PiecewiseLinearCell
from freerun.recurrence import closed_loop, forced_loop, in_pieces, open_loop


@dataclass(frozen=True)
class Shape:
    """What a network is built from.

    Attributes:
        channels: D.
        hidden: units of each layer.
        cell: a name of `freerun.cells.CELLS`, `plrnn` or `clipped-plrnn`.
        lags: the delays of the values in a window, ascending; 0 is the current value.
        layers: number of layers.
        direct: direct connections or not.
        nonlinearity: of the hidden units.
        latent: latent variables M of a piecewise-linear cell.
    """

    channels: int
    hidden: int
    cell: str = "simple"
    lags: tuple[int, ...] = (0,)
    layers: int = 1
    direct: bool = False
    nonlinearity: str = "tanh"
    latent: int = 0

    @property
    def window(self) -> int:
        """K = len(lags) * D, the number of inputs of the first layer."""
        return len(self.lags) * self.channels


class State(NamedTuple):
    """What a network remembers between two steps.

    Attributes:
        cells: the carry of each layer.
        past: the last max(lags) values read, latest first, shape (max(lags), D).
    """

    cells: tuple[Carry, ...]
    past: Array


class Network(eqx.Module):
    """Predicts the next step of a series: y_t = h_t @ readout + bias (+ w_t @ direct), an estimate of x_{t+1}.

    The window w_t holds the values x_{t - lag} for each lag, one after the other; values before the first step read
    are zero. It drives the first layer and the direct connections; each further layer is driven by the hidden state
    of the one below, and h_t is the hidden states of all layers side by side.

    A plain pytree: all arrays in it are weights.

    Attributes:
        cells: the layers, from the bottom up.
        readout: shape (H, D), H the length of all hidden states together.
        bias: shape (D,).
        direct: shape (K, D) with K = len(lags) * D, from window to output, or None.
        lags: the delays of the values in a window, ascending.
    """

    cells: tuple[AnyCell, ...]
    readout: Float[Array, "H D"]
    bias: Float[Array, " D"]
    direct: Float[Array, "K D"] | None = None
    lags: tuple[int, ...] = eqx.field(static=True, default=(0,))

    @property
    def weights(self) -> int:
        """The number of weights, biases included."""
        return sum(array.size for array in jax.tree.leaves(self))

    def rest(self) -> State:
        """The state before the first step."""
        return State(
            tuple(cell.rest() for cell in self.cells),
            jnp.zeros((max(self.lags), self.bias.shape[0]), self.bias.dtype),
        )

    def windows(self, inputs: Float[Array, "T D"], past: Float[Array, "depth D"]) -> Float[Array, "T K"]:
        """The window of each step of `inputs`, given the values before the first of them, latest first."""
        known = jnp.concatenate([past[::-1], inputs])
        at = len(past) + jnp.arange(len(inputs))[:, None] - jnp.asarray(self.lags)
        return known[at].reshape(len(inputs), -1)

    def output(self, hidden: Float[Array, "*T H"], windows: Float[Array, "*T K"]) -> Float[Array, "*T D"]:
        """The estimate of the next value from the hidden states and the window that led to them."""
        outputs = hidden @ self.readout + self.bias
        return outputs if self.direct is None else outputs + windows @ self.direct

    def read(self, inputs: Float[Array, "T D"], state: State | None = None) -> tuple[tuple[Carry, ...], Array, Array]:
        """Open loop, from `state` or from rest.

        Returns:
            The carries of all layers after each step, the hidden states (T, H), and the windows (T, K).
        """
        state = self.rest() if state is None else state
        windows = self.windows(inputs, state.past)
        carries, driven_by = [], windows
        for cell, carry in zip(self.cells, state.cells, strict=True):
            carries.append(open_loop(cell, driven_by, carry))
            driven_by = carries[-1][0]
        return tuple(carries), jnp.concatenate([carry[0] for carry in carries], axis=1), windows

    def read_on(self, inputs: Float[Array, "T D"], state: State) -> tuple[Array, Array, State]:
        """Open loop from `state`: the hidden states (T, H), the windows (T, K), and the state after the last step."""
        carries, hidden, windows = self.read(inputs, state)
        known = jnp.concatenate([state.past[::-1], inputs])
        past = known[len(known) - len(state.past) :][::-1]
        return hidden, windows, State(jax.tree.map(lambda entry: entry[-1], carries), past)

    def ending(self, inputs: Float[Array, "T D"], piece: int) -> tuple[State, Float[Array, " D"]]:
        """Open loop from rest, `piece` steps at a time: the state and the output after the last step."""

        def follow(at: tuple[State, Array], inputs: Array) -> tuple[State, Array]:
            hidden, windows, state = self.read_on(inputs, at[0])
            return state, self.output(hidden[-1], windows[-1])

        return in_pieces(follow, (self.rest(), jnp.zeros_like(self.bias)), inputs, piece)

    def predict(self, inputs: Float[Array, "T D"], state: State | None = None) -> Float[Array, "T D"]:
        """Open loop: the estimate of the step after each input, from `state` or from rest."""
        _, hidden, windows = self.read(inputs, state)
        return self.output(hidden, windows)

    def moments(self, inputs: Float[Array, "T D"], at: Int[Array, " N"]) -> tuple[State, Float[Array, "N D"]]:
        """Open loop from rest: the states and the outputs after each of the steps `at`, stacked."""
        carries, hidden, windows = self.read(inputs)
        depth = max(self.lags)
        known = jnp.concatenate([jnp.zeros((depth, inputs.shape[1]), inputs.dtype), inputs])
        past = known[at[:, None] + depth - jnp.arange(depth)]
        cells = jax.tree.map(lambda entry: entry[at], carries)
        return State(cells, past), self.output(hidden[at], windows[at])

    def step(self, state: State, value: Float[Array, " D"]) -> tuple[State, Float[Array, " D"]]:
        """Read one value: the state after it, and the estimate of the next value."""
        return self._advance(state, value, [partial(cell.update, cell.elementwise) for cell in self.cells])

    def _advance(self, state: State, value: Array, updates: Sequence[Callable[..., Carry]]) -> tuple[State, Array]:
        recent = jnp.concatenate([value[None], state.past])
        driven_by = window = recent[jnp.asarray(self.lags)].reshape(-1)
        carries: list[Carry] = []
        for cell, carry, update in zip(self.cells, state.cells, updates, strict=True):
            carries.append(update(carry, cell.mix(carry[0]), cell.drive(driven_by)))
            driven_by = carries[-1][0]
        hidden = jnp.concatenate([carry[0] for carry in carries])
        return State(tuple(carries), recent[:-1]), self.output(hidden, window)

    def carries_of(self, state: State) -> tuple[Carry, ...]:
        """See `recurrence.Steps`."""
        return state.cells

    def linearized(self, tangent: Network, state: State, carries: tuple[Carry, ...], values: Array) -> Linear:
        """See `recurrence.Steps`."""
        driven_by = windows = self.windows(values, state.past)
        layers: list[tuple[Any, Carry]] = []
        hidden: list[Array] = []
        for cell, d_cell, before in zip(self.cells, tangent.cells, carries, strict=True):
            a, da = jax.jvp(lambda cell, h: cell.mix(h), (cell, before[0]), (d_cell, jnp.zeros_like(before[0])))
            u, du = jax.jvp(lambda cell, x: cell.drive(x), (cell, driven_by), (d_cell, jnp.zeros_like(driven_by)))
            after, linear, known = _linearized(cell, d_cell, before, (a, u), (da, du))
            layers.append((linear, known))
            driven_by = after[0]
            hidden.append(driven_by)
        at = (jnp.concatenate(hidden, axis=1), windows)
        _, known = jax.jvp(lambda network: network.output(*at), (self,), (tangent,))
        return Linear(tuple(layers), known)

    def linear_step(self, linear: Linear, state: State, value: Array) -> tuple[State, Array]:
        """See `recurrence.Steps`."""

        def updated(slope: Any, known: Carry) -> Callable[..., Carry]:
            return lambda *tangents: jax.tree.map(jnp.add, slope(*tangents), known)

        network = eqx.tree_at(lambda n: [n.bias, *[c.bias for c in n.cells]], self, replace_fn=jnp.zeros_like)
        state, output = network._advance(state, value, [updated(*layer) for layer in linear.layers])
        return state, output + linear.output

    def run_free(self, state: State, value: Float[Array, " D"], steps: int) -> Float[Array, "steps D"]:
        """Closed loop: `value` and the steps - 1 values that follow it; see `recurrence.forced_loop`."""
        none = jnp.zeros((steps - 1, *value.shape), self.bias.dtype)
        return jnp.concatenate([value[None], forced_loop(self, state, value, none, none[:, 0])[1]])

    def go_on(
        self, state: State, value: Float[Array, " D"], steps: int
    ) -> tuple[Float[Array, "steps D"], State, Float[Array, " D"]]:
        """Closed loop, with the state and the value from which it would go on; see `recurrence.closed_loop`."""
        return closed_loop(self.step, state, value, steps)

    def run_forced(self, inputs: Float[Array, "T D"], strength: Float[Array, " T"]) -> Float[Array, "T D"]:
        """From rest, driven by a mixture of data and own output; see `recurrence.forced_loop`."""
        return forced_loop(self, self.rest(), jnp.asarray(inputs[0]), inputs, strength)[1]


class Linear(NamedTuple):
    """Steps of a network, linearised.

    Attributes:
        layers: of each layer, the slopes of its update, and what the tangent of its weights adds to its carry.
        output: what the tangent of the readout adds to the output.
    """

    layers: tuple[tuple[Any, Carry], ...]
    output: Array


def _linearized(
    cell: AnyCell, d_cell: AnyCell, before: Carry, maps: tuple[Array, Array], d_maps: tuple[Array, Array]
) -> tuple[Carry, Any, Carry]:
    """The updates of all steps: the carry after each, its slopes, and what the tangent of the weights adds to it."""

    def at_each(before: Carry, maps: tuple[Array, Array], d_maps: tuple[Array, Array]) -> tuple[Carry, Any, Carry]:
        after, linear = jax.linearize(partial(cell.update, cell.elementwise), before, *maps)
        _, known = jax.jvp(
            lambda elementwise, maps: cell.update(elementwise, before, *maps),
            (cell.elementwise, maps),
            (d_elementwise, d_maps),
        )
        return after, linear, known

    _, d_elementwise = jax.jvp(lambda cell: cell.elementwise, (cell,), (d_cell,))
    return jax.vmap(at_each)(before, maps, d_maps)


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
    )


def _hidden_state(shape: Shape) -> int:
    return shape.hidden + (0 if shape.cell in CELLS else shape.latent)
