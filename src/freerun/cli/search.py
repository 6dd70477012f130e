"""`freerun search`: hyperparameter search by free runs."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    Quiet,
    Reading,
    Scheduler,
    SeriesFiles,
    pairs,
    read,
    reads_series,
    require_one_engine,
    require_writable,
)


@reads_series
def search(
    series: SeriesFiles,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file of the winner.")],
    trials: Annotated[int, typer.Option(min=1, help="Total number of trials in the study.")] = 100,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0, help="Propose no more trials after this many seconds. Default: no limit."),
    ] = None,
    split: Annotated[
        int | None, typer.Option(help="Use only this many first steps of each series. Default: all.")
    ] = None,
    fixed: Annotated[
        list[str],
        typer.Option("--set", help="A setting of `freerun fit` that stays fixed, such as hidden=15. Repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    tried: Annotated[
        list[str],
        typer.Option(
            "--try",
            help="Search a parameter over a range, learning_rate=1e-4..1e-1, or values, cell=gru,lstm. Repeatable.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    study: Annotated[
        Path | None,
        typer.Option(help="SQLite file of the study. Default: the name of the model file, ending in .study.sqlite."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Database to keep the study in instead: postgresql://user:password@host/database."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the study in that database. Default: the name of the model file.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of processes on this machine. Default: one process on all cores if readouts are solved, one "
            "process per core if networks are trained.",
        ),
    ] = None,
    scheduler: Scheduler = None,
    folds: Annotated[
        int, typer.Option(min=1, help="Held-out parts of the series on which trained networks are scored.")
    ] = 2,
    generation: Annotated[
        int, typer.Option(min=1, help="Trials proposed together; give at least four per worker.")
    ] = 16,
    report: Annotated[Path | None, typer.Option(help="HTML file of a report on the search.")] = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for the settings whose free runs are best on parts of the
    series that the network was not fitted to.

    The same command again resumes an interrupted search. Run on several machines with the same
    --storage, it shares one study among them. The winner is fitted to the whole series.

    Example: freerun search mg.csv --split 1500 --trials 100 -o best.freerun --report search.html
    """
    from freerun.compute.cores import cores
    from freerun.errors import SettingError
    from freerun.search import search as find
    from freerun.search.report import fit_command, write_report
    from freerun.settings import Settings

    console, began = Console(as_json, quiet), perf_counter()
    require_writable(output, report, read=series)
    require_writable(study)
    if storage is None and name is not None:
        raise SettingError("--name is the name of a study in a database; give --storage too, or use --study for a file")
    if storage is not None and study is not None:
        raise SettingError("--study and --storage both say where the study is kept; give only one of them")
    require_one_engine(workers, scheduler)
    panel = [read(path, reading) for path in series]
    if split is not None:
        panel = [whole.split(split)[0] for whole in panel]
    settings = pairs("--set", fixed)
    if workers is None and scheduler is None and Settings.checked(**settings).method != "ridge":
        workers = min(cores(), generation)
    place = storage or str(study or output.with_suffix(".study.sqlite"))
    with console.search() as (watch, progress):
        try:
            found = find(
                panel,
                trials,
                time_limit=time_limit,
                settings=settings,
                space=pairs("--try", tried),
                storage=place,
                name=name or (output.stem if storage else "search"),
                folds=folds,
                generation=generation,
                workers=workers,
                scheduler=scheduler,
                watch=watch,
                progress=progress,
            )
        except KeyboardInterrupt:
            console.note("interrupted; finished trials are kept in the study, and the same command resumes it")
            raise typer.Exit(130) from None
    found.rnn.save(output)
    if report is not None:
        write_report(found, report, f"Search on {', '.join(path.name for path in series)}")
    stopped = int((~found.trials.finished).sum())
    seconds = round(perf_counter() - began, 3)
    results = {
        "error": found.best.error,
        "trials": len(found.trials),
        "stopped_early": stopped,
        "seconds": seconds,
        "settings": found.best.settings.model_dump(mode="json"),
        "importances": found.importances,
        "members": len(found.rnn.model_.members),
        "study": found.where,
        "model": str(output),
    }
    shares = sorted(found.importances.items(), key=lambda item: -item[1])
    table = {
        "error of free runs": found.best.error,
        "trials": f"{len(found.trials)}, {stopped} of them stopped early",
        "importance": ", ".join(f"{n} {100 * share:.0f} %" for n, share in shares) or "too few trials to tell",
        "command": fit_command(found.rnn.model_.best.settings),
        "seconds": seconds,
        "study": found.where,
        "model file": str(output),
    }
    console.result(results, table | ({} if report is None else {"report": str(report)}))
