"""`freerun predict`: one-step predictions of a series."""

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
    Plot,
    Quiet,
    Reading,
    SeriesFile,
    known_function,
    read,
    reads_series,
    require_picture,
    require_writable,
)


@reads_series
def predict(
    model: ModelFile,
    series: SeriesFile,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File of the predictions.")] = None,
    known: KnownFunction = None,
    plot: Plot = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict every step of a series from the steps before it (open loop).

    Each row has the time of the step that it predicts.
    The first step of the series has no prediction.

    Example: freerun predict mg.freerun mg.csv -o onestep.csv --plot onestep.png
    """
    import freerun
    from freerun import metrics
    from freerun.estimator import load

    require_writable(output, read=(model, series))
    require_picture(plot)
    rnn = load(model, model=known_function(known))
    observed = rnn.model_.matched(read(series, reading))
    predictions = rnn.predict(observed)
    if output is not None:
        predictions.write(output)
    if plot is not None:
        boundary = rnn.model_.boundary_in(observed)
        title = f"One-step predictions of {series.name}"
        freerun.plots.save(freerun.plots.one_step(observed, predictions, boundary, title), plot)
    error = metrics.mean_squared_error(observed.values[1:], predictions.values)
    console = Console(as_json, quiet)
    console.result(
        {"steps": len(predictions), "one_step_mse": error, "output": None if output is None else str(output)},
        {"steps predicted": len(predictions), "one-step MSE": error},
    )
