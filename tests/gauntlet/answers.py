"""Answers of served models, over a server on this machine."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from .case import Case, Place

KIND = "answers of served models"


def _completion(message: Any, finish: Any = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "finish_reason": finish, "message": message}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [choice], **more}  # fmt: skip
    return json.dumps(body).encode()


def _says(content: Any, finish: Any = "stop", **more: Any) -> bytes:
    return _completion({"role": "assistant", "content": content, **more}, finish)


_RED = "It is red."
BODIES: dict[str, tuple[bytes, str, str]] = {  # -> the text, or "" and a word
    "text": (_says(_RED), _RED, ""), "blanks around": (_says(f"\n {_RED} "), _RED, ""),
    "a list of parts": (_says([{"type": "text", "text": _RED}]), _RED, ""),
    "a list of texts": (_says(["It is ", "red."]), _RED, ""),
    "thoughts": (_says(f"<think>is it blue?</think> {_RED}"), _RED, ""),
    "thoughts, longer tag": (_says(f"<thinking>a\nb</thinking>\n{_RED}"), _RED, ""),
    "thoughts without a beginning": (_says(f"is it? </think>{_RED}"), _RED, ""),
    "cut after a sentence": (_says(f"{_RED} And it", "length"), _RED, ""),
    "no finish": (_says(_RED, None), _RED, ""), "more fields": (_says(_RED, reasoning="x"), _RED, ""),
    "cut in the first sentence": (_says("It is", "length"), "", "cut"),
    "cut in a thought": (_says("<think>is it", "length"), "", "cut"),
    "a thought without an end": (_says("<think>is it"), "", "cut"),
    "a refusal": (_says(None, refusal="I can not."), "", "I can not."),
    "a refusal beside text": (_says("", refusal="I can not."), "", "I can not."),
    "an error": (json.dumps({"error": {"message": "no such model"}}).encode(), "", "no such model"),
    "an error of text": (json.dumps({"error": "out of memory"}).encode(), "", "out of memory"),
    "null": (_says(None), "", "empty"), "nothing": (_says(""), "", "empty"), "blanks": (_says(" \n"), "", "empty"),
    "a number": (_says(7), "", "empty"), "parts without text": (_says([{"type": "image"}]), "", "empty"),
    "parts of numbers": (_says([1, None]), "", "empty"), "only a thought": (_says("<think>a</think>"), "", "empty"),
    "no message": (_completion(None), "", "no message"),
    "a message of text": (_completion("It is red."), "", ""), "a message of a list": (_completion([]), "", ""),
    "no choices": (b'{"id": "x", "choices": []}', "", "no message"),
    "choices null": (b'{"choices": null}', "", "no message"), "choices a text": (b'{"choices": "abc"}', "", ""),
    "choices of numbers": (b'{"choices": [7]}', "", ""), "choices an object": (b'{"choices": {"a": 1}}', "", ""),
    "a list": (b"[]", "", ""), "a bare number": (b"17", "", ""), "a bare text": (b'"It is red."', "", ""),
    "null alone": (b"null", "", ""), "half": (_says(_RED)[:40], "", "JSON"), "no byte": (b"", "", ""),
    "HTML": (b"<html>Bad gateway</html>", "", ""), "not UTF-8": (b'{"choices": "\xff"}', "", ""),
    "deep": (b"[" * 100_000, "", ""), "a tool call": (_says(None, tool_calls=[{"id": "a", "type": "function",
    "function": {"name": "f", "arguments": "{}"}}]), "", "empty"),
}  # fmt: skip


def _ask(body: bytes, place: Place) -> str:
    from finecaption.captioners.chat_client import ChatClient

    from ..chat import chatting

    with chatting(lambda text: "") as server:
        server.bodies = [body]
        client = ChatClient(f"http://127.0.0.1:{server.server_port}/v1", "m", tries=1, timeout=10)
        try:
            return client.ask([{"type": "text", "text": "What is it?"}])[0]
        finally:
            client._client.close()


def _status(status: int, place: Place) -> str:
    from finecaption.captioners.chat_client import ChatClient

    from ..chat import chatting

    with chatting(lambda text: _RED) as server:
        server.moods = [(status, {})]
        client = ChatClient(f"http://127.0.0.1:{server.server_port}/v1", "m", tries=1, timeout=10)
        try:
            return client.ask([{"type": "text", "text": "What is it?"}])[0]
        finally:
            client._client.close()


@functools.cache
def _warm() -> None:
    """The openai package asks the system for its name, once."""
    from openai import _base_client

    _base_client.platform_headers("", platform=None)


def cases() -> Iterator[Case]:
    """All of this file."""
    for case in _cases():
        yield replace(case, warm=lambda place: _warm())


def _cases() -> Iterator[Case]:
    for name, (body, text, word) in BODIES.items():
        run = partial(_ask, body)
        yield Case(KIND, name, run, text) if text else Case(KIND, name, run, word=word)
    for status in (400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 529):
        yield Case(KIND, f"status {status}", partial(_status, status), word=f"mood {status}")
    for address in ("ftp://a/v1", "localhost:8000", "http://", "http://[::1", ""):
        yield Case(KIND, f"address {address!r}", partial(_address, address), word="openai:")


def _address(address: str, place: Place) -> Any:
    from finecaption.captioners.served import parse_address

    return parse_address(f"openai:model@{address}")
