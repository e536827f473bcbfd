"""Hallucination, abstention and uniqueness against the synthetic world's truth.

Works on the records of an evaluation (predictions.jsonl): picture, region_id, category, truth
(attribute -> facet -> accepted values), answers (attribute -> text) and trick (a question that
cannot apply). Whether the stated values are right is eval.score's business; here it is what an
answer says where there is nothing to say: a facet that cannot be seen (a face from behind), or an
attribute that cannot apply (the hair of a car). A value stated is a hallucination, saying so is
abstaining, anything else is silence. Refusals by attribute and kind are in evaluation.refusals.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from finecaption.metrics.uniqueness import RegionCaption, Uniqueness, uniqueness
from finecaption_synth import vocabulary as voc
from finecaption_synth.evaluation.objects import hallucinated_things
from finecaption_synth.language import NOT_APPLICABLE, is_not_applicable, score, stated

Record = Mapping[str, Any]
OUTCOMES = ("hallucinated", "abstained", "silent")


# --- nothing to say --------------------------------------------------------------------------


def outcome(values: Sequence[str]) -> str:
    """What the values that an answer states of an unseen facet amount to, one of OUTCOMES."""
    if any(v not in (voc.HIDDEN, NOT_APPLICABLE) for v in values):
        return "hallucinated"
    return "abstained" if voc.HIDDEN in values else "silent"


def trick_outcome(attribute: str, text: str) -> str:
    """What an answer to a question that cannot apply amounts to, one of OUTCOMES."""
    if is_not_applicable(text, attribute):
        return "abstained"
    values = [v for found in stated(attribute, text).values() for v in found]
    stating = any(v not in (voc.HIDDEN, NOT_APPLICABLE) for v in values)
    return "hallucinated" if stating else "silent"


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


# --- telling regions apart ---------------------------------------------------------------------


def truth_uniqueness(records: Sequence[Record]) -> Uniqueness:
    """Self-retrieval with the structured truth: does a region's set of answers fit it best?

    An answer's fit to a region is the fraction of the region's facets that it states right; 0 where
    the attribute means nothing for that region. A set's fit is the mean over its answers.

    Raises:
        InputError: no image has two regions.
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


def statement_scores(records: Sequence[Record], unseen_only: bool = False) -> dict[str, Any]:
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
