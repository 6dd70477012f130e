"""What runs over many series return: `Forecasts`, `Scores` and their `Summary`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.many.columns import Columns
from freerun.many.parts import Parts
from freerun.many.reports import Report
from freerun.many.together import SharedModel

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

REASON = "reason"
"""Column with the reason of a refusal."""


@dataclass(frozen=True)
class Summary:
    """What was done with the series of a table.

    Attributes:
        series: number of series.
        done: number of series with a result.
        resumed: number of series that another run had done.
        seconds: time, in seconds.
        methods: number of series by method, the commonest first; empty for backtests.
        steps: number of series by the time between two steps, as a pandas frequency.
        reasons: number of series by the reason of their refusal, the commonest first. Reasons that
            differ in numbers alone are counted together.
        warnings: number of warnings by their text, counted in the same way.
    """

    series: int
    done: int
    resumed: int
    seconds: float
    methods: dict[str, int]
    steps: dict[str, int]
    reasons: dict[str, int]
    warnings: dict[str, int]

    @classmethod
    def of(cls, report: Report, resumed: int, seconds: float) -> Summary:
        """Make a summary of a report.

        Args:
            report: the report on all series.
            resumed: number of series that another run had done.
            seconds: time of the run, in seconds.
        """
        methods, steps = dict(report.methods.most_common()), dict(report.steps.most_common())
        reasons, warnings = report.reasons(), report.warnings.commonest()
        return cls(report.series, report.done, resumed, seconds, methods, steps, reasons, warnings)

    @property
    def refused(self) -> int:
        """Number of series that were refused."""
        return self.series - self.done

    @property
    def said(self) -> str:
        """The refusals in a sentence, with the commonest reason; empty if there are none."""
        if not self.refused:
            return ""
        reason, count = next(iter(self.reasons.items()))
        many = f"{count} of them: " if count < self.refused else ""
        return f"{self.refused} of {self.series} series were refused ({many}{reason})"


@dataclass(frozen=True)
class Results:
    """The result of a run over many series.

    Attributes:
        summary: what was done.
        output: the file of the results; None if they are in memory.
        refused_output: the file of the refusals; None if none was written.
    """

    summary: Summary
    output: Path | None
    refused_output: Path | None
    _parts: Parts
    _refusals: Sequence[tuple[object, str]]
    _columns: Columns
    _library: str

    @cached_property
    def refused(self) -> Any:
        """The series that were refused: name and reason,
        in a table of the library that the data were given in."""
        return _of_library(self._library, refusals_table(self._columns.id, self._refusals))

    def _rows(self) -> pa.Table | None:
        """All rows of the result; None if there are none."""
        import pyarrow as pa
        from pyarrow.parquet import read_table

        if not self.summary.done:
            return None
        if self.output is None:
            return pa.concat_tables(self._parts.tables())
        return read_csv(self.output, self._columns) if self.output.suffix.lower() == ".csv" else read_table(self.output)


def refusals_table(name: str, refusals: Sequence[tuple[object, str]]) -> pa.Table:
    """Make a table of refusals.

    Args:
        name: name of the column of the series.
        refusals: the name of each series, None if it is missing, and the reason.
    """
    import pyarrow as pa

    names = [series for series, _ in refusals]
    whole = any(names) and all(isinstance(series, int) or series is None for series in names)
    return pa.table(
        {
            name: pa.array(names, pa.int64() if whole else pa.string()),
            REASON: pa.array([reason for _, reason in refusals], pa.string()),
        }
    )


def read_csv(path: Path, columns: Columns) -> pa.Table:
    """Read the results that were written to a CSV file."""
    import pandas as pd
    import pyarrow as pa

    names = pd.read_csv(path, nrows=0).columns
    dates = [columns.time] if columns.clock.kind == "date" and columns.time in names else []
    return pa.Table.from_pandas(pd.read_csv(path, parse_dates=dates), preserve_index=False)


@dataclass(frozen=True)
class Forecasts(Results):
    """The forecasts of many series.

    Attributes:
        summary: what was done.
        output: the file of the forecasts; None if they are in memory.
        refused_output: the file of the refusals; None if none was written.
        shared: the shared readouts; None if each series was forecast alone.
    """

    shared: SharedModel | None = None

    @cached_property
    def forecasts(self) -> Any:
        """The forecasts in long format, in a table of the library that
        the data were given in (pandas for a path).

        The columns are the name of the series, the time, and those of `RNN.forecast`: the point
        forecast under the name of the target, and the bounds, such as `y_low_80` and `y_high_80`.
        """
        import pyarrow as pa

        found = self._rows()
        if found is None:
            columns = self._columns
            found = pa.table({name: [] for name in (columns.id, columns.time, *columns.targets)})
        return _of_library(self._library, found)


@dataclass(frozen=True)
class Scores(Results):
    """The backtests of many series.

    Attributes:
        summary: what was done.
        output: the file of the scores; None if they are in memory.
        refused_output: the file of the refusals; None if none was written.
    """

    @cached_property
    def scores(self) -> Any:
        """The scores of each series and method, in a table of
        the library that the data were given in.

        The columns are the name of the series, `method`, `season`, and those of `Backtest.table`.
        """
        import pyarrow as pa

        found = self._rows()
        return _of_library(self._library, pa.table({self._columns.id: [], "method": []}) if found is None else found)

    def aggregate(self) -> pd.DataFrame:
        """Aggregate the scores over the series.

        Returns:
            One row per method, the lowest mean MASE first: the number of series, mean and median of
            MASE, mean of sMAPE and of the coverage of intervals, the share of series on which the
            method has the lowest MASE in percent, and seconds for all series. Series whose MASE is
            infinite, since they are constant before the first forecast, do not count.
        """
        import pandas as pd

        found = self._rows()
        if found is None:
            return pd.DataFrame(columns=["series", "mean MASE"])
        scores = found.to_pandas()
        scores = scores[np.isfinite(scores["MASE"])]
        best = scores.loc[scores.groupby(self._columns.id)["MASE"].idxmin(), "method"].value_counts()
        groups = scores.groupby("method")
        table = pd.DataFrame(
            {
                "series": groups.size(),
                "mean MASE": groups["MASE"].mean(),
                "median MASE": groups["MASE"].median(),
                "mean sMAPE": groups["sMAPE"].mean(),
                **{name: groups[name].mean() for name in scores.columns if name.startswith("coverage")},
            }
        )
        table["best on %"] = (100 * best / best.sum()).reindex(table.index).fillna(0.0)
        table["seconds"] = groups["seconds"].sum()
        return table.sort_values("mean MASE", kind="stable")


def _of_library(library: str, table: pa.Table) -> Any:
    """Convert a table to the library that the data were given in: polars, Arrow,
    or pandas for all others."""
    if library == "polars":
        import polars

        return polars.from_arrow(table)
    return table if library == "pyarrow" else table.to_pandas()
