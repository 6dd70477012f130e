"""`forecast_many` and `backtest_many`: a forecast, or a backtest,
of each series of a table in long format."""

from __future__ import annotations

import time as clock
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from freerun.arguments import one_of, percentages, whole_number
from freerun.backtest import FOLDS
from freerun.data.rows import ReadOptions
from freerun.data.series import SeriesLike
from freerun.data.table import UNIQUE_ID
from freerun.errors import SeriesError, SeriesWarning, SettingError, warn
from freerun.files.writing import refuse_overwriting, require_folder
from freerun.many.columns import Columns, choose_columns, find_id
from freerun.many.parts import Parts, PartsInMemory, PartsOnDisk, require_format, write_tables
from freerun.many.reports import Report
from freerun.many.results import Forecasts, Results, Scores, Summary, refusals_table
from freerun.many.running import Run, solve_shared
from freerun.many.tables import LongTable, open_table
from freerun.many.tasks import BacktestTask, ForecastTask, Task
from freerun.many.together import SharedModel, TogetherTask, why_not_together
from freerun.settings import Missing, Settings, Together
from freerun.training.history import ProgressCallback

UNNAMED = "have no name of a series; fill in the column that names the series"
"""Why rows without the name of a series are refused."""

Kind = TypeVar("Kind", bound=Results)


def forecast_many(
    data: SeriesLike,
    horizon: int,
    *,
    id: str | None = None,  # noqa: A002 - what forecasters call it
    time: str | None = None,
    target: str | Sequence[str] = (),
    inputs: str | Sequence[str] = (),
    levels: float | Sequence[float] = (),
    missing: Missing = "mask",
    resample: str | None = None,
    zone: str | None = None,
    decimal: object = None,
    workers: int | None = None,
    scheduler: str | None = None,
    output: str | Path | None = None,
    refused: str | Path | None = None,
    progress: ProgressCallback | None = None,
    together: Together = "auto",
    static: str | Sequence[str] = (),
    shared: SharedModel | str | Path | None = None,
    **settings: Any,
) -> Forecasts:
    """Forecast each series of a table in long format.

    A series is fitted as by `RNN(**settings).fit(series)`. Where 30 series or more have the same
    frequency and seasons, one readout is solved on all of them, and forecasts each beside its own
    fit. A series that cannot be fitted is refused with the reason, and the others go on. Series may
    have steps of different lengths; each is forecast by `horizon` of its own.

    Args:
        data: a DataFrame of pandas, polars, Arrow or another library; the path of a file; or a
            folder of Parquet files. Parquet files are read in parts and may be larger than memory.
        horizon: number of steps to forecast.
        id: column that names the series; None means `unique_id`.
        time: column of the times; None means that it is found as `Series.of` finds it.
        target: columns to forecast; by default, all columns of numbers.
        inputs: columns of external inputs. The last rows of a series,
            in which only inputs have values, are future steps.
        levels: levels of the intervals, in percent.
        missing: see `Series.of`.
        resample: see `Series.of`.
        zone: see `Series.of`.
        decimal: see `Series.of`.
        workers: number of processes on this machine; None takes all cores, 1 this process.
        scheduler: address of a Dask scheduler whose workers are used instead,
            such as `tcp://host:8786`.
        output: Parquet or CSV file of the forecasts. Results are first written to a folder beside
            it, so that the same call resumes a run that was killed. None keeps them in memory.
        refused: Parquet or CSV file of the refusals. None means a CSV file beside `output`,
            if there are refusals.
        progress: called as series are finished.
        together: `local` forecasts each series by its own fit; `shared` by the shared readout
            alone, without a fit; `auto` by the weighted mean of both, 2 to 1. With `auto`, a series
            keeps the forecast of its own fit if fewer than 30 go with it, or if its fit chose a
            network in the place of smoothers. So do all series of tables with external inputs, and
            with settings of a network.
        static: columns of static covariates, which have one value for each series: numbers, or
            categories as text. The shared readout reads them.
        shared: the shared readouts of an earlier call, as they were returned
            (`Forecasts.shared`), or a file of them. A file that does not exist yet is
            written. None solves them on this table.
        **settings: parameters of `RNN`.

    Returns:
        The forecasts, the refusals and a summary. A `SeriesWarning` reports refusals.

    Raises:
        SeriesError: the table cannot be read, or has no such columns.
        SettingError: an argument is out of range, or series cannot be forecast together as asked.
        SearchError: no scheduler answers.
        OutputError: a result cannot be written.
        ModelFileError: `shared` is a file of something else.
        KeyboardInterrupt: on Ctrl-C. With `output`, it then holds the forecasts so far.
    """
    checked = Settings.checked(**settings)
    checked.refuse_model("forecast_many")
    horizon, asked = whole_number("horizon", horizon), percentages("levels", levels)
    covariates = (static,) if isinstance(static, str) else tuple(static)
    one_of("together", together, get_args(Together))
    known = shared if shared is None or isinstance(shared, SharedModel) else Path(shared)
    place = _RunOptions.checked(output, refused, workers, scheduler, data)
    reading = _CountedTable.checked(data, id, time, target, inputs, missing, resample, zone, decimal, covariates)
    plain = ForecastTask(checked, reading.columns, reading.options, horizon, asked)
    fault = why_not_together(checked, reading.columns, together)
    if fault and (together == "shared" or covariates or known is not None):
        raise SettingError(fault)
    parts = place.make_parts()
    if fault:
        return _run(Forecasts, plain, reading, place, parts, progress)
    task = TogetherTask(checked, reading.columns, reading.options, horizon, asked, alone=together == "shared")
    model = _find_shared_model(task, known, reading, place, parts, progress)
    found = _run(Forecasts, replace(task, shared=model), reading, place, parts, progress)
    return replace(found, shared=model)


def backtest_many(
    data: SeriesLike,
    horizon: int,
    *,
    id: str | None = None,  # noqa: A002 - the same
    time: str | None = None,
    target: str | Sequence[str] = (),
    inputs: str | Sequence[str] = (),
    folds: int = FOLDS,
    stride: int | None = None,
    sliding: int | None = None,
    refit: bool = True,
    levels: float | Sequence[float] = (80, 95),
    baselines: bool = True,
    missing: Missing = "mask",
    resample: str | None = None,
    zone: str | None = None,
    decimal: object = None,
    workers: int | None = None,
    scheduler: str | None = None,
    output: str | Path | None = None,
    refused: str | Path | None = None,
    progress: ProgressCallback | None = None,
    **settings: Any,
) -> Scores:
    """Backtest each series of a table in long format (rolling-origin evaluation).

    Args:
        data: see `forecast_many`.
        horizon: see `RNN.backtest`.
        id: see `forecast_many`.
        time: see `forecast_many`.
        target: see `forecast_many`.
        inputs: see `forecast_many`.
        folds: see `RNN.backtest`.
        stride: see `RNN.backtest`.
        sliding: see `RNN.backtest`.
        refit: see `RNN.backtest`.
        levels: see `RNN.backtest`.
        baselines: see `RNN.backtest`.
        missing: see `forecast_many`.
        resample: see `forecast_many`.
        zone: see `forecast_many`.
        decimal: see `forecast_many`.
        workers: see `forecast_many`.
        scheduler: see `forecast_many`.
        output: see `forecast_many`.
        refused: see `forecast_many`.
        progress: see `forecast_many`.
        **settings: see `forecast_many`.

    Returns:
        The scores of each series beside the baselines, their aggregate, the refusals and a summary.

    Raises:
        SeriesError, SettingError, SearchError, OutputError, KeyboardInterrupt: see `forecast_many`.
    """
    checked = Settings.checked(**settings)
    checked.refuse_model("backtest_many")
    horizon, asked = whole_number("horizon", horizon), percentages("levels", levels)
    for name, count in (("folds", folds), ("stride", stride), ("sliding", sliding)):
        if count is not None:
            whole_number(name, count)
    place = _RunOptions.checked(output, refused, workers, scheduler, data)
    reading = _CountedTable.checked(data, id, time, target, inputs, missing, resample, zone, decimal)
    task = BacktestTask(
        checked, reading.columns, reading.options, horizon, asked, folds, stride, sliding, refit, baselines
    )
    return _run(Scores, task, reading, place, place.make_parts(), progress)


def _find_shared_model(
    task: TogetherTask,
    known: SharedModel | Path | None,
    reading: _CountedTable,
    place: _RunOptions,
    parts: Parts,
    progress: ProgressCallback | None,
) -> SharedModel:
    """Return the shared readouts that are given, read them from a file,
    or solve them on the table."""
    if isinstance(known, SharedModel):
        return known
    if known is not None and known.exists():
        return SharedModel.load(known)
    if known is not None:
        require_folder(known)
    scratch = parts.folder if isinstance(parts, PartsOnDisk) else None
    model = solve_shared(task, reading.table, scratch, place.workers, place.scheduler, progress)
    if known is not None:
        model.save(known)
    return model


@dataclass(frozen=True)
class _CountedTable:
    """A table with its series counted.

    Attributes:
        table: the table.
        columns: its columns.
        options: how its rows are read.
        library: the package of the table's type.
    """

    table: LongTable
    columns: Columns
    options: ReadOptions
    library: str

    @classmethod
    def checked(
        cls,
        data: SeriesLike,
        id: str | None,  # noqa: A002 - the same
        time: str | None,
        target: str | Sequence[str],
        inputs: str | Sequence[str],
        missing: Missing,
        resample: str | None,
        zone: str | None,
        decimal: object,
        static: Sequence[str] = (),
    ) -> _CountedTable:
        """Open a table, choose its columns and count its series.

        Raises:
            SeriesError, SettingError: see `forecast_many`.
        """
        options = ReadOptions.checked(
            target, time=time, id=id, missing=missing, resample=resample, zone=zone, decimal=decimal
        )
        table = data if isinstance(data, LongTable) else open_table(data)
        found = find_id(list(table.head.columns), id)
        if found is None:
            raise SeriesError(
                f"the table has no column {UNIQUE_ID!r}; name the column that identifies the series (id=..., --id), or "
                "forecast a single series by RNN().fit(series).forecast(horizon)"
            )
        options = replace(options, id=found)
        names = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeriesWarning)  # they are counted when the series are read
            columns = choose_columns(table.head, options, names, static)
        table.count(columns, options)
        if not len(table.names):
            raise SeriesError(f"column {found!r} has no name of a series")
        table.names = _unify_names(table.names, found)
        return cls(table, columns, options, type(data).__module__.partition(".")[0])


@dataclass(frozen=True)
class _RunOptions:
    """The processes that compute a run, and the files of its results."""

    output: Path | None
    refused: Path | None
    workers: int | None
    scheduler: str | None

    @classmethod
    def checked(
        cls,
        output: str | Path | None,
        refused: str | Path | None,
        workers: int | None,
        scheduler: str | None,
        data: object,
    ) -> _RunOptions:
        """Check the arguments. `data` is what is read: a table, or its path.

        Raises:
            SettingError, OutputError: see `forecast_many`.
        """
        if scheduler is not None and workers is not None:
            raise SettingError("workers are processes of this machine, a scheduler has its own; give only one of them")
        if workers is not None:
            whole_number("workers", workers)
        target, beside = (None if path is None else Path(path) for path in (output, refused))
        for path in (target, beside):
            if path is not None:
                require_format(path)
                refuse_overwriting(path, [Path(data)] if isinstance(data, str | Path) else [])
        return cls(target, beside, workers, scheduler)

    def make_parts(self) -> Parts:
        """Make the store of the results of chunks.

        Raises:
            OutputError: the folder of the parts cannot be made.
        """
        return PartsInMemory() if self.output is None else PartsOnDisk(self.output)

    @property
    def refusals(self) -> Path | None:
        """The file of the refusals."""
        if self.refused is not None or self.output is None:
            return self.refused
        return self.output.with_name(f"{self.output.stem}.refused.csv")


def _run(
    kind: type[Kind],
    task: Task[Any],
    reading: _CountedTable,
    place: _RunOptions,
    parts: Parts,
    progress: ProgressCallback | None,
) -> Kind:
    """Run a task, and write its results.

    After Ctrl-C, the results so far are written. The parts then stay,
    and the same call continues the run.
    """
    began = clock.perf_counter()
    run = Run(task, reading.table, parts)
    try:
        run.complete(place.workers, place.scheduler, progress)
    except KeyboardInterrupt:
        _write(run, parts, reading, place)
        raise
    report = _write(run, parts, reading, place)
    if isinstance(parts, PartsOnDisk):
        if run.lost:
            warn(f"{run.lost} series were lost with their workers; the same call tries them again")
        else:
            parts.remove()
    summary = Summary.of(report, run.resumed, clock.perf_counter() - began)
    refusals = place.refusals if summary.refused or place.refused else None
    _warn_of_refusals(summary, refusals)
    output = place.output if summary.done else None
    return kind(summary, output, refusals, parts, report.refused, task.columns, reading.library)


def _write(run: Run, parts: Parts, reading: _CountedTable, place: _RunOptions) -> Report:
    """Write the results and the refusals so far, and return the report on them."""
    report = Report.sum(one for _, one in sorted(run.reports.items()))
    if reading.table.unnamed:
        report.series += 1
        report.refused.insert(0, (None, f"{reading.table.unnamed} rows {UNNAMED}"))
    if place.refusals is not None:
        if report.refused or place.refused is not None:
            write_tables(place.refusals, [refusals_table(reading.columns.id, report.refused)])
        else:  # the file is of another run
            place.refusals.unlink(missing_ok=True)
    if place.output is not None:
        write_tables(place.output, parts.tables())
    return report


def _warn_of_refusals(summary: Summary, refusals: Path | None) -> None:
    """Warn of refusals, and of series with different steps."""
    if summary.refused:
        warn(f"{summary.said}; all reasons are in {refusals or 'the table of refusals (.refused)'}")
    if len(summary.steps) > 1:
        shown = ", ".join(f"{count} of {step}" for step, count in list(summary.steps.items())[:4])
        warn(f"series have steps of different lengths ({shown}); the horizon counts those of each")


def _unify_names(names: Sequence[Any], column: str) -> list[int] | list[str]:
    """Convert names of series to integers or strings, all to the same type.

    Raises:
        SeriesError: two names are the same text, such as 7 and "7".
    """
    plain = [name.item() if hasattr(name, "item") else name for name in names]
    if all(isinstance(name, int) and not isinstance(name, bool) for name in plain):
        return plain
    texts = [str(name) for name in plain]
    if len(set(texts)) < len(texts):
        twice = next(text for number, text in enumerate(texts) if text in texts[:number])
        raise SeriesError(f"column {column!r} has the name {twice!r} as text and as a number; give names of one type")
    return texts
