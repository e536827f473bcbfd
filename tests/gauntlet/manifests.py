"""Manifests and folders for `finecaption batch`: lines that are wrong, files that lie."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .case import Case, Place
from .drawing import BOX, POLYGON, SIZE, TRUTH, described, encoded, gray, image, rle, write_json

LINES, FOLDERS = "manifests", "folders of images"
_MASK = encoded(gray(TRUTH.astype("uint8") * 255))
_GOOD = {"image": "pic.png", "mask": rle()}

WRONG: dict[str, tuple[Any, str]] = {  # a line's object, or its text -> word of the error
    "no object": ([1], "object"), "a number": (17, "object"), "null": (None, "object"),
    "half an object": ('{"image": "pic', "JSON"), "single quotes": ("{'image': 'pic.png'}", "JSON"),
    "two objects": ('{"image": "pic.png"} {"image": "pic.png"}', "JSON"),
    "a comma too many": ('{"image": "pic.png",}', "JSON"),
    "deep lists": ("[" * 100_000, "JSON"), "a number of 5,000 digits": ("9" * 5000, "JSON"),
    "no image": ({"mask": rle()}, "image"), "image null": ({"image": None}, "image"),
    "image a number": ({"image": 7}, "image"), "image a list": ({"image": ["a"]}, "image"),
    "image blank": ({"image": " "}, "image"), "NUL in the image": ({"image": "a\0.png"}, "image"),
    "image not there": ({"image": "none.png"}, "none.png"),
    "image a folder": ({"image": "."}, "folder"),
    "image with backslashes": ({"image": "images\\pic.png"}, "no such file"),
    "image of the web": ({"image": "https://127.0.0.1/x.png"}, "x.png"),
    "image no image": ({"image": "m.jsonl"}, "image"),
    "unknown key": ({"image": "pic.png", "bbox": [1, 2, 3, 4]}, "bbox"),
    "key in capitals": ({"image": "pic.png", "Mask": rle()}, "Mask"),
    "id a list": ({"image": "pic.png", "id": []}, "id"),
    "id true": ({"image": "pic.png", "id": True}, "id"),
    "mask and box": ({"image": "pic.png", "mask": rle(), "box": BOX}, "one of"),
    "mask and polygon": ({"image": "pic.png", "mask": rle(), "polygon": POLYGON}, "one of"),
    "regions and box": ({"image": "pic.png", "regions": [], "box": BOX}, "one of"),
    "regions an object": ({"image": "pic.png", "regions": {}}, "list"),
    "regions of numbers": ({"image": "pic.png", "regions": [1]}, "object"),
    "an empty region": ({"image": "pic.png", "regions": [{}]}, "must have"),
    "region with only an id": ({"image": "pic.png", "regions": [{"id": 1}]}, "must have"),
    "region with unknown key": ({"image": "pic.png", "regions": [{"rle": 1}]}, "rle"),
    "region id a float": ({"image": "pic.png", "regions": [{"id": 1.5, "box": BOX}]}, "id"),
    "mask a number": ({"image": "pic.png", "mask": 5}, "mask"),
    "mask a list": ({"image": "pic.png", "mask": [1]}, "mask"),
    "mask a file that is not there": ({"image": "pic.png", "mask": "none.png"}, "none.png"),
    "mask a text file": ({"image": "pic.png", "mask": "m.jsonl"}, "m.jsonl"),
    "mask of another size": ({"image": "pic.png", "mask": "small.png"}, "160 x 120"),
    "mask without a pixel": ({"image": "pic.png", "mask": "empty.png"}, "empty"),
    "label of RLE": ({"image": "pic.png", "mask": rle(), "label": 1}, "label"),
    "label of a box": ({"image": "pic.png", "box": BOX, "label": 1}, "label"),
    "label that is not there": ({"image": "pic.png", "mask": "mask.png", "label": 9}, "label"),
    "label as text": ({"image": "pic.png", "mask": "mask.png", "label": "255"}, "label"),
    "label a fraction": ({"image": "pic.png", "mask": "mask.png", "label": 0.5}, "label"),
    "label true": ({"image": "pic.png", "mask": "mask.png", "label": True}, "label"),
    "label empty": ({"image": "pic.png", "mask": "mask.png", "label": []}, "label"),
}  # fmt: skip

RIGHT: dict[str, tuple[str | bytes, Any]] = {  # a whole file -> the regions
    "plain": (json.dumps(_GOOD), [[TRUTH]]),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(_GOOD).encode(), [[TRUTH]]),
    "CRLF": (json.dumps(_GOOD) + "\r\n" + json.dumps({**_GOOD, "id": 2}) + "\r\n", [[TRUTH]] * 2),
    "blank lines": ("\n\n" + json.dumps(_GOOD) + "\n \n", [[TRUTH]]),
    "a line separator in a text": (json.dumps({**_GOOD, "meta": "a\u2028b"}, ensure_ascii=False),
                                   [[TRUTH]]),
    "NaN in meta": (json.dumps({**_GOOD, "meta": float("nan")}), [[TRUTH]]),
    "a mask file": (json.dumps({"image": "pic.png", "mask": "mask.png"}), [[TRUTH]]),
    "a label": (json.dumps({"image": "pic.png", "mask": "mask.png", "label": 255}), [[TRUTH]]),
    "two lines of an image": ("\n".join([json.dumps(_GOOD), json.dumps({"image": "pic.png",
                              "box": BOX})]), [[TRUTH, (BOX, ())]]),
    "a region twice": ("\n".join([json.dumps(_GOOD)] * 2), [[TRUTH]]),
    "regions": (json.dumps({"image": "pic.png", "regions": [{"polygon": POLYGON}]}), [[TRUTH]]),
    "no region": (json.dumps({"image": "pic.png"}), [[]]),
    "regions of none": (json.dumps({"image": "pic.png", "regions": []}), [[]]),
}  # fmt: skip

BAD_FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no image"), "blanks": (b"\n \n", "no image"),
    "UTF-16": (json.dumps(_GOOD).encode("utf-16"), "UTF-8"),
    "Latin-1": ('{"image": "é.png"}'.encode("latin-1"), "UTF-8"),
    "NUL bytes": (bytes(200), "JSON"), "an array": (b"[" + json.dumps(_GOOD).encode() + b"]", "object"),
    "pretty-printed": (json.dumps(_GOOD, indent=1).encode(), "JSON"),
    "a PNG": (_MASK, "UTF-8"),
}  # fmt: skip


def _fill(folder: Path) -> None:
    image().save(folder / "pic.png")
    (folder / "mask.png").write_bytes(_MASK)
    gray(TRUTH[::2, ::2].astype("uint8") * 255).save(folder / "small.png")
    gray(0 * TRUTH.astype("uint8")).save(folder / "empty.png")


def _lines(content: str | bytes, place: Place) -> list[Any]:
    _fill(place.folder)
    data = content.encode() if isinstance(content, str) else content
    (place.folder / "m.jsonl").write_bytes(data)
    return described("m.jsonl")


def cases() -> Iterator[Case]:
    """All of this file."""
    for name, (entry, word) in WRONG.items():
        text = entry if isinstance(entry, str) else json.dumps(entry)
        yield Case(LINES, name, partial(_lines, text + "\n"), word=word)
    for name, (content, due) in RIGHT.items():
        yield Case(LINES, f"file: {name}", partial(_lines, content), due)
    for name, (data, word) in BAD_FILES.items():
        yield Case(LINES, f"file: {name}", partial(_lines, data), word=word)
    for name, (make, wanted) in _folders().items():
        word = wanted if isinstance(wanted, str) else None
        yield Case(FOLDERS, name, partial(_folder, make), None if word else wanted, word)


def _folder(make: Callable[[Path], object], place: Place) -> list[Any]:
    make(place.folder)
    return described(".")


def _with(**files: bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)

    return make


def _folders() -> dict[str, tuple[Callable[[Path], object], Any]]:
    pic = encoded(image())
    transparent = image().convert("RGBA")
    transparent.putalpha(gray(TRUTH.astype("uint8") * 255))
    clear = image().convert("RGBA")
    clear.putalpha(0)
    one = {"x.png": pic}
    return {
        "nothing": (lambda folder: None, "no image"),
        "a text": (_with(**{"x.txt": b"hello"}), "no image"),
        "one image": (_with(**one), [[]]),
        "hidden files": (_with(**one, **{".y.png": b"broken"}), [[]]),
        "one in capitals": (_with(**{"X.PNG": pic}), [[]]),
        "one below": (_with(**{"a/b/x.png": pic}), [[]]),
        "a mask": (_with(**one, **{"x.mask.png": _MASK}), [[TRUTH]]),
        "a mask of a jfif": (_with(**{"x.jfif": encoded(image(), "JPEG"), "x.mask.png": _MASK}), [[TRUTH]]),
        "two masks": (_with(**one, **{"x.1.mask.png": _MASK, "x.2.mask.png": _MASK}), [[TRUTH] * 2]),
        "a mask twice": (_with(**one, **{"x.mask.png": _MASK, "x.mask.bmp": _MASK}), "two masks"),
        "a mask without an image": (_with(**{"y.png": pic, "x.mask.png": _MASK}), "no image x"),
        "a mask of another size": (_with(**one, **{"x.mask.png": encoded(gray(TRUTH[:50].astype("uint8")))}), "160 x 120"),
        "a mask that is broken": (_with(**one, **{"x.mask.png": _MASK[:40]}), "x.mask.png"),
        "a mask without a pixel": (_with(**one, **{"x.mask.png": encoded(gray(0 * TRUTH.astype("uint8")))}), "empty"),
        "transparency": (_with(**{"x.png": encoded(transparent)}), [[TRUTH]]),
        "transparent everywhere": (_with(**{"x.png": encoded(clear)}), "transparent everywhere"),
        "a broken image": (_with(**{"x.png": pic[:60]}), "broken"),
        "an empty file": (_with(**{"x.png": b""}), "empty"),
        "a pipe": (lambda folder: os.mkfifo(folder / "x.png"), "pipe"),
        "a device": (lambda folder: os.symlink("/dev/zero", folder / "x.png"), "pipe"),
        "a link to nothing": (lambda folder: os.symlink("none", folder / "x.png"), "x.png"),
        "a link to itself": (_with_link(one), [[]]),
        "EPS by the name of PNG": (_with(**{"x.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"}), "image"),
        "every suffix": (_every_suffix, [[]] * 8),
        "odd names": (_with(**{name: pic for name in ("a b.png", "é.png", "%s.png", "-x.png", "'.png", "a\nb.png")}), [[]] * 6),
    }  # fmt: skip


def _every_suffix(folder: Path) -> None:
    for suffix, form in (("jpg", "JPEG"), ("jpeg", "JPEG"), ("jpe", "JPEG"), ("jfif", "JPEG"),
                         ("avif", "AVIF"), ("jp2", "JPEG2000"), ("ppm", "PPM"), 
                         ("webp", "WEBP")):  # fmt: skip
        (folder / f"{suffix}.{suffix}").write_bytes(encoded(image(SIZE), form))
    write_json(folder / "notes.json", {})


def _with_link(files: dict[str, bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        _with(**files)(folder)
        os.symlink(".", folder / "again")

    return make
