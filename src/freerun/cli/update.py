"""`freerun update`: read new steps without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    ModelFile,
    Quiet,
    Reading,
    SeriesFile,
    read,
    reads_series,
    require_writable,
)


@reads_series
def update(
    model: ModelFile,
    new: SeriesFile,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Model file to write. Default: MODEL.")] = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read new steps without training, so that forecasts start after them.

    Example: freerun update air.freerun 1961.csv
    """
    from freerun.data.timeline import shown
    from freerun.estimator import load

    target = model if output is None else output
    require_writable(target)
    rnn = load(model)
    rnn.update(read(new, reading))
    rnn.save(target)
    last = shown(rnn.model_.recent.times[-1])
    Console(as_json, quiet).result({"read_to": last, "model": str(target)}, {"read to": last, "model file": target})
