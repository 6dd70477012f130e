"""`freerun backtest`: forecast error over past origins (rolling origin)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    KnownFunction,
    Plot,
    Processes,
    Quiet,
    Reading,
    Refused,
    Scheduler,
    SeriesFile,
    Set,
    interruptible,
    known_function,
    left_of_many,
    numbers,
    open_data,
    pairs,
    reads_series,
    refuse_given,
    require_any_done,
    require_one_engine,
    require_picture,
    require_writable,
    settings_of,
)

if TYPE_CHECKING:
    from freerun.data.series import Series
    from freerun.estimator import RNN
    from freerun.many.tables import LongTable


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
    given: Set = [],  # noqa: B006 - typer copies it
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Of many series: CSV or Parquet file of the scores of each.")
    ] = None,
    refused: Refused = None,
    workers: Processes = None,
    scheduler: Scheduler = None,
    known: KnownFunction = None,
    plot: Plot = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Forecast a series from several points of its past,
    each time without what came later (rolling origin).

    MASE is the mean absolute error divided by that of the seasonal naive forecast on the training
    part. Below 1, the network is the better of the two.

    A file holds many series if --id names a column, or if it has a column unique_id. Each is
    scored, and what is printed is the aggregate. A series that cannot be scored is listed with the
    reason, and the others go on.

    Example: freerun backtest air.csv --horizon 12 --folds 5 --plot errors.png

    Example: freerun backtest sales.parquet --id unique_id --horizon 18 -o scores.parquet
    """
    from freerun.data.series import Series
    from freerun.estimator import RNN, load
    from freerun.many.tables import LongTable

    require_picture(plot)
    require_writable(output, refused, read=(series, like))
    require_one_engine(workers, scheduler)
    function = known_function(known)
    rnn = RNN(model=function) if like is None else load(like, model=function)
    rnn.set_params(**settings_of(**pairs("--set", given)).model_dump(exclude_unset=True))
    found = open_data(series, reading)
    console = Console(as_json, quiet)
    wanted: dict[str, Any] = {
        "horizon": horizon,
        "folds": folds,
        "stride": stride,
        "sliding": sliding,
        "refit": refit,
        "levels": numbers("--levels", levels),
        "baselines": baselines,
    }
    of_many = {"output": output, "refused": refused, "workers": workers, "scheduler": scheduler}
    if isinstance(found, LongTable):
        refuse_given({"--plot": plot}, f"shows one series, and {series} holds many; select one (--id COLUMN=NAME)")
        _backtest_many(console, found, reading, wanted | of_many | rnn.get_params())
    else:
        options = {f"--{name}": value for name, value in of_many.items()}
        refuse_given(options, f"applies to many series, and {series} holds one; name the column of the names (--id)")
        observed = Series.from_options(found, reading.options, reading.inputs)
        _backtest_one(console, rnn, observed, series, wanted, plot)


def _backtest_one(
    console: Console, rnn: RNN, observed: Series, path: Path, wanted: dict[str, Any], plot: Path | None
) -> None:
    """Backtest one series, and print the scores."""
    import freerun

    with console.progress() as progress:
        result = rnn.backtest(observed, **wanted, progress=progress)
    if plot is not None:
        freerun.plots.save(freerun.plots.backtest(result, f"Backtest of {path.name}"), plot)
    table = result.table()
    rows = [
        [name, *row]
        for name, row in zip(table.index, table.astype(object).where(table.notna(), None).values, strict=True)
    ]
    if console.as_json:
        console.result(
            {
                "horizon": wanted["horizon"],
                "season": result.season,
                "origins": result.origins.tolist(),
                "methods": [dict(zip(["method", *table.columns], row, strict=True)) for row in rows],
                "by_horizon": result.by_horizon().to_dict("list"),
            }
        )
    console.table(["method", *table.columns], rows)
    console.note(f"{wanted['folds']} forecasts of {wanted['horizon']} steps; season of {result.season} steps")


def _backtest_many(console: Console, table: LongTable, reading: Reading, given: dict[str, Any]) -> None:
    """Backtest many series, and print the aggregate of their scores and a summary."""
    from freerun.many import backtest_many

    with interruptible(console, left_of_many(given["output"])), console.progress() as progress:
        found = backtest_many(table, progress=progress, **reading.of_many, **given)
    require_any_done(found.summary, "scored")
    aggregate = found.aggregate()
    rows = [
        [name, *row]
        for name, row in zip(
            aggregate.index, aggregate.astype(object).where(aggregate.notna(), None).values, strict=True
        )
    ]
    columns = ["method", *aggregate.columns]
    console.table(columns, rows)
    console.summary(found, "scored", {"methods": [dict(zip(columns, row, strict=True)) for row in rows]})
