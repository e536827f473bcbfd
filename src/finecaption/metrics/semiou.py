"""Semantic IoU: how many words a predicted name shares with the true one (Osprey, Yuan et al.)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finecaption.errors import InputError

# Osprey's osprey/eval/lvis_paco_eval.py: a "label: name" answer counts by its name; these three
# characters are dropped from the answer; of the true name, underscore and colon
_DROPPED = str.maketrans({".": " ", ":": " ", ",": " "})
_SPACED = str.maketrans({"_": " ", ":": " "})


def semantic_iou(answer: str, category: str) -> float:
    """Shared over all different words of an answer and a category name, in lower case: 0..1.

    Raises:
        InputError: the category has no word.
    """
    if ":" in answer:
        answer = answer.split(":")[1]
    said = set(answer.translate(_DROPPED).lower().split())
    true = set(category.translate(_SPACED).lower().split())
    if not true:
        raise InputError(f"semantic_iou: the category {category!r} has no word")
    return len(said & true) / len(said | true)


def semantic_ious(answers: Sequence[str], categories: Sequence[str]) -> tuple[float, np.ndarray]:
    """The mean, and float64 (N,) of each answer.

    Raises:
        InputError: not as many answers as categories, or none.
    """
    if not answers or len(answers) != len(categories):
        raise InputError(
            f"semantic_ious: {len(answers)} answers for {len(categories)} categories; give one each"
        )
    each = np.array([semantic_iou(a, c) for a, c in zip(answers, categories, strict=True)])
    return float(each.mean()), each
