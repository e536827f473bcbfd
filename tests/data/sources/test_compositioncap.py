from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source
from finecaption.io import masks
from finecaption.io.compressed_masks import encode_base64_gzip
from finecaption.types import RegionSample

from .conftest import MakePicture, WriteJson

HAIR = "Short brown hair, beside the dog (entity_id_3)."


def told(samples: Any) -> list[tuple[str, str | None, str, str | None]]:
    return [(s.task, s.attribute, s.text, s.region_id) for s in samples]


EXPECTED = [("aarc", "Hair", HAIR, "2"), ("rdc", None, "A boy.", "2")]


def layouts(packed: str, mask: np.ndarray) -> dict[str, Any]:
    """One picture with one entity, in every layout that is understood."""
    hair = {"Hair": HAIR}
    size = {"height": 6, "width": 8}
    entity = {"entity_id": 2, "mask": packed, "attributes": hair, "dense_caption": "A boy."}
    flat = {"id": 2, "segmentation": packed, "hair": HAIR, "caption": "A boy."}
    listed = {
        "Entity-ID": "2", "Mask": packed, "detailed_caption": "A boy.",
        "attribute_captions": [{"attribute": "hair style", "caption": HAIR}],
    }  # fmt: skip
    by_image = {"image_id": 9, "file_name": "ü.jpg", **size, "entities": [entity]}
    coco = {"id": 2, "image_id": 9, "mask": packed, "attributes": hair, "caption": "A boy."}
    rows = [
        {"image": "ü.jpg", "region_id": 2, "mask": packed, "attribute": "hair", "caption": HAIR},
        {"image": "ü.jpg", "region_id": 2, "mask": packed, "caption": "A boy."},
    ]
    return {
        "list of images": [by_image],
        "no size": [{"image": "ü.jpg", "entities": [entity]}],
        "bare name": [{"image_id": "ü", "objects": [entity]}],
        "flat entity": [{"image": "data/ü.jpg", "regions": [flat]}],
        "attributes as list": [{"image": "ü.jpg", "annotations": [listed]}],
        "entities by id": [{"image": "ü.jpg", "entities": {"2": {**entity, "entity_id": 2}}}],
        "entities by key": [{"image": "ü.jpg", "masks": {"2": {"mask": packed, **hair,
                                                               "dense": "A boy."}}}],
        "list of entities": [{"image": "ü.jpg", **size, **entity}],
        "a row an attribute": rows,
        "by image": {"ü.jpg": {"entities": [entity]}},
        "entities by picture": {"ü.jpg": [entity]},
        "under data": {"info": {"version": 1}, "data": [by_image]},
        "by picture under data": {"test": {"ü.jpg": {"entities": [entity]}}},
        "coco": {"images": [{"id": 9, "file_name": "ü.jpg", **size}], "annotations": [coco]},
        "coco, images last": {"annotations": [coco], "images": [{"id": 9, "file_name": "ü.jpg"}]},
        "images with entities": {"images": [by_image]},
        "rle": [{"image": "ü.jpg", "entities": [{**entity, "mask": masks.encode_rle(mask)}]}],
        "rows": [{"image": "ü.jpg", "entities": [{**entity, "mask": mask.astype(int).tolist()}]}],
        "polygons": [{"image": "ü.jpg", "entities": [
            {**entity, "mask": masks.encode_polygons(mask)}]}],
        "mask with its size": [{"image": "ü.jpg", "entities": [
            {**entity, "mask": {"data": packed, **size}}]}],
        "mask in an object": [{"image": "ü.jpg", "entities": [
            {**entity, "mask": {"base64": packed}}]}],
        "mask in a file": [{"image": "ü.jpg", "entities": [{**entity, "mask": "m.png"}]}],
    }  # fmt: skip


CASES = [
    pytest.param(name, lines, id=f"{name}{', lines' if lines else ''}")
    for name, value in layouts("", np.ones((6, 8), bool)).items()
    for lines in (False, True)
    if not lines or isinstance(value, list)
]


@pytest.mark.parametrize(("name", "lines"), CASES)
def test_every_layout(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray, name: str,
    lines: bool,
) -> None:  # fmt: skip
    picture("ü.jpg")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "m.png").write_bytes(masks.encode_png(mask))
    value = layouts(encode_base64_gzip(mask), mask)[name]
    if not lines:
        file = write_json("CompositionCap_test.json", value)
    else:
        file = tmp_path / "CompositionCap_test.jsonl"
        file.write_text("\n".join(json.dumps(record) for record in value), "utf-8")
    source = open_source("compositioncap", file, deep=True)
    found = list(source)
    assert told(found) == EXPECTED
    for sample in found:
        assert np.array_equal(sample.region().mask, mask)
        assert (sample.split, sample.source) == ("test", "compositioncap")
    assert source.counts["attribute 'Hair'"] == 1
    assert any(count.startswith("mask from ") for count in source.counts)
    assert told(open_source("compositioncap", file, cross_references=False))[0][2] == (
        "Short brown hair, beside the dog."
    )


def entity(region: np.ndarray, **changes: Any) -> dict[str, Any]:
    return {
        "entity_id": "1", "mask": encode_base64_gzip(region),
        "attributes": {"Hair": "Brown."}, **changes,
    }  # fmt: skip


def test_it_says_what_it_recognised(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("a.jpg")
    attributes = {"Number of Wheels": "Four.", "colour": ["Red.", "Also blue.", ""], "Age": None}
    file = write_json(
        "all.json",
        [
            {
                "image": "a.jpg", "split": "val", "licence": "CC0", "annotator": "x",
                "global_caption": "A street.",
                "entities": [entity(mask, attributes=attributes, score=1, bbox=[1, 1, 2, 2]),
                             {"mask": encode_base64_gzip(mask)}],
            }
        ],
    )  # fmt: skip
    source = open_source("compositioncap", file)
    found = list(source)
    assert told(found) == [
        ("cgic", None, "A street.", None),
        ("aarc", "Number of Wheels", "Four.", "1"),
        ("aarc", "Color", "Red.", "1"),
        ("aarc", "Color", "Also blue.", "1"),
    ]
    assert {(s.split, s.licence, s.image_id) for s in found} == {("val", "CC0", "a")}
    assert source.counts == {
        "picture from 'image'": 1,
        "global caption from 'global_caption'": 1,
        "entities from 'entities'": 1,
        "mask from 'mask' (base64-gzip)": 2,
        "unknown attribute 'Number of Wheels'": 1,
        "attribute 'Color'": 2,
        "empty captions passed over": 2,
        "entities without captions passed over": 1,
        "key 'annotator' passed over": 1,
        "key 'score' passed over": 1,
        "samples of cgic": 1,
        "samples of aarc": 3,
    }
    assert list(open_source("compositioncap", file, split="test")) == []
    assert len(list(open_source("compositioncap", file, split="val"))) == 4


def test_what_is_wrong_is_named(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("a.jpg")
    wrong = [
        entity(mask),
        entity(mask, mask="not base64!"),
        entity(mask, mask=encode_base64_gzip(np.ones((6, 9), bool))),
        entity(mask & False),
        entity(mask, attributes={"Hair": 7}),
        entity(mask, attributes={"": "x"}),
        entity(mask, attributes=[{"foo": 1}]),
        {"entity_id": 3, "attributes": {"Hair": "Brown."}},
        "entity",
        entity(mask, mask=None),
        entity(mask, mask="none.png"),
        entity(mask, mask={"foo": 1}),
    ]
    file = write_json(
        "train.json",
        [
            {"image": "a.jpg", "entities": wrong},
            {"image": "none.jpg", "entities": wrong},
            {"entities": wrong},
            {"image": "a.jpg", "foo": 1},
            {"image": "a.jpg", "entities": 7},
            [1],
            {"image": "a.jpg", "caption": 7},
            {"image": "a.jpg", "height": "6", "width": 8, "entities": wrong},
        ],
    )
    with pytest.raises(
        ProblemError, match=r"train\.json: \[0\]\.entities\[1\]: mask: is not base64"
    ):
        list(open_source("compositioncap", file))
    source = open_source("compositioncap", file, problems="skip")
    assert told(source) == [("aarc", "Hair", "Brown.", "1")]
    assert [(p.record, p.field) for p in source.problems] == [
        ("[0].entities[1]", "mask"), ("[0].entities[2]", "mask"), ("[0].entities[3]", "mask"),
        ("[0].entities[4]", "attributes[Hair]"), ("[0].entities[5]", "attribute"),
        ("[0].entities[6]", "attributes[0]"), ("[0].entities[7]", "mask"),
        ("[0].entities[8]", ""), ("[0].entities[9]", "mask"), ("[0].entities[10]", "mask"),
        ("[0].entities[11]", "mask"),
        ("[1]", "image"), ("[2]", "image"), ("[3]", ""), ("[4]", "entities"), ("[5]", ""),
        ("[6]", "caption"), ("[7]", "size"),
    ]  # fmt: skip
    assert "more bytes where 6 x 8 = 48 belong" in source.problems[1].what


def test_masks_of_another_size_are_fitted_where_their_size_is_known(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("a.jpg")
    double = np.kron(mask, np.ones((2, 2))).astype(bool)
    packed = {"data": encode_base64_gzip(double), "width": 16, "height": 12}
    file = write_json("train.json", [{"image": "a.jpg", "entities": [entity(mask, mask=packed)]}])
    with pytest.raises(ProblemError, match="mask: is 16 x 12 pixels, but the image is 8 x 6"):
        list(open_source("compositioncap", file))
    (found,) = open_source("compositioncap", file, resize_masks=True)
    assert isinstance(found, RegionSample)
    assert np.array_equal(found.region().mask, mask)


def test_files_of_a_folder_by_split(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson, mask: np.ndarray
) -> None:
    picture("images/a.jpg")
    for name in ("cap_train.json", "cap_test.json"):
        write_json(name, [{"image": "a.jpg", "entities": [entity(mask)]}])
    assert {s.split for s in open_source("compositioncap", tmp_path)} == {"train", "test"}
    assert [s.split for s in open_source("compositioncap", tmp_path, split="test")] == ["test"]
