"""The command line `freerun`, one file per command.

In: arguments and files of series or models. Out: files, results on stdout, and progress, notes and
errors on stderr. Each command parses its arguments, calls one method of `freerun.RNN` (or a
function of `freerun.search`, `freerun.serving` or `freerun.studio`), and prints the result; the
method has the same name in Python. `options` holds arguments that several commands share, `console`
prints. Computation does not belong here: whatever a command can do, Python can do without it.

A command's file is imported only when that command runs,
so that `freerun --help` does not wait for JAX.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from freerun._version import __version__
from freerun.errors import FreerunError

COMMANDS = {
    "demo": "Go through the tutorial from end to end, then show one improved run, and leave a report with pictures.",
    "data": "Write a synthetic series to a file.",
    "fit": "Train a network on a series and write it to a model file.",
    "predict": "Predict every step of a series from the steps before it (open loop).",
    "smooth": "Estimate the states behind the noisy measurements of a series, from all of them.",
    "generate": "Let the network run free: it reads its own output and continues the series (closed loop).",
    "forecast": "Forecast the next steps, with intervals that hold the truth as often as their levels say.",
    "backtest": "Forecast a series from several points of its past, each time without what came later (rolling "
    "origin).",
    "evaluate": "Score one-step predictions and free runs on the steps of a series from `--from` on.",
    "anomalies": "Find readings that a network did not expect, and the intervals of time in which they lie.",
    "search": "Search for the settings whose free runs are best on parts of the series that the network was not "
    "fitted to.",
    "sweep": "Fit and score every combination of series, settings and seeds, and write one table.",
    "update": "Read new steps, so that forecasts start after them; the weights stay, or learn from them (--learn).",
    "export": "Write the free run of a network as a StableHLO program or an ONNX file, which other runtimes run, not "
    "freerun.",
    "serve": "Serve models over HTTP: forecasts, free runs, predictions and updates; needs freerun[serve].",
    "studio": "Open pages on which to forecast a series, and to watch a network learn; needs freerun[studio].",
    "doctor": "Show what freerun finds on this machine: versions, cores, memory, GPU, caches, and what is missing.",
    "info": "Show what a model file holds: settings, series and training.",
}
"""One sentence of help for each command, equal to the first paragraph of its docstring."""

MARKUP: Literal["markdown"] = "markdown"
"""Markup of all help texts, which are docstrings in Markdown."""


def command(name: str) -> Any:
    """Import a command and return it with its options.

    Args:
        name: a key of `COMMANDS`.

    Returns:
        The command, as Click (which Typer builds on) runs it.
    """
    single = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
    single.command(name)(getattr(import_module(f"{__name__}.{name}"), name))
    return typer.main.get_command(single)


class _LazyCommand(TyperCommand):
    """A command with a name and one line of help; its file is imported when it runs."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        assert self.name is not None
        return command(self.name).make_context(info_name, args, parent, **extra)


class _LazyGroup(TyperGroup):
    """All commands of `COMMANDS`, none of them imported yet."""

    def __init__(self, **settings: Any) -> None:
        settings["commands"] = {
            name: _LazyCommand(name, help=text, rich_markup_mode=MARKUP) for name, text in COMMANDS.items()
        }
        super().__init__(**settings)


app = typer.Typer(
    name="freerun",
    cls=_LazyGroup,
    help="Train a recurrent network on a time series, then let it run free.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options of `freerun` itself."""


def main() -> None:
    """Run the command line.

    A `FreerunError`, a `MemoryError` or a full disk behind stdout becomes one line on stderr and
    exit status 2. Any other exception is a bug, and keeps its traceback.
    """
    warnings.showwarning = _show_warning
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for characters that its encoding lacks, as on stderr
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except FreerunError as error:
        print(f"freerun: {error}", file=sys.stderr)
        sys.exit(2)
    except MemoryError:
        print(
            "freerun: there is not enough memory for this; give a shorter series or a smaller network", file=sys.stderr
        )
        sys.exit(2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not written at the exit again
        if error.errno == errno.EPIPE:
            sys.exit(1)
        print("freerun: stdout cannot be written (no space left on device); make room", file=sys.stderr)
        sys.exit(2)


def _show_warning(message: Warning | str, *_: object) -> None:
    print(f"freerun: warning: {message}", file=sys.stderr)
