from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from finecaption.data.opening import open_data
from finecaption.data.record import to_record
from finecaption_annotate.review import Kept, Reviews, ReviewSet, read_set, reviewed_samples

from .conftest import key_of


def test_what_one_reviewer_leaves(tmp_path: Path, data: ReviewSet, data_file: Path) -> None:
    journal = Reviews(tmp_path / "reviews").of("ann")
    for name, decision, text in (
        ("Category Name", "accept", None),
        ("Color", "edit", "It is green."),
        ("Shape", "reject", None),
        ("Materials/Texture", "edit", "It is of rubber."),
    ):
        key = key_of(data, 0, 0, name)
        journal.decide(key, decision, data.fields[key].text, text)
    kept = Kept()
    found = list(reviewed_samples(data, [journal], kept=kept))
    old = list(open_data(data_file))
    assert [to_record(one) for one in found] == [
        to_record(one)
        for one in (
            old[0],
            replace(old[1], text="It is green."),
            replace(old[1], attribute="Materials/Texture", text="It is of rubber."),
        )
    ]
    assert kept == Kept(accepted=1, edited=1, added=1, rejected=1, undecided=10)
    assert len(list(reviewed_samples(data, [journal], undecided=True))) == 13


def test_the_many_decide(tmp_path: Path, data: ReviewSet) -> None:
    reviews = Reviews(tmp_path / "reviews")
    color, shape, name = (key_of(data, 0, 0, n) for n in ("Color", "Shape", "Category Name"))
    votes = {
        "ann": {color: "reject", shape: "accept", name: "reject"},
        "bob": {color: "It is green.", shape: "It is oval.", name: "accept"},
        "cid": {color: "It is lime.", shape: "It is oval."},
    }
    for reviewer, said in votes.items():
        for key, word in said.items():
            known = word in ("accept", "reject")
            reviews.of(reviewer).decide(
                key, word if known else "edit", data.fields[key].text, None if known else word
            )
    kept = Kept()
    texts = {s.attribute: s.text for s in reviewed_samples(data, reviews.all(), kept=kept)}
    # Color: two of three keep it, bob's name comes first; name: one against one is no majority
    assert texts == {"Color": "It is green.", "Shape": "It is oval."}
    assert kept.rejected == 1


def test_an_edit_outweighs_as_many_accepts(tmp_path: Path, data: ReviewSet) -> None:
    reviews = Reviews(tmp_path / "reviews")
    color = key_of(data, 0, 0, "Color")
    reviews.of("ann").decide(color, "accept", data.fields[color].text)
    reviews.of("bob").decide(color, "edit", data.fields[color].text, "It is green.")
    assert [s.text for s in reviewed_samples(data, reviews.all())] == ["It is green."]


def test_a_text_written_on_a_picture_in_memory(tmp_path: Path, data_file: Path) -> None:
    first = next(iter(open_data(data_file)))
    pixels = np.full((120, 160, 3), 7, np.uint8)
    data = read_set([replace(first, image=pixels)], "x")
    journal = Reviews(tmp_path / "reviews").of("ann")
    key = key_of(data, 0, 0, "Hair")
    journal.decide(key, "edit", None, "It has none.")
    (made,) = reviewed_samples(data, [journal])
    assert np.array_equal(np.asarray(made.image), pixels) and made.attribute == "Hair"
