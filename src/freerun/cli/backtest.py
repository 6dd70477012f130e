"""`freerun backtest`: forecast error over past origins (rolling origin)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    Plot,
    Quiet,
    Reading,
    SeriesFile,
    numbers,
    pairs,
    read,
    reads_series,
    require_picture,
)


@reads_series
def backtest(
    series: SeriesFile,
    horizon: Annotated[int, typer.Option("--horizon", "-n", min=1, help="Steps of each forecast.")],
    folds: Annotated[int, typer.Option(min=1, help="Number of forecasts; the last one ends with the series.")] = 5,
    stride: Annotated[
        int | None, typer.Option(min=1, help="Steps between two forecast origins. Default: the horizon.")
    ] = None,
    sliding: Annotated[
        int | None, typer.Option(min=1, help="Train on this many steps before each origin. Default: all of them.")
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit/--update", help="Fit again for each forecast, or only update the state.")
    ] = True,
    levels: Annotated[
        str, typer.Option(help="Levels of prediction intervals in percent, separated by commas.")
    ] = "80,95",
    baselines: Annotated[bool, typer.Option("--baselines/--no-baselines", help="Also score simple forecasts.")] = True,
    like: Annotated[
        Path | None, typer.Option(help="Model file whose settings to use. Default: those of `freerun fit`.")
    ] = None,
    given: Annotated[
        list[str], typer.Option("--set", help="A setting of `freerun fit`, such as hidden=100. Repeatable.")
    ] = [],  # noqa: B006 - typer copies it
    plot: Plot = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Forecast a series from several points of its past, each time without what came later (rolling origin).

    MASE is the mean absolute error divided by that of the seasonal naive forecast on the training part. Below 1, the
    network is the better of the two.

    Example: freerun backtest air.csv --horizon 12 --folds 5 --plot errors.png
    """
    import freerun
    from freerun.estimator import RNN, load
    from freerun.settings import Settings

    require_picture(plot)
    rnn = RNN() if like is None else load(like)
    rnn.set_params(**Settings.checked(**pairs("--set", given)).model_dump(exclude_unset=True))
    observed = read(series, reading)
    console = Console(as_json, quiet)
    with console.progress() as progress:
        result = rnn.backtest(
            observed,
            horizon,
            folds=folds,
            stride=stride,
            sliding=sliding,
            refit=refit,
            levels=numbers("--levels", levels),
            baselines=baselines,
            progress=progress,
        )
    if plot is not None:
        freerun.plots.save(freerun.plots.backtest(result, f"Backtest of {series.name}"), plot)
    table = result.table()
    rows = [
        [name, *row]
        for name, row in zip(table.index, table.astype(object).where(table.notna(), None).values, strict=True)
    ]
    if as_json:
        console.result(
            {
                "horizon": horizon,
                "season": result.season,
                "origins": result.origins.tolist(),
                "methods": [dict(zip(["method", *table.columns], row, strict=True)) for row in rows],
                "by_horizon": result.by_horizon().to_dict("list"),
            }
        )
    console.table(["method", *table.columns], rows)
    console.note(f"{folds} forecasts of {horizon} steps; season of {result.season} steps")
