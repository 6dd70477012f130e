"""`sweep`: fit and score every combination of series, settings and seeds,
on the same engines as a search.

Results are kept in a Parquet file that is always complete,
so that the same call resumes a sweep after a crash or Ctrl-C.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from freerun import metrics
from freerun._version import __version__
from freerun.compute.engines import Engine, engine_for
from freerun.data.panel import fingerprint
from freerun.data.series import Series
from freerun.errors import FreerunError, SearchError, SeriesError, SettingError
from freerun.estimator import RNN
from freerun.files.writing import replacing, require_folder
from freerun.forecasting import evaluation
from freerun.forecasting.enduring import endures
from freerun.forecasting.runs import free_run
from freerun.settings import Ensemble, Settings, Value
from freerun.training.history import Progress, ProgressCallback

WRITING_SHARE = 0.02
"""Largest share of the time of a sweep that is spent on writing its table."""

KEY = ["series", "settings", "seed"]
"""Columns that identify a row."""


@dataclass(frozen=True)
class Case:
    """One fit of a sweep.

    Attributes:
        name: name of the series.
        series: its steps for training and scoring.
        data: fingerprint of these steps.
        train: number of steps to train on.
        settings: parameters of `RNN`.
        varied: the parameters of the grid, in the types of their columns in the table.
        seed: seed of the fit.
        ensembles: how members are combined in the free runs that are scored.
    """

    name: str
    series: Series
    data: str
    train: int
    settings: dict[str, Value]
    varied: dict[str, Value]
    seed: int
    ensembles: tuple[Ensemble, ...]

    @property
    def key(self) -> tuple[str, str, int]:
        """The values of the columns `KEY`."""
        return self.name, json.dumps(self.settings, sort_keys=True), self.seed


def sweep(
    series: Mapping[str, Value],
    output: str | Path,
    *,
    train: float,
    test: int | None = None,
    settings: Mapping[str, Value] | None = None,
    grid: Mapping[str, Sequence[Value]] | None = None,
    seeds: int | Sequence[int] = 1,
    ensembles: Sequence[Ensemble] = ("best",),
    workers: int | None = None,
    scheduler: str | None = None,
    progress: ProgressCallback | None = None,
) -> pd.DataFrame:
    """Fit and score every combination of series, settings and seeds that is not in the table yet.

    Args:
        series: series by name, each as for `freerun.RNN.fit`.
        output: Parquet file of the results.
        train: number of steps to train on, or below 1 the share of the series.
        test: length of the free run that is scored, in steps; None means the rest of the series.
        settings: parameters of `RNN` that are the same for all fits.
        grid: lists of values by parameter.
        seeds: a list of seeds, or their number, counted from 0.
        ensembles: how members are combined in the free runs that are scored;
            see `freerun.RNN.generate`.
        workers: see `freerun.search.search`.
        scheduler: see `freerun.search.search`.
        progress: called after each fit.

    Returns:
        One row per fit with the columns `series`, `settings` (JSON), `seed`, one per parameter of
        the grid, `train`, `test`, `one_step_mse`, `nrmse84`, `vpt` and `smape` (see
        `freerun.forecasting.evaluation.Evaluation`; for ensembles other than `best`, the name is
        appended), `endures` (whether a free run of 100000 steps stays near the data), `chosen`
        (settings of the best network, JSON), `seconds` (of the fit), `failure` (why there are no
        scores), `data` (fingerprint) and `version`.

    Raises:
        SettingError: a combination of parameters is invalid.
        SeriesError: a series cannot be used, or is too short.
        SearchError: the scheduler cannot be reached,
            or the file has results of other data or another version.
        OutputError: the file cannot be written.
        KeyboardInterrupt: on Ctrl-C; finished fits are kept in the file.
    """
    output = Path(output)
    require_folder(output)
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    cases = list(_list_cases(series, train, test, dict(settings or {}), dict(grid or {}), numbers, tuple(ensembles)))
    table = _Table(output, cases)
    engine = engine_for(scheduler, workers)
    try:
        table.complete(engine, progress)
    finally:
        engine.close()
        table.write()
    return table.rows()


def _list_cases(
    series: Mapping[str, Value],
    train: float,
    test: int | None,
    given: dict[str, Value],
    grid: dict[str, Sequence[Value]],
    seeds: Sequence[int],
    ensembles: tuple[Ensemble, ...],
) -> Iterator[Case]:
    """Check all combinations, and list the fits."""
    for name in grid:
        if name in given:
            raise SettingError(f"{name}: it is set to {given[name]} and is in the grid as well; give only one of them")
    columns = {name: _to_column(values) for name, values in grid.items()}
    places = list(product(*(range(len(values)) for values in grid.values())))
    varied = [{name: columns[name][i] for name, i in zip(grid, place, strict=True)} for place in places]
    combinations = [given | {name: grid[name][i] for name, i in zip(grid, place, strict=True)} for place in places]
    for combination in combinations:
        if "seed" in combination:
            raise SettingError("seed: give seeds instead, a number or a list of seeds")
        Settings.checked(**combination).refuse_model("a sweep")
    for name, data in series.items():
        whole = Series.of(data)
        steps = int(train * len(whole)) if train < 1 else int(train)
        end = len(whole) if test is None else steps + test
        if not 0 < steps < end <= len(whole):
            raise SeriesError(
                f"series {name!r} has {len(whole)} steps: too few to train on {steps} and score {end - steps}"
            )
        part = whole.between(0, end)
        marked = fingerprint([part])
        for (combination, shown), seed in product(zip(combinations, varied, strict=True), seeds):
            yield Case(name, part, marked, steps, combination, shown, seed, ensembles)


def _to_column(values: Sequence[Value]) -> list[Value]:
    """Convert the values of a parameter to one type: to text unless all are numbers,
    or all are names."""
    for kind in (bool, str, int | float):
        if all(isinstance(value, kind) for value in values):
            return list(values)
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


class _Table:
    """The results of a sweep, with the file that keeps them."""

    def __init__(self, path: Path, cases: list[Case]) -> None:
        self._path, self._cases = path, cases
        self._rows: dict[tuple[Value, ...], dict[str, Value]] = {}
        self._written, self._took = time.monotonic(), 0.0
        if path.exists():
            self._load()

    def complete(self, engine: Engine, progress: ProgressCallback | None) -> None:
        """Fit and score the cases that are missing, and write the file from time to time."""
        missing = [case for case in self._cases if case.key not in self._rows]
        began, before = time.perf_counter(), len(self._cases) - len(missing)
        for done, (number, row) in enumerate(engine.run_tasks(score_case, missing, threads=False), 1):
            case = missing[number]
            self._rows[case.key] = (
                _describe_case(case) | {"failure": str(row)} if isinstance(row, FreerunError) else row
            )
            if time.monotonic() - self._written > self._took / WRITING_SHARE:
                self.write()
            if progress is not None:
                seconds = time.perf_counter() - began
                progress(Progress("fit", before + done, len(self._cases), None, None, None, seconds, begun=before))

    def rows(self) -> pd.DataFrame:
        """Return the results in the order of the sweep."""
        return pd.DataFrame([self._rows[case.key] | case.varied for case in self._cases if case.key in self._rows])

    def write(self) -> None:
        """Write all results; the file is replaced only when the new one is complete."""
        if not self._rows:
            return
        began = time.monotonic()
        with replacing(self._path) as temporary:
            _unify_types(pd.DataFrame(list(self._rows.values()))).to_parquet(temporary, index=False)
        self._written, self._took = time.monotonic(), time.monotonic() - began

    def _load(self) -> None:
        try:
            found = pd.read_parquet(self._path)
            rows = [{name: _to_python(value) for name, value in row.items()} for row in found.to_dict("records")]
            self._rows = {tuple(row[name] for name in KEY): row for row in rows}
            versions, data = {row["version"] for row in rows}, {row["series"]: row["data"] for row in rows}
        except (OSError, ValueError, KeyError) as error:
            raise SearchError(f"{self._path}: holds no results of a sweep ({error}); choose another file") from error
        if versions - {__version__}:
            raise SearchError(
                f"{self._path}: holds results of freerun {', '.join(sorted(versions))}, and this is {__version__}; "
                "choose another file"
            )
        for case in self._cases:
            if data.get(case.name, case.data) != case.data:
                raise SearchError(
                    f"{self._path}: holds results for other data of series {case.name!r}, or for other train and test "
                    "steps; choose another file"
                )


def score_case(case: Case) -> dict[str, Value]:
    """Fit and score a case, and return its row; a fit that fails has a `failure` instead of
    scores."""
    began = time.perf_counter()
    try:
        found = _fit_and_score(case)
    except FreerunError as error:
        found = {"failure": str(error)}
    return _describe_case(case) | {"seconds": time.perf_counter() - began} | found


def _fit_and_score(case: Case) -> dict[str, Value]:
    """Fit a case, and score its free runs."""
    training, truth = case.series.split(case.train)
    began = time.perf_counter()
    rnn = RNN(**case.settings, seed=case.seed).fit(training)
    row: dict[str, Value] = {"seconds": time.perf_counter() - began}
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


def _describe_case(case: Case) -> dict[str, Value]:
    """Return the columns of a row that are known before the fit."""
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


def _unify_types(table: pd.DataFrame) -> pd.DataFrame:
    """Convert columns that hold both text and numbers to text;
    they occur when the grid has changed."""
    for name in table.columns:
        kinds = {isinstance(value, str) for value in table[name].dropna()}
        if len(kinds) == 2:
            table[name] = [value if isinstance(value, str) else json.dumps(value) for value in table[name]]
    return table


def _to_python(value: Value) -> Value:
    """Convert a value of a table to a Python object; NaN becomes None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value
