from __future__ import annotations

from pathlib import Path

import numpy as np

from finecaption.data.sources import open_source
from finecaption.io import masks

from .conftest import MakePicture, WriteJson
from .test_coco_panoptic import CAT, SKY, panoptic, save_ids, segment


def test_pix2cap_on_the_panoptic_files_of_coco(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("train2017/000000000009.jpg")
    save_ids(tmp_path / "panoptic_train2017" / "000000000009.png", np.where(mask, CAT, SKY))
    cat = segment(CAT, 17, description="A cat with a tail.")
    write_json(
        "annotations/pix2cap_coco_train.json",
        panoptic(segment(SKY, 187, description=""), cat, segment(3, 17, description="x")),
    )
    source = open_source("pix2cap", tmp_path, split="train", problems="skip", deep=True)
    (found,) = source
    assert (found.task, found.text, found.split) == ("rdc", "A cat with a tail.", "train2017")
    assert np.array_equal(found.region().mask, mask)
    assert source.counts["regions without caption passed over"] == 1
    assert [p.field for p in source.problems] == ["id"]


def test_segments_with_a_mask_of_their_own(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("000000000009.jpg")
    cat = segment(CAT, 17, caption=["A cat.", "Ein Kätzchen."], segmentation=masks.encode_rle(mask))
    write_json("pix2cap_coco_val.json", panoptic(cat))
    found = list(open_source("pix2cap", tmp_path, images=tmp_path))
    assert [s.text for s in found] == ["A cat.", "Ein Kätzchen."]
    assert np.array_equal(found[1].region().mask, mask)


def test_annotations_with_captions(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("images/sa_7.jpg")
    rle = masks.encode_rle(mask)
    file = write_json(
        "train.json",
        {
            "images": [{"id": 7, "file_name": "sa_7.jpg", "height": 6, "width": 8}],
            "annotations": [
                {"id": 1, "image_id": 7, "segmentation": rle, "caption": "The left one."},
                {"id": 2, "image_id": 7, "segmentation": rle},
                {"id": 3, "image_id": 7, "caption": "No mask."},
                {"id": 4, "image_id": 7, "segmentation": rle, "caption": 7},
            ],
        },
    )
    source = open_source("ureca", file, problems="skip")
    (found,) = source
    assert (found.text, found.region_id, found.source) == ("The left one.", "1", "ureca")
    assert [(p.record, p.field) for p in source.problems] == [
        ("annotations[1]", "caption"), ("annotations[2]", "segmentation"),
        ("annotations[3]", "caption"),
    ]  # fmt: skip
