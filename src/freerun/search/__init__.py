"""Search: let the machine try the things to try, from one process to a cluster (extra `search`).

space      what may be tried, and what a proposal means
trials     judges trials that share a program, and stops the hopeless ones early
proposals  what to try next, from what is known of the trials so far
purpose    what a study is for
database   databases that hold studies
study      the record of a search: an Optuna study in SQLite or PostgreSQL that can be joined and resumed
engines    where trials are judged: in this process, or on Dask
searching  the search from end to end
sweeping   a grid of series, settings and seeds over the same engines
spec       the file that describes a sweep
report     a page about a search
"""

from freerun.errors import MissingExtraError

try:
    import optuna as _optuna  # noqa: F401 - to say that it is missing before anything needs it
    import psutil as _psutil  # noqa: F401 - to say that it is missing before anything needs it
except ImportError as error:
    raise MissingExtraError(
        f"a search needs {error.name}, which is not installed; pip install 'freerun[search]'"
    ) from error

from freerun.search.searching import Found, Standing, search
from freerun.search.sweeping import sweep

__all__ = ["Found", "Standing", "search", "sweep"]
