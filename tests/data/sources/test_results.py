"""Results of our own runs, read back as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.data.opening import guess_format, open_data
from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source
from finecaption.io import masks

from .conftest import MakePicture


def result(region: np.ndarray, **changes: Any) -> dict[str, Any]:
    found = {
        "id": "a.png",
        "image": "in/a.png",
        "width": 8,
        "height": 6,
        "regions": [
            {
                "id": "7",
                "mask": masks.encode_rle(region),
                "captions": {"Color": "It is red.", "Hair": "It has no hair."},
                "dense": "A red thing.",
            }
        ],
        "global": "A scene.",
    }
    return {**found, **changes}


def told(source: Any) -> list[tuple[str, str | None, str, str | None]]:
    return [(s.task, s.attribute, s.text, s.region_id) for s in source]


EXPECTED = [
    ("aarc", "Color", "It is red.", "7"),
    ("aarc", "Hair", "It has no hair.", "7"),
    ("rdc", None, "A red thing.", "7"),
    ("cgic", None, "A scene.", None),
]


def test_a_result_gives_a_sample_per_answer(
    tmp_path: Path, picture: MakePicture, mask: np.ndarray
) -> None:
    picture("in/a.png")
    file = tmp_path / "r.jsonl"
    file.write_text(json.dumps(result(mask)) + "\n")
    assert guess_format(file) == "results"
    samples = list(open_data(file, deep=True))
    assert told(samples) == EXPECTED
    assert (samples[0].region().mask == mask).all() and samples[0].image_id == "a.png"


def test_a_coco_file_of_a_run_gives_the_same(
    tmp_path: Path, picture: MakePicture, mask: np.ndarray
) -> None:
    picture("in/a.png")
    region = result(mask)["regions"][0]
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "region": "7", **region}
    annotation["segmentation"] = annotation.pop("mask")
    file = tmp_path / "r.coco.json"
    image = {"id": 1, "file_name": "a.png", "width": 8, "height": 6, "caption": "A scene."}
    info = {"description": "regions described by finecaption"}
    file.write_text(json.dumps({"info": info, "images": [image], "annotations": [annotation]}))
    assert guess_format(file) == "results-coco"
    assert told(open_data(file, images=tmp_path / "in", deep=True)) == EXPECTED


def test_images_are_found_from_where_the_run_was_started(
    tmp_path: Path, picture: MakePicture, mask: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture("in/a.png")
    (tmp_path / "out").mkdir()
    file = tmp_path / "out/r.jsonl"
    file.write_text(json.dumps(result(mask)) + "\n")
    with pytest.raises(ProblemError, match=r"image: in/a.png: no such image"):
        list(open_data(file))
    monkeypatch.chdir(tmp_path)
    assert len(list(open_data(file))) == 4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"regions": None}, "regions: is missing"),
        ({"regions": ["x"]}, r"regions\[0\]: must be an object"),
        ({"width": 9}, "the image a.png is 8 x 6 pixels, but the record is for 9 x 6"),
        ({"regions": [{"captions": {"Color": "Red."}}]}, r"regions\[0\].mask"),
    ],
)
def test_what_is_no_result_is_named(
    tmp_path: Path, picture: MakePicture, mask: np.ndarray, changes: Any, says: str
) -> None:
    picture("in/a.png")
    file = tmp_path / "r.jsonl"
    file.write_text(json.dumps(result(mask, **changes)) + "\n")
    with pytest.raises(ProblemError, match=says):
        list(open_source("results", file))


def test_captions_that_are_no_object_are_named(
    tmp_path: Path, picture: MakePicture, mask: np.ndarray
) -> None:
    picture("in/a.png")
    wrong = result(mask)
    wrong["regions"][0]["captions"] = ["It is red."]
    file = tmp_path / "r.jsonl"
    file.write_text(json.dumps(wrong) + "\n")
    with pytest.raises(ProblemError, match=r"regions\[0\].captions: must be an object"):
        list(open_source("results", file))


def test_other_json_lines_are_not_taken_for_results(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    text = 'It says "regions".'
    file.write_text(json.dumps({"image": "a.png", "task": "cgic", "text": text}) + "\n")
    assert guess_format(file) == "jsonl"
    (tmp_path / "cc.json").write_text('[{"image": "a.png", "entities": []}]')
    assert guess_format(tmp_path / "cc.json") == "compositioncap"
