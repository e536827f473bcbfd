"""The lines of the page with all images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.bulk import page
from finecaption.bulk.page import write_html
from finecaption.io.masks import encode_rle

MASK = np.zeros((16, 24), bool)
MASK[2:5, 3:9] = True


def record(image: str | None, **more: Any) -> dict[str, Any]:
    region = {
        "id": "1",
        "mask": encode_rle(MASK),
        "captions": {"Color": "red"},
        "dense": "Long.",
    }
    return {
        "id": "x",
        "image": image,
        "width": 24,
        "height": 16,
        "regions": [region],
        "global": None,
        "notice": None,
        **more,
    }


def written(tmp_path: Path, records: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
    """How many are left out, and the lines."""
    path = tmp_path / "c.html"
    omitted = write_html(path, lambda: records, "c", threads=1)
    block = path.read_text("utf-8").split('id="records">')[1].split("</script>")[0]
    return omitted, [json.loads(line) for line in block.split("\n") if line]


@pytest.fixture
def image(tmp_path: Path, draw: Callable[..., Path]) -> str:
    return str(draw(tmp_path / "x.png"))


def test_a_line_has_all_answers_of_its_image(tmp_path: Path, image: str) -> None:
    whole = {**record(image)["regions"][0], "mask": encode_rle(MASK | True), "dense": None}
    regions = [*record(image)["regions"], whole]
    more = {"regions": regions, "global": "All.", "notice": {"text": "Blurred."}}
    omitted, (line,) = written(tmp_path, [record(image, **more)])
    assert omitted == 0
    assert (line["id"], line["w"], line["h"]) == ("x", 24, 16)
    assert line["data"].startswith("data:image/jpeg;base64,") and "gone" not in line
    assert line["said"] == [
        {"path": "M3,2 9,2 9,5 3,5Z", "lines": [["Color", "red"], ["In detail", "Long."]]},
        {"path": "", "lines": [["Color", "red"]]},  # all of the image: no outline
        {"path": "", "lines": [["", "All."]]},
    ]
    assert line["notice"] == "Blurred."


@pytest.mark.parametrize(
    ("width", "height", "shown"), [(768, 512, (384, 256)), (512, 768, (256, 384))]
)
def test_large_images_are_shown_smaller(
    tmp_path: Path, image: str, width: int, height: int, shown: tuple[int, int]
) -> None:
    _, (line,) = written(tmp_path, [record(image, width=width, height=height)])
    assert (line["w"], line["h"]) == shown


def test_an_image_that_is_gone_keeps_its_answers(tmp_path: Path) -> None:
    _, lines = written(tmp_path, [record(None), record(str(tmp_path / "nowhere.png"))])
    assert "inside a dataset" in lines[0]["gone"] and "no such file" in lines[1]["gone"]
    assert all("data" not in line and line["said"] and "notice" not in line for line in lines)


@pytest.mark.parametrize(("most", "shown"), [(3, 3), (5, 5), (9, 5)])
def test_the_page_has_room_for_so_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, shown: int
) -> None:
    monkeypatch.setattr(page, "MOST", most)
    monkeypatch.setattr(page, "_AHEAD", 1)
    omitted, lines = written(tmp_path, [record(None, id=str(number)) for number in range(5)])
    assert [line["id"] for line in lines] == list("01234")[:shown]
    assert omitted == 5 - shown
