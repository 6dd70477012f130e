"""Loops as one writes them first, without the derivative rule:
what those of freerun have to agree with."""

from jax import lax

from freerun.network import jax_runs
from freerun.network.jax_cells import drive, elementwise_of, mix, update_of


def plain(cell, inputs):
    """The open loop of a cell: its hidden states."""

    def step(carry, x):
        carry = update_of(cell)(elementwise_of(cell), carry, mix(cell, carry[0]), drive(cell, x))
        return carry, carry[0]

    return lax.scan(step, cell.rest(), inputs)[1]


def plainly_forced(network, state, output, inputs, strength):
    """The forced loop of a network: its states and outputs."""

    def follow(at, now):
        (state, output), (value, alpha) = at, now
        after = jax_runs.step(network, state, alpha * value + (1 - alpha) * output)
        return after, after[1]

    return lax.scan(follow, (state, output), (inputs, strength))[1]
