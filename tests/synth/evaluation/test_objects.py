from __future__ import annotations

from typing import Any

import pytest

from finecaption_synth import vocabulary as voc
from finecaption_synth.evaluation.objects import (
    coverage,
    hallucinated_things,
    objects,
    record_things,
    salient_things,
    scene_things,
    things_counted,
    things_named,
)


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
        ("It reads books.", []),
        ("Two men in red, three buses and a cactus.", ["man", "bus", "cactus"]),
        ("Here we see two red flowers and a vase.", ["flower", "vase"]),
        ("One of the women is on the bench.", ["woman"]),
    ],
)
def test_things_named(text: str, named: list[str]) -> None:
    assert things_named(text) == named


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Two brown cats and a black cat.", {"cat": 3}),
        ("A cat, another cat and one more cat. The cat sleeps.", {"cat": 3}),
        ("The cat sleeps on the chair.", {"cat": 1, "chair": 1}),
        ("We see two men in red. One of the men in red is walking.", {"man": 2}),
        ("Two red flowers; a vase with flowers.", {"flower": 2, "vase": 1}),
        ("There are no cats.", {}),
    ],
)
def test_things_counted(text: str, counts: dict[str, int]) -> None:
    assert things_counted(text) == counts


def test_right_captions_name_everything_and_nothing_else(
    records: list[dict[str, Any]], wholes: list[dict[str, Any]]
) -> None:
    found = hallucinated_things(records, wholes)
    assert found["mentions"] > 300 and found["from_scenes"]
    assert (found["absent"], found["of_mentions"], found["most"]) == (0, 0, {})
    assert objects(records, wholes) == {"value": 0, "count": found["mentions"]}
    told = coverage(wholes)
    assert told["value"] == told["complete"] == 1 and told["pictures"] == 10
    assert told["count"] == sum(len(salient_things(w["picture"]) or ()) for w in wholes) > 20


def test_what_a_caption_of_the_whole_leaves_out_or_invents(wholes: list[dict[str, Any]]) -> None:
    silent = coverage([{**w, "answer": "We see a meadow."} for w in wholes])
    assert silent["value"] == silent["complete"] == 0
    there = salient_things("test-0-000000")
    assert there
    half = f"In view is a {there[0]}."
    assert coverage([{"picture": "test-0-000000", "answer": half}]) == {
        "value": 1 / len(there), "count": len(there), "pictures": 1,
        "complete": float(len(there) == 1),
    }  # fmt: skip
    absent = next(name for name in voc.CATEGORIES if name not in there)
    other = [{"picture": "test-0-000000", "answer": f"{half} The {absent} is alone."}]
    assert objects([], other) == {"value": 0.5, "count": 2}
    assert coverage([{"picture": "mine.png", "answer": half}])["value"] is None
    assert objects([], []) == {"value": None, "count": 0}


def test_a_thing_that_is_not_there_is_counted(records: list[dict[str, Any]]) -> None:
    first = [r for r in records if r["picture"] == "test-0-000000"]
    there = scene_things("test-0-000000")
    assert there is not None and record_things(first) <= there | set(voc.PARTS)
    absent = next(name for name in voc.CATEGORIES if name not in there)
    answers = {"Category Name": f"A {absent}.", "Color": "It is red."}
    found = hallucinated_things([{**first[0], "answers": answers, "trick": None, "dense": None}])
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
