"""Visual prompts for models that take no mask: pure functions of an image and a mask.

Each takes the image (PIL; RGB) and the region's mask (bool (H, W), not empty) and returns a new
image. Lines are made as wide as the image needs: `line_width`. `show` draws any of them by its
name and says how a question then calls the region.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from finecaption.captioners import boxes
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.geometry import Box, Size

RED = (255, 0, 0)
WHITE = (255, 255, 255)

CROP_MARGIN = 0.25
"""Of the box's sides, kept around it by `crop`."""


class Shown(NamedTuple):
    """An image that shows a region, and what a question calls the region."""

    picture: Image.Image
    words: str


def line_width(size: Size) -> int:
    """Pixels: 1 on a thumbnail, 2 at 336, 7 at 1,024, 55 at 8,192."""
    return max(1, round(max(size) / 150))


def casing(line: int) -> int:
    """Pixels of white to either side of a red line, so that it is seen on red too; none at 1."""
    return max(1, line // 3) if line > 1 else 0


def box_as_text(image: Image.Image, mask: np.ndarray) -> str:
    """The box as four fractions of the width and height, such as `[0.25, 0.10, 0.75, 0.90]`."""
    return boxes.fractions(_box(image, mask), image.size)


def draw_box(image: Image.Image, mask: np.ndarray) -> Image.Image:
    """A red frame around the box, with a thin white one where there is room for it.

    The frame lies outside the box; at the image's border, inside the image. What is inside the
    box and further than a line from the border stays as it is.
    """
    drawn, pen, line = _canvas(image)
    width, height = image.size
    x0, y0, x1, y1 = _box(image, mask)
    white = casing(line)
    for grow, colour in ((line + white, WHITE), (line, RED)):
        if colour == WHITE and not white:
            continue
        # the frame keeps its width where the border cuts its outer edge off
        left, top = max(0, x0 - grow), max(0, y0 - grow)
        right, bottom = min(width, x1 + grow), min(height, y1 + grow)
        pen.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=grow)
    return _restored(drawn, image, _inside((x0, y0, x1, y1), image.size, line))


def draw_contour(
    image: Image.Image, mask: np.ndarray, half_width: float | None = None, opacity: float = 1.0
) -> Image.Image:
    """The mask's border as a red line, on a thin white one; further from it, nothing changes.

    Args:
        half_width: pixels to either side of the border, and no white, as ViP-LLaVA has it; None:
            half of `line_width`.
        opacity: of the line, 0..1.
    """
    _check(image, mask)
    line = line_width(image.size)
    lines = [(WHITE, line / 2 + casing(line)), (RED, line / 2)]
    if half_width is not None:
        lines = [(RED, half_width)]
    width, height = image.size
    margin = math.ceil(max(half for _, half in lines)) + 1
    x0, y0, x1, y1 = masks.box_from_mask(mask)
    left, top = max(0, x0 - margin), max(0, y0 - margin)
    right, bottom = min(width, x1 + margin), min(height, y1 + margin)
    loops = []
    for border in masks.contours(mask[y0:y1, x0:x1]):
        points = [(int(x) + x0 - left, int(y) + y0 - top) for x, y in border]
        loops.append([*points, points[0], points[1]])
    drawn = image.convert("RGB").copy()
    for colour, half in lines:
        cover = Image.new("L", (right - left, bottom - top), 0)  # only where the line can be
        pen = ImageDraw.Draw(cover)
        for loop in loops:
            breadth = max(1, round(2 * half))
            pen.line(loop, fill=round(255 * opacity), width=breadth, joint="curve")
        drawn.paste(colour, (left, top, right, bottom), cover)
    return drawn


def draw_overlay(
    image: Image.Image, mask: np.ndarray, opacity: float = 0.45, colour: tuple[int, ...] = RED
) -> Image.Image:
    """The region tinted; outside it, nothing changes.

    Args:
        opacity: of the tint, 0..1.
    """
    _check(image, mask)
    drawn = image.convert("RGB")
    cover = Image.fromarray(mask.astype(np.uint8) * np.uint8(round(255 * opacity)))
    drawn.paste(colour, (0, 0, *image.size), cover)
    return drawn


def draw_circle(image: Image.Image, mask: np.ndarray) -> Image.Image:
    """A red ellipse around the box, through its corners where the image has room for them.

    After Shtedritski et al., "What does CLIP know about a red circle?" (2023).
    """
    drawn, pen, line = _canvas(image)
    x0, y0, x1, y1 = _box(image, mask)
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    # an ellipse through the corners has sqrt(2) times the box's half sides
    across = max((x1 - x0) / math.sqrt(2), line * 1.5) + line
    down = max((y1 - y0) / math.sqrt(2), line * 1.5) + line
    left, right = max(0.0, middle_x - across), min(image.width - 1.0, middle_x + across - 1)
    top, bottom = max(0.0, middle_y - down), min(image.height - 1.0, middle_y + down - 1)
    white = casing(line)
    if white:
        outer = (left - white, top - white, right + white, bottom + white)
        pen.ellipse(outer, outline=WHITE, width=line + 2 * white)
    pen.ellipse((left, top, right, bottom), outline=RED, width=line)
    return drawn


def draw_arrow(image: Image.Image, mask: np.ndarray) -> Image.Image:
    """A red arrow whose tip is on the region, from the side with most room."""
    drawn, pen, line = _canvas(image)
    width, height = image.size
    tip, way = _aim(mask, _box(image, mask))
    shaft = max(1.0, line * 1.4)
    head = max(4.0, shaft * 4.5)
    room = min(
        *(
            limit / abs(step)
            for limit, step in (
                (width - 1 - tip[0] if way[0] > 0 else tip[0], way[0]),
                (height - 1 - tip[1] if way[1] > 0 else tip[1], way[1]),
            )
            if step
        ),
        math.inf,
    )
    length = min(room, max(head * 2.2, 0.18 * max(width, height)))
    white = casing(line)
    for colour, wider in ((WHITE, white), (RED, 0)):
        if colour == WHITE and not white:
            continue
        _arrow(pen, tip, way, length + wider, shaft + 2 * wider, head + 2 * wider, colour)
    return drawn


def crop(image: Image.Image, mask: np.ndarray, margin: float = CROP_MARGIN) -> Image.Image:
    """The box with a margin, cut out; its pixels are the image's.

    Args:
        margin: share of the box's sides that is kept on each side of it, with at least 4 pixels.
    """
    x0, y0, x1, y1 = _box(image, mask)
    if margin < 0:
        raise InputError(f"margin: is {margin}; it must not be negative")
    dx, dy = (margin * side + 4 * bool(margin) for side in (x1 - x0, y1 - y0))
    left, top = max(0, math.floor(x0 - dx)), max(0, math.floor(y0 - dy))
    right, bottom = min(image.width, math.ceil(x1 + dx)), min(image.height, math.ceil(y1 + dy))
    return image.convert("RGB").crop((left, top, right, bottom))


def blur_background(image: Image.Image, mask: np.ndarray) -> Image.Image:
    """All but the region out of focus; the region itself stays as it is.

    After Yang et al., "Fine-Grained Visual Prompting" (2023), where a reverse blur mask did best.
    """
    _check(image, mask)
    sharp = image.convert("RGB")
    radius = max(2.0, max(image.size) / 60)
    # a wide blur is made on a smaller image: at 8k it would take a minute
    shrink = max(1, round(radius / 6))
    small = sharp.reduce(shrink) if shrink > 1 else sharp
    soft = small.filter(ImageFilter.GaussianBlur(radius / shrink))
    if shrink > 1:
        soft = soft.resize(sharp.size, Image.Resampling.BILINEAR)
    soft.paste(sharp, (0, 0), Image.fromarray(mask.astype(np.uint8) * np.uint8(255)))
    return soft


def alpha(image: Image.Image, mask: np.ndarray) -> Image.Image:
    """RGBA: the image as it is, opaque in the region and transparent outside.

    The convention of describe-anything's server, and of this project's own.
    """
    _check(image, mask)
    drawn = image.convert("RGB")
    drawn.putalpha(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)))
    return drawn


def pad_square(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """The image in the middle of a square, as LLaVA-1.5 is given it."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), colour)
    square.paste(image.convert("RGB"), ((side - image.width) // 2, (side - image.height) // 2))
    return square


_DRAWN: dict[str, tuple[Callable[[Image.Image, np.ndarray], Image.Image], str]] = {
    "box": (draw_box, "the region in the red box"),
    "contour": (draw_contour, "the region within the red mask contour"),
    "overlay": (draw_overlay, "the region tinted red"),
    "circle": (draw_circle, "the region in the red circle"),
    "arrow": (draw_arrow, "the thing that the red arrow points to"),
    "crop": (crop, "the thing in the middle of the picture"),
    "blur": (blur_background, "the part of the picture that is in focus"),
    "alpha": (alpha, "the opaque part of the picture"),
}

VISUAL_PROMPTS: tuple[str, ...] = ("text", *_DRAWN)
"""All ways of showing a region: "text" leaves the image as it is and gives the box in words."""


def show(image: Image.Image, mask: np.ndarray, how: str) -> Shown:
    """The image with the region shown, and words for the region.

    Args:
        how: one of VISUAL_PROMPTS.

    Raises:
        InputError: another name; a mask that is empty or of another size.
    """
    if how == "text":
        return Shown(image.convert("RGB"), f"the region {box_as_text(image, mask)}")
    if how not in _DRAWN:
        raise InputError(f"visual prompt: must be one of {', '.join(VISUAL_PROMPTS)}; got {how!r}")
    draw, words = _DRAWN[how]
    return Shown(draw(image, mask), words)


def _check(image: Image.Image, mask: np.ndarray) -> None:
    masks.check_mask_size(mask, image.size)
    if not mask.any():
        raise InputError("mask: is empty; mark at least one pixel")


def _box(image: Image.Image, mask: np.ndarray) -> tuple[int, int, int, int]:
    masks.check_mask_size(mask, image.size)
    return masks.box_from_mask(mask)


def _canvas(image: Image.Image) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    drawn = image.convert("RGB").copy()
    return drawn, ImageDraw.Draw(drawn), line_width(image.size)


def _inside(box: Box, size: Size, line: int) -> tuple[int, int, int, int] | None:
    """What a frame leaves free: the box, less a line where the image's border is in the way."""
    width, height = size
    x0, y0, x1, y1 = (int(value) for value in box)
    left, top = max(x0, line), max(y0, line)
    right, bottom = min(x1, width - line), min(y1, height - line)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _restored(
    drawn: Image.Image, image: Image.Image, inside: tuple[int, int, int, int] | None
) -> Image.Image:
    if inside is not None:
        drawn.paste(image.convert("RGB").crop(inside), inside[:2])
    return drawn


def _aim(
    mask: np.ndarray, box: tuple[int, int, int, int]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where an arrow's tip goes, and the unit vector from it along the shaft."""
    height, width = mask.shape
    x0, y0, x1, y1 = box
    rows, columns = np.nonzero(mask[y0:y1, x0:x1])
    nearest = int(np.hypot(columns - columns.mean(), rows - rows.mean()).argmin())
    x, y = int(columns[nearest]) + x0, int(rows[nearest]) + y0
    best: tuple[float, tuple[float, float], tuple[float, float]] | None = None
    for turn in range(8):
        way = math.cos(turn * math.pi / 4), math.sin(turn * math.pi / 4)
        # along the ray, the last pixel of the region, and the way from there to the border
        steps = np.arange(max(width, height) * 2)
        across = np.round(x + steps * way[0]).astype(int)
        down = np.round(y + steps * way[1]).astype(int)
        within = (across >= 0) & (across < width) & (down >= 0) & (down < height)
        across, down = across[within], down[within]
        last = int(np.flatnonzero(mask[down, across])[-1])
        # well inside, so that it is clear what the tip means
        at = last - min(last // 2, round(0.03 * max(width, height)))
        room = len(across) - at
        # a slanted arrow is told from an image's own lines more easily
        worth = min(room, 0.25 * max(width, height)) * (1.0 if turn % 2 else 0.95)
        if best is None or worth > best[0]:
            best = worth, (float(across[at]), float(down[at])), way
    assert best is not None
    if best[0] < 0.08 * max(width, height):  # the region fills the image
        way = (-1.0, 0.0) if x > width / 2 else (1.0, 0.0)
        return (float(x), float(y)), way
    return best[1], best[2]


def _arrow(
    pen: ImageDraw.ImageDraw,
    tip: tuple[float, float],
    way: tuple[float, float],
    length: float,
    shaft: float,
    head: float,
    colour: tuple[int, int, int],
) -> None:
    """A filled arrow; `way` leads from the tip to the tail."""
    (x, y), (dx, dy) = tip, way
    neck = min(head * 1.2, length)

    def at(along: float, aside: float) -> tuple[float, float]:
        return x + along * dx - aside * dy, y + along * dy + aside * dx

    pen.polygon([at(0, 0), at(neck, head / 2 + shaft / 4), at(neck, -head / 2 - shaft / 4)], colour)
    if length > neck:
        half = shaft / 2
        corners = [at(neck - 1, half), at(length, half), at(length, -half), at(neck - 1, -half)]
        pen.polygon(corners, colour)
