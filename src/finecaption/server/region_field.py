"""The `region` of a request: one of its forms -> Region or RegionPrompt, within bounds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from finecaption.errors import InputError
from finecaption.io.compressed_masks import decode_base64_gzip
from finecaption.io.geometry import Size, check_point
from finecaption.io.masks import decode_polygons, decode_rle, load_mask
from finecaption.request import region_of
from finecaption.server.images import decode_base64, decode_mask
from finecaption.server.schemas import RegionModel
from finecaption.types import Region, RegionPrompt

_GZIP = b"\x1f\x8b"
_LONGEST_BORDER = 1_000_000  # pixels: polygons are drawn along their border, 5 steps a pixel


def to_region(
    given: RegionModel, size: Size, *, max_points: int, field: str = "region"
) -> Region | RegionPrompt:
    """A request's region, for an image of (width, height).

    Raises:
        InputError: empty, broken, outside the image, of another size, or over a bound.
    """
    if given.counts is not None:
        return _rle(given, size, field)
    if given.polygon is not None:
        return _polygon(given.polygon, size, f"{field}.polygon")
    if given.mask is not None:
        return _mask(given.mask, size, f"{field}.mask", given.label)
    points = given.points or ()
    if len(points) > max_points:
        raise InputError(f"{field}.points: {len(points)} of them; at most {max_points} are taken")
    clicks = tuple(check_point(p, size, f"{field}.points[{i}]") for i, p in enumerate(points))
    try:
        return RegionPrompt(clicks, given.box).within(size)
    except InputError as error:
        raise InputError(f"{field}: {error}") from error


def _rle(given: RegionModel, size: Size, field: str) -> Region:
    width, height = size
    assert given.size is not None and given.counts is not None
    if given.size != (height, width):  # before memory is taken for it
        raise InputError(
            f"{field}.size: {list(given.size)} is not the image's [height, width] "
            f"[{height}, {width}]"
        )
    counts = given.counts
    # runs longer than the image could, added up, wrap around to its size
    if not isinstance(counts, str) and any(run > width * height for run in counts):
        raise InputError(f"{field}.counts: a run is longer than the image has pixels")
    mask = decode_rle({"size": [height, width], "counts": counts}, size, field)
    return region_of(mask, field)


def _polygon(polygon: list[float] | list[list[float]], size: Size, field: str) -> Region:
    parts = polygon if isinstance(polygon[0], list) else [polygon]
    border = 0.0
    for part in parts:
        corners = np.asarray(part, np.float64)[: len(part) // 2 * 2].reshape(-1, 2)
        border += sum(float(np.abs(b - a).sum()) for a, b in pairwise((*corners, corners[0])))
    if border > _LONGEST_BORDER:
        raise InputError(
            f"{field}: its border is {border:,.0f} pixels long; at most {_LONGEST_BORDER:,} are "
            "rendered; send a mask image or RLE"
        )
    return region_of(decode_polygons(parts, size, field), field)


def _mask(text: str, size: Size, field: str, label: int | list[int] | None) -> Region:
    data = decode_base64(text, field)
    if data[:2] == _GZIP and label is None:
        bare = text.partition(",")[2] if text[:5].lower() == "data:" else text
        return region_of(decode_base64_gzip("".join(bare.split()), size, field), field)
    try:
        labels = [label] if isinstance(label, int) else label
        mask = load_mask(decode_mask(data, size, field), size, labels)
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(field) else f"{field}: {error}") from error
    return region_of(mask, field)
