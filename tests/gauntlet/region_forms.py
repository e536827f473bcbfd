"""Regions in numbers: boxes, clicks, polygons and RLE, by each way in which they come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from finecaption.io.geometry import parse_box, parse_point
from finecaption.io.masks import mask_from_box
from finecaption.request import parse_region
from finecaption.types import Region

from .case import Case, Place, command
from .drawing import BOX, POLYGON, SIZE, TRUTH, described, image, rle

NAN, INF = float("nan"), float("inf")
_FULL = np.ones_like(TRUTH)
_EDGE = np.zeros_like(TRUTH)
_EDGE[:, 100:] = True
_TWO = np.zeros_like(TRUTH)
_TWO[30:50, 40:60] = _TWO[90:110, 100:120] = True
_FIRST, _SECOND = [40, 30, 60, 30, 60, 50, 40, 50], [100, 90, 120, 90, 120, 110, 100, 110]
_OUTER, _HOLE = POLYGON, [60, 50, 80, 50, 80, 70, 60, 70]

BOXES: dict[str, tuple[Any, Any]] = {  # value -> the filled box, or a word of the error
    "plain": (list(BOX), TRUTH),
    "numbers with fractions": ([40.2, 29.8, 100.1, 89.9], TRUTH),
    "the whole image": ([0, 0, 160, 120], _FULL),
    "over the edge": ([100, -50, 900, 500], _EDGE),
    "reversed": ([100, 90, 40, 30], "reversed"),
    "no area": ([40, 30, 40, 90], "no area"),
    "in fractions": ([0.25, 0.25, 0.625, 0.75], "fractions"),
    "outside": ([500, 500, 600, 600], "outside"),
    "NaN": ([40, 30, NAN, 90], "NaN"),
    "infinite": ([40, 30, INF, 90], "infinity"),
    "three numbers": ([40, 30, 100], "4 numbers"),
    "five numbers": ([40, 30, 100, 90, 1], "4 numbers"),
    "words": (["a", "b", "c", "d"], "numbers"),
    "nested": ([[40, 30], [100, 90]], "numbers"),
    "a number": (7, "numbers"),
    "an object": ({"x": 1}, "numbers"),
    "none in it": ([None] * 4, "numbers"),
    "too large for a float": ([40, 30, 10**400, 90], "numbers"),
}

CLICKS: dict[str, tuple[Any, Any]] = {  # one click -> (x, y, positive), or a word of the error
    "plain": ([60, 60], (60, 60, True)),
    "positive": ([60, 60, True], (60, 60, True)),
    "negative": ([60, 60, False], "one point on the thing"),
    "1": ([60, 60, 1], (60, 60, True)),
    "0": ([60, 60, 0], "one point on the thing"),
    "the last pixel": ([159.9, 119.9], (159.9, 119.9, True)),
    "the text false": ([60, 60, "false"], "true"),
    "the text 0": ([60, 60, "0"], "true"),
    "-1": ([60, 60, -1], "true"),
    "2": ([60, 60, 2], "true"),
    "null": ([60, 60, None], "true"),
    "in fractions": ([0.4, 0.5], "fractions"),
    "outside": ([160, 10], "outside"),
    "negative number": ([-1, 10], "outside"),
    "NaN": ([NAN, 10], "NaN"),
    "one number": ([60], "2 numbers"),
    "four numbers": ([60, 60, 1, 1], "2 numbers"),
    "words": (["a", "b"], "numbers"),
    "a number": (60, "numbers"),
}

POLYGONS: dict[str, tuple[Any, Any]] = {
    "flat": (POLYGON, TRUTH),
    "one ring": ([POLYGON], TRUTH),
    "pairs": ([[40, 30], [100, 30], [100, 90], [40, 90]], TRUTH),
    "ring of pairs": ([[[40, 30], [100, 30], [100, 90], [40, 90]]], TRUTH),
    "nested thrice": ([[POLYGON]], TRUTH),
    "numbers as text": ([[str(v) for v in POLYGON]], TRUTH),
    "two rings": ([_FIRST, _SECOND], _TWO),
    "two rings, one level deeper": ([[_FIRST, _SECOND]], _TWO),
    "over the edge": ([[100, -20, 200, -20, 200, 140, 100, 140]], _EDGE),
    "a ring with a hole": ([[_OUTER, _HOLE]], "hole"),
    "a ring with a hole of pairs": (
        [[[[40, 30], [100, 30], [100, 90], [40, 90]], [[60, 50], [80, 50], [80, 70]]]], "hole"
    ),
    "empty": ([], "empty"),
    "an empty ring": ([[]], "vert"),
    "two vertices": ([[40, 30, 100, 90]], "vertices"),
    "odd count": ([[40, 30, 100, 30, 100, 90, 7]], "vert"),
    "a good and a bad ring": ([POLYGON, [1, 2, 3, 4]], "vertices"),
    "no pixel": ([[40, 30, 40, 30, 40, 30]], "no pixel"),
    "in fractions": ([[0.25, 0.25, 0.6, 0.25, 0.6, 0.75]], "fractions"),
    "far outside": ([[9000, 0, 9999, 0, 9999, 90]], "outside"),
    "NaN in it": ([[NAN, 30, 100, 30, 100, 90]], "NaN"),
    "infinity in it": ([[INF, 30, 100, 30, 100, 90]], "infin"),
    "words": ([["a", "b", "c", "d", "e", "f"]], "numbers"),
    "too large for a float": ([[10**400, 30, 100, 30, 100, 90]], "numbers"),
    "text": ("40,30,100,30,100,90", "empty"),
    "an object": ({"x": 1}, "empty"),
    "null in it": ([[None] * 6], "NaN"),
    "nested 200 times": (json.loads("[" * 200 + f"{POLYGON}" + "]" * 200), TRUTH),
}  # fmt: skip

_SIZE = [120, 160]
RLES: dict[str, tuple[Any, Any]] = {
    "runs": (rle(), TRUTH),
    "a run of nothing": ({**rle(), "counts": [*rle()["counts"], 0]}, TRUTH),
    "all": ({"size": _SIZE, "counts": [0, 160 * 120]}, _FULL),
    "empty": ({"size": _SIZE, "counts": [160 * 120]}, "empty"),
    "sides swapped": ({"size": [160, 120], "counts": rle(TRUTH.T)["counts"]}, "160"),
    "too few": ({"size": _SIZE, "counts": [100, 200]}, "add up"),
    "too many": ({"size": _SIZE, "counts": [0, 160 * 120, 1]}, "add up"),
    "negative": ({"size": _SIZE, "counts": [-5, 160 * 120 + 5]}, "counts"),
    "wraps around": ({"size": _SIZE, "counts": [2**62] * 4 + [160 * 120]}, "counts"),
    "beyond 64 bits": ({"size": _SIZE, "counts": [2**70]}, "counts"),
    "no runs": ({"size": _SIZE, "counts": []}, "add up"),
    "no text": ({"size": _SIZE, "counts": ""}, "broken"),
    "text with signs of no code": ({"size": _SIZE, "counts": "\x7f\x01"}, "broken"),
    "text that is not ASCII": ({"size": _SIZE, "counts": "éé"}, "broken"),
    "text that goes on": ({"size": _SIZE, "counts": "o" * 500}, "broken"),
    "fractions": ({"size": _SIZE, "counts": [0.5, 19199.5]}, "counts"),
    "true and false": ({"size": _SIZE, "counts": [True, False]}, "counts"),
    "nested runs": ({"size": _SIZE, "counts": [[1], [2, 3]]}, "counts"),
    "null": ({"size": _SIZE, "counts": None}, "counts"),
    "no size": ({"counts": [1]}, ""),
    "size of text": ({"size": "120", "counts": [1]}, "size"),
    "size of three": ({"size": [120, 160, 3], "counts": [1]}, "size"),
    "size 0": ({"size": [0, 0], "counts": []}, "size"),
    "negative size": ({"size": [-120, 160], "counts": [1]}, "size"),
    "huge size": ({"size": [10**6, 10**6], "counts": [10**12]}, "pixels"),
    "Label Studio's": ({"rle": [0, 1, 2], "format": "rle"}, ""),
}


def _python(form: Any, place: Place) -> Any:
    found = parse_region(form, SIZE)
    if isinstance(found, Region):
        return found.mask
    prompt = found.within(SIZE)
    if prompt.box is not None:
        return mask_from_box(prompt.box, SIZE)
    return [tuple(point) for point in prompt.points]


def _manifest(region: dict[str, Any], place: Place) -> Any:
    image().save("pic.png")
    line = json.dumps({"image": "pic.png", **region})  # NaN as Python writes it
    (place.folder / "m.jsonl").write_text(line + "\n")
    ((found,),) = described("m.jsonl")
    if isinstance(found, np.ndarray):
        return found
    box, points = found
    return mask_from_box(box, SIZE) if box is not None else list(points)


_WAYS: dict[str, Callable[[Any, Place], Any]] = {"Python": _python, "manifest": _manifest}


def cases() -> Iterator[Case]:
    """All of this file."""
    for what, table, key in (
        ("box", BOXES, "box"), ("click", CLICKS, "points"), ("polygon", POLYGONS, "polygon"),
        ("RLE", RLES, "mask"),
    ):  # fmt: skip
        for name, (value, due) in table.items():
            for way, give in _WAYS.items():
                if way == "manifest" and _is_null(name, what):
                    continue
                form = {key: [value] if what == "click" else value}
                if what == "RLE" and way == "Python":
                    form = value
                run = partial(give, form)
                if isinstance(due, str):
                    # NaN is no JSON, and is read as null
                    null = way == "manifest" and due == "NaN" and what != "polygon"
                    word = "number" if null else due
                    yield Case(f"{what} forms", f"{name}, {way}", run, word=word)
                else:
                    wanted = [due] if what == "click" else due
                    yield Case(f"{what} forms", f"{name}, {way}", run, wanted)
    for bad in (7, "60,60", {"x": 60, "y": 60}, True, [[]], [[[60, 60]]], [None]):
        for way, give in _WAYS.items():
            run = partial(give, {"points": bad})
            yield Case("click forms", f"points {bad!r}, {way}", run, word="points")
    yield from _typed()


def _is_null(name: str, what: str) -> bool:
    """Whether JSON writes it as what another case has."""
    return name in ("infinite", "infinity in it") or (name == "null" and what == "RLE")


def _typed() -> Iterator[Case]:
    """Text of the command line."""
    texts: dict[str, Any] = {
        "40,30,100,90": BOX, " 40, 30 ,100,90 ": BOX, "4e1,3e1,1e2,9e1": BOX,
        "": "number", "40,30,100": "4 numbers", "40;30;100;90": "number", "a,b,c,d": "number",
        "nan,30,100,90": "NaN", "40,30,inf,90": "infinity", "100,90,40,30": "reversed",
        "0.1,0.1,0.9,0.9": "fractions", "40,30,100,90,": "number",
    }  # fmt: skip
    for text, due in texts.items():
        value, word = (None, due) if isinstance(due, str) else (due, None)
        yield Case("typed regions", f"box {text!r}", partial(_of, parse_box, text), value, word)
        if word and text:
            run = partial(_box_of_command, text)
            yield Case("typed regions", f"--box {text!r}", run, word=word)
    clicks: dict[str, Any] = {
        "60,60": (60, 60, True), "60,60:-": (60, 60, False), "60,60:+": (60, 60, True),
        "60,60:0": ":-", "60": "2 numbers", "60,60,1": "2 numbers", "x,y": "number",
        "nan,1": "NaN", "60,60:": ":-", "60,60:--": ":-",
    }  # fmt: skip
    for text, due in clicks.items():
        value, word = (None, due) if isinstance(due, str) else (due, None)
        yield Case("typed regions", f"click {text!r}", partial(_of, parse_point, text), value, word)


def _of(parse: Callable[[str], Any], text: str, place: Place) -> tuple[Any, ...]:
    return tuple(parse(text))


def _box_of_command(text: str, place: Place) -> str:
    image().save("pic.png")
    return command("caption", "pic.png", "--box", text, "--attribute", "Color")
