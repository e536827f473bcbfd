"""Sizes, deadlines, keys, CORS: what is refused before anything is decoded."""

from __future__ import annotations

import hashlib
import io
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from .conftest import PATIENCE, Live, Stub, chat_body, data_uri, png, small, until

Serve = Callable[..., Live]
SENDS = 600  # a minute of a byte each tenth of a second: no deadline of these tests is that long


def bomb(width: int = 100_000, height: int = 100_000, kind: int = 0) -> bytes:
    """A PNG of a kilobyte whose head promises 10,000 megapixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def test_bombs_are_refused_by_their_heads(serve: Serve, stub: Stub) -> None:
    live = serve(stub, max_pixels=1000)
    for data in (bomb(), bomb(50, 50), bomb(14_000, 14_000)):
        answer = live.post("/v1/regions", {"image": data_uri(data)})
        assert answer.status_code == 400
        assert "pixels" in answer.json()["error"]["message"]
    assert stub.batches == []


def test_bodies_over_the_limit(serve: Serve, stub: Stub) -> None:
    live = serve(stub, max_body=2048)
    large = live.post("/v1/regions", {"image": "A" * 4000})
    assert large.status_code == 413 and "2,048 bytes" in large.json()["error"]["message"]
    assert live.post("/v1/regions", {"image": small()}).status_code == 200

    def parts() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 100

    kind = {"content-type": "application/json"}
    counted = httpx.post(f"{live.url}/v1/regions", content=parts(), headers=kind)
    assert counted.status_code == 413, "without Content-Length, bytes are counted"


def test_a_body_that_comes_slowly(serve: Serve, stub: Stub) -> None:
    live = serve(stub, body_timeout=0.4)
    sent = []

    def parts() -> Iterator[bytes]:
        for number in range(SENDS):
            time.sleep(0.1)
            sent.append(number)
            yield b" "

    try:
        answer = httpx.post(f"{live.url}/v1/regions", content=parts(), timeout=PATIENCE)
        assert answer.status_code == 408
    except httpx.TransportError:
        pass  # cut off while it was still sending: as good
    assert len(sent) < SENDS, "it was not heard to its end"
    assert live.get("/healthz").status_code == 200


def _until_closed(link: socket.socket) -> bytes:
    """What comes until the server closes the connection; raises TimeoutError if it does not."""
    got = b""
    link.settimeout(PATIENCE)
    try:
        while part := link.recv(4096):
            got += part
    except ConnectionError:
        pass
    return got


@pytest.mark.parametrize(
    "begun", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"], ids=["silent", "half a head"]
)
def test_a_slow_loris_is_cut_off(serve: Serve, stub: Stub, begun: bytes) -> None:
    live = serve(stub, header_timeout=0.5)
    start = time.monotonic()  # before the server's own clock starts, which is that of its thread
    with socket.create_connection(("127.0.0.1", live.port)) as link:
        link.sendall(begun)
        got = _until_closed(link)
    assert time.monotonic() - start > 0.45, "not before the deadline"
    assert got.startswith(b"HTTP/1.1 408")


def test_bytes_now_and_then_do_not_move_the_deadline(serve: Serve, stub: Stub) -> None:
    # long enough for the well-behaved request below on a busy machine
    live = serve(stub, header_timeout=2.0, keep_alive=1)
    others = [socket.create_connection(("127.0.0.1", live.port)) for _ in range(30)]
    with socket.create_connection(("127.0.0.1", live.port)) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\n")
        with pytest.raises(OSError):
            for _ in range(SENDS):
                time.sleep(0.1)
                link.sendall(b"X-A: b\r\n")
                assert live.get("/healthz").status_code == 200
    for other in others:
        _until_closed(other)
        other.close()
    # the second request of a kept connection has a deadline as well
    with socket.create_connection(("127.0.0.1", live.port)) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he")
        got = _until_closed(link)
    assert got.startswith(b"HTTP/1.1 200")


def test_api_keys(serve: Serve, stub: Stub, tmp_path: Path) -> None:
    hashed = hashlib.sha256(b"kept-as-a-hash").hexdigest()
    keys = tmp_path / "keys"
    keys.write_text(f"# two\nplain-in-the-file\n\nsha256:{hashed}\n")
    live = serve(stub, api_keys=("given-as-setting",), api_keys_file=keys)
    for key in ("given-as-setting", "plain-in-the-file", "kept-as-a-hash"):
        headers = {"authorization": f"Bearer {key}"}
        assert live.get("/v1/models", headers=headers).status_code == 200
    for value in ("Bearer", "Bearer wrong", f"Bearer {hashed}", f"Bearer sha256:{hashed}",
                  "Basic given-as-setting", "given-as-setting"):  # fmt: skip
        answer = live.get("/v1/models", headers={"authorization": value})
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "invalid_api_key"
    # before the body is read, and for paths that are not there too
    assert live.post("/v1/regions", b"{").status_code == 401
    assert live.get("/v1/nothing").status_code == 401
    assert live.get("/healthz").status_code == 200
    document = live.get("/openapi.json").json()
    assert document["paths"]["/v1/regions"]["post"]["security"] == [{"key": []}]
    assert "security" not in document["paths"]["/healthz"]["get"]


def test_cors_is_off_unless_asked_for(serve: Serve, stub: Stub) -> None:
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    closed = serve(stub)
    assert "access-control-allow-origin" not in closed.get("/healthz", headers=asked).headers
    opened = serve(stub, cors_origins="https://a.example, https://b.example",
                   api_keys="long-enough-key")  # fmt: skip
    preflight = httpx.options(f"{opened.url}/v1/regions", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    other = opened.get("/healthz", headers={"origin": "https://c.example"})
    assert "access-control-allow-origin" not in other.headers


def test_connections_are_limited(serve: Serve, stub: Stub) -> None:
    live = serve(stub, connections=5)
    links = [socket.create_connection(("127.0.0.1", live.port)) for _ in range(5)]
    until(lambda: live.get("/healthz").status_code == 503)
    for link in links:
        link.close()
    until(lambda: live.get("/healthz").status_code == 200)


def test_only_known_formats_are_opened(serve: Serve, stub: Stub) -> None:
    live = serve(stub)
    for kind, status in (("JPEG", 200), ("WEBP", 200), ("GIF", 200), ("BMP", 200), ("TIFF", 200),
                         ("PPM", 400), ("ICO", 400), ("TGA", 400)):  # fmt: skip
        stream = io.BytesIO()
        Image.new("RGB", (16, 16), (9, 9, 9)).save(stream, kind)
        answer = live.post("/v1/regions", {"image": data_uri(stream.getvalue())})
        assert answer.status_code == status, (kind, answer.text)
    bare = data_uri(png(Image.new("RGB", (4, 4)))).partition(",")[2]
    assert live.post("/v1/regions", {"image": bare}).status_code == 200


def test_web_addresses_are_not_fetched(serve: Serve, stub: Stub) -> None:
    live = serve(stub)
    for url in ("http://example.com/a.png", "HTTPS://example.com/a.png"):
        answer = live.post("/v1/chat/completions", chat_body(url))
        assert answer.status_code == 400
        assert "fetches no web addresses" in answer.json()["error"]["message"]
    local = live.post("/v1/chat/completions", chat_body("file:///etc/hostname"))
    assert local.status_code == 400 and "data URI" in local.text
