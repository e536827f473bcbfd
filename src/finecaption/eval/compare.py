"""Compares two runs on the same questions: which is better, in what, and where they differ."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.errors import InputError
from finecaption.eval.answers import ScoredAnswer, read_answers
from finecaption.eval.bootstrap import clustered, draws_of_means, holm, middle, sign_test
from finecaption.eval.records import Record, read_json, read_records
from finecaption.eval.run import ANSWERS

Pairs = list[tuple[ScoredAnswer, ScoredAnswer]]
_ACCURACY, _ROUGE = "accuracy", "ROUGE-L"


def load(folder: str | os.PathLike[str]) -> tuple[Record, list[ScoredAnswer]]:
    """scores.json and the answers of a run.

    Raises:
        InputError: it has not been scored.
    """
    root = Path(folder)
    if not (root / ANSWERS).exists():
        raise InputError(f"{root}: holds no {ANSWERS}; run `finecaption eval score --out {root}`")
    return read_json(root / "scores.json"), read_answers(read_records(root / ANSWERS))


def pair(first: Sequence[ScoredAnswer], second: Sequence[ScoredAnswer]) -> Pairs:
    """The answers of two runs to the same questions.

    Raises:
        InputError: they have no question in common.
    """
    others = {a.key: a for a in second}
    found = [(a, others[a.key]) for a in first if a.key in others]
    if not found:
        raise InputError(
            "compare: the two runs have no question in common; evaluate both on the same data"
        )
    return found


def difference(pairs: Pairs, column: str) -> dict[str, Any] | None:
    """The improvement of the second run over the first, from paired answers.

    Args:
        column: "accuracy", or a column of finecaption.metrics.captions; pairs in which an answer
            has no figure of it are left out.

    Returns:
        a, b: mean over attributes of either; difference (b - a), interval (95 %, bootstrap over
        images), p (paired permutation over images); count, pictures; attributes: name -> the
        same of each, and p_corrected (Holm). None if no pair is left.
    """

    def value(answer: ScoredAnswer) -> float | None:
        return answer.share if column == _ACCURACY else answer.figures.get(column)

    kinds: list[str] = []
    pictures: list[int] = []
    figures: list[tuple[float, float]] = []
    for a, b in pairs:
        own, other = value(a), value(b)
        if own is not None and other is not None:
            kinds.append(a.attribute)
            pictures.append(a.index)
            figures.append((own, other))
    if not figures:
        return None
    one, two = (clustered([f[i] for f in figures], pictures, kinds) for i in (0, 1))
    apart = clustered([own[1] - own[0] for own in figures], pictures, kinds)
    draws = draws_of_means(apart)
    p = sign_test(apart)
    whole = p.pop("") if apart.kinds != ("",) else p[""]
    corrected = holm(p)
    order = [n for n in ATTRIBUTE_NAMES if n in apart.kinds]
    order += [n for n in apart.kinds if n not in order and n]
    attributes = {}
    for name in order:
        at = apart.kinds.index(name)
        attributes[name] = {
            "a": float(one.means[at]),
            "b": float(two.means[at]),
            "difference": float(apart.means[at]),
            "interval": middle(draws[:, at]),
            "p": p[name],
            "p_corrected": corrected[name],
            "count": int(apart.counts[:, at].sum()),
        }
    return {
        "a": float(one.means.mean()),
        "b": float(two.means.mean()),
        "difference": float(apart.means.mean()),
        "interval": middle(np.nanmean(draws, axis=1)),
        "p": whole,
        "count": len(figures),
        "pictures": len(apart.sums),
        "attributes": attributes,
    }


def compare(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> dict[str, Any]:
    """Two scored runs, paired answer by answer.

    Returns:
        a, b: name, folder, sha256 of each; tasks: task -> column (accuracy, ROUGE-L) -> the mean
        over attributes of either run, their difference (b - a), its 95 % bootstrap interval and its
        p (paired permutation over images), and the same of each attribute, there with Holm's
        correction too; only_a, only_b: answers without a partner; different: the answers that
        differ most, the surest first.

    Raises:
        InputError: a run has not been scored, or they have no question in common.
    """
    (scores_a, answers_a), (scores_b, answers_b) = load(first), load(second)
    pairs = pair(answers_a, answers_b)
    tasks: dict[str, Any] = {}
    for task in dict.fromkeys(a.task for a, _ in pairs):
        own = [(a, b) for a, b in pairs if a.task == task]
        found = {c: difference(own, c) for c in (_ACCURACY, _ROUGE)}
        tasks[task] = {c: f for c, f in found.items() if f is not None}
    return {
        "a": _about(first, scores_a),
        "b": _about(second, scores_b),
        "data": scores_a["settings"]["data"],
        "tasks": tasks,
        "paired": len(pairs),
        "only_a": len(answers_a) - len(pairs),
        "only_b": len(answers_b) - len(pairs),
        "different": [{"a": a.to_dict(), "b": b.to_dict()} for a, b in most_different(pairs)],
    }


def _about(folder: str | os.PathLike[str], scores: Record) -> Record:
    return {
        "name": scores["settings"]["model"]["name"],
        "folder": Path(folder).resolve().name,
        "sha256": scores["settings"]["model"].get("sha256"),
    }


def most_different(pairs: Pairs, count: int = 12) -> Pairs:
    """The pairs whose figures are furthest apart, one an image, as many for either side."""
    apart = [
        (b.figure - a.figure, a, b)
        for a, b in pairs
        if a.figure is not None and b.figure is not None and a.text != b.text
    ]
    out: Pairs = []
    for sign in (1, -1):
        seen: set[int] = set()
        for gap, a, b in sorted(apart, key=lambda row: (-sign * row[0], row[1].key)):
            place = a.index
            if sign * gap > 0 and place not in seen and len(seen) < count // 2:
                seen.add(place)
                out.append((a, b))
    return out
