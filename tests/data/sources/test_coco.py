from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source
from finecaption.data.sources.coco import readable_category
from finecaption.errors import InputError
from finecaption.io import masks

from .conftest import MakePicture, WriteJson

POLYGONS = [[1, 1, 4, 1, 4, 3, 1, 3], [5, 4, 7, 4, 7, 6, 5, 6]]
IMAGES = [{"license": 3, "file_name": "000000000009.jpg", "width": 8, "height": 6, "id": 9}]
CATEGORIES = [
    {"supercategory": "person", "id": 1, "name": "person"},
    {"supercategory": "electronic", "id": 77, "name": "cell phone"},
]


def thing(number: int, segmentation: Any, **changes: Any) -> dict[str, Any]:
    base = {
        "segmentation": segmentation, "area": 10.0, "iscrowd": 0, "image_id": 9,
        "bbox": [1, 1, 6, 5], "category_id": 77, "id": number,
    }  # fmt: skip
    return {**base, **changes}


def instances(*annotations: dict[str, Any]) -> dict[str, Any]:
    # in the published order: categories come last
    return {
        "info": {"year": 2017}, "licenses": [{"id": 3}], "images": IMAGES,
        "annotations": list(annotations), "categories": CATEGORIES,
    }  # fmt: skip


def test_polygons_crowds_and_compressed_masks(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("train2017/000000000009.jpg")
    crowd = masks.encode_rle_counts(mask)
    assert isinstance(crowd["counts"], list)
    data = instances(
        thing(1, POLYGONS),
        thing(900100, crowd, iscrowd=1, category_id=1),
        thing(3, masks.encode_rle(mask)),
    )
    write_json("annotations/instances_train2017.json", data)
    write_json("annotations/instances_val2017.json", instances())
    write_json("annotations/captions_train2017.json", {"images": IMAGES, "annotations": []})
    source = open_source("coco-instances", tmp_path, deep=True)
    first, last = source
    assert source.counts["crowds passed over"] == 1
    assert (first.attribute, first.text, first.split) == (
        "Category Name",
        "cell phone",
        "train2017",
    )
    assert (first.region_id, first.image_id) == ("1", "9")
    source = open_source("coco-instances", tmp_path / "annotations", split="train2017", crowds=True)
    found = list(source)
    assert [s.region_id for s in found] == ["1", "900100", "3"]
    for sample in found:
        assert np.array_equal(sample.region().mask, mask)
    assert isinstance(found[1].mask, dict) and isinstance(found[1].mask["counts"], str)
    assert list(open_source("coco-instances", tmp_path, split="val2017")) == []
    with pytest.raises(InputError, match=r"no file instances_test\.json"):
        list(open_source("coco-instances", tmp_path, split="test"))


def test_masks_of_another_size(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("000000000009.jpg")
    double = masks.encode_rle(np.kron(mask, np.ones((2, 2))).astype(bool))
    other = masks.encode_rle(np.ones((6, 4), bool))
    file = write_json("mine.json", instances(thing(1, double), thing(2, other)))
    source = open_source("coco-instances", file, problems="skip")
    assert list(source) == []
    assert "16 x 12 pixels, but the image is 8 x 6" in source.problems[0].what
    source = open_source("coco-instances", file, problems="skip", resize_masks=True)
    (found,) = source
    assert np.array_equal(found.region().mask, mask)
    assert source.counts["masks resized to their picture"] == 1
    assert "4 x 6 pixels" in source.problems[0].what  # of another shape: not stretched


def test_what_is_wrong_is_named(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson
) -> None:
    picture("000000000009.jpg")
    data = instances(
        thing(1, POLYGONS),
        thing(2, []),
        thing(3, [[1, 1, 2, 2]]),
        thing(4, {"size": [6, 8], "counts": [48, 5]}, iscrowd=0),
        thing(5, {"size": [6, 8]}),
        thing(6, POLYGONS, image_id=10),
        thing(7, POLYGONS, category_id=2),
        thing(8, [[1, 1, 1, 1, 1, 1]]),
        thing(9, {"size": [6, 8], "counts": "o1:"}),
    )
    data["images"] = [*IMAGES, {"id": 11, "file_name": "none.jpg", "width": 8, "height": 6}]
    data["annotations"] += [thing(10, POLYGONS, image_id=11), 7]
    file = write_json("instances_val2017.json", data)
    source = open_source("coco-instances", file, problems="skip", deep=True)
    assert [s.region_id for s in source] == ["1"]
    assert [(p.record, p.field) for p in source.problems] == [
        ("annotations[1]", "segmentation"), ("annotations[2]", "segmentation[0]"),
        ("annotations[3]", "segmentation"), ("annotations[4]", "segmentation"),
        ("annotations[5]", "image_id"), ("annotations[6]", "category_id"),
        ("annotations[7]", "segmentation"), ("annotations[8]", "mask"),
        ("annotations[9]", "file_name"), ("annotations[10]", ""),
    ]  # fmt: skip
    file = write_json("instances_val2017.json", {"annotations": []})
    with pytest.raises(ProblemError, match="images: is missing"):
        list(open_source("coco-instances", file))


def test_captions(tmp_path: Path, picture: MakePicture, write_json: WriteJson) -> None:
    picture("val2017/000000000009.jpg")
    said = [{"image_id": 9, "id": 37, "caption": "A phone.\n"}, {"image_id": 9, "id": 38}]
    write_json("annotations/captions_val2017.json", {"images": IMAGES, "annotations": said})
    source = open_source("coco-captions", tmp_path, problems="skip")
    (found,) = source
    assert (found.task, found.mask, found.text, found.split) == (
        "cgic",
        None,
        "A phone.",
        "val2017",
    )
    assert [(p.record, p.field) for p in source.problems] == [("annotations[1]", "text")]
    (found,) = open_source("coco-captions", tmp_path, problems="skip", task="aarc")
    assert (found.attribute, found.region().area) == ("One-Sentence Description", 48)
    with pytest.raises(InputError, match="cgic or aarc"):
        open_source("coco-captions", tmp_path, task="rdc")


def test_category_names_as_words() -> None:
    for name, words in (
        ("wall-other-merged", "wall"), ("floor-wood", "floor wood"), ("door-stuff", "door"),
        ("cell phone", "cell phone"), ("water-other", "water"),
    ):  # fmt: skip
        assert readable_category(name) == words
