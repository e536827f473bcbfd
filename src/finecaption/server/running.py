"""uvicorn with a timeout for slow requests, a limit on connections and a graceful stop."""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from finecaption.errors import FineCaptionError
from finecaption.server.settings import Settings

log = logging.getLogger("finecaption.server")

_HEAD_BYTES = 32_768
_BACKLOG = 64  # connections that the system accepts for us, and that are taken at once
_OPEN_FILES = 64  # of the process itself: libraries, the model, fetched images
_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def connections_within(wanted: int) -> int:
    """The number of connections for which this process may open files: `wanted`, or fewer.

    The process's soft limit is raised as far as it may be. Without files left, asyncio cannot
    accept a connection, nor refuse it, and logs each attempt.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + 2 * _BACKLOG + _OPEN_FILES
    if soft != resource.RLIM_INFINITY and soft < need:
        soft = need if hard == resource.RLIM_INFINITY else min(need, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= need:
        return wanted
    fewer = max(1, soft - 2 * _BACKLOG - _OPEN_FILES)
    log.warning("%d connections are taken, as this process may open %d files", fewer, soft)
    return fewer


class Seldom(logging.Filter):
    """Passes a message of the same beginning once in a number of seconds."""

    def __init__(self, seconds: float = 10.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is passed on."""
        start = str(record.msg)[:40]
        now = time.monotonic()
        if start in self._last and now - self._last[start] < self._seconds:
            return False
        if len(self._last) > 100:
            self._last.clear()
        self._last[start] = now
        return True


def deadline_protocol(
    header_timeout: float, body_timeout: float, most: int | None = None
) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1, where a request that is not whole in time ends the connection.

    uvicorn itself waits for ever for the rest of a request's head or body, and keeps connections
    over its limit open until they send a request.

    Args:
        header_timeout: seconds from the first byte (or the connection) to the head's end.
        body_timeout: seconds from there to the body's end.
        most: connections over which a new one is closed at once; None: any number.
    """

    class Protocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _waits_for: str | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if most is not None and len(self.connections) > most:
                transport.abort()
                return
            self._wait_for("head")

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._look()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._look(idle=True)

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait_for(None)
            super().connection_lost(exc)

        def _look(self, idle: bool = False) -> None:
            """What of a request is still to come."""
            state = self.conn.their_state
            if state is h11.SEND_BODY:
                self._wait_for("body")
            elif state is h11.IDLE and not idle:
                self._wait_for("head")
            else:  # all is there, or nothing has begun: uvicorn's own keep-alive timer runs then
                self._wait_for(None)

        def _wait_for(self, part: str | None) -> None:
            if part == self._waits_for:
                return  # one more byte does not move the deadline
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._waits_for = part
            if part is not None:
                # the application has its own deadline for bodies, and answers better: a little less
                after = header_timeout if part == "head" else body_timeout + 2.0
                self._timer = self.loop.call_later(after, self._late)

        def _late(self) -> None:
            if self.transport.is_closing():
                return
            answered = self.cycle is not None and not self.cycle.response_complete
            if not answered and self.conn.their_state is h11.IDLE:
                self.transport.write(_LATE)
            self.transport.close()

    return Protocol


def make_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """The uvicorn server for an application; `run()` runs it until SIGTERM or SIGINT."""
    connections = connections_within(settings.connections)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        # uvicorn answers 503 over its limit; what comes in numbers beyond is not answered at all
        http=deadline_protocol(
            settings.header_timeout, settings.body_timeout, connections + _BACKLOG
        ),
        ws="none",
        lifespan="on",
        log_level=settings.log_level,
        server_header=False,
        limit_concurrency=connections,
        backlog=_BACKLOG,
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=settings.grace,
        h11_max_incomplete_event_size=_HEAD_BYTES,
    )
    logging.getLogger("asyncio").addFilter(_SELDOM)
    server = uvicorn.Server(config)
    # a model that cannot be loaded ends the process, and does not leave it answering 503
    app.state.service.on_failure = lambda: setattr(server, "should_exit", True)
    return server


def serve(app: FastAPI, settings: Settings) -> None:
    """Runs the application until it is stopped, then finishes running requests.

    Raises:
        InputError: the model cannot be loaded.
    """
    make_server(app, settings).run()
    failure = app.state.service.engine.failure
    if failure is not None:
        raise failure


_SELDOM = Seldom()


@dataclass(frozen=True)
class Background:
    """A server in a thread of this process.

    Attributes:
        url: where it answers, without a slash at the end.
        port: of it.
        thread: ends with the server.
    """

    url: str
    port: int
    thread: threading.Thread


@contextmanager
def in_background(app: FastAPI, settings: Settings, patience: float = 60.0) -> Iterator[Background]:
    """Runs the application in a thread as long as the block lasts: for tests and measurements.

    Args:
        settings: port 0 takes a free one.
        patience: seconds that starting and stopping may take, each.

    Raises:
        FineCaptionError: it does not start, or does not stop.
    """
    server = make_server(app, settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + patience
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise FineCaptionError(f"the server does not start on port {settings.port}")
        time.sleep(0.01)
    try:
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield Background(f"http://{host}:{port}", port, thread)
    finally:
        server.should_exit = True
        thread.join(patience)
    if thread.is_alive():
        frames = sys._current_frames()
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        stacks = "\n".join(
            f"{names.get(number, number)}:\n{''.join(traceback.format_stack(frame))}"
            for number, frame in frames.items()
        )
        raise FineCaptionError(f"the server does not stop; its threads are here:\n{stacks}")
