"""Follow a series from call to call: in which packages it stays, how often it climbs,
and what it is called.

    python tools/follow.py [fit | generate | forecast]

A call counts if one of its parameters is the series, several series, or an array of their
values. Each function counts once, where it is first called. Methods of the series itself do
not count, nor helpers for arrays of any kind (`data.arrays`). Consecutive calls in one
package are a stay. A climb is a stay in a package that imports the one before it. The modules
that users import are one package, `public`.
"""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType

import numpy as np

import freerun
from freerun.cli import main
from freerun.data.rows import Rows
from freerun.data.series import Series
from freerun.data.table import Table

PACKAGE = Path(freerun.__file__).parent

PUBLIC = ("estimator", "fitting", "backtest")
"""The modules of the package `public`."""

HELPERS = "data.arrays"
"""The module whose functions do not count."""

ORDER = ("data", "network", "training", "selection", "forecasting", "public", "plots", "cli")
"""The packages through which a series may pass. Each imports from those before it."""

STEPS = 197
"""Steps of the series that is followed; arrays of as many rows hold its values."""

ACTIONS = {
    "fit": ("fit", "series.csv", "-o", "model.freerun", "--quiet"),
    "generate": ("generate", "model.freerun", "--steps", "50", "-o", "run.csv", "--quiet"),
    "forecast": ("forecast", "model.freerun", "--horizon", "24", "--levels", "80,95", "-o", "table.csv", "--quiet"),
}
"""The commands that are followed. Each needs those before it."""


@dataclass
class Followed:
    """The path of a series.

    Attributes:
        stays: package, and the functions that were called there, as `module.function`.
        names: the parameters that were the series, or several.
        arrays: the parameters that were arrays of values.
    """

    stays: list[tuple[str, list[str]]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    arrays: set[str] = field(default_factory=set)

    @property
    def climbs(self) -> int:
        """How often the series goes on in a package that imports the one before."""
        places = [ORDER.index(package) for package, _ in self.stays]
        return sum(after > before for before, after in pairwise(places))

    @property
    def returns(self) -> int:
        """How often it comes back to a package that it had left."""
        return len(self.stays) - len({package for package, _ in self.stays})


class _Follower:
    """A profile function that notes the calls of freerun that are handed a series."""

    def __init__(self) -> None:
        self.found, self._seen = Followed(), set[str]()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Note a call; other events do not count."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(f"{PACKAGE}{os.sep}") or code.co_name.startswith("<"):
            return
        given = inspect.getargvalues(frame)
        parameters = {name: frame.f_locals.get(name) for name in (*given.args, *filter(None, (given.varargs,)))}
        if isinstance(parameters.get("self"), Series | Table | Rows):
            return
        series = {name for name, value in parameters.items() if _is_series(value)}
        arrays = {name for name, value in parameters.items() if _is_values(value)}
        if not series and not arrays:
            return
        module = Path(code.co_filename).relative_to(PACKAGE).with_suffix("").parts
        name = f"{'.'.join(module)}.{code.co_qualname}".replace(".__init__.", ".")
        package = "public" if module[0] in PUBLIC else module[0]
        if name in self._seen or package not in ORDER or name.startswith(HELPERS):
            return
        self._seen.add(name)
        self.found.names |= series
        self.found.arrays |= arrays
        if not self.found.stays or self.found.stays[-1][0] != package:
            self.found.stays.append((package, []))
        self.found.stays[-1][1].append(name)


def _is_series(value: object) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(one, Series) for one in value)
    return isinstance(value, Series | Table | Rows)


def _is_values(value: object) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(_is_values(one) for one in value)
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.shape[:1] in ((STEPS,), (STEPS - 1,))


def follow(action: str) -> Followed:
    """Run a command in this folder, on one thread, and follow the series.

    Args:
        action: a key of `ACTIONS`.
    """
    follower, words = _Follower(), sys.argv
    sys.argv = ["freerun", *ACTIONS[action]]
    threading.setprofile(follower)
    sys.setprofile(follower)
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        sys.argv = words
    return follower.found


def follow_all() -> dict[str, Followed]:
    """Follow a series through each of `ACTIONS`, in an empty folder."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            freerun.systems.mackey_glass(STEPS, seed=0).write("series.csv")
            return {action: follow(action) for action in ACTIONS}
        finally:
            os.chdir(before)


if __name__ == "__main__":
    for action, found in follow_all().items():
        print(f"{action}: {len(found.stays)} stays, {found.climbs} climbs, {found.returns} returns")
        for package, calls in found.stays:
            print(f"  {package:12} {' '.join(calls)}")
        print(f"  the series is called {', '.join(sorted(found.names))}")
        print(f"  its arrays are called {', '.join(sorted(found.arrays))}")
