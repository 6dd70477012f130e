"""`freerun fit`: train a network on a series."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from freerun.arguments import percentages
from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    Plot,
    Quiet,
    Reading,
    SeriesFiles,
    numbers,
    read_training,
    reads_series,
    refuse_given,
    require_picture,
    require_writable,
    takes_settings,
)
from freerun.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from freerun.data.series import Series
    from freerun.data.stored import StoredSeries
    from freerun.errors import TrainingDiverged
    from freerun.estimator import RNN
    from freerun.reporting.recipe import Recipe
    from freerun.training.history import ProgressCallback


@reads_series
@takes_settings
def fit(
    series: SeriesFiles,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")],
    *,
    split: Annotated[
        int | None,
        typer.Option(help="Train on this many steps and validate on the rest. Default: train on all."),
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--no-resume",
            help="Resume from the checkpoint that an interrupted fit leaves beside the model file, or start from the "
            "beginning. Default: resume if there is a checkpoint.",
        ),
    ] = None,
    checkpoint_every: Annotated[
        float, typer.Option(min=0.0, help="Least number of seconds between two checkpoints.")
    ] = 10.0,
    warm_start: Annotated[Path | None, typer.Option(help="Model file whose weights training starts from.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="HTML page to write: forecast, backtest, residuals, what was read and chosen. Its backtest "
            "takes up to five more fits."
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(min=1, help="Steps that the report forecasts. Default: a season, or a tenth of the series."),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(help="Levels of the report's intervals in percent, separated by commas. Default: 80,95."),
    ] = None,
    reading: Reading = NO_OPTIONS,
    plot: Plot = None,
    as_json: Json = False,
    quiet: Quiet = False,
    settings: Settings,
) -> None:
    """Train a network on a series and write it to a model file.

    Parameters that are not given are chosen by free runs on the last part of the training series.

    --delays, --forcing-strength and --segment-lengths take one value (--delays 20),
    or several separated by commas (--delays 0,1,2,16,17).

    Example: freerun fit mg.csv --split 1500 -o mg.freerun

    Example: freerun fit air.csv -o air.freerun --report air.html

    On Ctrl-C, or when training diverges, the last good weights are written.
    The same command resumes a fit that was interrupted or killed, and its
    result is the same as without the interruption.
    """
    import freerun
    from freerun.data.stored import StoredSeries
    from freerun.errors import SettingError, TrainingDiverged
    from freerun.estimator import RNN, load
    from freerun.reporting.outlook import LEVELS

    console, began = Console(as_json, quiet), perf_counter()
    require_writable(output, report, read=series)
    require_picture(plot)
    parameters = settings.model_dump()
    if report is None:
        refuse_given(
            {"--horizon": horizon, "--levels": levels}, "applies to the report; add --report FILE, or leave it out"
        )
    shown = percentages("--levels", numbers("--levels", levels)) or LEVELS
    with console.noticed() as notes:
        training, validation = read_training(series, split, reading)
    several = isinstance(training, list) and len(training) > 1
    if report is not None and several:
        raise SettingError(f"--report shows one series, and {len(training)} are given; leave it out, or give one")
    _note_data(console, training, validation)
    known = settings.model
    rnn = RNN() if warm_start is None else load(warm_start, model=None if known is None else known.function)
    rnn.set_params(**parameters)
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    _prepare_checkpoint(console, checkpoint, resume)

    def train(progress: ProgressCallback) -> None:
        rnn.fit(
            training,
            validation,
            warm_start=warm_start is not None,
            progress=progress,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
        )

    failure = _train(console, rnn, train)
    rnn.save(output)
    if plot is not None:
        title = f"Training on {', '.join(path.name for path in series)}"
        freerun.plots.save(freerun.plots.losses(rnn.history_, title), plot)
    _print_result(console, rnn, output, perf_counter() - began)
    if report is not None and failure is None:
        only = training[0] if isinstance(training, list) else training
        with console.progress() as progress:
            freerun.report(
                rnn,
                only.ending() if isinstance(only, StoredSeries) else only,
                report,
                name=series[0].name,
                horizon=horizon,
                notes=notes,
                levels=shown,
                repeat=[
                    shlex.join(["freerun", *sys.argv[1:]]),
                    _recipe(series[0], reading, settings, horizon, shown).code,
                ],
                progress=progress,
            )
        console.note(f"report: {report}")
    if isinstance(failure, TrainingDiverged):
        raise failure
    if failure is not None:
        console.note(f"interrupted; the last weights are in {output}, and the same command resumes the fit")
        raise typer.Exit(130)


def _recipe(path: Path, reading: Reading, settings: Settings, horizon: int | None, levels: tuple[float, ...]) -> Recipe:
    """How a fit of one file, and its report, are repeated."""
    from freerun.reporting.recipe import Recipe

    given = settings.model_dump(exclude_defaults=True)
    return Recipe(str(path), reading.options, reading.inputs, given, horizon, levels)


def _note_data(console: Console, training: Series | StoredSeries | list[Series], validation: Series | None) -> None:
    """Print a note on data that is read in parts, or has missing values."""
    import numpy as np

    from freerun.data.stored import ENDING, StoredSeries

    if isinstance(training, StoredSeries):
        console.note(
            f"{training.path} is read in parts; parameters that are not given are chosen on its last {ENDING} steps"
        )
        return
    panel = training if isinstance(training, list) else [training]
    if validation:
        panel = [*panel, validation]
    missing = sum(int(np.isnan(series.values).sum()) for series in panel)
    if missing:
        console.note(
            f"{missing} values are missing: no error is counted there, and the network reads its own output instead"
        )


def _prepare_checkpoint(console: Console, checkpoint: Path, resume: bool | None) -> None:
    """Delete the checkpoint with `--no-resume`; otherwise note whether the fit resumes from it."""
    if checkpoint.exists():
        if resume is False:
            checkpoint.unlink()
        else:
            console.note(f"resuming from {checkpoint}")
    elif resume:
        console.note(f"{checkpoint} does not exist; training starts from the beginning")


def _train(
    console: Console, rnn: RNN, train: Callable[[ProgressCallback], None]
) -> TrainingDiverged | KeyboardInterrupt | None:
    """Train and show the progress.

    Returns:
        What ended training early, if weights were reached before it; None for a complete fit.

    Raises:
        TrainingDiverged, KeyboardInterrupt: before there were any new weights.
    """
    from freerun.errors import TrainingDiverged

    before = getattr(rnn, "model_", None)
    with console.progress() as progress:
        try:
            train(progress)
        except (TrainingDiverged, KeyboardInterrupt) as error:
            if not hasattr(rnn, "model_") or rnn.model_ is before:
                raise
            return error
    return None


def _print_result(console: Console, rnn: RNN, output: Path, seconds: float) -> None:
    """Print the losses, the settings and the files of a fit that took `seconds`."""
    from freerun.forecasting.words import network_in_words

    best, history = rnn.model_.best.settings, rnn.history_
    results = {
        "training_mse": history.training_mse[-1],
        "validation_mse": history.validation_mse[-1] if history.validation_mse else None,
        "epochs": history.epochs[-1],
        "stopped": history.stopped,
        "seconds": round(seconds, 3),
        "members": len(rnn.model_.members),
        "settings": best.model_dump(mode="json"),
        "model": str(output),
    }
    console.result(
        results,
        {
            "network": network_in_words(rnn.model_),
            "trained by": f"{best.optimizer}; {results['stopped']}",
            "training MSE": results["training_mse"],
            "validation MSE": results["validation_mse"],
            "seconds": results["seconds"],
            "model file": results["model"],
        },
    )
