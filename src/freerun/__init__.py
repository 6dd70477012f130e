"""freerun: train a recurrent network on a time series, then let it run free.

>>> import freerun
>>> series = freerun.systems.mackey_glass(2000, seed=0)
>>> train, valid = series.split(1500)
>>> rnn = freerun.RNN(hidden=15).fit(train, valid)
>>> run = rnn.generate(200)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from freerun._version import __version__

if TYPE_CHECKING:
    from freerun import errors, metrics, plots, systems
    from freerun.data.series import Series
    from freerun.data.stored import StoredSeries
    from freerun.errors import FreerunError
    from freerun.estimator import RNN, load
    from freerun.many import backtest_many, forecast_many
    from freerun.reporting.fit import report

__all__ = [
    "RNN",
    "FreerunError",
    "Series",
    "StoredSeries",
    "__version__",
    "backtest_many",
    "errors",
    "forecast_many",
    "load",
    "metrics",
    "plots",
    "report",
    "systems",
]

_HOMES = {
    "RNN": "estimator",
    "load": "estimator",
    "backtest_many": "many",
    "forecast_many": "many",
    "Series": "data.series",
    "StoredSeries": "data.stored",
    "FreerunError": "errors",
    "report": "reporting.fit",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used,
    so that `import freerun` does not wait for JAX."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"freerun.{_HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"freerun.{name}")
    raise AttributeError(f"module 'freerun' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
