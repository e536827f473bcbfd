"""A real server on a free port, with the shipped model, for the whole session."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from finecaption.protocol import Capability
from finecaption.request import Request
from finecaption.results import CaptionResult, CaptionUpdate, caption_of
from finecaption.server import Settings, create_app
from finecaption.server.fetch import Fetcher
from finecaption.server.running import in_background
from finecaption.server.service import Service

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / "examples/room.png"
RABBIT = ROOT / "examples/twins/rabbit.png"
NAME = "finecaption-mini"
PATIENCE = 120  # seconds; what a test waits for takes milliseconds on a machine with time to spare


def data_uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def png(picture: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", **options)
    return stream.getvalue()


def small(color: tuple[int, ...] = (200, 40, 40), size: tuple[int, int] = (32, 24)) -> str:
    """A plain picture, as a data URI; four numbers of color make it RGBA."""
    return data_uri(png(Image.new("RGB" if len(color) == 3 else "RGBA", size, color)))


@pytest.fixture(scope="session")
def park() -> str:
    """The park, as a data URI."""
    return data_uri(ROOM.read_bytes())


@pytest.fixture(scope="session")
def rabbit() -> str:
    """The park with the rabbit's mask as its alpha."""
    picture = Image.open(ROOM).convert("RGB")
    picture.putalpha(Image.open(RABBIT).convert("L").point(lambda value: 255 if value else 0))
    return data_uri(png(picture))


@dataclass(frozen=True)
class Live:
    """A server that answers on `url`."""

    app: FastAPI
    url: str
    port: int

    @property
    def service(self) -> Service:
        return self.app.state.service

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        kind = {"content": body} if isinstance(body, bytes) else {"json": body}
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        return httpx.post(self.url + path, headers=headers, timeout=PATIENCE, **kind, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE, **more)


class Running:
    """Runs an application in a thread until `stop`."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._open = ExitStack()
        running = self._open.enter_context(in_background(app, settings))
        self.thread = running.thread
        self.live = Live(app, running.url, running.port)

    def stop(self) -> None:
        self._open.close()


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """The shipped model behind the usual settings."""
    settings = Settings(
        port=0, log_level="warning", max_pixels=1_000_000, max_body=3_000_000, timeout=PATIENCE,
        # longer than clients keep a connection, or one may be closed as it is used again
        keep_alive=PATIENCE,
    )  # fmt: skip
    running = Running(create_app(settings), settings)
    # torch and transformers are imported first: a minute or two on a machine that is busy
    until(lambda: running.live.get("/readyz").status_code == 200, 5 * PATIENCE)
    yield running.live
    running.stop()


class Stub:
    """Stands for the captioner: answers with the question, after as long as it is told to wait."""

    name = NAME
    identity: Mapping[str, Any] = MappingProxyType({"name": NAME, "kind": "stub"})
    capabilities: frozenset[Capability] = frozenset({"encode", "stream", "decoding"})

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.decodings: list[Any] = []
        self.go = threading.Event()
        self.go.set()
        self.entered = threading.Event()
        self.fail: Exception | None = None
        self.steps = 3

    def encode(self, picture: Image.Image) -> Any:
        return _Encoded(picture)

    def caption_batch(
        self, requests: Sequence[Request], *, progress: Callable[[int, int], None] | None = None
    ) -> list[Any]:
        self.batches.append(len(requests))
        (decoding,) = {request.decoding for request in requests}
        self.decodings.append(decoding)
        self.entered.set()
        while not self.go.wait(0.01):
            if progress is not None:
                progress(0, len(requests))
        if self.fail is not None:
            raise self.fail
        return [
            CaptionResult(
                tuple(
                    caption_of(region, names, [f"{name}." for name in names])
                    for region in request.regions
                ),
                "A picture." if request.questions.whole else None,
                model=self.name,
            )
            for request in requests
            for names in [request.questions.region_names]
        ]

    def stream(self, request: Request) -> Iterator[CaptionUpdate]:
        self.entered.set()
        for step in range(self.steps):
            self.go.wait(PATIENCE)
            time.sleep(0.001)
            if self.fail is not None and step:
                raise self.fail
            yield CaptionUpdate(None, "global", "w " * (step + 1), step + 1 == self.steps)


@dataclass(frozen=True)
class _Encoded:
    image: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        return self.image.size


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def serve() -> Iterator[Callable[..., Live]]:
    """Starts servers with a captioner and settings of the test's choice; stops them after it."""
    started: list[Running] = []

    def start(captioner: Any, fetcher: Fetcher | None = None, **settings: Any) -> Live:
        chosen = Settings(port=0, **{"log_level": "critical", "grace": 5, **settings})
        running = Running(create_app(chosen, captioner, fetcher=fetcher), chosen)
        started.append(running)
        until(lambda: running.live.service.engine.ready)
        return running.live

    start.running = started  # type: ignore[attr-defined]  # for tests that stop it themselves
    yield start
    for running in started:
        running.stop()


def until(true: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Waits for what another thread is about to do."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.005)


def in_thread(work: Callable[..., Any], *given: Any) -> Future[Any]:
    """Runs something beside the test."""
    outcome: Future[Any] = Future()

    def run() -> None:
        try:
            outcome.set_result(work(*given))
        # the test sees it where it asks for the result
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def chat_body(url: str, text: str = "describe in detail", **more: Any) -> dict[str, Any]:
    content = [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    return {"model": NAME, "messages": [{"role": "user", "content": content}], **more}
