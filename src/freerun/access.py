"""Who may send requests to a page or a service of freerun: hosts, origins and tokens.

A page of another site can make a browser send requests to a server on the loopback
address (cross-site request forgery). By DNS rebinding, such a page reaches the server
under its own host name. A server therefore refuses requests whose origin is another
site, and requests for unknown host names.
"""

from __future__ import annotations

import hmac
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Host names of the loopback address."""


def is_loopback(host: str) -> bool:
    """Whether a server that listens on this address is reached from this machine alone."""
    return host in LOOPBACK


def host_names(host: str) -> tuple[str, ...]:
    """Return the names by which requests may address a server.

    Args:
        host: address that the server listens on. With any but the loopback address,
            the names and addresses of this machine are allowed too.
    """
    return LOOPBACK if is_loopback(host) else (*LOOPBACK, host, *_names_of_this_machine())


def displayed_host(host: str) -> str:
    """Return the host of an address that can be opened on this machine,
    for a server that listens on `host`."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", *LOOPBACK) else host
    return f"[{shown}]" if ":" in shown else shown


def why_refused(headers: Mapping[str, str], hosts: tuple[str, ...], server: str) -> str | None:
    """Check the host and the origin of a request.

    Starlette's `TrustedHostMiddleware` checks hosts alone,
    and answers a web page where a socket should be closed.

    Args:
        headers: headers of the request, with names in lower case.
        hosts: host names that requests may use.
        server: what the server is called in the message, such as `studio`.

    Returns:
        Why the request is refused; None if it is allowed.
    """
    host = _place(f"//{headers.get('host', '')}").hostname or ""
    if host not in hosts:
        return f"This {server} has no host name {host!r}."
    origin = headers.get("origin")
    if origin is not None and _place(origin).netloc != headers.get("host"):
        return f"A page of another site may not use this {server}."
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
        return f"A page of another site may not use this {server}."
    return None


def is_same_token(given: str, token: str) -> bool:
    """Compare tokens, in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), token.encode(errors="surrogateescape"))


def _place(address: str) -> SplitResult:
    """Split an address; one that is malformed has no host."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _names_of_this_machine() -> tuple[str, ...]:
    name = socket.gethostname()
    try:
        addresses = [str(info[4][0]) for info in socket.getaddrinfo(name, None)]
    except OSError:
        addresses = []
    return (name.lower(), socket.getfqdn().lower(), *addresses)
