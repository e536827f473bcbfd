"""All things in a picture, by clicking everywhere: a grid of clicks, the good masks, each once.

The way of segment-anything's automatic mask generator, on one scale and with one mask a click. The
segmenter is handed in loaded: nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from PIL import Image

from finecaption import masks
from finecaption.errors import InputError


class _Segmenter(Protocol):
    """As much of `finecaption.segment.Segmenter` as is used."""

    def encode(self, image: Any) -> Any: ...

    def predict(self, encoded: Any, points: Any = ()) -> Any: ...


def segment_everything(
    segmenter: _Segmenter,
    picture: Image.Image,
    *,
    grid: int = 16,
    least_score: float = 0.7,
    least_area: float = 0.001,
    most_area: float = 0.9,
    same: float = 0.7,
    most: int = 50,
) -> list[np.ndarray]:
    """Masks of the things in a picture, the largest first.

    Args:
        segmenter: turns a click into a mask and an expected IoU.
        picture: RGB.
        grid: clicks along each side.
        least_score: expected IoU from which a mask is kept.
        least_area, most_area: shares of the picture between which a mask is kept.
        same: IoU from which two masks are the same thing; the better one is kept.
        most: masks at most; the best.

    Returns:
        bool (H, W) each.

    Raises:
        InputError: grid or most below 1.
    """
    if grid < 1 or most < 1:
        raise InputError(f"grid and most: must be at least 1; got {grid} and {most}")
    encoded = segmenter.encode(picture)
    width, height = picture.size
    found: list[tuple[float, np.ndarray]] = []
    covered = np.zeros((height, width), bool)  # by masks that leave nothing to gain
    for row in range(grid):
        for column in range(grid):
            x, y = (column + 0.5) * width / grid, (row + 0.5) * height / grid
            if covered[int(y), int(x)]:
                continue
            result = segmenter.predict(encoded, points=[(x, y)])
            share = np.count_nonzero(result.mask) / (width * height)
            if result.score < least_score or not least_area <= share <= most_area:
                continue
            found.append((result.score, result.mask))
            if result.score >= 0.9:
                covered |= result.mask
    kept: list[np.ndarray] = []
    for _, mask in sorted(found, key=lambda pair: -pair[0]):
        if all(masks.mask_iou(mask, other) < same for other in kept):
            kept.append(mask)
            if len(kept) == most:
                break
    return sorted(kept, key=lambda mask: -int(np.count_nonzero(mask)))
