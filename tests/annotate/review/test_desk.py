from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from finecaption.errors import InputError
from finecaption_annotate.review import Reviews, ReviewSet
from finecaption_annotate.review.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, data: ReviewSet) -> Desk:
    return Desk(data, Reviews(tmp_path / "reviews"))


def test_the_page_first_asks_who(desk: Desk) -> None:
    desk.reviews.of("bob").decide(next(iter(desk.data.fields)), "edit", None, "x")
    answer = desk.ask({"do": "hello", "reviewer": None})
    assert answer == {"title": "own.jsonl", "who": None, "known": ["bob"]}
    told = desk.ask({"do": "hello", "reviewer": "ann"})
    assert told["places"] == [[[4, 0], [4, 0], [1, 0]], [[4, 0]]]
    assert told["progress"]["told"] == 13


def test_a_picture_with_its_outlines(desk: Desk) -> None:
    shown = desk.ask({"do": "show", "reviewer": "ann", "picture": 0})
    head, _, coded = shown["source"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(coded))).size == (160, 120)
    first, second, whole = shown["places"]
    assert first["path"].startswith("M") and first["colour"] != second["colour"]
    x, y = first["at"]
    assert 20 <= x < 70 and 20 <= y < 90
    assert whole["path"] is None and whole["name"] == "The whole picture"
    assert len(first["fields"]) == 19


def test_a_decision_is_shown_again_after_a_restart(desk: Desk) -> None:
    place = desk.data.pictures[0].places[0]
    number = next(k for k, one in enumerate(place.fields) if one.name == "Color")
    call = {"do": "decide", "reviewer": "ann", "picture": 0, "place": 0, "field": number}
    answer = desk.ask({**call, "decision": "edit", "text": "It is green."})
    assert answer["saved"] == "edit" and answer["count"] == [4, 1]
    assert answer["progress"]["decided"] == 1
    again = Desk(desk.data, Reviews(desk.reviews.folder))
    field = again.show("ann", 0)["places"][0]["fields"][number]
    assert (field["decision"], field["edited"]) == ("edit", "It is green.")
    assert again.show("bob", 0)["places"][0]["fields"][number]["decision"] is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"do": "dance"}, "must be hello, show or decide"),
        ({"do": "show", "reviewer": "ann", "picture": 9}, "picture: 9 is none of 0 to 1"),
        ({"do": "show", "reviewer": "../x", "picture": 0}, "cannot be a name"),
        ({"do": "decide", "reviewer": "ann", "picture": 0, "place": 7}, "there is no such field"),
        (
            {"do": "decide", "reviewer": "ann", "picture": 0, "place": 0, "field": 0,
             "decision": "reject"},
            "nothing is said of it",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why(
    desk: Desk, call: dict[str, object], message: str
) -> None:
    assert message in desk.ask(call)["error"]


def test_a_fixed_reviewer_is_the_only_one(tmp_path: Path, data: ReviewSet) -> None:
    desk = Desk(data, Reviews(tmp_path / "r"), "ann")
    assert desk.ask({"do": "hello", "reviewer": None})["who"] == "ann"
    assert (
        "this page is ann's" in desk.ask({"do": "show", "reviewer": "bob", "picture": 0})["error"]
    )
    with pytest.raises(InputError, match="cannot be a name"):
        Desk(data, Reviews(tmp_path / "r"), "a/b")


def test_a_broken_picture_is_told_on_the_page(desk: Desk, data_file: Path) -> None:
    (data_file.parent / "b.png").write_bytes(b"no picture")
    shown = desk.ask({"do": "show", "reviewer": "ann", "picture": 1})
    assert shown["source"] == "" and "b.png" in shown["broken"]
    assert shown["places"][0]["path"]
