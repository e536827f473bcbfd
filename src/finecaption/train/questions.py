"""Which questions a training picture asks, and what it answers."""

from __future__ import annotations

import random

from finecaption.attributes import dense_instruction, global_instruction, region_instruction
from finecaption.synth.language import (
    not_applicable,
    paraphrases,
    region_paragraph,
    scene_paragraph,
)
from finecaption.synth.truth import RegionTruth, SceneTruth
from finecaption.synth.vocabulary import inapplicable

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
        foreign = inapplicable(truth.category)
        if foreign:
            name = rng.choice(foreign)
            answer = rng.choice(not_applicable(name, truth.category))
            out[rng.randrange(len(out))] = (region_instruction(name), answer)
    if rng.random() < DENSE_RATE:
        out.append((dense_instruction(), region_paragraph(truth, rng)))
    return out


def scene_question(truth: SceneTruth, rng: random.Random) -> Question:
    """The question on the whole picture."""
    return global_instruction(), scene_paragraph(truth, rng)
