"""Where training computes, on the processor or on a GPU, and in what order, step by step or in pieces side by side."""

from __future__ import annotations

from typing import NamedTuple

from freerun.computing import device_memory, has_gpu
from freerun.errors import MachineError
from freerun.network.cells import CELLS
from freerun.network.network import Shape
from freerun.plan import TrainPlan
from freerun.settings import Device

LONG = 10_000
"""Steps of a series from which a GPU with pieces side by side is ahead of a processor step by step."""

WIDE = 80_000
"""Products in a step, of all sequences and networks together, from which a GPU is ahead of a processor."""

MOST_STATES = 256
"""Numbers in the state of a network from which on pieces side by side, whose work grows with their cube, do not pay."""


class Placement(NamedTuple):
    """Where and how training computes.

    Attributes:
        device: `cpu` or `gpu`.
        parallel: whether pieces of the series are run side by side, see `freerun.network.parallel`.
    """

    device: Device
    parallel: bool


def placed(plan: TrainPlan, steps: int, networks: int) -> Placement:
    """Where `networks` networks are trained fastest on `steps` steps, unless the plan says where.

    Levenberg-Marquardt stays on the processor unless a GPU is asked for. An LSTM is not run in
    pieces unless asked for: XLA's compiler for GPUs (of JAX 0.11.2) ends the process over the test of it.

    Raises:
        MachineError: it does not fit in memory, or there is no GPU.
    """
    shape = plan.shape
    sequences = networks * plan.batch if plan.window else networks
    wide = sequences * _gates(shape) * shape.hidden**2 >= WIDE
    in_pieces = not plan.window and shape.cell != "lstm" and shape.layers * shape.hidden <= MOST_STATES
    long = in_pieces and steps >= LONG
    device: Device = plan.device
    if device == "auto":
        device = "gpu" if plan.by_gradients and (wide or long) and has_gpu() else "cpu"
    parallel = plan.parallel
    if parallel == "auto":
        parallel = plan.by_gradients and device == "gpu" and in_pieces
    _require_memory(plan, steps, device)
    return Placement(device, parallel)


def _gates(shape: Shape) -> int:
    kind = CELLS.get(shape.cell)
    return 1 if kind is None else kind.gates


def _require_memory(plan: TrainPlan, steps: int, device: Device) -> None:
    """Refuse to train on more at a time than fits in memory: the states of every step are kept for the gradient."""
    shape, at_once = plan.shape, plan.window or steps
    width = {"float64": 8, "float32": 4}[plan.dtype]
    one = at_once * shape.layers * shape.hidden * (4 * _gates(shape) + 4) * width
    together = plan.batch if plan.window else 1
    memory = device_memory(device)
    if one * together <= memory:
        return
    fits = memory // one
    advice = (
        f"choose batch={fits} or less"
        if plan.window and fits
        else f"choose window={max(2, int(at_once * memory / one / together))} or less"
    )
    what = f"batch={together} windows of {plan.window} steps" if plan.window else f"all {steps} steps at once"
    raise MachineError(
        f"training on {what} with {shape.hidden} units takes {one * together / 2**30:.1f} GiB, and this machine has "
        f"{memory / 2**30:.1f} GiB; {advice}"
    )
