from __future__ import annotations

import pickle

import pytest

from finecaption.data.problems import Problem, ProblemError, Problems
from finecaption.errors import InputError


def test_the_first_problem_stops() -> None:
    problems = Problems()
    with pytest.raises(ProblemError, match=r"^a\.json: \[3\]: mask: is empty$") as caught:  # noqa: SIM117 # what is tested is how they nest
        with problems.at("a.json", "[3]"):
            raise InputError("RegionSample.mask: is empty")
    assert caught.value.problem == Problem("a.json", "[3]", "mask", "is empty")
    assert pickle.loads(pickle.dumps(caught.value)).problem == caught.value.problem
    assert problems.found == []


def test_problems_are_noted_once_and_passed_over() -> None:
    problems = Problems("skip")
    with problems.at("a.json"):
        with problems.at("a.json", "[0]"):
            raise InputError("entities[2].text: is missing")
        with problems.at("a.json", "[1]"):
            raise InputError("sub/b.png: no such file; check the path")
        raise InputError("ends early")
    assert [str(problem) for problem in problems.found] == [
        "a.json: [0]: entities[2].text: is missing",
        "a.json: [1]: sub/b.png: no such file; check the path",
        "a.json: ends early",
    ]
    assert problems.found[0].field == "entities[2].text"
    assert problems.found[1].field == ""
    assert problems.found[2].to_dict() == {
        "file": "a.json", "record": "", "field": "", "what": "ends early",
    }  # fmt: skip


def test_other_errors_are_not_problems() -> None:
    with pytest.raises(ZeroDivisionError), Problems("skip").at("a.json"):
        raise ZeroDivisionError


def test_unknown_policy() -> None:
    with pytest.raises(InputError, match="one of raise, skip; got 'ignore'"):
        Problems("ignore")  # type: ignore[arg-type] # wrong on purpose
