"""The peers of `real.py` that need an environment of their own, since they need pandas below 3.

A program to be run by the Python of that environment (`make
.venv-forecasters/installed`): reads one problem as JSON from standard input, and writes
for each peer one line of JSON with its forecasts.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Forecast = dict[str, list[float]]
"""The point forecast under `point`, and bounds under `low 80`, `high 80`, ..."""

STEPS = 500
"""Training steps of NeuralForecast's network, which otherwise has its defaults;
its input is three horizons long."""


def ets(values: np.ndarray, season: int, horizon: int, levels: list[int]) -> Forecast:
    """statsforecast's AutoETS."""
    from statsforecast.models import AutoETS

    return bounded(AutoETS(season_length=season).forecast(values, horizon, level=levels), levels)


def arima(values: np.ndarray, season: int, horizon: int, levels: list[int]) -> Forecast:
    """statsforecast's AutoARIMA."""
    from statsforecast.models import AutoARIMA

    return bounded(AutoARIMA(season_length=season).forecast(values, horizon, level=levels), levels)


def neural(values: np.ndarray, season: int, horizon: int, levels: list[int]) -> Forecast:
    """NeuralForecast's RNN with quantile loss."""
    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import RNN

    del season
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    model = RNN(
        horizon, input_size=min(3 * horizon, len(values) // 2), max_steps=STEPS, loss=MQLoss(level=levels), **quiet
    )
    frame = pd.DataFrame({"unique_id": "series", "ds": np.arange(len(values)), "y": values})
    network = NeuralForecast([model], freq=1)
    network.fit(frame)
    found = network.predict()
    bounds = {f"{side} {level}": found[f"RNN-{end}-{level}"] for level in levels for side, end in _SIDES}
    return {name: [float(x) for x in column] for name, column in {"point": found["RNN-median"], **bounds}.items()}


_SIDES = (("low", "lo"), ("high", "hi"))

PEERS: dict[str, Callable[[np.ndarray, int, int, list[int]], Forecast]] = {
    "ETS (statsforecast)": ets,
    "AutoARIMA (statsforecast)": arima,
    "RNN (NeuralForecast)": neural,
}


def bounded(found: dict[str, np.ndarray], levels: list[int]) -> Forecast:
    """What a model of statsforecast gives, as a `Forecast`."""
    bounds = {f"{side} {level}": found[f"{end}-{level}"] for level in levels for side, end in _SIDES}
    return {name: np.asarray(array).tolist() for name, array in {"point": found["mean"], **bounds}.items()}


def main() -> None:
    """Forecast from each origin of the problem with each of the peers."""
    warnings.filterwarnings("ignore")  # of the peers about themselves
    problem: dict[str, Any] = json.load(sys.stdin)
    values = np.array(problem["values"], float)
    for name, peer in PEERS.items():
        began = time.process_time()
        forecasts = [
            peer(values[:origin], problem["season"], problem["horizon"], problem["levels"])
            for origin in problem["origins"]
        ]
        seconds = time.process_time() - began
        print(json.dumps({"method": name, "forecasts": forecasts, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
