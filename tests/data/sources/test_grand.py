from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source
from finecaption.io import masks

from .conftest import MakePicture, WriteJson


def record(mask: np.ndarray) -> dict[str, Any]:
    rle = masks.encode_rle(mask)
    return {
        "objects": [
            {"id": 0, "bbox": [1.0, 1.0, 7.0, 6.0], "segmentation": rle, "labels": ["dining_table"],
             "attributes": ["Assistant: a brown dining table", "a man", "dining table set"]},
            {"id": 1, "bbox": [1, 1, 4, 3], "segmentation": rle, "labels": ["man", "person"],
             "attributes": ["istant tall man, a shop assistant", "istant: man assistant"]},
            {"id": 2, "bbox": [1, 1, 4, 3], "segmentation": rle, "labels": [], "attributes": None},
        ],
        "floating_objects": [
            {"id": 3, "bbox": [5.0, 4.0, 7.0, 6.0], "labels": ["lamp"], "attributes": None},
        ],
        "short_captions": [
            {"caption": "A man at a table.",
             "details": [{"phrase": "A man", "tokens_positive": [0, 5], "id": 1}]},
            {"details": [{"id": 0}]},
        ],
        "dense_caption": {"caption": "A tall man stands at a table.",
                          "details": [{"phrase": "tall man", "ids": [1]}]},
    }  # fmt: skip


def test_the_published_layout(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("sam/sa_10.jpg")
    write_json("part_1/sa_10.json", {"sa_10.jpg": record(mask)})
    source = open_source("grand", tmp_path / "part_1", images=tmp_path / "sam", deep=True)
    found = list(source)
    assert [(s.task, s.attribute, s.text, s.region_id) for s in found] == [
        ("aarc", "Category Name", "dining table", "0"),
        ("aarc", "One-Sentence Description", "a brown dining table", "0"),
        ("aarc", "One-Sentence Description", "dining table set", "0"),
        ("aarc", "Category Name", "man", "1"),
        ("aarc", "One-Sentence Description", "tall man, a shop assistant", "1"),
        ("aarc", "One-Sentence Description", "man assistant", "1"),
        ("cgic", None, "A man at a table.", None),
        ("cgic", None, "A tall man stands at a table.", None),
    ]
    assert np.array_equal(found[0].region().mask, mask)
    assert {s.image_id for s in found} == {"sa_10"}
    assert source.counts["objects without words passed over"] == 1
    assert source.counts["objects without mask passed over"] == 1
    assert source.counts["captions without text passed over"] == 1
    boxed = list(open_source("grand", tmp_path / "part_1", images=tmp_path / "sam", boxes=True))
    assert next(s for s in boxed if s.text == "lamp").region().box == (5, 4, 7, 6)


def test_what_is_wrong_is_named(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("sa_1.jpg")
    picture("sa_2.jpg")
    bad = record(np.ones((3, 3), bool))
    bad["floating_objects"][0]["labels"] = 7
    bad["objects"].append("thing")
    bad["dense_caption"] = {"caption": 5}
    write_json("sa_1.json", {"sa_1.jpg": bad})
    write_json("sa_2.json", {"sa_2.jpg": {"captions": []}})
    write_json("sa_3.json", {"sa_3.jpg": record(mask)})
    write_json("sa_4.json", [1])
    (tmp_path / "sa_5.json").write_text("{")
    source = open_source("grand", tmp_path, problems="skip")
    assert [s.task for s in source] == ["cgic"]
    assert [(Path(p.file).name, p.record, p.field) for p in source.problems] == [
        ("sa_1.json", "sa_1.jpg.objects[0]", "segmentation"),
        ("sa_1.json", "sa_1.jpg.objects[1]", "segmentation"),
        ("sa_1.json", "sa_1.jpg.objects[3]", ""),
        ("sa_1.json", "sa_1.jpg.floating_objects[0]", "labels"),
        ("sa_1.json", "sa_1.jpg.dense_caption", "caption"),
        ("sa_2.json", "sa_2.jpg", "objects"),
        ("sa_3.json", "sa_3.jpg", "image"),
        ("sa_4.json", "[0]", "objects"),
        ("sa_5.json", "", ""),
    ]
    assert "3 x 3 pixels, but the image is 8 x 6" in source.problems[0].what
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProblemError, match=r"has no \*\.json"):
        list(open_source("grand", tmp_path / "empty"))
