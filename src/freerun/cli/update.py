"""`freerun update`: read new steps without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    Column,
    Inputs,
    Json,
    MissingValues,
    ModelFile,
    Quiet,
    Resample,
    SeriesFile,
    TimeColumn,
    read,
    require_writable,
)


def update(
    model: ModelFile,
    new: SeriesFile,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Model file to write. Default: MODEL.")] = None,
    column: Column = [],  # noqa: B006 - typer copies it
    time: TimeColumn = None,
    missing: MissingValues = "mask",
    inputs: Inputs = [],  # noqa: B006 - typer copies it
    resample: Resample = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read the steps that follow, without training, so that forecasts go on from there.

    Example: freerun update air.freerun 1961.csv
    """
    from freerun.estimator import load

    target = model if output is None else output
    require_writable(target)
    rnn = load(model)
    rnn.update(read(new, column, time, missing, inputs, resample))
    rnn.save(target)
    last = str(rnn.model_.recent.times[-1])
    Console(as_json, quiet).result({"read_to": last, "model": str(target)}, {"read to": last, "model file": target})
