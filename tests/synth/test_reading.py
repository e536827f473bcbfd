"""What is read: values from text as a model may write it, and its score."""

from __future__ import annotations

import pytest

from finecaption_synth.language import is_not_applicable, parse, score, stated
from finecaption_synth.truth import Facets

PLACE = "Relative Location with Other Objects"
TOUCH = "Interaction with Other Objects"
CLOTHES = "Clothing Shoes Accessories"
SENTENCE = "One-Sentence Description"
SKIN = "Skin Texture and Color"
VIEW = "Camera Viewpoint"


@pytest.mark.parametrize(
    ("attribute", "text", "expected"),
    [
        ("Color", "IT IS RED!", {"colour": "red"}),
        ("Color", "its colour : gray .", {"colour": "grey"}),
        ("Color", "it is reddish", {"colour": None}),
        ("Color", "The blue one is on the red car.", {"colour": "blue"}),
        ("Color", "", {"colour": None}),
        ("Category Name", "A vase filled with flowers.", {"category": "vase"}),
        ("Category Name", "The roof of a house.", {"category": "roof"}),
        ("Category Name", "A picture of a man with a hat.", {"category": "man"}),
        ("Category Name", "A flower.", {"category": "flower"}),
        (SENTENCE, "A picture of a man in red.", {"colour": "red", "category": "man"}),
        (SENTENCE, "A cup on the brown table.", {"colour": None, "category": "cup"}),
        (
            SENTENCE,
            "A red cup held by the man in blue (entity_id_2).",
            {"colour": "red", "category": "cup"},
        ),
        ("Shape", "it is cone - shaped", {"shape": "cone-shaped"}),
        ("Shape", "a round-backed chair", {"shape": "round-backed"}),
        ("Shape", "a rounded body", {"shape": "rounded"}),
        ("Materials/Texture", "A wooden chair.", {"material": "wood"}),
        ("State or Activity", "It is not in bloom.", {"state": "not in bloom"}),
        ("State or Activity", "It is not empty but steaming.", {"state": "steaming"}),
        ("State or Activity", "He is asleep.", {"state": "sleeping"}),
        ("Visible Text", 'it reads " stop "', {"text": "STOP"}),
        ("Visible Text", "There is no text.", {"text": "no text"}),
        ("Visible Text", "The text cannot be seen.", {"text": "not visible"}),
        ("Associative Visual Effect", "It casts no shadow.", {"effect": "no effect"}),
        ("Associative Visual Effect", "a shadow to the left", {"effect": "shadow to the left"}),
        (VIEW, "Seen from the back at eye-level.", {"facing": "back", "pitch": "eye level"}),
        (VIEW, "From above, facing the camera.", {"facing": "front", "pitch": "from above"}),
        (VIEW, "Seen from above.", {"facing": None, "pitch": "from above"}),
        ("Hair", "She is blonde, her hair short.", {"style": "short", "colour": "blond"}),
        ("Hair", "He is bald.", {"style": "bald", "colour": None}),
        ("Hair", "Her hair is hidden.", {"style": "not visible", "colour": "not visible"}),
        ("Hair", "Long hair; the colour cannot be seen.", {"style": "long",
                                                           "colour": "not visible"}),
        (
            CLOTHES,
            "he wears a red t - shirt and shorts, sneakers and a hat",
            {"garment": "t-shirt and shorts", "colour": "red", "shoes": "sneakers",
             "accessory": "hat"},
        ),
        (
            CLOTHES,
            "A blue striped sweater without accessories, but his feet cannot be seen.",
            {"garment": "striped sweater", "colour": "blue", "shoes": "not visible",
             "accessory": "no accessories"},
        ),
        (SKIN, "Dark, wrinkled skin.", {"tone": "dark", "texture": "wrinkled"}),
        (SKIN, "Brown skin.", {"tone": "brown", "colour": None}),
        (SKIN, "A brown spotted coat.", {"tone": None, "coat": "spotted", "colour": "brown"}),
        (PLACE, "to the left of the red car", {"relation": "to the left of|car"}),
        (PLACE, "It stands left of a car.", {"relation": "to the left of|car"}),
        (PLACE, "on the right side of the big old house", {"relation": "to the right of|house"}),
        (PLACE, "standing on the ground behind a tree", {"relation": "behind|tree"}),
        (PLACE, "It is in front of (entity_id_4) the man in red.", {"relation": "in front of|man"}),
        (PLACE, "It is alone.", {"relation": "alone"}),
        (PLACE, "It is on the left.", {"relation": None}),
        (TOUCH, "He holds a red balloon.", {"interaction": "holding|balloon"}),
        (TOUCH, "sat on by the woman in blue", {"interaction": "sat on by|woman"}),
        (TOUCH, "leaned on by a ladder", {"interaction": "leaned on by|ladder"}),
        (TOUCH, "It is touching nothing.", {"interaction": "none"}),
    ],
)  # fmt: skip
def test_parse(attribute: str, text: str, expected: dict[str, str | None]) -> None:
    found = parse(attribute, text)
    assert {k: found[k] for k in expected} == expected


def test_contradictions_are_kept_and_wrong() -> None:
    assert stated("Color", "red, blue and red") == {"colour": ("red", "blue")}
    assert parse("Color", "red or blue") == {"colour": "red / blue"}
    assert score("Color", "It is red or blue.", {"colour": ("red",)}) == {"colour": False}
    assert score("Color", "It is red or blue.", {"colour": ("red", "blue")}) == {"colour": False}
    hedged = "Short hair; the style cannot be seen."
    assert score("Hair", hedged, {"style": ("short",)}) == {"style": False}


@pytest.mark.parametrize(
    ("attribute", "text", "facets", "right"),
    [
        ("Color", "It is red.", {"colour": ("orange", "red")}, {"colour": True}),
        ("Color", "It is blue.", {"colour": ("orange", "red")}, {"colour": False}),
        ("Color", "It is nice.", {"colour": ("red",)}, {"colour": False}),
        ("Color", "It is not red.", {"colour": ("red",)}, {"colour": False}),
        ("Hair", "Long red hair.", {"style": ("long",), "colour": ("black",)},
         {"style": True, "colour": False}),
        ("Hair", "He is bald.", {"style": ("bald",)}, {"style": True}),
        (PLACE, "behind the red car", {"relation": ("on|table", "behind|car")}, {"relation": True}),
        (PLACE, "behind the red bus", {"relation": ("on|bus", "behind|car")}, {"relation": False}),
        (PLACE, "behind the car and on a table", {"relation": ("on|table", "behind|car")},
         {"relation": True}),
        (PLACE, "behind the car and on a table", {"relation": ("behind|car",)},
         {"relation": False}),
        (TOUCH, "He interacts with nothing.", {"interaction": ("none",)}, {"interaction": True}),
        ("Facial Expression", "His face cannot be seen.", {"expression": ("not visible",)},
         {"expression": True}),
        ("Facial Expression", "It has no facial expression.", {"expression": ("happy",)},
         {"expression": False}),
        ("Category Name", "It is a car.", {}, {}),
    ],
)  # fmt: skip
def test_score(attribute: str, text: str, facets: Facets, right: dict[str, bool]) -> None:
    assert score(attribute, text, facets) == right


@pytest.mark.parametrize("text", ["no hair .", "IT HAS NO FACIAL EXPRESSION", "Not applicable."])
def test_not_applicable(text: str) -> None:
    assert is_not_applicable(text)


@pytest.mark.parametrize("text", ["There is no text.", "He wears no accessories.", "no effect", ""])
def test_absence_that_is_a_value_is_applicable(text: str) -> None:
    assert not is_not_applicable(text)


def test_unknown_attribute() -> None:
    with pytest.raises(KeyError):
        parse("Weight", "heavy")
