"""Hallucination, abstention and uniqueness against the drawn world's truth.

Works on the records of an evaluation (predictions.jsonl): picture, region_id, category, truth
(attribute -> facet -> accepted values), answers (attribute -> text) and trick (a question that
cannot apply). Whether the stated values are right is eval.score's business; here it is what an
answer says where there is nothing to say:

* a facet that cannot be seen (a face from behind), or an attribute that cannot apply (the hair of
  a car): a value stated is a hallucination, saying so is abstaining, anything else is silence;
* a thing named that is nowhere in the picture (after CHAIR, Rohrbach et al. 2018, with the scene
  itself for a list of objects).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from finecaption.metrics.uniqueness import RegionCaption, Uniqueness, uniqueness
from finecaption.synth import phrases as ph
from finecaption.synth import vocabulary as voc
from finecaption.synth.language import NOT_APPLICABLE, is_not_applicable, score, stated
from finecaption.synth.scene import SPLITS, sample_scene

Record = Mapping[str, Any]
OUTCOMES = ("hallucinated", "abstained", "silent")
_NAME = re.compile(r"(?P<split>[a-z-]+)-(?P<seed>-?\d+)-(?P<index>\d{6,})")


# --- nothing to say --------------------------------------------------------------------------


def outcome(values: Sequence[str]) -> str:
    """What the values that an answer states of an unseen facet amount to, one of OUTCOMES."""
    if any(v not in (voc.HIDDEN, NOT_APPLICABLE) for v in values):
        return "hallucinated"
    return "abstained" if voc.HIDDEN in values else "silent"


def trick_outcome(attribute: str, text: str) -> str:
    """What an answer to a question that cannot apply amounts to, one of OUTCOMES."""
    if is_not_applicable(text):
        return "abstained"
    values = [v for found in stated(attribute, text).values() for v in found]
    return "hallucinated" if any(v != voc.HIDDEN for v in values) else "silent"


def _shares(outcomes: Sequence[str]) -> dict[str, Any] | None:
    if not outcomes:
        return None
    counts = Counter(outcomes)
    return {name: counts[name] / len(outcomes) for name in OUTCOMES} | {"count": len(outcomes)}


def abstention(records: Sequence[Record]) -> dict[str, Any]:
    """How a model answers where there is nothing to say, and whether it is silent elsewhere.

    Returns:
        unseen: shares of OUTCOMES over facets that cannot be seen, and their count; by attribute
        under "attributes". inapplicable: the same over questions that cannot apply. recall: of
        all these, the share abstained from. precision: of all abstentions, the share in place.
        false_rate: of facets that can be seen, the share abstained from. Figures of which there
        is no case are None.
    """
    hidden: dict[str, list[str]] = defaultdict(list)
    tricks: dict[str, list[str]] = defaultdict(list)
    seen = out_of_place = 0
    for record in records:
        for attribute, facets in record["truth"].items():
            found = stated(attribute, record["answers"].get(attribute, ""))
            for facet, accepted in facets.items():
                values = found.get(facet, ())
                if tuple(accepted) == (voc.HIDDEN,):
                    hidden[attribute].append(outcome(values))
                elif voc.HIDDEN not in accepted:
                    seen += 1
                    out_of_place += bool(values) and all(
                        v in (voc.HIDDEN, NOT_APPLICABLE) for v in values
                    )
        trick = record.get("trick")
        if trick:
            tricks[trick["attribute"]].append(trick_outcome(trick["attribute"], trick["answer"]))
    unseen, inapplicable = _flat(hidden.values()), _flat(tricks.values())
    due = unseen + inapplicable
    right = due.count("abstained")
    return {
        "unseen": _grouped(unseen, hidden),
        "inapplicable": _grouped(inapplicable, tricks),
        "recall": right / len(due) if due else None,
        "precision": right / (right + out_of_place) if right + out_of_place else None,
        "false_rate": out_of_place / seen if seen else None,
    }


def _flat(groups: Iterable[list[str]]) -> list[str]:
    return [item for group in groups for item in group]


def _grouped(whole: Sequence[str], groups: Mapping[str, list[str]]) -> dict[str, Any] | None:
    shares = _shares(whole)
    if shares is None:
        return None
    return shares | {"attributes": {name: _shares(own) for name, own in sorted(groups.items())}}


# --- things that are not there -----------------------------------------------------------------


@cache
def _nouns() -> tuple[re.Pattern[str], dict[str, str]]:
    """(pattern of nouns, those that are denied passed over; noun -> category), of whole things."""
    names = {name: name for name in voc.CATEGORIES}
    names |= {w: v for w, v in ph.SYNONYMS["category"].items() if v in voc.CATEGORIES}
    words = "|".join(re.escape(w) for w in sorted(names, key=len, reverse=True))
    filler = r"(?:the |an? |another |any )?"
    return re.compile(rf"\b(?P<n>{words})s?\b|\b(?:not|no|without) {filler}(?:{words})s?\b"), names


# "flowers" are a vase's, a "flower" is a thing
_PART = re.compile(rf"\b(?:{'|'.join(voc.PARTS)})\b")


def things_named(text: str) -> list[str]:
    """Categories of whole things that a text names, each mention, in order; parts do not count."""
    pattern, names = _nouns()
    visible = re.sub(r"\b[A-Z]{2,}\b", " ", text)  # words read from a sign are no things
    plain = _PART.sub(" ", visible.lower())
    return [names[m["n"]] for m in pattern.finditer(plain) if m["n"]]


@cache
def scene_things(picture: str) -> frozenset[str] | None:
    """The categories in a picture of the drawn world, by its name (``test-0-000012``).

    The scene is drawn up again from its name, so that regions which were not asked about, or are
    too small to ask about, count as there. None: the name is not that of a scene.
    """
    found = _NAME.fullmatch(picture)
    if found is None or found["split"] not in SPLITS:
        return None
    scene = sample_scene(found["split"], int(found["seed"]), int(found["index"]))
    return frozenset(f.look.category for f in scene.figures)


def record_things(records: Sequence[Record]) -> frozenset[str]:
    """The categories that one picture's records know of: regions, and the others they name."""
    out = {r["category"] for r in records}
    for record in records:
        for facets in record["truth"].values():
            for facet in ("relation", "interaction"):
                out |= {v.partition("|")[2] for v in facets.get(facet, ()) if "|" in v}
    return frozenset(out)


def hallucinated_things(records: Sequence[Record]) -> dict[str, Any]:
    """How often answers name a thing that is not in the picture.

    Returns:
        mentions: things named; absent: those not there; of_mentions (CHAIR_i): their share;
        answers: texts read; of_answers (CHAIR_s): the share with one or more; most: the ten
        things most often named in vain; from_scenes: whether every picture's things came from
        its scene (else from the records, which may not know all).
    """
    pictures: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        pictures[record["picture"]].append(record)
    mentions = absent = answers = spoilt = 0
    exact = True
    most: Counter[str] = Counter()
    for name, own in pictures.items():
        there = scene_things(name)
        exact = exact and there is not None
        there = record_things(own) if there is None else there
        for text in _texts(own):
            named = things_named(text)
            vain = [thing for thing in named if thing not in there]
            mentions += len(named)
            absent += len(vain)
            answers += 1
            spoilt += bool(vain)
            most.update(vain)
    return {
        "mentions": mentions,
        "absent": absent,
        "of_mentions": absent / mentions if mentions else None,
        "answers": answers,
        "of_answers": spoilt / answers if answers else None,
        "most": dict(sorted(most.items(), key=lambda item: (-item[1], item[0]))[:10]),
        "from_scenes": exact,
    }


def _texts(records: Sequence[Record]) -> Iterable[str]:
    for record in records:
        yield from record["answers"].values()
        if record.get("trick"):
            yield record["trick"]["answer"]


# --- telling regions apart ---------------------------------------------------------------------


def truth_uniqueness(records: Sequence[Record]) -> Uniqueness:
    """Self-retrieval with the structured truth: does a region's set of answers fit it best?

    An answer's fit to a region is the share of the region's facets that it states right; 0 where
    the attribute means nothing for that region. A set's fit is the mean over its answers.

    Raises:
        InputError: no picture has two regions.
    """
    regions = [
        RegionCaption(r["picture"], " ".join(r["answers"].values()), "", r["picture"])
        for r in records
    ]

    def fits(i: int, j: int) -> float:
        marks = []
        for attribute, text in records[i]["answers"].items():
            facets = records[j]["truth"].get(attribute)
            if not facets:
                marks.append(0.0)
                continue
            right = score(attribute, text, {k: tuple(v) for k, v in facets.items()})
            marks.append(sum(right.values()) / len(right))
        return float(np.mean(marks)) if marks else 0.0

    return uniqueness(regions, fits)


def drawn_scores(records: Sequence[Record], unseen_only: bool = False) -> dict[str, Any]:
    """All of this module for a report: abstention, things, uniqueness (None without a pair).

    Args:
        unseen_only: score only regions whose combination training never showed.
    """
    own = [r for r in records if r.get("unseen") or not unseen_only]
    several = any(n > 1 for n in Counter(r["picture"] for r in own).values())
    apart = truth_uniqueness(own).to_dict() if several else None
    if apart is not None:
        del apart["each"]
    return {
        "abstention": abstention(own),
        "things": hallucinated_things(own),
        "uniqueness": apart,
        "regions": len(own),
    }
