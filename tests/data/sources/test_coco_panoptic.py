from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source
from finecaption.data.sources.coco_panoptic import decode_id_map

from .conftest import MakePicture, WriteJson

SKY, CAT, CROWD = 8345037, 300, 7


def save_ids(path: Path, ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1)
    Image.fromarray(rgb.astype(np.uint8)).save(path)


@pytest.fixture
def ids(mask: np.ndarray) -> np.ndarray:
    out = np.where(mask, CAT, SKY)
    out[0, 0], out[5, 0] = 0, CROWD
    return out


def panoptic(*segments: dict[str, Any]) -> dict[str, Any]:
    return {
        "info": {}, "licenses": [],
        "images": [{"id": 9, "file_name": "000000000009.jpg", "width": 8, "height": 6}],
        "annotations": [
            {"image_id": 9, "file_name": "000000000009.png", "segments_info": list(segments)}
        ],
        "categories": [
            {"id": 187, "name": "sky-other-merged", "isthing": 0, "supercategory": "sky"},
            {"id": 17, "name": "cat", "isthing": 1, "supercategory": "animal"},
        ],
    }  # fmt: skip


def segment(number: int, category: int, **changes: Any) -> dict[str, Any]:
    base = {"id": number, "category_id": category, "area": 1, "bbox": [0, 0, 1, 1], "iscrowd": 0}
    return {**base, **changes}


def test_the_published_layout(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray, ids: np.ndarray
) -> None:
    picture("val2017/000000000009.jpg")
    save_ids(tmp_path / "panoptic_val2017" / "000000000009.png", ids)
    write_json(
        "annotations/panoptic_val2017.json",
        panoptic(segment(SKY, 187), segment(CAT, 17), segment(CROWD, 17, iscrowd=1)),
    )
    source = open_source("coco-panoptic", tmp_path / "annotations", deep=True)
    sky, cat = source
    assert (sky.text, cat.text, cat.attribute) == ("sky", "cat", "Category Name")
    assert np.array_equal(cat.region().mask, mask)
    assert (sky.region_id, sky.region().area) == (str(SKY), 48 - 10 - 2)
    assert source.counts["crowds passed over"] == 1
    assert len(list(open_source("coco-panoptic", tmp_path / "annotations", crowds=True))) == 3


def test_what_is_wrong_is_named(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, ids: np.ndarray
) -> None:
    picture("val2017/000000000009.jpg")
    save_ids(tmp_path / "png" / "000000000009.png", ids)
    file = write_json(
        "panoptic_val2017.json",
        panoptic(segment(5, 17), segment(CAT, 18), segment(0, 17), segment(CAT, 17)),
    )
    options = {"problems": "skip", "images": tmp_path / "val2017"}
    source = open_source("coco-panoptic", file, masks=tmp_path / "png", **options)
    assert [s.text for s in source] == ["cat"]
    assert [(p.record, p.field) for p in source.problems] == [
        ("image 9, segments_info[0]", "id"), ("image 9, segments_info[1]", "category_id"),
        ("image 9, segments_info[2]", "id"),
    ]  # fmt: skip
    source = open_source("coco-panoptic", file, **options)
    assert list(source) == []
    assert "give the folder of the panoptic PNG files" in source.problems[0].what
    Image.new("L", (8, 6)).save(tmp_path / "png" / "000000000009.png")
    with pytest.raises(ProblemError, match="got mode L"):
        list(
            open_source("coco-panoptic", file, masks=tmp_path / "png", images=tmp_path / "val2017")
        )


def test_masks_of_another_size(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, ids: np.ndarray
) -> None:
    picture("val2017/000000000009.jpg")
    save_ids(tmp_path / "png" / "000000000009.png", np.kron(ids, np.ones((2, 2), int)))
    file = write_json("panoptic_val2017.json", panoptic(segment(CAT, 17)))
    options = {"problems": "skip", "images": tmp_path / "val2017", "masks": tmp_path / "png"}
    source = open_source("coco-panoptic", file, **options)
    assert list(source) == []
    assert "16 x 12 pixels" in source.problems[0].what
    assert len(list(open_source("coco-panoptic", file, resize_masks=True, **options))) == 1


def test_ids_use_all_three_channels(tmp_path: Path) -> None:
    save_ids(tmp_path / "a.png", np.array([[SKY, 0xFFFFFF], [0, 256]]))
    assert decode_id_map(tmp_path / "a.png").tolist() == [[SKY, 0xFFFFFF], [0, 256]]
