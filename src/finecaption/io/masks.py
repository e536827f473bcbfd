"""Masks: bool arrays (H, W), True on the region. Codecs and what can be measured on them.

Coordinates and sizes as in `finecaption.io.geometry`: size is (width, height), shape is (H, W).

Which values of arrays and images belong to the region: `finecaption.io.mask_values`.
"""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from finecaption.errors import InputError
from finecaption.io import mask_values
from finecaption.io.geometry import Box, Size, check_box, check_pixels, check_scale, check_size
from finecaption.io.images import MAX_PIXELS, open_picture
from finecaption.io.mask_values import Labels


def as_mask(
    array: Any, size: Size | None = None, field: str = "mask", labels: Labels | None = None
) -> np.ndarray:
    """Any 2-D array-like (or H x W x 1, or 1 x H x W) -> bool (H, W).

    Args:
        array: bool, integers or floats; which values count: see `finecaption.io.mask_values`.
        size: (width, height) that it must have.
        field: what messages call it.
        labels: the values that make the region, where the array holds label numbers.

    Raises:
        InputError: not 2-D, no pixels, NaN, floats outside 0..1, values of which it is not clear
            what they mean, or not of the image's `size`.
    """
    values = np.asarray(array)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    elif values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"{field}: must be an array (H, W); got shape {values.shape}")
    mask = mask_values.of_array(values, field, labels)
    check_mask_size(mask, size, field)
    return mask


def check_mask_size(mask: np.ndarray, size: Size | None, field: str = "mask") -> None:
    """Raises InputError unless the (H, W) mask has the image's (width, height)."""
    height, width = mask.shape
    if size is not None and (width, height) != tuple(size):
        raise InputError(
            f"{field}: is {width} x {height} pixels, but the image is {size[0]} x {size[1]}; "
            "give a mask of the image's size"
        )


# --- image files -------------------------------------------------------------------------


def load_mask(
    source: str | os.PathLike[str] | bytes | bytearray | BinaryIO | Image.Image,
    size: Size | None = None,
    labels: Labels | None = None,
) -> np.ndarray:
    """A mask file (PNG, or any image), its bytes, or a PIL image -> bool (H, W).

    Orientation is applied, as to images. Which values count: see `finecaption.io.mask_values`.

    Args:
        source: the mask.
        size: (width, height) that it must have.
        labels: the gray values, or indices of a palette, that make the region.

    Raises:
        InputError: unreadable, values of which it is not clear what they mean, or not of the
            image's `size`.
    """
    field = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "mask"
    mask = mask_values.of_picture(open_picture(source), str(field), labels)
    check_mask_size(mask, size, str(field))
    return mask


def encode_png(mask: np.ndarray) -> bytes:
    """A mask as PNG bytes: 8-bit grey, 0 and 255."""
    stream = io.BytesIO()
    Image.fromarray(as_mask(mask).astype(np.uint8) * np.uint8(255)).save(stream, "PNG")
    return stream.getvalue()


# --- COCO RLE ------------------------------------------------------------------------------


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """A mask -> compressed COCO RLE `{"size": [H, W], "counts": str}`, ready for JSON."""
    rle = coco.encode(np.asfortranarray(as_mask(mask), dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def encode_rle_counts(mask: np.ndarray) -> dict[str, Any]:
    """A mask -> uncompressed COCO RLE `{"size": [H, W], "counts": [int, ...]}`.

    Runs go down the columns and begin with the background (0 if the first pixel is foreground).
    """
    mask = as_mask(mask)
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate(([0], changes, [flat.size])))
    counts = [int(run) for run in runs]
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def decode_rle(rle: Mapping[str, Any], size: Size | None = None, field: str = "mask") -> np.ndarray:
    """COCO RLE, compressed (str or bytes counts) or not (list of ints) -> bool (H, W).

    Decoded here and not by pycocotools, which trusts its input: a wrong string there reads or
    writes outside its memory. Format: maskApi.c of cocodataset/cocoapi.

    Raises:
        InputError: keys missing, counts broken or not adding up to the size, or not of the
            image's `size` (width, height).
    """
    if not isinstance(rle, Mapping) or not {"size", "counts"} <= set(rle):
        raise InputError(f'{field}: RLE must be {{"size": [height, width], "counts": ...}}')
    shape = rle["size"]
    if not isinstance(shape, Sequence) or isinstance(shape, str) or len(shape) != 2:
        raise InputError(f"{field}: RLE size must be [height, width]; got {shape!r}")
    width, height = check_size((shape[1], shape[0]), f"{field}: RLE size")
    if width * height > MAX_PIXELS:
        raise InputError(f"{field}: RLE size {width} x {height} is over {MAX_PIXELS:,} pixels")
    counts = rle["counts"]
    if isinstance(counts, (str, bytes)):
        runs = _runs_of_string(counts, field)
    else:
        try:
            runs = np.asarray(counts)
        except (TypeError, ValueError) as error:
            raise InputError(f"{field}: RLE counts must be a string or a list of ints") from error
        if runs.ndim != 1 or (runs.size and runs.dtype.kind not in "ui"):
            raise InputError(f"{field}: RLE counts must be a string or a list of ints")
        runs = runs.astype(np.int64)
    # Python's integers: a sum of int64 could wrap round to the right size
    total = sum(runs.tolist())
    if (runs < 0).any() or total != width * height:
        raise InputError(
            f"{field}: RLE counts do not add up to {height} x {width} pixels (sum {total}); "
            "the RLE is broken or of another size"
        )
    values = np.arange(runs.size) % 2 == 1
    mask = np.repeat(values, runs).reshape((height, width), order="F")
    check_mask_size(mask, size, field)
    return np.ascontiguousarray(mask)


def _runs_of_string(counts: str | bytes, field: str) -> np.ndarray:
    """COCO's counts string -> run lengths: 5 bits a character from 48 on, bit 6 says "more", the
    last character's fifth bit is the sign; from the fourth on, runs are differences to the one
    two before."""
    broken = InputError(f"{field}: the RLE counts string is broken; export the mask again")
    try:
        raw = counts.encode("ascii") if isinstance(counts, str) else counts
    except UnicodeEncodeError as error:
        raise broken from error
    codes = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if codes.size == 0 or (codes < 0).any() or (codes > 63).any() or codes[-1] & 0x20:
        raise broken
    last = (codes & 0x20) == 0
    ends = np.flatnonzero(last)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > 7:  # 35 bits: more than any run within the pixel limit
        raise broken
    place = np.arange(codes.size) - np.repeat(starts, lengths)
    runs = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    runs -= np.where(codes[ends] & 0x10, np.int64(1) << (5 * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


# --- polygons ------------------------------------------------------------------------------


def decode_segmentation(
    segmentation: Any, size: Size, field: str = "segmentation", drawn: Size | None = None
) -> np.ndarray:
    """COCO's `segmentation`, RLE or polygons -> bool (H, W).

    Args:
        segmentation: as the file has it.
        size: (width, height) of the image.
        field: what messages call it.
        drawn: (width, height) of the image that it was drawn in, as its file says; a copy of
            another size is scaled to `size`. None: the image's own.

    Raises:
        InputError: as `decode_rle` and `decode_polygons`; `drawn` is of another shape.
    """
    if drawn is not None:
        check_scale(drawn, size, field)
    if not isinstance(segmentation, Mapping):
        return decode_polygons(segmentation, size, field, drawn)
    mask = decode_rle(segmentation, field=field)
    if mask.shape[::-1] == drawn:
        mask = resize_mask(mask, size)
    check_mask_size(mask, size, field)
    return mask


def decode_polygons(
    polygons: Sequence[Any], size: Size, field: str = "polygon", drawn: Size | None = None
) -> np.ndarray:
    """COCO polygons -> bool (H, W).

    `polygons` is a list of polygons, each `[x0, y0, x1, y1, ...]` or `[(x, y), ...]`; one polygon
    alone is taken too. COCO's rule: the mask is the union of the polygons, so one drawn inside
    another adds nothing and cannot make a hole; use RLE or PNG for holes. Rings nested one level
    deeper (`[[ring, ring]]`, as GeoJSON has them) are a union too, if they do not overlap: there,
    an inner ring would be a hole. Vertices may lie outside the image by up to its size; what is
    outside is cut. With `drawn`, coordinates are those of an image of this (width, height) and are
    scaled.

    Raises:
        InputError: fewer than three vertices, odd count, NaN, far outside, fractions of the
            image's size, overlapping nested rings, or no pixel covered.
    """
    width, height = check_size(size)
    flats: list[list[float]] = []
    for where, ring in _rings(polygons, field):
        flats.append(_flat_ring(ring, (width, height), where, drawn))
    mask = decode_rle(coco.merge(coco.frPyObjects(flats, height, width)))
    if not mask.any():
        raise InputError(f"{field}: covers no pixel of the image of {width} x {height} pixels")
    for where, nested in _nested(polygons, field):
        rings = [_flat_ring(ring, (width, height), at, drawn) for at, ring in nested]
        parts = coco.frPyObjects(rings, height, width)
        if coco.area(parts).sum() > coco.area(coco.merge(parts)):
            raise InputError(
                f"{where}: its rings overlap, so that one may be a hole, which polygons of COCO "
                "cannot have; give RLE or a mask file"
            )
    return mask


def _items(value: Any) -> list[Any] | None:
    """The elements of a list, tuple or array; None of anything else."""
    listed = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))
    return list(value) if listed else None


def _is_ring(value: Any) -> bool:
    """Whether a list is one ring: numbers, or pairs of numbers."""
    items = _items(value) or []
    inner = [_items(item) for item in items]
    if all(item is None for item in inner):
        return True
    return all(
        item is not None and len(item) == 2 and all(_items(number) is None for number in item)
        for item in inner
    )


def _rings(polygons: Any, field: str) -> Iterator[tuple[str, Any]]:
    """(place, ring) of polygons, however deep they are nested."""
    items = _items(polygons)
    if not items:
        raise InputError(f"{field}: is empty; give [[x0, y0, x1, y1, x2, y2, ...], ...]")
    if _is_ring(items):
        yield f"{field}[0]", items
        return
    for index, part in enumerate(items):
        where = f"{field}[{index}]"
        if _items(part) is None:
            raise InputError(f"{where}: must be a list of numbers x0, y0, x1, y1, ...")
        if _is_ring(part):
            yield where, part
        else:
            yield from _rings(part, where)


def _nested(polygons: Any, field: str) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """(place, its rings) of each part of the polygons that is no ring."""
    if not _is_ring(polygons):
        for index, part in enumerate(_items(polygons) or ()):
            if not _is_ring(part):
                yield f"{field}[{index}]", list(_rings(part, f"{field}[{index}]"))


def _flat_ring(ring: Any, size: Size, where: str, drawn: Size | None) -> list[float]:
    """A ring as [x0, y0, x1, y1, ...], checked and scaled to the image of `size`."""
    width, height = drawn or size
    try:
        flat = np.asarray(ring, np.float64).ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: must be a list of numbers x0, y0, x1, y1, ...") from error
    if flat.size < 6 or flat.size % 2:
        raise InputError(
            f"{where}: {flat.size} numbers; a polygon needs an x and a y for each of 3 or more "
            "vertices"
        )
    if not np.isfinite(flat).all():
        raise InputError(f"{where}: holds NaN or infinity; give finite pixel numbers")
    xy = flat.reshape(-1, 2)
    limit = np.array([width, height])
    if (xy < -limit).any() or (xy > 2 * limit).any():
        raise InputError(
            f"{where}: a vertex lies far outside the image of {width} x {height} pixels; "
            "give pixel coordinates of this image"
        )
    numbers: list[float] = flat.tolist()
    shown = ", ".join(f"{number:g}" for number in numbers[:4])
    check_pixels(numbers, f"({shown}, ...)", where)
    if drawn is not None and drawn != size:
        scaled: list[float] = (xy * np.divide(size, drawn)).ravel().tolist()
        return scaled
    return numbers


def contours(mask: np.ndarray) -> list[np.ndarray]:
    """The borders of a mask: closed loops of pixel corners, each (N, 2) int xy, corners only.

    The region lies to the right of the direction of travel: outer borders run clockwise on
    screen, borders of holes run the other way. Pixels that touch only at a corner are separate.
    """
    padded = np.pad(as_mask(mask).astype(np.int8), 1)
    down = np.diff(padded, axis=0)[:, 1:-1]  # (H + 1, W): +1 the region begins below this edge
    across = np.diff(padded, axis=1)[1:-1, :]  # (H, W + 1): +1 the region begins right of it
    steps: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for edges, sign, start, step in (
        (down, 1, (0, 0), (1, 0)),  # a top edge runs right
        (down, -1, (1, 0), (-1, 0)),  # a bottom edge runs left
        (across, 1, (0, 1), (0, -1)),  # a left edge runs up
        (across, -1, (0, 0), (0, 1)),  # a right edge runs down
    ):
        rows, columns = np.nonzero(edges == sign)
        for x, y in zip((columns + start[0]).tolist(), (rows + start[1]).tolist(), strict=True):
            steps[x, y].append(step)
    loops: list[np.ndarray] = []
    for origin in sorted(steps):
        while steps[origin]:
            point, step, corners = origin, steps[origin].pop(), [origin]
            while True:
                point = (point[0] + step[0], point[1] + step[1])
                choices = steps[point]
                # where two pixels touch at a corner, a right turn stays on this one
                right = (-step[1], step[0])
                if point == origin and right not in choices:
                    break  # the right turn was the first step: closed
                turn = right if right in choices else choices[-1]
                choices.remove(turn)
                if turn != step:
                    corners.append(point)
                    step = turn
            loops.append(np.array(corners, np.int64))
    return loops


def encode_polygons(mask: np.ndarray) -> list[list[float]]:
    """A mask -> COCO polygons along pixel edges, one for each connected part.

    COCO's polygons cannot say "hole": holes come back filled. Use `encode_rle` to keep them.
    """
    polygons = []
    for loop in contours(mask):
        x, y = loop[:, 0], loop[:, 1]
        if np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)) > 0:  # clockwise on screen: outer
            polygons.append([float(value) for value in loop.ravel()])
    return polygons


# --- geometry ------------------------------------------------------------------------------


def mask_from_box(box: Sequence[float], size: Size, field: str = "box") -> np.ndarray:
    """A filled xyxy box -> bool (H, W): the pixels whose centres lie in it; at least one.

    Raises:
        InputError: as `geometry.check_box`.
    """
    width, height = check_size(size)
    x0, y0, x1, y1 = check_box(box, (width, height), field)
    left, top = min(round(x0), width - 1), min(round(y0), height - 1)
    mask = np.zeros((height, width), bool)
    mask[top : max(round(y1), top + 1), left : max(round(x1), left + 1)] = True
    return mask


def box_from_mask(mask: np.ndarray, field: str = "mask") -> tuple[int, int, int, int]:
    """The tight xyxy box of a mask, x1 and y1 exclusive.

    Raises:
        InputError: the mask is empty.
    """
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not columns.size:
        raise InputError(f"{field}: is empty; mark at least one pixel")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks of one shape, in [0, 1]; 0 if both are empty."""
    union = int(np.count_nonzero(a | b))
    return int(np.count_nonzero(a & b)) / union if union else 0.0


def box_mask_iou(mask: np.ndarray, box: Box | None = None) -> float:
    """IoU of a mask with a filled xyxy box, by default its own: how well a box says the region."""
    if box is None:
        x0, y0, x1, y1 = box_from_mask(mask)
        return int(np.count_nonzero(mask)) / ((x1 - x0) * (y1 - y0))
    height, width = mask.shape
    return mask_iou(mask, mask_from_box(box, (width, height)))


def resize_mask(mask: np.ndarray, size: Size) -> np.ndarray:
    """A mask at another (width, height), nearest neighbor: for data whose masks are of another
    size than their images (Open Images)."""
    width, height = check_size(size)
    picture = Image.fromarray(as_mask(mask).astype(np.uint8))
    return np.asarray(picture.resize((width, height), Image.Resampling.NEAREST)).astype(bool)
