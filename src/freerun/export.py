"""A trained network as StableHLO, to run where neither freerun nor Python may be at hand.

The file is what `jax.export` serialises: the free run of the best network as one program of fixed length, weights
included. `jax.export.deserialize(content).call(values)` runs it; its `mlir_module()` is StableHLO for other compilers.
"""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import Float

from freerun.computing import computing
from freerun.errors import SettingError
from freerun.model import Model
from freerun.network import jax_runs
from freerun.network.updates import Array
from freerun.writing import replacing

PLATFORMS = ("cpu", "cuda", "tpu")
"""Where the program can run."""


def export(model: Model, path: str | Path, steps: int) -> None:
    """Write the free run of the best network to `path`.

    The program takes the values to read, shape (t, D) for any t above the washout, in the units of the series and with
    nothing missing; with external inputs also those of each step and of the steps to come, shape (t + steps, E). It
    returns the `steps` values that follow, shape (steps, D).

    Raises:
        SettingError: a trend was taken out, which depends on dates the program does not know.
        OutputError: the file cannot be written.
    """
    member = model.best
    if member.settings.detrend:
        raise SettingError("a network with detrend=True depends on the times of the series and cannot be exported")
    network, scaling, dtype = member.network, member.scaling, member.settings.dtype
    channels, inputs = len(member.ending.value), network.inputs

    def run(values: Float[Array, "t D"], known: Float[Array, "u E"]) -> Float[Array, "steps D"]:
        read = (jnp.log(values) if scaling.log else values) - scaling.mean
        read = read / scaling.scale
        ahead = (known - scaling.input_mean) / scaling.input_scale
        if inputs:
            read = jnp.concatenate([read, ahead[1 : values.shape[0] + 1]], axis=1)
        _, _, state = jax_runs.read_on(network, read[:-1], network.rest())
        last = read[-1, :channels]
        free = jax_runs.run_free(network, state, last, steps, ahead[values.shape[0] :] if inputs else None)
        free = free * scaling.scale + scaling.mean
        return jnp.exp(free) if scaling.log else free

    with computing(dtype):
        (t,) = jax.export.symbolic_shape("t", constraints=[f"t >= {member.washout + 2}"])
        values = jax.ShapeDtypeStruct((t, channels), dtype)
        if inputs:
            program = jax.jit(run)
            shapes = (values, jax.ShapeDtypeStruct((t + steps, inputs), dtype))
        else:
            program = jax.jit(lambda values: run(values, jnp.zeros((0, 0), dtype)))
            shapes = (values,)
        content = jax.export.export(program, platforms=PLATFORMS)(*shapes).serialize()
    with replacing(path) as beside:
        beside.write_bytes(content)
