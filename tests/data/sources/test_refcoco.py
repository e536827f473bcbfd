from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source
from finecaption.data.sources.safe_pickle import load_plain_pickle
from finecaption.errors import InputError
from finecaption.io import masks

from .conftest import MakePicture, WriteJson

NAME = "COCO_train2014_000000581857.jpg"


def ref(number: int, split: str = "train", **changes: Any) -> dict[str, Any]:
    sentences = [
        {"tokens": ["the", "lady"], "raw": "THE LADY ", "sent_id": 0, "sent": "the lady"},
        {"tokens": ["woman"], "raw": "", "sent_id": 1, "sent": "wömen"},
    ]
    return {
        "sent_ids": [0, 1], "file_name": "COCO_train2014_000000581857_16.jpg", "ann_id": 1719310,
        "ref_id": number, "image_id": 581857, "split": split, "sentences": sentences,
        "category_id": 1, **changes,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, picture: MakePicture, write_json: WriteJson) -> Path:
    picture(f"images/mscoco/images/train2014/{NAME}")
    polygons = [[1, 1, 4, 1, 4, 3, 1, 3], [5, 4, 7, 4, 7, 6, 5, 6]]
    write_json(
        "refcoco/instances.json",
        {
            "info": {}, "licenses": [],
            "annotations": [
                {"id": 1719310, "image_id": 581857, "category_id": 1, "iscrowd": 0,
                 "bbox": [1, 1, 6, 5], "segmentation": polygons, "area": 10},
                {"id": 5, "image_id": 581857, "segmentation": [[1, 1, 4]]},
            ],
            "images": [{"id": 581857, "file_name": NAME, "width": 8, "height": 6}],
            "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
        },
    )  # fmt: skip
    return tmp_path / "refcoco"


def save(folder: Path, refs: object, name: str = "unc", protocol: int = 2) -> Path:
    path = folder / f"refs({name}).p"
    path.write_bytes(pickle.dumps(refs, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_the_published_layout(folder: Path, mask: np.ndarray, protocol: int) -> None:
    save(folder, [ref(1), ref(2, "testA")], protocol=protocol)
    found = list(open_source("refcoco", folder, deep=True))
    assert [(s.text, s.region_id, s.split) for s in found] == [
        ("THE LADY", "1", "train"), ("wömen", "1", "train"),
        ("THE LADY", "2", "testA"), ("wömen", "2", "testA"),
    ]  # fmt: skip
    assert {(s.task, s.attribute, s.source) for s in found} == {
        ("aarc", "Referring Expression", "refcoco")
    }
    assert np.array_equal(found[0].region().mask, mask)  # several polygons
    source = open_source("refcoco", folder, split="testA", attribute="sentence")
    assert {(s.region_id, s.attribute) for s in source} == {("2", "One-Sentence Description")}
    with pytest.raises(ProblemError, match="split: has no 'testB'; it has testA, train"):
        list(open_source("refcoco", folder, split="testB"))


def test_pickles_of_python_2(folder: Path) -> None:
    file = folder / "refs(umd).p"
    # (lp0\n(dp1\nS'split'\np2\nS'w\xc3\xb6'\np3\nsa. : a list of one dict of byte strings
    file.write_bytes(b"(lp0\n(dp1\nS'split'\np2\nS'w\\xc3\\xb6'\np3\nsa.")
    assert load_plain_pickle(file) == [{"split": "wö"}]


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo hacked > hacked.txt",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_pickle_is_refused_unrun(
    folder: Path, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for refs in (Hostile(), [ref(1), {"split": Hostile()}]):
        save(folder, refs, protocol=protocol)
        with pytest.raises(ProblemError, match=r"refs\(unc\)\.p: holds (posix|nt)\.system"):
            list(open_source("refcoco", folder))
    assert not (folder / "hacked.txt").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cbuiltins\neval\n(V1+1\ntR.",
        b"\x80\x02\x82\x01.",  # by the extension registry
        b"(ibuiltins\nlist\n.",  # the old form for instances
        b"Pid\n.",  # a persistent id
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
        pickle.dumps(np.zeros(2)),
        b"\x80\x04]",
        b"",
        b"\x80\x09.",
    ],
)
def test_anything_but_plain_values_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.p"
    file.write_bytes(data)
    with pytest.raises(InputError, match="holds|not a whole pickle"):
        load_plain_pickle(file)


def test_plain_values_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.p"
    value = [{"a": (1, 2.5, None, True), "b": b"x", "c": {1, 2}, "d": 1 << 80}]
    file.write_bytes(pickle.dumps(value))
    assert load_plain_pickle(file) == value
    with pytest.raises(InputError, match="no such file"):
        load_plain_pickle(tmp_path / "b.p")


def test_what_is_wrong_is_named(folder: Path) -> None:
    save(
        folder,
        [
            ref(1),
            ref(2, ann_id=99),
            ref(3, image_id=99),
            ref(4, ann_id=5),
            ref(5, sentences=[]),
            ref(6, sentences=[{"raw": None, "sent": " "}]),
            "ref",
            {"ref_id": 7},
        ],
    )
    source = open_source("refcoco", folder, problems="skip")
    assert len(list(source)) == 2
    assert [(p.record, p.field) for p in source.problems] == [
        ("[1]", "ann_id"), ("[2]", "image_id"), ("[3]", "segmentation[0]"), ("[4]", "sentences"),
        ("[5]", "sentences[0]"), ("[6]", "ref_id"), ("[7]", "ann_id"),
    ]  # fmt: skip
    (folder / "instances.json").unlink()
    source = open_source("refcoco", folder, problems="skip")
    assert list(source) == []
    assert [Path(p.file).name for p in source.problems] == ["instances.json"]
    with pytest.raises(InputError, match=r"has no refs\(google\)\.p"):
        list(open_source("refcoco", folder, split_by="google"))
    with pytest.raises(InputError, match="one of unc, umd, google"):
        open_source("refcoco", folder, split_by="other")


def test_masks_of_another_size(folder: Path, write_json: WriteJson) -> None:
    rle = masks.encode_rle(np.ones((3, 3), bool))
    write_json(
        "refcoco/instances.json",
        {"images": [{"id": 581857, "file_name": NAME}],
         "annotations": [{"id": 1719310, "segmentation": rle}]},
    )  # fmt: skip
    save(folder, [ref(1)])
    with pytest.raises(ProblemError, match="segmentation: is 3 x 3 pixels, but the image is 8"):
        list(open_source("refcoco", folder))
