"""`freerun studio`: serve the local web pages on which series
are forecast and networks are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import Json, Quiet


def studio(
    folder: Annotated[Path, typer.Option(help="Folder in which forecasts and runs are kept.")] = Path("freerun-studio"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8765,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but the loopback address needs a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(help="Token that a browser must send. Default: none on the loopback address, else a random one."),
    ] = None,
    show: Annotated[bool, typer.Option("--show/--no-show", help="Open a browser.")] = True,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Open pages on which to forecast a series, and to watch a network learn;
    needs freerun[studio].

    Example: freerun studio --folder my-runs
    """
    import json

    from freerun.extras import require

    require("studio", "the studio")
    from freerun.studio.page import serve

    console = Console(as_json, quiet)
    serve(folder, host, port, token, show, console.note if not as_json else lambda text: print(json.dumps(text)))
