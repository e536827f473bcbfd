"""Boxes as text: known pairs, and bounds for any box."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finecaption.captioners import boxes


def test_kosmos2_known_pair() -> None:
    # the pair that its authors publish: (.390625, .046875, .984375, .828125) <-> 44, 863
    size = (1000, 1000)
    text = boxes.kosmos2((390.625, 46.875, 984.375, 828.125), size)
    assert text == "<object><patch_index_0044><patch_index_0863></object>"


def test_kosmos2_is_transformers_own() -> None:
    from transformers.models.kosmos2.processing_kosmos2 import coordinate_to_patch_index

    for box in ((0.0, 0.0, 1.0, 1.0), (0.1, 0.2, 0.3, 0.9), (0.5, 0.5, 0.53125, 0.6)):
        first, last = coordinate_to_patch_index(box, 32)
        text = boxes.kosmos2(tuple(640 * v for v in box), (640, 640))  # type: ignore[arg-type]  # four
        assert [int(n) for n in re.findall(r"_(\d+)>", text)] == [first, last]


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (
            boxes.qwen2((64, 48, 320, 480), (640, 480)),
            "<|box_start|>(100,100),(500,1000)<|box_end|>",
        ),
        (
            boxes.qwen2_5((64, 48, 320, 480), (640, 480), (644, 476)),
            "<|box_start|>(64,48),(322,476)<|box_end|>",
        ),
        (boxes.qwen3((64, 48, 320, 480), (640, 480)), '{"bbox_2d": [100, 100, 500, 1000]}'),
        (
            boxes.internvl((64, 48, 320, 480), (640, 480)),
            "<ref>region</ref><box>[[100, 100, 500, 1000]]</box>",
        ),
        # 640 x 480 padded to 640 x 640: 80 pixels above
        (boxes.llava((64, 48, 320, 480), (640, 480)), "[0.10, 0.20, 0.50, 0.88]"),
        (boxes.fractions((64, 48, 320, 480), (640, 480)), "[0.10, 0.10, 0.50, 1.00]"),
    ],
)
def test_formats(made: str, wanted: str) -> None:
    assert made == wanted


@given(
    st.integers(1, 9000), st.integers(1, 9000), st.tuples(*[st.floats(0, 1)] * 4)
)  # fmt: skip
def test_any_box_stays_in_range(width: int, height: int, at: tuple[float, ...]) -> None:
    (x0, x1), (y0, y1) = sorted((at[0], at[2])), sorted((at[1], at[3]))
    left, top = min(int(x0 * width), width - 1), min(int(y0 * height), height - 1)
    box = (left, top, max(left + 1, int(x1 * width)), max(top + 1, int(y1 * height)))
    first, last = (int(n) for n in re.findall(r"_(\d+)>", boxes.kosmos2(box, (width, height))))
    assert 0 <= first <= last < 1024 and first % 32 <= last % 32
    numbers = json.loads(boxes.qwen3(box, (width, height)))["bbox_2d"]
    assert all(0 <= n <= 1000 for n in numbers)
    assert numbers[0] <= numbers[2] and numbers[1] <= numbers[3]
    square = json.loads(re.sub(r"\b0(\d)", r"\1", boxes.llava(box, (width, height))))
    assert all(0 <= n <= 1 for n in square) and square[0] <= square[2]
