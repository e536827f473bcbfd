"""ROUGE-L (Lin 2004) with beta 1.2, as pycocoevalcap computes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finecaption.metrics.ngrams import Words

BETA = 1.2


def common_subsequence(a: Words, b: Words) -> int:
    """Length of the longest common subsequence.

    Bit-parallel: a column of the table is one integer (Hyyro 2004, "Bit-parallel LCS-length
    computation revisited").
    """
    places: dict[str, int] = {}
    for i, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << i
    full = (1 << len(a)) - 1
    column = full
    for word in b:
        match = column & places.get(word, 0)
        column = (column + match | column - match) & full
    return len(a) - column.bit_count()


def rouge_l(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
) -> tuple[float, np.ndarray]:
    """The mean over captions, and each caption's: F of the best precision and the best recall.

    A sentence without words counts as one empty word, as published: two empty ones agree.

    Returns:
        A figure in 0..1, and float64 (P,).
    """
    each = np.array([_one(h, refs) for h, refs in zip(hypotheses, references, strict=True)])
    return float(each.mean()), each


def _one(hypothesis: Words, references: Sequence[Words]) -> float:
    own = hypothesis or [""]
    precision = recall = 0.0
    for reference in references:
        other = reference or [""]
        common = common_subsequence(own, other)
        precision = max(precision, common / len(own))
        recall = max(recall, common / len(other))
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)
