"""Every reader, with each value of its files wrong in turn: a problem or a pass, never a crash."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.data.sources import open_source
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.compressed_masks import encode_base64_gzip

from . import test_coco, test_coco_panoptic, test_grand, test_osprey, test_refcoco
from .conftest import MakePicture

WRONG = (None, [], {}, [[]], True, -1, 1e400, "", "\0", "x", 10**30, {"a": 1}, [1, "x"])
SEVERAL = 13  # every place and every value, but only this part of the pairs


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within a value."""
    if path:
        yield path
    if isinstance(value, dict | list):
        inside = list(value.items() if isinstance(value, dict) else enumerate(value))
        if all(isinstance(inner, int | float) for _, inner in inside):
            inside = inside[:2]  # of coordinates and counts, two are as good as all
        for key, inner in inside:
            yield from places(inner, (*path, key))


def broken(value: Any) -> Iterator[Any]:
    """Copies of a value with one thing in it wrong, or gone."""
    for number, path in enumerate(places(value)):
        for wrong in (*WRONG[number % SEVERAL :: SEVERAL], KeyError):
            changed = copy.deepcopy(value)
            owner = changed
            for key in path[:-1]:
                owner = owner[key]
            if wrong is KeyError:
                del owner[path[-1]]
            else:
                owner[path[-1]] = wrong
            yield changed


Case = tuple[str, str, Callable[[np.ndarray], Any]]


def compositioncap(mask: np.ndarray) -> Any:
    entity = {
        "entity_id": "1", "mask": encode_base64_gzip(mask),
        "attributes": {"Hair": "Brown.", "Color": ["Red."]}, "dense_caption": "A boy.",
    }  # fmt: skip
    listed = {"mask": masks.encode_rle(mask), "attributes": [{"name": "Hair", "text": "Brown."}]}
    return [
        {"image": "a.jpg", "height": 6, "width": 8, "caption": "A.", "entities": [entity, listed]},
        {"image": "a.jpg", "mask": {"data": entity["mask"], "height": 6, "width": 8}, "hair": "B."},
    ]  # fmt: skip


def compositioncap_coco(mask: np.ndarray) -> Any:
    return {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "mask": masks.encode_rle(mask), "hair": "B."}],
        "data": {"a.jpg": [{"mask": masks.encode_rle(mask), "hair": "B."}]},
    }


def named(value: Any) -> Any:
    """Any COCO file, on a.jpg."""
    text = (
        json.dumps(value).replace("000000000009.jpg", "a.jpg").replace(test_refcoco.NAME, "a.jpg")
    )
    return json.loads(text)


def captioned(mask: np.ndarray) -> Any:
    rle = masks.encode_rle(mask)
    segment = {"id": 300, "description": "A cat.", "segmentation": rle}
    data = named(test_coco_panoptic.panoptic(segment, {"id": 300, "caption": ["A cat."]}))
    data["annotations"].append({"id": 1, "image_id": 9, "segmentation": rle, "caption": "A."})
    return data


def visual_genome(mask: np.ndarray) -> Any:
    region = {"region_id": 1, "x": 1, "y": 1, "width": 2, "height": 2, "phrase": "red"}
    return [{"id": "a", "regions": [region, region]}]


CASES: dict[str, Case] = {
    "compositioncap": ("compositioncap", "a.json", compositioncap),
    "compositioncap, coco": ("compositioncap", "a.json", compositioncap_coco),
    "coco-instances": (
        "coco-instances", "instances_x.json",
        lambda mask: named(test_coco.instances(
            test_coco.thing(1, test_coco.POLYGONS),
            test_coco.thing(2, masks.encode_rle(mask)),
            test_coco.thing(3, masks.encode_rle_counts(mask)),
        )),
    ),
    "coco-captions": (
        "coco-captions", "captions_x.json",
        lambda mask: {"images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}],
                      "annotations": [{"image_id": 1, "caption": "A."}]},
    ),
    "coco-panoptic": (
        "coco-panoptic", "panoptic_x.json",
        lambda mask: named(test_coco_panoptic.panoptic(test_coco_panoptic.segment(300, 17))),
    ),
    "pix2cap": ("pix2cap", "pix2cap_coco_x.json", captioned),
    "dlc-bench": (
        "dlc-bench", "annotations.json",
        lambda mask: named(test_coco.instances(test_coco.thing(2, masks.encode_rle(mask)))),
    ),
    "grand": ("grand", "a.json", lambda mask: {"a.jpg": test_grand.record(mask)}),
    "llava-pretrain": (
        "llava-pretrain", "a.json",
        lambda mask: [{"id": "1", "image": "a.jpg", "conversations": test_osprey.talk("A?", "B.")}],
    ),
    "osprey": (
        "osprey", "osprey_x.json",
        lambda mask: [
            test_osprey.record("<region1>?", "B.", file_name="a.jpg"),
            test_osprey.record(file_name="a.jpg", description=["<region1>: A", "<region2>: B"]),
        ],
    ),
    "visual-genome": ("visual-genome", "region_descriptions.json", visual_genome),
    "refcoco refs": (
        "refcoco", "refs(unc).p", lambda mask: [test_refcoco.ref(1), test_refcoco.ref(2)]
    ),
    "jsonl": (
        "jsonl", "a.jsonl",
        lambda mask: {"image": "a.jpg", "width": 8, "height": 6, "task": "aarc", "text": "A.",
                      "attribute": "Hair", "mask": masks.encode_rle(mask), "image_id": "1",
                      "region_id": "2", "split": "a", "source": "b", "licence": "c", "prompt": "d"},
    ),
    "synth": (
        "synth", "annotations.jsonl",
        lambda mask: {"id": "a-1", "image": "a.jpg", "width": 8, "height": 6, "split": "train",
                      "region_id": 1, "mask": masks.encode_rle(mask),
                      "captions": {"aarc": {"Hair": ["Brown."]}, "rdc": "A boy."}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_wrong_values_are_problems(
    case: str, tmp_path: Path, picture: MakePicture, mask: np.ndarray
) -> None:
    name, file_name, make = CASES[case]
    picture("a.jpg")
    test_coco_panoptic.save_ids(tmp_path / "000000000009.png", np.where(mask, 300, 5))
    instances = {
        "images": [{"id": 581857, "file_name": "a.jpg", "width": 8, "height": 6}],
        "annotations": [{"id": 1719310, "segmentation": test_coco.POLYGONS}],
    }
    if name == "refcoco":
        (tmp_path / "instances.json").write_text(json.dumps(instances))
    good = make(mask)
    file = tmp_path / file_name
    seen: set[str] = set()
    for number, value in enumerate([good, *broken(good)]):
        data = pickle.dumps(value) if file.suffix == ".p" else json.dumps(value).encode()
        file.write_bytes(data)
        source = open_source(name, tmp_path, problems="skip", deep=True)
        try:
            samples = list(source)
        except InputError as error:  # nothing of the file can be used
            seen.add(str(error))
            continue
        seen |= {str(problem) for problem in source.problems}
        if number == 0:
            assert samples and not source.problems
        for sample in samples:
            assert sample.text.strip()
            sample.region()
    assert len(seen) > 3
