from __future__ import annotations

from typing import Any

from finecaption_synth.evaluation.refusals import refusals


def test_right_answers_refuse_exactly_what_cannot_apply(records: list[dict[str, Any]]) -> None:
    found = refusals(records)
    assert (found["value"], found["count"]) == (1, len(records))
    assert found["false_rate"] == 0
    assert found["false_count"] == sum(len(r["answers"]) for r in records)
    for group in ("attributes", "kinds"):
        rows = found[group].values()
        assert sum(r["count"] for r in rows) == found["count"]
        assert sum(r["false_count"] for r in rows) == found["false_count"]
    assert {"person", "part"} <= found["kinds"].keys()


def test_wrong_answers_are_counted_where_they_are() -> None:
    record: dict[str, Any] = {
        "category": "man",
        "truth": {
            "Hair": {"style": ("bald",)},
            "Age Range": {"age": ("adult",)},
            "Facial Expression": {"expression": ("not visible",)},
        },
        "answers": {
            "Hair": "The man has no hair.",
            "Age Range": "He is elderly.",
            "Facial Expression": "His expression cannot be seen.",
        },
        "trick": {"attribute": "Materials/Texture", "answer": "The man is made of wood."},
    }
    found = refusals([record, {**record, "category": "cup", "trick": None}])
    assert (found["value"], found["count"]) == (0, 1)
    assert (found["false_rate"], found["false_count"]) == (2 / 6, 6)
    none = {"value": None, "count": 0}
    assert found["attributes"]["Hair"] == {**none, "false_rate": 1, "false_count": 2}
    assert found["attributes"]["Facial Expression"]["false_rate"] == 0
    assert found["kinds"]["vessel"] == {**none, "false_rate": 1 / 3, "false_count": 3}
    assert found["kinds"]["person"]["value"] == 0


def test_a_refusal_of_something_else_is_none() -> None:
    def value(answer: str) -> Any:
        trick = {"attribute": "Shape", "answer": answer}
        return refusals([{"category": "cat", "truth": {}, "answers": {}, "trick": trick}])["value"]

    assert value("The cat has no simple shape.") == 1
    assert value("The cat has no hair.") == 0
    assert value("This does not apply to the cat.") == 1


def test_without_records() -> None:
    assert refusals([]) == {
        "value": None, "count": 0, "false_rate": None, "false_count": 0,
        "attributes": {}, "kinds": {},
    }  # fmt: skip
