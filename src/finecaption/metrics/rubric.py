"""A judge's marks, attribute by attribute: is the answer right, complete, free of inventions?

This rubric is this project's own: no published figure can be set beside its figures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finecaption.attributes import ATTRIBUTE_NAMES, canonical_name
from finecaption.errors import InputError
from finecaption.metrics.judge import Judge, verdicts
from finecaption.metrics.text import strip_cross_references
from finecaption.metrics.verdict import json_object, number

VERSION = 1  # of the wording below
CRITERIA = ("correct", "complete", "grounded")
"""What the answer says agrees with the reference; it says all that the reference says of the
attribute; it adds nothing that the reference does not bear out."""
BEST = 4  # marks go from 0 to this

MATTERS: dict[str, str] = {
    "One-Sentence Description": "what the thing is and how it looks, in one sentence",
    "Category Name": "what kind of thing it is; a wider or a narrower true name is nearly as good",
    "Body Pose/Gesture": "how the body, arms, legs and hands are held",
    "Body Shape": "the build of the body",
    "Facial Expression": "the expression and the feeling that it shows",
    "Skin Texture and Color": "the tone and texture of the skin, or of an animal's coat",
    "Hair": "length, style and colour of the hair",
    "Clothing Shoes Accessories": "each garment, shoe and accessory, with its colour and pattern",
    "Age Range": "the age; a neighbouring age range is half right",
    "Color": "the colours, the main one above all; close shades are nearly as good",
    "Materials/Texture": "what it is made of and how its surface looks",
    "Shape": "the outline and form",
    "Camera Viewpoint": "from which side, and from what height, it is seen",
    "Associative Visual Effect": "shadows, reflections, glow, blur and the like",
    "Interaction with Other Objects": "what it does with other things, or they with it",
    "Relative Location with Other Objects": "where it is relative to other things",
    "Visible Text": "the words that can be read, letter by letter",
    "State or Activity": "the state it is in, or what it does",
}
_OTHER = "what the attribute's name says"

PROMPT = """\
You mark an answer about one attribute of one thing in a picture. You do not see the picture: the \
reference tells what is true.

Attribute: {attribute}
What matters: {matters}
Reference: {reference}
Answer: {answer}

Give three marks, whole numbers from 0 (not at all) to 4 (fully):
"correct": what the answer says of the attribute agrees with the reference; other words for the \
same do no harm.
"complete": the answer says all that the reference says of the attribute.
"grounded": the answer adds nothing about the attribute that the reference does not bear out. If \
the reference says that the attribute cannot be seen or does not apply, only an answer that says \
so is correct and grounded.
Reply with one JSON object and nothing else: \
{{"reason": "one short sentence", "correct": 0, "complete": 0, "grounded": 0}}"""


@dataclass(frozen=True)
class Marks:
    """A judge's marks of one answer, each in 0..1."""

    correct: float
    complete: float
    grounded: float
    reason: str = ""

    @property
    def mean(self) -> float:
        """The mean of the three."""
        return (self.correct + self.complete + self.grounded) / 3


@dataclass(frozen=True)
class Rubric:
    """Marks of a set of answers.

    Attributes:
        score: mean over attributes of `Marks.mean`, 0..1.
        attributes: attribute -> criterion (and "mean", "count") -> figure; the 18 in their order,
            then others.
        answers: the marks of each, in order.
        judge: the judge's identity, and the rubric's version.
    """

    score: float
    attributes: dict[str, dict[str, float]]
    answers: list[Marks]
    judge: dict[str, Any]


def rubric_prompt(attribute: str, answer: str, reference: str) -> str:
    """What is asked of an answer to one attribute."""
    name = canonical_name(attribute)
    return PROMPT.format(
        attribute=name,
        matters=MATTERS.get(name, _OTHER),
        reference=" ".join(reference.split()),
        answer=" ".join(answer.split()) or "(no answer)",
    )


def read_marks(reply: str) -> Marks | None:
    """The marks in a reply; None when one is missing or out of range."""
    found = json_object(reply)
    if found is None:
        return None
    given = [number(found.get(name), 0, BEST) for name in CRITERIA]
    marks = [m / BEST for m in given if m is not None]
    if len(marks) != len(CRITERIA):
        return None
    return Marks(marks[0], marks[1], marks[2], str(found.get("reason", "")))


def rubric(
    predictions: Sequence[Mapping[str, Any]],
    judge: Judge,
    keep_cross_references: bool = False,
) -> Rubric:
    """Marks answers to single attributes.

    Args:
        predictions: types.Prediction as dicts: attribute, text and reference are used.

    Raises:
        InputError: there are none, or one has no attribute or no reference.
        JudgeError: the judge fails, or gives no marks.
    """
    if not predictions:
        raise InputError("rubric: there are no answers to mark")
    prompts = []
    for i, p in enumerate(predictions):
        lacking = [name for name in ("attribute", "reference") if not p.get(name)]
        if lacking:
            raise InputError(f"rubric: answer {i} has no {' and no '.join(lacking)}")
        texts = (p["text"], p["reference"])
        if not keep_cross_references:
            texts = (strip_cross_references(texts[0]), strip_cross_references(texts[1]))
        prompts.append(rubric_prompt(p["attribute"], *texts))
    marks = verdicts(judge, prompts, read_marks)
    groups: dict[str, list[Marks]] = defaultdict(list)
    for p, m in zip(predictions, marks, strict=True):
        groups[canonical_name(p["attribute"])].append(m)
    order = [n for n in ATTRIBUTE_NAMES if n in groups]
    order += sorted(n for n in groups if n not in ATTRIBUTE_NAMES)
    attributes = {name: _summary(groups[name]) for name in order}
    return Rubric(
        float(np.mean([row["mean"] for row in attributes.values()])),
        attributes,
        marks,
        {**judge.identity, "rubric": VERSION},
    )


def _summary(own: Sequence[Marks]) -> dict[str, float]:
    out = {name: float(np.mean([getattr(m, name) for m in own])) for name in CRITERIA}
    return out | {"mean": float(np.mean([m.mean for m in own])), "count": len(own)}
