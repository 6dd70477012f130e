"""Running a network in JAX: open loop (by data), forced (by a mixture) and closed loop (by its own output).

Every run has derivatives with respect to the weights, the data and the state. In a forced or free run the output is fed
back through readout and input weights, which are affine too, so its derivative takes the form that
`freerun.network.recurrence` describes: all that does not depend on the tangent before is formed for all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from freerun.network import parallel, recurrence
from freerun.network.jax_cells import drive, elementwise_of, mix, update_of
from freerun.network.network import Network, State, Window, left_out
from freerun.network.recurrence import by_rows, cut, linearized_updates, loop, mixed, shifted
from freerun.network.updates import Array, Carry

Reached = tuple[State, Float[Array, " D"]]
"""The state after a step, and the estimate of the next value."""


def windows(network: Network, inputs: Float[Array, "T *S N"], past: Float[Array, "depth *S N"]) -> Window:
    """The window of each step of `inputs`, given what was read before the first of them, latest last."""
    steps, channels, depth = inputs.shape[0], network.bias.shape[0], network.depth
    known = jnp.concatenate([past, inputs])
    values = known[..., :channels]
    base = None
    for back, coefficient in left_out(network.differences):
        part = coefficient * values[depth - back : depth - back + steps]
        base = part if base is None else base + part
    for lag in network.differences:
        values = values[lag:] - values[:-lag]
    if network.inputs:
        values = jnp.concatenate([values, known[sum(network.differences) :, ..., channels:]], axis=-1)
    at = max(network.lags) + jnp.arange(steps)[:, None] - jnp.asarray(network.lags)
    return Window(jnp.moveaxis(values[at], 1, -2).reshape(*inputs.shape[:-1], -1), base)


def output(network: Network, hidden: Float[Array, "*T H"], window: Window) -> Float[Array, "*T D"]:
    """The estimate of the next value from the hidden states and the window that led to them."""
    outputs = by_rows(lambda rows: rows @ network.readout, hidden) + network.bias
    direct = network.direct
    if direct is not None:
        outputs = outputs + by_rows(lambda rows: rows @ direct, window.seen)
    return outputs if window.base is None else outputs + window.base


def read(
    network: Network, inputs: Float[Array, "T *S N"], state: State | None = None
) -> tuple[tuple[Carry, ...], Float[Array, "T *S H"], Window]:
    """Open loop, from `state` or from rest: the carries of all layers and the hidden states after each step."""
    state = network.rest(inputs.shape[1:-1]) if state is None else state
    window = windows(network, inputs, state.past)
    carries, driven_by = [], window.seen
    for cell, carry in zip(network.cells, state.cells, strict=True):
        carries.append((parallel if network.parallel else recurrence).open_loop(cell, driven_by, carry))
        driven_by = carries[-1][0]
    return tuple(carries), jnp.concatenate([carry[0] for carry in carries], axis=-1), window


def read_on(network: Network, inputs: Float[Array, "T N"], state: State) -> tuple[Float[Array, "T H"], Window, State]:
    """Open loop from `state`: the hidden states, the windows, and the state after the last step."""
    carries, hidden, window = read(network, inputs, state)
    return hidden, window, _state_after(state, carries, inputs)


def predict(network: Network, inputs: Float[Array, "T *S N"], state: State | None = None) -> Float[Array, "T *S D"]:
    """Open loop: the estimate of the step after each input, from `state` or from rest.

    Along one sequence, or along several side by side, S of them, each from a state of its own: carries of shape
    (S, H), and a past of shape (depth, S, N).
    """
    _, hidden, window = read(network, inputs, state)
    return output(network, hidden, window)


def moments(
    network: Network, inputs: Float[Array, "T N"], at: Int[Array, " S"], state: State | None = None
) -> tuple[State, Float[Array, "S D"]]:
    """Open loop, from `state` or rest: the states before each of the steps `at`, stacked, and the values there."""
    state = network.rest() if state is None else state
    carries = shifted(state.cells, read(network, inputs, state)[0])
    past = jnp.concatenate([state.past, inputs])[at[:, None] + jnp.arange(network.depth)]
    return State(jax.tree.map(lambda entry: entry[at], carries), past), inputs[at, : network.bias.shape[0]]


def completed(
    network: Network, inputs: Float[Array, "T N"], observed: Float[Array, "T D"], state: State | None = None
) -> Float[Array, "T N"]:
    """What the network reads, from `state` or rest, when its own output stands in for what is not observed.

    Args:
        network: the network.
        inputs: any number where there is no value.
        observed: 1 where there is one, 0 where there is none.
        state: before the first step.
    """
    first = jnp.zeros_like(network.bias)
    outputs = _forced(network, network.rest() if state is None else state, first, inputs, observed)
    return mixed(inputs, shifted(first, outputs), observed)


def step(network: Network, state: State, value: Float[Array, " N"]) -> Reached:
    """Read one value and the external inputs beside it: the state after it, and the estimate of the next value."""
    return _advance(network, state, value, [partial(update_of(cell), elementwise_of(cell)) for cell in network.cells])


def _advance(network: Network, state: State, value: Array, updates: Sequence[Callable[..., Carry]]) -> Reached:
    window = jax.tree.map(lambda entry: entry[0], windows(network, value[None], state.past))
    driven_by = window.seen
    carries: list[Carry] = []
    for cell, carry, update in zip(network.cells, state.cells, updates, strict=True):
        carries.append(update(carry, mix(cell, carry[0]), drive(cell, driven_by)))
        driven_by = carries[-1][0]
    hidden = jnp.concatenate([carry[0] for carry in carries])
    past = jnp.concatenate([state.past, value[None]])[1:]
    return State(tuple(carries), past), output(network, hidden, window)


def _state_after(state: State, carries: tuple[Carry, ...], inputs: Float[Array, "T N"]) -> State:
    """The state after steps that read `inputs` from `state`, given the carries after each of them."""
    past = jnp.concatenate([state.past, inputs])[inputs.shape[0] :]
    return State(jax.tree.map(lambda entry: entry[-1], carries), past)


def run_free(
    network: Network,
    state: State,
    value: Float[Array, " D"],
    steps: int,
    known: Float[Array, "steps E"] | None = None,
) -> Float[Array, "steps D"]:
    """Closed loop: the `steps` values that follow `value`; see `forced_loop`.

    Args:
        network: the network.
        state, value: the value of a step, and the state before it.
        steps: how many values to generate.
        known: the external inputs of the steps that are generated.
    """
    none = jnp.zeros((steps, value.shape[0]), network.bias.dtype)
    inputs = none if known is None or not known.shape[1] else jnp.concatenate([none, known], axis=1)
    return forced_loop(network, state, value, inputs, none[:, :1])[1]


def run_forced(
    network: Network, inputs: Float[Array, "T N"], strength: Float[Array, " T"], state: State | None = None
) -> Float[Array, "T D"]:
    """From `state` or rest, driven by a mixture of data and own output; see `forced_loop`."""
    state = network.rest() if state is None else state
    return _forced(network, state, inputs[0, : network.bias.shape[0]], inputs, strength[:, None])


def forced_on(
    network: Network,
    state: State,
    value: Float[Array, " D"],
    inputs: Float[Array, "T N"],
    strength: Float[Array, "T S"],
) -> tuple[Float[Array, "T D"], Reached]:
    """The outputs of `forced_loop`, and the state and the output from which it would go on."""
    carries, outputs = forced_loop(network, state, value, inputs, strength)
    known = mixed(inputs, shifted(value, outputs), strength)
    return outputs, (_state_after(state, carries, known), outputs[-1])


def _forced(network: Network, state: State, value: Array, inputs: Array, strength: Array) -> Float[Array, "T D"]:
    """The outputs of `forced_loop`, step by step or in pieces side by side."""
    if not network.parallel:
        return forced_loop(network, state, value, inputs, strength)[1]

    def run(network: Network, at: Reached, piece: tuple[Array, Array]) -> Reached:
        return forced_on(network, *at, *piece)[1]

    pieces = cut(inputs, parallel.PIECE), cut(strength, parallel.PIECE)
    begun = parallel.starts(run, network, (state, value), pieces)
    _, along = jax.vmap(partial(forced_loop, network), out_axes=1)(*begun, *pieces)
    return parallel.joined(len(inputs), along)


@jax.custom_jvp
def forced_loop(
    network: Network,
    state: State,
    value: Float[Array, " D"],
    inputs: Float[Array, "T N"],
    strength: Float[Array, "T S"],
) -> tuple[tuple[Carry, ...], Float[Array, "T D"]]:
    """Run with each input mixed of data and own output, strength * data + (1 - strength) * output.

    Args:
        network: the network.
        state, value: before the first step, and the output that led to it.
        inputs: the data; columns beyond the D of the output are external inputs, which are always read as they are.
        strength: forcing strength at each step: 1 is the open loop, 0 the closed loop; of each value (S = D) or of
            all of them (S = 1).

    Returns:
        The carries after each step and the output of each step.
    """

    def follow(at: Reached, now: tuple[Array, Array]) -> tuple[Reached, tuple[tuple[Carry, ...], Array]]:
        (state, estimate), (data, alpha) = at, now
        state, estimate = step(network, state, mixed(data, estimate, alpha))
        return (state, estimate), (state.cells, estimate)

    return loop(follow, (state, value), (inputs, strength))[1]


@forced_loop.defjvp
def _forced_loop_jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    network, state, value, inputs, strength = primals
    d_network, d_state, d_value, d_inputs, d_strength = tangents
    carries, outputs = result = forced_loop(*primals)
    fed_back = shifted(value, outputs)
    seen, known = jax.jvp(
        lambda inputs, strength: mixed(inputs, fed_back, strength), (inputs, strength), (d_inputs, d_strength)
    )
    linear = _linearized(network, d_network, state, shifted(state.cells, carries), seen)

    def follow(at: Reached, now: tuple[Linear, Array, Array]) -> tuple[Reached, tuple[tuple[Carry, ...], Array]]:
        (d_state, d_output), (linear, known, alpha) = at, now
        d_read = known + mixed(jnp.zeros_like(known), d_output, alpha)
        d_state, d_output = _linear_step(network, linear, d_state, d_read)
        return (d_state, d_output), (d_state.cells, d_output)

    return result, loop(follow, (d_state, d_value), (linear, known, strength))[1]


class Linear(NamedTuple):
    """Steps of a network, linearised.

    Attributes:
        layers: of each layer, the slopes of its update, and what the tangent of its weights adds to its carry.
        output: what the tangent of the readout adds to the output.
    """

    layers: tuple[tuple[Any, Carry], ...]
    output: Array


def _linearized(
    network: Network, tangent: Network, state: State, carries: tuple[Carry, ...], values: Float[Array, "T N"]
) -> Linear:
    """The steps that read `values` from `state` on, linearised, stacked; `carries` are those before each of them.

    `tangent` is the tangent of the weights, whose effect is a part of the result.
    """
    window = windows(network, values, state.past)
    driven_by = window.seen
    layers: list[tuple[Any, Carry]] = []
    hidden: list[Array] = []
    for cell, d_cell, before in zip(network.cells, tangent.cells, carries, strict=True):
        a, da = jax.jvp(mix, (cell, before[0]), (d_cell, jnp.zeros_like(before[0])))
        u, du = jax.jvp(drive, (cell, driven_by), (d_cell, jnp.zeros_like(driven_by)))
        carry, linear, known = linearized_updates(cell, d_cell, before, (a, u), (da, du))
        layers.append((linear, known))
        driven_by = carry[0]
        hidden.append(driven_by)
    at = (jnp.concatenate(hidden, axis=1), window)
    _, known = jax.jvp(lambda network: output(network, *at), (network,), (tangent,))
    return Linear(tuple(layers), known)


def _linear_step(network: Network, linear: Linear, state: State, value: Array) -> Reached:
    """One linearised step: the tangents of state and output after it, from those of state and value before it."""

    def updated(slope: Any, known: Carry) -> Callable[..., Carry]:
        return lambda *tangents: jax.tree.map(jnp.add, slope(*tangents), known)

    cells = tuple(replace(cell, bias=jnp.zeros_like(cell.bias)) for cell in network.cells)
    network = replace(network, cells=cells, bias=jnp.zeros_like(network.bias))
    state, estimate = _advance(network, state, value, [updated(*layer) for layer in linear.layers])
    return state, estimate + linear.output
