"""A captioner that can only answer requests, such as another checkpoint, behind the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.io.html import data_uri

from ..foreign import Foreign
from .conftest import Live

IMAGE = Image.new("RGB", (64, 48), (60, 120, 200))


@pytest.fixture
def live(serve: Callable[..., Live]) -> Live:
    return serve(Foreign())


def mask_url() -> str:
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 30:50] = 255
    return data_uri(Image.fromarray(mask), "png")


def regions(live: Live, region: Any, **more: Any) -> Any:
    body = {"image": data_uri(IMAGE, "png"), "regions": [region], "attributes": ["Color"], **more}
    return live.post("/v1/regions", body)


def test_it_is_ready_under_its_name(live: Live) -> None:
    assert live.get("/readyz").json() == {"status": "ready", "model": "some-vlm"}
    assert [m["id"] for m in live.get("/v1/models").json()["data"]] == ["some-vlm"]


def test_masks_and_boxes_are_described(live: Live) -> None:
    reply = regions(live, {"mask": mask_url()})
    assert reply.status_code == 200, reply.text
    assert reply.json()["regions"][0]["captions"] == {"Color": "Color of (30, 10, 50, 20)"}
    reply = regions(live, {"box": [3, 4, 30, 40]})
    assert reply.json()["regions"][0]["captions"] == {"Color": "Color of (3, 4, 30, 40)"}


def test_what_it_cannot_do_is_said(live: Live) -> None:
    reply = regions(live, {"points": [[40, 15]]})
    assert reply.status_code == 400 and "clicks are for our own models" in reply.text
    body = {"image": data_uri(IMAGE, "png"), "points": [[40, 15]]}
    reply = live.post("/v1/segment", body)
    assert reply.status_code == 400 and "some-vlm: has no click segmenter" in reply.text
    reply = regions(live, {"box": [3, 4, 30, 40]}, temperature=0.5)
    assert reply.status_code == 400 and "temperature: is a setting of our own models" in reply.text


@pytest.mark.parametrize("stream", [False, True])
def test_openai_clients_are_answered(live: Live, stream: bool) -> None:
    content = [
        {"type": "image_url", "image_url": {"url": data_uri(IMAGE, "png")}},
        {"type": "text", "text": "Describe this region: Color."},
    ]
    body = {
        "model": "some-vlm",
        "messages": [{"role": "user", "content": content}],
        "region": {"box": [3, 4, 30, 40]},
        "max_tokens": 3,  # its own cap was set when it was opened: the answer is not cut
        "stream": stream,
    }
    reply = live.post("/v1/chat/completions", body)
    assert reply.status_code == 200, reply.text
    if not stream:
        told = reply.json()
        assert told["choices"][0]["message"]["content"] == "Color of (3, 4, 30, 40)"
        assert told["choices"][0]["finish_reason"] == "stop"
        assert told["usage"]["completion_tokens"] == 6  # words: it does not count its tokens
        return
    lines = [line[6:] for line in reply.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    parts = [json.loads(line)["choices"][0]["delta"].get("content") or "" for line in lines[:-1]]
    assert "".join(parts) == "Color of (3, 4, 30, 40)"
