"""`freerun generate`: continue a series by a free run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.arguments import steps_or_times
from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    KnownFunction,
    ModelFile,
    Plot,
    Quiet,
    Reading,
    Times,
    known_function,
    read,
    reads_series,
    require_file_for,
    require_picture,
    require_writable,
    times_of,
)
from freerun.settings import Ensemble


@reads_series
def generate(
    model: ModelFile,
    steps: Annotated[int | None, typer.Option("--steps", "-n", min=1, help="Number of steps to generate.")] = None,
    times: Times = None,
    after: Annotated[Path | None, typer.Option(help="Series to continue. Default: the training series.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File of the free run. Default: CSV on stdout.")
    ] = None,
    ensemble: Annotated[
        Ensemble,
        typer.Option(
            help="Free run of the best network, or the mean, median or trimmed mean over all ensemble members."
        ),
    ] = "best",
    known: KnownFunction = None,
    plot: Plot = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let the network run free: it reads its own output and continues the series (closed loop).

    Example: freerun generate mg.freerun --steps 200 --plot run.png
    """
    import freerun
    from freerun.data.io.csv import text
    from freerun.estimator import load

    steps_or_times("--steps", steps, times, "--times")
    require_writable(output, read=(model, after))
    require_picture(plot)
    require_file_for(after, reading)
    rnn = load(model, model=known_function(known))
    before = rnn.model_.recent if after is None else rnn.model_.matched(read(after, reading))
    run = rnn.generate(steps, None if after is None else before, ensemble, times=times_of(times))
    if output is not None:
        run.write(output)
    if plot is not None:
        title = f"Free run of {model.name} after {'its training series' if after is None else after.name}"
        freerun.plots.save(freerun.plots.free_run(run, before, title=title), plot)
    console = Console(as_json, quiet)
    if as_json:
        console.result(
            {
                "steps": len(run),
                "channels": list(run.channels),
                "times": run.times.astype(str).tolist(),
                "values": run.values.tolist(),
            }
        )
    elif output is None and plot is None:
        print(text(run), end="")
    else:
        console.note(f"{len(run)} steps generated: {', '.join(str(p) for p in (output, plot) if p is not None)}")
