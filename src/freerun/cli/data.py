"""`freerun data`: write a synthetic series to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import Json, Quiet, require_writable


def data(
    name: Annotated[
        str,
        typer.Argument(
            help="mackey-glass, mackey-glass-rk4, multiple-sines, lorenz, lorenz-dop853, lorenz96, "
            "kuramoto-sivashinsky, or dysts:NAME.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV, Parquet, npy or npz file to write.")],
    steps: Annotated[int, typer.Option(help="Length of the series in steps.")] = 2000,
    seed: Annotated[int | None, typer.Option(help="Seed of the initial condition, for systems that draw one.")] = None,
    tau: Annotated[int | None, typer.Option(help="Delay of Mackey-Glass in steps. Default: 17.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a synthetic series to a file.

    Example: freerun data mackey-glass --steps 2000 --seed 0 -o mg.csv
    """
    from freerun import systems

    require_writable(output)
    series = systems.make(name, steps, seed=seed, tau=tau)
    series.write(output)
    console = Console(as_json, quiet)
    console.note(f"{output}: {len(series)} steps of {', '.join(series.channels)}")
    if as_json:
        console.result({"output": str(output), "steps": len(series), "channels": list(series.channels)})
