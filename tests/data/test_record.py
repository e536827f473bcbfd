from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from finecaption.data.record import compact_rle, from_record, to_record
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.types import RegionSample

MASK = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], bool)
RECORD: dict[str, Any] = {
    "image": "d/ä.png", "width": 4, "height": 3, "task": "aarc", "text": "It is red.",
    "mask": masks.encode_rle(MASK), "attribute": "Color", "image_id": "ä", "region_id": "7",
    "split": "val", "source": "own", "licence": "CC BY 4.0", "prompt": "What colour?",
}  # fmt: skip


def test_there_and_back() -> None:
    sample = from_record(RECORD)
    assert (sample.size, sample.licence, sample.prompt) == ((4, 3), "CC BY 4.0", "What colour?")
    assert to_record(sample) == RECORD
    json.dumps(to_record(sample))


def test_defaults_are_left_out() -> None:
    sample = RegionSample("a.png", (4, 3), "cgic", "A thing.")
    assert list(to_record(sample)) == ["image", "width", "height", "task", "text"]
    assert to_record(from_record(to_record(sample))) == to_record(sample)


def test_every_form_of_mask_gives_a_string_of_counts() -> None:
    rle = masks.encode_rle(MASK)
    as_bytes = {"size": (3, 4), "counts": rle["counts"].encode()}
    for form in (MASK, rle, as_bytes, masks.encode_rle_counts(MASK)):
        assert compact_rle(form) == rle


def test_paths_relative_to_a_folder(tmp_path: Any) -> None:
    sample = from_record(RECORD, tmp_path)
    assert sample.image == str(tmp_path / "d" / "ä.png")
    assert to_record(sample, tmp_path / "out")["image"] == "../d/ä.png"
    with pytest.raises(InputError, match="image: is an array"):
        to_record(RegionSample(np.zeros((3, 4, 3), np.uint8), (4, 3), "cgic", "x"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": None}, "text: must be text"),
        ({"image": 3}, "image: must be the path"),
        ({"image_id": 3}, "image_id: must be text"),
        ({"colour": "red"}, "colour: is not a field"),
        ({"width": "4"}, r"size: must be \(width, height\)"),
        ({"task": "vqa"}, "task: must be one of"),
        ({"mask": "rle"}, "mask: must be COCO RLE"),
    ],
)
def test_unusable_records_name_the_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_record({**RECORD, **changes})


def test_missing_fields() -> None:
    with pytest.raises(InputError, match="height: is missing"):
        from_record({k: v for k, v in RECORD.items() if k != "height"})
    with pytest.raises(InputError, match="must be a JSON object; got list"):
        from_record([])
