"""`freerun evaluate`: score one-step predictions and free runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    make_folder,
    read,
    reads_series,
    require_picture,
)

if TYPE_CHECKING:
    from freerun.forecasting.evaluation import LongTerm


@reads_series
def evaluate(
    model: ModelFile,
    series: SeriesFile,
    start: Annotated[
        int | None,
        typer.Option(
            "--from", help="First step to score. Default: the end of the training series, if SERIES begins with it."
        ),
    ] = None,
    long_term: Annotated[
        bool,
        typer.Option(
            "--long-term",
            help="Also compare the statistics of a long run with those of the data: D_stsp, D_H, PE(20), Lyapunov "
            "exponents.",
        ),
    ] = False,
    known: KnownFunction = None,
    plot: Plot = None,
    plots_to: Annotated[
        Path | None,
        typer.Option(
            "--plots",
            help="Folder for pictures: free run and error growth; with --long-term also attractor, spectra and return "
            "map. Created if missing.",
        ),
    ] = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score one-step predictions and free runs on the steps of a series from `--from` on.

    The network reads the steps before `--from`. Its free run is
    then compared with the steps from there on.

    Example: freerun evaluate mg.freerun mg.csv --from 1500 --json
    """
    import freerun
    from freerun.errors import SettingError
    from freerun.estimator import load
    from freerun.forecasting import evaluation

    require_picture(plot)
    if plots_to is not None:
        make_folder(plots_to)
    rnn = load(model, model=known_function(known))
    observed = rnn.model_.matched(read(series, reading))
    if start is None:
        start = rnn.model_.boundary_in(observed)
        if start is None:
            ends = rnn.model_.learned_in(observed) == len(observed)
            fault = "has no step after the training series" if ends else "does not begin with the training series"
            raise SettingError(f"{series} {fault}; give the first step to score with --from")
    before, truth = observed.split(start)
    scores, run = evaluation.evaluate(rnn.model_, observed, start)
    results = asdict(scores)
    table: dict[str, object] = {}
    run_title = f"of {model.name} on {series.name}"
    for path in (plot, None if plots_to is None else plots_to / "free-run.png"):
        if path is not None:
            picture = freerun.plots.free_run(run, before, truth, scores.vpt, f"Free run {run_title}")
            freerun.plots.save(picture, path)
    if plots_to is not None:
        horizon = max(1, min(len(truth), max(2 * scores.vpt, 50)) * 2 // 3)
        growth = evaluation.error_growth(rnn.model_, observed, start, horizon)
        freerun.plots.save(
            freerun.plots.error_growth(growth, title=f"Growth of errors {run_title}"), plots_to / "error-growth.png"
        )
    if long_term:
        long, long_run = evaluation.evaluate_long_term(rnn.model_, observed, start, scores.vpt)
        results |= {"long_term": asdict(long)}
        table = _long_term_table(long)
        if plots_to is not None:
            for name, figure in (
                ("attractor", freerun.plots.attractor(truth, long_run, title=f"Attractor {run_title}")),
                ("spectra", freerun.plots.spectra(truth, long_run, f"Power spectra {run_title}")),
                ("return-map", freerun.plots.return_map(truth, long_run, f"Return map {run_title}")),
            ):
                freerun.plots.save(figure, plots_to / f"{name}.png")
    held = f"{scores.vpt} steps{scores.held}"
    Console(as_json, quiet).result(
        results,
        {
            "steps scored": f"{scores.start} to {scores.start + scores.steps - 1}",
            "one-step MSE": scores.one_step_mse,
            f"NRMSE84 ({scores.nrmse84_starts} runs)": scores.nrmse84,
            "valid prediction time": held,
            "sMAPE of the free run": scores.smape,
            **table,
        },
    )


def _long_term_table(long: LongTerm) -> dict[str, object]:
    """Format the long-term scores for people.

    The floor of a divergence is its value for the true steps before the start,
    in place of the generated ones.
    """
    spread = ", ".join(f"{exponent:.4g}" for exponent in long.lyapunov)
    return {
        "steps of the long run": long.steps,
        "D_stsp": f"{long.state_space_divergence:.3g} (floor {long.state_space_floor:.3g})",
        "D_H": f"{long.spectrum_distance:.3g} (floor {long.spectrum_floor:.3g})",
        "PE(20)": long.pe20,
        "Lyapunov exponents (1 / step)": spread,
        "VPT in Lyapunov times": long.vpt_lyapunov_times,
        "stayed in range": long.endured,
    }
