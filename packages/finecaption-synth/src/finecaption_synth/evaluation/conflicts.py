"""Contradictions between single answers and the paragraph about the same region.

Asked for an attribute (AARC), a model states values; asked for a paragraph on the same region
(RDC), it states values of many attributes at once. Both are read back, facet by facet
(synth.reading), the paragraph with care for what each sentence speaks of. The reference paragraphs
are read in the same way, against the truth: so much of what is found is the reader's own error,
and so much is left out by a paragraph that is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.eval.records import Record
from finecaption_synth import vocabulary as voc
from finecaption_synth.language import NOT_APPLICABLE, stated

LINKS = ("relation", "interaction")  # two true ones need not be the same
_HEAD = ("One-Sentence Description", "Category Name", "Color", "Body Pose/Gesture")
_HIDES = ("Facial Expression", "Skin Texture and Color", "Hair", "Clothing Shoes Accessories")
_CLAUSE = re.compile(r"[.;,!?]\s+| and |\.$")
_SENTENCE = re.compile(r"[.;!?]\s+|\.$")
_HAIR = re.compile(r"\b(?:hair|bald|head)\b")
_WRITING = re.compile(r"\b(?:reads?|reading|says?|saying|text|words?|letters|written|writing)\b")
_MADE = re.compile(r"\bmade of\b|\bbound in\b")
_SKIN = re.compile(r"\bskin\b|\bface\b")


def _pieces(text: str, cut: re.Pattern[str]) -> list[str]:
    return [piece for piece in cut.split(text) if piece.strip()]


def _about(attribute: str, paragraph: str) -> str:
    """The part of a paragraph that speaks of an attribute."""
    if attribute == "Hair":
        return ". ".join(p for p in _pieces(paragraph, _CLAUSE) if _HAIR.search(p.lower()))
    if attribute == "Skin Texture and Color" and _SKIN.search(paragraph.lower()):
        return ". ".join(p for p in _pieces(paragraph, _CLAUSE) if _SKIN.search(p.lower()))
    if attribute == "Materials/Texture":
        made = [p for p in _pieces(paragraph, _CLAUSE) if _MADE.search(p.lower())]
        return ". ".join(made) or paragraph
    if (
        attribute == "Visible Text"
    ):  # "open" is a state too, and only a word where something reads so
        return ". ".join(p for p in _pieces(paragraph, _CLAUSE) if _WRITING.search(p.lower()))
    if attribute == "State or Activity":
        return ". ".join(p for p in _pieces(paragraph, _CLAUSE) if not _WRITING.search(p.lower()))
    if attribute == "Relative Location with Other Objects":
        kept = [
            p
            for p in _pieces(paragraph, _SENTENCE)
            if not _linked(stated("Interaction with Other Objects", p)["interaction"])
        ]
        return ". ".join(kept)
    return paragraph


def _linked(values: Sequence[str]) -> bool:
    return any("|" in v for v in values)


def stated_in_paragraph(attribute: str, paragraph: str) -> dict[str, tuple[str, ...]]:
    """What a paragraph states of an attribute: facet -> values; as synth.language.stated.

    Of a region's category, color and pose the first that is named counts, since a paragraph begins
    with the region and goes on to others ("sitting", then "standing on the chair"); likewise of a
    garment's color.
    """
    found = stated(attribute, _about(attribute, paragraph))
    if attribute == "Skin Texture and Color" and not _SKIN.search(paragraph.lower()):
        found |= {"tone": (), "texture": ()}  # "brown" is then hair, or clothes
    if attribute not in _HIDES:
        found = {f: tuple(x for x in v if x != voc.HIDDEN) for f, v in found.items()}
    if attribute in _HEAD:
        return {f: v[:1] for f, v in found.items()}
    if attribute in ("Clothing Shoes Accessories", "Skin Texture and Color"):
        return {f: v[:1] if f == "colour" else v for f, v in found.items()}
    if attribute == "State or Activity":
        # "Leaning on the table" is a ladder's state, but an umbrella's is that it is closed.
        return {f: tuple(x for x in v if x != "leaning" or len(v) == 1) for f, v in found.items()}
    if attribute == "Interaction with Other Objects":
        # what is worn is told with the clothes
        return {f: tuple(x for x in v if not x.startswith("wearing|")) for f, v in found.items()}
    return found


class _FacetTally:
    """Counts of one attribute."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(_COUNTS, 0)

    def add(self, **counts: bool) -> None:
        for name, yes in counts.items():
            self.counts[name] += yes

    def rates(self) -> dict[str, Any]:
        c = self.counts

        def of(name: str, base: str) -> float | None:
            return c[name] / c[base] if c[base] else None

        return {
            "facets": c["facets"],
            "compared": c["compared"],
            "contradicted": of("contradicted", "compared"),
            "contradictions": c["contradicted"],
            "omitted": of("omitted", "said_alone"),
            "alone_right": of("alone_right", "contradicted"),
            "at_once_right": of("at_once_right", "contradicted"),
            "accuracy_alone": of("right_alone", "said_alone"),
            "accuracy_at_once": of("right_at_once", "said_at_once"),
            "reader_error": of("reader_wrong", "reader_read"),
            "reference_omits": of("reference_silent", "reference_facets"),
        }


_COUNTS = (
    "facets", "compared", "contradicted", "omitted", "said_alone", "said_at_once",
    "alone_right", "at_once_right", "right_alone", "right_at_once",
    "reader_read", "reader_wrong", "reference_facets", "reference_silent",
)  # fmt: skip


def _said(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(v for v in values if v != NOT_APPLICABLE)


def study(records: Sequence[Record]) -> dict[str, Any] | None:
    """The study over predictions that have attribute answers, a paragraph and the truth.

    Returns:
        attributes: name -> facets (asked), compared (stated in both ways, links left out),
        contradictions, contradicted (their share), omitted (share of facets stated alone on which
        the paragraph is silent), alone_right and at_once_right (of the contradictions, where the
        truth sides with which), accuracy_alone and accuracy_at_once (of what is stated),
        reader_error and reference_omits (the same reader on the reference paragraphs); all: the
        same over all attributes; examples: contradictions. None without such records.
    """
    tallies: dict[str, _FacetTally] = {}
    whole = _FacetTally()
    examples: list[Record] = []
    regions = 0
    for record in records:
        if not record.get("dense") or not record["truth"] or not record["answers"]:
            continue
        regions += 1
        for attribute, facets in record["truth"].items():
            alone = stated(attribute, record["answers"][attribute])
            at_once = stated_in_paragraph(attribute, record["dense"])
            told = [stated_in_paragraph(attribute, t) for t in record["dense_references"][:1]]
            tally = tallies.setdefault(attribute, _FacetTally())
            for facet, accepted in facets.items():
                a, b = _said(alone.get(facet, ())), _said(at_once.get(facet, ()))
                apart = bool(a and b) and facet not in LINKS and not set(a) & set(b)
                right_a = bool(a) and all(v in accepted for v in a)
                right_b = bool(b) and all(v in accepted for v in b)
                counts = {
                    "facets": True,
                    "compared": bool(a and b) and facet not in LINKS,
                    "contradicted": apart,
                    "omitted": bool(a) and not b,
                    "said_alone": bool(a),
                    "said_at_once": bool(b),
                    "alone_right": apart and right_a,
                    "at_once_right": apart and right_b,
                    "right_alone": right_a,
                    "right_at_once": right_b,
                }
                for reading in told:
                    seen = _said(reading.get(facet, ()))
                    counts |= {
                        "reference_facets": True,
                        "reference_silent": not seen,
                        "reader_read": bool(seen),
                        "reader_wrong": bool(seen) and any(v not in accepted for v in seen),
                    }
                tally.add(**counts)
                whole.add(**counts)
                if apart:
                    examples.append(
                        {
                            "picture": record["picture"],
                            "index": record["index"],
                            "region_id": record["region_id"],
                            "attribute": attribute,
                            "facet": facet,
                            "alone": list(a),
                            "at_once": list(b),
                            "truth": list(accepted),
                        }
                    )
    if not regions:
        return None
    return {
        "regions": regions,
        "attributes": {n: tallies[n].rates() for n in ATTRIBUTE_NAMES if n in tallies},
        "all": whole.rates(),
        "examples": examples[:500],
    }
