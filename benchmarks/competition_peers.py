"""The peers of `competitions.py`, models of statsforecast with their defaults.

A program to be run by the Python of the environment of `forecasters.py`: reads
the series and what to make of each as JSON from standard input, and writes one
line of JSON for each forecast, in any order.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import multiprocessing
import sys
import time
import warnings
from typing import Any

import numpy as np

from forecasters import bounded


def forecast(task: dict[str, Any]) -> dict[str, Any]:
    """One forecast, or why the model refused the series, with the processor seconds it took."""
    import statsforecast.models

    warnings.filterwarnings("ignore")  # of the peers about themselves
    values, levels = np.array(task["values"], float), task["levels"]
    found: dict[str, Any] = {}
    began = time.process_time()
    try:
        model = getattr(statsforecast.models, task["who"])(season_length=task["season"])
        columns = bounded(model.forecast(values, task["horizon"], level=levels), levels)
        found = {name: [float(f"{x:.7g}") for x in column] for name, column in columns.items()}
        if not all(np.isfinite(column).all() for column in found.values()):
            found = {"error": "the forecast is not finite"}
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    return {"who": task["who"], "key": task["key"], "forecast": found | {"seconds": time.process_time() - began}}


def main() -> None:
    """Make the forecasts, on as many processes as asked."""
    import statsforecast

    asked: dict[str, Any] = json.load(sys.stdin)
    print(json.dumps({"statsforecast": statsforecast.__version__}), flush=True)
    with multiprocessing.get_context("spawn").Pool(asked["workers"]) as pool:
        for found in pool.imap_unordered(forecast, asked["tasks"], chunksize=4):
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
