"""Whether captions tell the regions of one image apart: self-retrieval among them.

A caption is a query, the regions of its image are what is searched, each by its reference (or
by its structured truth). Right is the region that the caption was written for. A caption that fits
two regions alike earns a half, so that saying the same of all regions earns chance and no more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finecaption.errors import InputError
from finecaption.metrics.text import strip_cross_references
from finecaption.metrics.tokens import word_tokens

Similarity = Callable[[int, int], float]
"""(query, candidate), both by their place in the list: the greater, the better it fits."""

_EQUAL = 1e-9  # two fits that differ by less are equal


@dataclass(frozen=True)
class RegionCaption:
    """A caption and the region it was written for.

    Attributes:
        group: what is searched together: the image, or image and attribute.
        caption: what the model wrote.
        reference: what is true of the region, in words.
        picture: the image, for intervals; the group where it is empty.
    """

    group: str
    caption: str
    reference: str
    picture: str = ""


@dataclass(frozen=True)
class Uniqueness:
    """Self-retrieval over all groups of two and more.

    Attributes:
        recall: R@1, the fraction of captions whose own region fits best; ties count in parts.
        chance: what equal captions would have, the mean of one over the group's size.
        distinct: the fraction of pairs of regions of a group whose captions differ.
        each: float64 (N,), a caption's part of the recall; NaN in groups of one.
        captions, groups: how many there were, groups of one left out.
    """

    recall: float
    chance: float
    distinct: float
    each: np.ndarray
    captions: int
    groups: int

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        each = [None if np.isnan(v) else float(v) for v in self.each]
        return {
            "recall_at_1": self.recall,
            "chance": self.chance,
            "distinct": self.distinct,
            "captions": self.captions,
            "groups": self.groups,
            "each": each,
        }


def uniqueness(
    regions: Sequence[RegionCaption], similarity: Similarity | None = None
) -> Uniqueness:
    """Self-retrieval R@1 of captions among the regions of their group.

    Args:
        regions: in any order.
        similarity: how well caption i fits region j; None: words_in_common of the references.

    Raises:
        InputError: no group has two regions.
    """
    fits = similarity if similarity is not None else words_in_common(regions)
    groups: dict[str, list[int]] = defaultdict(list)
    for i, region in enumerate(regions):
        groups[region.group].append(i)
    several = [members for members in groups.values() if len(members) > 1]
    if not several:
        raise InputError("uniqueness: no group has two regions, so nothing can be distinguished")
    each = np.full(len(regions), np.nan)
    differ = pairs = 0
    for members in several:
        for i in members:
            scores = np.array([fits(i, j) for j in members])
            best = scores >= scores.max() - _EQUAL
            each[i] = best[members.index(i)] / best.sum()
        said = Counter(_plain(regions[i].caption) for i in members)
        own = len(members) * (len(members) - 1) // 2
        pairs += own
        differ += own - sum(k * (k - 1) // 2 for k in said.values())
    chance = [1 / len(members) for members in several for _ in members]
    return Uniqueness(
        float(np.nanmean(each)),
        float(np.mean(chance)),
        differ / pairs,
        each,
        len(chance),
        len(several),
    )


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def words_in_common(regions: Sequence[RegionCaption]) -> Similarity:
    """Cosine of caption and reference over words and pairs of words, rare ones weighing more.

    Weights are 1 + the logarithm of (references + 1) / (references with it + 1): words that all
    references share still count, so that a set of one group works too. Words without Java
    (tokens.word_tokens): only the order of fits matters here.
    """

    def grams(texts: Sequence[str]) -> list[Counter[tuple[str, ...]]]:
        told = word_tokens([strip_cross_references(t) for t in texts])
        return [
            Counter([(w,) for w in words] + list(zip(words, words[1:], strict=False)))
            for words in told
        ]

    captions = grams([r.caption for r in regions])
    references = grams([r.reference for r in regions])
    seen = Counter(g for found in references for g in found)
    total = len(regions)

    def weigh(counts: Counter[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
        vector = {g: c * (1 + np.log((total + 1) / (seen[g] + 1))) for g, c in counts.items()}
        norm = float(np.sqrt(sum(v * v for v in vector.values()))) or 1.0
        return {g: float(v / norm) for g, v in vector.items()}

    queries = [weigh(c) for c in captions]
    candidates = [weigh(c) for c in references]

    def fit(i: int, j: int) -> float:
        query, candidate = queries[i], candidates[j]
        return sum(v * candidate.get(g, 0.0) for g, v in query.items())

    return fit


def of_predictions(
    predictions: Sequence[Mapping[str, Any]], by_attribute: bool = True
) -> list[RegionCaption]:
    """Region captions out of predictions (types.Prediction as dict) that have a reference.

    Args:
        by_attribute: compare answers on the same attribute; else all answers of a region are one
            caption.
    """
    rows = [p for p in predictions if p.get("region_id") and p.get("reference")]
    if by_attribute:
        return [
            RegionCaption(
                f"{p['image_id']}|{p['task']}|{p.get('attribute') or ''}",
                p["text"],
                p["reference"],
                p["image_id"],
            )
            for p in rows
        ]
    joined: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for p in rows:
        joined[p["image_id"], p["region_id"]].append(p)
    return [
        RegionCaption(
            image,
            " ".join(p["text"] for p in own),
            " ".join(p["reference"] for p in own),
            image,
        )
        for (image, _), own in joined.items()
    ]
