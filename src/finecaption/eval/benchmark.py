"""The benchmark's metrics from records: captions, groups, contradictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.eval.answers import ScoredAnswer, add_figures, answers_of, mean_figures
from finecaption.eval.bootstrap import mean_of
from finecaption.eval.groups import grouped
from finecaption.eval.records import Record
from finecaption.eval.truth import known_truth
from finecaption.metrics.captions import CaptionScorer
from finecaption.metrics.semiou import semantic_ious
from finecaption.types import Task

# corpus figures that are the mean of the captions' own, so that an interval of that mean is theirs
_MEANS = ("ROUGE-L", "CIDEr", "BERTScore")


def benchmark(
    predictions: Sequence[Record],
    wholes: Sequence[Record],
    scorer: CaptionScorer | None = None,
    unseen_only: bool = False,
) -> tuple[dict[str, Any], list[ScoredAnswer]]:
    """Everything beyond `score.scores`.

    Args:
        predictions, wholes: records of the steps.
        scorer: of captions against references; None leaves that out.
        unseen_only: score only regions whose combination training never showed.

    Returns:
        captions: task -> corpus (column -> figure), intervals, missing, settings, count,
        attributes (name -> column -> mean of the captions' own figures);
        groups: see groups.grouped; semiou: of Category Name; and what `KnownTruth.studies` adds.
        The last two are of data whose truth is known in values. And every answer.
    """
    own = [r for r in predictions if r.get("unseen") or not unseen_only]
    answers = answers_of(own, wholes)
    out: dict[str, Any] = {"captions": {}}
    if scorer is not None:
        for task, found in add_figures(answers, scorer).items():
            out["captions"][task] = {
                "corpus": found.corpus,
                "intervals": _intervals([a for a in answers if a.task == task and a.references]),
                "missing": found.missing,
                "settings": found.settings,
                "count": found.settings["pairs"],
                "attributes": _by_attribute(answers, task),
            }
    drawn = [r for r in own if r["truth"] and r["answers"]]
    out["groups"] = grouped(own, answers)
    out |= known_truth().studies(own, wholes) if drawn else {"conflicts": None, "drawn": None}
    named = [(r["answers"]["Category Name"], r["category"]) for r in drawn if _named(r)]
    out["semiou"] = semantic_ious(*map(list, zip(*named, strict=True)))[0] if named else None
    return out, answers


def _named(record: Record) -> bool:
    return "Category Name" in record["answers"]


def _intervals(answers: Sequence[ScoredAnswer]) -> dict[str, Any]:
    out = {}
    for column in _MEANS:
        scored = [a for a in answers if column in a.figures]
        found = mean_of([a.figures[column] for a in scored], [a.index for a in scored])
        if found is not None:
            out[column] = found["interval"]
    return out


def _by_attribute(answers: Sequence[ScoredAnswer], task: Task) -> dict[str, Any]:
    by_name: dict[str, list[ScoredAnswer]] = {}
    for answer in answers:
        if answer.task == task and answer.attribute and answer.figures:
            by_name.setdefault(answer.attribute, []).append(answer)
    known = [n for n in ATTRIBUTE_NAMES if n in by_name]
    order = known + [n for n in by_name if n not in ATTRIBUTE_NAMES]
    return {n: {**mean_figures(by_name[n]), "count": len(by_name[n])} for n in order}
