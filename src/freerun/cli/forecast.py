"""`freerun forecast`: forecast the next steps of a model, a series or many series,
with prediction intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freerun.arguments import percentages, steps_or_times
from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    KnownFunction,
    Levels,
    Plot,
    Processes,
    Quiet,
    Reading,
    Refused,
    Scheduler,
    Set,
    SharedFile,
    Static,
    Times,
    TogetherOption,
    interruptible,
    is_model,
    known_function,
    left_of_many,
    numbers,
    open_data,
    pairs,
    read,
    read_opened,
    reads_series,
    refuse_given,
    require_any_done,
    require_file_for,
    require_one_engine,
    require_picture,
    require_writable,
    settings_of,
    times_of,
)

if TYPE_CHECKING:
    from freerun.data.series import Series
    from freerun.forecasting.forecast import Forecast
    from freerun.many.tables import LongTable

Steps = tuple[int | None, list[float] | list[str] | None]
"""The number of steps to forecast, or their times."""


@reads_series
def forecast(
    source: Annotated[
        Path,
        typer.Argument(
            help="Model file that `freerun fit` wrote; or data: one series, or many in long format.",
            show_default=False,
            metavar="MODEL|SERIES",
        ),
    ],
    horizon: Annotated[int | None, typer.Option("--horizon", "-n", min=1, help="Steps to forecast.")] = None,
    times: Times = None,
    levels: Levels = None,
    after: Annotated[
        Path | None, typer.Option(help="Of a model: series to continue. Default: the training series.")
    ] = None,
    given: Set = [],  # noqa: B006 - typer copies it
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File of the forecast: CSV, Parquet or JSON; of many series CSV or Parquet. Default: stdout.",
        ),
    ] = None,
    refused: Refused = None,
    workers: Processes = None,
    scheduler: Scheduler = None,
    together: TogetherOption = None,
    static: Static = [],  # noqa: B006 - the same
    shared_model: SharedFile = None,
    known: KnownFunction = None,
    plot: Plot = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Forecast the next steps, with intervals that hold the truth as often as their levels say.

    Intervals are computed from the errors of free runs on held-out parts of the training series.

    A model file is forecast as it is. Data are fitted first, as by `freerun fit`. A file
    holds many series if --id names a column, or if it has a column unique_id. Each of them
    is fitted and forecast. Where 30 or more have the same frequency and seasons, one
    readout for all of them forecasts beside each fit. A series that cannot be fitted is
    listed with the reason, and the others go on. The same command resumes a run that was
    interrupted or killed, if it has an --output.

    Example: freerun forecast air.freerun --horizon 24 --levels 80,95 --plot fan.png

    Example: freerun forecast sales.parquet --id unique_id --time ds
    --target y --horizon 18 -o forecasts.parquet
    """
    from freerun.files.writing import require_table_format

    steps_or_times("--horizon", horizon, times, "--times")
    require_picture(plot)
    wanted = percentages("--levels", numbers("--levels", levels))
    require_writable(output, refused, shared_model, read=(source, after))
    if output is not None:
        require_table_format(output)
    console = Console(as_json, quiet)
    of_many = {"--refused": refused, "--workers": workers, "--scheduler": scheduler}
    of_many |= {"--together": together, "--static": static, "--shared-model": shared_model}
    if is_model(source):
        why = f"applies to data, and {source} is a model, whose networks are trained; leave it out"
        refuse_given({"--set": given} | of_many, why)
        require_file_for(after, reading)
        found = _from_model(source, known, (horizon, times_of(times)), wanted, after, reading)
        _print_one(console, *found, wanted, output, plot)
        return
    refuse_given({"--after": after}, f"continues another series by a model, and {source} is none; leave it out")
    from freerun.many.tables import LongTable

    require_one_engine(workers, scheduler)
    settings = pairs("--set", given) | ({} if known is None else {"model": known})
    found = open_data(source, reading)
    if not isinstance(found, LongTable):
        refuse_given(of_many, f"applies to many series, and {source} holds one; name the column of the names (--id)")
        title = f"Forecast of {source.name}"
        series = read_opened(found, reading)
        ahead, before = _from_series(console, series, (horizon, times_of(times)), wanted, settings)
        _print_one(console, ahead, before, title, wanted, output, plot)
        return
    refuse_given(
        {"--times": times}, f"applies to irregular times of one series, and {source} holds many; give --horizon"
    )
    refuse_given({"--plot": plot}, f"shows one series, and {source} holds many; select one (--id COLUMN=NAME)")
    _forecast_many(
        console,
        found,
        reading,
        wanted,
        settings,
        horizon=horizon,
        output=output,
        refused=refused,
        workers=workers,
        scheduler=scheduler,
        together=together or "auto",
        static=static,
        shared=shared_model,
    )


def _from_model(
    path: Path, known: str | None, ahead: Steps, levels: tuple[float, ...], after: Path | None, reading: Reading
) -> tuple[Forecast, Series, str]:
    """Forecast by a model file; returns the forecast, the series before it, and a title."""
    from freerun.estimator import load
    from freerun.forecasting import intervals

    rnn = load(path, model=known_function(known))
    before = rnn.model_.recent if after is None else rnn.model_.matched(read(after, reading))
    title = f"Forecast of {path.name} after {'its training series' if after is None else after.name}"
    horizon, times = ahead
    found = intervals.forecast(rnn.model_, horizon, levels, None if after is None else before, None, times)
    return found, before, title


def _from_series(
    console: Console, series: Any, ahead: Steps, levels: tuple[float, ...], settings: dict[str, Any]
) -> tuple[Forecast, Series]:
    """Fit and forecast one series; returns the forecast and the end of the series."""
    from freerun.estimator import RNN
    from freerun.forecasting import intervals

    rnn = RNN(**settings_of(**settings).model_dump())
    with interruptible(console, "nothing was forecast"), console.progress() as progress:
        rnn.fit(series, progress=progress)
    horizon, times = ahead
    return intervals.forecast(rnn.model_, horizon, levels, None, None, times), rnn.model_.recent


def _print_one(
    console: Console,
    found: Forecast,
    before: Series,
    title: str,
    levels: tuple[float, ...],
    output: Path | None,
    plot: Path | None,
) -> None:
    """Write and print the forecast of one series."""
    import freerun
    from freerun.files.writing import write_table

    table = found.to_frame()
    if output is not None:
        write_table(table.reset_index(allow_duplicates=True), output)
    if plot is not None:
        freerun.plots.save(freerun.plots.forecast(found, before, levels, title=title), plot)
    if console.as_json:
        columns = {name: table[name].tolist() for name in table.columns}
        console.result({"horizon": len(table), "times": [str(stamp) for stamp in table.index], **columns})
    elif output is None and plot is None:
        print(table.to_csv(), end="")
    else:
        console.note(f"{len(table)} steps forecast: {', '.join(str(p) for p in (output, plot) if p is not None)}")


def _forecast_many(
    console: Console,
    table: LongTable,
    reading: Reading,
    levels: tuple[float, ...],
    settings: dict[str, Any],
    **given: Any,
) -> None:
    """Forecast many series, and print the forecasts or a summary."""
    from freerun.many import forecast_many

    with interruptible(console, left_of_many(given["output"])), console.progress() as progress:
        found = forecast_many(table, levels=levels, progress=progress, **reading.of_many, **given, **settings)
    require_any_done(found.summary, "forecast")
    if found.output is None:
        forecasts = found.forecasts
        more = {"forecasts": {name: [_plain(cell) for cell in forecasts[name]] for name in forecasts}}
        if not console.as_json:
            print(forecasts.to_csv(index=False), end="")
        console.summary(found, "forecast", more)
    else:
        console.summary(found, "forecast")


def _plain(cell: Any) -> Any:
    """A cell as JSON has it: times become text."""
    return cell if isinstance(cell, int | float | str) else str(cell)
