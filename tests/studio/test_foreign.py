"""The studio over a captioner that can only answer requests: boxes and brush, said plainly."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.io.masks import encode_png

from ..foreign import Foreign

pytest.importorskip("gradio", reason="needs finecaption[demo]")

KEY = "x-studio-session"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    from fastapi.testclient import TestClient

    from finecaption.server.settings import Settings
    from finecaption.studio import create_studio

    app = create_studio(Settings(max_body=200_000), Foreign())
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.fixture
def visitor(client: Any) -> dict[str, str]:
    stream = io.BytesIO()
    Image.new("RGB", (80, 60), (60, 120, 200)).save(stream, "PNG")
    opened = client.post(
        "/studio-api/open", content=stream.getvalue(), headers={KEY: "", "x-file-name": "a.png"}
    )
    assert opened.status_code == 200, opened.text
    assert opened.json()["model"] == "some-vlm"
    assert opened.json()["notice"].startswith("some-vlm has no click segmenter. Draw a box")
    return {KEY: opened.json()["session"]}


def test_a_box_is_the_region(client: Any, visitor: dict[str, str]) -> None:
    made = client.post("/studio-api/segment", json={"box": [10, 20, 40, 50]}, headers=visitor)
    assert made.status_code == 200, made.text
    assert made.json()["box"] == [10, 20, 40, 50] and made.json()["score"] is None
    body = {"regions": [made.json()["id"]], "attributes": ["Color"], "whole": True}
    lines = client.post("/studio-api/describe", json=body, headers=visitor).text.splitlines()
    news = [one for line in lines for one in json.loads(line).get("updates", [])]
    told = {(one["region"], one["name"]): one["text"] for one in news if one["done"]}
    assert told[made.json()["id"], "Color"] == "Color of (10, 20, 40, 50)"
    assert told[None, "global"] == "cgic of all"


def test_a_painted_mask_is_the_region(client: Any, visitor: dict[str, str]) -> None:
    mask = np.zeros((60, 80), bool)
    mask[5:15, 20:30] = True
    made = client.post("/studio-api/brush", content=encode_png(mask), headers=visitor)
    assert made.json()["box"] == [20, 5, 30, 15]


def test_clicks_and_everything_say_what_is_missing(client: Any, visitor: dict[str, str]) -> None:
    made = client.post("/studio-api/segment", json={"point": [10, 20]}, headers=visitor)
    assert made.status_code == 400 and "some-vlm: has no click segmenter" in made.text
    lines = client.post("/studio-api/everything", headers=visitor).text
    assert "some-vlm: has no click segmenter" in lines
