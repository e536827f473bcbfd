from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finecaption.errors import InputError
from finecaption_annotate.review import ReviewJournal, Reviews, ReviewSet, progress
from finecaption_annotate.review.journal import MOST_TEXT

from .conftest import key_of

KEY = ("a.png", "1:0", "Color", 0)


def test_a_decision_is_on_disk_when_decide_returns(tmp_path: Path) -> None:
    journal = ReviewJournal(tmp_path / "r" / "ann.jsonl")
    journal.decide(KEY, "edit", "It is red.", "  It is blue. ")
    journal.decide(KEY, "accept", "It is red.")
    lines = [json.loads(line) for line in journal.path.read_text("utf-8").splitlines()]
    assert [(d["decision"], d["text"], d["was"], d["reviewer"]) for d in lines] == [
        ("edit", "It is blue.", "It is red.", "ann"),
        ("accept", "It is red.", "It is red.", "ann"),
    ]
    again = ReviewJournal(journal.path).get(KEY, "It is red.")
    assert again is not None and again.decision == "accept"


def test_taken_back_and_stale_decisions_do_not_count(tmp_path: Path) -> None:
    journal = ReviewJournal(tmp_path / "ann.jsonl")
    journal.decide(KEY, "reject", "It is red.")
    assert journal.get(KEY, "It is another text.") is None
    journal.decide(KEY, "open", "It is red.")
    assert journal.get(KEY, "It is red.") is None
    assert len(ReviewJournal(journal.path)) == 0


def test_a_half_written_last_line_is_cut(tmp_path: Path) -> None:
    journal = ReviewJournal(tmp_path / "ann.jsonl")
    journal.decide(KEY, "accept", "x")
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + whole[:40])
    again = ReviewJournal(journal.path)
    assert len(again) == 1
    assert journal.path.read_bytes() == whole + whole[:40], "reading changes nothing"
    again.decide(KEY, "reject", "x")
    assert journal.path.read_bytes().startswith(whole + b'{"picture": ')
    assert ReviewJournal(journal.path).get(KEY, "x").decision == "reject"  # type: ignore[union-attr] # is there


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ann.jsonl"
    path.write_text('{"picture": "a"}\n')
    with pytest.raises(InputError, match=r"ann.jsonl: line 1: is no decision"):
        ReviewJournal(path)


@pytest.mark.parametrize(
    ("decision", "was", "text", "message"),
    [
        ("like", "x", None, "must be one of accept, edit, reject"),
        ("edit", "x", "  ", "an edit needs one"),
        ("accept", None, None, "Color: nothing is said of it"),
    ],
)
def test_what_is_no_decision(
    tmp_path: Path, decision: str, was: str | None, text: str | None, message: str
) -> None:
    journal = ReviewJournal(tmp_path / "ann.jsonl")
    with pytest.raises(InputError, match=message):
        journal.decide(KEY, decision, was, text)
    assert not journal.path.exists()


@pytest.mark.parametrize("name", ["", "../ann", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_reviewer_is_a_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be a name"):
        Reviews(tmp_path).of(name)


def test_reviewers_have_files_of_their_own(tmp_path: Path, data: ReviewSet) -> None:
    reviews = Reviews(tmp_path / "reviews")
    with pytest.raises(InputError, match="holds no review"):
        reviews.all()
    color = key_of(data, 0, 0, "Color")
    reviews.of("ann").decide(color, "accept", data.fields[color].text)
    reviews.of("Zoë").decide(color, "reject", data.fields[color].text)
    assert [j.reviewer for j in Reviews(tmp_path / "reviews").all()] == ["Zoë", "ann"]
    assert progress(data, reviews.of("ann")) == {
        "decided": 1, "told": 13, "accept": 1, "edit": 0, "reject": 0,
    }  # fmt: skip


@pytest.mark.parametrize("text", [5, ["x"], {"a": 1}, "x" * (MOST_TEXT + 1)])
def test_what_is_no_text_or_too_long_is_refused(tmp_path: Path, text: Any) -> None:
    journal = ReviewJournal(tmp_path / "ann.jsonl")
    with pytest.raises(InputError, match="text: "):
        journal.decide(("a.png", "1", "Color", 0), "edit", "The cup is pink.", text)
    assert not journal.path.exists()
