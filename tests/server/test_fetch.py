"""Fetching pictures: which addresses are asked, and what of them is taken."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from finecaption.errors import InputError
from finecaption.server.fetch import Fetcher, is_public, resolve

from .conftest import PATIENCE, Live, Stub, chat_body, png

PICTURE = png(Image.new("RGB", (6, 4), (1, 2, 3)))
LOCAL = ipaddress.ip_address("127.0.0.1")
DRIPS = 1200  # a minute
finished: list[str] = []  # the answers that dripped to their end


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254",
     "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1",
     "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1",
     "::ffff:127.0.0.1", "::ffff:10.1.2.3", "64:ff9b::7f00:1", "64:ff9b::a00:1",
     "2002:7f00:1::", "2002:c0a8:101::", "2001:db8::1", "64:ff9b:1::1", "3fff::1", "3fff:fff::1",
     "192.88.99.1", "192.31.196.1", "192.52.193.255", "192.175.48.1", "192.0.0.9",
     "2620:4f:8000::1", "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
     "2001::1", "2001:1ff::1", "100::1", "100:0:0:1::1", "5f00::1", "4000::1", "ff0e::1",
     "::8.8.8.8", "239.255.255.255", "::ffff:192.88.99.1", "64:ff9b::c058:6301"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.216.34",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::",
        "192.88.98.255",
        "192.88.100.0",
        "2001:200::1",
        "2620:4f:8001::1",
        "3ffe::1",
    ],
)
def test_addresses_that_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_the_systems_resolver_gives_addresses() -> None:
    assert resolve("127.0.0.1", 80) == [LOCAL]
    assert all(address.is_loopback for address in resolve("localhost", 80))


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.partition("?")[0]
        if name == "/a.png":
            self._answer(200, PICTURE)
        elif name == "/large":
            self._answer(200, bytes(5000))
        elif name == "/endless":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(bytes(100))
        elif name == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(DRIPS):
                self.wfile.write(b"a")
                time.sleep(0.05)
            finished.append(name)
        elif name == "/drip-head":
            for _ in range(DRIPS):
                self.wfile.write(b"H")
                time.sleep(0.05)
            finished.append(name)
        elif name.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif name == "/host":
            self._answer(200, self.headers["Host"].encode())
        else:
            self._answer(404, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: Any) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *given: Any) -> None:
        pass  # clients that hang up are the point of these tests


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    server = _Quiet(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def fetcher(port: int, **more: Any) -> Fetcher:
    """One for which this machine is public, under any name but "inside"."""
    outside = ipaddress.ip_address("93.184.216.34")

    def look_up(host: str, port: int) -> list[Any]:
        return [ipaddress.ip_address("10.0.0.1")] if host == "inside" else [outside]

    options = {"timeout": PATIENCE, "limit": 2000, "ports": (port,), "look_up": look_up, **more}
    return Fetcher(**options)


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Connections to public addresses come here instead; the list says to which they were meant."""
    meant: list[Any] = []
    connect = socket.create_connection

    def here(address: tuple[str, int], *given: Any, **more: Any) -> socket.socket:
        meant.append(address[0])
        return connect(("127.0.0.1", address[1]), *given, **more)

    monkeypatch.setattr("finecaption.server.fetch.socket.create_connection", here)
    return meant


def test_connecting_has_what_is_left_of_the_time(
    site: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    connect = socket.create_connection

    def here(address: tuple[str, int], timeout: float) -> socket.socket:
        seen.append(timeout)
        return connect(("127.0.0.1", address[1]), timeout=timeout)

    monkeypatch.setattr("finecaption.server.fetch.socket.create_connection", here)
    start = f"http://a.example:{site}"
    assert fetcher(site).fetch(f"{start}/to/{start}/a.png") == PICTURE
    assert PATIENCE >= seen[0] > seen[1] > 0, "redirects included"


def test_a_picture(site: int, pinned: list[Any]) -> None:
    got = fetcher(site).fetch(f"http://pictures.example:{site}/a.png?size=2")
    assert got == PICTURE
    assert pinned == ["93.184.216.34"], "the address that was checked, not the name"
    timers = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    assert all(one.finished.is_set() for one in timers), "nothing waits for the deadline"
    host = fetcher(site).fetch(f"http://pictures.example:{site}/host")
    assert host == f"pictures.example:{site}".encode()


def test_redirects(site: int, pinned: list[Any]) -> None:
    start = f"http://a.example:{site}"
    assert fetcher(site).fetch(f"{start}/to/{start}/a.png") == PICTURE
    assert fetcher(site).fetch(f"{start}/to//a.png") == PICTURE
    for target, message in (
        (f"http://inside:{site}/a.png", "inside is not a public address"),
        ("file:///etc/passwd", "not a web address"),
        ("http://a.example:22/", "port 22"),
    ):
        with pytest.raises(InputError, match=message):
            fetcher(site).fetch(f"{start}/to/{target}")
    chain = f"{start}" + f"/to/{start}" * 4 + "/a.png"
    with pytest.raises(InputError, match="over 3 redirects"):
        fetcher(site).fetch(chain)


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (["https://a.example/1", "http://a.example/2"], "leads from https to http"),
        (["https://a.example/1", "HTTP://a.example/2"], "leads from https to http"),
        (["https://a.example/1", "https://b.example/2", "http://b.example/3"], "https to http"),
        (["http://a.example/1", "https://a.example/2", "http://a.example/3"], "https to http"),
        (["http://a.example/1", "https://a.example/2"], None),
        (["http://a.example/1", "http://a.example/2"], None),
        (["https://a.example/1", "//b.example/2"], None),
    ],
)
def test_a_redirect_never_leaves_https(
    monkeypatch: pytest.MonkeyPatch, chain: list[str], message: str | None
) -> None:
    asked: list[bool] = []

    def get(
        self: Fetcher, host: str, port: int, secure: bool, *more: Any
    ) -> tuple[int, str | None, bytes]:
        asked.append(secure)
        last = len(asked) == len(chain)
        return (200, None, PICTURE) if last else (302, chain[len(asked)], b"")

    monkeypatch.setattr(Fetcher, "_get", get)
    one = fetcher(80, ports=(80, 443))
    if message is None:
        assert one.fetch(chain[0]) == PICTURE
        return
    with pytest.raises(InputError, match=message):
        one.fetch(chain[0])
    assert len(asked) == len(chain) - 1, "the address without TLS is not asked"


@pytest.mark.parametrize(
    ("status", "followed"),
    [(301, True), (302, True), (303, True), (307, True), (308, True),
     (204, False), (300, False), (304, False), (305, False), (400, False)],
)  # fmt: skip
def test_which_answers_are_redirects(
    monkeypatch: pytest.MonkeyPatch, status: int, followed: bool
) -> None:
    told = iter([(status, "/a.png", b""), (200, None, PICTURE)])
    monkeypatch.setattr(Fetcher, "_get", lambda *given: next(told))
    one = fetcher(80)
    if followed:
        assert one.fetch("http://a.example/") == PICTURE
    else:
        with pytest.raises(InputError, match=f"answers with status {status}"):
            one.fetch("http://a.example/")


def test_a_redirect_without_a_target_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fetcher, "_get", lambda *given: (302, None, b""))
    with pytest.raises(InputError, match="answers with status 302"):
        fetcher(80).fetch("http://a.example/")


@pytest.mark.parametrize(("redirects", "asked"), [(0, 1), (1, 2), (3, 4)])
def test_so_many_redirects_are_followed(
    monkeypatch: pytest.MonkeyPatch, redirects: int, asked: int
) -> None:
    seen: list[str] = []

    def get(self: Fetcher, host: str, *more: Any) -> tuple[int, str | None, bytes]:
        seen.append(host)
        return 302, "http://b.example/", b""

    monkeypatch.setattr(Fetcher, "_get", get)
    with pytest.raises(InputError, match=f"'http://a.example/' has over {redirects} redirects"):
        fetcher(80, redirects=redirects).fetch("http://a.example/")
    assert seen == ["a.example", *["b.example"] * (asked - 1)]


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://a.example", ("a.example", 80, False, "/")),
        ("https://a.example", ("a.example", 443, True, "/")),
        ("https://a.example:80/x", ("a.example", 80, True, "/x")),
        ("http://a.example:443/x?y=1&z", ("a.example", 443, False, "/x?y=1&z")),
        ("http://a.example/!~?", ("a.example", 80, False, "/!~")),
        ("HTTP://A.example/B#c", ("a.example", 80, False, "/B")),
        ("http://[::1]/", ("::1", 80, False, "/")),
    ],
)
def test_parts_of_an_address(url: str, parts: tuple[str, int, bool, str]) -> None:
    assert Fetcher(timeout=1, limit=10)._parts(url) == parts


@pytest.mark.parametrize("port", [79, 81, 442, 444, 8080])
def test_only_the_ports_of_the_web_are_asked(port: int) -> None:
    with pytest.raises(InputError, match=f"port {port} is not one"):
        Fetcher(timeout=1, limit=10)._parts(f"http://a.example:{port}/")


@pytest.mark.parametrize("sign", [" ", "\n", "\0", "\x7f", "\x80", "é"])
def test_signs_that_no_address_has_are_refused(sign: str) -> None:
    with pytest.raises(InputError, match="is not a web address"):
        Fetcher(timeout=1, limit=10)._parts(f"http://a.example/{sign}")


@pytest.mark.parametrize(("length", "cut"), [(80, False), (81, True)])
def test_long_addresses_are_cut_in_errors(length: int, cut: bool) -> None:
    url = "ftp://a.example/".ljust(length, "x")
    with pytest.raises(InputError) as caught:
        Fetcher(timeout=1, limit=10).fetch(url)
    shown = str(caught.value).split("'")[1]
    assert shown == (url[:77] + "..." if cut else url) and len(shown) == 80


@pytest.mark.parametrize("host", ["a.example", "b.example"])
def test_hosts_that_are_named_are_asked(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fetcher, "_get", lambda *given: (200, None, PICTURE))
    one = fetcher(80, hosts=("a.example", "b.example"))
    assert one.fetch(f"http://{host}/") == PICTURE
    with pytest.raises(InputError, match="c.example is not a host"):
        one.fetch("http://c.example/")


class _Answer:
    """An answer's body in parts; `now` tells the time after each."""

    def __init__(self, parts: list[bytes], length: str | None = None) -> None:
        self.parts = list(parts)
        self.headers = {} if length is None else {"Content-Length": length}
        self.read = 0

    def read1(self, size: int) -> bytes:
        part = self.parts.pop(0) if self.parts else b""
        self.read += len(part)
        return part


@pytest.mark.parametrize(
    ("parts", "length", "taken"),
    [
        ([b"12345", b"67890"], None, True),  # exactly the limit
        ([b"12345", b"678901"], None, False),
        ([b"1234567890"], "10", True),
        ([b"1"], "11", False),
        ([b"1"], "9" * 30, False),
        ([b"1234567890"], "many", True),
        ([], None, True),
    ],
)
def test_a_body_of_exactly_the_limit_is_taken(
    parts: list[bytes], length: str | None, taken: bool
) -> None:
    one, answer = Fetcher(timeout=1, limit=10), _Answer(parts, length)
    end = time.monotonic() + PATIENCE
    if taken:
        assert one._body(answer, end) == b"".join(parts)  # type: ignore[arg-type]  # a stand-in
    else:
        with pytest.raises(InputError, match="holds more than 10 bytes"):
            one._body(answer, end)  # type: ignore[arg-type]  # a stand-in
    if length and length.isdigit() and not taken:
        assert answer.read == 0, "what is announced too large is not read"


@pytest.mark.parametrize("parts", [[], [b"1"]])
def test_a_body_that_is_cut_off_by_the_deadline_is_not_whole(parts: list[bytes]) -> None:
    one, end = Fetcher(timeout=1, limit=10), time.monotonic()
    with pytest.raises(TimeoutError):
        one._body(_Answer(parts), end)  # type: ignore[arg-type]  # a stand-in


def test_after_the_deadline_nothing_is_asked() -> None:
    one = Fetcher(timeout=0.0, limit=10, look_up=lambda host, port: [LOCAL],
                  allowed=lambda address: True)  # fmt: skip
    with pytest.raises(InputError, match="not there within 0 s"):
        one.fetch("http://a.example/")


@pytest.mark.parametrize(
    ("path", "message"),
    [("/large", "more than 2,000 bytes"), ("/endless", "more than 2,000 bytes"),
     ("/absent", "status 404"), ("/drip", "not there within 0.6 s"),
     ("/drip-head", "not there within 0.6 s")],
)  # fmt: skip
def test_what_is_not_taken(site: int, pinned: list[Any], path: str, message: str) -> None:
    more = {"timeout": 0.6} if "drip" in path else {}
    with pytest.raises(InputError, match=message):
        fetcher(site, **more).fetch(f"http://a.example:{site}{path}")
    assert finished == [], "it does not wait for the end"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://a.example/", "not a web address"),
        ("http://", "not a web address"),
        ("http://a b/", "not a web address"),
        ("http://a.example/\r\nX: y", "not a web address"),
        ("http://[::1", "not a web address"),
        ("http://a.example:99999/", "not a web address"),
        ("http://user:word@a.example/", "user name"),
        ("http://a.example:8080/", "port 8080"),
    ],
)
def test_addresses_that_are_not_asked(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Fetcher(timeout=1, limit=10).fetch(url)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433", "127.1", "0"]
)
def test_this_machine_is_not_asked_whatever_it_is_called(host: str) -> None:
    with pytest.raises(InputError, match="not a public address|there is no host"):
        Fetcher(timeout=PATIENCE, limit=10).fetch(f"http://{host}/")


def test_one_private_address_among_others_is_enough_to_refuse() -> None:
    both = [ipaddress.ip_address("93.184.216.34"), LOCAL]
    with pytest.raises(InputError, match="not a public address"):
        Fetcher(timeout=1, limit=10, look_up=lambda host, port: both).fetch("http://a.example/")
    with pytest.raises(InputError, match="not a host that this server asks"):
        Fetcher(timeout=1, limit=10, hosts=("b.example",)).fetch("http://a.example/")


def test_through_the_server(
    serve: Callable[..., Live], stub: Stub, site: int, pinned: list[Any]
) -> None:
    live = serve(stub, fetcher=fetcher(site), allow_urls=True)
    good = live.post("/v1/chat/completions", chat_body(f"http://a.example:{site}/a.png"))
    assert good.status_code == 200
    bad = live.post("/v1/chat/completions", chat_body(f"http://inside:{site}/a.png"))
    assert bad.status_code == 400 and "not a public address" in bad.text
    not_one = live.post("/v1/chat/completions", chat_body(f"http://a.example:{site}/host"))
    assert not_one.status_code == 400 and "not an image" in not_one.text
