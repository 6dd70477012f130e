"""`freerun studio`: a local page to train networks on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import Json, Quiet


def studio(
    folder: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("freerun-studio"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 8765,
    host: Annotated[
        str, typer.Option(help="Address to listen at; any but this machine's own needs a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None, typer.Option(help="What a browser must bring. Default: none on this machine, else made up.")
    ] = None,
    show: Annotated[bool, typer.Option("--show/--no-show", help="Open a browser.")] = True,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Open a page on which to train a network, watch it learn and let it run; needs freerun[studio].

    Example: freerun studio --folder my-runs
    """
    import json

    from freerun.errors import SettingError

    try:
        from freerun.studio.page import serve
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("nicegui"):
            raise
        raise SettingError("the studio needs NiceGUI: pip install 'freerun[studio]'") from error
    console = Console(as_json, quiet)
    serve(folder, host, port, token, show, console.note if not as_json else lambda text: print(json.dumps(text)))
