"""`freerun fit`: train a network on a series."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

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
)
from freerun.settings import (
    CellName,
    Device,
    Dtype,
    ForcingName,
    Initial,
    Nonlinearity,
    OptimizerName,
    ScheduleName,
    Settings,
)

if TYPE_CHECKING:
    from freerun.estimator import RNN


def _setting(name: str, *flags: str) -> Any:
    return typer.Option(*flags, help=Settings.model_fields[name].description, rich_help_panel="Network and training")


@reads_series
def fit(
    ctx: typer.Context,
    series: SeriesFiles,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")],
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
    hidden: Annotated[int | None, _setting("hidden")] = None,
    cell: Annotated[CellName | None, _setting("cell")] = None,
    layers: Annotated[int, _setting("layers")] = 1,
    latent: Annotated[int | None, _setting("latent")] = None,
    nonlinearity: Annotated[Nonlinearity, _setting("nonlinearity")] = "tanh",
    leak: Annotated[float | None, _setting("leak")] = None,
    delays: Annotated[str | None, _setting("delays")] = None,
    difference: Annotated[str | None, _setting("difference")] = None,
    detrend: Annotated[bool, _setting("detrend", "--detrend/--no-detrend")] = False,
    log: Annotated[bool, _setting("log", "--log/--no-log")] = False,
    direct: Annotated[bool, _setting("direct", "--direct/--no-direct")] = True,
    initial: Annotated[Initial | None, _setting("initial")] = None,
    spectral_radius: Annotated[float | None, _setting("spectral_radius")] = None,
    input_scale: Annotated[float | None, _setting("input_scale")] = None,
    bias_scale: Annotated[float | None, _setting("bias_scale")] = None,
    optimizer: Annotated[OptimizerName | None, _setting("optimizer")] = None,
    epochs: Annotated[int | None, _setting("epochs")] = None,
    learning_rate: Annotated[float | None, _setting("learning_rate")] = None,
    schedule: Annotated[ScheduleName | None, _setting("schedule")] = None,
    window: Annotated[int | None, _setting("window")] = None,
    batch: Annotated[int | None, _setting("batch")] = None,
    stateful: Annotated[bool, _setting("stateful", "--stateful/--no-stateful")] = False,
    forcing: Annotated[ForcingName | None, _setting("forcing")] = None,
    forcing_strength: Annotated[str | None, _setting("forcing_strength")] = None,
    forcing_interval: Annotated[int | None, _setting("forcing_interval")] = None,
    segment_lengths: Annotated[str | None, _setting("segment_lengths")] = None,
    l1: Annotated[float, _setting("l1")] = 0.0,
    l2: Annotated[float | None, _setting("l2")] = None,
    weight_noise: Annotated[float, _setting("weight_noise")] = 0.0,
    input_noise: Annotated[float | None, _setting("input_noise")] = None,
    washout: Annotated[int | None, _setting("washout")] = None,
    restarts: Annotated[int | None, _setting("restarts")] = None,
    holdout: Annotated[float | None, _setting("holdout")] = None,
    members: Annotated[int | None, _setting("members")] = None,
    standardize: Annotated[bool, _setting("standardize", "--standardize/--no-standardize")] = True,
    dtype: Annotated[Dtype, _setting("dtype")] = "float64",
    device: Annotated[Device, _setting("device")] = "auto",
    parallel: Annotated[bool | None, _setting("parallel", "--parallel/--no-parallel")] = None,
    seed: Annotated[int, _setting("seed")] = 0,
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
    parameters = Settings.checked(**{name: ctx.params[name] for name in Settings.model_fields}).model_dump()
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
