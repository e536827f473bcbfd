"""A chat server of our own on this machine, with moods, and a captioner without a model."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.data.annotate.captioners import Ask, CaptionerError, Said


class ChatServer(ThreadingHTTPServer):
    """Answers chat completions; `moods` are statuses of the next replies before it behaves."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.moods: list[tuple[int, dict[str, str]]] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def pictures(self, request: int) -> list[Image.Image]:
        parts = self.requests[request]["messages"][0]["content"]
        urls = [p["image_url"]["url"] for p in parts if p["type"] == "image_url"]
        return [Image.open(io.BytesIO(base64.b64decode(u.partition(",")[2]))) for u in urls]

    def text(self, request: int) -> str:
        return str(self.requests[request]["messages"][0]["content"][-1]["text"])


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.requests.append(body)
            self.server.keys.append(self.headers["authorization"] or "")
            status, headers = self.server.moods.pop(0) if self.server.moods else (200, {})
        asked = body["messages"][0]["content"][-1]["text"]
        said = "Not applicable." if ": Hair." in asked else f"Said of {asked.split(':')[-1][:12]}"
        if status == 204:  # an answer without words
            status, said = 200, "  "
        reply: dict[str, Any] = {
            "id": "x", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": said}}],
        }  # fmt: skip
        if status != 200:
            reply = {"error": {"message": f"mood {status}"}}
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@pytest.fixture
def server() -> Iterator[ChatServer]:
    made = ChatServer()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


class Parrot:
    """Answers at once; gives up after `fails_after` questions."""

    def __init__(self, fails_after: int | None = None, name: str = "parrot") -> None:
        self.left, self.name, self.asked = fails_after, name, 0

    @property
    def identity(self) -> dict[str, Any]:
        return {"kind": "parrot", "name": self.name}

    def answer(self, picture: Image.Image, asks: Sequence[Ask]) -> Iterator[tuple[int, Said]]:
        for number, ask in enumerate(asks):
            if self.left is not None and self.asked >= self.left:
                raise CaptionerError("the parrot is tired")
            self.asked += 1
            area = "all" if ask.mask is None else int(ask.mask.sum())
            said = None if ask.attribute == "Hair" else f"{ask.name} of {area}"
            yield number, Said(said)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder: one mask, two masks, transparency, nothing."""
    folder = tmp_path / "bilder"
    (folder / "tief").mkdir(parents=True)

    def mask(path: Path, *boxes: tuple[int, int, int, int]) -> None:
        values = np.zeros((30, 40), np.uint8)
        for x0, y0, x1, y1 in boxes:
            values[y0:y1, x0:x1] = 255
        Image.fromarray(values).save(path)

    # of different colours: equal pictures share their answers
    for red, name in enumerate(("ä.png", "tief/b.jpg", "d.png"), 1):
        Image.new("RGB", (40, 30), (50 * red, 100, 50)).save(folder / name)
    mask(folder / "ä.mask.png", (5, 5, 15, 15))
    mask(folder / "tief/b.1.mask.png", (0, 0, 10, 10))
    mask(folder / "tief/b.2.mask.png", (20, 20, 25, 30))
    cut = Image.new("RGBA", (40, 30), (0, 0, 255, 0))
    cut.paste((0, 0, 255, 255), (10, 10, 20, 20))
    cut.save(folder / "c.png")
    return folder
