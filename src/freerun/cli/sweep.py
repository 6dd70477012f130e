"""`freerun sweep`: fit and score a grid of series, settings and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from freerun.cli.console import Console
from freerun.cli.options import Json, Quiet, Scheduler, Workers, require_one_engine, require_writable


def sweep(
    spec: Annotated[Path, typer.Argument(help="TOML file that describes the sweep.", metavar="SPEC.toml")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Parquet file of the results. Default: SPEC.parquet.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit and score every combination of series, settings and seeds, and write one table.

    The same command again fits only what is missing from the table. Example of a SPEC.toml:

        train = 1500            # steps, or a share below 1
        test = 500              # steps of the free run that is scored
        seeds = 3

        [[series]]
        file = "data/*.csv"     # or: system = "mackey-glass"

        [settings]
        optimizer = "ridge"

        [grid]
        hidden = [100, 300, 1000]

    Example: freerun sweep spec.toml --workers 2
    """
    from freerun.search import sweep as run
    from freerun.search.spec import read_spec

    console = Console(as_json, quiet)
    require_one_engine(workers, scheduler)
    plan = read_spec(spec)
    target = output or spec.with_suffix(".parquet")
    require_writable(target)
    with console.progress() as progress:
        try:
            found = run(
                plan.load_series(spec.parent),
                target,
                train=plan.train,
                test=plan.test,
                settings=plan.settings,
                grid=plan.grid,
                seeds=plan.seeds,
                ensembles=plan.ensembles,
                workers=workers,
                scheduler=scheduler,
                progress=progress,
            )
        except KeyboardInterrupt:
            console.note(f"interrupted; finished fits are kept in {target}, and the same command resumes the sweep")
            raise typer.Exit(130) from None
    failed = int((found.failure != "").sum())
    measures = [name for name in ("nrmse84", "vpt", "smape", "seconds") if name in found]
    groups = found.groupby(list(plan.grid), sort=False) if plan.grid else [((), found)]
    rows = [
        [*cast("tuple[object, ...]", name), len(rows), *(rows[m].median() for m in measures)] for name, rows in groups
    ]
    console.table([*plan.grid, "fits", *(f"median {measure}" for measure in measures)], rows)
    console.result({"fits": len(found), "failed": failed, "table": str(target)})
