"""The command line: one file per command. What each does, `freerun.RNN` does from Python under the same names."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer

from freerun._version import __version__
from freerun.cli.backtest import backtest
from freerun.cli.data import data
from freerun.cli.demo import demo
from freerun.cli.evaluate import evaluate
from freerun.cli.export import export
from freerun.cli.fit import fit
from freerun.cli.forecast import forecast
from freerun.cli.generate import generate
from freerun.cli.info import info
from freerun.cli.predict import predict
from freerun.cli.search import search
from freerun.cli.studio import studio
from freerun.cli.sweep import sweep
from freerun.cli.update import update
from freerun.errors import FreerunError

app = typer.Typer(
    name="freerun",
    help="Train a recurrent network on a time series, then let it run free.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for command in (
    demo,
    data,
    fit,
    predict,
    generate,
    forecast,
    backtest,
    evaluate,
    search,
    sweep,
    update,
    export,
    studio,
    info,
):
    app.command()(command)


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
