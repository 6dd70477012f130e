"""`freerun fit`: train a network on a series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    Column,
    Json,
    MissingValues,
    Plot,
    Quiet,
    SeriesFile,
    TimeColumn,
    read,
    require_picture,
    require_writable,
)
from freerun.settings import Dtype, Initial, Nonlinearity, OptimizerName, Settings


def _setting(name: str, *flags: str) -> Any:
    return typer.Option(*flags, help=Settings.model_fields[name].description, rich_help_panel="Network and training")


def fit(
    ctx: typer.Context,
    series: SeriesFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")],
    split: Annotated[
        int | None,
        typer.Option(help="Train on this many steps; the error on the rest is watched. Default: train on all."),
    ] = None,
    warm_start: Annotated[Path | None, typer.Option(help="Model file to go on from, instead of fresh weights.")] = None,
    column: Column = [],  # noqa: B006 - typer copies it
    time: TimeColumn = None,
    missing: MissingValues = "error",
    plot: Plot = None,
    as_json: Json = False,
    quiet: Quiet = False,
    hidden: Annotated[int, _setting("hidden")] = 15,
    nonlinearity: Annotated[Nonlinearity, _setting("nonlinearity")] = "tanh",
    direct: Annotated[bool, _setting("direct", "--direct/--no-direct")] = False,
    initial: Annotated[Initial, _setting("initial")] = "glorot",
    spectral_radius: Annotated[float | None, _setting("spectral_radius")] = None,
    input_scale: Annotated[float | None, _setting("input_scale")] = None,
    optimizer: Annotated[OptimizerName, _setting("optimizer")] = "bfgs",
    learning_rate: Annotated[float | None, _setting("learning_rate")] = None,
    epochs: Annotated[int | None, _setting("epochs")] = None,
    l1: Annotated[float, _setting("l1")] = 0.0,
    l2: Annotated[float, _setting("l2")] = 0.0,
    washout: Annotated[int, _setting("washout")] = 0,
    standardize: Annotated[bool, _setting("standardize", "--standardize/--no-standardize")] = True,
    dtype: Annotated[Dtype, _setting("dtype")] = "float64",
    seed: Annotated[int, _setting("seed")] = 0,
) -> None:
    """Train a network on a series and write it to a model file.

    Example: freerun fit mg.csv --split 1500 --hidden 15 --optimizer bfgs --l2 1e-4 -o mg.freerun

    On Ctrl-C, or when training diverges, the last good weights are written.
    """
    from freerun import plots
    from freerun.errors import TrainingDiverged
    from freerun.estimator import RNN, load

    console = Console(as_json, quiet)
    require_writable(output)
    require_picture(plot)
    parameters = {name: ctx.params[name] for name in Settings.model_fields}
    Settings.checked(**parameters)
    whole = read(series, column, time, missing)
    training, validation = (whole, None) if split is None else whole.split(split)
    rnn = RNN(**parameters) if warm_start is None else load(warm_start).set_params(**parameters)
    failure: TrainingDiverged | KeyboardInterrupt | None = None
    with console.progress() as progress:
        try:
            rnn.fit(training, validation, warm_start=warm_start is not None, progress=progress)
        except (TrainingDiverged, KeyboardInterrupt) as error:
            failure = error
    rnn.save(output)
    history = rnn.history_
    if plot is not None:
        plots.save(plots.losses(history, f"Training on {series.name}"), plot)
    results = {
        "training_mse": history.training_mse[-1],
        "validation_mse": history.validation_mse[-1] if history.validation_mse else None,
        "epochs": history.epochs[-1],
        "stopped": history.stopped,
        "seconds": round(history.seconds, 3),
        "model": str(output),
    }
    console.result(
        results,
        {
            "training MSE": results["training_mse"],
            "validation MSE": results["validation_mse"],
            "epochs": results["epochs"],
            "stopped because": results["stopped"],
            "seconds": results["seconds"],
            "model file": results["model"],
        },
    )
    if isinstance(failure, TrainingDiverged):
        raise failure
    if failure is not None:
        console.note(f"interrupted; the weights reached are in {output}")
        raise typer.Exit(130)
