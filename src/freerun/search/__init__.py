"""Hyperparameter search and sweeps, in one process or on a cluster (extra `search`).

In: training series, settings that stay fixed, and a search space. Out: the winner, fitted to the whole training series,
and a study that records all trials; a sweep gives a table of scores. Training and scoring of single networks do not
belong here: see `freerun.training` and `freerun.selection`.

space      search spaces, and what a proposal from one means as settings
proposals  which settings to try next, from the trials so far
trials     trains and scores trials, and stops poor ones early
purpose    checks that a study belongs to this series, these settings and this space
database   connections to the databases that hold studies
study      the record of a search: an Optuna study in SQLite or PostgreSQL that can be shared and resumed
searching  `search`, from series to winner
sweeping   `sweep`: fit and score a grid of series, settings and seeds
spec       the TOML file that describes a sweep
report     an HTML report on a search
"""

from freerun.errors import MissingExtraError

try:
    import optuna as _optuna  # noqa: F401 - so that a missing package is reported at once
    import psutil as _psutil  # noqa: F401 - the same
except ImportError as error:
    raise MissingExtraError(
        f"a search needs {error.name}, which is not installed; pip install 'freerun[search]'"
    ) from error

from freerun.search.searching import Found, Standing, search
from freerun.search.sweeping import sweep

__all__ = ["Found", "Standing", "search", "sweep"]
