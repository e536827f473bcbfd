"""`BodyLimit` driven by lists of ASGI messages: no sockets, no server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from finecaption.server.limits import BodyLimit
from finecaption.server.memory import Memory

LIMIT = 10
ENDLESS = None
"""Stands for a body whose parts never end."""


class Client:
    """Sends body parts, then waits for ever; keeps the messages of the answer.

    Args:
        parts: of the body; ENDLESS: full parts, again and again.
        slow: whether it never takes an answer.
        announced: the Content-Length header.
    """

    def __init__(
        self, parts: Sequence[bytes] | None, *, slow: bool = False, announced: int | None = None
    ) -> None:
        self.parts = None if parts is None else list(parts)
        self.slow = slow
        self.headers = [] if announced is None else [(b"content-length", b"%d" % announced)]
        self.read = 0
        self.answer: list[Message] = []

    async def receive(self) -> Message:
        if self.parts is ENDLESS:
            self.read += LIMIT
            assert self.read <= 100 * LIMIT, "an endless body is read for ever"
            return {"type": "http.request", "body": bytes(LIMIT), "more_body": True}
        if not self.parts:
            await asyncio.Event().wait()
        part = self.parts.pop(0)
        self.read += len(part)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts)}

    async def send(self, message: Message) -> None:
        if self.slow:
            await asyncio.Event().wait()
        self.answer.append(message)


class App:
    """Answers 200 with the length of the body."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            message = await receive()
            assert not message["more_body"]
            self.bodies.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def ask(
    client: Client, *, method: str = "POST", path: str = "/v1/x", timeout: float = 0.2
) -> tuple[int | None, dict[str, Any], App]:
    """Status, error and app of one request; the status is None where nothing was answered."""
    app = App()
    scope = {"type": "http", "path": path, "method": method, "headers": client.headers}

    async def run() -> None:
        limited = BodyLimit(app, limit=LIMIT, timeout=timeout)
        await asyncio.wait_for(limited(scope, client.receive, client.send), 10)

    asyncio.run(run())
    if not client.answer:
        return None, {}, app
    start, *rest = client.answer
    body = b"".join(message.get("body", b"") for message in rest)
    return start["status"], json.loads(body)["error"] if body else {}, app


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b""], 200),
        ([bytes(LIMIT - 1)], 200),
        ([bytes(LIMIT)], 200),  # exactly the limit is within it
        ([bytes(LIMIT + 1)], 413),
        ([bytes(LIMIT // 2)] * 2, 200),
        ([bytes(LIMIT), b""], 200),
        ([bytes(LIMIT), b"x"], 413),
        ([b"x"] * (LIMIT + 1), 413),
    ],
)
@pytest.mark.parametrize("announce", [True, False])
def test_a_body_of_exactly_the_limit_is_taken(
    parts: list[bytes], status: int, announce: bool
) -> None:
    body = b"".join(parts)
    client = Client(parts, announced=len(body) if announce else None)
    got, error, app = ask(client)
    assert got == status
    assert app.bodies == ([body] if status == 200 else [])
    if status == 413:
        assert error["code"] == "request_too_large" and "over 10 bytes" in error["message"]


def test_what_is_announced_too_large_is_read_away_and_refused() -> None:
    client = Client([bytes(5)], announced=LIMIT + 1)
    assert ask(client)[0] == 413
    assert client.read == 5, "the client gets to see the answer"


@pytest.mark.parametrize("announced", [None, 10**9])
def test_an_endless_body_is_read_up_to_four_times_the_limit(announced: int | None) -> None:
    client = Client(ENDLESS, announced=announced)
    assert ask(client, timeout=5)[0] == 413
    assert client.read == 5 * LIMIT  # the first part over 4 x 10


def test_a_body_that_stops_coming_is_answered_with_408() -> None:
    class Stuck(Client):
        async def receive(self) -> Message:
            if self.read:
                await asyncio.Event().wait()
            self.read += 1
            return {"type": "http.request", "body": b"x", "more_body": True}

    status, error, app = ask(Stuck([]))
    assert status == 408 and "within 0.2 s" in error["message"] and app.bodies == []


@pytest.mark.parametrize(
    ("method", "parts"), [("POST", [b"x"]), ("POST", [bytes(LIMIT + 1)]), ("GET", [])]
)
def test_a_client_that_takes_no_answer_is_cut_off(method: str, parts: list[bytes]) -> None:
    client = Client(parts, slow=True)
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(_within(client, method, 5))
    assert client.answer == []


async def _within(client: Client, method: str, seconds: float) -> None:
    """Raises RuntimeError where the request is still open after so many seconds."""
    scope = {"type": "http", "path": "/v1/x", "method": method, "headers": client.headers}
    task = asyncio.ensure_future(
        BodyLimit(App(), limit=LIMIT, timeout=0.1)(scope, client.receive, client.send)
    )
    done, _ = await asyncio.wait([task], timeout=seconds)
    if not done:
        task.cancel()
        raise RuntimeError("nobody cut the client off")
    task.result()


def test_a_client_that_has_gone_is_not_answered() -> None:
    class Gone(Client):
        async def receive(self) -> Message:
            return {"type": "http.disconnect"}

    assert ask(Gone([]))[0] is None


@pytest.mark.parametrize("path", ["/metrics", "/studio/gradio_api/upload", "/studio-api/open"])
def test_every_path_is_limited(path: str) -> None:
    assert ask(Client([bytes(LIMIT + 1)]), path=path)[0] == 413


def test_a_length_that_is_given_in_two_ways_is_refused() -> None:
    client = Client([b"x"], announced=1)
    client.headers.append((b"transfer-encoding", b"chunked"))
    status, error, app = ask(client)
    assert status == 400 and "both Content-Length and Transfer-Encoding" in error["message"]
    assert app.bodies == [] and client.read == 0
    assert (b"connection", b"close") in client.answer[0]["headers"]


def test_bodies_in_arrival_share_one_memory() -> None:
    memory = Memory(15, lambda: 7)
    first, second = Client([bytes(8), b""]), Client([bytes(8), bytes(2)])
    seen: list[int] = []

    class Waits(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(memory.held)
            await limited(scope_of(second), second.receive, second.send)
            seen.append(memory.held)
            await super().__call__(scope, receive, send)

    limited = BodyLimit(App(), limit=LIMIT, timeout=5, memory=memory)
    outer = BodyLimit(Waits(), limit=LIMIT, timeout=5, memory=memory)
    asyncio.run(outer(scope_of(first), first.receive, first.send))
    assert first.answer[0]["status"] == 200 and seen == [8, 8] and memory.held == 0
    assert second.answer[0]["status"] == 429 and second.read == 10, "read away"
    assert (b"retry-after", b"7") in second.answer[0]["headers"]


def scope_of(client: Client) -> dict[str, Any]:
    return {"type": "http", "path": "/v1/x", "method": "POST", "headers": client.headers}
