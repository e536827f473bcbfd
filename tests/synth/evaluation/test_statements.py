from __future__ import annotations

from typing import Any

import pytest

from finecaption_synth import vocabulary as voc
from finecaption_synth.evaluation.statements import (
    abstention,
    outcome,
    statement_scores,
    trick_outcome,
    truth_uniqueness,
)
from finecaption_synth.language import FACETS, NOT_APPLICABLE


def test_the_truth_hallucinates_nothing_and_abstains_where_it_must(
    records: list[dict[str, Any]],
) -> None:
    found = abstention(records)
    assert found["unseen"]["count"] > 2 and found["unseen"]["abstained"] == 1
    assert found["inapplicable"]["count"] > 5 and found["inapplicable"]["abstained"] == 1
    assert (found["recall"], found["precision"], found["false_rate"]) == (1, 1, 0)
    assert (
        sum(r["count"] for r in found["unseen"]["attributes"].values())
        == (found["unseen"]["count"])
    )


def test_a_model_that_never_abstains_and_one_that_always_does(
    records: list[dict[str, Any]],
) -> None:
    values = {
        name: "It is " + ", ".join(v[0] if v else "facing left" for v in facets.values()) + "."
        for name, facets in FACETS.items()
    }
    bold = [{**r, "answers": {n: values[n] for n in r["answers"]}, "trick": None} for r in records]
    found = abstention(bold)
    assert found["unseen"]["hallucinated"] == 1 and found["recall"] == 0
    assert found["precision"] is None and found["false_rate"] == 0
    shy = [{**r, "answers": dict.fromkeys(r["answers"], "It cannot be seen.")} for r in records]
    found = abstention(shy)
    assert found["unseen"]["abstained"] == 1 and found["false_rate"] == 1
    assert found["precision"] < 0.3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), "silent"),
        ((voc.HIDDEN,), "abstained"),
        (("happy",), "hallucinated"),
        (("happy", voc.HIDDEN), "hallucinated"),
        ((NOT_APPLICABLE,), "silent"),
    ],
)
def test_outcomes(values: tuple[str, ...], expected: str) -> None:
    assert outcome(values) == expected


def test_outcomes_of_questions_that_cannot_apply() -> None:
    assert trick_outcome("Hair", "It has no hair.") == "abstained"
    assert trick_outcome("Hair", "It has short brown hair.") == "hallucinated"
    assert trick_outcome("Hair", "The hair cannot be seen.") == "silent"
    assert trick_outcome("Hair", "A red car.") == "hallucinated"  # red hair, as far as words go
    assert trick_outcome("Hair", "Hm.") == "silent"
    assert trick_outcome("Hair", "The cup has no simple shape.") == "silent"  # not what was asked


def test_perfect_answers_find_their_region(records: list[dict[str, Any]]) -> None:
    found = truth_uniqueness(records)
    assert found.recall > 0.95 > 0.6 > found.chance
    same = [{**r, "answers": {"Color": "It is red."}} for r in records]
    assert truth_uniqueness(same).recall < 0.6


def test_all_of_it_for_a_report(records: list[dict[str, Any]]) -> None:
    found = statement_scores(records)
    assert found["regions"] == len(records)
    assert "each" not in found["uniqueness"]
    assert statement_scores(records, unseen_only=True) == {
        "abstention": {
            "unseen": None, "inapplicable": None, "recall": None, "precision": None,
            "false_rate": None,
        },
        "things": {
            "mentions": 0, "absent": 0, "of_mentions": None, "answers": 0, "of_answers": None,
            "most": {}, "from_scenes": True,
        },
        "uniqueness": None,
        "regions": 0,
    }  # fmt: skip
