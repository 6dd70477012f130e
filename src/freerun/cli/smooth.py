"""`freerun smooth`: the states behind the noisy measurements of a series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    ModelFile,
    Plot,
    Quiet,
    Reading,
    SeriesFile,
    read,
    reads_series,
    require_picture,
    require_writable,
)


@reads_series
def smooth(
    model: ModelFile,
    series: SeriesFile,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File of the states.")] = None,
    deviation: Annotated[
        bool, typer.Option("--deviation", help="Write the standard deviation of each state beside it.")
    ] = False,
    plot: Plot = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Estimate the states behind the noisy measurements of a series, from all of them.

    The model must have been fitted with the noise in measurements: `freerun fit --cell memoryless
    --measurement-noise`. Missing measurements are bridged.

    Example: freerun smooth lorenz.freerun lorenz.csv -o states.csv --plot states.png
    """
    import numpy as np

    import freerun
    from freerun.estimator import load

    require_writable(output, read=(model, series))
    require_picture(plot)
    rnn = load(model)
    observed = rnn.model_.matched(read(series, reading))
    states = rnn.smooth(observed, deviation)
    if output is not None:
        states.write(output)
    if plot is not None:
        freerun.plots.save(freerun.plots.smoothed(observed, rnn.smooth(observed), f"States behind {series.name}"), plot)
    away = np.sqrt(np.nanmean((observed.values - states.values[:, : observed.shape[1]]) ** 2, axis=0))
    left = dict(zip(observed.channels, away.tolist(), strict=True))
    console = Console(as_json, quiet)
    console.result(
        {"steps": len(states), "measurement_noise": left, "output": None if output is None else str(output)},
        {"steps smoothed": len(states)} | {f"noise left out of {name}": size for name, size in left.items()},
    )
