"""API keys, which are checked before a request's body is read."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from finecaption.server.errors import error_response

GUARDED = "/v1/"


class KeyCheck:
    """ASGI: requests below /v1 need `Authorization: Bearer KEY`, if there are keys."""

    def __init__(self, app: ASGIApp, digests: Sequence[bytes]) -> None:
        """`digests` are the SHA-256 of the keys."""
        self.app = app
        self.digests = tuple(digests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.digests and scope["path"].startswith(GUARDED):
            message = self._refusal(dict(scope["headers"]).get(b"authorization", b""))
            if message is not None:
                headers = {"WWW-Authenticate": "Bearer", "Connection": "close"}
                answer = error_response(401, message, None, "invalid_api_key", headers)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, header: bytes) -> str | None:
        kind, _, key = header.partition(b" ")
        if kind.lower() != b"bearer" or not key.strip():
            return "no API key given; send it as: Authorization: Bearer KEY"
        # every key is compared, and in constant time, so that timing tells nothing of them
        given = hashlib.sha256(key.strip()).digest()
        known = [hmac.compare_digest(given, digest) for digest in self.digests]
        return None if any(known) else "the API key is not one of this server's"
