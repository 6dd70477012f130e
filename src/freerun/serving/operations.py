"""The operations of the service: forecast, generate, predict, update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from freerun.data.series import Series
from freerun.estimator import RNN
from freerun.forecasting import forecast as forecasts
from freerun.forecasting import intervals, runs
from freerun.forecasting.model import Model
from freerun.serving.messages import (
    Forecast,
    ForecastRequest,
    GenerateRequest,
    Interval,
    PredictRequest,
    Request,
    Run,
    Start,
    Updated,
    UpdateRequest,
)
from freerun.serving.negotiation import Format
from freerun.serving.reading import read_series


@dataclass(frozen=True)
class Outcome:
    """The result of an operation.

    Attributes:
        table: one row for each step, as CSV has them; None if there are no steps.
        forecast: the same with intervals apart from the points, after a forecast.
        model: the updated model; None if the model stays as it was.
    """

    table: pd.DataFrame | None = None
    forecast: forecasts.Forecast | None = None
    model: Model | None = None


@dataclass(frozen=True)
class Operation:
    """One operation of the service.

    Attributes:
        summary: its effect, in one line.
        description: further facts.
        request: type of its requests.
        answer: type of its answers.
        perform: computes the outcome from a model and a request.
        reads_only: whether GET is allowed: no body is needed, and nothing changes.
        formats: formats of its answers, the default first.
    """

    summary: str
    description: str
    request: type[Request]
    answer: type[BaseModel]
    perform: Callable[[Model, Any], Outcome]
    reads_only: bool = False
    formats: tuple[Format, ...] = ("json", "csv")


def forecast(model: Model, request: ForecastRequest) -> Outcome:
    """Forecast the next steps; see `freerun.RNN.forecast`."""
    model, after = _find_start(model, request)
    found = intervals.forecast(model, request.horizon, request.levels, after, request.inputs)
    return Outcome(found.to_frame(), forecast=found)


def generate(model: Model, request: GenerateRequest) -> Outcome:
    """Let the network run free; see `freerun.RNN.generate`."""
    model, after = _find_start(model, request)
    return Outcome(runs.generate(model, request.steps, after, request.inputs, request.ensemble).to_pandas())


def predict(model: Model, request: PredictRequest) -> Outcome:
    """Predict each step of a series from the steps before it; see `freerun.RNN.predict`."""
    return Outcome(runs.predict(model, read_series(request, request.series, model)).to_pandas())


def update(model: Model, request: UpdateRequest) -> Outcome:
    """Read further steps; see `freerun.RNN.update`."""
    rnn = RNN()
    rnn.model_ = model
    series = read_series(request, request.series, model)
    return Outcome(model=rnn.update(series, learn=request.learn, forgetting=request.forgetting).model_)


def _find_start(model: Model, request: Start) -> tuple[Model, Series | None]:
    """Return the model and the series that a run continues;
    None for the steps that the model has read."""
    if request.series is None:
        return model, None
    series = read_series(request, request.series, model)
    return (runs.update(model, series), None) if request.append else (model, series)


OPERATIONS = {
    "forecast": Operation(
        "Forecast the next steps, with intervals that hold the truth as often as their levels say",
        "Intervals are computed from the errors of free runs on held-out parts of the training series. In CSV, a "
        "column `x` has the bounds `x_low_80` and `x_high_80`.",
        ForecastRequest,
        Forecast,
        forecast,
        reads_only=True,
    ),
    "generate": Operation(
        "Let the network run free: it reads its own output and continues the series (closed loop)",
        "The first step is the one after the last step that was read.",
        GenerateRequest,
        Run,
        generate,
        reads_only=True,
    ),
    "predict": Operation(
        "Predict each step of a series from the steps before it (open loop)",
        "Each row has the time of the step that it predicts. The first step of the series has no prediction.",
        PredictRequest,
        Run,
        predict,
    ),
    "update": Operation(
        "Read new steps, so that forecasts start after them; the weights stay, or learn from them",
        "All requests that begin later see the updated model. Updates of a model take effect one after the other. If "
        "one is refused, the model stays as it was.",
        UpdateRequest,
        Updated,
        update,
        formats=("json",),
    ),
}
"""All operations, by the last part of their address."""


def to_message(outcome: Outcome, warnings: list[str]) -> Run:
    """Convert the steps of an outcome to an answer in JSON."""
    assert outcome.table is not None
    times = to_times(outcome.table.index)
    found = outcome.forecast
    if found is None:
        values = {str(name): column.tolist() for name, column in outcome.table.items()}
        return Run(times=times, values=values, warnings=warnings)
    bounds = [
        Interval(level=level, low=_split_channels(found, low), high=_split_channels(found, high))
        for level, (low, high) in found.bounds.items()
    ]
    return Forecast(times=times, values=_split_channels(found, found.point), intervals=bounds, warnings=warnings)


def _split_channels(found: forecasts.Forecast, values: np.ndarray) -> dict[str, list[float | None]]:
    return dict(zip(found.channels, values.T.tolist(), strict=True))


def to_times(index: pd.Index) -> list[str | float]:
    """Convert times to JSON: numbers as they are, dates in ISO 8601,
    without the clock if all are at midnight."""
    if isinstance(index, pd.DatetimeIndex):
        moments = index.to_numpy()
        bare = index.tz is None and bool((moments == moments.astype("datetime64[D]")).all())
        return [stamp.isoformat().removesuffix("T00:00:00" if bare else "") for stamp in index]
    return index.tolist() if index.dtype.kind in "if" else index.astype(str).tolist()
