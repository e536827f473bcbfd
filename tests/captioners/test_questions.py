"""Requests to captioners that are asked one question at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption import FineCaption
from finecaption.captioners import open_captioner
from finecaption.captioners.questions import Question, QuestionCaptioner
from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.protocol import Captioner, require
from finecaption.request import Request, make_request
from finecaption.results import CaptionResult
from finecaption.types import Region


class Echo(QuestionCaptioner):
    """Says what it is asked, and where."""

    name = "echo"

    @property
    def identity(self) -> dict[str, Any]:
        return {"name": "echo", "kind": "echo"}

    def answer(self, questions: Sequence[Question]) -> list[str]:
        return [
            f"{q.attribute or q.task} of {'all' if q.region is None else q.region.box}"
            for q in questions
        ]


def ask(captioner: Captioner, image: Any, **asked: Any) -> CaptionResult:
    (result,) = captioner.caption_batch([make_request(image, **asked)])
    assert isinstance(result, CaptionResult), result
    return result


def test_it_answers_as_fine_caption_does(tiny_folder: Path) -> None:
    """Same requests, same order, same shape of result, whatever is asked."""
    ours, echo = FineCaption.from_pretrained(tiny_folder, device="cpu"), Echo()
    assert isinstance(echo, Captioner)
    image = Image.new("RGB", (64, 48), (90, 120, 60))
    mask = np.zeros((48, 64), bool)
    mask[10:20, 5:30] = True
    asks: list[dict[str, Any]] = [
        {},
        {"mask": mask},
        {"mask": mask, "attributes": "color"},
        {"regions": [mask, ~mask], "attributes": ["Color", "Hair"], "dense": True, "whole": True},
        {"mask": mask, "whole": True},
        {"dense": True},
    ]
    for asked in asks:
        a, b = ours.caption(image, max_new_tokens=2, **asked), ask(echo, image, **asked)
        assert [(n, name) for n, name, _ in a.answers()] == [(n, m) for n, m, _ in b.answers()]
        assert [c.region for c in a.regions] == [c.region for c in b.regions]
    told = ask(echo, image, mask=mask, attributes="color", dense=True, whole=True)
    assert told.regions[0].captions == {"Color": "Color of (5, 10, 30, 20)"}
    assert told.regions[0].dense == "rdc of (5, 10, 30, 20)" and told.whole == "cgic of all"
    assert told.model == "echo" and told.to_dict()["model"] == "echo"


def test_a_batch_keeps_its_order_and_its_errors(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    seen: list[tuple[int, int]] = []
    first, missing, third = Echo().caption_batch(
        [
            Request(tmp_path / "a.png", whole=True),
            Request(tmp_path / "none.png"),
            Request(Image.new("RGB", (9, 9)), [(0, 0, 4, 4)], ["Color"]),
        ],
        progress=lambda done, total: seen.append((done, total)),
    )
    assert isinstance(first, CaptionResult) and first.image == str(tmp_path / "a.png")
    assert isinstance(missing, InputError) and "no such file" in str(missing)
    assert isinstance(third, CaptionResult)
    assert third.regions[0].region == Region.from_box((0, 0, 4, 4), (9, 9))
    assert seen[-1] == (2, 2)


def test_images_of_several_requests_are_opened_once() -> None:
    image = Image.new("RGB", (9, 9))
    opened: list[int] = []

    class Spy(Echo):
        def answer(self, questions: Sequence[Question]) -> list[str]:
            opened.extend(id(q.image) for q in questions)
            return super().answer(questions)

    Spy().caption_batch([Request(image, [(0, 0, 4, 4)], ["Color"]), Request(image)])
    assert len(opened) == 2 and len(set(opened)) == 1


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"regions": [{"points": [(1, 1)]}]}, r"regions[0]: clicks are for our own models"),
        ({"decoding": Decoding(temperature=0.5)}, "temperature: is a setting of our own models"),
        ({"mask": np.ones((5, 5), bool)}, "5 x 5 pixels"),
    ],
)
def test_what_it_cannot_do_is_an_error_in_place(asked: dict[str, Any], says: str) -> None:
    image = Image.new("RGB", (9, 9))
    bad, good = Echo().caption_batch([make_request(image, **asked), make_request(image)])
    assert isinstance(bad, InputError) and says in str(bad)
    assert isinstance(good, CaptionResult) and good.whole == "cgic of all"


def test_capabilities_that_are_missing_say_so() -> None:
    for capability in ("stream", "choose", "token_logprobs", "click"):
        with pytest.raises(InputError, match="echo: .{10}"):
            require(Echo(), capability)  # type: ignore[arg-type]  # of the tuple


def test_another_checkpoint_describes_an_image(
    tiny_checkpoint: Callable[[str], Path], scene: tuple[Image.Image, Region, Region]
) -> None:
    """What `finecaption caption --model FOLDER` does."""
    captioner = open_captioner(str(tiny_checkpoint("internvl")), device="cpu", max_new_tokens=6)
    image, square, _ = scene
    result = ask(captioner, image, mask=square.mask, attributes=["Color"], whole=True)
    assert result.regions[0].captions["Color"] and result.whole
