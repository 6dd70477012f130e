"""`Gate`: middleware that refuses requests without the token, from other sites,
or for unknown host names.

It also writes a line of log for each request.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from freerun.access import is_same_token, why_refused
from freerun.serving.problems import Refusal, to_response

WITHOUT_TOKEN = ("/health", "/docs", "/openapi.json", "/")
"""Addresses that need no token. Their answers tell nothing of a model."""


class Gate:
    """ASGI middleware that passes allowed requests on, and answers others with a refusal.

    Args:
        app: the application behind it.
        token: that requests must have; None for none.
        hosts: host names that requests may use. None allows all,
            since a page of another site does not know the token.
        log: called with a line for each request.
    """

    def __init__(
        self, app: ASGIApp, token: str | None, hosts: tuple[str, ...] | None, log: Callable[[str], None]
    ) -> None:
        self._app, self._token, self._hosts, self._log = app, token, hosts, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = time.perf_counter(), 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            self._check(scope)
        except Refusal as refusal:
            await to_response(refusal)(scope, receive, send_noting)
        else:
            await self._app(scope, receive, send_noting)
        finally:
            milliseconds = 1000 * (time.perf_counter() - began)
            path = scope["raw_path"].decode("ascii", "backslashreplace")
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            self._log(f"{stamp} {scope['method']} {path} {status or 'no answer'} {milliseconds:.0f} ms")

    def _check(self, scope: Scope) -> None:
        """Check host, origin and token of a request.

        Raises:
            Refusal: one of them is not allowed.
        """
        headers = Headers(scope=scope)
        refusal = None if self._hosts is None else why_refused(headers, self._hosts, "service")
        if refusal is not None:
            raise Refusal(403, refusal)
        if self._token is None or scope["path"] in WITHOUT_TOKEN:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_same_token(given.strip(), self._token):
            raise Refusal(
                401,
                "This service needs its token; send it in a header: Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": 'Bearer realm="freerun"'},
            )
