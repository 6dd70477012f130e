"""Tasks: a forecast, or a backtest, of one series and of a chunk of them.

A series is fitted as `RNN.fit` fits it, on one core.
An error of a series is the reason of its refusal; the other series go on.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from freerun.backtest import backtest
from freerun.compute.cores import limit_cores, one_thread_each
from freerun.data.rows import ReadOptions
from freerun.data.series import Series
from freerun.errors import FreerunError, SeriesError, SettingError
from freerun.files.provenance import versions
from freerun.fitting import fit
from freerun.forecasting import intervals
from freerun.forecasting.forecast import Forecast, bound_names
from freerun.forecasting.model import Model
from freerun.many.chunks import Chunk
from freerun.many.columns import Clock, Columns
from freerun.many.reports import Report
from freerun.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "unknown"
"""Name of a step without a pandas frequency."""

Output = TypeVar("Output")

Covariates = Mapping[str, float | str]
"""Static covariates of a series by the names of their columns: numbers, or categories as text."""


@dataclass(frozen=True)
class Task(ABC, Generic[Output]):
    """A task for each series of a table. A new kind of task defines `run` and `table`.

    Attributes:
        settings: settings of the networks.
        columns: the columns of the table.
        options: how its rows are read.
        horizon: number of steps of a forecast.
        levels: levels of the intervals, in percent.
    """

    settings: Settings
    columns: Columns
    options: ReadOptions
    horizon: int
    levels: tuple[float, ...]

    @abstractmethod
    def run(self, series: Series, static: Covariates | SeriesError) -> tuple[Output, str]:
        """Compute the result of one series.

        Args:
            series: the series.
            static: its static covariates, or why they cannot be read.

        Returns:
            The result, and the name of the method.

        Raises:
            FreerunError: the series is refused.
        """

    @abstractmethod
    def table(self, names: Sequence[object], found: Sequence[Output]) -> pd.DataFrame:
        """Make a table in long format from the results of the named series, at least one."""

    @property
    def cost(self) -> int:
        """Number of fits of a series."""
        return 1

    @property
    def key(self) -> str:
        """A hash of all that the results depend on beside the data."""
        said = {"task": type(self).__name__, **asdict(self), "settings": self.settings.model_dump()}
        return hashlib.sha256(json.dumps([said, versions("numpy")], default=str, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class ForecastTask(Task[Forecast]):
    """A forecast with prediction intervals, as by `RNN.fit` and `RNN.forecast`."""

    def __post_init__(self) -> None:
        columns = self.columns
        bounds = [name for level in self.levels for name in bound_names(columns.targets, level)]
        given = [columns.id, columns.time, *columns.targets]
        twice = next((name for name in (*bounds, columns.time) if (*given, *bounds).count(name) > 1), None)
        if twice is not None:
            raise SettingError(f"two columns of the forecasts would have the name {twice!r}; rename that column")

    def run(self, series: Series, static: Covariates | SeriesError) -> tuple[Forecast, str]:
        """See `Task.run`."""
        del static
        _, forecast, method = self.fit_and_forecast(series)
        return forecast, method

    def fit_and_forecast(self, series: Series) -> tuple[Model, Forecast, str]:
        """Fit a series.

        Returns:
            The model, its forecast, and the name of the method.

        Raises:
            FreerunError: the series is refused.
        """
        found = fit(self.settings, series)
        if found.failure is not None:
            raise found.failure
        forecast = intervals.forecast(found.model, self.horizon, self.levels, None, None)
        return found.model, forecast, method_of(found.model)

    def table(self, names: Sequence[object], found: Sequence[Forecast]) -> pd.DataFrame:
        """Make a table with a row for each step: the name of the series, the time,
        the columns of `RNN.forecast`."""
        import pandas as pd

        tables = [one.to_frame() for one in found]
        index = tables[0].index.append([one.index for one in tables[1:]]) if len(tables) > 1 else tables[0].index
        values = np.concatenate([one.to_numpy() for one in tables])
        table = pd.DataFrame(values, columns=tables[0].columns)
        table.insert(0, self.columns.id, pd.Series(names).repeat(self.horizon).to_numpy())
        table.insert(1, self.columns.time, _to_unit(index, self.columns.clock))
        return table


@dataclass(frozen=True)
class BacktestTask(Task["pd.DataFrame"]):
    """A backtest, as by `RNN.backtest`.

    Attributes:
        folds, stride, sliding, refit, baselines: see `freerun.RNN.backtest`.
    """

    folds: int
    stride: int | None
    sliding: int | None
    refit: bool
    baselines: bool

    def run(self, series: Series, static: Covariates | SeriesError) -> tuple[pd.DataFrame, str]:
        """See `Task.run`."""
        del static
        found = backtest(
            self.settings,
            series,
            self.horizon,
            self.folds,
            self.stride,
            self.sliding,
            self.refit,
            self.levels,
            self.baselines,
        )
        table = found.table().reset_index()
        table.insert(1, "season", found.season)
        return table, ""

    def table(self, names: Sequence[object], found: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Make a table with a row for each series and method: the columns of `Backtest.table`,
        and the season."""
        import pandas as pd

        table = pd.concat(found, ignore_index=True)
        table.insert(0, self.columns.id, pd.Series(names).repeat([len(one) for one in found]).to_numpy())
        return table

    @property
    def cost(self) -> int:
        """Number of fits of a series."""
        return self.folds if self.refit else 1


def method_of(model: Model) -> str:
    """Name the method of a model: exponential smoothing, or the cell of its best network."""
    cell = model.best.settings.cell
    return "exponential smoothing" if cell == "smoothing" else f"{cell} network"


def run_chunk(work: tuple[Task[Any], Chunk]) -> tuple[pd.DataFrame | None, Report]:
    """Run a task for all series of a chunk.

    Args:
        work: the task and the chunk.

    Returns:
        The table of the results, None if all series were refused; and the report.

    Raises:
        KeyboardInterrupt: on Ctrl-C.
    """
    task, chunk = work
    names: list[object] = []
    found: list[Any] = []
    report = Report()
    began = time.perf_counter()
    with limit_cores(1), one_thread_each(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        several = chunk.series(task.columns, task.options)
        for (name, series), static in zip(several, chunk.static(task.columns), strict=True):
            report.series += 1
            try:
                if isinstance(series, FreerunError):
                    raise series
                result, method = task.run(series, static)
            except FreerunError as error:
                report.refused.append((name, str(error)))
                continue
            except Exception as error:  # one series does not end the work on thousands
                first = str(error).partition("\n")[0]
                report.refused.append((name, f"unexpected error ({type(error).__name__}: {first}); please report it"))
                continue
            names.append(name)
            found.append(result)
            report.methods.update([method] if method else [])
            report.steps[series.calendar.step or (UNKNOWN if series.times.dtype.kind == "M" else f"{series.dt:g}")] += 1
    for warning in caught:
        report.warnings.add(str(warning.message))
    report.seconds = time.perf_counter() - began
    return (task.table(names, found) if found else None), report


def _to_unit(index: pd.Index, clock: Clock) -> pd.Index:
    """Convert times to the unit of the table, in which all chunks agree."""
    import pandas as pd

    if isinstance(index, pd.DatetimeIndex):
        return index.as_unit(clock.unit)
    if clock.whole:
        values = np.asarray(index, float)
        return pd.Index(np.rint(values).astype(np.int64)) if (values % 1 == 0).all() else index
    return index
