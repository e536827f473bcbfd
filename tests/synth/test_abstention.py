"""Abstentions are told from answers that state something."""

from __future__ import annotations

import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption_synth.language import is_abstention, not_applicable, paraphrases
from finecaption_synth.truth import RegionTruth

SEEN = {
    "Hair": {"style": ("short",), "colour": ("black",)},
    "Facial Expression": {"expression": ("happy",)},
    "Color": {"colour": ("red",)},
    "Visible Text": {"text": ("no text",)},
    "Interaction with Other Objects": {"interaction": ("none",)},
}


def man(attributes: dict[str, dict[str, tuple[str, ...]]]) -> RegionTruth:
    return RegionTruth(1, "man", "red", attributes)


@pytest.mark.parametrize("name", ATTRIBUTE_NAMES)
def test_what_does_not_apply(name: str) -> None:
    assert all(is_abstention(text) for text in not_applicable(name, "car"))


@pytest.mark.parametrize("name", ["Hair", "Facial Expression", "Color"])
def test_what_cannot_be_seen(name: str) -> None:
    truth = man({name: {facet: ("not visible",) for facet in SEEN[name]}})
    assert all(is_abstention(text) for text in paraphrases(truth, name))


@pytest.mark.parametrize("name", list(SEEN))
def test_answers_are_none(name: str) -> None:
    assert not any(is_abstention(text) for text in paraphrases(man(SEEN), name))


def test_half_an_answer_is_none() -> None:
    truth = man({"Hair": {"style": ("short",), "colour": ("not visible",)}})
    sentences = paraphrases(truth, "Hair")
    assert any("cannot be seen" in text for text in sentences)
    assert not any(is_abstention(text) for text in sentences)


def test_nothing_said_is_none() -> None:
    assert not is_abstention("")
    assert not is_abstention(" . ")
