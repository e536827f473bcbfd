"""The 18 compositional attributes, and the only home of instruction text.

Names: 16 come from the figures of the paper (arXiv 2411.15411); "Visible Text" and "State or
Activity" are this project's choice for the two that its public text does not name
(`Attribute.source` tells them apart). Data may carry other names: `canonical_name` keeps them.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from finecaption.errors import InputError


@dataclass(frozen=True)
class Attribute:
    """One attribute: its name in prompts and data, a slug for file names, other spellings."""

    name: str
    slug: str
    aliases: tuple[str, ...] = ()
    source: Literal["paper", "project"] = "paper"


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        "One-Sentence Description",
        "one-sentence-description",
        ("one sentence", "sentence", "description", "short description", "summary"),
    ),
    Attribute("Category Name", "category-name", ("category", "name", "class", "object", "label")),
    Attribute(
        "Body Pose/Gesture",
        "body-pose-gesture",
        ("body pose", "pose", "gesture", "posture", "body pose and gesture", "pose gesture"),
    ),
    Attribute("Body Shape", "body-shape", ("build", "figure", "physique")),
    Attribute("Facial Expression", "facial-expression", ("expression", "face", "emotion")),
    Attribute(
        "Skin Texture and Color",
        "skin-texture-and-color",
        ("skin", "skin color", "skin tone", "skin texture", "skin texture color"),
    ),
    Attribute("Hair", "hair", ("hairstyle", "hair style", "hair color")),
    Attribute(
        "Clothing Shoes Accessories",
        "clothing-shoes-accessories",
        (
            "clothing",
            "clothes",
            "shoes",
            "accessories",
            "outfit",
            "clothing shoes and accessories",
        ),
    ),
    Attribute("Age Range", "age-range", ("age",)),
    Attribute("Color", "color", ("colors",)),
    Attribute(
        "Materials/Texture",
        "materials-texture",
        (
            "material",
            "materials",
            "texture",
            "textures",
            "material texture",
            "materials and texture",
            "pattern",
        ),
    ),
    Attribute("Shape", "shape", ("form", "shapes")),
    Attribute(
        "Camera Viewpoint",
        "camera-viewpoint",
        ("viewpoint", "camera", "camera view", "camera angle", "view", "angle", "perspective"),
    ),
    Attribute(
        "Associative Visual Effect",
        "associative-visual-effect",
        ("visual effect", "visual effects", "effect", "associative visual effects"),
    ),
    Attribute(
        "Interaction with Other Objects",
        "interaction-with-other-objects",
        ("interaction", "interactions", "interaction with objects"),
    ),
    Attribute(
        "Relative Location with Other Objects",
        "relative-location-with-other-objects",
        (
            "relative location",
            "location",
            "position",
            "relative position",
            "relation",
            "relative location to other objects",
        ),
    ),
    Attribute("Visible Text", "visible-text", ("text", "ocr", "writing", "lettering"), "project"),
    Attribute(
        "State or Activity",
        "state-or-activity",
        ("state", "activity", "action", "state activity", "state and activity"),
        "project",
    ),
)
"""All 18, in the order in which every list and table of the package shows them."""

ATTRIBUTE_NAMES: tuple[str, ...] = tuple(attribute.name for attribute in ATTRIBUTES)


def _key(text: str) -> str:
    """Spelling-blind key: case, spaces, punctuation and British "colour" do not count."""
    return re.sub(r"[\W_]+", "", text.casefold()).replace("colour", "color")


_BY_KEY: dict[str, Attribute] = {
    _key(spelling): attribute
    for attribute in ATTRIBUTES
    for spelling in (attribute.name, attribute.slug, *attribute.aliases)
}


def find_attribute(text: str) -> Attribute | None:
    """The attribute that `text` names, in any case, spacing or punctuation; None if none does."""
    return _BY_KEY.get(_key(text))


def resolve_attribute(text: str) -> Attribute:
    """The attribute that a user's `text` names (name, slug or alias, any case or punctuation).

    Raises:
        InputError: no attribute has that name; the message offers the nearest ones, or all.
    """
    found = find_attribute(text)
    if found is not None:
        return found
    near = difflib.get_close_matches(_key(text), list(_BY_KEY), n=6, cutoff=0.6)
    names = list(dict.fromkeys(_BY_KEY[key].name for key in near))[:3]
    hint = (
        "did you mean " + " or ".join(f'"{name}"' for name in names) + "?"
        if names
        else "choose from: " + ", ".join(ATTRIBUTE_NAMES)
    )
    raise InputError(f'unknown attribute "{text}": {hint}')


def canonical_name(text: str) -> str:
    """For loaders: the standard name where `text` names a known attribute, else `text` itself.

    Unknown names are kept, with white space trimmed and collapsed.

    Raises:
        InputError: `text` is empty.
    """
    cleaned = " ".join(text.split())
    if not cleaned:
        raise InputError("attribute: the name is empty; give one of: " + ", ".join(ATTRIBUTE_NAMES))
    found = find_attribute(cleaned)
    return found.name if found is not None else cleaned


def custom_attribute(name: str) -> Attribute:
    """The attribute of that name, which may be outside the 18: it is then asked as it stands.

    Raises:
        InputError: `name` is empty.
    """
    return find_attribute(name) or Attribute(canonical_name(name), "", source="project")


REGION_PREFIX = "Describe this region:"
"""The longest text that all questions on a region share: a shared prefix in training and use."""


def region_instruction(attribute: str | Attribute) -> str:
    """AARC: the user's text that asks for one attribute of the region.

    A known attribute may be spelled in any way; an unknown name is asked for as it stands.
    """
    name = attribute.name if isinstance(attribute, Attribute) else canonical_name(attribute)
    return f"{REGION_PREFIX} {name}."


def dense_instruction() -> str:
    """RDC: the user's text that asks for a paragraph on the region."""
    return f"{REGION_PREFIX} in detail."


def global_instruction() -> str:
    """CGIC: the user's text that asks for a paragraph on the whole image (mask all ones)."""
    return "Describe this image: in detail."
