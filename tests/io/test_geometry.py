from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finecaption.errors import InputError
from finecaption.io.geometry import (
    Point,
    box_area,
    box_iou,
    check_box,
    check_point,
    check_size,
    parse_box,
    parse_point,
    place_in_square,
    scale_box,
    xywh_to_xyxy,
    xyxy_to_xywh,
)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((5, 1, 2, 8), "reversed"),
        ((1, 8, 2, 5), "reversed"),
        ((1, 1, 1, 5), "no area"),
        ((1, 1, 5, 1), "no area"),
        ((1, 1, math.nan, 5), "NaN"),
        ((1, 1, math.inf, 5), "NaN or infinity"),
        ((1, 2, 3), "got 3"),
        ((1, 1, 10**400, 5), "4 numbers"),
        (("a", 2, 3, 4), "4 numbers"),
        (None, "4 numbers"),
        ((10, 0, 14, 5), "outside the image of 10 x 8"),
        ((-5, 0, 0, 5), "outside"),
        ((0, 8, 5, 9), "outside"),
    ],
)
def test_unusable_boxes(box: object, message: str) -> None:
    with pytest.raises(InputError, match=f"the box.*{message}"):
        check_box(box, (10, 8), field="the box")  # type: ignore[arg-type] # wrong on purpose


def test_a_box_over_the_edge_is_cut_and_kept_whole_without_a_size() -> None:
    assert check_box((-3, 2, 99, 7.5), (10, 8)) == (0, 2, 10, 7.5)
    assert check_box((-3, 2, 99, 7.5)) == (-3, 2, 99, 7.5)


def test_box_forms() -> None:
    assert xywh_to_xyxy((1, 2, 3, 4)) == (1, 2, 4, 6)
    assert xyxy_to_xywh((1, 2, 4, 6)) == (1, 2, 3, 4)
    with pytest.raises(InputError, match="must be positive"):
        xywh_to_xyxy((1, 2, 0, 4))
    assert parse_box(" 1, 2,3.5,4 ") == (1, 2, 3.5, 4)
    for text in ("1,2,3", "1,2,3,x", "", "1;2;3;4", "1,2,nan,4"):
        with pytest.raises(InputError, match="box"):
            parse_box(text)


def test_points() -> None:
    assert parse_point("3,4") == Point(3, 4, True)
    assert parse_point(" 3.5 , 4 : - ") == Point(3.5, 4, False)
    assert parse_point("3,4:+") == Point(3, 4, True)
    for text in ("3", "3,4,5", "3,4:", "3,4:x", "a,b", "nan,1", ""):
        with pytest.raises(InputError, match="point"):
            parse_point(text)
    assert check_point((0, 7.9), (10, 8)) == (0, 7.9, True)
    assert check_point((0, 1, False)) == (0, 1, False)
    assert check_point((0, 1, 0)) == (0, 1, False) and check_point((0, 1, 1)) == (0, 1, True)
    for sign in ("false", "0", "true", -1, 2, 0.5, None):
        with pytest.raises(InputError, match="click: the third value is .*give true"):
            check_point((0, 1, sign), field="click")
    with pytest.raises(InputError, match="box 3: .* not fractions of the image"):
        check_box((0.1, 0.2, 0.5, 0.9), (640, 480), "box 3")
    assert check_box((0, 0, 1, 1), (640, 480)) == (0, 0, 1, 1)
    assert check_box((0.1, 0.2, 1.5, 0.9), (640, 480)) == (0.1, 0.2, 1.5, 0.9)
    for point in ((0.25, 0.5), (0.5, 0), (1, 0.1)):
        with pytest.raises(InputError, match="click: .* not fractions of the image"):
            check_point(point, (640, 480), "click")
    assert check_point((1, 0), (640, 480)) == (1, 0, True)
    assert check_point((0.5, 1.5), (640, 480)) == (0.5, 1.5, True)
    for point in ((10, 0), (-0.1, 0), (0, 8)):
        with pytest.raises(InputError, match="outside the image of 10 x 8"):
            check_point(point, (10, 8))


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((0, 0, 10, 8), (0, 0, 10, 8)),
        ((9, 7, 11, 9), (9, 7, 10, 8)),
        ((-1, -1, 0.5, 0.5), (0, 0, 0.5, 0.5)),
        ((9.5, 7.5, 10, 8), (9.5, 7.5, 10, 8)),
        ((-2, -3, 1, 1), (0, 0, 1, 1)),
    ],
)
def test_a_box_at_the_edge_keeps_what_is_inside(box: tuple, kept: tuple) -> None:
    assert check_box(box, (10, 8)) == kept


@pytest.mark.parametrize(
    "box", [(10, 0, 11, 8), (0, 8, 10, 9), (-1, 0, 0, 8), (0, -1, 10, 0), (-3, -3, -1, -1)]
)
def test_a_box_that_only_touches_the_image_is_outside(box: tuple) -> None:
    with pytest.raises(InputError, match="lies outside the image of 10 x 8"):
        check_box(box, (10, 8))


@pytest.mark.parametrize(
    ("box", "fractions"),
    [
        ((0, 0, 0.5, 1), True),
        ((0.5, 0, 1, 1), True),
        ((0, 0, 1, 0.5), True),
        ((0, 0, 1, 1), False),
        ((0, 0, 1, 1.01), False),
        ((-0.1, 0, 0.9, 1), False),
    ],
)
def test_boxes_that_look_like_fractions_of_the_image(box: tuple, fractions: bool) -> None:
    if fractions:
        with pytest.raises(InputError, match="not fractions of the image"):
            check_box(box)
    else:
        assert check_box(box) == box


@pytest.mark.parametrize("point", [(0, 0), (9.9, 0), (0, 7.9), (9.9, 7.9)])
def test_points_at_the_edge_are_inside(point: tuple) -> None:
    assert check_point(point, (10, 8))[:2] == point


@pytest.mark.parametrize("point", [(10, 0), (0, 8), (-0.1, 0), (0, -0.1)])
def test_points_on_the_far_edge_are_outside(point: tuple) -> None:
    with pytest.raises(InputError, match="lies outside"):
        check_point(point, (10, 8))


@pytest.mark.parametrize("box", [(1, 2, 0, 4), (1, 2, 3, 0), (1, 2, -3, 4), (1, 2, 3, -4)])
def test_widths_and_heights_are_positive(box: tuple) -> None:
    with pytest.raises(InputError, match=r"must be positive \(x,y,width,height\)"):
        xywh_to_xyxy(box)


@pytest.mark.parametrize(
    ("drawn", "size", "scaled"),
    [
        (None, (20, 40), (1, 2, 3, 4)),
        ((10, 10), (10, 10), (1, 2, 3, 4)),
        ((10, 10), (20, 40), (2, 8, 6, 16)),
        ((10, 20), (5, 5), (0.5, 0.5, 1.5, 1)),
    ],
)
def test_a_box_in_another_copy_of_an_image(
    drawn: tuple[int, int] | None, size: tuple[int, int], scaled: tuple
) -> None:
    assert scale_box((1, 2, 3, 4), drawn, size) == scaled


def test_areas_of_boxes() -> None:
    assert box_area((1, 2, 4, 7)) == 15
    assert box_iou((0, 0, 4, 4), (1, 2, 3, 10)) == pytest.approx(4 / (16 + 16 - 4))
    assert box_iou((0, 0, 4, 4), (5, 5, 9, 9)) == 0  # apart in both directions
    assert box_iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0


@pytest.mark.parametrize(
    ("size", "side", "new", "offset"),
    [
        ((200, 100), 84, (84, 42), (0, 21)),
        ((100, 200), 84, (42, 84), (21, 0)),
        ((100, 100), 84, (84, 84), (0, 0)),
        ((3, 2), 84, (84, 56), (0, 14)),
        ((100, 63), 100, (100, 63), (0, 18)),  # the odd pixel of padding goes after
        ((5000, 1), 84, (84, 1), (0, 41)),
        ((1, 1), 84, (84, 84), (0, 0)),
    ],
)
def test_known_placements(
    size: tuple[int, int], side: int, new: tuple[int, int], offset: tuple[int, int]
) -> None:
    placed = place_in_square(size, side)
    assert (placed.new_size, placed.offset) == (new, offset)
    left, top = offset
    assert placed.box == (left, top, left + new[0], top + new[1])
    corners = placed.to_square([(0, 0), size])
    np.testing.assert_allclose(corners, [placed.box[:2], placed.box[2:]])


@pytest.mark.parametrize(
    "size", [(0, 5), (5, -1), (5, 0), (-1, 5), (2, 1.5), (1.5, 2), (3,), None, "ab", (math.nan, 1)]
)
def test_unusable_sizes(size: object) -> None:
    with pytest.raises(InputError, match="size: must be"):
        check_size(size)  # type: ignore[arg-type] # wrong on purpose


def test_box_iou() -> None:
    assert box_iou((0, 0, 4, 4), (2, 0, 6, 4)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 4, 4), (4, 0, 6, 4)) == 0
    assert box_iou((0, 0, 4, 4), (0, 0, 4, 4)) == 1


sides = st.integers(1, 5000)


@given(sides, sides, st.sampled_from([84, 256, 1024]))
def test_placement_fits_and_is_centred(width: int, height: int, side: int) -> None:
    placed = place_in_square((width, height), side)
    left, top, right, bottom = placed.box
    assert 0 <= left <= right <= side
    assert 0 <= top <= bottom <= side
    assert max(placed.new_size) == side
    assert min(placed.new_size) >= 1
    assert 0 <= (side - right) - left <= 1  # an odd pixel goes after
    assert 0 <= (side - bottom) - top <= 1
    for before, after in zip(placed.size, placed.new_size, strict=True):
        assert abs(before * placed.scale - after) <= 0.5 or after == 1


@given(sides, sides, st.floats(0, 1), st.floats(0, 1))
def test_points_go_there_and_back(width: int, height: int, u: float, v: float) -> None:
    placed = place_in_square((width, height), 256)
    point = np.array([[u * width, v * height]])
    there = placed.to_square(point)
    left, top, right, bottom = placed.box
    assert left - 1e-6 <= there[0, 0] <= right + 1e-6
    assert top - 1e-6 <= there[0, 1] <= bottom + 1e-6
    np.testing.assert_allclose(placed.from_square(there), point, atol=1e-6)


def test_a_known_placement() -> None:
    placed = place_in_square((200, 100), 84)
    assert (placed.new_size, placed.offset, placed.scale) == ((84, 42), (0, 21), 0.42)
    np.testing.assert_allclose(placed.to_square([[100, 50]]), [[42, 42]])
