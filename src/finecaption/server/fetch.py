"""Fetches images from URLs, without a way into the network behind the server.

A name is resolved once, every address it has must be public, and the connection goes to the address
that was checked (a second look-up could give another one). Redirects go through the same checks.
Size, time and number of redirects are limited.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from finecaption.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_REDIRECTS = (301, 302, 303, 307, 308)
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
"""IANA's special-purpose registries of IPv4 and IPv6 (iana-ipv4-special-registry and
iana-ipv6-special-registry, as of October 2025) with multicast (RFC 5771); of IPv6, those within
`_GLOBAL`. Also those that the registries call globally reachable: no images are there. Written out,
as the `ipaddress` of older Pythons lacks some."""

_GLOBAL = ipaddress.ip_network("2000::/3")  # RFC 4291: all other IPv6 is no global unicast
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits
_PART = 65_536


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet: not private, loopback, link-local,
    multicast, reserved or of another special purpose, nor an IPv6 form of an IPv4 address that
    is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address not in _GLOBAL:
            return False
    return not any(
        address.version == network.version and address in network for network in _SPECIAL
    )


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, by the system's resolver.

    Raises:
        OSError: there is no such host.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


@dataclass(frozen=True)
class Fetcher:
    """Fetches the content of a URL."""

    timeout: float
    """Seconds, redirects included."""
    limit: int
    """Bytes."""
    redirects: int = 3
    hosts: Sequence[str] = ()
    """If given, no others are asked."""
    ports: Sequence[int] = (80, 443)
    look_up: Callable[[str, int], Sequence[Address]] = resolve
    allowed: Callable[[Address], bool] = is_public

    def fetch(self, url: str) -> bytes:
        """The bytes at `url`.

        Raises:
            InputError: not http or https, a host or address that may not be asked, too large, too
                slow, too many redirects, any status but 200.
        """
        end = time.monotonic() + self.timeout
        first = url
        for _ in range(self.redirects + 1):
            host, port, secure, path = self._parts(url)
            address = self._address(host, port)
            try:
                status, location, body = self._get(host, port, secure, path, address, end)
            except InputError:
                raise
            except (OSError, http.client.HTTPException, ValueError) as error:
                late = time.monotonic() >= end
                why = f"not there within {self.timeout:g} s" if late else type(error).__name__
                raise InputError(f"image_url: {_shown(url)} cannot be fetched ({why})") from error
            if status == 200:
                return body
            if status not in _REDIRECTS or not location:
                raise InputError(f"image_url: {_shown(url)} answers with status {status}")
            url = urljoin(url, location)
            if secure and urlsplit(url).scheme == "http":  # also where it says HTTP:
                raise InputError(f"image_url: {_shown(first)} leads from https to http")
        raise InputError(f"image_url: {_shown(first)} has over {self.redirects} redirects")

    def _parts(self, url: str) -> tuple[str, int, bool, str]:
        bad = any(ord(sign) <= 32 or ord(sign) >= 127 for sign in url)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise InputError(f"image_url: {_shown(url)} is not a web address") from error
        if bad or parts.scheme not in ("http", "https") or not host:
            raise InputError(f"image_url: {_shown(url)} is not a web address (http or https)")
        if parts.username is not None or parts.password is not None:
            raise InputError("image_url: must not hold a user name or a password")
        secure = parts.scheme == "https"
        port = port or (443 if secure else 80)
        if port not in self.ports:
            raise InputError(f"image_url: port {port} is not one that this server asks")
        if self.hosts and host not in self.hosts:
            raise InputError(f"image_url: {host} is not a host that this server asks")
        return host, port, secure, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _address(self, host: str, port: int) -> Address:
        try:
            found = list(self.look_up(host, port))
        except (OSError, ValueError) as error:
            raise InputError(f"image_url: there is no host {host}") from error
        # one address that is not public is enough to refuse: a resolver gives them in any order
        if not found or not all(self.allowed(address) for address in found):
            raise InputError(f"image_url: {host} is not a public address")
        return found[0]

    def _get(
        self, host: str, port: int, secure: bool, path: str, address: Address, end: float
    ) -> tuple[int, str | None, bytes]:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        link = socket.create_connection((str(address), port), timeout=left)
        # a server that sends a byte now and then never runs into the socket's own timeout
        held = [link]
        guard = threading.Timer(max(0.0, end - time.monotonic()), _cut, held)
        guard.daemon = True
        guard.start()
        try:
            if secure:
                link = ssl.create_default_context().wrap_socket(link, server_hostname=host)
                held[0] = link
            asked = http.client.HTTPConnection(host, port, timeout=left)
            asked.sock = link
            named = f"[{host}]" if ":" in host else host
            if port != (443 if secure else 80):
                named += f":{port}"
            asked.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
            asked.putheader("Host", named)
            asked.putheader("Accept", "image/*")
            asked.putheader("Accept-Encoding", "identity")
            asked.putheader("User-Agent", "finecaption")
            asked.putheader("Connection", "close")
            asked.endheaders()
            with asked.getresponse() as answer:
                if answer.status != 200:
                    return answer.status, answer.headers.get("Location"), b""
                return 200, None, self._body(answer, end)
        finally:
            guard.cancel()
            link.close()

    def _body(self, answer: http.client.HTTPResponse, end: float) -> bytes:
        announced = answer.headers.get("Content-Length", "")
        too_large = InputError(f"image_url: holds more than {self.limit:,} bytes")
        if announced.isdigit() and int(announced[:20]) > self.limit:
            raise too_large
        parts, size = [], 0
        while part := answer.read1(_PART):
            size += len(part)
            if size > self.limit:
                raise too_large
            if time.monotonic() >= end:
                raise TimeoutError
            parts.append(part)
        if time.monotonic() >= end:  # cut off, and not at its end
            raise TimeoutError
        return b"".join(parts)


def _cut(link: socket.socket) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already


def _shown(url: str) -> str:
    return repr(url if len(url) <= 80 else url[:77] + "...")
