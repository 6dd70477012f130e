"""Many series at once: a forecast, or a backtest, of each series of a table in long format.

In: a table with a column that names the series, in memory or in Parquet files that are read in
parts. Out: a table in long format, a table of the series that were refused, and a summary. How one
series is fitted does not belong here.

columns    chooses the columns of the series, the times, the targets and the external inputs
tables     the series of a table in memory, in a file, or in Parquet files larger than memory
chunks     consecutive series that are sent to a worker together, and their conversion to `Series`
tasks      a forecast or a backtest of one series, and of a chunk of them
states     what a shared readout reads: states of the smoothers of a series, and its last changes
shared     one readout for many series: sums over their steps, the solution, forecasts
together   forecasts of each series by shared readouts, beside its own fit or alone; their file
reports    counts series, refusals, methods and warnings
parts      keeps the results of chunks, on disk so that a run can be resumed, and joins them
running    runs all chunks, in this process, in several, or on Dask
results    what a run returns: forecasts or scores, refusals, a summary
calls      `forecast_many` and `backtest_many`
"""

from freerun.many.calls import backtest_many, forecast_many
from freerun.many.results import Forecasts, Scores, Summary
from freerun.many.together import SharedModel

__all__ = ["Forecasts", "Scores", "SharedModel", "Summary", "backtest_many", "forecast_many"]
