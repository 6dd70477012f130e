"""The server: listens on an address until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from freerun.access import displayed_host, host_names, is_loopback
from freerun.arguments import whole_number
from freerun.errors import SettingError
from freerun.serving.app import make_app
from freerun.serving.pool import Limits
from freerun.serving.served import read_models

GRACE = 10
"""Seconds that running requests get after the service was told to stop.
Docker waits as long before it kills."""

ANY_HOST = "*"
"""Value of `hosts` that allows all host names."""


def serve(
    paths: Sequence[Path],
    limits: Limits,
    *,
    host: str = "127.0.0.1",
    port: int = 8766,
    token: str | None = None,
    public: bool = False,
    hosts: Sequence[str] = (),
    keep: bool = False,
    functions: Sequence[Callable[..., object]] = (),
    log: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve models until Ctrl-C or SIGTERM. Requests that have begun are then answered,
    within `GRACE` seconds.

    Args:
        paths: model files.
        limits: limits of requests.
        host: address to listen on.
        port: port to listen on; 0 for a free one.
        token: that requests must have; None for none.
        public: whether any but the loopback address may be used without a token.
        hosts: further host names by which requests may address the service without a token;
            `*` allows all.
        keep: whether updated models are written to their files.
        functions: known models that networks correct, if they were fitted with any.
        log: called with the address, and with a line for each request.

    Raises:
        ModelFileError: a model file cannot be read.
        SettingError: two models have the same name, the address cannot be used,
            or it is not safe without a token.
        OutputError: updated models are kept, and a file cannot be written.
    """
    _require_token(host, token, public)
    models = read_models(paths, functions)
    if keep:
        for served in models.values():
            served.require_writable()
    listening = _listen(host, port)
    address = f"http://{displayed_host(host)}:{listening.getsockname()[1]}"
    allowed = None if token is not None or ANY_HOST in hosts else (*host_names(host), *map(str.lower, hosts))
    app = make_app(
        models,
        limits,
        token=token,
        hosts=allowed,
        keep=keep,
        search_path=[os.getcwd()] if functions else [],
        log=log,
        report_fault=lambda text: print(text, file=sys.stderr, flush=True),
        ready=lambda: log(f"serving {', '.join(models)} at {address}, described at {address}/docs; Ctrl-C ends it"),
    )
    _run(app, listening)


def _require_token(host: str, token: str | None, public: bool) -> None:
    """Refuse to let others use the service without a token.

    Raises:
        SettingError: the address is not the loopback address, and there is no token.
    """
    if token is not None and not token.strip():
        raise SettingError("the token is empty; give one with --token or FREERUN_TOKEN, or leave it out")
    if token is None and not public and not is_loopback(host):
        raise SettingError(
            f"--host {host} lets other machines use the models; set a token (--token or FREERUN_TOKEN), or say "
            "--public if all who reach this address may use them"
        )


def _listen(host: str, port: int) -> socket.socket:
    """Open the socket of an address.

    Raises:
        SettingError: the address cannot be used.
    """
    whole_number("port", port, 0, 65535)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        code = error.errno or 0
        reason = os.strerror(code) if code > 0 else error  # those of name lookups are negative
        raise SettingError(
            f"cannot listen on {host}, port {port} ({reason}); choose another --host or --port"
        ) from error


def _run(app: Any, listening: socket.socket) -> None:
    """Run a server until Ctrl-C or SIGTERM. Either ends it in order."""
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=GRACE)
    )
    # when uvicorn has stopped, it raises the signals again that it has handled
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(number: int, frame: object) -> None:
    """Ignore a signal that uvicorn has handled already."""
    del number, frame
