from __future__ import annotations

from typing import Any

import pytest

from finecaption_synth import vocabulary as voc
from finecaption_synth.evaluation.agreement import agreement, agrees, spoken_of, texts_of
from finecaption_synth.language import not_applicable, paraphrases
from finecaption_synth.truth import RegionTruth


@pytest.mark.parametrize(
    ("text", "nouns", "pronouns"),
    [
        ("The woman looks sad.", {"woman"}, set()),
        ("He is elderly.", set(), {"he"}),
        ("He is a man.", {"man"}, {"he"}),
        ("A slim elderly man in a red coat is walking.", {"man"}, set()),
        ("Behind the red car is the man.", {"man"}, set()),
        ("The man is behind the other man in red.", {"man"}, set()),
        ("A red cup held by the woman in blue (entity_id_3).", {"cup"}, set()),
        ("The image shows a vase filled with flowers.", {"vase"}, set()),
        ("The skin of the boy is pale.", {"boy"}, set()),
        ("This is a hoop, so there is no hair to describe.", {"hoop"}, set()),
        ("This girl has no simple shape.", {"girl"}, set()),
        ("Cups have no hair.", {"cup"}, set()),
        ("These are round black wheels. They are attached to the red car.", {"wheels"}, {"they"}),
        ("We see his red hat.", set(), {"he"}),
        ("She wears boots and a pink hat.", set(), {"she"}),
        ("There is a shadow to the left.", set(), set()),
        ("The word on it is BOOKS.", set(), {"it"}),
        ("the sign reads books .", {"sign"}, set()),
        ("A bike. It is a shrub.", {"bicycle", "bush"}, {"it"}),
    ],
)
def test_spoken_of(text: str, nouns: set[str], pronouns: set[str]) -> None:
    assert spoken_of([text]) == (nouns, pronouns)


@pytest.mark.parametrize(
    ("texts", "agreed"),
    [
        (["The woman looks sad.", "She is elderly."], True),
        (["The woman looks sad.", "He is elderly."], False),
        (["The woman looks sad.", "The man is elderly."], False),
        (["She is sad.", "He is elderly."], False),
        (["A man.", "It is to the left of the red car."], False),
        (["A cup.", "The woman holds the red cup."], False),
        (["A cup.", "Its color is red. He is holding the cup."], False),
        (["A hat.", "It is worn by the man in red."], True),
        (["The wheels are black.", "It is round."], False),
        (["A man in brown.", "This is a boy, so there is no material to describe."], False),
        (["Red.", "Made of wood."], None),
        ([], None),
    ],
)
def test_agrees(texts: list[str], agreed: bool | None) -> None:
    assert agrees(texts) is agreed


@pytest.mark.parametrize("category", [*voc.CATEGORIES, *voc.PARTS])
def test_every_refusal_agrees_with_the_name(category: str) -> None:
    name = paraphrases(RegionTruth(1, category, "red", {}), "Visible Text")
    for attribute in voc.inapplicable(category):
        for text in not_applicable(attribute, category):
            assert agrees([text, *name]) is True, text
            assert spoken_of([text])[0] == {category}, text


def test_right_answers_agree_and_a_swapped_one_does_not(records: list[dict[str, Any]]) -> None:
    found = agreement(records)
    assert found["value"] == 1 and found["count"] == len(records)
    assert sum(k["count"] for k in found["kinds"].values()) == len(records)
    first = records[0]
    other = next(r for r in records if r["category"] != first["category"])
    for part in ("dense", "trick"):
        assert agreement([{**first, part: other[part]}])["value"] == 0, texts_of(first)
    mixed = {**first, "answers": first["answers"] | {"Category Name": "A tower."}}
    assert agreement([mixed, *records[1:]])["value"] == 1 - 1 / len(records)
    assert agreement([]) == {"value": None, "count": 0, "kinds": {}}
