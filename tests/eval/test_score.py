from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.eval import steps
from finecaption.eval.data import EvalImage
from finecaption.eval.records import Record, RunFolder, read_records
from finecaption.eval.score import (
    Mark,
    attribute_scores,
    calibration_scores,
    intervals,
    pairs_among,
    scores,
    twin_scores,
)
from finecaption.eval.steps import run_step
from finecaption_synth.truth import RegionTruth

from .conftest import Blind, ListSource, Oracle

Drawn = tuple[list[EvalImage], dict[bytes, RegionTruth]]


def scored(path: Path, drawn: Drawn, captioner: Any) -> Record:
    source, folder = ListSource(drawn[0]), RunFolder(path, {})
    run_step(steps.predictions(source, captioner), folder, 999, 2)
    run_step(steps.twins(source, captioner), folder, 999, 2)
    found = [read_records(path / f"{name}.jsonl") for name in ("predictions", "twins")]
    return scores(*found, clicks=None)


def test_a_perfect_captioner_scores_one(tmp_path: Path, drawn: Drawn) -> None:
    result = scored(tmp_path, drawn, Oracle(drawn[1]))
    assert result["mean_accuracy"] == result["mean_exact"] == 1.0
    assert result["mean_interval"] == [1.0, 1.0]
    assert {s["accuracy"] for s in result["attributes"].values()} == {1.0}
    assert result["twins"]["accuracy"] == result["twins"]["both_right"] == 1.0
    assert result["abstention"]["accuracy"] == 1.0
    assert result["regions"] == sum(len(p.regions) for p in drawn[0])
    assert result["questions"] == sum(s["count"] for s in result["attributes"].values())
    assert result["clicks"] is None


def test_a_blind_captioner_scores_near_chance(tmp_path: Path, drawn: Drawn) -> None:
    result = scored(tmp_path, drawn, Blind(drawn[1]))
    named = result["attributes"]["Category Name"]
    assert named["accuracy"] < 0.35
    assert 0 < result["mean_accuracy"] < 0.6
    low, high = result["mean_interval"]
    assert low < result["mean_accuracy"] < high


def mark(picture: str, attribute: str, *right: bool) -> Mark:
    return Mark(picture, attribute, {f"f{i}": ok for i, ok in enumerate(right)})


def test_accuracy_is_the_mean_share_of_facets() -> None:
    found = attribute_scores(
        [
            mark("a", "Hair", True, False),
            mark("a", "Hair", True, True),
            mark("b", "Hair", False),
            mark("b", "Color", True),
        ]
    )
    assert list(found) == ["Hair", "Color"]  # in the order of the 18
    assert found["Hair"] == {
        "accuracy": 0.5,
        "exact": pytest.approx(1 / 3),
        "count": 3,
        "facets": {
            "f0": {"accuracy": pytest.approx(2 / 3), "count": 3},
            "f1": {"accuracy": 0.5, "count": 2},
        },
    }


def test_the_interval_draws_pictures_and_not_questions() -> None:
    rng = np.random.default_rng(1)
    right = rng.random(100) < 0.7
    alone = [mark(f"p{i}", "Color", bool(ok)) for i, ok in enumerate(right)]
    together = [mark(f"p{i}", "Color", bool(ok)) for i, ok in enumerate(right) for _ in range(9)]
    (low, high), each = intervals(alone)
    assert each == {"Color": [low, high]}
    deviation = np.sqrt(right.mean() * (1 - right.mean()) / 100)
    assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.1)
    assert intervals(together)[0] == pytest.approx([low, high])  # nine times as much, no surer


def test_an_attribute_of_one_picture_does_not_spoil_the_mean() -> None:
    found = [mark(f"p{i}", "Color", i % 2 == 0) for i in range(10)] + [mark("p0", "Hair", True)]
    (low, high), each = intervals(found)
    assert 0 <= low <= high <= 1 and each["Hair"] == [1.0, 1.0]


def answered(
    number: int, category: str, colour: str, said: tuple[str, str], **more: object
) -> Record:
    return {
        "picture": "p", "region_id": number, "category": category, "part_of": None,
        "unseen": True, "box": [0, 0, 10, 10],
        "truth": {"Category Name": {"category": [category]}, "Color": {"colour": [colour]}},
        "answers": dict(zip(("Category Name", "Color"), said, strict=True)),
        "trick": None, **more,
    }  # fmt: skip


def test_twins_must_be_named_as_themselves() -> None:
    cat = answered(1, "cat", "grey", ("It is a cat.", "It is red."))
    mixed = answered(2, "hoop", "red", ("It is a hoop and a cat.", "It is red."))
    wrong = answered(2, "hoop", "red", ("It is a cat.", "It is red."))
    assert twin_scores([{"regions": [cat, mixed]}])["accuracy"] == 0.5
    result = twin_scores([{"regions": [cat, wrong]}])
    assert (result["accuracy"], result["count"], result["pairs"]) == (0.5, 2, 1)
    assert result["both_right"] == 0.0
    assert twin_scores([]) is None


def test_twins_of_one_category_are_told_by_colour() -> None:
    a = answered(1, "car", "red", ("It is a car.", "It is red."))
    b = answered(2, "car", "blue", ("It is a car.", "It is red."))
    assert twin_scores([{"regions": [a, b]}])["accuracy"] == 0.5


def test_without_a_twins_step_the_predictions_have_them() -> None:
    a = answered(1, "cat", "grey", ("It is a cat.", "It is grey."))
    b = answered(2, "hoop", "red", ("It is a hoop.", "It is red."))
    far = answered(3, "car", "red", ("It is a car.", "It is red."), box=[20, 0, 30, 10])
    part = answered(4, "hat", "red", ("It is a hat.", "It is red."), part_of=1)
    assert len(pairs_among([a, b, far, part])) == 1
    assert scores([a, b, far, part], None, None)["twins"]["count"] == 2


def test_only_unseen_regions_count_when_asked_for() -> None:
    new = answered(1, "cat", "grey", ("It is a cat.", "It is grey."))
    old = answered(2, "hoop", "red", ("It is a cat.", "It is red."), unseen=False)
    result = scores([new, old], [{"regions": [new, old]}], [], unseen_only=True)
    assert (result["regions"], result["mean_accuracy"]) == (1, 1.0)
    assert (result["twins"]["count"], result["twins"]["both_right"]) == (1, None)
    assert scores([new, old], [], [])["mean_accuracy"] == 0.75


def test_no_regions_at_all() -> None:
    result = scores([], None, None)
    assert result["mean_accuracy"] is None and result["attributes"] == {}


def test_clicks_are_averaged_for_wholes_and_parts() -> None:
    def clicked(part_of: int | None, *iou: float) -> Record:
        return {"part_of": part_of, "iou": list(iou), "unseen": False}

    found = scores([], None, [clicked(None, 0.5, 0.6, 0.7, 0.8, 0.9), clicked(1, 0, 0, 0, 0, 0.1)])
    assert found["clicks"]["wholes"] == {"mean_iou": {"1": 0.5, "3": 0.7, "5": 0.9}, "count": 1}
    assert found["clicks"]["all"]["mean_iou"]["5"] == 0.5


def test_the_confidence_is_compared_with_what_is_right() -> None:
    truth = {"Color": {"colour": ["red"]}}
    records = [
        {"truth": truth, "answers": {"Color": text}, "confidence": {"Color": sure}}
        for text, sure in (("It is red.", 0.9), ("It is red.", 0.9), ("It is blue.", 0.9))
    ]
    found = calibration_scores(records)
    assert found is not None
    assert found["count"] == 3 and found["accuracy"] == pytest.approx(2 / 3)
    assert found["confidence"] == pytest.approx(0.9)
    assert found["value"] == pytest.approx(0.9 - 2 / 3)
    assert calibration_scores([{**r, "confidence": {}} for r in records]) is None
    assert calibration_scores([{**r, "truth": {}} for r in records]) is None
