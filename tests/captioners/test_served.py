"""The openai client against a real server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.captioners import open_captioner
from finecaption.captioners.questions import Question
from finecaption.captioners.served import SHOWN, ServedCaptioner
from finecaption.errors import CaptionerError, InputError

from ..chat import ChatServer, chatting

pytest.importorskip("openai")


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """Repeats a part of each question."""
    with chatting(lambda asked: f" Said of\n{asked.split(':')[-1][1:12]} ") as made:
        yield made


def served(chat: ChatServer, **more: Any) -> ServedCaptioner:
    more = {"served": {"first_wait": 0.01, "tries": 3}, **more}
    made = open_captioner(f"openai:gpt-4o@{chat.address}", **more)
    assert isinstance(made, ServedCaptioner)
    return made


def test_every_task(chat: ChatServer, questions: list[Question]) -> None:
    told = served(chat, served={"workers": 1}).answer(questions)
    assert len(told) == len(chat.requests) == len(questions)
    assert all(text.startswith("Said of") for text in told)
    assert [chat.text(k) for k in range(5)] == [
        "Describe this attribute of the region in the red box in one sentence: Color. Answer with "
        "the description alone.",
        "Describe this attribute of the region in the red box in one sentence: Color. Answer with "
        "the description alone.",
        "Describe the region in the red box in one sentence. Answer with the description alone.",
        "Describe the region in the red box in one detailed paragraph. Answer with the description "
        "alone.",
        "Describe the picture in one detailed paragraph. Answer with the description alone.",
    ]
    request = chat.requests[0]
    assert (request["model"], request["temperature"]) == ("gpt-4o", 0)
    (first,), (second,), (whole,) = (chat.pictures(k) for k in (0, 1, 4))
    plain = np.asarray(questions[0].image)
    assert (np.asarray(whole) == plain).all()  # PNG: nothing is lost, nothing drawn
    frame = (np.asarray(first) != plain).any(axis=2)
    assert frame[11, 16:48].all() and not frame[20:40, 20:40].any()
    assert (np.asarray(first) != np.asarray(second)).any()


def test_answers_keep_the_order_of_the_questions(
    chat: ChatServer, questions: list[Question]
) -> None:
    many = [q._replace(attribute=f"{n} quality") for n in range(12) for q in questions[:1]]
    told = served(chat, served={"workers": 6}).answer(many)
    assert len({chat.text(k) for k in range(12)}) == 12
    assert told == [f"Said of {n} quality."[:19].strip() for n in range(12)]


@pytest.mark.parametrize("shown", SHOWN)
def test_every_way_of_showing(chat: ChatServer, questions: list[Question], shown: str) -> None:
    captioner = served(chat, shown=shown)
    assert captioner.identity["region"] == shown
    captioner.answer(questions[3:4])
    (picture,) = chat.pictures(0)
    assert picture.mode == ("RGBA" if shown == "alpha" else "RGB")
    words = {"text": "[0.57, 0.47, 0.88, 0.88]", "internvl": "<ref>region</ref><box>[["}
    assert words.get(shown, "Describe" if shown[:5] != "llava" else "Please") in chat.text(0)


def test_a_large_picture_is_made_smaller(chat: ChatServer) -> None:
    picture = Image.new("RGB", (300, 200))
    served(chat, served={"side": 150}).answer([Question(picture, None, "cgic")])
    assert chat.pictures(0)[0].size == (150, 100)


def test_a_busy_server_is_asked_again(chat: ChatServer, questions: list[Question]) -> None:
    chat.moods = [(429, {}), (503, {"retry-after": "0.01"})]
    (told,) = served(chat).answer(questions[:1])
    assert told.startswith("Said of") and len(chat.requests) == 3


def test_errors(chat: ChatServer, questions: list[Question]) -> None:
    chat.moods = [(500, {})] * 3
    with pytest.raises(CaptionerError, match="no answer after 3 tries"):
        served(chat).answer(questions[:1])
    chat.moods = [(401, {})]
    with pytest.raises(CaptionerError, match="check address, model and key"):
        served(chat).answer(questions[:1])
    with pytest.raises(InputError, match="shown: must be one of text, box"):
        served(chat, shown="kosmos-2")
