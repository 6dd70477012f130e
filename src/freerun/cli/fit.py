"""`freerun fit`: train a network on a series."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    Plot,
    Quiet,
    Reading,
    SeriesFiles,
    read_training,
    reads_series,
    require_picture,
    require_writable,
    takes_settings,
)
from freerun.settings import Settings

if TYPE_CHECKING:
    from freerun.estimator import RNN


@reads_series
@takes_settings
def fit(
    series: SeriesFiles,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")],
    *,
    split: Annotated[
        int | None,
        typer.Option(help="Train on this many steps; the error on the rest is watched. Default: train on all."),
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--no-resume",
            help="Go on from the checkpoint that an interrupted fit leaves beside the model file, or begin anew. "
            "Default: go on, if it is there.",
        ),
    ] = None,
    checkpoint_every: Annotated[float, typer.Option(min=0.0, help="Seconds between two checkpoints at least.")] = 10.0,
    warm_start: Annotated[Path | None, typer.Option(help="Model file to go on from, instead of fresh weights.")] = None,
    reading: Reading = NO_OPTIONS,
    plot: Plot = None,
    as_json: Json = False,
    quiet: Quiet = False,
    settings: Settings,
) -> None:
    """Train a network on a series and write it to a model file.

    What is not said is chosen by free runs on the last part of the training series. --delays, --forcing-strength and
    --segment-lengths take one value or several with commas: --delays 20, --delays 0,1,2,16,17.

    Example: freerun fit mg.csv --split 1500 -o mg.freerun

    On Ctrl-C during training, or when it diverges, the last good weights are written. A fit that was interrupted, or
    killed, goes on where it was when the same command is given again, and ends as if it had not been.
    """
    import numpy as np

    import freerun
    from freerun.data.stored import ENDING, StoredSeries
    from freerun.errors import TrainingDiverged
    from freerun.estimator import RNN, load

    console, began = Console(as_json, quiet), perf_counter()
    require_writable(output)
    require_picture(plot)
    parameters = settings.model_dump()
    training, validation = read_training(series, split, reading)
    if isinstance(training, StoredSeries):
        console.note(f"{training.path} is read a part at a time; what is open is chosen by its last {ENDING} steps")
    else:
        panel = training if isinstance(training, list) else [training]
        missed = sum(int(np.isnan(one.values).sum()) for one in [*panel, *([validation] if validation else [])])
        if missed:
            console.note(
                f"{missed} values are missing: they do not count, and the network runs on its own output there"
            )
    rnn = RNN(**parameters) if warm_start is None else load(warm_start).set_params(**parameters)
    given = getattr(rnn, "model_", None)
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    if checkpoint.exists():
        if resume is False:
            checkpoint.unlink()
        else:
            console.note(f"going on from {checkpoint}")
    elif resume:
        console.note(f"there is no {checkpoint}: the fit begins anew")
    failure: TrainingDiverged | KeyboardInterrupt | None = None
    with console.progress() as progress:
        try:
            rnn.fit(
                training,
                validation,
                warm_start=warm_start is not None,
                progress=progress,
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
            )
        except (TrainingDiverged, KeyboardInterrupt) as error:
            if not hasattr(rnn, "model_") or rnn.model_ is given:
                raise
            failure = error
    rnn.save(output)
    if plot is not None:
        freerun.plots.save(
            freerun.plots.losses(rnn.history_, f"Training on {', '.join(path.name for path in series)}"), plot
        )
    _print(console, rnn, output, perf_counter() - began)
    if isinstance(failure, TrainingDiverged):
        raise failure
    if failure is not None:
        console.note(f"interrupted; the weights reached are in {output}, and the same command goes on from here")
        raise typer.Exit(130)


def _print(console: Console, rnn: RNN, output: Path, seconds: float) -> None:
    """What came of the fit."""
    from freerun.simple import name_of

    best, name, history = rnn.model_.best.settings, name_of(rnn.model_.best), rnn.history_
    results = {
        "training_mse": history.training_mse[-1],
        "validation_mse": history.validation_mse[-1] if history.validation_mse else None,
        "epochs": history.epochs[-1],
        "stopped": history.stopped,
        "seconds": round(seconds, 3),
        "members": len(rnn.model_.members),
        "simple": name,
        "settings": best.model_dump(),
        "model": str(output),
    }
    lags = ",".join(map(str, best.lags)) if len(best.lags) < 8 else f"{best.lags[0]},{best.lags[1]},...,{best.lags[-1]}"
    network = f"none; forecasts are {name}" if name else f"{best.cell}, {best.hidden} hidden units, reads lags {lags}"
    console.result(
        results,
        {
            "network": network,
            "trained by": f"{best.optimizer}; {results['stopped']}",
            "training MSE": results["training_mse"],
            "validation MSE": results["validation_mse"],
            "seconds": results["seconds"],
            "model file": results["model"],
        },
    )
