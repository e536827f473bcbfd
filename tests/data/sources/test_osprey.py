from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from finecaption.data.sources import open_source
from finecaption.io import masks

from .conftest import MakePicture, WriteJson

POLYGONS = [[1, 1, 4, 1, 4, 3, 1, 3], [5, 4, 7, 4, 7, 6, 5, 6]]


def talk(*said: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(said)]


def record(*said: str, regions: int = 2, **changes: Any) -> dict[str, Any]:
    return {
        "id": "c1", "file_name": "COCO_train2014_000000000009.jpg", "height": 6, "width": 8,
        "annotation": [{"segmentation": POLYGONS, "bbox": [1, 1, 6, 5]}] * regions,
        "conversations": talk(*said), **changes,
    }  # fmt: skip


def test_conversations(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("train2017/000000000009.jpg")
    write_json(
        "osprey_conversation.json",
        [
            record(
                "<image>\nWhat is <region2>?", "<region2> is a cat. The <region2> is grey.",
                "Is <region1> beside <region2>?", "Yes.",
                "What time is it?", "Noon.",
            ),
            record("What colour?", "Grün.", regions=1,
                   annotation=[{"segmentation": masks.encode_rle(mask)}]),
        ],
    )  # fmt: skip
    source = open_source("osprey", tmp_path, deep=True)
    first, second = source
    assert (first.task, first.region_id) == ("rdc", "2")
    assert first.instruction() == "What is the region?"
    assert first.text == "The region is a cat. The region is grey."
    assert np.array_equal(first.region().mask, mask)
    assert (second.region_id, second.prompt, second.text) == ("1", "What colour?", "Grün.")
    assert np.array_equal(second.region().mask, mask)
    assert source.counts["turns on several regions passed over"] == 1
    assert source.counts["turns on no region passed over"] == 1


def test_detailed_descriptions(tmp_path: Path, picture: MakePicture, write_json: WriteJson) -> None:
    picture("images/COCO_train2014_000000000009.jpg")
    told = record(description=["<region1>: A cat.\nIt sits.", "<region2>: A dog."])
    del told["conversations"]
    write_json("osprey_detail_description.json", [told])
    first, second = open_source("osprey", tmp_path)
    assert (first.text, first.prompt, first.region_id) == ("A cat.\nIt sits.", None, "1")
    assert (second.text, second.region_id) == ("A dog.", "2")


def test_what_is_wrong_is_named(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson
) -> None:
    picture("train2017/000000000009.jpg")
    good = ("What is <region1>?", "A cat.")
    write_json(
        "osprey_short_form.json",
        [
            record(*good),
            record("What is <region3>?", "A cat."),
            record(*good, annotation=[{"segmentation": [[1, 1]]}]),
            record(*good, file_name="COCO_train2014_1.jpg"),
            record(*good, file_name="none.jpg"),
            record(*good, conversations=[]),
            record(*good, annotation="x"),
            record(description=["A cat."]),
            {"file_name": "x.jpg"},
            record(*good, height=7),
        ],
    )
    source = open_source("osprey", tmp_path, problems="skip", deep=True)
    assert len(list(source)) == 1
    assert [(p.record, p.field) for p in source.problems] == [
        ("[1]", "annotation"), ("[2]", "annotation[0].segmentation[0]"), ("[3]", "file_name"),
        ("[4]", "file_name"), ("[5]", "conversations"), ("[6]", "annotation"),
        ("[7]", "description[0]"), ("[8]", "annotation"), ("[9]", "size"),
    ]  # fmt: skip
