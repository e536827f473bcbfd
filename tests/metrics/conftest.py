"""A judge's server that answers as a test tells it to, over real HTTP; perfect answers."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption_synth import vocabulary as voc
from finecaption_synth.language import (
    not_applicable,
    paraphrases,
    region_paragraph,
    scene_paragraph,
)
from finecaption_synth.observe import Observed, observe
from finecaption_synth.scene import sample_scene

SCENES = range(10)

Answer = Callable[[dict[str, Any]], str | int]
"""Request -> reply; a number is the status of a refusal."""


class JudgeServer:
    """Chat completions at `address`; `seen` holds the requests in the order of arrival."""

    def __init__(self) -> None:
        self.answer: Answer = lambda request: "yes"
        self.seen: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                request = json.loads(self.rfile.read(size))
                with outer._lock:
                    outer.seen.append(request)
                    reply = outer.answer(request)
                if self.path != "/v1/chat/completions":
                    reply = 404
                if isinstance(reply, int):
                    status, body = reply, {"error": {"message": "no", "type": "test"}}
                else:
                    status = 200
                    message = {"role": "assistant", "content": reply}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    body = {
                        "id": "1", "object": "chat.completion", "created": 0,
                        "model": request["model"], "choices": [choice],
                    }  # fmt: skip
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def prompts(self) -> list[str]:
        """The texts that were asked."""
        return [request["messages"][0]["content"] for request in self.seen]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    running = JudgeServer()
    yield running
    running.close()


@pytest.fixture(scope="package")
def seen() -> dict[str, Observed]:
    """Ten scenes by their names."""
    return {f"test-0-{index:06d}": observe(sample_scene("test", 0, index)) for index in SCENES}


@pytest.fixture(scope="package")
def records(seen: dict[str, Observed]) -> list[dict[str, Any]]:
    """Perfect answers: the truth of each region in words, one refusal, and a paragraph."""
    out = []
    for name, observed in seen.items():
        for region in observed.truth.regions:
            rng = random.Random(f"{name}/{region.region_id}")
            names = [n for n in ATTRIBUTE_NAMES if n in region.attributes]
            foreign = rng.choice(voc.inapplicable(region.category))
            refusal = rng.choice(not_applicable(foreign, region.category))
            out.append(
                {
                    "picture": name,
                    "region_id": region.region_id,
                    "category": region.category,
                    "unseen": False,
                    "truth": {n: dict(region.attributes[n]) for n in names},
                    "answers": {n: rng.choice(paraphrases(region, n)) for n in names},
                    "trick": {"attribute": foreign, "answer": refusal},
                    "dense": region_paragraph(region, rng),
                }
            )
    return out


@pytest.fixture(scope="package")
def wholes(seen: dict[str, Observed]) -> list[dict[str, Any]]:
    """A right paragraph on each of the ten scenes."""
    return [
        {"picture": name, "answer": scene_paragraph(observed.truth, random.Random(name))}
        for name, observed in seen.items()
    ]
