from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.errors import InputError
from finecaption.metrics.judge import ServedJudge
from finecaption.metrics.rubric import MATTERS, read_marks, rubric, rubric_prompt

if TYPE_CHECKING:
    from .conftest import JudgeServer


def row(attribute: str, text: str, reference: str = "It is red (entity_id_2).") -> dict[str, Any]:
    return {"attribute": attribute, "text": text, "reference": reference}


def test_every_attribute_has_its_own_rubric() -> None:
    assert tuple(MATTERS) == ATTRIBUTE_NAMES
    assert len(set(MATTERS.values())) == 18
    prompts = {rubric_prompt(name, "a", "b") for name in ATTRIBUTE_NAMES}
    assert len(prompts) == 18
    assert MATTERS["Hair"] in rubric_prompt("hair", "a", "b")
    assert "what the attribute's name says" in rubric_prompt("Taste", "a", "b")
    assert "Answer: (no answer)" in rubric_prompt("Hair", " \n", "b")


@pytest.mark.parametrize(
    ("reply", "marks"),
    [
        ('{"reason": "x", "correct": 4, "complete": 2, "grounded": 0}', (1.0, 0.5, 0.0)),
        ('ok {"correct": "3/4", "complete": 4, "grounded": 4}', (0.75, 1.0, 1.0)),
        ('{"correct": 0, "complete": 1, "grounded": 3}', (0.0, 0.25, 0.75)),
        ('{"correct": -1, "complete": 4, "grounded": 4}', None),
        ('{"correct": 4, "complete": 4}', None),
        ('{"correct": 5, "complete": 4, "grounded": 4}', None),
        ("good", None),
    ],
)
def test_reading_marks(reply: str, marks: tuple[float, ...] | None) -> None:
    found = read_marks(reply)
    assert (found and (found.correct, found.complete, found.grounded)) == marks


def test_the_reason_is_kept() -> None:
    found = read_marks('{"reason": "x", "correct": 4, "complete": 2, "grounded": 0}')
    assert found is not None and found.reason == "x" and found.mean == 0.5
    found = read_marks('{"correct": 4, "complete": 2, "grounded": 0}')
    assert found is not None and found.reason == ""


def test_marks_by_attribute(server: JudgeServer) -> None:
    def answer(request: dict[str, Any]) -> str:
        said = re.search(r"^Answer: (.*)$", request["messages"][0]["content"], re.MULTILINE)
        mark = 4 if said and said[1] == "red" else 0
        return json.dumps({"reason": "r", "correct": mark, "complete": mark, "grounded": 4})

    server.answer = answer
    rows = [row("Taste", "red"), row("Color", "red"), row("color", "blue"), row("Hair", "red")]
    with ServedJudge(server.address, "m") as judge:
        found = rubric(rows, judge)
        assert list(found.attributes) == ["Hair", "Color", "Taste"]
        assert found.attributes["Color"] == pytest.approx(
            {"correct": 0.5, "complete": 0.5, "grounded": 1, "mean": 2 / 3, "count": 2}
        )
        assert found.score == pytest.approx((1 + 2 / 3 + 1) / 3)
        assert [m.mean for m in found.answers] == pytest.approx([1, 1, 1 / 3, 1])
        assert found.judge["rubric"] == 1
        assert not any("entity_id" in prompt for prompt in server.prompts())
        with pytest.raises(InputError, match="there are no answers"):
            rubric([], judge)
        with pytest.raises(InputError, match="answer 1 has no reference"):
            rubric([rows[0], row("Hair", "x", "")], judge)
