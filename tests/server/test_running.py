"""Deadlines of a connection, byte by byte, without a socket; and what cannot start."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from finecaption.errors import FineCaptionError
from finecaption.server import Settings, create_app
from finecaption.server.running import deadline_protocol, in_background, make_server

from .conftest import Stub

HEAD, BODY = 1000.0, 2000.0  # seconds; longer than any test
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


class Wire(asyncio.Transport):
    """The server's end of a connection; keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def answers(scope: Any, receive: Any, send: Any) -> None:
    """Reads the request whole, then answers it."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def connected(work: Callable[[Any, Wire], Any], app: Any = answers) -> None:
    """Runs `work(protocol, wire)`, a coroutine function, on a new connection."""

    async def run() -> None:
        protocol = deadline_protocol(HEAD, BODY)
        config = uvicorn.Config(app, http=protocol, lifespan="off", log_level="critical")
        config.load()
        made, wire = protocol(config, ServerState(), {}), Wire()
        made.connection_made(wire)
        try:
            await work(made, wire)
        finally:
            made.connection_lost(None)
            assert made._timer is None and made._waits_for is None
            await asyncio.sleep(0)

    asyncio.run(run())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "steps",
    [
        [(b"", "head"), (b"GET / HT", "head"), (b"TP/1.1\r\nHost: x\r\n\r\n", None)],
        [(POST, "body"), (b"he", "body"), (b"llo", None)],
        [(POST + b"hello", None)],
        # after an answer a connection may be idle; the next request has deadlines of its own
        [(GET, None), (b"G", "head"), (GET[1:], None), (POST, "body")],
        [(GET + b"GET /", None), (b" HTTP/1.1\r\n", "head")],  # uvicorn's keep-alive timer first
    ],
    ids=["head", "body", "at once", "kept", "pipelined"],
)
def test_what_a_connection_waits_for(steps: list[tuple[bytes, str | None]]) -> None:
    async def work(protocol: Any, wire: Wire) -> None:
        assert protocol._waits_for == "head", "a new connection owes a head"
        for data, waits in steps:
            if data:
                protocol.data_received(data)
            await settle()
            assert protocol._waits_for == waits
            assert (protocol._timer is None) == (waits is None)

    connected(work)


def test_how_long_a_connection_waits() -> None:
    async def work(protocol: Any, wire: Wire) -> None:
        def left() -> float:
            return float(protocol._timer.when() - asyncio.get_running_loop().time())

        assert HEAD - 60 < left() <= HEAD
        head = protocol._timer
        protocol.data_received(b"POST / HTTP/1.1\r\n")
        assert protocol._timer is head, "one more byte does not move the deadline"
        protocol.data_received(b"Host: x\r\nContent-Length: 5\r\n\r\n")
        # a little more than the application's own deadline, which answers better
        assert BODY + 1 < left() <= BODY + 2 and head.cancelled()
        body = protocol._timer
        protocol.data_received(b"he")
        assert protocol._timer is body
        protocol.data_received(b"llo")
        assert body.cancelled() and protocol._timer is None

    connected(work)


@pytest.mark.parametrize(
    ("data", "answered"),
    [(b"", True), (b"GET / HT", True), (POST, False), (POST + b"he", False)],
    ids=["silent", "half a head", "no body", "half a body"],
)
def test_who_is_too_late_is_cut_off(data: bytes, answered: bool) -> None:
    async def work(protocol: Any, wire: Wire) -> None:
        if data:
            protocol.data_received(data)
        await settle()
        protocol._timer._run()  # the deadline
        assert wire.closed
        assert wire.written.startswith(b"HTTP/1.1 408") is answered
        before = wire.written
        protocol._late()
        assert wire.written == before, "a connection that is closing is left alone"

    connected(work)


def test_a_connection_whose_request_is_at_work_gets_no_second_answer() -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def work(protocol: Any, wire: Wire) -> None:
        protocol.data_received(GET)
        await settle()
        protocol._late()
        assert wire.closed and wire.written == b""
        protocol.cycle.disconnected = True
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    connected(work, waits)


def test_a_server_has_the_limits_of_its_settings(stub: Stub) -> None:
    settings = Settings(
        port=0, log_level="critical", connections=7, keep_alive=11, grace=13, header_timeout=17
    )
    app = create_app(settings, stub)  # type: ignore[arg-type]  # a stand-in
    config = make_server(app, settings).config
    assert config.limit_concurrency == 7
    assert config.timeout_keep_alive == 11
    assert config.timeout_graceful_shutdown == 13
    assert config.h11_max_incomplete_event_size == 32_768
    assert config.server_header is False


def test_a_failure_of_the_model_ends_the_server(stub: Stub) -> None:
    settings = Settings(port=0, log_level="critical")
    app = create_app(settings, stub)  # type: ignore[arg-type]  # a stand-in
    server = make_server(app, settings)
    assert not server.should_exit
    app.state.service.on_failure()
    assert server.should_exit


# uvicorn ends its thread by SystemExit
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_port_that_is_taken_is_told(stub: Stub) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(port=port, log_level="critical")
        app = create_app(settings, stub)  # type: ignore[arg-type]  # a stand-in
        with (
            pytest.raises(FineCaptionError, match=f"does not start on port {port}"),
            in_background(app, settings),
        ):
            pass
