"""Records -> scores: how often the stated value is the true one, and how sure that figure is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.eval.data import TWIN_IOU
from finecaption.eval.records import Record
from finecaption.eval.truth import known_truth
from finecaption.io.geometry import box_iou
from finecaption.trust.calibration import calibration_error

DRAWS = 2000  # of the bootstrap
_SHOWN_CLICKS = (1, 3, 5)
_WORDS = ("Category Name", "Color")


@dataclass(frozen=True)
class Mark:
    """One question, marked: its image, attribute, and which facets were right."""

    picture: str
    attribute: str
    facets: dict[str, bool]

    @property
    def share(self) -> float:
        """The fraction of facets that were right."""
        return sum(self.facets.values()) / len(self.facets)


def marks(records: Sequence[Record]) -> list[Mark]:
    """Marks every answer of some predictions to which the truth is known in values."""
    if not any(record["truth"] for record in records):
        return []
    truth = known_truth()
    return [
        Mark(
            record["picture"],
            attribute,
            truth.score(attribute, record["answers"][attribute], _facets(facets)),
        )
        for record in records
        for attribute, facets in record["truth"].items()
    ]


def _facets(facets: Record) -> dict[str, tuple[str, ...]]:
    return {k: tuple(v) for k, v in facets.items()}


def attribute_scores(found: Sequence[Mark]) -> dict[str, Record]:
    """Metrics by attribute, in the order of ATTRIBUTE_NAMES; attributes never asked are absent.

    accuracy: mean over questions of the fraction of facets right; exact: fraction of questions with
    all facets right; count: questions; facets: facet -> accuracy and count.
    """
    by_name: dict[str, list[Mark]] = defaultdict(list)
    for mark in found:
        by_name[mark.attribute].append(mark)
    out = {}
    for name in (n for n in ATTRIBUTE_NAMES if n in by_name):
        own = by_name[name]
        facets: dict[str, list[bool]] = defaultdict(list)
        for mark in own:
            for facet, right in mark.facets.items():
                facets[facet].append(right)
        out[name] = {
            "accuracy": float(np.mean([m.share for m in own])),
            "exact": float(np.mean([all(m.facets.values()) for m in own])),
            "count": len(own),
            "facets": {
                k: {"accuracy": float(np.mean(v)), "count": len(v)} for k, v in facets.items()
            },
        }
    return out


def intervals(found: Sequence[Mark], seed: int = 0) -> tuple[list[float], dict[str, list[float]]]:
    """95 % intervals by bootstrap over images (percentile, DRAWS draws), as [low, high].

    Regions of an image are drawn together, since they are not independent.

    Returns:
        That of the mean over attributes, and that of each attribute's accuracy.
    """
    pictures = {name: i for i, name in enumerate(dict.fromkeys(m.picture for m in found))}
    present = {m.attribute for m in found}
    names = [n for n in ATTRIBUTE_NAMES if n in present]
    column = {name: i for i, name in enumerate(names)}
    sums = np.zeros((len(pictures), len(names)))
    counts = np.zeros_like(sums)
    for mark in found:
        at = pictures[mark.picture], column[mark.attribute]
        sums[at] += mark.share
        counts[at] += 1
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(pictures), np.full(len(pictures), 1 / len(pictures)), DRAWS)
    asked = weights @ counts  # (DRAWS, attributes)
    rates = np.divide(weights @ sums, asked, out=np.full(asked.shape, np.nan), where=asked > 0)
    of_mean = _middle(np.nansum(rates, axis=1) / (~np.isnan(rates)).sum(axis=1))
    return of_mean, {name: _middle(rates[:, i]) for name, i in column.items()}


def _middle(draws: np.ndarray) -> list[float]:
    low, high = np.nanpercentile(draws, (2.5, 97.5))
    return [float(low), float(high)]


def pairs_among(records: Sequence[Record]) -> list[Record]:
    """The pairs of twins among predictions, in the form of the twins step's records."""
    by_picture: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record["part_of"] is None:
            by_picture[record["picture"]].append(record)
    out = []
    for name, wholes in by_picture.items():
        for i, a in enumerate(wholes):
            for b in wholes[i + 1 :]:
                overlap = box_iou(tuple(a["box"]), tuple(b["box"]))
                if overlap >= TWIN_IOU and any(a["truth"][n] != b["truth"][n] for n in _WORDS):
                    out.append({"picture": name, "iou": overlap, "regions": [a, b]})
    return out


def twin_scores(pairs: Sequence[Record], unseen_only: bool = False) -> Record | None:
    """How often a region of a pair is named as itself and not as its twin.

    A region is named right when its category is stated right or, of two of one category, its
    color; an answer that states both twins' values is wrong. accuracy and count are of regions,
    both_right of pairs.
    """
    right: list[bool] = []
    both: list[bool] = []
    for pair in pairs:
        a, b = pair["regions"]
        word = "Category Name" if a["category"] != b["category"] else "Color"
        named = []
        for region in (a, b):
            if unseen_only and not region["unseen"]:
                continue
            answer = region["answers"][word]
            right_facets = known_truth().score(word, answer, _facets(region["truth"][word]))
            named.append(all(right_facets.values()))
        right += named
        both += [all(named)] if len(named) == 2 else []
    if not right:
        return None
    return {
        "accuracy": float(np.mean(right)),
        "count": len(right),
        "pairs": len(pairs),
        "both_right": float(np.mean(both)) if both else None,
        "box_iou_at_least": TWIN_IOU,
    }


def trick_scores(records: Sequence[Record]) -> Record | None:
    """How often a question that cannot apply is answered so; by attribute too."""
    tricks = [r["trick"] for r in records if r["trick"]]
    if not tricks:
        return None
    right = [known_truth().is_refusal(t["answer"], t["attribute"]) for t in tricks]
    by_name: dict[str, list[bool]] = defaultdict(list)
    for trick, ok in zip(tricks, right, strict=True):
        by_name[trick["attribute"]].append(ok)
    return {
        "accuracy": float(np.mean(right)),
        "count": len(right),
        "attributes": {
            n: {"accuracy": float(np.mean(by_name[n])), "count": len(by_name[n])}
            for n in ATTRIBUTE_NAMES
            if n in by_name
        },
    }


def calibration_scores(records: Sequence[Record]) -> Record | None:
    """How far the confidence of answers can be relied on; None where records have none.

    An answer counts as right if all its facets are.

    Returns:
        value: expected calibration error, see `trust.calibration.calibration_error`; count:
        answers; confidence, accuracy: their means.
    """
    sure: list[float] = []
    right: list[bool] = []
    for record in records:
        told = {n: v for n, v in record.get("confidence", {}).items() if record["truth"].get(n)}
        for name, value in told.items():
            facets = _facets(record["truth"][name])
            sure.append(value)
            right.append(all(known_truth().score(name, record["answers"][name], facets).values()))
    if not sure:
        return None
    return {
        "value": calibration_error(sure, right),
        "count": len(sure),
        "confidence": float(np.mean(sure)),
        "accuracy": float(np.mean(right)),
    }


def click_scores(records: Sequence[Record]) -> Record | None:
    """Mean IoU after 1, 3 and 5 clicks: of wholes, of parts, and of all; value: of all, after 1."""
    if not records:
        return None
    groups = {
        "wholes": [r["iou"] for r in records if r["part_of"] is None],
        "parts": [r["iou"] for r in records if r["part_of"] is not None],
        "all": [r["iou"] for r in records],
    }
    found: Record = {
        name: {
            "mean_iou": {str(k): float(np.mean([v[k - 1] for v in own])) for k in _SHOWN_CLICKS},
            "count": len(own),
        }
        for name, own in groups.items()
        if own
    }
    return {**found, "value": found["all"]["mean_iou"]["1"], "count": len(records)}


def scores(
    predictions: Sequence[Record],
    twins: Sequence[Record] | None,
    clicks: Sequence[Record] | None,
    unseen_only: bool = False,
) -> dict[str, Any]:
    """Everything that scores.json says of the records.

    Args:
        predictions, twins, clicks: the records of the steps; without a twins step (None), the
            pairs among the predictions are used.
        unseen_only: score only regions whose combination training never showed.
    """
    own = [r for r in predictions if r["unseen"] or not unseen_only]
    found = marks(own)
    out: dict[str, Any] = {"attributes": attribute_scores(found)}
    if found:
        of_mean, of_each = intervals(found)
        for name, figures in out["attributes"].items():
            figures["interval"] = of_each[name]
        rows = list(out["attributes"].values())
        out["mean_accuracy"] = float(np.mean([f["accuracy"] for f in rows]))
        out["mean_interval"] = of_mean
        out["mean_exact"] = float(np.mean([f["exact"] for f in rows]))
    else:
        out |= {"mean_accuracy": None, "mean_interval": None, "mean_exact": None}
    out["regions"] = len(own)
    out["pictures"] = len({r["picture"] for r in own})
    out["questions"] = len(found)
    out["unseen_only"] = unseen_only
    out["twins"] = twin_scores(pairs_among(own) if twins is None else twins, unseen_only)
    out["near_duplicates"] = None
    if out["twins"] is not None:
        found_right = {"value": out["twins"]["accuracy"], "count": out["twins"]["count"]}
        out["near_duplicates"] = found_right
    out["clicks"] = click_scores([r for r in clicks or () if r["unseen"] or not unseen_only])
    out["abstention"] = trick_scores(own)
    out["calibration"] = calibration_scores(own)
    return out
