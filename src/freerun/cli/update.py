"""`freerun update`: read new steps, and learn from them if that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    KnownFunction,
    ModelFile,
    Quiet,
    Reading,
    SeriesFile,
    known_function,
    read,
    reads_series,
    require_writable,
)


@reads_series
def update(
    model: ModelFile,
    new: SeriesFile,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Model file to write. Default: MODEL.")] = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="Learn from the new steps; the model was fitted with --online.")
    ] = False,
    forgetting: Annotated[
        float,
        typer.Option(help="With --learn: the weight of a step falls by this factor with each step that follows."),
    ] = 1.0,
    known: KnownFunction = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read new steps, so that forecasts start after them; the weights stay,
    or learn from them (--learn).

    Example: freerun update air.freerun 1961.csv --learn
    """
    from freerun.data.timeline import shown
    from freerun.estimator import load

    target = model if output is None else output
    require_writable(target, read=(new,))
    rnn = load(model, model=known_function(known))
    rnn.update(read(new, reading), learn=learn, forgetting=forgetting)
    rnn.save(target)
    last = shown(rnn.model_.recent.times[-1])
    Console(as_json, quiet).result({"read_to": last, "model": str(target)}, {"read to": last, "model file": target})
