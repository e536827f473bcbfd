"""Files in COCO's layout: by `finecaption batch`, and by `finecaption data validate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from .case import Case, Place, command
from .drawing import BOX, POLYGON, TRUTH, coco, described, image, rle

KIND = "COCO files"
_P = [POLYGON]
_XYWH = [40, 30, 60, 60]
_ONE = {"id": 1, "file_name": "pic.png", "width": 160, "height": 120}
_HALF = [[v / 2 for v in POLYGON]]

# annotations, images (None: the usual one), due: regions, or words of batch and of validate
ONE: dict[str, tuple[list[dict[str, Any]], list[Any] | None, Any]] = {
    "polygon": ([{"segmentation": _P}], None, [[TRUTH]]),
    "RLE": ([{"segmentation": rle()}], None, [[TRUTH]]),
    "RLE and a box": ([{"segmentation": rle(), "bbox": _XYWH}], None, [[TRUTH]]),
    "two polygons": ([{"segmentation": _P}, {"segmentation": _P}], None, [[TRUTH, TRUTH]]),
    "iscrowd false": ([{"segmentation": _P, "iscrowd": False}], None, [[TRUTH]]),
    "iscrowd null": ([{"segmentation": _P, "iscrowd": None}], None, [[TRUTH]]),
    "iscrowd the text 0": ([{"segmentation": _P, "iscrowd": "0"}], None, [[TRUTH]]),
    "iscrowd the text False": ([{"segmentation": _P, "iscrowd": "False"}], None, [[TRUTH]]),
    "iscrowd 1": ([{"segmentation": _P, "iscrowd": 1}], None, ("crowd", "crowd")),
    "iscrowd true": ([{"segmentation": rle(), "iscrowd": True}], None, ("crowd", "crowd")),
    "iscrowd the text 1": ([{"segmentation": rle(), "iscrowd": "1"}], None, ("crowd", "crowd")),
    "iscrowd perhaps": ([{"segmentation": _P, "iscrowd": "perhaps"}], None, ("iscrowd", "iscrowd")),
    "iscrowd 2": ([{"segmentation": _P, "iscrowd": 2}], None, ("iscrowd", "iscrowd")),
    "iscrowd a list": ([{"segmentation": _P, "iscrowd": []}], None, ("iscrowd", "iscrowd")),
    "ids as text": ([{"segmentation": _P, "image_id": "1", "category_id": 1}],
                    [{**_ONE, "id": "1"}], [[TRUTH]]),
    "image_id 1.0": ([{"segmentation": _P, "image_id": 1.0}], None, [[TRUTH]]),
    "image_id as text": ([{"segmentation": _P, "image_id": "1"}], None, ("image_id", "image_id")),
    "image_id of none": ([{"segmentation": _P, "image_id": 7}], None, ("image_id", "image_id")),
    "image_id null": ([{"segmentation": _P, "image_id": None}], None, ("image_id", "image_id")),
    "image_id a list": ([{"segmentation": _P, "image_id": [1]}], None, ("image_id", "image_id")),
    "image_id 1.5": ([{"segmentation": _P, "image_id": 1.5}], None, ("image_id", "image_id")),
    "image id twice": ([{"segmentation": _P}], [_ONE, {**_ONE, "file_name": "other.png"}],
                       ("two images", "two images")),
    "image without an id": ([{"segmentation": _P}], [{"file_name": "pic.png"}], ("id", "id")),
    "image no object": ([{"segmentation": _P}], [7], ("id", "id")),
    "image without a name": ([{"segmentation": _P}], [{"id": 1}], ("file_name", "file_name")),
    "image name a number": ([{"segmentation": _P}], [{**_ONE, "file_name": 5}],
                            ("file_name", "file_name")),
    "image not there": ([{"segmentation": _P}], [{**_ONE, "file_name": "none.png"}],
                        ("none.png", "none.png")),
    "image with backslashes": ([{"segmentation": _P}], [{**_ONE, "file_name": "images\\pic.png"}],
                               ("no such image", "no such image")),
    "half the size, scaled": ([{"segmentation": _HALF}], [{**_ONE, "width": 80, "height": 60}],
                              [[TRUTH]]),
    "twice the size, scaled": ([{"segmentation": [[2 * v for v in POLYGON]]}],
                               [{**_ONE, "width": 320, "height": 240}], [[TRUTH]]),
    "another shape": ([{"segmentation": _P}], [{**_ONE, "width": 120, "height": 160}],
                      ("120", "120")),
    "width 0": ([{"segmentation": _P}], [{**_ONE, "width": 0}], ("size", "size")),
    "width as text": ([{"segmentation": _P}], [{**_ONE, "width": "160"}], ("size", "size")),
    "width of 10^9": ([{"segmentation": _P}], [{**_ONE, "width": 10**9, "height": 10**9}],
                      ("pixels", "pixels")),
    "only a width": ([{"segmentation": _P}], [{"id": 1, "file_name": "pic.png", "width": 160}],
                     ("size", "size")),
    "no size": ([{"segmentation": _P}], [{"id": 1, "file_name": "pic.png"}], [[TRUTH]]),
    "nothing in the segmentation": ([{"segmentation": []}], None, ("segmentation", "segmentation")),
    "segmentation of an empty ring": ([{"segmentation": [[]]}], None, ("region", "segmentation")),
    "segmentation text": ([{"segmentation": "abc"}], None, ("region", "segmentation")),
    "segmentation a number": ([{"segmentation": 7}], None, ("region", "segmentation")),
    "rings that overlap, nested": ([{"segmentation": [[POLYGON, [60, 50, 80, 50, 80, 70, 60, 70]]]}],
                                   None, ("hole", "hole")),
    "polygon in fractions": ([{"segmentation": [[0.2, 0.2, 0.6, 0.2, 0.6, 0.7]]}], None,
                             ("fractions", "fractions")),
    "polygon of 4 numbers": ([{"segmentation": [list(BOX)]}], None, ("vertices", "vertices")),
    "RLE of the sides swapped": ([{"segmentation": rle(TRUTH.T)}], None, ("160", "160")),
    "RLE that is short": ([{"segmentation": {"size": [120, 160], "counts": [5]}}], None,
                          ("add up", "add up")),
    "RLE text that is broken": ([{"segmentation": {"size": [120, 160], "counts": "o~"}}], None,
                                ("broken", "broken")),
    "RLE without a pixel": ([{"segmentation": {"size": [120, 160], "counts": [19200]}}], None,
                            ("empty", "empty")),
    "Label Studio's RLE": ([{"segmentation": {"rle": [1], "format": "rle"}}], None, ("", "RLE")),
}  # fmt: skip

BOXES: dict[str, tuple[Any, Any]] = {
    "box": (_XYWH, [[(BOX, ())]]), "box of text": (["40", "30", "60", "60"], [[(BOX, ())]]),
    "box in fractions": ([0.25, 0.25, 0.375, 0.5], "fractions"),
    "box of three": ([40, 30, 60], "bbox"), "box of width 0": ([40, 30, 0, 60], "positive"),
    "box of negative width": ([40, 30, -5, 60], "positive"), "box of words": (list("abcd"), "bbox"),
    "box outside": ([500, 500, 9, 9], "outside"), "box a text": ("40,30,60,60", "bbox"),
    "box a number": (7, "bbox"), "box null in it": ([40, None, 60, 60], "bbox"),
    "box an object": ({"x": 1}, "bbox"), "box NaN": ([float("nan"), 30, 60, 60], "bbox"),
}  # fmt: skip

FILES: dict[str, tuple[str, str]] = {
    "nothing": ("", "JSON"), "half": ('{"images": [{"id": 1', "JSON"), "null": ("null", "images"),
    "a list": ("[]", "images"), "an object of nothing": ("{}", "images"),
    "images an object": ('{"images": {}}', "images"), "images null": ('{"images": null}', "images"),
    "no image": ('{"images": [], "annotations": []}', "images"),
    "more after the end": ('{"images": []} {}', "JSON"), "deep": ("[" * 100_000, "JSON"),
    "a key without quotes": ("{images: []}", "JSON"), "NUL": ("\0" * 50, "JSON"),
}  # fmt: skip


def _batch(annotations: Any, images: Any, place: Place) -> list[Any]:
    coco(place.folder, annotations, images)
    return described("coco.json")


def _validate(annotations: Any, images: Any, place: Place) -> str:
    coco(place.folder, annotations, images)
    command("data", "validate", "coco.json", "--from", "coco-instances", refuses=1)
    return "sound"


def _file(text: str, way: str, place: Place) -> Any:
    image().save("pic.png")
    (place.folder / "coco.json").write_text(text)
    if way == "batch":
        return described("coco.json")
    return command("data", "validate", "coco.json", "--from", "coco-instances", refuses=1)


def _same_base(place: Place) -> list[Any]:
    entries = [{**_ONE, "id": at, "file_name": f"cam{at}/pic.png"} for at in (1, 2)]
    coco(place.folder, [{"segmentation": _P}], entries)
    return described("coco.json")


def cases() -> Iterator[Case]:
    """All of this file."""
    for name, (entries, images, due) in ONE.items():
        words = due if isinstance(due, tuple) else (None, None)
        value = None if isinstance(due, tuple) else due
        run = partial(_batch, entries, images)
        yield Case(KIND, f"{name}, batch", run, value, words[0])
        run = partial(_validate, entries, images)  # type: ignore[assignment] # another return type
        yield Case(KIND, f"{name}, validate", run, "sound", words[1])
    for name, (box, due) in BOXES.items():
        for without in ({}, {"segmentation": []}, {"segmentation": None}):
            label = f"{name}, batch, {json.dumps(without)}"
            run = partial(_batch, [{"bbox": box, **without}], None)
            word = due if isinstance(due, str) else None
            yield Case(KIND, label, run, None if word else due, word)
    for name, (text, word) in FILES.items():
        for way in ("batch", "validate"):
            yield Case(KIND, f"file: {name}, {way}", partial(_file, text, way), word=word)
    yield Case(KIND, "two images of one base name", _same_base, word="cam1/pic.png")
