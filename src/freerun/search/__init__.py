"""Hyperparameter search and sweeps, in one process or on a cluster (extra `search`).

In: training series, settings that stay fixed, and a search space. Out: the winner, fitted
to the whole training series, and a study that records all trials; a sweep gives a table
of scores. Training and scoring of single networks do not belong here: see
`freerun.training` and `freerun.selection`.

space      search spaces, and what a proposal from one means as settings
proposals  which settings to try next, from the trials so far
trials     trains and scores trials, and stops poor ones early
purpose    checks that a study belongs to this series, these settings and this space
database   connections to the databases that hold studies
study      the record of a search: an Optuna study in SQLite or PostgreSQL, shared and resumed
searching  `search`, from series to winner
sweeping   `sweep`: fit and score a grid of series, settings and seeds
spec       the TOML file that describes a sweep
report     an HTML report on a search
"""

from freerun.extras import require

require("search", "a search")

from freerun.search.searching import Found, Standing, search  # noqa: E402 - after the check that its packages are there
from freerun.search.sweeping import sweep  # noqa: E402 - the same

__all__ = ["Found", "Standing", "search", "sweep"]
