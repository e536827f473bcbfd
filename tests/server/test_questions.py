"""What a chat message is taken to ask."""

from __future__ import annotations

import pytest

from finecaption.attributes import ATTRIBUTES, dense_instruction, region_instruction
from finecaption.errors import InputError
from finecaption.server.questions import understand


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda attribute: attribute.slug)
def test_names_and_their_questions(attribute: object) -> None:
    name, slug, aliases = attribute.name, attribute.slug, attribute.aliases  # type: ignore[attr-defined]  # an Attribute
    asked = [name, slug, *aliases, name.upper() + "?", f"Describe the {name}.", f"  {name}\n",
             region_instruction(name), f"What is its {name}?", f"<image>\n{name}"]  # fmt: skip
    for text in asked:
        assert understand(text, True).attributes == (name,), text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What color is this?", "Color"),
        ("which colours does it have", "Color"),
        ("What is the color of her hair?", "Hair"),
        ("What is this?", "Category Name"),
        ("what's that?", "Category Name"),
        ("What is the object?", "Category Name"),
        ("What kind of animal is it?", "Category Name"),
        ("What is it made of?", "Materials/Texture"),
        ("What is she wearing?", "Clothing Shoes Accessories"),
        ("How old is he?", "Age Range"),
        ("What does the sign say?", "Visible Text"),
        ("Read the text", "Visible Text"),
        ("Where is it?", "Relative Location with Other Objects"),
        ("What is it holding?", "Interaction with Other Objects"),
        ("What is the man doing?", "State or Activity"),
        ("Is he smiling?", "Facial Expression"),
        ("Describe the region in one sentence.", "One-Sentence Description"),
        ("Describe it briefly", "One-Sentence Description"),
        ("From which side is it seen?", "Camera Viewpoint"),
        ("Does it cast a shadow?", "Associative Visual Effect"),
        ("Materails", "Materials/Texture"),
        ("facial expresion", "Facial Expression"),
        ("What is the shape of this object?", "Shape"),
    ],
)
def test_questions(text: str, name: str) -> None:
    assert understand(text, True).names == (name,)


@pytest.mark.parametrize(
    "text",
    ["describe in detail", "Describe the masked region in detail.", "Describe this.", "describe",
     "Tell me about this object", "a detailed description of the marked area", "",
     dense_instruction(), "Write a paragraph on it."],
)  # fmt: skip
def test_detail(text: str) -> None:
    assert understand(text, True).names == ("dense",)
    assert understand(text, False).names == ("global",)


@pytest.mark.parametrize(
    "text",
    ["Describe the whole picture in detail.", "Describe this image: in detail.",
     "Describe the image", "What is in this picture?", "Give a caption of the entire scene",
     "What does the photo show?", "a short description of this picture"],
)  # fmt: skip
def test_the_picture(text: str) -> None:
    assert understand(text, False).names == ("global",)


def test_a_region_and_the_whole_picture() -> None:
    assert understand("Describe the whole picture", True).names == ("global",)
    assert understand("Describe the marked region of this picture in detail", True).names == (
        "dense",
    )


@pytest.mark.parametrize("text", ["Sing a song", "123", "¿Qué tal?", "x" * 3000, "{}", "\x00"])
def test_the_unknown_is_refused_with_a_list(text: str) -> None:
    with pytest.raises(InputError, match=r"One-Sentence Description, .*State or Activity\), \""):
        understand(text, True)


def test_a_question_on_a_region_needs_one() -> None:
    with pytest.raises(InputError, match="RGBA PNG whose alpha is the mask"):
        understand("color", False)
