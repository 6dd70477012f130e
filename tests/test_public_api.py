"""What users may rely on, name by name and parameter by parameter,
so that none of it changes unseen.

Where a change is meant, write the list anew (`python tests/test_public_api.py`),
and say so in the changelog.
"""

from __future__ import annotations

import importlib
import inspect
import pydoc
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import freerun.backtest
import freerun.forecasting.model
import freerun.search
import freerun.selection.judge
import freerun.training.history

LIST = Path(__file__).with_name("public_api.txt")

MODULES = ("errors", "metrics", "plots", "systems", "search", "sktime", "torch")
"""Modules that users import from, beside `freerun` itself."""


def _described(name: str, thing: Any) -> Iterator[str]:
    if inspect.isclass(thing):
        yield f"class {name}({', '.join(base.__name__ for base in thing.__bases__)})"
        if not issubclass(thing, Exception):
            yield f"{name}{_parameters(thing)}"
        for member, value in sorted(inspect.getmembers_static(thing)):
            ours = any(member in vars(c) and c.__module__.startswith("freerun") for c in thing.__mro__)
            if member.startswith("_") or not ours:
                continue
            if isinstance(value, property):
                yield f"{name}.{member}"
            elif callable(getattr(thing, member)):
                yield f"{name}.{member}{_parameters(getattr(thing, member))}"
    elif callable(thing):
        yield f"{name}{_parameters(thing)}"
    else:
        yield name


def _parameters(thing: Any) -> str:
    """Names, kinds and defaults; types are left to the type checker."""
    found = inspect.signature(thing)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _public() -> list[str]:
    lines: list[str] = []
    for module in ("freerun", *(f"freerun.{name}" for name in MODULES)):
        found = importlib.import_module(module)
        names = getattr(found, "__all__", None) or [
            name
            for name, value in vars(found).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module
        ]
        for name in sorted(names):
            thing = getattr(found, name)
            lines += [f"{module}.{name}"] if inspect.ismodule(thing) else _described(f"{module}.{name}", thing)
    return lines


def test_nothing_public_has_changed_unseen():
    assert _public() == LIST.read_text().splitlines()


def test_the_types_that_users_are_given_are_documented():
    """What `RNN` returns, what progress callbacks are given and what a search leaves:
    on the page on Python."""
    import pandas

    page = (LIST.parents[1] / "docs" / "python.md").read_text()
    documented = {pydoc.locate(name) for name in re.findall(r"^::: (\S+)", page, re.MULTILINE)}
    assert None not in documented
    assert freerun.training.history.ProgressCallback in documented
    given: set[Any] = {
        freerun.forecasting.model.Model,
        freerun.training.history.Progress,
        freerun.selection.judge.Candidate,
    }
    for name, thing in [*vars(freerun.RNN).items(), *vars(freerun.search).items()]:
        function = thing.fget if isinstance(thing, property) else thing
        if inspect.isfunction(function) and not name.startswith("_"):
            given.add(typing.get_type_hints(function, localns={"pd": pandas})["return"])
    ours = {thing for thing in given if getattr(thing, "__module__", "").startswith("freerun")}
    assert {freerun.Series, freerun.backtest.Backtest, freerun.training.history.History, freerun.search.Found} <= ours
    assert ours <= documented


if __name__ == "__main__":
    LIST.write_text("\n".join(_public()) + "\n")
