"""Results: their answers in order, their JSON, captions from answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from finecaption.results import CaptionResult, CaptionUpdate, Notice, caption_of
from finecaption.types import Region

REGION = Region(np.ones((4, 6), bool))


def test_a_caption_from_its_answers() -> None:
    names, texts = ("Color", "dense", "Hair"), ("Red.", "A red cup.", "None.")
    caption = caption_of(REGION, names, texts, (0.5, None, 0.25))
    assert caption.captions == {"Color": "Red.", "Hair": "None."} and caption.dense == "A red cup."
    assert caption.confidence == {"Color": 0.5, "Hair": 0.25}
    assert caption_of(REGION, ("Color",), ("Red.",)).confidence == {}
    with pytest.raises(ValueError, match="zip"):
        caption_of(REGION, names, texts[:2])


def test_answers_come_in_the_order_asked() -> None:
    one = caption_of(REGION, ("Hair", "Color", "dense"), ("a", "b", "c"))
    two = caption_of(REGION, ("Color",), ("d",))
    result = CaptionResult((one, two), "e")
    assert list(result.answers()) == [
        (0, "Hair", "a"), (0, "Color", "b"), (0, "dense", "c"), (1, "Color", "d"),
        (None, "global", "e"),
    ]  # fmt: skip
    assert list(CaptionResult(()).answers()) == []


def test_json_names_what_is_there() -> None:
    notice = Notice(2.34567, 1.0, "unlike what it knows")
    record = json.loads(CaptionResult((), "e", notice, "a.png", "m", 0.5).to_json())
    assert record == {
        "image": "a.png", "model": "m", "regions": [], "global": "e", "global_confidence": 0.5,
        "notice": {"kind": "out-of-domain", "score": 2.346, "threshold": 1.0,
                   "text": "unlike what it knows"},
    }  # fmt: skip
    assert "global_confidence" not in CaptionResult((), "e").to_dict()


def test_the_old_name_of_finished_warns() -> None:
    update = CaptionUpdate(0, "Color", "Red.", True)
    with pytest.warns(DeprecationWarning, match="finished"):
        assert update.done
