"""The annotated picture: outlines where the regions are, text that stays on the canvas."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.draw import PALETTE, _balanced, _font, _text_blocks, _wrap, annotate
from finecaption.types import Caption, Region

GREY = (128, 128, 128)
SENTENCE = "The tall wooden chair with the striped cushion stands to the left of the open window."


def disc(size: tuple[int, int], x: float, y: float, radius: float) -> Region:
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return Region(np.hypot(columns - x, rows - y) <= radius)


def near(picture: Image.Image, colour: str, tolerance: int = 60) -> np.ndarray:
    values = np.asarray(picture).astype(int)
    return np.abs(values - ImageColor.getrgb(colour)).sum(axis=2) < tolerance


def shown(drawn: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture's part of the canvas: on the left of the text, or centred above it."""
    left = 0 if drawn.height == size[1] else (drawn.width - size[0]) // 2
    return drawn.crop((left, 0, left + size[0], size[1]))


def test_the_outline_follows_the_border() -> None:
    size = (720, 720)
    region = disc(size, 400, 300, 100)
    drawn = annotate(Image.new("RGB", size, GREY), [Caption(region, {"Color": "Red."})])
    values = np.asarray(shown(drawn, size))
    rows, columns = np.nonzero(near(Image.fromarray(values), PALETTE[0]))
    distance = np.hypot(columns - 400, rows - 300)
    assert len(rows) > 500
    assert abs(distance - 100).max() < 4
    angles = np.unique((np.arctan2(rows - 300, columns - 400) * 20).astype(int))
    assert len(angles) > 120  # all the way round
    untouched = np.hypot(*np.meshgrid(np.arange(720) - 400, np.arange(720) - 300))
    assert (values[np.abs(untouched - 100) > 8] == GREY).all()
    assert near(drawn, "#20242c").sum() > 50  # and text


def test_without_text_there_is_no_panel() -> None:
    assert annotate(Image.new("RGB", (300, 200)), []).size == (720, 480)


def test_several_regions_have_colours_and_numbers() -> None:
    size = (800, 600)
    regions = [disc(size, 120 + 180 * i, 300, 60) for i in range(4)]
    captions = [Caption(region, {}, "Red.") for region in regions]
    picture = shown(annotate(Image.new("RGB", size, GREY), captions), size)
    for number in range(4):
        rows, columns = np.nonzero(near(picture, PALETTE[number], 20))
        assert abs(columns.mean() - (120 + 180 * number)) < 20
        assert rows.min() < 240 - 10  # the disc stands above the region


@pytest.mark.parametrize(
    ("size", "count", "names"),
    [
        ((512, 512), 20, 18),
        ((512, 512), 1, 18),
        ((4000, 1000), 3, 4),
        ((300, 2000), 5, 18),
        ((1, 1), 1, 2),
        ((7, 5), 2, 1),
        ((3000, 3), 1, 1),
    ],
)
def test_any_size_and_number_fits_on_the_canvas(
    size: tuple[int, int], count: int, names: int
) -> None:
    random = np.random.default_rng(0)
    captions = []
    for _ in range(count):
        x, y = random.uniform(0, 1, 2) * size
        region = disc(size, int(x), int(y), max(1, min(size) // 8))
        said = dict.fromkeys(ATTRIBUTE_NAMES[:names], SENTENCE)
        captions.append(Caption(region, said, f"{SENTENCE} {SENTENCE}"))
    drawn = annotate(Image.new("RGB", size, GREY), captions, whole=SENTENCE, notice=SENTENCE)
    ink = near(drawn, "#20242c", 40)
    assert ink.sum() > 100
    assert not ink[-8:].any() and not ink[:, -8:].any()  # nothing runs over the edges
    assert max(drawn.size) / min(drawn.size) < 4 or max(size) / min(size) > 4
    assert drawn.width * drawn.height < 4e7


def test_no_text_is_lost_in_columns() -> None:
    said = dict.fromkeys(ATTRIBUTE_NAMES, SENTENCE)
    captions = [Caption(disc((20, 20), 10, 10, 5), said, SENTENCE) for _ in range(6)]
    blocks = _text_blocks(captions, SENTENCE, SENTENCE, 16)
    for count in (1, 2, 3, 5):
        columns = _balanced(blocks, count)
        assert len(columns) <= count
        placed = [block for column in columns for block in column.blocks]
        kept = [block for block in placed if not block.runs[0].text.endswith("continued")]
        assert kept == blocks
        for column in columns:
            assert not column.blocks[-1].header  # a title is never left alone
        heights = [column.height for column in columns]
        assert max(heights) < 1.6 * sum(heights) / len(heights)


def test_lines_are_no_wider_than_asked() -> None:
    text = f"{SENTENCE} {'W' * 90} x"
    lines = _wrap(text, 16, 200)
    assert all(_font(16).getlength(line) <= 200 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert _wrap("", 16, 200) == ["–"]
