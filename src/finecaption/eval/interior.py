"""Simulated clicks: the innermost point of a region, or of the remaining error."""

from __future__ import annotations

import numpy as np


def squared_distance(mask: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance of each pixel to the nearest one outside the region.

    Exact, in two passes (columns, then along rows over growing offsets, until no offset can win);
    what lies beyond the image's edge is outside.

    Args:
        mask: bool (H, W).

    Returns:
        int64 (H, W); 0 outside, at least 1 inside.
    """
    mask = np.pad(np.asarray(mask, bool), 1)
    height, width = mask.shape
    rows = np.arange(height)[:, None]
    above = np.maximum.accumulate(np.where(mask, -1, rows), axis=0)  # the last row outside
    below = np.minimum.accumulate(np.where(mask, height, rows)[::-1], axis=0)[::-1]
    column = np.minimum(rows - above, below - rows).astype(np.int64) ** 2
    best = column.copy()
    offset = 1
    while offset < width and offset * offset < best.max():
        square = offset * offset
        np.minimum(best[:, offset:], column[:, :-offset] + square, out=best[:, offset:])
        np.minimum(best[:, :-offset], column[:, offset:] + square, out=best[:, :-offset])
        offset += 1
    return best[1:-1, 1:-1]


def interior_point(mask: np.ndarray) -> tuple[float, float, float]:
    """The point of a region farthest from its border.

    Of equally good ones, that nearest to their centroid is taken.

    Args:
        mask: bool (H, W).

    Returns:
        x, y (pixel coordinates of the pixel's center) and the distance in pixels; (0, 0, 0) for
        an empty mask.
    """
    if not mask.any():
        return 0.0, 0.0, 0.0
    ys, xs = np.nonzero(mask)
    x0, y0, x1, y1 = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    distance = squared_distance(mask[y0:y1, x0:x1])  # outside the box, all is outside the region
    best = distance.max()
    ys, xs = np.nonzero(distance == best)
    k = int(np.argmin((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2))
    return float(xs[k] + x0) + 0.5, float(ys[k] + y0) + 0.5, float(np.sqrt(best))


def next_click(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, bool] | None:
    """The next click after a mask was found: the most interior point of the worse kind of error.

    What is missed and what is too much are measured by their deepest points, as is usual in
    interactive segmentation (isegm/inference/clicker.py of RITM, arXiv 2102.06583).

    Args:
        truth, found: bool (H, W).

    Returns:
        x, y and whether the click says "this belongs to it"; None when nothing is wrong.
    """
    missed, surplus = interior_point(truth & ~found), interior_point(found & ~truth)
    if max(missed[2], surplus[2]) == 0:
        return None
    positive = missed[2] >= surplus[2]
    x, y, _ = missed if positive else surplus
    return x, y, positive
