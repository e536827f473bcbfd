"""Keeps web pages of other sites from using a page on this machine through its visitor's browser.

A foreign page can send requests here (CSRF), and can have its own name resolve to this machine, so
that the browser takes both for one site (DNS rebinding). So a request must ask for a host by one of
its own names, and one that may change something must not come from another origin.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from finecaption.server.errors import error_response

_READS = ("GET", "HEAD", "OPTIONS")
_OWN_SITE = ("same-origin", "none")  # of Sec-Fetch-Site; none: the visitor typed the address


class OwnSite:
    """ASGI: refuses other hosts' names (421) and writes of other origins (403).

    A program that is no browser sends no Origin, and is served. Names are `localhost`, this
    machine's own, and those given; addresses in numbers are all taken, as no name stands for them
    that could be made to resolve elsewhere.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] = ()) -> None:
        """`hosts`: further names, without ports."""
        self.app = app
        self.hosts = {"localhost", socket.gethostname().lower(), *(h.lower() for h in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        told = [
            (name, value.decode("latin-1"))
            for name, value in scope["headers"]
            if name in (b"host", b"origin", b"sec-fetch-site")
        ]
        headers = dict(told)
        status, message = 0, ""
        host = headers.get(b"host", "")
        writes = scope["type"] == "websocket" or scope["method"] not in _READS
        if len(headers) < len(told):
            status, message = 400, "Host, Origin or Sec-Fetch-Site is given twice"
        elif not self._is_own(host):
            status, message = (
                421,
                (
                    f"{host[:80]!r} is no name of this host; ask for localhost or its address, or "
                    "name it in the setting hosts"
                ),
            )
        elif writes and not _same_site(headers, host):
            status, message = 403, "a page of another site may not do this"
        if not status:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            answer = error_response(status, message, headers={"Connection": "close"})
            await answer(scope, receive, send)

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.hosts or name.endswith(".localhost")
        return True


def _same_site(headers: dict[bytes, str], host: str) -> bool:
    """Whether the browser says that its page comes from `host`, or nothing of a page."""
    if headers.get(b"sec-fetch-site", "none") not in _OWN_SITE:
        return False
    origin = headers.get(b"origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower() != ""
