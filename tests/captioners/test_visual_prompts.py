"""Shapes kept, the rest of the picture left alone, and lines that can be seen at any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from finecaption.captioners import VISUAL_PROMPTS, show
from finecaption.captioners import visual_prompts as vp
from finecaption.errors import InputError
from finecaption.io.masks import box_from_mask

KEEP_SIZE = tuple(how for how in VISUAL_PROMPTS if how != "crop")


def scene(width: int, height: int, seed: int = 0) -> tuple[Image.Image, np.ndarray]:
    """Grey noise, and an ellipse somewhere in it."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(90, 170, (height, width, 3), dtype=np.uint8)
    rows, columns = np.indices((height, width))
    y, x = draw.uniform(0.2, 0.8, 2) * (height, width)
    down, across = np.maximum(draw.uniform(0.08, 0.3, 2) * (height, width), 1.5)
    mask = ((rows - y) / down) ** 2 + ((columns - x) / across) ** 2 < 1
    mask[int(y), int(x)] = True
    return Image.fromarray(pixels), mask


def changed(before: Image.Image, after: Image.Image) -> np.ndarray:
    """bool (H, W): the pixels that differ."""
    a, b = np.asarray(before.convert("RGB")), np.asarray(after.convert("RGB"))
    return np.asarray((a != b).any(axis=2))


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """A mask and all within a square of `by` pixels around it."""
    wide = np.pad(mask, by).astype(np.int64).cumsum(0).cumsum(1)
    wide = np.pad(wide, ((1, 0), (1, 0)))
    side = 2 * by + 1
    inside = wide[side:, side:] - wide[:-side, side:] - wide[side:, :-side] + wide[:-side, :-side]
    return np.asarray(inside > 0)


def boxed(mask: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = box_from_mask(mask)
    box = np.zeros_like(mask)
    box[y0:y1, x0:x1] = True
    return box


sides = st.integers(32, 240)


@given(sides, sides, st.integers(0, 1000), st.sampled_from(KEEP_SIZE))
def test_size_and_source_are_kept(width: int, height: int, seed: int, how: str) -> None:
    picture, mask = scene(width, height, seed)
    before, was = np.array(picture), mask.copy()
    shown = show(picture, mask, how)
    assert shown.picture.size == (width, height)
    assert shown.picture.mode == ("RGBA" if how == "alpha" else "RGB")
    assert np.array_equal(np.asarray(picture), before) and np.array_equal(mask, was)
    assert how == "text" or how == "alpha" or changed(picture, shown.picture).any()


@given(sides, sides, st.integers(0, 1000))
def test_what_is_promised_to_stay_stays(width: int, height: int, seed: int) -> None:
    picture, mask = scene(width, height, seed)
    line = vp.line_width(picture.size)
    reach = line + vp.casing(line) + 1
    box = boxed(mask)

    frame = changed(picture, vp.draw_box(picture, mask))
    assert not (frame & ~grown(box, reach)).any()
    inner = box.copy()  # further than a line from the border, and inside the box
    inner[:reach] = inner[-reach:] = False
    inner[:, :reach] = inner[:, -reach:] = False
    assert not (frame & inner).any()

    contour = changed(picture, vp.draw_contour(picture, mask))
    assert not (contour & ~(grown(mask, reach) & grown(~np.pad(mask, 1), reach)[1:-1, 1:-1])).any()

    tint = changed(picture, vp.draw_overlay(picture, mask))
    assert not (tint & ~mask).any() and tint[mask].all()

    blur = changed(picture, vp.blur_background(picture, mask))
    assert not (blur & mask).any() and blur[~mask].mean() > 0.9

    rgba = np.asarray(vp.alpha(picture, mask))
    assert np.array_equal(rgba[..., :3], np.asarray(picture))
    assert np.array_equal(rgba[..., 3] == 255, mask) and set(np.unique(rgba[..., 3])) <= {0, 255}


@given(sides, sides, st.integers(0, 1000), st.floats(0, 1))
def test_crop(width: int, height: int, seed: int, margin: float) -> None:
    picture, mask = scene(width, height, seed)
    x0, y0, x1, y1 = box_from_mask(mask)
    part = vp.crop(picture, mask, margin)
    assert x1 - x0 <= part.width <= width and y1 - y0 <= part.height <= height
    where = np.asarray(picture.crop((x0, y0, x1, y1)))
    rows = np.asarray(part)
    found = [
        (top, left)
        for top in range(part.height - (y1 - y0) + 1)
        for left in range(part.width - (x1 - x0) + 1)
        if (rows[top, left] == where[0, 0]).all()
        and np.array_equal(rows[top : top + y1 - y0, left : left + x1 - x0], where)
    ]
    assert found  # noise: the box's pixels are there, unscaled
    if margin == 0:
        assert part.size == (x1 - x0, y1 - y0)


@pytest.mark.parametrize("size", [(32, 32), (336, 336), (1920, 1080), (8192, 1536)])
@pytest.mark.parametrize("how", ["box", "contour", "circle", "arrow"])
def test_lines_can_be_seen_at_any_size(size: tuple[int, int], how: str) -> None:
    """Shrunk to the 336 pixels that a model may see, there is still red, and not too much."""
    picture = Image.new("RGB", size, (120, 130, 120))
    mask = np.zeros(size[::-1], bool)
    mask[size[1] // 3 : size[1] // 2, size[0] // 3 : size[0] // 2] = True
    shown = show(picture, mask, how).picture
    if max(size) > 336:
        shown = shown.resize((336, 336 * size[1] // size[0]), Image.Resampling.BOX)
    red, green, _ = np.asarray(shown).astype(int).transpose(2, 0, 1)
    seen = (red > 200) & (green < 110)
    assert seen.sum() >= 0.04 * sum(seen.shape) and seen.mean() < 0.25


def test_a_region_at_the_border_keeps_its_frame() -> None:
    picture, mask = Image.new("RGB", (600, 400)), np.ones((400, 600), bool)
    for how in ("box", "contour", "circle", "arrow"):
        red = np.asarray(show(picture, mask, how).picture)[..., 0] == 255
        assert red.sum() > 200, how
    frame = np.asarray(vp.draw_box(picture, mask))[..., 0] == 255
    assert frame[0].all() and frame[-1].all() and frame[:, 0].all() and frame[:, -1].all()


def test_the_arrow_points_at_the_region() -> None:
    for seed in range(20):
        picture, mask = scene(300, 200, seed)
        arrow = changed(picture, vp.draw_arrow(picture, mask))
        assert (arrow & mask).any() and (arrow & ~mask).any()


def test_vip_llavas_line_has_no_white() -> None:
    picture, mask = Image.new("RGB", (336, 336)), np.zeros((336, 336), bool)
    mask[100:200, 100:200] = True
    plain = np.asarray(vp.draw_contour(picture, mask, half_width=2))
    assert plain[..., 1].max() == 0 and plain[100, 150, 0] == 255
    # so far to either side of the border at 100
    assert plain[95, 150, 0] == 0 and plain[105, 150, 0] == 0
    faint = np.asarray(vp.draw_contour(picture, mask, half_width=2, opacity=0.5))
    assert 120 <= faint[100, 150, 0] <= 136


def test_square() -> None:
    picture = Image.new("RGB", (40, 20), (1, 2, 3))
    square = np.asarray(vp.pad_square(picture, (9, 9, 9)))
    assert square.shape == (40, 40, 3)
    assert (
        (square[10:30] == (1, 2, 3)).all() and (square[:10] == 9).all() and (square[30:] == 9).all()
    )


def test_refusals() -> None:
    picture, mask = scene(50, 40)
    with pytest.raises(InputError, match="must be one of text, box"):
        show(picture, mask, "scribble")
    for how in VISUAL_PROMPTS:
        with pytest.raises(InputError, match="is empty"):
            show(picture, np.zeros_like(mask), how)
        with pytest.raises(InputError, match="40 x 50 pixels"):
            show(picture, mask.T, how)
    with pytest.raises(InputError, match="margin"):
        vp.crop(picture, mask, -1)
