from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source

from .conftest import MakePicture, WriteJson


def region(number: int, **changes: Any) -> dict[str, Any]:
    base = {
        "region_id": number, "image_id": 1, "x": 2, "y": 1, "width": 3, "height": 4,
        "phrase": "the clock is green ",
    }  # fmt: skip
    return {**base, **changes}


def test_the_published_layout(tmp_path: Path, picture: MakePicture, write_json: WriteJson) -> None:
    picture("VG_100K/1.jpg")
    picture("VG_100K_2/2.jpg", (5, 5))
    write_json(
        "region_descriptions.json",
        [
            {"id": 1, "regions": [region(1382), region(1383, x=6, width=99)]},
            {"id": 2, "regions": [region(9, image_id=2, phrase="ein Bär")]},
            {"id": 3, "regions": []},
        ],
    )
    write_json("image_data.json", [{"image_id": 1, "width": 8, "height": 6, "coco_id": None}])
    source = open_source("visual-genome", tmp_path, deep=True)
    first, cut, other = source
    assert (first.attribute, first.text) == ("One-Sentence Description", "the clock is green")
    assert (first.region_id, first.image_id, first.size) == ("1382", "1", (8, 6))
    assert (first.region().box, first.region().area) == ((2, 1, 5, 5), 12)
    assert cut.region().box == (6, 1, 8, 5)
    assert (other.size, other.text) == ((5, 5), "ein Bär")
    assert source.counts["pictures without regions passed over"] == 1


def test_what_is_wrong_is_named(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson
) -> None:
    picture("VG_100K/1.jpg")
    regions = [
        region(1), region(2, x=9), region(3, width=0), region(4, y="1"), region(5, phrase=""),
        {"x": 1}, region(6, height=None),
    ]  # fmt: skip
    file = write_json(
        "region_descriptions.json",
        [{"id": 1, "regions": regions}, {"id": 4, "regions": [region(1)]}, {"id": 1}],
    )
    source = open_source("visual-genome", file, problems="skip")
    assert len(list(source)) == 1
    assert [(p.record, p.field) for p in source.problems] == [
        ("[0].regions[1]", "box"), ("[0].regions[2]", "box"), ("[0].regions[3]", "y"),
        ("[0].regions[4]", "text"), ("[0].regions[5]", "y"), ("[0].regions[6]", "height"),
        ("[1]", "image"), ("[2]", "regions"),
    ]  # fmt: skip
    with pytest.raises(ProblemError, match="no such file"):
        list(open_source("visual-genome", tmp_path / "VG_100K"))
