"""Refusals: does a model say that an attribute cannot apply, exactly where it cannot?

Works on the records of an evaluation (predictions.jsonl): category, truth (attribute -> facet ->
accepted values), answers (attribute -> text) and trick, the question that cannot apply
(attribute, answer).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption_synth.language import is_not_applicable
from finecaption_synth.sentences import group_of

Record = Mapping[str, Any]


class _Tally:
    """Refusals where one is due, and where none is."""

    def __init__(self) -> None:
        self.due: list[bool] = []
        self.undue: list[bool] = []

    def add(self, due: bool, refused: bool) -> None:
        (self.due if due else self.undue).append(refused)

    def rates(self) -> dict[str, Any]:
        return {
            "value": _mean(self.due),
            "count": len(self.due),
            "false_rate": _mean(self.undue),
            "false_count": len(self.undue),
        }


def _mean(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def refusals(records: Sequence[Record]) -> dict[str, Any]:
    """How often questions that cannot apply are refused, and how often those that can.

    A refusal counts only for the attribute that was asked for: "It has no hair." is none to a
    question about shape. To say that something cannot be seen is no refusal.

    Returns:
        value: the fraction of inapplicable questions that are refused, 0 to 1; count: how many
        were asked; false_rate: the fraction of applicable questions that are refused; false_count:
        how many were asked. The same four by attribute under "attributes", and by kind of thing
        (person, animal, furniture, ..., part) under "kinds". A rate of which there is no case is
        None.
    """
    whole = _Tally()
    attributes: dict[str, _Tally] = defaultdict(_Tally)
    kinds: dict[str, _Tally] = defaultdict(_Tally)

    def add(record: Record, attribute: str, text: str, due: bool) -> None:
        refused = is_not_applicable(text, attribute)
        for tally in (whole, attributes[attribute], kinds[group_of(record["category"])]):
            tally.add(due, refused)

    for record in records:
        for attribute in record["truth"]:
            if attribute in record["answers"]:
                add(record, attribute, record["answers"][attribute], due=False)
        trick = record.get("trick")
        if trick:
            add(record, trick["attribute"], trick["answer"], due=True)
    return whole.rates() | {
        "attributes": {n: attributes[n].rates() for n in ATTRIBUTE_NAMES if n in attributes},
        "kinds": {n: kinds[n].rates() for n in sorted(kinds)},
    }
