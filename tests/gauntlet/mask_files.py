"""Mask files: kinds of values by file formats by sizes; files of which the meaning is not clear."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from PIL import Image

from finecaption.io.masks import load_mask

from .case import Case, Place
from .drawing import SIZE, TRUTH, encoded, gray, truth

KIND = "mask files"
_SIZES = ((160, 120), (37, 53), (640, 16))
_LOSSLESS = {"WEBP": {"lossless": True, "exact": True}}
_FORMATS = {
    "1": ("PNG", "BMP", "TIFF", "GIF", "PBM"), "L": ("PNG", "BMP", "TIFF", "GIF", "PGM"),
    "P": ("PNG", "BMP", "TIFF", "GIF"), "RGB": ("PNG", "BMP", "TIFF", "WEBP", "PPM"),
    "LA": ("PNG", "TIFF"), "RGBA": ("PNG", "TIFF", "WEBP"), "I;16": ("PNG", "TIFF"),
}  # fmt: skip
_PNM = {"PBM": "PPM", "PGM": "PPM"}  # Pillow's name of the encoder

Make = Callable[[np.ndarray], Image.Image]


def two(low: int, high: int, dtype: type = np.uint8) -> Make:
    """The thing in one gray, the rest in another."""
    return lambda mask: gray(np.where(mask, high, low).astype(dtype))


def labels(left: int, right: int, ground: int = 0, dtype: type = np.uint8) -> Make:
    """Two halves of the thing with numbers of their own."""

    def make(mask: np.ndarray) -> Image.Image:
        values = np.where(mask, right, ground).astype(dtype)
        columns = np.flatnonzero(mask.any(axis=0))
        values[:, : int(columns.mean())][mask[:, : int(columns.mean())]] = left
        return gray(values)

    return make


def palette(colors: list[int], ground: int, thing: int) -> Make:
    """Indices with the colors that they mean."""

    def make(mask: np.ndarray) -> Image.Image:
        found = two(ground, thing)(mask)
        found.putpalette(colors)
        return found

    return make


def colors(thing: tuple[int, int, int], ground: tuple[int, int, int] = (0, 0, 0)) -> Make:
    """The thing in one color."""
    return lambda mask: Image.fromarray(np.where(mask[..., None], thing, ground).astype(np.uint8))


def hues(left: tuple[int, int, int], right: tuple[int, int, int]) -> Make:
    """Two halves in two colors on black."""
    return lambda mask: Image.merge("RGB", [labels(left[k], right[k])(mask) for k in range(3)])


def alpha(make: Make, opaque: int = 255, clear: int = 0) -> Make:
    """The thing opaque, the rest transparent; the colors say something else."""

    def made(mask: np.ndarray) -> Image.Image:
        found = make(mask)
        found.putalpha(gray(np.where(mask, opaque, clear).astype(np.uint8)))
        return found

    return made


def speck(make: Make, value: int) -> Make:
    """One pixel that is not quite opaque, which says nothing."""

    def made(mask: np.ndarray) -> Image.Image:
        found = make(mask).convert("RGBA")
        found.putpixel((0, 0), (*found.getpixel((0, 0))[:3], value))  # type: ignore[misc] # four numbers
        return found

    return made


def border(thing: int, ring: int) -> Make:
    """The thing with a border of another number, as VOC's "not labeled"."""

    def make(mask: np.ndarray) -> Image.Image:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        values = np.zeros(mask.shape, np.uint8)
        values[max(0, rows[0] - 2) : rows[-1] + 3, max(0, columns[0] - 2) : columns[-1] + 3] = ring
        values[mask] = thing
        return gray(values)

    return make


CLEAR: dict[str, tuple[str, Make]] = {
    "one bit": ("1", lambda mask: two(0, 255)(mask).convert("1")),
    "0 and 255": ("L", two(0, 255)),
    "0 and 1": ("L", two(0, 1)),
    "0 and 60": ("L", two(0, 60)),
    "1 and 255": ("L", two(1, 255)),
    "labels 3 and 7": ("L", labels(3, 7)),
    "palette, white first": ("P", palette([255] * 3 + [0] * 3, 1, 0)),
    "palette, black first": ("P", palette([0] * 3 + [255] * 3, 0, 1)),
    "palette, red last": ("P", palette([0] * 3 + [9] * 3 + [200, 30, 30], 0, 2)),
    "quantized": ("P", lambda mask: colors((255, 255, 255))(mask).quantize(2)),
    "white on black": ("RGB", colors((255, 255, 255))),
    "dark red on black": ("RGB", colors((128, 0, 0))),
    "two hues": ("RGB", hues((200, 60, 10), (60, 90, 120))),
    "alpha under white": ("RGBA", alpha(lambda mask: Image.new("RGB", mask.shape[::-1], "white"))),
    "alpha against the colors": ("RGBA", alpha(lambda mask: colors((255,) * 3)(~mask))),
    "alpha 254 at a pixel": ("RGBA", speck(colors((255, 255, 255)), 254)),
    "alpha 128 at a pixel": ("RGBA", speck(colors((255, 255, 255)), 128)),
    "gray and alpha": ("LA", alpha(two(255, 0))),
    "alpha 128 and 127": ("RGBA", alpha(colors((9, 9, 9)), 128, 127)),
    "16 bits, full": ("I;16", two(0, 65535, np.uint16)),
    "16 bits, labels": ("I;16", labels(26001, 26002, dtype=np.uint16)),
    "16 bits, 0 and 1": ("I;16", two(0, 1, np.uint16)),
    "16 bits, 0 and 255": ("I;16", two(0, 255, np.uint16)),
}

UNCLEAR: dict[str, tuple[str, Make, str]] = {
    "1 with a border of 255": ("L", border(1, 255), "label"),
    "labels 5 and 200": ("L", labels(5, 200), "0, 5 and 200"),
    "labels 1 and 150": ("L", labels(1, 150), "0, 1 and 150"),
    "labels 127 and 128": ("L", labels(127, 128), "0, 127 and 128"),
    "no background": ("L", two(1, 2), "no 0"),
    "two light grays": ("L", two(200, 255), "no 0"),
    "16 bits, 24 and 33000": ("I;16", labels(24, 33000, dtype=np.uint16), "0, 24 and 33000"),
    "shades of one hue": ("RGB", hues((128, 0, 0), (64, 0, 0)), "0, 64 and 128"),
    "two light colors": ("RGB", colors((0, 255, 0), (255, 0, 0)), "no black"),
    "VOC's border": ("RGB", hues((128, 0, 0), (224, 224, 192)), "not labeled"),
    "palette of one color": ("P", palette([0] * 9, 0, 2), "same color"),
}  # fmt: skip


def _read(make: Make, form: str, size: tuple[int, int], place: Place) -> np.ndarray:
    """Of a file, with the image's size; once more as bytes, which must not differ."""
    name = f"mask.{form.lower()}"
    options = _LOSSLESS.get(form, {})
    data = encoded(make(truth(size)), _PNM.get(form, form), **options)
    (place.folder / name).write_bytes(data)
    found = load_mask(name, size)
    assert np.array_equal(found, load_mask(io.BytesIO(data), size)), "file and bytes differ"
    return found


def cases() -> Iterator[Case]:
    """All of this file."""
    for name, (mode, make) in CLEAR.items():
        for form in _FORMATS[mode]:
            for size in _SIZES:
                label = f"{name}, {form}, {size[0]} x {size[1]}"
                yield Case(KIND, label, partial(_read, make, form, size), truth(size))
    for name, (mode, make, word) in UNCLEAR.items():
        for form in _FORMATS[mode][:3]:
            yield Case(KIND, f"{name}, {form}", partial(_read, make, form, SIZE), word=word)
    for quality in (40, 60, 90):
        for form in ("JPEG", "WEBP"):
            label = f"lossy {form} of quality {quality}, in blocks"
            yield Case(KIND, label, partial(_lossy, form, quality), True)
    yield from _sizes()


def _lossy(form: str, quality: int, place: Place) -> bool:
    found = load_mask(encoded(two(0, 255)(TRUTH).convert("RGB"), form, quality=quality))
    return bool(np.count_nonzero(found ^ TRUTH) < 0.02 * np.count_nonzero(TRUTH))


def _sizes() -> Iterator[Case]:
    def other(size: tuple[int, int], place: Place) -> np.ndarray:
        return load_mask(encoded(two(0, 255)(truth(size))), SIZE)

    for size in ((120, 160), (320, 240), (161, 120), (1, 1)):
        name = f"mask of {size[0]} x {size[1]} for an image of 160 x 120"
        yield Case(KIND, name, partial(other, size), word="160 x 120")
