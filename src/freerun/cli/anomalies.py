"""`freerun anomalies`: readings of a series that a network did not expect."""

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
    Plot,
    Quiet,
    Reading,
    Set,
    interruptible,
    is_model,
    known_function,
    pairs,
    read,
    reads_series,
    refuse_given,
    require_picture,
    require_writable,
    settings_of,
)

if TYPE_CHECKING:
    from freerun.data.series import Series
    from freerun.forecasting.anomalies import Anomalies
    from freerun.training.history import ProgressCallback


@reads_series
def anomalies(
    source: Annotated[
        Path,
        typer.Argument(
            help="Model file that `freerun fit` wrote; or the series itself.",
            show_default=False,
            metavar="MODEL|SERIES",
        ),
    ],
    series: Annotated[
        Path | None,
        typer.Argument(help="Of a model: the series.", show_default=False, metavar="SERIES"),
    ] = None,
    false_alarms: Annotated[
        str,
        typer.Option(
            help="Share of normal steps that are flagged, such as 0.001; or false alarms in a span of time: 1/D, 2/7D."
        ),
    ] = "0.001",
    start: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, help="First step that is compared. Without a model, the steps before are learned."
        ),
    ] = None,
    given: Set = [],  # noqa: B006 - typer copies it
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File of the intervals: CSV, Parquet or JSON.")
    ] = None,
    p_values: Annotated[
        Path | None, typer.Option("--p-values", help="File of the p-values of all steps: CSV, Parquet, npy or npz.")
    ] = None,
    known: KnownFunction = None,
    plot: Plot = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find readings that a network did not expect, and the intervals of time in which they lie.

    A p-value says how rarely errors as large occurred on parts of the training
    series that were left out of the fit. Readings with small p-values are
    flagged, and the network does not read them.

    With a model file, its networks forecast the series. Without one, each half of the series is
    compared with forecasts of networks that learned the other half; with --from, the steps from
    there on with forecasts of networks that learned the steps before.

    Example: freerun anomalies pump.freerun today.csv --false-alarms 1/D --plot today.png

    Example: freerun anomalies pump.csv -o intervals.csv
    """
    import freerun
    from freerun.files.writing import require_table_format

    require_picture(plot)
    require_writable(output, p_values, read=(source, series))
    if output is not None:
        require_table_format(output)
    console = Console(as_json, quiet)
    with interruptible(console, "nothing was found"), console.progress() as progress:
        if is_model(source):
            why = f"applies to data, and {source} is a model, whose networks are trained; leave it out"
            refuse_given({"--set": given}, why)
            found = _by_model(source, known, series, reading, false_alarms, start, progress)
        else:
            _refuse_second(source, series)
            settings = pairs("--set", given) | ({} if known is None else {"model": known})
            found = _by_itself(read(source, reading), settings, false_alarms, start, progress)
    if output is not None:
        found.write(output)
    if p_values is not None:
        found.p_values().write(p_values)
    if plot is not None:
        title = f"Anomalies of {(series or source).name}"
        freerun.plots.save(freerun.plots.anomalies(found, title), plot)
    _print(console, found, {"output": output, "p_values": p_values, "plot": plot})


def _by_model(
    path: Path,
    known: str | None,
    series: Path | None,
    reading: Reading,
    false_alarms: str,
    start: int | None,
    progress: ProgressCallback,
) -> Anomalies:
    """Compare a series with the forecasts of a model file."""
    from freerun.errors import SettingError
    from freerun.estimator import load

    if series is None:
        raise SettingError(f"{path} is a model; give the series to compare as well: freerun anomalies {path} SERIES")
    rnn = load(path, model=known_function(known))
    return rnn.anomalies(read(series, reading), false_alarms=false_alarms, start=start or 0, progress=progress)


def _refuse_second(source: Path, series: Path | None) -> None:
    from freerun.errors import SettingError

    if series is not None:
        raise SettingError(
            f"{source} is no model file, so that {series} cannot be compared with it; fit one "
            f"(freerun fit {source} -o model.freerun), then freerun anomalies model.freerun {series}"
        )


def _by_itself(
    series: Series, settings: dict[str, str], false_alarms: str, start: int | None, progress: ProgressCallback
) -> Anomalies:
    """Compare a series with the forecasts of networks that learn a part of it."""
    from freerun.estimator import RNN

    rnn = RNN(**settings_of(**settings).model_dump())
    if start is None:
        return rnn.anomalies(series, false_alarms=false_alarms, crossfit=True, progress=progress)
    rnn.fit(series.split(start)[0], progress=progress)
    return rnn.anomalies(series, false_alarms=false_alarms, start=start, progress=progress)


def _print(console: Console, found: Anomalies, files: dict[str, Path | None]) -> None:
    """Print the intervals, and how many steps were compared."""
    flagged, compared = int(found.flagged.sum()), found.compared
    written = {name: None if path is None else str(path) for name, path in files.items()}
    rows = [
        asdict(one) | {name: str(getattr(one, name)) for name in ("start", "end", "peak")} for one in found.intervals
    ]
    if console.as_json:
        counts = {"steps": len(found.p), "compared": compared, "flagged": flagged, "false_alarms": found.rate}
        console.result(counts | {"intervals": rows} | written)
        return
    columns = ["start", "end", "steps", "score", "channel", "peak", "expected", "observed"]
    if rows and files["output"] is None:
        console.table(columns, [[row[name] for name in columns] for row in rows])
    console.note(
        f"{len(rows)} intervals; {flagged} of {compared} steps flagged, where {found.rate * compared:.2g} would be "
        f"if all were normal"
    )
    if any(written.values()):
        console.note(f"written: {', '.join(path for path in written.values() if path is not None)}")
