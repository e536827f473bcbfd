"""Which pixels of a mask file are the region: files as programs write them, and what they mean."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from finecaption.errors import InputError
from finecaption.io.mask_values import opaque_part
from finecaption.io.masks import as_mask, load_mask, mask_iou

HEIGHT, WIDTH = 120, 160
TRUTH = np.zeros((HEIGHT, WIDTH), bool)
TRUTH[30:90, 40:100] = True
LEFT, RIGHT = TRUTH.copy(), TRUTH.copy()
LEFT[:, 70:], RIGHT[:, :70] = False, False
BORDER = np.zeros_like(TRUTH)
BORDER[28:92, 38:102] = True
BORDER &= ~TRUTH


def gray(dtype: type = np.uint8, **values: int) -> Image.Image:
    """A picture of numbers: `thing`, or its `left` and `right` half, `border` and `ground`."""
    out = np.full(TRUTH.shape, values.get("ground", 0), dtype)
    for name, part in (("thing", TRUTH), ("left", LEFT), ("right", RIGHT), ("border", BORDER)):
        if name in values:
            out[part] = values[name]
    return Image.fromarray(out)


def color(**values: tuple[int, int, int]) -> Image.Image:
    channels = [gray(**{name: rgb[k] for name, rgb in values.items()}) for k in range(3)]
    return Image.merge("RGB", channels)


def palette(colors: list[int], **values: int) -> Image.Image:
    picture = gray(**values)
    picture.putpalette(colors)
    return picture


def voc_palette() -> list[int]:
    """VOC's color map: the bits of an index go round the channels."""
    colors = []
    for index in range(256):
        rgb = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                rgb[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
        colors += rgb
    return colors


def with_alpha(picture: Image.Image, alpha: int, at: tuple[int, int] = (0, 0)) -> Image.Image:
    picture = picture.convert("RGBA")
    picture.putpixel(at, (*picture.getpixel(at)[:3], alpha))
    return picture


WHITE = (255, 255, 255)
CLEAR: dict[str, Callable[[], Image.Image]] = {
    "quantized, white may come first": lambda: color(thing=WHITE).quantize(2),
    "palette, white first": lambda: palette([255, 255, 255, 0, 0, 0], ground=1, thing=0),
    "palette, gray ramp": lambda: palette([k for k in range(256) for _ in range(3)], thing=1),
    "palette, red on black": lambda: palette([0, 0, 0, 9, 9, 9, 200, 30, 30], thing=2),
    "palette, VOC's two things": lambda: palette(voc_palette(), left=1, right=2),
    "palette, yellow on violet": lambda: palette([68, 1, 84, 253, 231, 37], thing=1),
    "two tones, 0 and 60": lambda: gray(thing=60),
    "two tones, 1 and 255": lambda: gray(ground=1, thing=255),
    "labels 3 and 7": lambda: gray(left=3, right=7),
    "16 bits, 26001 and 26002": lambda: gray(np.uint16, left=26001, right=26002),
    "16 bits, 0 and 65535": lambda: gray(np.uint16, thing=65535),
    "two hues": lambda: color(left=(200, 60, 10), right=(60, 90, 120)),
    "one hue": lambda: color(thing=(128, 0, 0)),
    "alpha 254 somewhere": lambda: with_alpha(color(thing=WHITE), 254),
    "alpha 128 somewhere": lambda: with_alpha(color(thing=WHITE), 128),
    "gray with alpha 200 everywhere": lambda: Image.merge(
        "LA", [gray(thing=255), Image.new("L", (WIDTH, HEIGHT), 200)]
    ),
}


def png(picture: Image.Image) -> bytes:
    return encode(picture, "PNG")


def encode(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("case", CLEAR)
def test_masks_that_say_what_they_mean(case: str) -> None:
    assert np.array_equal(load_mask(png(CLEAR[case]())), TRUTH)


UNCLEAR: dict[str, tuple[Callable[[], Image.Image], str]] = {
    "1 in the thing, 255 around it": (lambda: gray(thing=1, border=255), "0, 1 and 255"),
    "labels 5 and 200": (lambda: gray(left=5, right=200), "0, 5 and 200"),
    "labels 1 and 150": (lambda: gray(left=1, right=150), "0, 1 and 150"),
    "16 bits, 24 and 33000": (lambda: gray(np.uint16, left=24, right=33000), "0, 24 and 33000"),
    "two shades of one hue": (lambda: color(left=(128, 0, 0), right=(64, 0, 0)), "0, 64 and 128"),
    "VOC's border": (
        lambda: palette(voc_palette(), thing=1, border=255), r"\(224, 224, 192\).*not labeled"
    ),
    "VOC's border in RGB": (
        lambda: palette(voc_palette(), thing=1, border=255).convert("RGB"), "not labeled"
    ),
    "no background": (lambda: gray(ground=1, thing=2), "1 and 2 and no 0"),
    "two light tones": (lambda: gray(ground=200, thing=255), "200 and 255 and no 0"),
    "two light colors": (lambda: color(ground=(255, 0, 0), thing=(0, 255, 0)), "no black"),
    "a palette of one color": (lambda: palette([0, 0, 0] * 3, thing=2), "same color"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCLEAR)
def test_masks_of_which_it_is_not_clear_what_they_mean(case: str) -> None:
    make, message = UNCLEAR[case]
    with pytest.raises(InputError, match=f"mask: .*{message}.*255 inside it, or say which.*label"):
        load_mask(png(make()))


@pytest.mark.parametrize(
    ("picture", "labels", "truth"),
    [
        (gray(thing=1, border=255), [1], TRUTH),
        (gray(left=5, right=200), [5, 200], TRUTH),
        (gray(left=5, right=200), [200], RIGHT),
        (palette(voc_palette(), thing=1, border=255), [1], TRUTH),
        (gray(np.uint16, left=24, right=33000), [24], LEFT),
        (color(thing=(7, 7, 7)), [7], TRUTH),
    ],
)
def test_labels_say_which_pixels_count(
    picture: Image.Image, labels: list[int], truth: np.ndarray
) -> None:
    assert np.array_equal(load_mask(png(picture), labels=labels), truth)
    if picture.mode != "RGB":
        assert np.array_equal(as_mask(np.asarray(picture), labels=labels), truth)


def test_labels_that_are_not_there() -> None:
    with pytest.raises(InputError, match="no pixel of label 3; it has 0, 5, 200"):
        load_mask(gray(left=5, right=200), labels=[3])
    with pytest.raises(InputError, match="no label numbers"):
        load_mask(color(thing=(9, 8, 7)), labels=[9])
    with pytest.raises(InputError, match="whole numbers"):
        as_mask(np.eye(3, dtype=np.uint8), labels=["1"])  # type: ignore[list-item] # wrong on purpose


@pytest.mark.parametrize("thing", [255, 100, 60])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("quality", [40, 60, 90])
def test_lossy_masks(thing: int, mode: str, quality: int) -> None:
    picture = gray(thing=thing).convert("RGB").convert(mode)
    assert mask_iou(load_mask(encode(picture, "JPEG", quality=quality)), TRUTH) > 0.97
    if mode == "RGB":
        assert mask_iou(load_mask(encode(picture, "WEBP", quality=quality)), TRUTH) > 0.97


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    "picture",
    [
        gray(left=100, right=255),
        gray(left=255, right=60),
        color(left=(200, 60, 10), right=(60, 90, 120)),
    ],
)
def test_lossy_masks_of_several_tones_are_refused(form: str, picture: Image.Image) -> None:
    with pytest.raises(InputError, match=r"areas of about \d+ beside|may be the labels"):
        load_mask(encode(picture, form, quality=70))


@pytest.mark.parametrize("radius", [1, 4, 9])
def test_lossy_masks_with_soft_borders_are_read(radius: int) -> None:
    soft = gray(thing=255).filter(ImageFilter.GaussianBlur(radius))
    for form in ("JPEG", "WEBP"):
        assert mask_iou(load_mask(encode(soft, form, quality=60)), np.asarray(soft) >= 128) > 0.95
    large = soft.resize((1600, 1200), Image.Resampling.BICUBIC)
    assert mask_iou(load_mask(png(large)), np.asarray(large) >= 128) == 1


def test_an_empty_or_full_lossy_mask_stays_so() -> None:
    assert not load_mask(encode(gray(thing=0), "JPEG", quality=40)).any()
    assert load_mask(encode(gray(thing=255, ground=250), "JPEG", quality=40)).all()


@pytest.mark.parametrize("radius", [0.5, 1, 3])
def test_soft_borders_are_cut_at_half(radius: float) -> None:
    soft = gray(thing=255).filter(ImageFilter.GaussianBlur(radius))
    assert mask_iou(load_mask(png(soft)), TRUTH) > 0.96
    small = gray(thing=255).resize((67, 41), Image.Resampling.BILINEAR)
    expected = Image.fromarray(TRUTH).resize((67, 41))
    assert mask_iou(load_mask(png(small)), np.asarray(expected)) > 0.9
    red = Image.merge("RGB", [soft, Image.new("L", soft.size), Image.new("L", soft.size)])
    assert mask_iou(load_mask(png(red)), TRUTH) > 0.96


def test_transparency_counts_below_half_only() -> None:
    for alpha, counts in ((127, True), (128, False), (254, False), (0, True)):
        part = opaque_part(with_alpha(color(thing=WHITE), alpha))
        assert (part is not None) == counts
        if part is not None:
            assert part.sum() == part.size - 1 and not part[0, 0]
    assert opaque_part(gray(thing=255)) is None
    keyed = palette([0, 0, 0, 200, 0, 0], thing=1)
    keyed.info["transparency"] = 0
    found = opaque_part(keyed)
    assert found is not None and np.array_equal(found, TRUTH)
