"""Our own JSONL and folders of images with texts, by `finecaption data validate` and `convert`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .case import Case, Place, command
from .drawing import TRUTH, encoded, gray, image, rle

JSONL, FOLDER = "JSONL records", "folders with texts"
GOOD = {"image": "pic.png", "width": 160, "height": 120, "task": "aarc", "text": "It is red.",
        "attribute": "Color", "mask": rle(), "image_id": "1", "region_id": "1"}  # fmt: skip

WRONG: dict[str, tuple[dict[str, Any], str]] = {  # changes of GOOD -> word
    **{f"no {name}": ({name: ...}, name) for name in ("image", "width", "height", "task", "text")},
    **{f"{name} {value!r}": ({name: value}, name) for name in ("image", "task", "text")
       for value in (None, 7, [], {})},
    **{f"{name} {value!r}": ({name: value}, "size") for name in ("width", "height")
       for value in (None, "160x", [], 0, -1, 1.5, True, 10**12)},
    **{f"{name} {value!r}": ({name: value}, name)
       for name in ("attribute", "image_id", "split", "licence", "prompt") for value in (7, [], {})},
    "unknown key": ({"bbox": [1, 2, 3, 4]}, "bbox"), "unknown task": ({"task": "vqa"}, "task"),
    "text blank": ({"text": "  "}, "text"), "no attribute": ({"attribute": ...}, "attribute"),
    "another size": ({"width": 161}, "size"), "image not there": ({"image": "none.png"}, "none.png"),
    "image of a folder": ({"image": "."}, "image"), "NUL in the image": ({"image": "a\0b"}, "image"),
    "mask of another size": ({"mask": rle(TRUTH[::2])}, "mask"), "mask a file": ({"mask": "mask.png"}, "mask"),
    "mask short": ({"mask": {"size": [120, 160], "counts": [4]}}, "mask"),
    "mask of broken text": ({"mask": {"size": [120, 160], "counts": "o~"}}, "mask"),
    "mask empty": ({"mask": {"size": [120, 160], "counts": [19200]}}, "mask"),
    "mask a list": ({"mask": [1, 2]}, "mask"), "no mask": ({"mask": ...}, "mask"),
}  # fmt: skip

LINES: dict[str, tuple[bytes, str]] = {
    "half a line": (b'{"image": "pic', "JSON"), "a list": (b"[]", "object"), "null": (b"null", "object"),
    "deep": (b"[" * 100_000, "JSON"), "UTF-16": ("{}".encode("utf-16"), "UTF-8"),
    "NUL bytes": (bytes(90), "JSON"), "a lone surrogate": (b'{"image": "\\ud800"}', ""),
    "nothing": (b"", "no sample"),
}  # fmt: skip


def record(changes: dict[str, Any]) -> dict[str, Any]:
    """GOOD with changes; ... leaves a field out."""
    return {k: v for k, v in {**GOOD, **changes}.items() if v is not ...}


def _validate(data: bytes, place: Place) -> str:
    image().save("pic.png")
    (place.folder / "d.jsonl").write_bytes(data)
    command("data", "validate", "d.jsonl", refuses=1)
    return "sound"


def _embed(target: str, to: str, place: Place) -> str:
    line = {"image": target, "width": 160, "height": 120, "task": "cgic", "text": "x"}
    (place.folder / "keys.txt").write_text("the key is 4711\n")
    (place.folder / "d.jsonl").write_text(json.dumps(line))
    return command("data", "convert", "d.jsonl", "--to", to, "--embed", "--out", "o")


def cases() -> Iterator[Case]:
    """All of this file."""
    yield Case(JSONL, "good", partial(_validate, json.dumps(GOOD).encode()), "sound")
    marked = b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n"
    yield Case(JSONL, "mark and CRLF", partial(_validate, marked), "sound")
    for name, (changes, word) in WRONG.items():
        data = json.dumps(record(changes)).encode()
        yield Case(JSONL, name, partial(_validate, data), word=word)
    for name, (data, word) in LINES.items():
        yield Case(JSONL, f"line: {name}", partial(_validate, data), word=word)
    for target in ("keys.txt", "../case/keys.txt", "d.jsonl", "/dev/zero", "/dev/null"):
        word = "image" if "dev" not in target else ""
        yield Case(JSONL, f"--embed of {target}", partial(_embed, target, "parquet"), word=word)
    for name, (files, due) in _folders().items():
        word = due if due != "sound" else None
        yield Case(FOLDER, name, partial(_folder, files), "sound", word)


def _folder(files: dict[str, bytes], place: Place) -> str:
    (place.folder / "d").mkdir()
    for name, data in files.items():
        Path("d", name).write_bytes(data)
    command("data", "validate", "d", "--from", "folder", refuses=1)
    return "sound"


def _folders() -> dict[str, tuple[dict[str, bytes], str]]:
    mask: Callable[[Any], bytes] = lambda values: encoded(gray(values.astype("uint8") * 255))  # noqa: E731 # short
    x, text = {"x.png": encoded(image())}, {"x.txt": b"A red square."}
    return {
        "image and text": ({**x, **text}, "sound"),
        "attributes": ({**x, "x.txt": b"Color: red\nShape: square"}, "sound"),
        "with a mask": ({**x, **text, "x.mask.png": mask(TRUTH)}, "sound"),
        "a jfif": ({"x.jfif": encoded(image(), "JPEG"), **text, "x.mask.png": mask(TRUTH)}, "sound"),
        "nothing": ({}, "no image"), "only a text": (text, "no image"), "no text": (x, "text"),
        "empty text": ({**x, "x.txt": b" \n"}, "empty"), "Latin-1": ({**x, "x.txt": b"\xe9"}, "UTF-8"),
        "a mask without text": ({**x, **text, "x.1.mask.png": mask(TRUTH)}, "without text"),
        "a mask of none": ({**x, **text, "y.mask.png": mask(TRUTH)}, "no such image"),
        "a mask of another size": ({**x, **text, "x.mask.png": mask(TRUTH[::2])}, "160 x 120"),
        "an empty mask": ({**x, **text, "x.mask.png": mask(TRUTH & False)}, "empty"),
        "two masks": ({**x, **text, "x.mask.png": mask(TRUTH), "x.mask.bmp": mask(TRUTH)}, "two masks"),
        "a broken image": ({"x.png": x["x.png"][:50], **text}, "broken"),
        "a broken mask": ({**x, **text, "x.mask.png": b"GIF89a"}, "x.mask.png"),
        "an image that is HTML": ({"x.png": b"<html>", **text}, "image"),
    }  # fmt: skip
