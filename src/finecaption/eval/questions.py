"""What is asked of a region that the truth does not answer: questions that cannot apply."""

from __future__ import annotations

import random

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.synth import vocabulary as voc

_PEOPLE_ONLY = ("Facial Expression", "Hair", "Clothing Shoes Accessories", "Age Range")
_ANIMATE_ONLY = ("Body Pose/Gesture", "Body Shape", "Skin Texture and Color")


def inapplicable(category: str) -> tuple[str, ...]:
    """The attributes that a region of this category cannot have: none for a person.

    Only what is plain to anyone: a car has no hair. What is merely not asked of a category in the
    drawn world (the shape of a man) is not among them.

    Args:
        category: of vocabulary.CATEGORIES, or a part name.
    """
    known = voc.CATEGORIES.get(category)
    group = known.group if known else "part"
    if group == "person":
        return ()
    lacking = _PEOPLE_ONLY if group == "animal" else (*_PEOPLE_ONLY, *_ANIMATE_ONLY)
    return tuple(name for name in ATTRIBUTE_NAMES if name in lacking)


def trick_question(category: str, picture: str, region_id: int) -> str | None:
    """One attribute that cannot apply, drawn by the region's name; None for a person."""
    names = inapplicable(category)
    return random.Random(f"trick/{picture}/{region_id}").choice(names) if names else None
