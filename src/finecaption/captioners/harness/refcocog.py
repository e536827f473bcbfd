"""Functions of the RefCOCOg tasks in `tasks/`: describe a region, given as a mask.

A document has `image` (PIL), `segmentation` (COCO polygons, one flat list or several), `bbox`
(xywh) and `answer` (the references), as lmms-lab's RefCOCOg has them. Models of this package are
handed the mask itself; others see it as `lmms_eval_specific_kwargs` of the task says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES, region_instruction
from finecaption.captioners.families import question
from finecaption.captioners.visual_prompts import show
from finecaption.errors import InputError
from finecaption.io.masks import decode_polygons, mask_from_box

COLUMNS = ("BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr")


def region_mask(doc: Mapping[str, Any]) -> np.ndarray:
    """bool (H, W): the polygons, or the box where they cover no pixel."""
    size = doc["image"].size
    try:
        return decode_polygons(list(doc["segmentation"]), size)
    except InputError:
        x, y, width, height = doc["bbox"]
        return mask_from_box((x, y, x + width, y + height), size)


def _shown(settings: Mapping[str, Any] | None) -> str:
    return str((settings or {}).get("shown", "contour"))


def doc_to_visual(
    doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None
) -> list[Image.Image]:
    """One image, showing the region as `shown` says; "alpha" is the mask itself."""
    mask = region_mask(doc)
    return [show(doc["image"].convert("RGB"), mask, _shown(lmms_eval_specific_kwargs)).picture]


def doc_to_text(
    doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None
) -> str:
    """The question: ours for a mask, else in words that say how the region is shown."""
    how = _shown(lmms_eval_specific_kwargs)
    if how == "alpha":
        return region_instruction(ATTRIBUTE_NAMES[0])
    words = show(doc["image"].convert("RGB"), region_mask(doc), how).words
    return question("aarc", ATTRIBUTE_NAMES[0], words)


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Answer and references of a document, under each column."""
    pair = (results[0] if results else "", tuple(doc["answer"]))
    return {f"finecaption_{name}": pair for name in COLUMNS}


@lru_cache(maxsize=4)
def _scores(pairs: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, float]:
    from finecaption.metrics.captions import CaptionScorer
    from finecaption.metrics.text import Pair

    found = CaptionScorer().score([Pair(said, references) for said, references in pairs])
    return {**found.corpus, **{name: float("nan") for name in found.missing}}


def _column(results: Sequence[Any], name: str) -> float:
    pairs = tuple((said, tuple(references)) for said, references in results)
    return _scores(pairs)[name]


def bleu_1(results: Sequence[Any]) -> float:
    """Corpus BLEU-1, 0..1."""
    return _column(results, "BLEU-1")


def bleu_4(results: Sequence[Any]) -> float:
    """Corpus BLEU-4, 0..1."""
    return _column(results, "BLEU-4")


def meteor(results: Sequence[Any]) -> float:
    """Corpus METEOR, 0..1; NaN without Java."""
    return _column(results, "METEOR")


def rouge_l(results: Sequence[Any]) -> float:
    """ROUGE-L, 0..1."""
    return _column(results, "ROUGE-L")


def cider(results: Sequence[Any]) -> float:
    """CIDEr-D x 10, 0..10."""
    return _column(results, "CIDEr")
