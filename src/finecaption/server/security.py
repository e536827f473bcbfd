"""API keys, which are checked before a request's body is read."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from finecaption.server.errors import error_response

GUARDED = "/v1/"
_WRONG = 20.0  # keys that an address may guess at once
_PER_SECOND = 0.2  # and from then on
_ADDRESSES = 10_000  # remembered


class Attempts:
    """Counts wrong keys by the address that they come from, as a leaky bucket.

    An address with too many is not listened to for a while, whatever key it gives: else right keys
    could be told from wrong ones. Of IPv6 addresses, the first 64 bits count: a network has all of
    them. uvicorn takes the address from X-Forwarded-For where the proxy is on this machine.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: OrderedDict[str, tuple[float, float]] = OrderedDict()  # level, when

    def wait(self, address: str) -> float:
        """Seconds until the address may try a key; 0: now."""
        return max(0.0, (self._level(_network(address)) + 1 - _WRONG) / _PER_SECOND)

    def wrong(self, address: str) -> None:
        """Counts a wrong key."""
        network = _network(address)
        self._found[network] = self._level(network) + 1, self._clock()
        self._found.move_to_end(network)
        if len(self._found) > _ADDRESSES:
            self._found.popitem(last=False)

    def _level(self, network: str) -> float:
        level, when = self._found.get(network, (0.0, 0.0))
        return max(0.0, level - (self._clock() - when) * _PER_SECOND)


def _network(address: str) -> str:
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if known.version == 4:
        return str(known)
    return str(ipaddress.ip_network((known, 64), strict=False))


class KeyCheck:
    """ASGI: requests below /v1 need `Authorization: Bearer KEY`, if there are keys."""

    def __init__(self, app: ASGIApp, digests: Sequence[bytes]) -> None:
        """`digests` are the SHA-256 of the keys."""
        self.app = app
        self.digests = tuple(digests)
        self.attempts = Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.digests and scope["path"].startswith(GUARDED):
            address = str((scope.get("client") or ("unknown",))[0])
            wait = self.attempts.wait(address)
            if wait > 0:
                seconds = str(math.ceil(wait))
                told = f"too many wrong API keys from {address}; try again in {seconds} s"
                headers = {"Retry-After": seconds, "Connection": "close"}
                answer = error_response(429, told, None, "rate_limit_exceeded", headers)
                await answer(scope, receive, send)
                return
            header = dict(scope["headers"]).get(b"authorization", b"")
            message = self._refusal(header)
            if message is not None:
                if header:
                    self.attempts.wrong(address)
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
