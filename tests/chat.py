"""An OpenAI-compatible server on this machine, over real HTTP."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


class ChatServer(ThreadingHTTPServer):
    """Answers chat completions; `moods` are statuses and headers of the next replies before it
    behaves, 204 an answer without words; `bodies` are the next replies as they are sent."""

    def __init__(self, say: Callable[[str], str]) -> None:
        """
        Args:
            say: a question's last text -> the answer.
        """
        super().__init__(("127.0.0.1", 0), _Handler)
        self.say = say
        self.moods: list[tuple[int, dict[str, str]]] = []
        self.bodies: list[bytes] = []
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
        assert self.path == "/v1/chat/completions"
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.requests.append(body)
            self.server.keys.append(self.headers["authorization"] or "")
            status, headers = self.server.moods.pop(0) if self.server.moods else (200, {})
        said = self.server.say(body["messages"][0]["content"][-1]["text"])
        if status == 204:
            status, said = 200, "  "
        message = {"role": "assistant", "content": said}
        reply: dict[str, Any] = {
            "id": "x", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        }  # fmt: skip
        if status != 200:
            reply = {"error": {"message": f"mood {status}"}}
        with self.server.lock:
            data = self.server.bodies.pop(0) if self.server.bodies else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@contextmanager
def chatting(say: Callable[[str], str]) -> Iterator[ChatServer]:
    """A ChatServer that serves as long as the block lasts."""
    made = ChatServer(say)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()
