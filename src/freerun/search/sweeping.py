"""Sweeps: a grid of series, settings and seeds over the same engines as a search; one table of results.

The table is a Parquet file, whole at any time: after a crash or Ctrl-C the same sweep goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from freerun import evaluation, metrics
from freerun._version import __version__
from freerun.data.panel import fingerprint
from freerun.data.series import Series
from freerun.errors import FreerunError, SearchError, SeriesError, SettingError
from freerun.estimator import RNN
from freerun.forecasting import endures, free_run
from freerun.history import Progress, Watcher
from freerun.search.engines import Engine, engine_for
from freerun.settings import Ensemble, Settings
from freerun.writing import replacing, require_folder

WRITING = 0.02
"""Most of the time of a sweep that goes into writing its table."""

KEY = ["series", "settings", "seed"]
"""The columns that make a row unlike all others."""


@dataclass(frozen=True)
class Case:
    """One fit of a sweep.

    Attributes:
        name: of the series.
        series: as much of it as is trained on and compared with.
        data: a fingerprint of it.
        train: steps to train on.
        settings: parameters of `RNN`.
        varied: those of them that differ within the sweep, as they stand in the table.
        seed: of the fit.
        ensembles: which runs are scored.
    """

    name: str
    series: Series
    data: str
    train: int
    settings: dict[str, Any]
    varied: dict[str, Any]
    seed: int
    ensembles: tuple[Ensemble, ...]

    @property
    def key(self) -> tuple[str, str, int]:
        """What its row has in the columns of `KEY`."""
        return self.name, json.dumps(self.settings, sort_keys=True), self.seed


def sweep(
    series: Mapping[str, Any],
    output: str | Path,
    *,
    train: float,
    test: int | None = None,
    settings: Mapping[str, Any] | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
    seeds: int | Sequence[int] = 1,
    ensembles: Sequence[Ensemble] = ("best",),
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Watcher | None = None,
) -> pd.DataFrame:
    """Fit and score every combination of series, settings and seeds, but for those whose scores are there already.

    Args:
        series: by name, each as for `freerun.RNN.fit`.
        output: Parquet file of the results.
        train: steps to train on, or a share of the series below 1.
        test: steps of the free run that is compared with what followed; None means all there are.
        settings: parameters of `RNN` that are the same for all.
        grid: parameters with several values each.
        seeds: so many from 0 on, or these.
        ensembles: which runs are scored; see `freerun.RNN.generate`.
        workers: see `freerun.search.search`.
        scheduler: see `freerun.search.search`.
        progress: called when a fit is over.

    Returns:
        A row for each fit: `series`, `settings` (JSON), `seed`, a column for each parameter of the grid; `train`,
        `test`, `one_step_mse`, `nrmse84`, `vpt` and `smape` (see `freerun.evaluation.Evaluation`; with the name of the
        ensemble behind them for those that are not `best`), `endures` (whether a free run of 100000 steps stays near
        the data), `chosen` (the settings of the best network, JSON), `seconds` (of the fit), `failure` (why there is no
        score), `data` (a fingerprint), `version`.

    Raises:
        SettingError, SeriesError: a combination that cannot be, or a series too short.
        SearchError: the scheduler cannot be reached, or the file has results of other data or another version.
        OutputError: the file cannot be written.
        KeyboardInterrupt: on Ctrl-C; what is finished is in the file.
    """
    output = Path(output)
    require_folder(output)
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    cases = list(_cases(series, train, test, dict(settings or {}), dict(grid or {}), numbers, tuple(ensembles)))
    table = _Table(output, cases)
    engine = engine_for(scheduler, workers)
    try:
        table.fill(engine, progress)
    finally:
        engine.close()
        table.write()
    return table.rows()


def _cases(
    several: Mapping[str, Any],
    train: float,
    test: int | None,
    given: dict[str, Any],
    grid: dict[str, Sequence[Any]],
    seeds: Sequence[int],
    ensembles: tuple[Ensemble, ...],
) -> Iterator[Case]:
    for name in grid:
        if name in given:
            raise SettingError(f"{name}: it is set to {given[name]} and in the grid as well; leave one of them out")
    columns = {name: _column(values) for name, values in grid.items()}
    places = list(product(*(range(len(values)) for values in grid.values())))
    varied = [{name: columns[name][i] for name, i in zip(grid, place, strict=True)} for place in places]
    combinations = [given | {name: grid[name][i] for name, i in zip(grid, place, strict=True)} for place in places]
    for combination in combinations:
        if "seed" in combination:
            raise SettingError("seed: say seeds instead, which are those of the fits")
        Settings.checked(**combination)
    for name, data in several.items():
        whole = Series.of(data)
        steps = int(train * len(whole)) if train < 1 else int(train)
        end = len(whole) if test is None else steps + test
        if not 0 < steps < end <= len(whole):
            raise SeriesError(
                f"series {name!r} has {len(whole)} steps: too few to train on {steps} and compare with {end - steps}"
            )
        part = whole.between(0, end)
        marked = fingerprint([part])
        for (combination, shown), seed in product(zip(combinations, varied, strict=True), seeds):
            yield Case(name, part, marked, steps, combination, shown, seed, ensembles)


def _column(values: Sequence[Any]) -> list[Any]:
    """The values of a parameter as a column of one type: as text where they are not all numbers, or all names."""
    for kind in (bool, str, int | float):
        if all(isinstance(value, kind) for value in values):
            return list(values)
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


class _Table:
    """The results of a sweep, kept in a file."""

    def __init__(self, path: Path, cases: list[Case]) -> None:
        self._path, self._cases = path, cases
        self._rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._written, self._took = time.monotonic(), 0.0
        if path.exists():
            self._read()

    def fill(self, engine: Engine, progress: Watcher | None) -> None:
        """Do what is missing."""
        missing = [case for case in self._cases if case.key not in self._rows]
        began, before = time.perf_counter(), len(self._cases) - len(missing)
        for done, (number, row) in enumerate(engine.results(scored, missing, threads=False), 1):
            case = missing[number]
            self._rows[case.key] = _row(case) | {"failure": str(row)} if isinstance(row, FreerunError) else row
            if time.monotonic() - self._written > self._took / WRITING:
                self.write()
            if progress is not None:
                seconds = time.perf_counter() - began
                progress(Progress("fit", before + done, len(self._cases), None, None, None, seconds, begun=before))

    def rows(self) -> pd.DataFrame:
        """The results in the order of the sweep."""
        return pd.DataFrame([self._rows[case.key] | case.varied for case in self._cases if case.key in self._rows])

    def write(self) -> None:
        """Put the results in the place of the file, whole or not at all."""
        if not self._rows:
            return
        began = time.monotonic()
        with replacing(self._path) as beside:
            _of_one_type(pd.DataFrame(list(self._rows.values()))).to_parquet(beside, index=False)
        self._written, self._took = time.monotonic(), time.monotonic() - began

    def _read(self) -> None:
        try:
            found = pd.read_parquet(self._path)
            rows = [{name: _plain(value) for name, value in row.items()} for row in found.to_dict("records")]
            self._rows = {tuple(row[name] for name in KEY): row for row in rows}
            versions, data = {row["version"] for row in rows}, {row["series"]: row["data"] for row in rows}
        except (OSError, ValueError, KeyError) as error:
            raise SearchError(f"{self._path}: holds no results of a sweep ({error}); name another file") from error
        if versions - {__version__}:
            raise SearchError(
                f"{self._path}: holds results of freerun {', '.join(sorted(versions))}, and this is {__version__}; "
                "name another file"
            )
        for case in self._cases:
            if data.get(case.name, case.data) != case.data:
                raise SearchError(
                    f"{self._path}: holds results for other data of series {case.name!r}, or for other train and test "
                    "steps; name another file"
                )


def scored(case: Case) -> dict[str, Any]:
    """The row of a case; one that cannot be fitted has a failure instead of scores."""
    began = time.perf_counter()
    try:
        found = _scores(case)
    except FreerunError as error:
        found = {"failure": str(error)}
    return _row(case) | {"seconds": time.perf_counter() - began} | found


def _scores(case: Case) -> dict[str, Any]:
    training, truth = case.series.split(case.train)
    began = time.perf_counter()
    rnn = RNN(**case.settings, seed=case.seed).fit(training)
    row: dict[str, Any] = {"seconds": time.perf_counter() - began}
    best = rnn.model_.best
    scores, _ = evaluation.evaluate(rnn.model_, case.series, case.train)
    row |= {"one_step_mse": scores.one_step_mse, "nrmse84": scores.nrmse84}
    for ensemble in case.ensembles:
        if ensemble == "best":
            row |= {"vpt": scores.vpt, "smape": scores.smape}
            continue
        run = free_run(rnn.model_, len(truth), ensemble=ensemble).values
        row[f"vpt_{ensemble}"] = int(metrics.valid_prediction_time(truth.values, run, case.series.deviation))
        row[f"smape_{ensemble}"] = metrics.smape(truth.values, run)
    row["endures"] = None if training.input_names else endures(best, [training])
    return row | {"chosen": best.settings.model_dump_json()}


def _row(case: Case) -> dict[str, Any]:
    name, settings, seed = case.key
    return {
        "series": name,
        "settings": settings,
        "seed": seed,
        **case.varied,
        "train": case.train,
        "test": len(case.series) - case.train,
        "failure": "",
        "data": case.data,
        "version": __version__,
    }


def _of_one_type(table: pd.DataFrame) -> pd.DataFrame:
    """The table with text in columns that hold both text and numbers, since the grid has changed."""
    for name in table.columns:
        kinds = {isinstance(value, str) for value in table[name].dropna()}
        if len(kinds) == 2:
            table[name] = [value if isinstance(value, str) else json.dumps(value) for value in table[name]]
    return table


def _plain(value: Any) -> Any:
    """A value of a table as Python has it; what is not there is None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value
