from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco
from scipy import ndimage

from finecaption.errors import InputError
from finecaption.io.masks import (
    as_mask,
    box_from_mask,
    box_mask_iou,
    contours,
    decode_polygons,
    decode_rle,
    encode_png,
    encode_polygons,
    encode_rle,
    encode_rle_counts,
    load_mask,
    mask_from_box,
    mask_iou,
    resize_mask,
)

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda s: arrays(bool, s))
L_SHAPE = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], bool)


def png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


# --- round trips -----------------------------------------------------------------------------


@given(masks)
def test_png_round_trip(mask: np.ndarray) -> None:
    assert np.array_equal(load_mask(encode_png(mask)), mask)


@given(masks)
def test_rle_round_trip_and_parity_with_pycocotools(mask: np.ndarray) -> None:
    compressed, plain = encode_rle(mask), encode_rle_counts(mask)
    assert np.array_equal(decode_rle(compressed), mask)
    assert np.array_equal(decode_rle(plain), mask)
    assert np.array_equal(decode_rle({**compressed, "counts": compressed["counts"].encode()}), mask)
    height, width = mask.shape
    assert coco.frPyObjects(plain, height, width)["counts"].decode() == compressed["counts"]


def test_rle_of_long_runs_and_many_runs() -> None:
    rng = np.random.default_rng(0)
    for share in (0.0001, 0.5, 0.9999):
        mask = rng.random((700, 900)) < share
        assert np.array_equal(decode_rle(encode_rle(mask)), mask)


@given(masks.filter(np.any))
def test_polygons_round_trip_with_holes_filled(mask: np.ndarray) -> None:
    height, width = mask.shape
    back = decode_polygons(encode_polygons(mask), (width, height))
    # parts that touch at a corner only are separate, so they close no hole
    assert np.array_equal(back, ndimage.binary_fill_holes(mask, structure=np.ones((3, 3))))


@given(masks)
def test_contours_enclose_the_area(mask: np.ndarray) -> None:
    signed = 0.0
    for loop in contours(mask):
        x, y = loop[:, 0], loop[:, 1]
        signed += (np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
        steps = np.roll(loop, -1, axis=0) - loop
        assert ((steps == 0).sum(axis=1) == 1).all()  # along pixel edges, corners only
    assert signed == mask.sum()  # holes run the other way and count off


def test_contours_of_a_ring() -> None:
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert [loop.tolist() for loop in contours(ring)] == [
        [[0, 0], [3, 0], [3, 3], [0, 3]],
        [[1, 1], [1, 2], [2, 2], [2, 1]],
    ]


@pytest.mark.parametrize(
    ("rows", "loops"),
    [
        # two pixels that touch at a corner are two loops, whichever diagonal they stand on
        (
            ["#.", ".#"],
            [[[0, 0], [1, 0], [1, 1], [0, 1]], [[1, 1], [2, 1], [2, 2], [1, 2]]],
        ),
        (
            [".#", "#."],
            [[[0, 1], [1, 1], [1, 2], [0, 2]], [[1, 0], [2, 0], [2, 1], [1, 1]]],
        ),
        # the turn to the right is taken also where another way was found first
        (
            [".#", "##", ".#", ".#", "#."],
            [
                [[0, 1], [1, 1], [1, 0], [2, 0], [2, 4], [1, 4], [1, 2], [0, 2]],
                [[0, 4], [1, 4], [1, 5], [0, 5]],
            ],
        ),
        # a hole that touches another at a corner: the pixels between them keep them one border
        (
            ["####", "#.##", "##.#", "####"],
            [
                [[0, 0], [4, 0], [4, 4], [0, 4]],
                [[1, 1], [1, 2], [2, 2], [2, 3], [3, 3], [3, 2], [2, 2], [2, 1]],
            ],
        ),
        # a corner that only closes the region around a hole leaves the hole open
        (
            [".##", "#.#", "###"],
            [[[0, 1], [1, 1], [1, 2], [2, 2], [2, 1], [1, 1], [1, 0], [3, 0], [3, 3], [0, 3]]],
        ),
    ],
)
def test_contours_where_pixels_touch_at_a_corner(rows: list[str], loops: list) -> None:
    mask = np.array([[sign == "#" for sign in row] for row in rows])
    assert [loop.tolist() for loop in contours(mask)] == loops


@given(masks.filter(np.any))
def test_box_from_mask_is_tight(mask: np.ndarray) -> None:
    x0, y0, x1, y1 = box_from_mask(mask)
    inside = mask[y0:y1, x0:x1]
    assert inside.sum() == mask.sum()
    assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
    size = (mask.shape[1], mask.shape[0])
    assert box_from_mask(mask_from_box((x0, y0, x1, y1), size)) == (x0, y0, x1, y1)


# --- values ----------------------------------------------------------------------------------


def test_values_of_arrays() -> None:
    assert as_mask([[0, 1], [2, 0]]).tolist() == [[False, True], [True, False]]
    grey = np.array([[0, 3, 127, 128, 255]], np.uint8)
    assert as_mask(grey).tolist() == [[False, False, False, True, True]]
    assert as_mask(np.array([[0.49, 0.5]])).tolist() == [[False, True]]
    assert as_mask(np.ones((2, 3, 1))).shape == as_mask(np.ones((1, 2, 3))).shape == (2, 3)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        # unsigned: half of the type's own range decides
        ([0, 1, 127], np.uint8, [0, 1, 1]),
        ([0, 127, 128], np.uint8, [0, 0, 1]),
        ([0, 1, 255], np.uint16, [0, 1, 1]),
        ([0, 32767, 32768], np.uint16, [0, 0, 1]),
        # signed: 8-bit values up to 255 themselves, else 16-bit
        ([0, 1, 127], np.int64, [0, 1, 1]),
        ([0, 127, 128], np.int64, [0, 0, 1]),
        ([0, 127, 255], np.int64, [0, 0, 1]),
        ([0, 127, 255], np.int32, [0, 0, 1]),
        ([0, 127, 256], np.int64, [0, 1, 1]),
        ([0, 128, 32767], np.int32, [0, 1, 1]),
        ([0, 32767, 32768], np.int32, [0, 0, 1]),
    ],
)
def test_where_a_gray_mask_ends_and_label_numbers_begin(
    values: list[int], dtype: type, expected: list[int]
) -> None:
    assert as_mask(np.array([values], dtype)).astype(int).tolist() == [expected]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        ([0, 1, 127], [0, 0, 0]),
        ([127, 128, 255], [0, 1, 1]),
        ([0, 254, 255], [0, 1, 1]),
        ([128, 128, 128], [0, 0, 0]),  # nowhere below 128: the colors decide, and they are black
    ],
)
def test_half_transparent_pixels(mode: str, alpha: list[int], expected: list[int]) -> None:
    image = Image.new(mode, (3, 1))
    image.putalpha(Image.fromarray(np.array([alpha], np.uint8)))
    assert load_mask(image).astype(int).tolist() == [expected]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2, 3)), r"shape \(2, 2, 3\)"),
        (np.zeros((0, 4)), "shape"),
        (np.zeros(4), "shape"),
        (np.full((2, 2), np.nan), "0..1"),
        (np.full((2, 2), 7.0), "threshold logits"),
        (np.full((2, 2), -1), "negative"),
        (np.array([["a"]]), "dtype"),
    ],
)
def test_unusable_arrays(array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=f"mask: .*{message}"):
        as_mask(array)


def test_values_of_pictures() -> None:
    values = L_SHAPE.astype(np.uint8)
    pictures = {
        "1-bit": Image.fromarray(values * 255).convert("1"),
        "grey": Image.fromarray(values * 255),
        "label numbers": Image.fromarray(values * 3),
        "16-bit grey": Image.fromarray(values.astype(np.uint16) * 65535),
        "16-bit labels": Image.fromarray(values.astype(np.uint16) * 300),
        "rgb": Image.fromarray(np.stack([values * 0, values * 200, values * 0], axis=2)),
    }
    palette = Image.fromarray(values * 2)
    palette.putpalette([0, 0, 0, 9, 9, 9, 200, 30, 30])
    pictures["palette"] = palette
    alpha = np.zeros((*L_SHAPE.shape, 4), np.uint8)
    alpha[..., 3] = values * 255  # black on transparent: only the alpha counts
    pictures["alpha"] = Image.fromarray(alpha)
    opaque = np.full((*L_SHAPE.shape, 4), 255, np.uint8)
    opaque[..., :3] = values[..., None] * 255  # opaque: the colours count
    pictures["opaque alpha"] = Image.fromarray(opaque)
    grey_alpha = Image.fromarray(values * 0).convert("LA")
    grey_alpha.putalpha(Image.fromarray(values * 255))
    pictures["grey with alpha"] = grey_alpha
    for name, picture in pictures.items():
        assert np.array_equal(load_mask(png(picture)), L_SHAPE), name
    keyed = Image.fromarray(values)
    keyed.putpalette([0, 0, 0] * 256)
    stream = io.BytesIO()
    keyed.save(stream, "PNG", transparency=0)
    assert np.array_equal(load_mask(stream.getvalue()), L_SHAPE)


def test_a_file_of_another_size_names_both() -> None:
    with pytest.raises(InputError, match="is 4 x 3 pixels, but the image is 8 x 6"):
        load_mask(encode_png(L_SHAPE), (8, 6))
    assert resize_mask(L_SHAPE, (8, 6)).sum() == 4 * L_SHAPE.sum()


# --- broken input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rle",
    [
        {},
        None,
        {"size": [3, 4]},
        {"size": [3], "counts": [12]},
        {"size": "34", "counts": [12]},
        {"size": [0, 4], "counts": [0]},
        {"size": [3, 4], "counts": [11]},
        {"size": [3, 4], "counts": [13, -1]},
        {"size": [3, 4], "counts": [6.0, 6.0]},
        {"size": [3, 4], "counts": [[12]]},
        {"size": [3, 4], "counts": [[1], [2, 3]]},
        {"size": [3, 4], "counts": None},
        {"size": [3, 4], "counts": ""},
        {"size": [3, 4], "counts": "=0"},
        {"size": [3, 4], "counts": "ä"},
        {"size": [3, 4], "counts": "oooooooooooooooo1"},
        {"size": [3, 4], "counts": "m"},
        {"size": [10**6, 10**6], "counts": [10**12]},
        {"size": [3, 4], "counts": [2**62, 2**62, 2**62, 2**62, 12]},  # wraps round to 12 in int64
    ],
)
def test_broken_rle(rle: object) -> None:
    with pytest.raises(InputError, match="^mask: .*RLE"):
        decode_rle(rle)  # type: ignore[arg-type] # wrong on purpose


@given(st.binary(min_size=1, max_size=12))
def test_any_rle_string_decodes_or_raises_input_error(counts: bytes) -> None:
    try:
        mask = decode_rle({"size": [3, 4], "counts": counts})
    except InputError:
        return
    assert mask.shape == (3, 4)


def test_runs_of_up_to_seven_characters_are_read() -> None:
    """12 in the fewest characters, and with empty ones behind; 35 bits are more than any run."""
    first, empty, last = chr(48 + (12 | 0x20)), chr(48 + 0x20), "0"
    for count in range(6):
        counts = first + empty * count + last
        assert not decode_rle({"size": [3, 4], "counts": counts}).any()
    with pytest.raises(InputError, match="counts string is broken"):
        decode_rle({"size": [3, 4], "counts": first + empty * 6 + last})


@pytest.mark.parametrize("counts", ["", "/", "p", "P", "ä", b"\xff"])
def test_strings_that_are_no_counts(counts: str | bytes) -> None:
    with pytest.raises(InputError, match="counts string is broken"):
        decode_rle({"size": [3, 4], "counts": counts})


def test_an_rle_of_exactly_the_most_pixels_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finecaption.io.masks.MAX_PIXELS", 12)
    assert decode_rle({"size": [3, 4], "counts": [5, 7]}).sum() == 7
    with pytest.raises(InputError, match="RLE size 13 x 1 is over 12 pixels"):
        decode_rle({"size": [1, 13], "counts": [13]})


def test_vertices_may_lie_outside_by_the_size_of_the_image() -> None:
    size = (6, 5)
    whole = decode_polygons([[-6, -5, 12, -5, 12, 10, -6, 10]], size)
    assert whole.all()
    for x, y in ((-6.1, 0), (12.1, 0), (0, -5.1), (0, 10.1)):
        with pytest.raises(InputError, match="far outside the image of 6 x 5"):
            decode_polygons([[0, 0, 5, 0, x, y]], size)


@pytest.mark.parametrize("numbers", [4, 5, 7])
def test_a_polygon_has_three_vertices_or_more(numbers: int) -> None:
    with pytest.raises(InputError, match=rf"polygon\[1\]: {numbers} numbers"):
        decode_polygons([[0, 0, 5, 0, 5, 5], list(range(numbers))], (6, 5))
    assert decode_polygons([0, 0, 5, 0, 5, 4], (6, 5)).any()


def test_rle_of_another_size() -> None:
    with pytest.raises(InputError, match="is 4 x 3 pixels, but the image is 3 x 4"):
        decode_rle(encode_rle(L_SHAPE), (3, 4))


def test_polygon_forms() -> None:
    size = (6, 5)
    square = [1, 1, 4, 1, 4, 3, 1, 3]
    expected = mask_from_box((1, 1, 4, 3), size)
    for form in (square, [square], [np.reshape(square, (4, 2)).tolist()], [np.array(square)]):
        assert np.array_equal(decode_polygons(form, size), expected)
    inner = [2, 1, 3, 1, 3, 2, 2, 2]
    assert np.array_equal(decode_polygons([square, inner], size), expected)  # union: no hole
    nested = np.reshape(square, (4, 2)).tolist()
    for form in (nested, [nested], [[nested]], [[square]], [[[str(n) for n in square]]]):
        assert np.array_equal(decode_polygons(form, size), expected)
    two = decode_polygons([square, [5, 4, 6, 4, 6, 5, 5, 5]], size)
    assert np.array_equal(two, expected | mask_from_box((5, 4, 6, 5), size))


def test_rings_nested_deeper_are_a_union() -> None:
    size = (160, 120)
    first, second = [40, 30, 60, 30, 60, 50, 40, 50], [100, 90, 120, 90, 120, 110, 100, 110]
    longer = [100, 90, 110, 90, 120, 90, 120, 110, 100, 110]
    expected = mask_from_box((40, 30, 60, 50), size) | mask_from_box((100, 90, 120, 110), size)
    pairs = [np.reshape(ring, (-1, 2)).tolist() for ring in (first, second)]
    for form in (
        [first, second],
        [[first, second]],
        [[first, longer]],
        [pairs],
        [[first], [second]],
    ):
        assert np.array_equal(decode_polygons(form, size), expected)
    hole = [45, 35, 55, 35, 55, 45, 45, 45]
    with pytest.raises(InputError, match=r"polygon\[0\]: its rings overlap.*hole.*RLE"):
        decode_polygons([[first, hole]], size)


@pytest.mark.parametrize(
    ("polygons", "message"),
    [
        ([[0.25, 0.25, 0.6, 0.25, 0.6, 0.75]], "not fractions of the image"),
        ([[[0.25, 0.25], [0.6, 0.25], [0.6, 0.75]]], "not fractions of the image"),
        ([[1, 1, 4, 1, 4, 3], 5], r"\[1\]: must be a list"),
        ([[[1, 1, 4, 1, 4, 3], [[]]]], "0 numbers|is empty"),
        ([], "is empty"),
        ("abc", "is empty"),
        (None, "is empty"),
        ([[0, 0, 1, 1]], "4 numbers"),
        ([[0, 0, 1, 1, 2, 2, 3]], "7 numbers"),
        ([[0, 0, 1, 1, float("nan"), 2]], "NaN"),
        ([["a"] * 6], "list of numbers"),
        ([[0, 0, 5, 0, 1e9, 5]], "far outside"),
        ([[0, 0, 0, 0, 0, 0]], "covers no pixel"),
    ],
)
def test_broken_polygons(polygons: list, message: str) -> None:
    with pytest.raises(InputError, match=f"polygon.*{message}"):
        decode_polygons(polygons, (6, 5))


# --- measures --------------------------------------------------------------------------------


def test_measures() -> None:
    box = mask_from_box((0, 0, 3, 3), (4, 3))
    assert mask_iou(L_SHAPE, box) == pytest.approx(5 / 9)
    assert mask_iou(L_SHAPE & False, L_SHAPE & False) == 0
    assert box_mask_iou(L_SHAPE) == pytest.approx(5 / 9)
    assert box_mask_iou(L_SHAPE, (0, 0, 1, 3)) == pytest.approx(3 / 5)
    with pytest.raises(InputError, match="empty"):
        box_from_mask(L_SHAPE & False)


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        ((0, 0, 4, 3), (0, 0, 4, 3)),
        ((0.6, 0.4, 2.4, 1.6), (1, 0, 2, 2)),
        ((3.9, 2.9, 4, 3), (3, 2, 4, 3)),
        ((1.1, 1.1, 1.3, 1.3), (1, 1, 2, 2)),
        ((-9, -9, 2, 99), (0, 0, 2, 3)),
        ((0.4, 0.4, 1.6, 1.6), (0, 0, 2, 2)),
        ((0.4, 0.4, 3.6, 2.6), (0, 0, 4, 3)),
        ((3.2, 2.2, 3.4, 2.4), (3, 2, 4, 3)),
    ],
)
def test_mask_from_box(box: tuple, pixels: tuple) -> None:
    assert box_from_mask(mask_from_box(box, (4, 3))) == pixels
