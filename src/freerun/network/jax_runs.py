"""Runs of a network in JAX: open loop, forced, and closed loop.

In open loop, the network reads data. In closed loop, it reads its own output.
In a forced run, it reads a mixture of both. Every run has derivatives with
respect to the weights, the data and the state.

In a forced or free run, the output returns to the input through the readout and the input
weights. Both maps are affine. The derivative rule therefore has the form that
`freerun.network.recurrence` describes: the terms that do not depend on the tangent of the step
before are computed for all steps at once.

Shapes: T steps; N = D + E numbers read in a step, D channels and E external inputs; H hidden states
of all layers. *S stands for a batch axis that may be absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, PyTree

from freerun.network import parallel, recurrence
from freerun.network.jax_cells import drive, elementwise_of, linear_part, mix, update_of
from freerun.network.network import Network, State, Window, left_out
from freerun.network.recurrence import cut, linearize_updates, loop, mix_inputs, multiply_rows, shift
from freerun.network.updates import Array, Carry

StepResult = tuple[State, Float[Array, " D"]]
"""The state after a step, and the prediction of the next value."""


def windows(network: Network, inputs: Float[Array, "T *S N"], past: Float[Array, "depth *S N"]) -> Window:
    """Compute the window of each step.

    Args:
        network: the network.
        inputs: what the network reads, shape (T, *S, N).
        past: what it read in the steps before, oldest first, shape (depth, *S, N).
    """
    if network.known is not None:
        raise NotImplementedError("JAX does not run networks with a known model; use numpy_runs")
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
    """Compute predictions of the next values, shape (*T, D),
    from hidden states and the windows of the same steps."""
    outputs = multiply_rows(lambda rows: rows @ network.readout, hidden) + network.bias
    direct = network.direct
    if direct is not None:
        outputs = outputs + multiply_rows(lambda rows: rows @ direct, window.seen)
    return outputs if window.base is None else outputs + window.base


def read(
    network: Network, inputs: Float[Array, "T *S N"], state: State | None = None
) -> tuple[tuple[Carry, ...], Float[Array, "T *S H"], Window]:
    """Run in open loop.

    Args:
        network: the network.
        inputs: what the network reads, shape (T, *S, N).
        state: the state before the first step; None is the zero state.

    Returns:
        carries: for each layer, the carry after each step.
        hidden: the hidden states of all layers after each step, shape (T, *S, H).
        window: the windows.
    """
    state = network.rest(inputs.shape[1:-1]) if state is None else state
    window = windows(network, inputs, state.past)
    carries, driven_by = [], window.seen
    for cell, carry in zip(network.cells, state.cells, strict=True):
        carries.append((parallel if network.parallel else recurrence).open_loop(cell, driven_by, carry))
        driven_by = carries[-1][0]
    return tuple(carries), jnp.concatenate([carry[0] for carry in carries], axis=-1), window


def read_on(network: Network, inputs: Float[Array, "T N"], state: State) -> tuple[Float[Array, "T H"], Window, State]:
    """Run in open loop, and return the hidden states, the windows,
    and the state after the last step."""
    carries, hidden, window = read(network, inputs, state)
    return hidden, window, _state_after(state, carries, inputs)


def predict(network: Network, inputs: Float[Array, "T *S N"], state: State | None = None) -> Float[Array, "T *S D"]:
    """Predict the next value after each step, in open loop.

    Args:
        network: the network.
        inputs: one sequence, shape (T, N), or a batch of S sequences, shape (T, S, N).
        state: the state before the first step; None is the zero state. For a batch, the entries of
            its carries have shape (S, H), and its past has shape (depth, S, N).

    Returns:
        Shape (T, *S, D).
    """
    _, hidden, window = read(network, inputs, state)
    return output(network, hidden, window)


def run_starts(
    network: Network, inputs: Float[Array, "T N"], at: Int[Array, " S"], state: State | None = None
) -> tuple[State, Float[Array, "S D"]]:
    """Compute where free runs start, in open loop.

    Args:
        network: the network.
        inputs: what the network reads, shape (T, N).
        at: the first step of each of S runs, shape (S,).
        state: the state before the first step of `inputs`; None is the zero state.

    Returns:
        The states before the steps `at`, stacked, and the values of these steps, shape (S, D).
    """
    state = network.rest() if state is None else state
    carries = shift(state.cells, read(network, inputs, state)[0])
    past = jnp.concatenate([state.past, inputs])[at[:, None] + jnp.arange(network.depth)]
    return State(jax.tree.map(lambda entry: entry[at], carries), past), inputs[at, : network.bias.shape[0]]


def completed(
    network: Network, inputs: Float[Array, "T N"], observed: Float[Array, "T D"], state: State | None = None
) -> Float[Array, "T N"]:
    """Fill missing values with the predictions of the network.

    Args:
        network: the network.
        inputs: what the network reads, with any number in place of a missing value.
        observed: 1 for an observed value, 0 for a missing one.
        state: the state before the first step; None is the zero state.

    Returns:
        The inputs without missing values. A value that is missing in the first step is zero.
    """
    first = jnp.zeros_like(network.bias)
    outputs = _forced(network, network.rest() if state is None else state, first, inputs, observed)
    return mix_inputs(inputs, shift(first, outputs), observed)


def step(network: Network, state: State, value: Float[Array, " N"]) -> StepResult:
    """Run one step on `value`, a value with its external inputs, and predict the next value."""
    return _advance(network, state, value, [partial(update_of(cell), elementwise_of(cell)) for cell in network.cells])


def _advance(network: Network, state: State, value: Array, updates: Sequence[Callable[..., Carry]]) -> StepResult:
    """Run one step. `updates` holds the update of each layer, with its parameters bound."""
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
    """The state after the last step, from the state before the first, the carries after all steps,
    and the inputs."""
    past = jnp.concatenate([state.past, inputs])[inputs.shape[0] :]
    return State(jax.tree.map(lambda entry: entry[-1], carries), past)


def run_free(
    network: Network,
    state: State,
    value: Float[Array, " D"],
    steps: int,
    future_inputs: Float[Array, "steps E"] | None = None,
) -> Float[Array, "steps D"]:
    """Run in closed loop.

    Args:
        network: the network.
        state: the state before the step of `value`.
        value: the last known value, shape (D,).
        steps: number of values to generate.
        future_inputs: external inputs of the generated steps, shape (steps, E).

    Returns:
        The values that follow `value`, shape (steps, D).
    """
    none = jnp.zeros((steps, value.shape[0]), network.bias.dtype)
    inputs = (
        none if future_inputs is None or not future_inputs.shape[1] else jnp.concatenate([none, future_inputs], axis=1)
    )
    return forced_loop(network, state, value, inputs, none[:, :1])[1]


def run_forced(
    network: Network, inputs: Float[Array, "T N"], strength: Float[Array, " T"], state: State | None = None
) -> Float[Array, "T D"]:
    """Run on mixtures of data and output; see `forced_loop`.

    Args:
        network: the network.
        inputs: the data, shape (T, N). The first step is read as it is.
        strength: forcing strength of each step, shape (T,).
        state: the state before the first step; None is the zero state.

    Returns:
        The outputs, shape (T, D).
    """
    state = network.rest() if state is None else state
    return _forced(network, state, inputs[0, : network.bias.shape[0]], inputs, strength[:, None])


def forced_on(
    network: Network,
    state: State,
    value: Float[Array, " D"],
    inputs: Float[Array, "T N"],
    strength: Float[Array, "T S"],
) -> tuple[Float[Array, "T D"], StepResult]:
    """Run `forced_loop`, and return its outputs,
    and the state and output from which a next run continues."""
    carries, outputs = forced_loop(network, state, value, inputs, strength)
    known = mix_inputs(inputs, shift(value, outputs), strength)
    return outputs, (_state_after(state, carries, known), outputs[-1])


def _forced(network: Network, state: State, value: Array, inputs: Array, strength: Array) -> Float[Array, "T D"]:
    """The outputs of `forced_loop`, computed step by step,
    or parallel in time if `network.parallel`."""
    if not network.parallel:
        return forced_loop(network, state, value, inputs, strength)[1]

    def run(network: Network, at: StepResult, piece: tuple[Array, Array]) -> StepResult:
        return forced_on(network, *at, *piece)[1]

    pieces = cut(inputs, parallel.PIECE), cut(strength, parallel.PIECE)
    begun = parallel.solve_starts(run, network, (state, value), pieces)
    _, along = jax.vmap(partial(forced_loop, network), out_axes=1)(*begun, *pieces)
    return parallel.join_pieces(len(inputs), along)


@jax.custom_jvp
def forced_loop(
    network: Network,
    state: State,
    value: Float[Array, " D"],
    inputs: Float[Array, "T N"],
    strength: Float[Array, "T S"],
) -> tuple[tuple[Carry, ...], Float[Array, "T D"]]:
    """Run on mixtures of data and output: step t reads strength_t *
    data_t + (1 - strength_t) * output_{t-1}.

    This is generalized teacher forcing (Doya, 1992; Hess et al., 2023).
    Strength 1 is the open loop, 0 the closed loop.

    Args:
        network: the network.
        state: the state before the first step.
        value: the output of the step before the first, shape (D,).
        inputs: the data, shape (T, N). External inputs, the last E columns, are not mixed.
        strength: the forcing strength of each step, for each channel (S = D) or for all channels (S
            = 1).

    Returns:
        For each layer, the carry after each step, and the output of each step, shape (T, D).
    """

    def follow(at: StepResult, now: tuple[Array, Array]) -> tuple[StepResult, tuple[tuple[Carry, ...], Array]]:
        (state, estimate), (data, alpha) = at, now
        state, estimate = step(network, state, mix_inputs(data, estimate, alpha))
        return (state, estimate), (state.cells, estimate)

    return loop(follow, (state, value), (inputs, strength))[1]


@forced_loop.defjvp
def _forced_loop_jvp(primals: tuple[PyTree, ...], tangents: tuple[PyTree, ...]) -> tuple[PyTree, PyTree]:
    """The derivative of `forced_loop`.

    With alpha the strength, the tangent of what step t reads is

        dr_t = k_t + (1 - alpha_t) dy_{t-1},    k_t = alpha_t dx_t + dalpha_t (x_t - y_{t-1}).

    Each layer has the tangent dh_t = f'(a_t) (dh_{t-1} @ W + dr_t @ V + b_t), where b_t holds the
    tangents of the weights; the output has dy_t = dh_t @ R + c_t, with c_t = h_t @ dR + dbias.
    After the run, k_t, b_t, c_t and the slopes f'(a_t) are computed for all steps at once. A second
    loop then computes the tangents.
    """
    network, state, value, inputs, strength = primals
    d_network, d_state, d_value, d_inputs, d_strength = tangents
    carries, outputs = result = forced_loop(*primals)
    fed_back = shift(value, outputs)
    seen, known = jax.jvp(
        lambda inputs, strength: mix_inputs(inputs, fed_back, strength), (inputs, strength), (d_inputs, d_strength)
    )
    linear = _linearize_steps(network, d_network, state, shift(state.cells, carries), seen)

    def follow(
        at: StepResult, now: tuple[LinearSteps, Array, Array]
    ) -> tuple[StepResult, tuple[tuple[Carry, ...], Array]]:
        (d_state, d_output), (linear, known, alpha) = at, now
        d_read = known + mix_inputs(jnp.zeros_like(known), d_output, alpha)
        d_state, d_output = _linear_step(network, linear, d_state, d_read)
        return (d_state, d_output), (d_state.cells, d_output)

    return result, loop(follow, (d_state, d_value), (linear, known, strength))[1]


class LinearSteps(NamedTuple):
    """Linearized steps of a network.

    Attributes:
        layers: for each layer, the linearization of its update, and the tangent of its carry that
            comes from the tangent of its weights (b_t in `_forced_loop_jvp`).
        output: the tangent of the output that comes from the tangent of the readout (c_t).
    """

    layers: tuple[tuple[PyTree, Carry], ...]
    output: Array


def _linearize_steps(
    network: Network, tangent: Network, state: State, carries: tuple[Carry, ...], values: Float[Array, "T N"]
) -> LinearSteps:
    """Linearize all steps of a run.

    Args:
        network: the network.
        tangent: tangent of its weights.
        state: the state before the first step.
        carries: for each layer, the carry before each step, stacked.
        values: what each step reads, shape (T, N).

    Returns:
        The linearized steps, stacked.
    """
    window = windows(network, values, state.past)
    driven_by = window.seen
    layers: list[tuple[PyTree, Carry]] = []
    hidden: list[Array] = []
    for cell, d_cell, before in zip(network.cells, tangent.cells, carries, strict=True):
        a, da = jax.jvp(mix, (cell, before[0]), (d_cell, jnp.zeros_like(before[0])))
        u, du = jax.jvp(drive, (cell, driven_by), (d_cell, jnp.zeros_like(driven_by)))
        carry, linear, known = linearize_updates(cell, d_cell, before, (a, u), (da, du))
        layers.append((linear, known))
        driven_by = carry[0]
        hidden.append(driven_by)
    at = (jnp.concatenate(hidden, axis=1), window)
    _, known = jax.jvp(lambda network: output(network, *at), (network,), (tangent,))
    return LinearSteps(tuple(layers), known)


def _linear_step(network: Network, linear: LinearSteps, state: State, value: Array) -> StepResult:
    """Map the tangents of the state and of what a step reads to
    those of the next state and of the output."""

    def updated(slope: PyTree, known: Carry) -> Callable[..., Carry]:
        return lambda *tangents: jax.tree.map(jnp.add, slope(*tangents), known)

    cells = tuple(map(linear_part, network.cells))
    network = replace(network, cells=cells, bias=jnp.zeros_like(network.bias))
    state, estimate = _advance(network, state, value, [updated(*layer) for layer in linear.layers])
    return state, estimate + linear.output
