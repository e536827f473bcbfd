"""Limits on the size of a request's body and on the time to read it."""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finecaption.server.errors import error_response
from finecaption.server.jobs import Busy
from finecaption.server.memory import Held, Memory

_WITH_BODY = ("POST", "PUT", "PATCH")
_DRAINED = 4  # times the limit: how much of a body that is too large is read away before the answer
_CLOSE = {"Connection": "close"}
HELD = "finecaption.held"
"""Key of the ASGI scope: the request's `memory.Held`."""


class ClientGone(Exception):
    """The client closed the connection before its request was read."""


class TooLarge(Exception):
    """The body exceeds the limit."""


class BodyLimit:
    """ASGI: bodies are read whole, within a size (413), a time (408) and the memory of all (429).

    A client that does not take its answer within the time is cut off as well. A request whose
    length is given in two ways, which proxies and servers read differently, is refused.
    """

    def __init__(
        self, app: ASGIApp, *, limit: int, timeout: float, memory: Memory | None = None
    ) -> None:
        """
        Args:
            limit: in bytes.
            timeout: in seconds, for the whole body.
            memory: what all requests together may hold; None: any amount.
        """
        self.app = app
        self.limit = limit
        self.timeout = timeout
        self.memory = memory or Memory(1 << 62)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_in_time(message: Message) -> None:
            await asyncio.wait_for(send(message), self.timeout)

        names = {name for name, _ in scope["headers"]}
        if {b"content-length", b"transfer-encoding"} <= names:
            message = "the request has both Content-Length and Transfer-Encoding; send one of them"
            await error_response(400, message, headers=_CLOSE)(scope, receive, send_in_time)
            return
        if scope["method"] not in _WITH_BODY:
            await self.app(scope, receive, send_in_time)
            return
        with Held(self.memory) as held:
            await self._with_body(scope, receive, send_in_time, held)

    async def _with_body(
        self, scope: Scope, receive: Receive, send_in_time: Send, held: Held
    ) -> None:
        try:
            body = await self._read(scope, receive, held)
        except TooLarge:
            message = f"the request is over {self.limit:,} bytes; send a smaller image"
            await error_response(413, message, None, "request_too_large", _CLOSE)(
                scope, receive, send_in_time
            )
            return
        except Busy as error:
            message = f"{error}; try again in {error.retry_after} s"
            headers = {**_CLOSE, "Retry-After": str(error.retry_after)}
            await error_response(429, message, None, "rate_limit_exceeded", headers)(
                scope, receive, send_in_time
            )
            return
        except asyncio.TimeoutError:
            message = f"the request's body did not arrive within {self.timeout:g} s"
            await error_response(408, message, headers=_CLOSE)(scope, receive, send_in_time)
            return
        except ClientGone:
            return  # nobody is left to answer
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()  # from here on, only the news that the client has gone
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        scope[HELD] = held
        await self.app(scope, replay, send_in_time)

    async def _read(self, scope: Scope, receive: Receive, held: Held) -> bytes:
        announced = dict(scope["headers"]).get(b"content-length", b"")
        too_large = announced.isdigit() and int(announced[:20]) > self.limit
        end = time.monotonic() + self.timeout
        parts: list[bytes] = []
        no_room: Busy | None = None
        size, more = 0, True
        while more:
            left = end - time.monotonic()
            if left <= 0:
                raise asyncio.TimeoutError
            message = await asyncio.wait_for(receive(), left)
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            if size > self.limit:
                too_large = True
            if not too_large and no_room is None:
                try:
                    held.add(len(part))
                except Busy as error:
                    no_room = error
            if too_large or no_room is not None:
                held.close()
                parts.clear()  # read away, so that the client gets to see the answer
                if size > _DRAINED * self.limit:
                    break
            else:
                parts.append(part)
        if too_large:
            raise TooLarge
        if no_room is not None:
            raise no_room
        return b"".join(parts)
