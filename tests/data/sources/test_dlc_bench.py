from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finecaption.data.sources import open_source
from finecaption.errors import InputError
from finecaption.io import masks

from .conftest import MakePicture, WriteJson


def test_the_published_layout(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("images/objects365_v2_00912042.jpg")
    rle = masks.encode_rle(mask)
    common = {"image_id": 912042, "iscrowd": 0, "isfake": 0, "area": 10.0, "category_id": 120}
    write_json(
        "annotations.json",
        {
            "images": [{"id": 912042, "file_name": "objects365_v2_00912042.jpg", "height": 6,
                        "width": 8}],
            "annotations": [
                {"id": 279135, "segmentation": rle, "frequency": "R", "size": "L", **common},
                {"id": 279136, "bbox": [1, 1, 2, 2], **common},
                {"id": 279137, "segmentation": rle, **common},
                {"id": 279138, "segmentation": rle, **{**common, "category_id": 5}},
            ],
            "categories": [{"id": 120, "name": "Cosmetics"}],
        },
    )  # fmt: skip
    write_json("class_names.json", {"279135": "lipstick"})
    write_json("qa.json", {"279135": [{"question": "Is it red?", "choices": [["Yes", 1]]}]})
    source = open_source("dlc-bench", tmp_path, problems="skip", deep=True)
    named, by_category = source
    assert (named.text, named.region_id, named.split) == ("lipstick", "279135", "test")
    assert (named.task, named.attribute) == ("aarc", "Category Name")
    assert np.array_equal(named.region().mask, mask)
    assert by_category.text == "Cosmetics"
    assert source.counts["annotations without mask passed over"] == 1
    assert [(p.record, p.field) for p in source.problems] == [("annotations[3]", "category_id")]
    assert source.questions()["279135"][0]["question"] == "Is it red?"
    asked = next(iter(open_source("dlc-bench", tmp_path, task="rdc")))
    assert asked.instruction() == "Describe this region: in detail."
    (tmp_path / "qa.json").unlink()
    with pytest.raises(InputError, match=r"qa\.json: no such file"):
        source.questions()
    with pytest.raises(InputError, match="aarc or rdc"):
        open_source("dlc-bench", tmp_path, task="cgic")
