"""`freerun export`: the free run of a network as a StableHLO program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import Json, ModelFile, Quiet, require_writable


def export(
    model: ModelFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write the program to.")],
    steps: Annotated[int, typer.Option("--steps", "-n", min=1, help="Length of the free run in steps.")] = 100,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the free run of the best network as a StableHLO program, which needs JAX or another compiler, not freerun.

    Example: freerun export mg.freerun --steps 200 -o mg.stablehlo
    """
    from freerun.estimator import load

    require_writable(output)
    load(model).export(output, steps)
    console = Console(as_json, quiet)
    if as_json:
        console.result({"program": str(output), "steps": steps})
    else:
        console.note(f"program written to {output}; in Python: jax.export.deserialize(content).call(values)")
