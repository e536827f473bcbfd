from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from finecaption.errors import InputError
from finecaption.metrics.clair import clair, clair_prompt, read_clair
from finecaption.metrics.judge import JudgeError, ServedJudge
from finecaption.metrics.text import Pair

if TYPE_CHECKING:
    from .conftest import JudgeServer

PAIRS = [
    Pair("A red cup.", ("The cup (entity_id_1) is red.", "A cup.")),
    Pair("A dog.", ("A cat.",)),
]


def test_the_prompt_is_the_papers() -> None:
    assert clair_prompt(PAIRS[1]) == (
        "You are trying to tell if a candidate set of captions is describing the same image as a "
        "reference set of captions.\nCandidate set:\n- A dog.\n\nReference set:\n- A cat.\n\nOn a "
        "precise scale from 0 to 100, how likely is it that the candidate set is describing the "
        'same image as the reference set? (JSON format, with a key "score", value between 0 and '
        '100, and a key "reason" with a string value.)'
    )


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ('{"score": 85, "reason": "alike"}', (0.85, "alike")),
        ('Here: {"score": "20", "reason": ""}', (0.2, "")),
        ('{"score": 42, "reason": "cut sho', (0.42, "")),
        ("Score: 7.5", (0.075, "")),
        ('{"score": 0}', (0.0, "")),
        ('{"score": 100}', (1.0, "")),
        ('{"score": 101}', None),
        ('{"score": -1}', None),
        ('{"score": 400}', None),
        ("I cannot say.", None),
    ],
)
def test_reading_replies(reply: str, found: tuple[float, str] | None) -> None:
    assert read_clair(reply) == (pytest.approx(found) if found is None else found)


def test_scores_of_a_set(server: JudgeServer) -> None:
    def answer(request: dict[str, Any]) -> str:
        same = "red" in request["messages"][0]["content"]
        return json.dumps({"score": 90 if same else 10, "reason": "so"})

    server.answer = answer
    with ServedJudge(server.address, "m") as judge:
        found = clair(PAIRS, judge)
        assert found.captions.tolist() == [0.9, 0.1] and found.score == 0.5
        assert found.reasons == ["so", "so"] and found.judge["model"] == "m"
        assert not any("entity_id" in prompt for prompt in server.prompts())
        clair(PAIRS, judge, keep_cross_references=True)
        assert "entity_id" in server.prompts()[-1]
        with pytest.raises(InputError, match="no captions to score"):
            clair([], judge)
        server.answer = lambda r: "No idea."
        with pytest.raises(JudgeError, match="no verdict that can be read"):
            clair([Pair("A new one.", ("An old one.",))], judge)
