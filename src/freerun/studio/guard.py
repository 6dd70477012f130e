"""`Guard`: middleware that refuses requests without the token, from other origins,
or for unknown host names.

The token is sent once in the address (`?token=...`), then in a cookie with `SameSite=Strict`.
`freerun.access` says which hosts and origins are refused, even with the cookie.
"""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from freerun.access import is_same_token, why_refused

COOKIE = "freerun-studio"


class Guard:
    """ASGI middleware that passes allowed requests on, and answers others with a refusal.

    Args:
        app: the application behind it.
        token: that a browser must send; None allows all requests from this machine.
        hosts: host names that requests may use for the studio.
        most: largest body of a request, in bytes.
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: tuple[str, ...], most: int) -> None:
        self._app, self._token, self._hosts, self._most = app, token, hosts, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        refusal = why_refused(headers, self._hosts, "studio")
        if refusal is None and self._token is not None:
            given = parse_qs(scope["query_string"].decode()).get("token", [""])[0]
            if is_same_token(given, self._token) and scope["type"] == "http":
                answer = RedirectResponse(scope["path"] or "/", 303)
                answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict", max_age=30 * 86400)
                return await answer(scope, receive, send)
            cookies = SimpleCookie(headers.get("cookie", ""))
            held = cookies[COOKIE].value if COOKIE in cookies else ""
            if not is_same_token(held, self._token):
                refusal = "This studio needs a token: open the address that `freerun studio` printed."
        if refusal is None and scope.get("method") in ("POST", "PUT", "PATCH") and not self._fits(headers):
            return await PlainTextResponse(f"A request may have at most {self._most} bytes.", 413)(scope, receive, send)
        if refusal is None:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await PlainTextResponse(refusal, 403)(scope, receive, send)

    def _fits(self, headers: Headers) -> bool:
        """Whether a request declares its length, and it is within the limit."""
        length = headers.get("content-length", "")
        return length.isdigit() and int(length) <= self._most
