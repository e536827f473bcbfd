"""What servers answer with status 200, and what is made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.captioners.chat_client import ChatClient, fit_side
from finecaption.errors import CaptionerError, InputError

from ..chat import ChatServer, chatting

pytest.importorskip("openai")

QUESTION = [{"type": "text", "text": "Describe it."}]


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with chatting(lambda asked: "It is red.") as made:
        yield made


def client(chat: ChatServer, **settings: Any) -> ChatClient:
    return ChatClient(chat.address, "some-vlm", first_wait=0.01, tries=2, **settings)


def completion(finish: str = "stop", **message: Any) -> bytes:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    reply = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
    return json.dumps({**reply, "choices": [choice]}).encode()


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": [{"type": "text", "text": "It is red."}]}, "It is red."),
        ({"content": [{"type": "text", "text": "It is"}, {"text": " red."}]}, "It is red."),
        ({"content": "<think>A cup?</think> It is red."}, "It is red."),
        ({"content": "<THINKING>\nA\ncup?\n</THINKING>\n\nIt is red."}, "It is red."),
        ({"content": "A cup, I think.</think>It is red."}, "It is red."),
        ({"content": "It is red.", "refusal": None}, "It is red."),
    ],
    ids=["one part", "two parts", "thought", "long thought", "closing tag alone", "no refusal"],
)
def test_the_description_in_any_form(chat: ChatServer, message: Any, text: str) -> None:
    chat.bodies.append(completion(**message))
    assert client(chat).ask(QUESTION) == (text, 1)


def test_an_answer_that_is_cut_ends_with_its_last_full_sentence(chat: ChatServer) -> None:
    chat.bodies.append(completion("length", content="It is red. It has a handle and"))
    assert client(chat).ask(QUESTION)[0] == "It is red."


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (completion("length", content="It has a handle and"), "cut after 300 tokens"),
        (completion("length", content="<think>Is it a cup? No. It"), "cut after 300 tokens"),
        (completion(content=None, refusal="I cannot do that."), "refuses to answer: I cannot do"),
        (b'{"error": {"message": "no such model"}}', "answers with an error: no such model"),
        (b'{"error": "overloaded"}', "answers with an error: overloaded"),
    ],
    ids=["cut", "cut in a thought", "refusal", "error with status 200", "error as text"],
)
def test_what_is_no_description_is_an_error_at_once(
    chat: ChatServer, body: bytes, says: str
) -> None:
    chat.bodies.append(body)
    with pytest.raises(CaptionerError, match=says):
        client(chat).ask(QUESTION)
    assert len(chat.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"mess',
        b"<html>busy</html>",
        b'{"choices": []}',
        completion(content=""),
        b"[" * 100_000,
    ],
    ids=["cut off", "a page", "no choice", "empty", "nested without end"],
)
def test_what_may_pass_is_asked_again(chat: ChatServer, body: bytes) -> None:
    chat.bodies.append(body)
    assert client(chat).ask(QUESTION) == ("It is red.", 2)


def test_what_does_not_pass_says_so(chat: ChatServer) -> None:
    chat.bodies += [b"{", b"{"]
    with pytest.raises(CaptionerError, match="no answer after 2 tries"):
        client(chat).ask(QUESTION)


def test_settings_out_of_range(chat: ChatServer) -> None:
    with pytest.raises(InputError, match="side: is 0"):
        client(chat, side=0)
    with pytest.raises(InputError, match="per_minute: is 0"):
        client(chat, per_minute=0)


def test_colors_outside_a_region_in_the_alpha_channel_survive() -> None:
    image = Image.new("RGB", (2000, 1000), (60, 120, 200))
    alpha = np.zeros((1000, 2000), np.uint8)
    alpha[:, 1000:] = 255
    image.putalpha(Image.fromarray(alpha))
    small = fit_side(image, 500)
    assert small.size == (500, 250)
    assert small.getpixel((5, 5)) == (60, 120, 200, 0)
    assert small.getpixel((495, 5)) == (60, 120, 200, 255)
    assert fit_side(small, 500).size == (500, 250)
