"""`freerun forecast`: forecast the next steps, with prediction intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.arguments import percentages
from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    Levels,
    ModelFile,
    Plot,
    Quiet,
    Reading,
    numbers,
    read,
    reads_series,
    require_file_for,
    require_picture,
    require_writable,
)


@reads_series
def forecast(
    model: ModelFile,
    horizon: Annotated[int, typer.Option("--horizon", "-n", min=1, help="Steps to forecast.")],
    levels: Levels = None,
    after: Annotated[Path | None, typer.Option(help="Series to continue. Default: the training series.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV file of the forecast. Default: stdout.")
    ] = None,
    plot: Plot = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Forecast the next steps, with intervals that hold the truth as often as their levels say.

    Intervals are computed from the errors of free runs on held-out parts of the training series.

    Example: freerun forecast air.freerun --horizon 24 --levels 80,95 --plot fan.png
    """
    import freerun
    from freerun.estimator import load
    from freerun.files.writing import replacing

    require_writable(output)
    require_picture(plot)
    require_file_for(after, reading)
    wanted = percentages("--levels", numbers("--levels", levels))
    rnn = load(model)
    before = rnn.model_.recent if after is None else rnn.model_.matched(read(after, reading))
    table = rnn.forecast(horizon, wanted, None if after is None else before)
    if output is not None:
        with replacing(output) as temporary:
            table.to_csv(temporary)
    if plot is not None:
        title = f"Forecast of {model.name} after {'its training series' if after is None else after.name}"
        freerun.plots.save(freerun.plots.forecast(table, before, wanted, title=title), plot)
    console = Console(as_json, quiet)
    if as_json:
        columns = {name: table[name].tolist() for name in table.columns}
        console.result({"horizon": horizon, "times": [str(stamp) for stamp in table.index], **columns})
    elif output is None and plot is None:
        print(table.to_csv(), end="")
    else:
        console.note(f"{horizon} steps forecast: {', '.join(str(p) for p in (output, plot) if p is not None)}")
