"""`Network`: a cell, its readout and, if wanted, direct connections from input to output."""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Float

from freerun.cells import Array, Carry, SimpleCell
from freerun.recurrence import closed_loop, open_loop


class Network(eqx.Module):
    """Predicts the next step of a series: y_t = h_t @ readout + bias (+ x_t @ direct), an estimate of x_{t+1}.

    A plain pytree: all arrays in it are weights.

    Attributes:
        cell: turns inputs and hidden state into the next hidden state.
        readout: shape (H, D).
        bias: shape (D,).
        direct: shape (D, D), from input to output, or None.
    """

    cell: SimpleCell
    readout: Float[Array, "H D"]
    bias: Float[Array, " D"]
    direct: Float[Array, "D D"] | None = None

    @property
    def weights(self) -> int:
        """The number of weights, biases included."""
        return sum(array.size for array in jax.tree.leaves(self))

    def output(self, hidden: Float[Array, "*T H"], inputs: Float[Array, "*T D"]) -> Float[Array, "*T D"]:
        """The estimate of the next value from the hidden state and the input that led to it."""
        outputs = hidden @ self.readout + self.bias
        return outputs if self.direct is None else outputs + inputs @ self.direct

    def predict(self, inputs: Float[Array, "T D"], carry: Carry | None = None) -> tuple[Float[Array, "T D"], Carry]:
        """Open loop: the estimate of the step after each input, and the carries, from `carry` or from rest."""
        carries = open_loop(self.cell, inputs, self.cell.rest() if carry is None else carry)
        return self.output(carries[0], inputs), carries

    def run_free(self, carry: Carry, value: Float[Array, " D"], steps: int) -> tuple[Float[Array, "steps D"], Carry]:
        """Closed loop: `value` and the steps - 1 values that follow it; see `recurrence.closed_loop`."""
        return closed_loop(self.cell, self.output, carry, value, steps)
