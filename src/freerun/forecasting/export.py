"""Export of a trained network as a StableHLO program, which runs without freerun.

The file holds the free run of the best network, weights included, as serialized by
`jax.export`. In JAX, `jax.export.deserialize(content).call(values)` runs it. Its
`mlir_module()` is StableHLO code for other compilers.
"""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import Float

from freerun.compute.programs import computing
from freerun.errors import SettingError
from freerun.files.writing import replacing
from freerun.forecasting.model import Model
from freerun.network import jax_runs
from freerun.network.updates import Array

PLATFORMS = ("cpu", "cuda", "tpu")
"""Platforms on which the program runs."""


def export(model: Model, path: str | Path, steps: int) -> None:
    """Write the free run of the best network as a program.

    The first argument of the program is the series to continue, shape (t, D) with t >= washout + 2,
    in its own units and without missing values. If the network has external inputs, the second
    argument holds those of these steps and of the generated steps, shape (t + steps, E). The result
    holds the generated values, shape (steps, D).

    Args:
        model: the trained networks.
        path: path of the file.
        steps: number of steps that the program generates.

    Raises:
        SettingError: `detrend=True`; the trend depends on dates, which the program does not get;
            or a known model, or the network of a field.
        OutputError: the file cannot be written.
    """
    member = model.best
    if member.settings.detrend:
        raise SettingError("a network with detrend=True depends on the times of the series and cannot be exported")
    if member.settings.model is not None:
        raise SettingError("a network with a known model runs a function of Python and cannot be exported")
    if member.network.lattice is not None:
        raise SettingError("the network of a field cannot be exported; leave neighbours out")
    network, scaling, dtype = member.network.dense(), member.scaling, member.settings.dtype
    channels, inputs = len(member.run_start.value), network.inputs

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
