from __future__ import annotations

from pathlib import Path

import pytest

from finecaption_annotate.review import Reviews, ReviewSet, agreement, agreement_table
from finecaption_annotate.review.agreement import cohen_kappa


def test_kappa_of_a_worked_example() -> None:
    # 50 fields: both accept 20, both reject 15, the first alone accepts 5, the second alone 10
    pairs = [("accept", "accept")] * 20 + [("reject", "reject")] * 15
    pairs += [("accept", "reject")] * 5 + [("reject", "accept")] * 10
    # p_o = 0.7; p_e = 0.5 * 0.6 + 0.5 * 0.4 = 0.5
    assert cohen_kappa(pairs) == pytest.approx(0.4)


def test_kappa_at_its_ends() -> None:
    assert cohen_kappa([]) is None
    assert cohen_kappa([("accept", "accept")] * 3) is None
    assert cohen_kappa([("accept", "accept"), ("reject", "reject")]) == 1
    assert cohen_kappa([("accept", "reject"), ("reject", "accept")]) == -1


def test_a_row_an_attribute(tmp_path: Path, data: ReviewSet) -> None:
    reviews = Reviews(tmp_path / "reviews")
    told = [one for one in data.fields.values() if one.text is not None]
    colors = [one for one in told if one.name == "Color"]
    shapes = [one for one in told if one.name == "Shape"]
    for name, kinds in {"ann": "aaraae", "bob": "aarrae"}.items():
        for one, kind in zip([*colors, *shapes], kinds, strict=True):
            word = {"a": "accept", "r": "reject", "e": "edit"}[kind]
            reviews.of(name).decide(one.key, word, one.text, f"New of {name[0]}{one.text}")
    rows = {row.name: row for row in agreement(data, reviews.all())}
    assert list(rows) == ["Color", "Shape", "All"]
    color = rows["Color"]
    assert color.percent == 100 and color.kappa == 1 and color.both == 3
    shape = rows["Shape"]  # a a e against r a e
    assert shape.percent == pytest.approx(200 / 3)
    assert shape.kappa == pytest.approx((2 / 3 - 2 / 9 - 1 / 9) / (1 - 3 / 9))
    assert shape.same_text == 0
    assert rows["All"].decided == {"accept": 7, "edit": 2, "reject": 3}
    table = agreement_table(list(rows.values()), ["ann", "bob"])
    assert "reviewers: ann, bob" in table and "66.7" in table


def test_one_reviewer_has_nobody_to_agree_with(tmp_path: Path, data: ReviewSet) -> None:
    reviews = Reviews(tmp_path / "reviews")
    one = next(f for f in data.fields.values() if f.text)
    reviews.of("ann").decide(one.key, "accept", one.text)
    rows = agreement(data, reviews.all())
    assert [(row.both, row.percent, row.kappa) for row in rows] == [(0, None, None)] * 2


def test_three_reviewers_are_three_pairs(tmp_path: Path, data: ReviewSet) -> None:
    reviews = Reviews(tmp_path / "reviews")
    colors = [f for f in data.fields.values() if f.name == "Color" and f.text]
    for name, kinds in {"ann": "ar", "bob": "ar", "cid": "ra"}.items():
        for one, kind in zip(colors, kinds, strict=False):
            reviews.of(name).decide(one.key, "accept" if kind == "a" else "reject", one.text)
    row = agreement(data, reviews.all())[0]
    assert row.both == 6 and row.percent == pytest.approx(100 / 3)
    assert row.kappa == pytest.approx((1 - 1 - 1) / 3)
