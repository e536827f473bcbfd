"""Bodies for the server, sent to the application in this process; a stand-in answers."""

from __future__ import annotations

import atexit
import base64
import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from finecaption.io.masks import decode_rle

from .case import Case, Place, Printed, Refused
from .drawing import BOX, POLYGON, TRUTH, encoded, gray, image, rle
from .image_files import png_head
from .manifests import _MASK

KIND = "requests"
CHAT, REGIONS, SEGMENT = "/v1/chat/completions", "/v1/regions", "/v1/segment"
NAN, INF = float("nan"), float("inf")


@functools.cache
def _client() -> Any:
    """One application for all cases; its threads stay until the process ends."""
    from fastapi.testclient import TestClient

    from finecaption.server import Settings, create_app

    from ..server.conftest import Stub

    settings = Settings(log_level="critical", max_pixels=1_000_000, max_body=3_000_000)
    client = TestClient(create_app(settings, Stub()))
    client.__enter__()
    atexit.register(client.__exit__, None, None, None)
    while client.get("/readyz").status_code != 200:
        pass
    return client


def uri(data: bytes, kind: str = "image/png") -> str:
    """A data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


_IMAGE = uri(encoded(image()))
_MASK_URI = uri(_MASK)


def _post(path: str, body: bytes, place: Place) -> Any:
    answer = _client().post(path, content=body, headers={"content-type": "application/json"})
    if answer.status_code >= 500:
        raise Printed(f"status {answer.status_code}: {answer.text[:300]}")
    if answer.status_code >= 400:
        told = answer.json()["error"]  # OpenAI's form
        raise Refused(f"{told['message']} (param {told['param']})")
    return answer.json()


def _masks(body: dict[str, Any], place: Place) -> list[Any]:
    answer = _post(REGIONS, json.dumps(body).encode(), place)
    return [decode_rle(region["mask"]) for region in answer["regions"]]


def _words(body: dict[str, Any], place: Place) -> str:
    return str(_post(CHAT, json.dumps(body).encode(), place)["choices"][0]["message"]["role"])


def chat(url: Any = _IMAGE, text: str = "describe in detail", **more: Any) -> dict[str, Any]:
    """A chat request about an image."""
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    return {"model": "finecaption-mini", "messages": [{"role": "user", "content": parts}], **more}


_H, _W = TRUTH.shape
REGION: dict[str, tuple[Any, Any]] = {  # a region -> its mask, or a word
    "runs": (rle(), TRUTH), "polygon": ({"polygon": POLYGON}, TRUTH),
    "polygons": ({"polygon": [POLYGON]}, TRUTH), "mask": ({"mask": _MASK_URI}, TRUTH),
    "bare mask": ({"mask": _MASK_URI.partition(",")[2]}, TRUTH),
    "label": ({"mask": _MASK_URI, "label": 255}, TRUTH),
    "labels": ({"mask": _MASK_URI, "label": [255, 7]}, TRUTH),
    "label that is not there": ({"mask": _MASK_URI, "label": 9}, "label"),
    "runs that are short": ({"size": [_H, _W], "counts": [1]}, "add up"),
    "a run too long": ({"size": [_H, _W], "counts": [0, 10**7]}, "longer"),
    "negative run": ({"size": [_H, _W], "counts": [-1, 19201]}, "counts"),
    "runs of 2^62": ({"size": [_H, _W], "counts": [2**62] * 5}, "counts"),
    "text that is broken": ({"size": [_H, _W], "counts": "o~"}, "broken"),
    "empty text": ({"size": [_H, _W], "counts": ""}, "broken"),
    "empty runs": ({"size": [_H, _W], "counts": [_H * _W]}, "empty"),
    "sides swapped": ({"size": [_W, _H], "counts": [0, _H * _W]}, "size"),
    "size 0": ({"size": [0, 0], "counts": ""}, "size"), "only a size": ({"size": [_H, _W]}, "region"),
    "only counts": ({"counts": "a"}, "region"), "nothing": ({}, "region"),
    "two forms": ({"box": list(BOX), "mask": _MASK_URI}, "region"),
    "unknown key": ({"circle": [1, 2, 3]}, "circle"),
    "an empty polygon": ({"polygon": []}, "polygon"), "a ring of none": ({"polygon": [[]]}, "polygon"),
    "two vertices": ({"polygon": [1, 2, 3, 4]}, "polygon"),
    "odd count": ({"polygon": [*POLYGON, 1]}, "vert"),
    "no pixel": ({"polygon": [5, 5, 5, 5, 5, 5]}, "no pixel"),
    "far outside": ({"polygon": [9000, 0, 9999, 0, 9999, 99]}, "outside"),
    "polygon in fractions": ({"polygon": [0.1, 0.1, 0.9, 0.1, 0.9, 0.9]}, "fractions"),
    "polygon of words": ({"polygon": ["a"] * 6}, "polygon"),
    "20,002 numbers": ({"polygon": [1.5] * 20_002}, "polygon"),
    "box reversed": ({"box": [100, 90, 40, 30]}, "reversed"),
    "box in fractions": ({"box": [0.1, 0.1, 0.9, 0.9]}, "fractions"),
    "box outside": ({"box": [500, 500, 600, 600]}, "outside"), "box of 10^9": ({"box": [0, 0, 1e9, 1e9]}, "box"),
    "box of three": ({"box": [1, 2, 3]}, "box"), "box of words": ({"box": list("abcd")}, "box"),
    "no point": ({"points": []}, "points"), "point outside": ({"points": [[200, 1]]}, "outside"),
    "only a negative point": ({"points": [[9, 9, False]]}, "point"),
    "point of words": ({"points": [["a", "b"]]}, "points"), "5,000 points": ({"points": [[9, 9]] * 5000}, "points"),
    "point in fractions": ({"points": [[0.5, 0.5]]}, "fractions"),
    "mask of no base64": ({"mask": "@@"}, "mask"), "mask of another size": ({"mask": uri(encoded(gray(TRUTH[::2].astype("uint8"))))}, "160 x 120"),
    "mask that is larger": ({"mask": uri(encoded(gray(TRUTH.repeat(9, 0).astype("uint8"))))}, "pixels"),
    "mask that is a bomb": ({"mask": uri(png_head(60_000, 60_000))}, "pixels"),
    "mask that is EPS": ({"mask": uri(b"%!PS-Adobe-3.0 EPSF-3.0\n")}, "mask"),
    "empty mask": ({"mask": uri(encoded(gray(0 * TRUTH.astype("uint8"))))}, "empty"),
    "mask of unclear labels": ({"mask": uri(encoded(gray((TRUTH * 100 + TRUTH[:, ::-1] * 155).astype("uint8"))))}, "label"),
}  # fmt: skip
IMAGES: dict[str, tuple[Any, Any]] = {  # an image -> "assistant", or a word
    "PNG": (_IMAGE, "assistant"), "bare base64": (_IMAGE.partition(",")[2], "assistant"),
    "JPEG by the name of PNG": (uri(encoded(image(), "JPEG")), "assistant"),
    "no padding": (_IMAGE.rstrip("=")[:-1], None), "blanks in it": (_IMAGE[:90] + "\n " + _IMAGE[90:], "assistant"),
    "nothing": ("", None), "only data:": ("data:", None), "data without base64": ("data:image/png,abc", None),
    "empty data": ("data:image/png;base64,", "empty"), "no base64": ("data:image/png;base64,!!", None),
    "a file": ("file:///etc/passwd", None), "a path": ("../../etc/passwd", None),
    "the web": ("http://169.254.169.254/latest", "no web addresses"),
    "this machine": ("http://127.0.0.1/", "no web addresses"),
    **{name: (uri(data), None) for name, data in (
        ("HTML", b"<html>"), ("SVG", b"<svg/>"), ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ("PPM", encoded(image(), "PPM")), ("JPEG 2000", encoded(image(), "JPEG2000")), ("TGA", encoded(image(), "TGA")),
        ("PCX", encoded(image(), "PCX")), ("AVIF", encoded(image(), "AVIF")), ("half a PNG", encoded(image())[:90]),
    )},
    "a bomb": (uri(png_head(60_000, 60_000)), "pixels"), "over the limit": (uri(png_head(1001, 1000)), "pixels"),
    "transparent everywhere": (uri(encoded(image().convert("RGBA").point(lambda v: 0))), "transparent everywhere"),
}  # fmt: skip
BODIES: dict[str, bytes] = {
    "nothing": b"", "half": b'{"image":', "a word": b"image", "a number": b"17", "null": b"null", "a list": b"[]",
    "not UTF-8": b'{"image": "\xff\xfe"}', "UTF-16": '{"image": "a"}'.encode("utf-16"), "NUL": bytes(900),
    "deep": b"[" * 100_000, "deep objects": b'{"a":' * 100_000, "a lone surrogate": b'{"image": "\\ud800"}',
    "5,000 digits": b'{"image": "", "seed": ' + b"9" * 5000 + b"}", "form data": b"image=abc",
    "XML": b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "over 3 MB": b" " * 3_000_001,
}  # fmt: skip
FIELDS: dict[str, tuple[tuple[Any, ...], str]] = {  # of chat requests: values that are refused
    "temperature": ((-1, 3, NAN, INF, "hot", [], 10**400), "temperature"),
    "top_p": ((-0.1, 1.1, "a"), "top_p"), "top_k": ((-1, 1.5, "a", 10**9), "top_k"),
    "max_tokens": ((0, -1, 2**40, "a", 1.5), "max_tokens"), "beams": ((0, 9, 1.5), "beams"),
    "n": ((0, 2, 129, "a"), "n"), "stop": ((["a"] * 5, [1], {}, 7), "stop"), "seed": ((2**65, "a", 1.5), "seed"),
    "stream": (("perhaps", [], 7), "stream"), "model": ((None, 7, "x" * 300, "gpt-9"), "model"),
    "messages": ((None, [], {}, "a", [7], [{}], [{"role": "king", "content": "a"}]), "messages"),
    "region": ((7, "a", [], [[]], [1, 2, 3]), "region"), "tools": (([{}],), "tools"),
    "length": (("long", 7), "length"), "guidance": ((-1, 11), "guidance"), "logprobs": ((True,), "logprobs"),
    "response_format": (({"type": "json_object"},), "response_format"), "nonsense": ((1,), "nonsense"),
    "__proto__": (({},), "__proto__"),
}  # fmt: skip


def cases() -> Iterator[Case]:
    """All of this file."""
    for case in _cases():
        yield replace(case, warm=lambda place: _client())


def _cases() -> Iterator[Case]:
    for name, (region, due) in REGION.items():
        body = {"image": _IMAGE, "regions": [region]}
        if isinstance(due, str):
            yield Case(KIND, f"region: {name}", partial(_masks, body), word=due)
            run = partial(_words, chat(region=region))
            yield Case(KIND, f"region of a chat: {name}", run, word=due)
        else:
            yield Case(KIND, f"region: {name}", partial(_masks, body), [due])
    for name, (url, due) in IMAGES.items():
        sound = due == "assistant"
        word = None if sound else due or "image"
        yield Case(KIND, f"image: {name}", partial(_words, chat(url)), "assistant", word)
        if not sound:
            yield Case(
                KIND, f"image of regions: {name}", partial(_masks, {"image": url}), word=word
            )
    for name, data in BODIES.items():
        for path in (CHAT, REGIONS, SEGMENT):
            yield Case(KIND, f"body: {name}, {path}", partial(_post, path, data), word="")
    for field, (values, word) in FIELDS.items():
        for value in values:
            run = partial(_post, CHAT, json.dumps(chat(**{field: value})).encode())
            said = "JSON" if value in (NAN, INF) else word
            yield Case(KIND, f"{field} {str(value)[:30]}", run, word=said)
    body = {"image": _IMAGE, "regions": [list(BOX)] * 65}
    yield Case(KIND, "65 regions", partial(_masks, body), word="regions")
    for names in (["colr"], [""], ["x" * 5000], [7], {}, "some"):
        body = {"image": _IMAGE, "regions": [rle()], "attributes": names}
        yield Case(KIND, f"attributes {str(names)[:20]}", partial(_masks, body), word="attribute")
