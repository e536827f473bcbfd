"""A region's box as text, in each family's own coordinates. Pure numbers and strings.

Boxes are xyxy in pixels of the upright image, x1 and y1 exclusive; sizes are (width, height).
"""

from __future__ import annotations

import json
import math

from finecaption.io.geometry import Box, Size

KOSMOS_GRID = 32
"""Patches along each side of Kosmos-2's image: `microsoft/kosmos-2-patch14-224`."""


def kosmos2(box: Box, size: Size, grid: int = KOSMOS_GRID) -> str:
    """Kosmos-2: the patches of the upper left and the lower right corner.

    A corner's patch is floor(grid x) for the upper left, ceil(grid x - 1) for the lower right,
    within the grid; its number counts along the rows. Source: unilm kosmos-2, decode_string.py.
    """
    x0, y0, x1, y1 = (value / side for value, side in zip(box, size * 2, strict=True))
    left, top = (min(math.floor(v * grid), grid - 1) for v in (x0, y0))
    right, bottom = (max(math.ceil(v * grid - 1), 0) for v in (x1, y1))
    first, last = top * grid + left, bottom * grid + right
    return f"<object><patch_index_{first:04d}><patch_index_{last:04d}></object>"


def thousandths(box: Box, size: Size) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 in 0..1000 of the image's width and height, rounded."""
    x0, y0, x1, y1 = (
        min(1000, max(0, round(1000 * value / side)))
        for value, side in zip(box, size * 2, strict=True)
    )
    return x0, y0, x1, y1


def qwen2(box: Box, size: Size) -> str:
    """Qwen2-VL: 0-1000 between its own box tokens."""
    x0, y0, x1, y1 = thousandths(box, size)
    return f"<|box_start|>({x0},{y0}),({x1},{y1})<|box_end|>"


def qwen2_5(box: Box, size: Size, resized: Size) -> str:
    """Qwen2.5-VL: pixels of the image at the size that the model is given."""
    scale = (resized[0] / size[0], resized[1] / size[1]) * 2
    x0, y0, x1, y1 = (round(value * by) for value, by in zip(box, scale, strict=True))
    return f"<|box_start|>({x0},{y0}),({x1},{y1})<|box_end|>"


def qwen3(box: Box, size: Size) -> str:
    """Qwen3-VL: JSON, 0-1000."""
    return json.dumps({"bbox_2d": list(thousandths(box, size))})


def internvl(box: Box, size: Size) -> str:
    """InternVL-2 and 3: 0-1000 in its own tags, after the words that they stand for."""
    x0, y0, x1, y1 = thousandths(box, size)
    return f"<ref>region</ref><box>[[{x0}, {y0}, {x1}, {y1}]]</box>"


def llava(box: Box, size: Size) -> str:
    """LLaVA-1.5 and 1.6: two decimals in [0, 1] of the image padded to a centered square."""
    side = max(size)
    shift = ((side - size[0]) / 2, (side - size[1]) / 2) * 2
    values = ((value + by) / side for value, by in zip(box, shift, strict=True))
    return "[" + ", ".join(f"{value:.2f}" for value in values) + "]"


def fractions(box: Box, size: Size) -> str:
    """Two decimals in [0, 1] of the image itself: for models without a format of their own."""
    values = (value / side for value, side in zip(box, size * 2, strict=True))
    return "[" + ", ".join(f"{value:.2f}" for value in values) + "]"
