"""Limits on the size of a request's body and on the time to read it."""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finecaption.server.errors import error_response

_WITH_BODY = ("POST", "PUT", "PATCH")
_DRAINED = 4  # times the limit: how much of a body that is too large is read away before the answer
_CLOSE = {"Connection": "close"}


class ClientGone(Exception):
    """The client closed the connection before its request was read."""


class TooLarge(Exception):
    """The body exceeds the limit."""


class BodyLimit:
    """ASGI: bodies below /v1 are read whole, within a size (413) and a time (408).

    A client that does not take its answer within the time is cut off as well.
    """

    def __init__(self, app: ASGIApp, *, limit: int, timeout: float, prefix: str = "/v1/") -> None:
        """`limit` in bytes, `timeout` in seconds for the whole body."""
        self.app = app
        self.limit = limit
        self.timeout = timeout
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self.prefix):
            await self.app(scope, receive, send)
            return

        async def send_in_time(message: Message) -> None:
            await asyncio.wait_for(send(message), self.timeout)

        if scope["method"] not in _WITH_BODY:
            await self.app(scope, receive, send_in_time)
            return
        try:
            body = await self._read(scope, receive)
        except TooLarge:
            message = f"the request is over {self.limit:,} bytes; send a smaller image"
            await error_response(413, message, None, "request_too_large", _CLOSE)(
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

        await self.app(scope, replay, send_in_time)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        announced = dict(scope["headers"]).get(b"content-length", b"")
        too_large = announced.isdigit() and int(announced[:20]) > self.limit
        end = time.monotonic() + self.timeout
        parts: list[bytes] = []
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
            if too_large:
                parts.clear()  # read away, so that the client gets to see the answer
                if size > _DRAINED * self.limit:
                    break
            else:
                parts.append(part)
        if too_large:
            raise TooLarge
        return b"".join(parts)
