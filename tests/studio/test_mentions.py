from __future__ import annotations

import numpy as np
import pytest

from finecaption.studio.mentions import Name, find_mentions, find_relations, name_of

PLACE = "Relative Location with Other Objects"
DOES = "Interaction with Other Objects"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"Category Name": "A boat."}, Name("boat")),
        ({"Category Name": "The picture shows an umbrella.", "Color": "It is white."},
         Name("umbrella", frozenset({"white"}))),
        ({"One-Sentence Description": "A red boat is on the lake."},
         Name("boat", frozenset({"red"}))),
        ({"Category Name": "This is a street lamp.", "Color": "Its color is gray."},
         Name("street lamp", frozenset({"grey"}))),
        ({"Color": "Red."}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_names(texts: dict[str, str], expected: Name | None) -> None:
    assert name_of(texts) == expected


@pytest.mark.parametrize(
    ("noun", "color", "label"),
    [
        ("umbrella", "white", "white umbrella"),
        ("boy", "black", "boy in black"),
        ("old woman", "white", "old woman in white"),
        ("girl", "", "girl"),
        ("snow man", "white", "snow man in white"),
        ("post", "brown", "brown post"),
    ],
)
def test_people_are_named_by_their_clothes(noun: str, color: str, label: str) -> None:
    assert Name(noun, frozenset([color] if color else [])).label == label


NAMES = {
    1: Name("cat", frozenset({"black"})),
    2: Name("umbrella", frozenset({"white"})),
    3: Name("umbrella", frozenset({"red"})),
    4: Name("girl"),
}


def found(region: int | None, text: str, name: str = PLACE) -> list[tuple[str, tuple[int, ...]]]:
    mentions = find_mentions({region: {name: text}}, NAMES)
    assert all(m.region == region and m.name == name for m in mentions)
    return [(text[m.start : m.end], m.targets) for m in mentions]


@pytest.mark.parametrize(
    ("region", "text", "expected"),
    [
        (1, "The cat is behind the white umbrella.", [("the white umbrella", (2,))]),
        (1, "It is under an umbrella.", [("an umbrella", (2, 3))]),
        (2, "The umbrella is held by a girl.", [("a girl", (4,))]),
        (2, "It is beside another umbrella.", [("another umbrella", (3,))]),
        (2, "The white umbrella is behind the red umbrella.", [("the red umbrella", (3,))]),
        (1, "Behind the green umbrella.", []),
        (1, "The catalogue is old.", []),
        (1, "By the umbrella in red.", [("the umbrella in red", (3,))]),
        (1, "By the umbrella in green.", []),
        (1, "By the girl in the shade.", [("the girl", (4,))]),
        (4, "The girl has two cats.", [("cats", (1,))]),
        (1, "Near the lady (entity_id_4).", [("entity_id_4", (4,))]),
        (None, "A black cat, a girl.", [("A black cat", (1,)), ("a girl", (4,))]),
    ],
)
def test_mentions(region: int | None, text: str, expected: list) -> None:
    assert sorted(found(region, text)) == sorted(expected)


@pytest.mark.parametrize(
    ("name", "text", "label", "target"),
    [
        (PLACE, "The cat is to the left of the white umbrella.", "to the left of", 2),
        (PLACE, "It is in front of the girl.", "in front of", 4),
        (DOES, "It is leaning on the red umbrella.", "leaning on", 3),
        ("dense", "A cat. It sits under the white umbrella. It is black.", "under", 2),
    ],
)
def test_relations(name: str, text: str, label: str, target: int) -> None:
    texts = {1: {name: text}}
    (edge,) = find_relations(texts, find_mentions(texts, NAMES))
    assert (edge.source, edge.target, edge.label, edge.origin) == (1, target, label, "text")
    assert edge.text in text and "white" in edge.text or target != 2


def test_other_attributes_and_doubtful_mentions_make_no_edge() -> None:
    texts = {1: {"Color": "Black, like the girl.", PLACE: "It is near an umbrella."}}
    assert find_relations(texts, find_mentions(texts, NAMES)) == []


def test_masks_within_masks() -> None:
    large, small = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    large[:8], small[2:4, 2:4] = True, True
    (edge,) = find_relations({}, [], {7: large, 9: small})
    assert (edge.source, edge.target, edge.label, edge.origin) == (9, 7, "within", "mask")
