from __future__ import annotations

import pytest

from finecaption.attributes import (
    ATTRIBUTE_NAMES,
    ATTRIBUTES,
    REGION_PREFIX,
    canonical_name,
    dense_instruction,
    global_instruction,
    region_instruction,
    resolve_attribute,
)
from finecaption.errors import InputError


def test_there_are_18_of_which_the_paper_names_16() -> None:
    assert len(ATTRIBUTES) == len(set(ATTRIBUTE_NAMES)) == 18
    assert [a.name for a in ATTRIBUTES if a.source == "project"] == [
        "Visible Text",
        "State or Activity",
    ]


def test_no_spelling_names_two_attributes() -> None:
    owners: dict[str, str] = {}
    for attribute in ATTRIBUTES:
        for spelling in (attribute.name, attribute.slug, *attribute.aliases):
            assert resolve_attribute(spelling) is attribute, spelling
            key = spelling.casefold()
            assert owners.setdefault(key, attribute.name) == attribute.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("color", "Color"),
        ("COLOUR", "Color"),
        (" body  pose / gesture ", "Body Pose/Gesture"),
        ("body_pose", "Body Pose/Gesture"),
        ("Materials/Texture", "Materials/Texture"),
        ("material", "Materials/Texture"),
        ("one-sentence description", "One-Sentence Description"),
        ("skin texture and colour", "Skin Texture and Color"),
        ("Clothing, Shoes, Accessories", "Clothing Shoes Accessories"),
        ("shape", "Shape"),
        ("body shape", "Body Shape"),
    ],
)
def test_spelling_is_tolerant(text: str, name: str) -> None:
    assert resolve_attribute(text).name == name
    assert canonical_name(text) == name


def test_a_typing_error_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match='"colr".*did you mean "Color"'):
        resolve_attribute("colr")


@pytest.mark.parametrize("text", ["", "??", "qwertz"])
def test_nonsense_gets_the_whole_list(text: str) -> None:
    with pytest.raises(InputError, match="choose from: One-Sentence Description, .*Activity$"):
        resolve_attribute(text)


def test_loaders_keep_unknown_names() -> None:
    assert canonical_name("  Number of   Wheels ") == "Number of Wheels"
    with pytest.raises(InputError, match="empty"):
        canonical_name("  ")


def test_instructions() -> None:
    assert region_instruction("color") == "Describe this region: Color."
    assert region_instruction(resolve_attribute("age")) == "Describe this region: Age Range."
    assert region_instruction("Number of Wheels") == "Describe this region: Number of Wheels."
    assert dense_instruction() == "Describe this region: in detail."
    assert global_instruction() == "Describe this image: in detail."
    assert dense_instruction().startswith(REGION_PREFIX)
