"""Placement of training: on the CPU or on a GPU, and step by step or parallel in time."""

from __future__ import annotations

from typing import NamedTuple

from freerun.compute.programs import device_memory, has_gpu
from freerun.errors import MachineError
from freerun.network.cells import CELLS
from freerun.plan import TrainPlan
from freerun.settings import Device

LONG = 10_000
"""Steps of a series from which a GPU, parallel in time, is faster than a CPU, step by step."""

WIDE = 80_000
"""Multiplications in a step, of all sequences and networks,
from which a GPU is faster than a CPU."""

MOST_STATES = 256
"""Maximum size of a state for runs that are parallel in time,
since their work grows with its cube."""


class Placement(NamedTuple):
    """Where and how training computes.

    Attributes:
        device: `cpu` or `gpu`.
        parallel: whether runs are parallel in time, see `freerun.network.parallel`.
    """

    device: Device
    parallel: bool


def choose_placement(plan: TrainPlan, steps: int, networks: int) -> Placement:
    """Choose the placement with which training is fastest, where the plan leaves it open.

    Levenberg-Marquardt runs on the CPU unless the plan asks for a GPU. An LSTM is parallel in time
    only if the plan asks for it: XLA's compiler for GPUs (JAX 0.11.2) crashes on the test of it.

    Args:
        plan: the plan of training.
        steps: number of steps that are trained on.
        networks: number of networks that are trained together.

    Raises:
        MachineError: training does not fit in memory, or there is no GPU.
    """
    shape = plan.shape
    sequences = networks * plan.batch if plan.window else networks
    wide = sequences * CELLS[shape.cell].gates * shape.hidden**2 >= WIDE
    can_be_parallel = not plan.window and shape.cell != "lstm" and shape.layers * shape.hidden <= MOST_STATES
    long = can_be_parallel and steps >= LONG
    device: Device = plan.device
    if device == "auto":
        device = "gpu" if plan.by_gradients and (wide or long) and has_gpu() else "cpu"
    parallel = plan.parallel
    if parallel == "auto":
        parallel = plan.by_gradients and device == "gpu" and can_be_parallel
    _require_memory(plan, steps, device)
    return Placement(device, parallel)


def _require_memory(plan: TrainPlan, steps: int, device: Device) -> None:
    """Refuse training that does not fit in memory,
    since the gradient needs the states of every step."""
    shape, at_once = plan.shape, plan.window or steps
    width = {"float64": 8, "float32": 4}[plan.dtype]
    one = at_once * shape.layers * shape.hidden * (4 * CELLS[shape.cell].gates + 4) * width
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
