"""Commands and Python code that repeat a run."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath

from freerun.reporting.recipe import Recipe
from freerun.settings import as_option
from freerun.studio.learn.store import Run


def commands(run: Run) -> str:
    """Return the shell commands that repeat a run, one per line."""
    file = _file_of(run)
    lines = []
    if run.source.options is not None:
        options = " ".join(f"--{name} {value}" for name, value in run.source.options.items() if value is not None)
        lines.append(f"freerun data {run.source.name} {options} -o {file}")
    given = [as_option(name, value) for name, value in run.settings.items()]
    read = Recipe(file, run.source.read_options).read_options
    words = [f"freerun fit {shlex.quote(file)}", read, f"--split {run.split}", *given, f"-o {stem(run)}.freerun"]
    return "\n".join([*lines, " ".join(filter(None, words))])


def snippet(run: Run) -> str:
    """Return the Python code that repeats a run."""
    settings = ", ".join(f"{name}={value!r}" for name, value in run.settings.items())
    if run.source.options is None:
        series = Recipe(_file_of(run), run.source.read_options).series_code
    else:
        options = ", ".join(f"{n}={value!r}" for n, value in run.source.options.items() if value is not None)
        series = f"freerun.systems.make({run.source.name!r}, {options})"
    return "\n".join(
        [
            "import freerun",
            "",
            f"train, rest = {series}.split({run.split})",
            f"rnn = freerun.RNN({settings}).fit(train, rest)",
            "run = rnn.generate(len(rest))",
        ]
    )


def stem(run: Run) -> str:
    """Return the name of a run as part of a file name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", run.name).strip("-").lower() or f"run-{run.id}"


def _file_of(run: Run) -> str:
    """Return the file name of the series of a run."""
    return f"{run.source.name}.csv" if run.source.options is not None else PurePath(run.source.name).name
