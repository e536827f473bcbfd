"""Which hosts' names and origins a page on this machine answers."""

from __future__ import annotations

import asyncio
import socket

import pytest
from starlette.types import Message, Receive, Scope, Send

from finecaption.server.origins import OwnSite


def status(method: str, *headers: tuple[str, str]) -> int:
    """The status of one request."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is read of what is refused")

    pairs = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": method, "path": "/", "headers": pairs}
    asyncio.run(OwnSite(app, ("Studio.example",))(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", 200),
        ("localhost:7860", 200),
        ("LOCALHOST:7860", 200),
        ("a.localhost", 200),
        ("127.0.0.1:7860", 200),
        ("192.0.2.7:7860", 200),
        ("[::1]:7860", 200),
        ("studio.example:443", 200),
        (socket.gethostname(), 200),
        ("evil.example", 421),
        ("evil.example:7860", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_hosts(method: str, host: str, expected: int) -> None:
    assert status(method, ("host", host)) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),  # no browser
        ({"origin": "http://localhost:7860"}, 200),
        ({"origin": "https://localhost:7860"}, 200),  # behind a proxy that speaks TLS
        ({"origin": "http://localhost:7860", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "http://localhost:7861"}, 403),
        ({"origin": "http://localhost"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://localhost:7860", "sec-fetch-site": "cross-site"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writes(method: str, headers: dict[str, str], expected: int) -> None:
    own = ("host", "localhost:7860")
    assert status(method, own, *headers.items()) == expected
    assert status("GET", own, *headers.items()) == 200, "links from other sites open the page"


def test_a_host_that_is_given_twice_is_refused() -> None:
    assert status("GET", ("host", "localhost"), ("host", "evil.example")) == 400
