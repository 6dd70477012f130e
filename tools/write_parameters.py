"""Writes `src/freerun/parameters.py`, the constructor of `freerun.RNN`,
from the fields of `freerun.settings.Settings`.

Run it by `make parameters` after a field has changed; `tests/test_parameters.py` fails until then.
The file is checked in, so that editors and type checkers know the parameters.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from textwrap import fill
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import freerun.settings
from freerun.settings import Group, Settings

FILE = Path(__file__).parents[1] / "src" / "freerun" / "parameters.py"

WIDTH = 100
"""Most letters on a line."""

HEAD = '''"""`Parameters`: the constructor of `freerun.RNN`.

Written by `make parameters` from the fields of `freerun.settings.Settings`.
Change them, not this file.
"""

from __future__ import annotations

{imports}


class Parameters:
    """Stores the parameters of `freerun.RNN`."""

    def __init__(
        self,
{signature}
    ) -> None:
        """Store the parameters; `fit` checks them.

        A parameter that is None is chosen by `fit`, as its description says. `RNN()` tries windows
        of several lengths and leaky reservoirs, and keeps what runs free best over the last part of
        the training series.

{arguments}
        """
{assignments}
'''


def written() -> str:
    """The text of the file."""
    fields = Settings.model_fields
    types = {name: _spelled(field.annotation) for name, field in fields.items()}
    signature = [f"        {name}: {types[name]} = {_literal(field.default)}," for name, field in fields.items()]
    words = {word for text in types.values() for word in text.split(" | ")}
    imports = [_imported(sorted(words & set(_aliases().values())))]
    if any(word.startswith("Literal[") for word in words):
        imports = ["from typing import Literal\n", *imports]
    if "Callable[..., object]" in words:
        imports = ["from collections.abc import Callable", *imports]
    return HEAD.format(
        imports="\n".join(imports),
        signature="\n".join([signature[0], "        *,", *signature[1:]]),
        arguments="\n\n".join(_section(group) for group in get_args(Group)),
        assignments="\n".join(_assigned(pair) for pair in zip_longest(*[iter(fields)] * 2)),
    )


def _assigned(names: tuple[str | None, ...]) -> str:
    """The assignment of one or two parameters; two, since a function has at most 50 statements."""
    given = [name for name in names if name is not None]
    return f"        {', '.join(f'self.{name}' for name in given)} = {', '.join(given)}"


def _imported(names: list[str]) -> str:
    """The import of names of `freerun.settings`, on one line or on one each."""
    line = f"from freerun.settings import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join(["from freerun.settings import (", *(f"    {name}," for name in names), ")"])


def _section(group: str) -> str:
    """The descriptions of the parameters of a group."""
    lines = [f"        Args: {group}"]
    for name in Settings.named(group=group):
        said = (str(Settings.model_fields[name].description), Settings.parameter(name).detail, _range(name))
        text = f"{name}: {' '.join(part for part in said if part)}"
        lines.append(fill(text, WIDTH, initial_indent=" " * 12, subsequent_indent=" " * 16, break_on_hyphens=False))
    return "\n".join(lines)


def _range(name: str) -> str:
    """The bounds of a number as a sentence."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    constraints = Settings.model_fields[name].metadata
    bounds = [f"{word} {getattr(c, key)}" for c in constraints for key, word in words.items() if hasattr(c, key)]
    return f"{' and '.join(bounds).capitalize()}." if bounds else ""


def _aliases() -> dict[Any, str]:
    """The names that `freerun.settings` has for sets of words."""
    return {kind: name for name, kind in vars(freerun.settings).items() if get_origin(kind) is Literal}


def _spelled(annotation: Any) -> str:
    """A type as it stands in source text."""
    named = {type(None): "None", freerun.settings.ModelOrName: "Callable[..., object]"} | _aliases()
    if annotation in named:
        return named[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " | ".join(map(_spelled, parts))
    if origin is Literal:
        return f"Literal[{', '.join(map(_literal, parts))}]"
    if origin is tuple:
        return f"tuple[{_spelled(parts[0])}, ...]"
    return annotation.__name__


def _literal(value: Any) -> str:
    """A value as it stands in source text."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    FILE.write_text(written())
