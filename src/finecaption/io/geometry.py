"""Boxes, points and the square placement: plain numbers, no pixels.

Coordinates: pixels of the upright image, x to the right, y down, origin at the top left corner
of the top left pixel; pixel (column i, row j) covers [i, i+1) x [j, j+1). A box is
(x0, y0, x1, y1) with x1, y1 exclusive: the whole image is (0, 0, width, height). Sizes are
(width, height) as in PIL; array shapes are (H, W).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from finecaption.errors import InputError

Box: TypeAlias = tuple[float, float, float, float]
Size: TypeAlias = tuple[int, int]


class Point(NamedTuple):
    """A click: on the wanted thing (positive) or on what does not belong to it."""

    x: float
    y: float
    positive: bool = True


def check_size(size: Sequence[int], field: str = "size") -> Size:
    """(width, height) as two positive ints.

    Raises:
        InputError: anything else, naming `field`.
    """
    try:
        width, height = size
        usable = int(width) == width and int(height) == height and width > 0 and height > 0
    except (TypeError, ValueError, OverflowError):
        usable = False
    if not usable:
        raise InputError(f"{field}: must be (width, height), two positive integers; got {size!r}")
    return int(width), int(height)


def same_shape(a: Size, b: Size, slack: float = 0.0) -> bool:
    """Whether one (width, height) is a scaled copy of the other: its sides are right up to less
    than a pixel, as rounding leaves them, or up to the fraction `slack`."""
    small, large = sorted((a, b), key=max)
    scale = max(small) / max(large)
    return all(
        abs(side - other * scale) < max(1, slack * side)
        for side, other in zip(small, large, strict=True)
    )


def check_scale(drawn: Size, size: Size, field: str = "size") -> None:
    """Checks that annotations drawn in an image of one size can be scaled to another copy of it.

    Raises:
        InputError: the sizes are of different shapes, so that one is not a copy of the other.
    """
    if not same_shape(drawn, size):
        raise InputError(
            f"{field}: the annotations are for {drawn[0]} x {drawn[1]} pixels, but the image is "
            f"{size[0]} x {size[1]}, which is another shape; use the image that was annotated"
        )


def _floats(values: object, count: int, field: str, form: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)  # type: ignore[attr-defined] # checked by the except
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{field}: must be {form}, {count} numbers; got {values!r}") from error
    if len(numbers) != count:
        raise InputError(f"{field}: must be {form}, {count} numbers; got {len(numbers)}")
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(f"{field}: holds NaN or infinity ({values!r}); give finite pixel numbers")
    return numbers


def check_box(box: Sequence[float], size: Size | None = None, field: str = "box") -> Box:
    """A valid xyxy box; with `size`, cut to the image.

    A box that reaches over the image's edge is cut to it.

    Raises:
        InputError: not four finite numbers, reversed, without area, wholly outside the image, or in
            fractions of the image's size.
    """
    x0, y0, x1, y1 = _floats(box, 4, field, "x0,y0,x1,y1")
    shown = f"({x0:g}, {y0:g}, {x1:g}, {y1:g})"
    if x1 < x0 or y1 < y0:
        raise InputError(
            f"{field}: {shown} is reversed; give x0,y0,x1,y1 with x0 < x1 and y0 < y1 "
            "(the top left corner first; not x,y,width,height)"
        )
    if x1 == x0 or y1 == y0:
        raise InputError(f"{field}: {shown} has no area; give x0 < x1 and y0 < y1")
    check_pixels((x0, y0, x1, y1), shown, field)
    if size is None:
        return x0, y0, x1, y1
    width, height = size
    cut = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        raise InputError(f"{field}: {shown} lies outside the image of {width} x {height} pixels")
    return cut


def check_pixels(numbers: Iterable[float], shown: str, field: str) -> None:
    """Checks that coordinates are pixels and not fractions of the image.

    Args:
        numbers: x and y of all corners of a box or polygon, or of a click.
        shown: as the message gives them.
        field: what it calls them.

    Raises:
        InputError: all lie in 0..1, within one pixel, and not all are 0 or 1, its corners.
    """
    given = list(numbers)
    if all(0 <= n <= 1 for n in given) and not all(n in (0, 1) for n in given):
        raise InputError(
            f"{field}: {shown} lies within one pixel; coordinates are pixels, not fractions of the "
            "image: multiply them by its width and height"
        )


def check_point(point: Sequence[float], size: Size | None = None, field: str = "point") -> Point:
    """A valid click from (x, y) or (x, y, positive).

    Raises:
        InputError: not finite numbers, outside the image of `size`, in fractions of its size, or
            `positive` is anything but true, false, 1 or 0: the text "false" would count as true.
    """
    positive = True
    if isinstance(point, Sequence) and len(point) == 3:
        sign = point[2]
        if isinstance(sign, str) or sign not in (True, False):
            raise InputError(
                f"{field}: the third value is {sign!r}; give true (1) for a click on the object, "
                "false (0) for one beside it"
            )
        positive = bool(sign)
        point = point[:2]
    x, y = _floats(point, 2, field, "x,y")
    check_pixels((x, y), f"({x:g}, {y:g})", field)
    if size is not None and not (0 <= x < size[0] and 0 <= y < size[1]):
        raise InputError(
            f"{field}: ({x:g}, {y:g}) lies outside the image of {size[0]} x {size[1]} pixels"
        )
    return Point(x, y, positive)


def parse_box(text: str, field: str = "box") -> Box:
    """`"x0,y0,x1,y1"` (pixels) -> box; errors as `check_box`."""
    return check_box([_number(part, field, text) for part in text.split(",")], field=field)


def parse_point(text: str, field: str = "point") -> Point:
    """`"x,y"` (a click on the thing) or `"x,y:-"` (a click on what is not it; `:+` also) -> Point.

    Raises:
        InputError: any other form.
    """
    body, colon, sign = text.strip().partition(":")
    if colon and sign.strip() not in ("-", "+"):
        raise InputError(f'{field}: "{text}" must end in ":-" or ":+" after the colon, or in none')
    numbers = [_number(part, field, text) for part in body.split(",")]
    x, y = _floats(numbers, 2, field, "x,y")
    return Point(x, y, sign.strip() != "-")


def _number(part: str, field: str, whole: str) -> float:
    try:
        return float(part)
    except ValueError as error:
        raise InputError(f'{field}: "{part.strip()}" in "{whole}" is not a number') from error


def xywh_to_xyxy(box: Sequence[float], field: str = "box") -> Box:
    """(x, y, width, height), COCO's form -> (x0, y0, x1, y1).

    Raises:
        InputError: not four finite numbers, or width or height not positive.
    """
    x, y, width, height = _floats(box, 4, field, "x,y,width,height")
    if width <= 0 or height <= 0:
        raise InputError(
            f"{field}: width {width:g} and height {height:g} must be positive (x,y,width,height)"
        )
    return x, y, x + width, y + height


def xyxy_to_xywh(box: Sequence[float], field: str = "box") -> Box:
    """(x0, y0, x1, y1) -> (x, y, width, height), COCO's form; errors as `check_box`."""
    x0, y0, x1, y1 = check_box(box, field=field)
    return x0, y0, x1 - x0, y1 - y0


def scale_box(box: Box, drawn: Size | None, size: Size) -> Box:
    """An xyxy box in an image of (width, height) `drawn` -> in a copy of `size`; None: as it is."""
    if drawn is None or drawn == size:
        return box
    x0, y0, x1, y1 = check_box(box)
    x, y = size[0] / drawn[0], size[1] / drawn[1]
    return x0 * x, y0 * y, x1 * x, y1 * y


def box_area(box: Box) -> float:
    """Square pixels in an xyxy box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two xyxy boxes, in [0, 1]."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = box_area(a) + box_area(b) - shared
    return shared / union if union > 0 else 0.0


@dataclass(frozen=True)
class SquarePlacement:
    """Where an image lies in a square canvas: scaled to fit, centered, padded on both sides.

    The one placement of the package: image, mask, points and boxes all go through it, so they
    stay in register, and no part of the image is ever cut off.
    """

    side: int
    """Side of the square canvas, pixels."""
    size: Size
    """(width, height) of the image before."""
    new_size: Size
    """(width, height) that the image is resized to; the longer one equals `side`."""
    offset: tuple[int, int]
    """(left, top) of the resized image in the canvas; an odd pixel of padding goes after."""

    @property
    def scale(self) -> float:
        """Canvas pixels per image pixel (before rounding of the shorter side)."""
        return self.side / max(self.size)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The image's xyxy box in the canvas."""
        left, top = self.offset
        return left, top, left + self.new_size[0], top + self.new_size[1]

    def to_square(self, xy: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
        """(N, 2) image coordinates -> (N, 2) float64 canvas coordinates."""
        factors = np.divide(self.new_size, self.size)
        return np.asarray(xy, np.float64).reshape(-1, 2) * factors + self.offset

    def from_square(self, xy: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
        """(N, 2) canvas coordinates -> (N, 2) float64 image coordinates."""
        factors = np.divide(self.size, self.new_size)
        return (np.asarray(xy, np.float64).reshape(-1, 2) - self.offset) * factors


def place_in_square(size: Size, side: int) -> SquarePlacement:
    """The placement of a (width, height) image in a `side` x `side` canvas.

    The longer side becomes `side`, the shorter is scaled alike (rounded, at least one pixel), and
    the rest is padding, half before and half after.
    """
    width, height = check_size(size)
    scale = side / max(width, height)
    new_width = max(1, min(side, round(width * scale)))
    new_height = max(1, min(side, round(height * scale)))
    offset = ((side - new_width) // 2, (side - new_height) // 2)
    return SquarePlacement(side, (width, height), (new_width, new_height), offset)
