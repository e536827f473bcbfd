"""The drawn world's language: what is written of a truth, and what is read from a text.

The one name that the rest of the package imports; the parts are sentences (one attribute),
paragraphs (RDC, CGIC), reading (values back from text, scores) and corpus (every word).
"""

from __future__ import annotations

from finecaption_synth.corpus import MAX_ENTITY, corpus
from finecaption_synth.paragraphs import region_paragraph, scene_paragraph
from finecaption_synth.phrases import NOT_APPLICABLE
from finecaption_synth.reading import (
    FACETS,
    is_abstention,
    is_not_applicable,
    parse,
    score,
    stated,
)
from finecaption_synth.sentences import not_applicable, paraphrases

__all__ = [
    "FACETS",
    "MAX_ENTITY",
    "NOT_APPLICABLE",
    "corpus",
    "is_abstention",
    "is_not_applicable",
    "not_applicable",
    "paraphrases",
    "parse",
    "region_paragraph",
    "scene_paragraph",
    "score",
    "stated",
]
