"""The command line: one file per command. What each does, `freerun.RNN` does from Python under the same names."""

from __future__ import annotations

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
    "generate": "Let the network run free: it reads its own output and continues the series (closed loop).",
    "forecast": "Forecast the next steps, with intervals that hold the truth as often as their levels say.",
    "backtest": "Forecast a series from several points of its past, each time without what came later (rolling "
    "origin).",
    "evaluate": "Score one-step predictions and free runs on the steps of a series from `--from` on.",
    "search": "Search for the settings whose free runs are best on parts of the series that the network was not "
    "fitted to.",
    "sweep": "Fit and score every combination of series, settings and seeds, and write one table.",
    "update": "Read the steps that follow, without training, so that forecasts go on from there.",
    "export": "Write the free run of the best network as a StableHLO program, which needs JAX or another compiler, not "
    "freerun.",
    "studio": "Open a page on which to train a network, watch it learn and let it run; needs freerun[studio].",
    "info": "Show what a model file holds: settings, series and training.",
}
"""What each command does; its file has the rest, and is read when the command runs."""

MARKUP: Literal["markdown"] = "markdown"
"""How texts of help are written."""


def command(name: str) -> Any:
    """A command with its options, from its file."""
    alone = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
    alone.command(name)(getattr(import_module(f"{__name__}.{name}"), name))
    return typer.main.get_command(alone)


class _Named(TyperCommand):
    """A command of which no more is known than its name and what it does until it is about to run."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        assert self.name is not None
        return command(self.name).make_context(info_name, args, parent, **extra)


class _Commands(TyperGroup):
    """All commands, by what `COMMANDS` says of them."""

    def __init__(self, **settings: Any) -> None:
        settings["commands"] = {
            name: _Named(name, help=text, rich_markup_mode=MARKUP) for name, text in COMMANDS.items()
        }
        super().__init__(**settings)


app = typer.Typer(
    name="freerun",
    cls=_Commands,
    help="Train a recurrent network on a time series, then let it run free.",
    no_args_is_help=True,
    add_completion=False,
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
    """Run the command line; every error of ours, and want of memory, is one line on stderr and exit status 2."""
    warnings.showwarning = _show_warning
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for letters that its encoding lacks, as stderr does it
    try:
        app()
    except FreerunError as error:
        print(f"freerun: {error}", file=sys.stderr)
        sys.exit(2)
    except MemoryError:
        print(
            "freerun: there is not enough memory for this; give a shorter series or a smaller network", file=sys.stderr
        )
        sys.exit(2)


def _show_warning(message: Warning | str, *_: Any) -> None:
    print(f"freerun: warning: {message}", file=sys.stderr)
