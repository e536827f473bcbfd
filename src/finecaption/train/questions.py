"""Which questions a training picture asks, and what it answers."""

from __future__ import annotations

import random

from finecaption.attributes import (
    ATTRIBUTE_NAMES,
    dense_instruction,
    global_instruction,
    region_instruction,
)
from finecaption.synth.language import (
    not_applicable,
    paraphrases,
    region_paragraph,
    scene_paragraph,
)
from finecaption.synth.truth import RegionTruth, SceneTruth

Question = tuple[str, str]  # instruction, answer

DENSE_RATE = 0.25  # of regions also asked for a paragraph
NOT_APPLICABLE_RATE = 0.25  # of regions asked one thing that they cannot have


def region_questions(truth: RegionTruth, rng: random.Random, most: int) -> list[Question]:
    """Up to ``most`` attribute questions on a region in random order, and now and then more.

    A wrong premise ("hair" of a car) is asked at NOT_APPLICABLE_RATE, a paragraph at DENSE_RATE.
    """
    names = list(truth.attributes)
    rng.shuffle(names)
    out = [(region_instruction(n), rng.choice(paraphrases(truth, n))) for n in names[:most]]
    if rng.random() < NOT_APPLICABLE_RATE:
        foreign = [n for n in ATTRIBUTE_NAMES if n not in truth.attributes and _foreign(truth, n)]
        if foreign:
            name = rng.choice(foreign)
            answer = rng.choice(not_applicable(name, truth.category))
            out[rng.randrange(len(out))] = (region_instruction(name), answer)
    if rng.random() < DENSE_RATE:
        out.append((dense_instruction(), region_paragraph(truth, rng)))
    return out


_PERSONAL = (
    "Facial Expression", "Hair", "Clothing Shoes Accessories", "Age Range",
    "Body Pose/Gesture", "Body Shape", "Skin Texture and Color",
)  # fmt: skip
_PEOPLE = ("man", "woman", "boy", "girl")
_ANIMALS = ("cat", "dog", "rabbit", "horse")
_ANIMATE = ("Body Pose/Gesture", "Body Shape", "Skin Texture and Color")


def _foreign(truth: RegionTruth, name: str) -> bool:
    """Whether an absent attribute is one that the thing cannot have, not one that is unclear."""
    if name not in _PERSONAL or truth.category in _PEOPLE:
        return False
    return not (truth.category in _ANIMALS and name in _ANIMATE)


def scene_question(truth: SceneTruth, rng: random.Random) -> Question:
    """The question on the whole picture."""
    return global_instruction(), scene_paragraph(truth, rng)
