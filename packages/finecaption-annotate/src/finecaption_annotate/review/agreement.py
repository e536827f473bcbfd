"""How far reviewers agree, by attribute: per cent of equal decisions, and Cohen's kappa.

Categories are accept, edit, reject. Kappa is (p_o - p_e) / (1 - p_e), p_o the share of equal
decisions and p_e the share that chance would give with each reviewer's own habits (Cohen 1960,
"A coefficient of agreement for nominal scales"). It is of two reviewers; of more it is the mean
over all pairs, weighted by the fields that both decided. Where both always decide the same one
thing, chance explains everything and kappa is not defined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from finecaption.errors import InputError
from finecaption_annotate.review.items import FieldKey, ReviewSet
from finecaption_annotate.review.journal import DECISIONS, Decision, ReviewJournal


@dataclass(frozen=True)
class Agreement:
    """Of one attribute, or of all.

    Attributes:
        name: the attribute; "All": of all together.
        decided: decisions of all reviewers by kind.
        both: pairs of decisions on one field by two reviewers.
        percent: of these that are equal, 0 to 100; None where there is no pair.
        kappa: -1 to 1; None where it is not defined.
        same_text: per cent of the pairs of edits that came to the same text; None without any.
    """

    name: str
    decided: dict[str, int]
    both: int
    percent: float | None
    kappa: float | None
    same_text: float | None

    def to_dict(self) -> dict[str, Any]:
        """A flat object for JSON."""
        return {
            "attribute": self.name,
            **self.decided,
            "both": self.both,
            "percent": self.percent,
            "kappa": self.kappa,
            "same_text": self.same_text,
        }


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Of two reviewers' decisions on the same fields; None where chance explains everything."""
    if not pairs:
        return None
    total = len(pairs)
    equal = sum(a == b for a, b in pairs) / total
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[kind] * second[kind] for kind in first) / total**2
    return None if chance == 1 else (equal - chance) / (1 - chance)


def agreement(data: ReviewSet, journals: Sequence[ReviewJournal]) -> list[Agreement]:
    """A row an attribute, in the order of the page, and "All" last.

    Raises:
        InputError: there is no reviewer.
    """
    if not journals:
        raise InputError("reviews: there is none")
    by_name: dict[str, list[FieldKey]] = {}
    for one in data.fields.values():
        if one.sample is not None:
            by_name.setdefault(one.name, []).append(one.key)
    found = [
        {
            one.key: decision
            for one in data.fields.values()
            if one.sample is not None and (decision := journal.get(one.key, one.text)) is not None
        }
        for journal in journals
    ]
    rows = [_row(name, keys, found) for name, keys in by_name.items()]
    every = [key for keys in by_name.values() for key in keys]
    return [*(row for row in rows if sum(row.decided.values())), _row("All", every, found)]


def _row(
    name: str, keys: Sequence[FieldKey], found: Sequence[dict[FieldKey, Decision]]
) -> Agreement:
    counts = Counter(d[key].decision for d in found for key in keys if key in d)
    both = equal = edits = same = 0
    weighted, weight = 0.0, 0
    for first, second in combinations(found, 2):
        met = [(first[key], second[key]) for key in keys if key in first and key in second]
        pairs = [(a.decision, b.decision) for a, b in met]
        both += len(pairs)
        equal += sum(a == b for a, b in pairs)
        edited = [(a, b) for a, b in met if a.decision == b.decision == "edit"]
        edits += len(edited)
        same += sum(a.text == b.text for a, b in edited)
        kappa = cohen_kappa(pairs)
        if kappa is not None:
            weighted += kappa * len(pairs)
            weight += len(pairs)
    return Agreement(
        name,
        {kind: counts[kind] for kind in DECISIONS},
        both,
        100 * equal / both if both else None,
        weighted / weight if weight else None,
        100 * same / edits if edits else None,
    )


def agreement_table(rows: Sequence[Agreement], reviewers: Sequence[str]) -> str:
    """The rows as text for a terminal."""
    wide = max(len("attribute"), *(len(row.name) for row in rows))
    lines = [
        f"reviewers: {', '.join(reviewers)}",
        f"{'attribute':{wide}} {'accept':>7} {'edit':>6} {'reject':>7} {'both':>6} "
        f"{'agree, %':>9} {'kappa':>6}",
    ]
    for row in rows:
        percent = "-" if row.percent is None else f"{row.percent:.1f}"
        kappa = "-" if row.kappa is None else f"{row.kappa:.2f}"
        lines.append(
            f"{row.name:{wide}} {row.decided['accept']:>7,} {row.decided['edit']:>6,} "
            f"{row.decided['reject']:>7,} {row.both:>6,} {percent:>9} {kappa:>6}"
        )
    return "\n".join(lines)
