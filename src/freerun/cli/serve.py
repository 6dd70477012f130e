"""`freerun serve`: serve models over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import Quiet, known_function

LIMITS, ACCESS = "Limits", "Who may use it"
"""Groups of options."""


def serve(
    models: Annotated[
        list[Path],
        typer.Argument(
            help="Model files that `freerun fit` wrote. Each is served by the name of its file without the suffix.",
            show_default=False,
            metavar="MODEL...",
        ),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8766,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but the loopback address needs a token.")
    ] = "127.0.0.1",
    keep: Annotated[
        bool, typer.Option("--keep", help="Write updated models to their files. Default: keep them in memory.")
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="FREERUN_TOKEN",
            show_envvar=True,
            help="Token that requests must have. On the command line, other users of this machine can see it.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    public: Annotated[
        bool,
        typer.Option("--public", help="Listen on any address without a token.", rich_help_panel=ACCESS),
    ] = False,
    allow_host: Annotated[
        list[str],
        typer.Option(
            help="Without a token: a host name by which requests may address the service, beside those of this "
            "machine; * allows all. Repeatable.",
            rich_help_panel=ACCESS,
        ),
    ] = [],  # noqa: B006 - typer copies it
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes, each of which computes one request at a time. Default: one per core.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    queue: Annotated[
        int,
        typer.Option(
            min=0, help="Most requests that wait; those beyond are refused with status 429.", rich_help_panel=LIMITS
        ),
    ] = 64,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Longest time of a request, in seconds.", rich_help_panel=LIMITS)
    ] = 30.0,
    max_horizon: Annotated[
        int, typer.Option(min=1, help="Most steps that a request may ask for.", rich_help_panel=LIMITS)
    ] = 10_000,
    max_body: Annotated[
        float, typer.Option(min=0.001, help="Largest body of a request, in MiB.", rich_help_panel=LIMITS)
    ] = 10.0,
    known: Annotated[
        list[str],
        typer.Option(
            "--model",
            help="Known model that a network corrects, if it was fitted with one: package.module:function. Repeatable.",
        ),
    ] = [],  # noqa: B006 - the same
    quiet: Quiet = False,
) -> None:
    """Serve models over HTTP: forecasts, free runs, predictions and updates; needs freerun[serve].

    The address /docs describes the requests, and /openapi.json does so for programs.
    Ctrl-C ends the service.

    Example: freerun serve air.freerun sales.freerun --port 9000

    Example: FREERUN_TOKEN=secret freerun serve air.freerun --host 0.0.0.0 --keep
    """
    from freerun.compute.cores import cores
    from freerun.extras import require

    require("serve", "the service")
    from freerun.serving.pool import Limits
    from freerun.serving.server import serve as run

    run(
        models,
        Limits(
            workers=workers or cores(), queue=queue, seconds=timeout, steps=max_horizon, body=round(max_body * 2**20)
        ),
        host=host,
        port=port,
        token=token,
        public=public,
        hosts=allow_host,
        keep=keep,
        functions=[function for path in known if (function := known_function(path)) is not None],
        log=Console(False, quiet).note,
    )
