from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finecaption.errors import InputError
from finecaption.metrics.dlc import (
    DlcQuestion,
    RegionScore,
    dlc_bench,
    load_questions,
    read_choice,
    recognition_question,
    rescore,
    score_region,
    summarise,
)
from finecaption.metrics.judge import JudgeError, ServedJudge

if TYPE_CHECKING:
    from .conftest import JudgeServer

CHOICES = ("The wing is not mentioned.", "The wing is mentioned.", "The wing is mentioned. Twice.")
QA = {
    "7": [
        {"type": "positive", "question": "Wing?",
         "choices": [["No wing.", 0], ["A wing, no colour.", 0.5], ["Wrong.", -1], ["Grey.", 1]]},
        {"type": "negative", "subtype": "part", "question": "Claws?",
         "choices": [["No claws.", 1], ["Claws.", -1]]},
    ],
    "8": [{"type": "positive", "question": "Colour?", "choices": [["Red.", 1], ["None.", 0]]}],
}  # fmt: skip
NAMES = {"7": "apple", "8": "scissors"}


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("B", 1),
        ("b. The wing is mentioned.", 1),
        ("the wing is not mentioned.", 0),
        ("I choose: The wing is not mentioned.", 0),
        ("A. because", 0),
        # of several contained the last, of two at one place the longer
        ("Not 'the wing is not mentioned.' but 'The wing is mentioned. Twice.'", 2),
        ("wing", 2),  # contained in all: the longest
        ("C\nsince it says so", 2),
        ("A\nsince it says so", 0),
        ("a", 0),
        ("C. because", 2),
        ("D\nis no choice", None),  # three choices: a, b and c
        ("C because", None),  # neither a stop nor a line of its own
        ("E. out of range", None),
        ("banana", None),
        ("", None),
    ],
)
def test_reading_a_choice(reply: str, choice: int | None) -> None:
    assert read_choice(reply, CHOICES) == choice


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("apple", "the object in the description is an apple or an object of"),
        ("bus", "the object in the description is a bus or an object of"),
        ("scissors", "the objects in the description are scissors or objects of"),
        ("wine glass", "the objects in the description are wine glass or objects of"),
        ("cup", "the object in the description is a cup or an object of"),
        ("Umbrella", "the object in the description is an Umbrella or an object of"),
    ],
)
def test_the_question_of_recognition(name: str, part: str) -> None:
    question = recognition_question(name)
    assert part in question.text and question.marks == (1, 0)
    assert question.prompt("It flies.").endswith(
        "The description is:\nIt flies.\n\nFrom the description above, please answer the "
        f"following question with one of the choices:\n{question.text}\nA. Yes\nB. No\n"
    )


def _questions(tmp_path: Path) -> dict[str, list[DlcQuestion]]:
    (tmp_path / "qa.json").write_text(json.dumps(QA))
    (tmp_path / "names.json").write_text(json.dumps(NAMES))
    return load_questions(tmp_path / "qa.json", tmp_path / "names.json")


@pytest.mark.parametrize(
    ("replies", "positive", "negative", "recognised"),
    [
        (("Yes", "Grey.", "No claws."), 1, 1, True),
        (("Yes", "B", "B"), 0.5, -1, True),
        (("No", "Grey.", "No claws."), 0, 0, False),  # at most 0 for what was not recognised
        (("No", "Wrong.", "Claws."), -1, -1, False),
        (("Yes", "what?", "No claws."), 0, 1, True),  # no choice: as if not mentioned
    ],
)
def test_marks_of_a_region(
    tmp_path: Path,
    replies: tuple[str, ...],
    positive: float,
    negative: float,
    recognised: bool,
) -> None:
    found = score_region(_questions(tmp_path)["7"], replies)
    assert (found.positive, found.negative, found.recognised) == (positive, negative, recognised)


def test_the_whole_protocol_with_a_judge(server: JudgeServer, tmp_path: Path) -> None:
    def answer(request: dict[str, Any]) -> str:
        text = request["messages"][0]["content"]
        if "Is it likely" in text:
            return "A. Yes"
        return "D" if "Wing?" in text else "A"

    server.answer = answer
    questions = _questions(tmp_path)
    with ServedJudge(server.address, "m", tmp_path / "replies") as judge:
        found = dlc_bench({"7": "A grey wing.", "8": "Red blades.", "9": "?"}, questions, judge)
        assert (found.positive, found.negative, found.mean, found.recognised) == (1, 1, 1, 1)
        assert found.regions["8"].negative is None and found.judge["model"] == "m"
        with pytest.raises(InputError, match="1 regions have no description, first 8"):
            dlc_bench({"7": "x"}, questions, judge)
        server.answer = lambda r: "banana"
        with pytest.raises(JudgeError, match="does not tell whether it is recognised"):
            dlc_bench({"7": "x", "8": "y"}, questions, judge)


def test_published_judge_outputs_are_marked_again(tmp_path: Path) -> None:
    recognition = {
        "type": "recognition", "question": "?", "choices": [["Yes", "correct"], ["No", "incorrect"]]
    }  # fmt: skip
    entry = {
        "pred": "A grey wing.",
        "details_recognition": [recognition],
        "details_positives": [{**QA["7"][0], "question_index": 0, "eval_result": 99}],
        "details_negatives": [{**QA["7"][1], "question_index": 1, "eval_result": 99}],
        "response": ["A. Yes", "B. A wing, no colour.", "A. No claws."],
        "score_pos": 99,
    }
    wrong = {**entry, "response": ["B. No", "D", "B"]}
    path = tmp_path / "model_eval.json"
    path.write_text(json.dumps({"7": entry, "8": wrong, "avg_pos": 99.0}))
    found = rescore(path)
    assert (found.positive, found.negative, found.recognised) == (0.25, 0, 0.5)
    assert found.mean == 0.125 and found.judge == {}
    path.write_text(json.dumps({"7": {**entry, "response": ["A. Yes"]}}))
    with pytest.raises(InputError, match="region 7: 1 replies for 3 questions"):
        rescore(path)
    path.write_text(json.dumps({"7": {"pred": ""}}))
    with pytest.raises(InputError, match="region 7: is no judge output of DLC-Bench"):
        rescore(path)


def test_files_that_are_not_the_benchmarks(tmp_path: Path) -> None:
    _questions(tmp_path)
    (tmp_path / "names.json").write_text(json.dumps({"7": "apple"}))
    with pytest.raises(InputError, match="has no name for region 8"):
        load_questions(tmp_path / "qa.json", tmp_path / "names.json")
    (tmp_path / "qa.json").write_text(json.dumps({"7": [{"type": "odd", "question": "?"}]}))
    with pytest.raises(InputError, match="region 7, question 0: is no question of DLC-Bench"):
        load_questions(tmp_path / "qa.json", tmp_path / "names.json")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        rescore(tmp_path / "nowhere.json")
    (tmp_path / "qa.json").write_text("[]")
    with pytest.raises(InputError, match="must hold an object"):
        rescore(tmp_path / "qa.json")


def test_figures_are_means_over_the_regions_that_have_them() -> None:
    regions = {
        "1": RegionScore(1.0, 1.0, True),
        "2": RegionScore(0.5, -0.5, True),
        "3": RegionScore(0.0, None, False),  # no negative question
        "4": RegionScore(0.5, 0.0, False),
    }
    found = summarise(regions, {"model": "m"})
    assert found.positive == 0.5
    assert found.negative == pytest.approx(0.5 / 3)
    assert found.mean == pytest.approx((0.5 + 0.5 / 3) / 2)
    assert found.recognised == 0.5
    assert found.regions == regions and found.judge == {"model": "m"}
    with pytest.raises(InputError, match="no region with negative questions"):
        summarise({"3": regions["3"]})


@pytest.mark.parametrize(("count", "taken"), [(0, False), (1, True), (5, True), (6, False)])
def test_a_question_has_one_to_five_choices(tmp_path: Path, count: int, taken: bool) -> None:
    choices = [[f"Choice {at}.", 1] for at in range(count)]
    row = {"type": "positive", "question": "?", "choices": choices}
    (tmp_path / "qa.json").write_text(json.dumps({"7": [row]}))
    (tmp_path / "names.json").write_text(json.dumps({"7": "apple"}))
    if taken:
        _, question = load_questions(tmp_path / "qa.json", tmp_path / "names.json")["7"]
        assert len(question.choices) == len(question.marks) == count
    else:
        with pytest.raises(InputError, match=f"has {count} choices; 1 to 5 are understood"):
            load_questions(tmp_path / "qa.json", tmp_path / "names.json")


def test_regions_that_cannot_be_scored() -> None:
    seen = recognition_question("cup")
    positive = DlcQuestion("positive", "?", ("Red.", "None."), (1, 0))
    with pytest.raises(InputError, match="no recognition question"):
        score_region([positive], ["Red."])
    with pytest.raises(InputError, match="no positive question"):
        score_region([seen], ["Yes"])
    with pytest.raises(InputError, match="1 replies for 2 questions"):
        score_region([seen, positive], ["Yes"])
