"""Makes one forecast in a separate process: `python -m freerun.studio.forecast.worker FOLDER`.

The folder holds `job.json` with the request, and the table. For each series the process makes a
folder, by the place of the series in the request: `view.json` for the page as soon as the numbers
are there, then model, table, picture and report. `progress.json` says how far it is. Ctrl-C stops
it; series that are finished are kept.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from freerun import plots
from freerun.data.io import read_table
from freerun.data.seasons import seasons_of
from freerun.data.series import Series
from freerun.errors import FreerunError, SeriesWarning, SettingError
from freerun.estimator import RNN
from freerun.files.writing import JSON, replacing
from freerun.reporting.fit import report_of
from freerun.reporting.outlook import Outlook, default_horizon, outlook_of
from freerun.reporting.recipe import Recipe
from freerun.studio.forecast.store import Request, table_in
from freerun.studio.forecast.view import view_of
from freerun.studio.reading import read_series
from freerun.studio.records import read_note, write_note
from freerun.training.history import Progress

INTERVAL = 0.25
"""Least seconds between two updates of `progress.json`."""


class Reporter:
    """Progress callback that writes `progress.json`.

    Args:
        folder: folder of the forecast.
        request: what was asked.
    """

    def __init__(self, folder: Path, request: Request) -> None:
        self._folder, self._request = folder, request
        self._place, self._written = 0, 0.0

    def begin(self, place: int) -> None:
        """Begin with a series."""
        self._place = place
        self._write({"task": "reading", "done": 0, "total": 1, "pace": ""})

    def __call__(self, progress: Progress) -> None:
        """Write the progress if the interval is over."""
        if time.monotonic() - self._written >= INTERVAL or progress.done == progress.total:
            about = {"task": progress.task, "done": progress.done, "total": progress.total, "pace": progress.pace}
            self._write(about)

    def _write(self, about: JSON) -> None:
        self._written = time.monotonic()
        series = {"place": self._place, "of": len(self._request.series), "series": self._request.series[self._place]}
        write_note(self._folder, "progress", about | series)


def forecast(folder: Path) -> None:
    """Make the forecast of a folder, and write how it ended.

    Raises:
        FreerunError: the file cannot be read, or a result cannot be written.
        KeyboardInterrupt: it is interrupted.
    """
    request = Request.of_json(read_note(folder, "job"))
    table = table_in(folder)
    found = read_table(table)
    report = Reporter(folder, request)
    made, failures = [], []
    for place, name in enumerate(request.series):
        report.begin(place)
        target = folder / str(place)
        target.mkdir(exist_ok=True)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", SeriesWarning)
                series = read_series(found, request.reading, name)
            notes = [str(warning.message).removeprefix(f"{table}: ") for warning in caught]
            made.append(_forecast_series(request, series, name, notes, target, report))
        except FreerunError as error:
            failures.append(str(error).removeprefix(f"{table}: ").replace(str(table), request.file))
            write_note(target, "view", {"series": name, "error": failures[-1]})
    _join_tables(folder, request)
    for number, write_files in enumerate(made):
        report(Progress("writing the reports", number, len(made), None, None, None, 0.0))
        write_files()
    state = "failed" if len(failures) == len(request.series) else "done"
    write_note(folder, "result", {"state": state, "message": failures[0] if failures else ""})


def _forecast_series(
    request: Request, series: Series, name: str, notes: list[str], target: Path, report: Reporter
) -> Callable[[], None]:
    """Fit and forecast one series, and write what the page shows.

    Returns:
        The function that writes picture and report.
    """
    steps = request.horizon or default_horizon(len(series), seasons_of(series))
    complete = with_assumed_inputs(series, steps, request.coming)
    rnn = RNN(**request.settings).fit(complete, progress=report)
    outlook = outlook_of(rnn, complete, steps, levels=request.levels, progress=report)
    recipe = recipe_of(request, name, steps)
    if complete is not series:
        _to_table(complete).to_csv(target / "data.csv")
        recipe = replace(recipe, file="data.csv", options=replace(recipe.options, columns=(), id=None, time=None))
    again = {"command": recipe.command, "code": recipe.code, "stem": recipe.stem}
    rnn.save(target / "model.freerun")
    if outlook.forecast is not None:
        with replacing(target / "forecast.csv") as temporary:
            outlook.forecast.to_frame().to_csv(temporary)
    write_note(target, "view", view_of(outlook, name, notes) | {"again": again})
    title = f"{request.file}: {name}" if name else request.file
    return lambda: _write_files(outlook, title, notes, recipe, target)


def _write_files(outlook: Outlook, name: str, notes: list[str], recipe: Recipe, target: Path) -> None:
    """Write picture and report."""
    if outlook.forecast is not None:
        figure = plots.forecast(outlook.forecast, outlook.series, outlook.levels, title=f"Forecast of {name}")
        plots.save(figure, target / "forecast.png")
    report_of(outlook, name, notes, [recipe.command, recipe.code]).save(target / "report.html")


def recipe_of(request: Request, name: str, horizon: int) -> Recipe:
    """Return the recipe that repeats the forecast of one series."""
    reading = request.reading
    return Recipe(request.file, reading.options_for(name), reading.inputs, request.settings, horizon, request.levels)


def with_assumed_inputs(series: Series, horizon: int, coming: str) -> Series:
    """Continue the external inputs of a series where the file does not.

    Args:
        series: the series.
        horizon: number of future steps that are needed.
        coming: `file` for no assumption, `last` to repeat the last values,
            `season` to repeat the last season.

    Returns:
        The series itself if nothing is assumed.

    Raises:
        SettingError: the times are irregular, so that those of the future inputs are not known.
    """
    missing = horizon - series.known_ahead
    if coming == "file" or not series.own_input_names or missing <= 0:
        return series
    if series.irregular:
        raise SettingError(
            "the steps differ in length, so that the times of future external inputs are not known; give rows with "
            "their times and values after the last value of the series"
        )
    seasons = seasons_of(series) if coming == "season" else ()
    last = series.inputs[-(seasons[-1] if seasons else 1) :]
    assumed = np.tile(last, (-(-missing // len(last)), 1))[:missing]
    return series.with_coming_inputs(np.concatenate([series.inputs[len(series) :], assumed]))


def _to_table(series: Series) -> pd.DataFrame:
    """Convert a series and its external inputs to a table,
    whose last rows are the future steps of the inputs."""
    index = series.index.append(series.following_index(series.known_ahead))
    values = series.to_pandas().reindex(index)
    return values.join(pd.DataFrame(series.inputs, index=index, columns=list(series.input_names))).rename_axis("time")


def _join_tables(folder: Path, request: Request) -> None:
    """Write the forecasts of several series as one table,
    with the name of the series in the first column."""
    tables = {
        name: pd.read_csv(path)
        for place, name in enumerate(request.series)
        if (path := folder / str(place) / "forecast.csv").exists()
    }
    if len(tables) > 1:
        column = request.reading.options.id or "series"
        joined = pd.concat([made.assign(**{column: name})[[column, *made.columns]] for name, made in tables.items()])
        with replacing(folder / "forecasts.csv") as temporary:
            joined.to_csv(temporary, index=False)


def main() -> None:
    """Make the forecast, and write how it ended."""
    folder = Path(sys.argv[1])
    try:
        forecast(folder)
    except KeyboardInterrupt:
        write_note(folder, "result", {"state": "stopped", "message": ""})
    except FreerunError as error:
        write_note(folder, "result", {"state": "failed", "message": str(error)})


if __name__ == "__main__":
    main()
