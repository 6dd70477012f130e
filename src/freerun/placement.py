"""Where training computes, on the processor or on a GPU, and in what order, step by step or in pieces side by side."""

from __future__ import annotations

from typing import NamedTuple

from freerun.computing import device_memory, has_gpu
from freerun.errors import MachineError
from freerun.network.cells import CELLS
from freerun.settings import Device, Settings

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


def placed(settings: Settings, steps: int, networks: int) -> Placement:
    """Where so many networks are trained best on so many steps, unless the settings say where.

    Ridge regression and Levenberg-Marquardt stay on the processor unless a GPU is asked for. An LSTM is not run in
    pieces unless asked for: XLA's compiler for GPUs (of JAX 0.11.2) ends the process over the test of it.

    Raises:
        MachineError: it does not fit in memory, or there is no GPU.
    """
    hidden = settings.hidden or 1
    numbers = settings.layers * hidden
    sequences = networks * (settings.batch or 16) if settings.window else networks
    wide = sequences * _gates(settings) * hidden**2 >= WIDE
    in_pieces = not settings.window and settings.cell != "lstm" and numbers <= MOST_STATES
    long = in_pieces and steps >= LONG
    device: Device = settings.device
    if device == "auto":
        device = "gpu" if settings.by_gradients and (wide or long) and has_gpu() else "cpu"
    parallel = settings.parallel
    if parallel is None:
        parallel = settings.by_gradients and device == "gpu" and in_pieces
    if settings.method != "ridge":
        _require_memory(settings, steps, device)
    return Placement(device, parallel)


def _gates(settings: Settings) -> int:
    kind = CELLS.get(settings.cell or "simple")
    return 1 if kind is None else kind.gates


def _require_memory(settings: Settings, steps: int, device: Device) -> None:
    """Refuse to train on more at a time than fits in memory: the states of every step are kept for the gradient."""
    width = {"float64": 8, "float32": 4}[settings.dtype]
    one = (settings.window or steps) * settings.layers * (settings.hidden or 1) * (4 * _gates(settings) + 4) * width
    together = (settings.batch or 16) if settings.window else 1
    memory = device_memory(device)
    if one * together <= memory:
        return
    fits = memory // one
    advice = (
        f"choose batch={fits} or less"
        if settings.window and fits
        else f"choose window={max(2, int((settings.window or steps) * memory / one / together))} or less"
    )
    what = f"batch={together} windows of {settings.window} steps" if settings.window else f"all {steps} steps at once"
    raise MachineError(
        f"training on {what} with {settings.hidden} units takes {one * together / 2**30:.1f} GiB, and this machine has "
        f"{memory / 2**30:.1f} GiB; {advice}"
    )
