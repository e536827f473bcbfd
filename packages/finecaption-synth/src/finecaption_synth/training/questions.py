"""Which questions a training image asks, and what it answers."""

from __future__ import annotations

import random

from finecaption.attributes import dense_instruction, global_instruction, region_instruction
from finecaption_synth.language import (
    not_applicable,
    paraphrases,
    region_paragraph,
    scene_paragraph,
)
from finecaption_synth.truth import RegionTruth, SceneTruth
from finecaption_synth.vocabulary import inapplicable

Question = tuple[str, str]  # instruction, answer
Dialog = list[Question]  # turns; later ones see the earlier

FIRST = "Category Name"  # what a conversation begins with: all other answers follow from it
DENSE_RATE = 0.25  # of regions also asked for a paragraph
DENSE_END_RATE = 0.4  # of conversations that end with the paragraph
INAPPLICABLE_WEIGHT = 0.5  # of an attribute that cannot apply, against one that can


def _names(truth: RegionTruth, rng: random.Random, most: int) -> list[str]:
    """Up to ``most`` of the attributes in random order, the inapplicable ones less often."""
    weights = dict.fromkeys(truth.attributes, 1.0)
    weights |= dict.fromkeys(inapplicable(truth.category), INAPPLICABLE_WEIGHT)
    # The largest of u^(1/w) is a weighted sample without replacement (Efraimidis, Spirakis 2006).
    keys = {name: rng.random() ** (1 / weight) for name, weight in weights.items()}
    return sorted(keys, key=keys.__getitem__, reverse=True)[:most]


def _answer(truth: RegionTruth, name: str, rng: random.Random) -> str:
    if name in truth.attributes:
        return rng.choice(paraphrases(truth, name))
    return rng.choice(not_applicable(name, truth.category))


def region_questions(
    truth: RegionTruth, rng: random.Random, most: int, wanted: str | None = None
) -> list[Question]:
    """Up to ``most`` attribute questions on a region in random order, and now and then more.

    ``wanted`` is an attribute that must be among them.

    Attributes that cannot apply (the hair of a car) are drawn with INAPPLICABLE_WEIGHT: of a
    person's questions, 1 in 17 is refused; of a cup's, 1 in 4. A paragraph is asked at DENSE_RATE.
    """
    names = _names(truth, rng, most)
    if names and wanted is not None and wanted not in names:
        names[rng.randrange(len(names))] = wanted
    out = [(region_instruction(n), _answer(truth, n, rng)) for n in names]
    if rng.random() < DENSE_RATE:
        out.append((dense_instruction(), region_paragraph(truth, rng)))
    return out


def region_dialogs(
    truth: RegionTruth,
    rng: random.Random,
    most: int,
    conversations: float,
    wanted: str | None = None,
) -> list[Dialog]:
    """The questions of `region_questions` as dialogs: single ones, and now and then a conversation.

    A conversation begins with the category, goes on with half of the attribute questions in random
    order, refusals among them, and sometimes ends with the paragraph. It takes its questions from
    the single ones, so that there are about as many in all.

    Args:
        most: attribute questions, the category that opens a conversation not counted.
        conversations: the chance of a conversation, 0 to 1; with fewer than two questions there is
            none.
        wanted: an attribute that must be asked about.
    """
    questions = region_questions(truth, rng, most, wanted)
    if most < 2 or rng.random() >= conversations:
        return [[question] for question in questions]
    paragraph = [q for q in questions if q[0] == dense_instruction()]
    first = (region_instruction(FIRST), _answer(truth, FIRST, rng))
    asked = [q for q in questions if q[0] not in (first[0], dense_instruction())]
    half = (len(asked) + 1) // 2
    turns, single = [first, *asked[:half]], asked[half:]
    if rng.random() < DENSE_END_RATE:
        turns += paragraph or [(dense_instruction(), region_paragraph(truth, rng))]
        paragraph = []
    return [*([q] for q in (*single, *paragraph)), turns]


def scene_question(truth: SceneTruth, rng: random.Random) -> Question:
    """The question on the whole image."""
    return global_instruction(), scene_paragraph(truth, rng)
