"""A judge's server that answers as a test tells it to, over real HTTP; perfect answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

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
