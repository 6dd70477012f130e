"""`freerun evaluate`: how good the one-step predictions and the free runs are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    Column,
    Json,
    MissingValues,
    ModelFile,
    Plot,
    Quiet,
    SeriesFile,
    TimeColumn,
    read,
    require_picture,
)


def evaluate(
    model: ModelFile,
    series: SeriesFile,
    start: Annotated[
        int | None,
        typer.Option("--from", help="First step to score. Default: where the training series ended, if it is in here."),
    ] = None,
    plot: Plot = None,
    column: Column = [],  # noqa: B006 - typer copies it
    time: TimeColumn = None,
    missing: MissingValues = "error",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score one-step predictions and free runs on the steps of a series from `--from` on.

    The network reads the steps before `--from`, then runs free against what really followed.

    Example: freerun evaluate mg.freerun mg.csv --from 1500 --json
    """
    from freerun import forecasting, plots
    from freerun.errors import SettingError
    from freerun.estimator import load

    require_picture(plot)
    rnn, observed = load(model), read(series, column, time, missing)
    if start is None:
        start = rnn.model_.boundary_in(observed)
        if start is None:
            raise SettingError(f"{series} does not begin with the training series; say where to start with --from")
    scores, run = forecasting.evaluate(rnn.model_, observed, start)
    if plot is not None:
        before, truth = observed.split(start)
        plots.save(plots.free_run(run, before, truth, scores.vpt, f"Free run of {model.name} on {series.name}"), plot)
    held = f"{scores.vpt} steps" if scores.vpt < scores.steps else f"{scores.vpt} steps (all there were)"
    Console(as_json, quiet).result(
        asdict(scores),
        {
            "steps scored": f"{scores.start} to {scores.start + scores.steps - 1}",
            "one-step MSE": scores.one_step_mse,
            f"NRMSE84 ({scores.nrmse84_starts} runs)": scores.nrmse84,
            "valid prediction time": held,
            "sMAPE of the free run": scores.smape,
        },
    )
