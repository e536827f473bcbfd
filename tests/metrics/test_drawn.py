from __future__ import annotations

from typing import Any

import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.metrics.drawn import (
    abstention,
    drawn_scores,
    hallucinated_things,
    outcome,
    record_things,
    scene_things,
    things_named,
    trick_outcome,
    truth_uniqueness,
)
from finecaption.synth import vocabulary as voc
from finecaption.synth.language import FACETS, NOT_APPLICABLE, not_applicable, paraphrases
from finecaption.synth.observe import observe
from finecaption.synth.scene import sample_scene

SCENES = range(10)


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """Perfect answers: the truth in words, of ten scenes."""
    out = []
    for index in SCENES:
        for region in observe(sample_scene("test", 0, index)).truth.regions:
            names = [n for n in ATTRIBUTE_NAMES if n in region.attributes]
            lacking = voc.inapplicable(region.category)
            trick = None
            if lacking:
                answer = not_applicable(lacking[0], region.category)[0]
                trick = {"attribute": lacking[0], "answer": answer}
            out.append(
                {
                    "picture": f"test-0-{index:06d}",
                    "region_id": region.region_id,
                    "category": region.category,
                    "unseen": False,
                    "truth": {n: dict(region.attributes[n]) for n in names},
                    "answers": {n: paraphrases(region, n)[0] for n in names},
                    "trick": trick,
                }
            )
    return out


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
    things = hallucinated_things(records)
    assert things["mentions"] > 100 and things["from_scenes"]
    assert (things["absent"], things["of_mentions"], things["most"]) == (0, 0, {})


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


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("The red cup is on the table, near two dogs.", ["cup", "table", "dog"]),
        ("It is not a cat, and without a chair.", []),
        ("A bike behind the shrub.", ["bicycle", "bush"]),
        ("It reads BOOKS.", []),
        ("The vase is filled with flowers.", ["vase"]),
        ("The picture shows a flower.", ["flower"]),
        ("A carpet and a bushel.", []),
    ],
)
def test_things_named(text: str, named: list[str]) -> None:
    assert things_named(text) == named


def test_a_thing_that_is_not_there_is_counted(records: list[dict[str, Any]]) -> None:
    first = [r for r in records if r["picture"] == "test-0-000000"]
    there = scene_things("test-0-000000")
    assert there is not None and record_things(first) <= there | set(voc.PARTS)
    absent = next(name for name in voc.CATEGORIES if name not in there)
    answers = {"Category Name": f"A {absent}.", "Color": "It is red."}
    found = hallucinated_things([{**first[0], "answers": answers, "trick": None}])
    assert (found["mentions"], found["absent"], found["of_answers"]) == (1, 1, 0.5)
    assert found["most"] == {absent: 1}


def test_pictures_without_a_scene_go_by_their_records() -> None:
    record = {
        "picture": "mine.png",
        "category": "cup",
        "truth": {"Relative Location with Other Objects": {"relation": ("on|table",)}},
        "answers": {"Category Name": "A cup on a table, by a dog."},
    }
    found = hallucinated_things([record])
    assert (found["mentions"], found["absent"], found["from_scenes"]) == (3, 1, False)
    assert scene_things("mine.png") is None and scene_things("other-0-000001") is None


def test_perfect_answers_find_their_region(records: list[dict[str, Any]]) -> None:
    found = truth_uniqueness(records)
    assert found.recall > 0.95 > 0.6 > found.chance
    same = [{**r, "answers": {"Color": "It is red."}} for r in records]
    assert truth_uniqueness(same).recall < 0.6


def test_all_of_it_for_a_report(records: list[dict[str, Any]]) -> None:
    found = drawn_scores(records)
    assert found["regions"] == len(records)
    assert "each" not in found["uniqueness"]
    assert drawn_scores(records, unseen_only=True) == {
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
